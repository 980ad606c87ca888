/*
 * The vCPU half of kvm.h. How a vCPU looked right after it was made is remembered and written back
 * by a reset: what power-on state is, KVM knows better than we do.
 */
#include "vmm/cpuid.h"
#include "vmm/kvm_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

#define MAX_CPUID 256

/* What a vCPU looked like right after it was made. */
struct power_on {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;
	bool has_nested;
	struct kvm_nested_state nested;
	struct kvm_mp_state mp;
	unsigned int msr_count;
	struct kvm_msr_entry *msrs;
};

struct kvm_cpu {
	struct kvm_vm *vm;
	int fd;
	struct kvm_run *page;
	struct power_on power_on;
};

int kvm_supported_cpuid(int kvm_fd, struct kvm_cpuid2 **ret_cpuid)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + MAX_CPUID * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = MAX_CPUID;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		int r = -errno;

		free(cpuid);
		return r;
	}
	*ret_cpuid = cpuid;
	return 0;
}

/*
 * MSRs that a reset must not write: the TSC goes on (all vCPUs stay in step), and touching the
 * Hyper-V ones makes KVM allocate its Hyper-V state.
 */
static bool msr_is_left_alone(uint32_t index)
{
	return index == 0x10 || (index >= 0x40000000 && index < 0x40000200);
}

/*
 * The memory type range registers (Intel SDM 3, 12.11), which KVM's list of MSRs leaves out: eight variable ranges, the
 * fixed ones, and last the default type, which switches the others on.
 */
#define MTRR_DEF_TYPE	    0x2FF
#define MTRR_DEF_TYPE_E	    (1 << 11) /* MTRRs enabled */
#define MTRR_TYPE_WRITEBACK 6

static const struct {
	uint32_t first, count;
} mtrrs[] = {{0x200, 16}, {0x250, 1}, {0x258, 2}, {0x268, 8}, {MTRR_DEF_TYPE, 1}};
#define MTRR_COUNT 28

/* Every ioctl on a vCPU loads its state first: MSRs are read in batches. */
#define MSR_BATCH 64

struct msr_batch {
	struct kvm_msrs head;
	struct kvm_msr_entry entries[MSR_BATCH];
};

/* Reads the COUNT MSRs named in MSRS and drops those that cannot be read. Returns how many are left. */
static unsigned int read_msrs(struct kvm_cpu *cpu, struct kvm_msr_entry *msrs, unsigned int count)
{
	struct msr_batch batch;
	unsigned int from = 0, kept = 0, n;
	int r;

	while (from < count) {
		n = count - from < MSR_BATCH ? count - from : MSR_BATCH;
		batch.head = (struct kvm_msrs){.nmsrs = n};
		memcpy(batch.entries, msrs + from, n * sizeof(*msrs));
		/* It stops at the first that cannot be read and says how many came before. */
		r = ioctl(cpu->fd, KVM_GET_MSRS, &batch);
		r = r < 0 ? 0 : r;
		memcpy(msrs + kept, batch.entries, (unsigned int)r * sizeof(*msrs));
		kept += (unsigned int)r;
		from += (unsigned int)r < n ? (unsigned int)r + 1 : n;
	}
	return kept;
}

/* Saves every MSR that this vCPU lets us read. */
static int save_msrs(struct kvm_cpu *cpu)
{
	const struct kvm_msr_list *list = cpu->vm->msr_list;
	struct power_on *po = &cpu->power_on;
	unsigned int count = 0;

	po->msrs = calloc(list->nmsrs + MTRR_COUNT, sizeof(po->msrs[0]));
	if (!po->msrs)
		return -ENOMEM;
	for (uint32_t i = 0; i < list->nmsrs; i++)
		if (!msr_is_left_alone(list->indices[i]))
			po->msrs[count++].index = list->indices[i];
	for (size_t i = 0; i < sizeof(mtrrs) / sizeof(mtrrs[0]); i++)
		for (uint32_t n = 0; n < mtrrs[i].count; n++)
			po->msrs[count++].index = mtrrs[i].first + n;
	po->msr_count = read_msrs(cpu, po->msrs, count);
	return 0;
}

static void write_msr(struct kvm_cpu *cpu, const struct kvm_msr_entry *msr)
{
	struct msr_batch batch = {.head.nmsrs = 1, .entries = {*msr}};

	if (ioctl(cpu->fd, KVM_SET_MSRS, &batch) != 1)
		log_guest(&cpu->vm->reset_log_limit, "KVM does not let MSR %#x be reset",
			  msr->index);
}

