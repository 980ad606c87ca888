/*
 * The vCPUs: a thread each, which runs the guest and hands its exits to the buses. They stop and
 * start together.
 */
#ifndef VMB_VMM_VCPU_H
#define VMB_VMM_VCPU_H

#include "err.h"
#include "vmm/bus.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"
#include "vmm_proto.h"

struct sandbox;
struct vcpus;

struct vcpus_params {
	struct kvm_vm *kvm;
	const struct kvm_cpuid2 *supported; /* kvm_supported_cpuid(), while they are made */
	const struct guest_mem *mem;
	struct bus *ports;
	struct bus *mmio;
	unsigned int count;	       /* 1..254 */
	bool nested;		       /* see cpuid.h */
	unsigned int kind;	       /* enum sandbox_thread */
	unsigned int nice;	       /* is added to the nice value of their threads */
	const struct sandbox *sandbox; /* of their threads, may be NULL */
	/*
	 * The guest cannot go on, or KVM says it switched itself off or wants a reset. On the vCPU's
	 * thread; the callee calls vcpus_stop() and lets others do the rest. TEXT is for the operator.
	 */
	void (*fault)(void *ctx, const char *text);
	void (*power_off)(void *ctx);
	void (*reset)(void *ctx);
	void *ctx;
};

/*
 * Makes the vCPUs and their threads, stopped. What PARAMS points to is borrowed. 0 or -errno with
 * the sentence.
 */
int vcpus_create(const struct vcpus_params *params, struct vcpus **ret_vcpus, struct vmb_err *err);

/* Stops and ends them. NULL is fine. */
void vcpus_destroy(struct vcpus *vcpus);

/*
 * Power-on state for all; the boot CPU will begin as ENTRY says. They are stopped
 * (vcpus_wait_stopped()). 0 or -errno with the sentence.
 */
int vcpus_reset(struct vcpus *vcpus, const struct kvm_entry *entry, struct vmb_err *err);

/* Lets them run. The boot CPU begins when every other one is about to wait for its INIT in KVM. */
void vcpus_resume(struct vcpus *vcpus);

/*
 * No vCPU executes another guest instruction after its current one: the calling one, if it is one,
 * none at all. Returns at once; any thread.
 */
void vcpus_stop(struct vcpus *vcpus);

/*
 * The same to go on later: what a vCPU is writing when it stops reaches its device, whereas after
 * vcpus_stop() the machine is to be reset or ended and such writes are dropped. Returns at once;
 * not from a vCPU's thread. vcpus_wait_stopped() follows; vcpus_stop() may still come.
 */
void vcpus_pause(struct vcpus *vcpus);

/* Before vcpus_resume() after a pause: the guest's clock learns of it. They are stopped. */
void vcpus_tell_paused(struct vcpus *vcpus);

/* How often vCPU INDEX came out of the guest so far. Any thread. */
void vcpus_get_status(const struct vcpus *vcpus, unsigned int index,
		      struct vmm_cpu_status *ret_status);

/* Waits until all stand still, the last exit of each completed. Not from a vCPU's thread. */
void vcpus_wait_stopped(struct vcpus *vcpus);

#endif
