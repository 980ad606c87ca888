/*
 * What the kvm tests share: starts the sanitized vmm process with a guest, exactly as a launcher
 * does, and talks to it. Every wait is bounded; a failed expectation fails the cmocka test.
 */
#ifndef VMB_TESTS_KVM_MACHINE_H
#define VMB_TESTS_KVM_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include "vmm_proto.h"

#define MACHINE_WAIT_MS 60000
#define MACHINE_OUTPUT	(1 << 20)

struct machine {
	pid_t pid;
	int control;
	int console; /* -1 when the test closed it */
	int vars;
	int log; /* what the vmm wrote to its standard error */
	uint32_t stage; /* the last VMM_PROGRESS, which machine_next_message() keeps to itself */
	size_t output_len;
	size_t seen; /* machine_expect_output() goes on from here */
	char output[MACHINE_OUTPUT + 1];
};

/* What to start; zero means: 1 CPU, 64 MiB, an empty variable store, no disk. */
struct machine_config {
	const char *guest; /* name of a file in build/gen/tests/kvm/guests, or */
	int firmware_fd;   /* a memfd instead, when GUEST is NULL; taken over */
	const char *flash; /* name of a file there, which is the end of a flash image of OVMF of 4 MiB; or */
	const char *kernel; /* instead of firmware: name of a file there, booted as Linux is */
	const char *initrd; /* text that it begins with, or NULL: none */
	size_t initrd_size; /* 0: the text and its NUL */
	const char *cmdline; /* NULL: empty */
	uint32_t cpus;
	uint64_t memory;
	const char *disk;  /* path of a raw file */
	uint32_t disk_count; /* how many disks that file is; 0 means 1 */
	bool stop_on_panic;
	bool tiny_console; /* a console socket with the smallest buffers */
	const void *vars;  /* 2 * VARSTORE_SIZE bytes to begin with */
	uint32_t vfio_count, vfio_fd_count; /* said to be passed through, and not sent */
	uint32_t seed;	   /* when not 0: put in place of the guest's "SEED" word */
};

/* cmocka group setup: without a usable /dev/kvm every test of the group is skipped, with the reason. */
void machine_need_kvm(void);

/* Starts and sends VMM_START. */
struct machine *machine_start(const struct machine_config *config);

/*
 * For tests whose cmocka state is their machine: nothing yet before the test, machine_free() after
 * it however it ended, and a start in between (which skips the test without /dev/kvm).
 */
int machine_setup(void **state);
int machine_teardown(void **state);
struct machine *machine_start_for(void **state, const struct machine_config *config);

#define MACHINE_TEST(f) cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

/* Kills what still runs, closes, frees. The vmm must not have written a sanitizer report. */
void machine_free(struct machine *m);

/* Reads console output until TEXT appears behind what was expected before. */
void machine_expect_output(struct machine *m, const char *text);

/* Takes the console output that is there now, without waiting. */
void machine_take_output(struct machine *m);

/* Reads console output until it ends. */
void machine_read_all_output(struct machine *m);

void machine_send(struct machine *m, uint32_t type);

/*
 * Waits for the next message, reading the console meanwhile; returns its type, or 0 at the end of the socket. BODY may
 * be NULL.
 */
uint32_t machine_next_message(struct machine *m, void *body, size_t cap);

/* Waits for that message; others but VMM_VARS_CHANGED fail the test. */
void machine_expect_message(struct machine *m, uint32_t type);

/* Waits for VMM_EXITED with REASON, then for the process; returns its exit status. RET may be NULL. */
int machine_expect_exit(struct machine *m, uint32_t reason, struct vmm_exited *ret);

/* Waits for the process alone; returns its exit status, or -signal. */
int machine_reap(struct machine *m);

/* How many bytes of the vmm's are resident, guest RAM included, and its open descriptors. */
uint64_t machine_rss(const struct machine *m);
unsigned int machine_fd_count(const struct machine *m);

/* A sealed memfd with these bytes, for firmware_fd. */
int machine_sealed_memfd(const void *bytes, size_t n);

uint64_t machine_now_ms(void);

#endif
