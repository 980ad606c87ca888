/* See cpuid.h. One function per leaf that must not be passed on as it is. */
#include "vmm/cpuid.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXTRA_ENTRIES 8 /* topology leaves that SUPPORTED may lack */

#define BIT(n) (1U << (n))

/* Leaf 1 ECX and EDX. */
#define ECX_MONITOR	 BIT(3)
#define ECX_VMX		 BIT(5)
#define ECX_X2APIC	 BIT(21)
#define ECX_TSC_DEADLINE BIT(24)
#define ECX_OSXSAVE	 BIT(27)
#define ECX_HYPERVISOR	 BIT(31)
#define EDX_HTT		 BIT(28)
/* Leaf 0x80000001 ECX. */
#define ECX_CMP_LEGACY BIT(1)
#define ECX_SVM	       BIT(2)

struct build {
	const struct cpuid_params *params;
	unsigned int apic_id;
	unsigned int id_bits; /* of an APIC id in this machine */
	uint32_t max_basic;
	bool is_amd;
};

/* Bits that hold N different values: 0 for 1, 2 for 3 and 4. */
static unsigned int bits_for(unsigned int n)
{
	unsigned int bits = 0;

	while ((1U << bits) < n)
		bits++;
	return bits;
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

static void leaf_1(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	e->ebx = (e->ebx & 0xFFFF) | b->params->cpus << 16 | b->apic_id << 24;
	e->ecx &= ~(ECX_MONITOR | ECX_TSC_DEADLINE | ECX_OSXSAVE);
	if (!b->params->nested)
		e->ecx &= ~ECX_VMX;
	e->ecx |= ECX_HYPERVISOR | ECX_X2APIC;
	if (b->params->tsc_deadline)
		e->ecx |= ECX_TSC_DEADLINE;
	e->edx &= ~EDX_HTT;
	if (b->params->cpus > 1)
		e->edx |= EDX_HTT;
}

/*
 * Leaf 4 (Intel) and 0x8000001D (AMD) have one layout: EAX 4:0 type, 7:5 level, 25:14 logical CPUs
 * that share the cache - 1. Levels 1 and 2 belong to one core, level 3 to the package.
 */
static void leaf_caches(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	uint32_t level = e->eax >> 5 & 7;
	uint32_t sharing = level >= 3 ? (1U << b->id_bits) - 1 : 0;

	if ((e->eax & 0x1F) == 0)
		return;
	e->eax = (e->eax & 0x3FFF) | sharing << 14;
	/* 31:26, Intel only: APIC ids reserved for the package's cores - 1, six bits at most. */
	if (e->function == 4)
		e->eax |= ((b->id_bits > 6 ? 64 : 1U << b->id_bits) - 1) << 26;
}

/* 0x80000008 ECX: 7:0 cores - 1, 15:12 bits of an APIC id within the package. */
static void leaf_80000008(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	if (b->is_amd)
		e->ecx = (b->params->cpus - 1) | b->id_bits << 12;
}

/* 0x8000001E: EAX APIC id; EBX 7:0 core, 15:8 threads a core - 1; ECX 7:0 node, 10:8 nodes - 1. */
static void leaf_8000001e(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	clear(e);
	e->eax = b->apic_id;
	e->ebx = b->apic_id & 0xFF;
}

static void leaf_80000001(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	e->ecx &= ~ECX_CMP_LEGACY;
	if (!b->params->nested)
		e->ecx &= ~ECX_SVM;
	if (b->is_amd && b->params->cpus > 1)
		e->ecx |= ECX_CMP_LEGACY;
}

/* Linux shows no caches at all if one of these two has nothing to say and 0x8000001D is not used. */
static void leaf_host_caches(const struct cpuid_regs *host, struct kvm_cpuid_entry2 *e)
{
	if (e->eax || e->ebx || e->ecx || e->edx)
		return;
	e->eax = host->eax;
	e->ebx = host->ebx;
	e->ecx = host->ecx;
	e->edx = host->edx;
}

static bool host_is_tcg(const struct cpuid_regs *hypervisor)
{
	char name[12];

	memcpy(name, &hypervisor->ebx, 4);
	memcpy(name + 4, &hypervisor->ecx, 4);
	memcpy(name + 8, &hypervisor->edx, 4);
	return memcmp(name, "TCGTCGTCGTCG", 12) == 0;
}

/*
 * A host that QEMU emulates (TCG): its VMRUN leaves an interrupt that KVM injects noted as pending after delivering it, and
 * delivers it once more if the emulator's loop is left before the guest comes back to KVM: in the middle of the handler,
 * with a lock held, say. A handler whose EOI exits is safe from there on, and takes its locks after it.
 */
static void leaf_kvm_features(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	if (host_is_tcg(&b->params->host_hypervisor))
		e->eax &= ~BIT(KVM_FEATURE_PV_EOI);
}

/* Changes E for this vCPU. False: the entry is left out. */
static bool adjust(const struct build *b, struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 1: leaf_1(b, e); break;
	case 4:
	case 0x8000001D: leaf_caches(b, e); break;
	case 5: clear(e); break; /* MONITOR/MWAIT */
	case 0xB:
	case 0x1F: return false; /* made anew by add_topology() */
	case KVM_CPUID_FEATURES: leaf_kvm_features(b, e); break;
	case 0x80000001: leaf_80000001(b, e); break;
	case 0x80000005: leaf_host_caches(&b->params->host_l1, e); break;
	case 0x80000006: leaf_host_caches(&b->params->host_l2, e); break;
	case 0x80000008: leaf_80000008(b, e); break;
	case 0x8000000A: /* SVM */
		if (!b->params->nested)
			clear(e);
		break;
	case 0x8000001E: leaf_8000001e(b, e); break;
	case 0x8000001F: clear(e); break; /* SEV: EDK2 would read an MSR that is not there */
	case 0x80000026: clear(e); break; /* AMD's other topology leaf: 0xB says it all */
	default: break;
	}
	return true;
}