/* Writes back those that changed: some that can be read refuse every write. */
static int restore_msrs(struct kvm_cpu *cpu)
{
	const struct power_on *po = &cpu->power_on;
	struct kvm_msr_entry *now = calloc(po->msr_count + 1, sizeof(*now));
	unsigned int count, i, at = 0;

	if (!now)
		return -ENOMEM;
	memcpy(now, po->msrs, po->msr_count * sizeof(*now));
	count = read_msrs(cpu, now, po->msr_count);
	for (i = 0; i < po->msr_count; i++) {
		if (at < count && now[at].index == po->msrs[i].index &&
		    now[at++].data == po->msrs[i].data)
			continue;
		write_msr(cpu, &po->msrs[i]);
	}
	free(now);
	return 0;
}

static int save_power_on(struct kvm_cpu *cpu)
{
	struct power_on *po = &cpu->power_on;

	if (ioctl(cpu->fd, KVM_GET_MP_STATE, &po->mp) < 0 ||
	    ioctl(cpu->fd, KVM_GET_REGS, &po->regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, &po->sregs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_XSAVE, &po->xsave) < 0 ||
	    ioctl(cpu->fd, KVM_GET_XCRS, &po->xcrs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_DEBUGREGS, &po->debug) < 0 ||
	    ioctl(cpu->fd, KVM_GET_VCPU_EVENTS, &po->events) < 0 ||
	    ioctl(cpu->fd, KVM_GET_LAPIC, &po->lapic) < 0)
		return -errno;
	return save_msrs(cpu);
}

/* A guest that is reset in the middle of a virtual machine of its own must leave that first. */
static int save_nested(struct kvm_cpu *cpu)
{
	struct power_on *po = &cpu->power_on;

	po->nested.size = sizeof(po->nested);
	if (ioctl(cpu->fd, KVM_GET_NESTED_STATE, &po->nested) < 0)
		return -errno;
	po->has_nested = true;
	return 0;
}

int kvm_cpu_create(struct kvm_vm *vm, unsigned int id, const struct kvm_cpuid2 *cpuid,
		   struct kvm_cpu **ret_cpu, struct vmb_err *err)
{
	struct kvm_cpu *cpu = calloc(1, sizeof(*cpu));
	int r = -ENOMEM;

