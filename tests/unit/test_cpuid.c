/* What a guest is told about its CPUs: by vendor, by number of CPUs, leaf by leaf. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#include "vmm/cpuid.h"

struct table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[32];
};

static void put(struct table *t, uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx,
		uint32_t ecx, uint32_t edx)
{
	t->entries[t->head.nent++] = (struct kvm_cpuid_entry2){.function = function,
							       .index = index,
							       .eax = eax,
							       .ebx = ebx,
							       .ecx = ecx,
							       .edx = edx};
}

/* What a host with everything on might report. */
static void make_host(struct table *t, const char *vendor, uint32_t max_basic)
{
	uint32_t v[3];

	memset(t, 0, sizeof(*t));
	memcpy(v, vendor, 12);
	put(t, 0, 0, max_basic, v[0], v[2], v[1]);
	put(t, 1, 0, 0x800F12, 0x17100800, 0xFFFFFFFF & ~(1U << 31), 0xFFFFFFFF);
	put(t, 4, 0, 0x1C004121, 0x01C0003F, 63, 0);	 /* L1 data, 2 threads, 8 cores */
	put(t, 4, 3, 0x1C03C163, 0x03C0003F, 0x2FFF, 6); /* L3, 16 threads */
	put(t, 4, 4, 0, 0, 0, 0);
	put(t, 5, 0, 0x40, 0x40, 3, 0x11);
	put(t, 0xB, 0, 1, 2, 0x100, 17);
	put(t, 0xB, 1, 5, 16, 0x201, 17);
	put(t, 0xD, 0, 7, 832, 832, 0);
	put(t, 0x40000000, 0, 0x40000001, 0x4B4D564B, 0x564B4D56, 0x4D);
	put(t, 0x40000001, 0, 0x01007EFB, 0, 0, 0);
	put(t, 0x80000001, 0, 0x800F12, 0, 0xFFFFFFFF, 0xFFFFFFFF);
	put(t, 0x80000008, 0, 0x3030, 0x1007, 0x400F, 0);
	put(t, 0x8000000A, 0, 1, 8, 0, 0xFF);
	put(t, 0x8000001D, 0, 0x4121, 0x01C0003F, 63, 0);
	put(t, 0x8000001D, 3, 0x1C163, 0x03C0003F, 0x1FFF, 1);
	put(t, 0x8000001E, 0, 17, 0x108, 0x100, 0);
	put(t, 0x8000001F, 0, 0xF, 0x16F, 15, 1);
	put(t, 0x80000026, 0, 1, 2, 0x100, 17);
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *t, uint32_t function,
					   uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;

	for (uint32_t i = 0; i < t->nent; i++) {
		if (t->entries[i].function != function || t->entries[i].index != index)
			continue;
		assert_null(found); /* no leaf twice */
		found = &t->entries[i];
	}
	return found;
}

static struct kvm_cpuid2 *make(const char *vendor, unsigned int cpus, unsigned int id)
{
	const struct cpuid_params params = {.cpus = cpus, .tsc_deadline = true};
	struct kvm_cpuid2 *made = NULL;
	struct table host;

	make_host(&host, vendor, 0x1F);
	assert_int_equal(cpuid_make(&host.head, &params, id, &made), 0);
	return made;
}

#define AMD   "AuthenticAMD"
#define INTEL "GenuineIntel"

static void every_cpu_has_its_own_id(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < 254; id++) {
		struct kvm_cpuid2 *t = make(AMD, 254, id);

		assert_int_equal(find(t, 1, 0)->ebx >> 24, id);
		assert_int_equal(find(t, 1, 0)->ebx >> 16 & 0xFF, 254);
		assert_int_equal(find(t, 1, 0)->ebx & 0xFFFF, 0x0800); /* CLFLUSH size stays */
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(find(t, 0xB, i)->edx, id);
			assert_int_equal(find(t, 0x1F, i)->edx, id);
			assert_int_equal(find(t, 0xB, i)->flags, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
		}
		assert_int_equal(find(t, 0x8000001E, 0)->eax, id);
		assert_int_equal(find(t, 0x8000001E, 0)->ebx, id & 0xFF); /* core; 1 thread each */
		assert_int_equal(find(t, 0x8000001E, 0)->ecx, 0);	  /* node 0 of 1 */
		free(t);
	}
}