/* Leaf 0xB and its twin 0x1F: level 0 thread, level 1 core; EDX is the x2APIC id in every subleaf. */
static void add_topology(const struct build *b, uint32_t function, struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 levels[] = {
		{.eax = 0, .ebx = 1, .ecx = 1 << 8 | 0},
		{.eax = b->id_bits, .ebx = b->params->cpus, .ecx = 2 << 8 | 1},
		{.eax = 0, .ebx = 0, .ecx = 2},
	};

	for (uint32_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[cpuid->nent++];

		*e = levels[i];
		e->function = function;
		e->index = i;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		e->edx = b->apic_id;
	}
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *cpuid, uint32_t function)
{
	for (uint32_t i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function)
			return &cpuid->entries[i];
	return NULL;
}

static bool vendor_is_amd(const struct kvm_cpuid_entry2 *leaf0)
{
	char vendor[12];

	if (!leaf0)
		return false;
	memcpy(vendor, &leaf0->ebx, 4);
	memcpy(vendor + 4, &leaf0->edx, 4);
	memcpy(vendor + 8, &leaf0->ecx, 4);
	return memcmp(vendor, "AuthenticAMD", 12) == 0 || memcmp(vendor, "HygonGenuine", 12) == 0;
}

int cpuid_make(const struct kvm_cpuid2 *supported, const struct cpuid_params *params,
	       unsigned int apic_id, struct kvm_cpuid2 **ret_cpuid)
{
	const struct kvm_cpuid_entry2 *leaf0 = find(supported, 0);
	struct build b = {
		.params = params,
		.apic_id = apic_id,
		.id_bits = bits_for(params->cpus),
		.max_basic = leaf0 ? leaf0->eax : 0,
		.is_amd = vendor_is_amd(leaf0),
	};
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + (supported->nent + EXTRA_ENTRIES) *
								      sizeof(cpuid->entries[0]));

	if (!cpuid)
		return -ENOMEM;
	for (uint32_t i = 0; i < supported->nent; i++) {
		struct kvm_cpuid_entry2 e = supported->entries[i];

		if (adjust(&b, &e))
			cpuid->entries[cpuid->nent++] = e;
	}
	if (b.max_basic >= 0xB)
		add_topology(&b, 0xB, cpuid);
	if (b.max_basic >= 0x1F)
		add_topology(&b, 0x1F, cpuid);
	*ret_cpuid = cpuid;
	return 0;
}

bool cpuid_is_nested(const struct kvm_cpuid2 *table)
{
	const struct kvm_cpuid_entry2 *intel = find(table, 1), *amd = find(table, 0x80000001);

	return (intel && (intel->ecx & ECX_VMX)) || (amd && (amd->ecx & ECX_SVM));
}

unsigned int cpuid_phys_bits(const struct kvm_cpuid2 *supported)
{
	const struct kvm_cpuid_entry2 *e = find(supported, 0x80000008);
	unsigned int bits = e ? e->eax & 0xFF : 0;

	return bits >= 32 && bits <= 52 ? bits : 36;
}
