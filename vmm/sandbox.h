/*
 * What keeps a guest that has taken over its vmm from going further. Layers, each of which would
 * do alone: nothing to open (an empty root directory; Landlock), no rights (an unprivileged user,
 * no capabilities, no_new_privs, limits), and for each kind of thread a filter of system calls.
 * io_uring, which goes past the filters, is restricted by ring_uring.c.
 *
 * A layer that this kernel refuses is left out, and said: the guest may still be trusted.
 */
#ifndef VMB_VMM_SANDBOX_H
#define VMB_VMM_SANDBOX_H

#include <stddef.h>

#include "seccomp.h"
#include "vmm.h"

struct sandbox {
	struct sandbox_layers layers;
};

/* By what a thread does; each has a table of system calls in sandbox_policy.c. */
enum sandbox_thread {
	SANDBOX_CONTROL, /* the process's first: builds the machine, then serves the launcher */
	SANDBOX_VCPU,
	SANDBOX_DISK,	 /* of ring.c, with either engine: for disks, */
	SANDBOX_NET,	 /* for network cards, */
	SANDBOX_STREAMS, /* for the console and the small devices */
	SANDBOX_WORKER,	 /* of ring_threads.c */
	SANDBOX_CONTROL_VFIO, /* the first two with devices that are passed through */
	SANDBOX_VCPU_VFIO,
	SANDBOX_CONTROL_FLASH, /* the first two with firmware in flash, and no such devices */
	SANDBOX_VCPU_FLASH,
	SANDBOX_THREADS
};

/*
 * Puts the process, which must have only one thread yet, into every layer but the filters. From now
 * on it opens no path. RET_SANDBOX says what there is; a build with sanitizers has no sandbox, for
 * they need more than it allows. CONTROL is where a refused system call is reported as VMM_EXITED.
 */
void sandbox_enter(struct sandbox *ret_sandbox);

/*
 * The last layer, for the calling thread: from now on it makes only the system calls in the table of
 * KIND; any other ends the process. Does nothing without SANDBOX (NULL: tests) or filters. 0 or -errno.
 */
int sandbox_filter(const struct sandbox *sandbox, enum sandbox_thread kind);

/* "vCPU", "I/O" and so on; "?" for a number that is none of enum sandbox_thread. */
const char *sandbox_thread_name(unsigned int kind);

/* The table of KIND and, in *RET_COUNT, how many rules it has. */
const struct seccomp_rule *sandbox_policy(enum sandbox_thread kind, size_t *ret_count);

/* The parts of sandbox_enter(), for tests: an empty root directory, no capabilities, no file system. Each 0 or -errno. */
int sandbox_empty_root(void);
int sandbox_drop_rights(void);
int sandbox_landlock(unsigned int *ret_abi); /* after sandbox_drop_rights() */
/* A refused call is told on VMM_CONTROL_FD, and ends the process. */
void sandbox_report_refusals(void);

#endif