/* SDM: leaf 0xB EAX is the shift to the next level, EBX how many CPUs, ECX level and type. */
static void topology_is_one_package_of_cores(void **state)
{
	static const struct {
		unsigned int cpus, shift;
	} cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {8, 3}, {9, 4}, {254, 8}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kvm_cpuid2 *t = make(INTEL, cases[i].cpus, 0);

		assert_int_equal(find(t, 0xB, 0)->eax, 0);
		assert_int_equal(find(t, 0xB, 0)->ebx, 1);
		assert_int_equal(find(t, 0xB, 0)->ecx, 0x100);
		assert_int_equal(find(t, 0xB, 1)->eax, cases[i].shift);
		assert_int_equal(find(t, 0xB, 1)->ebx, cases[i].cpus);
		assert_int_equal(find(t, 0xB, 1)->ecx, 0x201);
		assert_int_equal(find(t, 0xB, 2)->ebx, 0);
		assert_int_equal(find(t, 0xB, 2)->ecx, 2);
		/* HTT says that EBX 23:16 counts. */
		assert_int_equal(find(t, 1, 0)->edx >> 28 & 1, cases[i].cpus > 1);
		free(t);
	}
}

static void caches_are_shared_within_the_machine(void **state)
{
	struct kvm_cpuid2 *t = make(INTEL, 4, 1);

	(void)state;
	/* L1: one core alone; cores in the package - 1 in 31:26. */
	assert_int_equal(find(t, 4, 0)->eax >> 14 & 0xFFF, 0);
	assert_int_equal(find(t, 4, 0)->eax >> 26, 3);
	assert_int_equal(find(t, 4, 0)->eax & 0x3FFF, 0x121);
	assert_int_equal(find(t, 4, 3)->eax >> 14 & 0xFFF, 3);
	assert_int_equal(find(t, 4, 3)->ecx, 0x2FFF);
	assert_int_equal(find(t, 4, 4)->eax, 0); /* end of the list */
	free(t);
	t = make(AMD, 4, 1);
	assert_int_equal(find(t, 0x8000001D, 0)->eax, 0x121);
	assert_int_equal(find(t, 0x8000001D, 3)->eax, 0x163 | 3 << 14);
	free(t);
	t = make(AMD, 1, 0);
	assert_int_equal(find(t, 0x8000001D, 3)->eax, 0x163);
	free(t);
	/* The field for cores has six bits. */
	t = make(INTEL, 254, 0);
	assert_int_equal(find(t, 4, 3)->eax >> 26, 63);
	assert_int_equal(find(t, 4, 3)->eax >> 14 & 0xFFF, 255);
	free(t);
}

/* AMD's older cache leaves: KVM's word counts, and where it has none the processor's. */
static void caches_that_kvm_does_not_tell(void **state)
{
	const struct cpuid_params params = {.cpus = 2,
					    .host_l1 = {1, 2, 0x20080140, 0x20080140},
					    .host_l2 = {5, 6, 0x02006140, 8}};
	struct kvm_cpuid2 *t = NULL;
	struct table host;

	(void)state;
	make_host(&host, AMD, 0xD);
	put(&host, 0x80000005, 0, 0, 0, 0, 0);
	put(&host, 0x80000006, 0, 0, 0, 0x01006140, 0);
	assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
	assert_int_equal(find(t, 0x80000005, 0)->eax, 1);
	assert_int_equal(find(t, 0x80000005, 0)->ebx, 2);
	assert_int_equal(find(t, 0x80000005, 0)->ecx, 0x20080140);
	assert_int_equal(find(t, 0x80000005, 0)->edx, 0x20080140);
	assert_int_equal(find(t, 0x80000006, 0)->ecx, 0x01006140);
	assert_int_equal(find(t, 0x80000006, 0)->edx, 0);
	free(t);
}

static void no_nesting_and_no_sleeping_in_mwait(void **state)
{
	struct kvm_cpuid2 *t = make(AMD, 2, 0);

	(void)state;
	assert_int_equal(find(t, 1, 0)->ecx & (1 << 3 | 1 << 5), 0); /* MONITOR, VMX */
	assert_int_equal(find(t, 5, 0)->eax | find(t, 5, 0)->edx, 0);
	assert_int_equal(find(t, 0x80000001, 0)->ecx & 1 << 2, 0); /* SVM */
	assert_int_equal(find(t, 0x8000000A, 0)->edx, 0);
	/* SEV: EDK2 would read an MSR that is not there. */
	assert_int_equal(find(t, 0x8000001F, 0)->eax, 0);
	assert_int_equal(find(t, 0x80000026, 0)->ebx, 0);
	free(t);
}

static void nesting_where_it_is_asked_for(void **state)
{
	struct cpuid_params params = {.cpus = 2, .nested = true};
	struct kvm_cpuid2 *t = NULL;
	struct table host;

	(void)state;
	make_host(&host, AMD, 0xD);
	assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
	assert_true(find(t, 0x80000001, 0)->ecx & 1 << 2);
	assert_int_equal(find(t, 0x8000000A, 0)->ebx, 8); /* ASIDs */
	assert_true(cpuid_is_nested(t));
	assert_int_equal(find(t, 1, 0)->ecx & 1 << 3, 0); /* still no MONITOR */
	free(t);
	make_host(&host, INTEL, 0xD);
	host.entries[1].ecx &= ~(1u << 5); /* a KVM without nesting: asking does not make it so */
	for (uint32_t i = 0; i < host.head.nent; i++)
		if (host.entries[i].function == 0x80000001)
			host.entries[i].ecx &= ~4u;
	assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
	assert_false(cpuid_is_nested(t));
	free(t);
	t = make(INTEL, 2, 0);
	assert_false(cpuid_is_nested(t));
	free(t);
}

