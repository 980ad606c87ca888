/* The vmm role as cmd/ starts it. */
#ifndef VMB_INCLUDE_VMM_H
#define VMB_INCLUDE_VMM_H

#include "err.h"

/*
 * The whole life of a vmm process: waits for VMM_START on CONTROL (see vmm_proto.h; taken over), runs the
 * machine until it ends, reports, cleans up. Returns the process's exit status: 0 after power-off or stop,
 * 1 when the guest was stopped by a fault, 2 when the vmm could not start.
 */
int vmm_main(int control);

/* What a KVM can do. */
struct kvm_ability {
	int can_run_firmware;	/* the self-test guest got through x87, SSE and cmpxchg16b */
	char missing[256];	/* required capabilities this KVM lacks, comma-separated, or empty */
	char firmware_text[256]; /* when it cannot: what failed, as a sentence */
	unsigned int max_cpus;
};

/*
 * Examines KVM_FD (borrowed): capabilities, then a guest of a few instructions that does what
 * firmware does. Takes milliseconds. 0, or -errno with the sentence when KVM itself does not answer.
 */
int vmm_probe_kvm(int kvm_fd, struct kvm_ability *ret_ability, struct vmb_err *err);

#endif
