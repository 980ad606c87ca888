/*
 * Between the guest's serial port (or virtio-console) and the console descriptor: what the guest
 * prints waits in a bounded buffer, so a console that nobody reads never stalls a vCPU; what arrives
 * waits in the socket until the guest's device has room.
 */
#ifndef VMB_VMM_CONSOLE_H
#define VMB_VMM_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/ring.h"

#define CONSOLE_BUFFER 65536

struct vm_console;

struct vm_console_params {
	int fd; /* stream socket, both directions; borrowed */
	struct ring
		*ring; /* whose thread does the I/O; borrowed, started after vm_console_create() */
	/* Bytes from FD; returns how many were taken. The rest is offered again after vm_console_input_ready(). */
	size_t (*receive)(void *ctx, const uint8_t *buf, size_t n);
	void *ctx;
};

/* 0 or -errno. */
int vm_console_create(const struct vm_console_params *params, struct vm_console **ret_console);

/* After the ring was destroyed: drops what is left. NULL is fine. */
void vm_console_destroy(struct vm_console *console);

/*
 * N bytes from the guest, copied once. Never blocks; what does not fit into the buffer is dropped and
 * counted. Any thread.
 */
void vm_console_write(struct vm_console *console, const uint8_t *buf, size_t n);

/* The same for one byte. */
static inline void vm_console_transmit(struct vm_console *console, uint8_t byte)
{
	vm_console_write(console, &byte, 1);
}

/* The receiver has room again. Any thread. */
void vm_console_input_ready(struct vm_console *console);

/* Waits until what was transmitted is written, at most MSEC milliseconds. Not from the ring's thread. */
void vm_console_flush(struct vm_console *console, unsigned int msec);

/* How many bytes were dropped so far. */
uint64_t vm_console_dropped(struct vm_console *console);

#endif
