/* The vmm role as cmd/ starts it. */
#ifndef VMB_INCLUDE_VMM_H
#define VMB_INCLUDE_VMM_H

#include <stdbool.h>

#include "err.h"

/*
 * The whole life of a vmm process: waits for VMM_START on CONTROL (see vmm_proto.h; taken over), runs the
 * machine until it ends, reports, cleans up. Returns the process's exit status: 0 after power-off or stop,
 * 1 when the guest was stopped by a fault, 2 when the vmm could not start.
 */
int vmm_main(int control);

/* What a KVM can do. */
struct kvm_ability {
	int can_run_firmware; /* the self-test guest got through x87, SSE and cmpxchg16b */
	char missing[256];    /* required capabilities this KVM lacks, comma-separated, or empty */
	char firmware_text[256]; /* when it cannot: what failed, as a sentence */
	unsigned int max_cpus;
};

/*
 * Examines KVM_FD (borrowed): capabilities, then a guest of a few instructions that does what
 * firmware does. Takes milliseconds. 0, or -errno with the sentence when KVM itself does not answer.
 */
int vmm_probe_kvm(int kvm_fd, struct kvm_ability *ret_ability, struct vmb_err *err);

/* Which layers of a vmm's sandbox there are. */
struct sandbox_layers {
	bool built_in;	 /* false: a build with sanitizers, whose vmm has no sandbox at all */
	bool empty_root; /* a root directory with nothing in it */
	unsigned int landlock_abi; /* 0: no Landlock */
	bool no_rights;		   /* no capabilities, no_new_privs */
	bool filters;		   /* of system calls */
};

/* Tries them in a process of its own. -errno when there is no process to be had. */
int vmm_probe_sandbox(struct sandbox_layers *ret_layers);

#endif