static void hypervisor_shows_itself(void **state)
{
	struct kvm_cpuid2 *t = make(AMD, 2, 0);
	uint32_t ecx = find(t, 1, 0)->ecx;

	(void)state;
	assert_true(ecx & 1U << 31);  /* hypervisor */
	assert_true(ecx & 1U << 21);  /* x2APIC */
	assert_true(ecx & 1U << 24);  /* TSC deadline */
	assert_false(ecx & 1U << 27); /* OSXSAVE is the guest's to set */
	assert_int_equal(find(t, 0x40000000, 0)->ebx, 0x4B4D564B);
	assert_int_equal(find(t, 0x40000001, 0)->eax, 0x01007EFB);
	assert_int_equal(find(t, 0xD, 0)->ebx, 832);
	free(t);
}

/* Its VMRUN may deliver an injected interrupt twice, which a handler survives only before its EOI. */
static void an_emulated_host_gets_no_paravirtual_eoi(void **state)
{
	static const struct {
		const char *name;
		uint32_t features;
	} hosts[] = {{"TCGTCGTCGTCG", 0x01007EBB}, {"KVMKVMKVM", 0x01007EFB}};

	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct cpuid_params params = {.cpus = 1};
		struct kvm_cpuid2 *t = NULL;
		char name[12] = "";
		struct table host;

		memcpy(name, hosts[i].name, strlen(hosts[i].name));
		memcpy(&params.host_hypervisor.ebx, name, 4);
		memcpy(&params.host_hypervisor.ecx, name + 4, 4);
		memcpy(&params.host_hypervisor.edx, name + 8, 4);
		make_host(&host, AMD, 0xD);
		assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
		assert_int_equal(find(t, 0x40000001, 0)->eax, hosts[i].features);
		free(t);
	}
}

static void tsc_deadline_only_where_kvm_has_it(void **state)
{
	const struct cpuid_params params = {.cpus = 1};
	struct kvm_cpuid2 *t = NULL;
	struct table host;

	(void)state;
	make_host(&host, INTEL, 0xD);
	assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
	assert_false(find(t, 1, 0)->ecx & 1U << 24);
	/* And no leaf beyond the highest that leaf 0 names. */
	assert_null(find(t, 0x1F, 0));
	assert_non_null(find(t, 0xB, 0));
	free(t);
	make_host(&host, AMD, 7);
	assert_int_equal(cpuid_make(&host.head, &params, 0, &t), 0);
	assert_null(find(t, 0xB, 0));
	free(t);
}

/* APM: 0x80000008 ECX 7:0 cores - 1, 15:12 bits of the id. CmpLegacy: more than one core. */
static void amd_counts_its_cores(void **state)
{
	struct kvm_cpuid2 *t = make(AMD, 3, 0);

	(void)state;
	assert_int_equal(find(t, 0x80000008, 0)->ecx, 0x2002);
	assert_int_equal(find(t, 0x80000008, 0)->eax, 0x3030);
	assert_true(find(t, 0x80000001, 0)->ecx & 2);
	free(t);
	t = make(AMD, 1, 0);
	assert_int_equal(find(t, 0x80000008, 0)->ecx, 0);
	assert_false(find(t, 0x80000001, 0)->ecx & 2);
	free(t);
}

static void physical_bits_come_from_the_host(void **state)
{
	struct table host;

	(void)state;
	make_host(&host, AMD, 0xD);
	assert_int_equal(cpuid_phys_bits(&host.head), 48);
	host.head.nent = 2;
	assert_int_equal(cpuid_phys_bits(&host.head), 36);
	put(&host, 0x80000008, 0, 0xFF, 0, 0, 0);
	assert_int_equal(cpuid_phys_bits(&host.head), 36);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cpu_has_its_own_id),
		cmocka_unit_test(topology_is_one_package_of_cores),
		cmocka_unit_test(caches_are_shared_within_the_machine),
		cmocka_unit_test(caches_that_kvm_does_not_tell),
		cmocka_unit_test(no_nesting_and_no_sleeping_in_mwait),
		cmocka_unit_test(nesting_where_it_is_asked_for),
		cmocka_unit_test(hypervisor_shows_itself),
		cmocka_unit_test(an_emulated_host_gets_no_paravirtual_eoi),
		cmocka_unit_test(tsc_deadline_only_where_kvm_has_it),
		cmocka_unit_test(amd_counts_its_cores),
		cmocka_unit_test(physical_bits_come_from_the_host),
	};

	return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