	if (!cpu)
		goto fail;
	cpu->vm = vm;
	cpu->page = MAP_FAILED;
	cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (cpu->fd < 0)
		goto fail_errno;
	cpu->page = mmap(NULL, vm->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->page == MAP_FAILED)
		goto fail_errno;
	if (cpuid && ioctl(cpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		goto fail_errno;
	r = save_power_on(cpu);
	if (r == 0 && cpuid && cpuid_is_nested(cpuid))
		r = save_nested(cpu);
	if (r < 0)
		goto fail;
	*ret_cpu = cpu;
	return 0;

fail_errno:
	r = -errno;
fail:
	kvm_cpu_destroy(cpu);
	return vmb_err_set(err, -r, "KVM cannot make vCPU %u (%s). Try fewer vCPUs.", id,
			   strerror(-r));
}

void kvm_cpu_destroy(struct kvm_cpu *cpu)
{
	if (!cpu)
		return;
	if (cpu->page != MAP_FAILED)
		munmap(cpu->page, cpu->vm->page_size);
	if (cpu->fd >= 0)
		close(cpu->fd);
	free(cpu->power_on.msrs);
	free(cpu);
}

struct kvm_run *kvm_cpu_page(struct kvm_cpu *cpu)
{
	return cpu->page;
}

int kvm_cpu_run(struct kvm_cpu *cpu)
{
	return ioctl(cpu->fd, KVM_RUN, 0) < 0 ? -errno : 0;
}

/*
 * Order matters: KVM_GET_MP_STATE first, for its side effect of taking INITs and SIPIs that are on
 * their way; system registers before MSRs (EFER is in both, and paging must be off when long mode
 * goes away; they also bring the APIC back to xAPIC mode, which the APIC's state is in); MP state last.
 */
static int restore_power_on(struct kvm_cpu *cpu, const char **ret_what)
{
	struct power_on *po = &cpu->power_on;
	struct kvm_mp_state mp;
	const struct {
		unsigned long request;
		void *arg;
		const char *what;
	} steps[] = {
		{KVM_GET_MP_STATE, &mp, "MP state"},
		{KVM_SET_NESTED_STATE, &po->nested, "nested virtualisation"},
		{KVM_SET_SREGS, &po->sregs, "system registers"},
		{KVM_SET_REGS, &po->regs, "registers"},
		{KVM_SET_XCRS, &po->xcrs, "extended control registers"},
		{KVM_SET_XSAVE, &po->xsave, "FPU state"},
		{KVM_SET_DEBUGREGS, &po->debug, "debug registers"},
		{KVM_SET_VCPU_EVENTS, &po->events, "pending events"},
		{KVM_SET_LAPIC, &po->lapic, "local APIC"},
		{KVM_SET_MP_STATE, &po->mp, "MP state"},
	};

	int r = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && r == 0; i++) {
		if (steps[i].request == KVM_SET_NESTED_STATE && !po->has_nested)
			continue;
		*ret_what = steps[i].what;
		if (ioctl(cpu->fd, steps[i].request, steps[i].arg) < 0)
			r = -errno;
		/* Between the system registers and the APIC: kvmclock and the like stop writing to RAM. */
		else if (steps[i].request == KVM_SET_SREGS)
			r = restore_msrs(cpu);
	}
	return r;
}

int kvm_cpu_reset(struct kvm_cpu *cpu, struct vmb_err *err)
{
	const char *what = "";
	int r = restore_power_on(cpu, &what);

	if (r < 0)
		return vmb_err_set(err, -r,
				   "KVM does not let a vCPU be reset (%s: %s). Start the virtual "
				   "machine again.",
				   what, strerror(-r));
	return 0;
}

static struct kvm_segment flat_segment(uint8_t type, uint16_t selector)
{
	return (struct kvm_segment){
		.limit = 0xFFFFFFFF,
		.selector = selector,
		.type = type,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1,
	};
}

/* Xen pvh.txt: CR0.PE only, EFER 0, flat CS (execute/read) and DS, ES, SS (read/write), TR with limit 0x67. */
int kvm_cpu_set_entry32(struct kvm_cpu *cpu, uint32_t eip, uint32_t ebx)
{
	struct kvm_regs regs = {.rip = eip, .rbx = ebx, .rflags = 2};
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = flat_segment(0xB, 0x08);
	sregs.ds = flat_segment(0x3, 0x10);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment){.limit = 0x67, .selector = 0x18, .type = 0xB, .present = 1};
	sregs.cr0 = 0x11; /* PE, ET (always 1) */
	sregs.cr3 = 0;
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu->fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static int set_entry64(struct kvm_cpu *cpu, const struct kvm_entry *entry)
{
	struct kvm_regs regs = {.rip = entry->rip, .rsi = entry->boot_info, .rflags = 2};
	struct kvm_sregs sregs;

	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return -errno;
	sregs.cs = flat_segment(0xB, 0x10);
	sregs.cs.db = 0;
	sregs.cs.l = 1;
	sregs.ds = flat_segment(0x3, 0x18);
	sregs.es = sregs.fs = sregs.gs = sregs.ss = sregs.ds;
	sregs.tr = (struct kvm_segment){.limit = 0x67, .type = 0xB, .present = 1};
	sregs.gdt.base = entry->gdt;
	sregs.gdt.limit = KVM_ENTRY64_GDT_ENTRIES * 8 - 1;
	sregs.cr3 = entry->cr3;
	sregs.cr4 = 0x20; /* PAE */
	sregs.efer = 0x500; /* LME, LMA */
	sregs.cr0 = 0x80000011; /* PG, PE, ET (always 1) */
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(cpu->fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

int kvm_cpu_set_entry(struct kvm_cpu *cpu, const struct kvm_entry *entry)
{
	if (entry->at_reset_vector)
		return 0;
	if (entry->is_64bit)
		return set_entry64(cpu, entry);
	return kvm_cpu_set_entry32(cpu, (uint32_t)entry->rip, (uint32_t)entry->boot_info);
}

int kvm_cpu_enable_mtrrs(struct kvm_cpu *cpu)
{
	struct msr_batch batch = {
		.head.nmsrs = 1,
		.entries = {{.index = MTRR_DEF_TYPE,
			     .data = MTRR_DEF_TYPE_E | MTRR_TYPE_WRITEBACK}},
	};
	int r = ioctl(cpu->fd, KVM_SET_MSRS, &batch);

	return r < 0 ? -errno : r == 1 ? 0 : -EINVAL;
}

void kvm_cpu_tell_paused(struct kvm_cpu *cpu)
{
	/* EINVAL: this guest does not use kvmclock. */
	if (ioctl(cpu->fd, KVM_KVMCLOCK_CTRL) < 0 && errno != EINVAL)
		log_warn("KVM does not tell the guest that it was paused (%s)", strerror(errno));
}

int kvm_cpu_get_regs(struct kvm_cpu *cpu, struct kvm_regs *ret_regs, struct kvm_sregs *ret_sregs)
{
	if (ioctl(cpu->fd, KVM_GET_REGS, ret_regs) < 0 ||
	    ioctl(cpu->fd, KVM_GET_SREGS, ret_sregs) < 0)
		return -errno;
	return 0;
}

int kvm_cpu_translate(struct kvm_cpu *cpu, uint64_t linear, uint64_t *ret_gpa)
{
	struct kvm_translation tr = {.linear_address = linear};

	if (ioctl(cpu->fd, KVM_TRANSLATE, &tr) < 0 || !tr.valid)
		return -EFAULT;
	*ret_gpa = tr.physical_address;
	return 0;
}
