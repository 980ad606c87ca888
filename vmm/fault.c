/* See fault.h. KVM api.rst, "The kvm_run structure", has the exit reasons. */
#include "vmm/fault.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

#define CODE_BYTES 15 /* the longest instruction */

struct place {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	bool known;
};

/* Bytes at the instruction pointer, as far as they can be read, one by one: a page may end there. */
static size_t read_code(struct kvm_cpu *cpu, const struct guest_mem *mem, uint64_t linear,
			uint8_t code[CODE_BYTES])
{
	size_t n = 0;
	uint64_t gpa;

	while (n < CODE_BYTES && kvm_cpu_translate(cpu, linear + n, &gpa) == 0 &&
	       gm_read(mem, gpa, &code[n], 1) == 0)
		n++;
	return n;
}

static void append_hex(char *buf, size_t size, const uint8_t *bytes, size_t n)
{
	size_t used = strlen(buf);

	for (size_t i = 0; i < n && used + 4 < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%02x", i ? " " : "", bytes[i]);
}

static void append(char *buf, size_t size, const char *text)
{
	size_t used = strlen(buf);

	snprintf(buf + used, size - used, "%s", text);
}

static void log_registers(unsigned int index, const struct place *at)
{
	const struct kvm_regs *r = &at->regs;
	const struct kvm_sregs *s = &at->sregs;

	log_error("vCPU %u: rip %#llx rsp %#llx rflags %#llx cs %#x base %#llx cr0 %#llx cr2 %#llx "
		  "cr3 %#llx cr4 %#llx efer %#llx",
		  index, r->rip, r->rsp, r->rflags, s->cs.selector, s->cs.base, s->cr0, s->cr2,
		  s->cr3, s->cr4, s->efer);
	log_error("vCPU %u: rax %#llx rbx %#llx rcx %#llx rdx %#llx rsi %#llx rdi %#llx rbp %#llx "
		  "r8 %#llx r9 %#llx r10 %#llx r11 %#llx r12 %#llx r13 %#llx r14 %#llx r15 %#llx",
		  index, r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->r8, r->r9,
		  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15);
}

/*
 * After a triple fault on AMD, KVM has put the vCPU back to its reset state (the VMCB is undefined
 * then): the place is lost, and showing the reset vector would mislead.
 */
static bool place_is_lost(const struct kvm_run *page, const struct place *at)
{
	return !at->known || (page->exit_reason == KVM_EXIT_SHUTDOWN && at->regs.rip == 0xFFF0 &&
			      at->sregs.cs.base == 0xFFFF0000);
}

static void describe_internal_error(const struct kvm_run *page, char *buf, size_t size)
{
	static const char *const suberrors[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "it cannot emulate an instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "exceptions at the same time",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit while an event was being delivered",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "an exit it did not expect",
	};
	uint32_t sub = page->internal.suberror;
	bool known = sub < sizeof(suberrors) / sizeof(suberrors[0]) && suberrors[sub];

	snprintf(buf, size, "KVM gave up on it with internal error %u (%s)", sub,
		 known ? suberrors[sub] : "a kind vmboot does not know");
	if (sub == KVM_INTERNAL_ERROR_EMULATION && page->emulation_failure.ndata >= 3 &&
	    (page->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
		size_t n = page->emulation_failure.insn_size;

		append(buf, size, ", its bytes: ");
		append_hex(buf, size, page->emulation_failure.insn_bytes,
			   n < CODE_BYTES ? n : CODE_BYTES);
	}
}

/* What happened, as the predicate of "vCPU N stopped: ". */
static void describe_exit(const struct kvm_run *page, int run_error, char *buf, size_t size)
{
	if (run_error < 0) {
		snprintf(buf, size, "KVM cannot run it (%s)", strerror(-run_error));
		return;
	}
	switch (page->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		snprintf(buf, size, "a triple fault (an exception while handling a double fault)");
		break;
	case KVM_EXIT_INTERNAL_ERROR: describe_internal_error(page, buf, size); break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(buf, size, "the processor refused to enter it, hardware reason %#llx",
			 page->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		snprintf(buf, size, "system event %u (crash)", page->system_event.type);
		break;
	default:
		snprintf(buf, size, "an exit that vmboot does not know, number %u",
			 page->exit_reason);
	}
}

void fault_describe(struct kvm_cpu *cpu, unsigned int index, int run_error,
		    const struct guest_mem *mem, char *buf, size_t size)
{
	const struct kvm_run *page = kvm_cpu_page(cpu);
	uint8_t code[CODE_BYTES];
	struct place at = {0};
	char what[240];
	size_t n;

	at.known = kvm_cpu_get_regs(cpu, &at.regs, &at.sregs) == 0;
	describe_exit(page, run_error, what, sizeof(what));
	if (at.known)
		log_registers(index, &at);
	if (place_is_lost(page, &at)) {
		snprintf(buf, size,
			 "The guest was stopped on vCPU %u: %s. Where is not known: on this "
			 "processor KVM forgets the registers then.",
			 index, what);
		return;
	}
	snprintf(buf, size, "The guest was stopped on vCPU %u: %s, at RIP %#llx (code: ", index,
		 what, at.regs.rip);
	n = read_code(cpu, mem, at.sregs.cs.base + at.regs.rip, code);
	if (n)
		append_hex(buf, size, code, n);
	append(buf, size, n ? ")." : "not readable).");
}
