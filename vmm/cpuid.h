/*
 * What CPUID shows to a guest: what KVM supports on this host, with the topology of the virtual
 * machine (one package, one thread a core, APIC id = number of the vCPU). Intel SDM volume 2A
 * "CPUID"; AMD APM volume 3 appendix E. No KVM in here: entries in, entries out.
 */
#ifndef VMB_VMM_CPUID_H
#define VMB_VMM_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* What the instruction answers. */
struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

struct cpuid_params {
	unsigned int cpus; /* of the machine, 1..254 */
	/* Leaves 0x80000005 and 0x80000006 of the host's processor, the caches: KVM may say nothing of them. */
	struct cpuid_regs host_l1, host_l2;
	/* Leaf 0x40000000 of the host's processor: which hypervisor the host itself runs on. All zero: none. */
	struct cpuid_regs host_hypervisor;
	bool nested;	   /* the guest may run virtual machines itself, where KVM lets it */
	bool tsc_deadline; /* KVM offers the local APIC's TSC-deadline mode */
};

/*
 * Makes the table of vCPU APIC_ID from SUPPORTED. No nested virtualisation unless asked for, no MONITOR/MWAIT, no
 * memory encryption leaves. *ret_cpuid is to be freed with free(). 0 or -ENOMEM.
 */
int cpuid_make(const struct kvm_cpuid2 *supported, const struct cpuid_params *params,
	       unsigned int apic_id, struct kvm_cpuid2 **ret_cpuid);

/* Does TABLE offer nested virtualisation (VMX or SVM)? */
bool cpuid_is_nested(const struct kvm_cpuid2 *table);

/* Bits of a guest physical address, from leaf 0x80000008; 36 when there is none. */
unsigned int cpuid_phys_bits(const struct kvm_cpuid2 *supported);

#endif
