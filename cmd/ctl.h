/* What `vmboot ctl` prints: ctl_print.c. All of it comes from the daemon and is made terminal-safe. */
#ifndef VMB_CMD_CTL_H
#define VMB_CMD_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "menu_proto.h"

/* The virtual machine in one line, also when there is none. */
void ctl_print_line(const struct menu_vm *vm);

/* The counters of STATUS, whose counts are checked here. */
void ctl_print_status(const struct menu_vm *vm, const struct vmm_status *status);

/*
 * The guest's console on standard output: byte for byte into a file; for a terminal without its
 * cursor movements and with everything that is no printable character escaped.
 */
struct ctl_text {
	bool for_terminal;
	int state; /* inside an escape sequence */
	size_t len;
	char line[1024];
};

/* Before the first byte; TEXT needs no initial value. */
void ctl_text_begin(struct ctl_text *text, bool for_terminal);
/* N bytes more, in pieces as they come. A write error shows in ferror(stdout). */
void ctl_text_put(struct ctl_text *text, const uint8_t *buf, size_t n);
/* Ends the last line and flushes; TEXT holds nothing that has to be freed. */
void ctl_text_end(struct ctl_text *text);

#endif
