/* What the operator is told when a guest cannot go on: which vCPU, what, where, which code. */
#include "test.h"

#include <errno.h>
#include <stdbool.h>

#include "log.h"
#include "vmm/fault.h"

#define MEMORY (1ULL << 20)
#define CODE   0x8000ULL

/* ---- instead of KVM ---- */

static struct kvm_run page;
static struct kvm_regs regs;
static struct kvm_sregs sregs;
static int regs_error;
static uint64_t readable; /* linear addresses below this are mapped, to themselves */

struct kvm_run *__wrap_kvm_cpu_page(struct kvm_cpu *cpu);
struct kvm_run *__wrap_kvm_cpu_page(struct kvm_cpu *cpu)
{
	(void)cpu;
	return &page;
}

int __wrap_kvm_cpu_get_regs(struct kvm_cpu *cpu, struct kvm_regs *r, struct kvm_sregs *s);
int __wrap_kvm_cpu_get_regs(struct kvm_cpu *cpu, struct kvm_regs *r, struct kvm_sregs *s)
{
	(void)cpu;
	*r = regs;
	*s = sregs;
	return regs_error;
}

int __wrap_kvm_cpu_translate(struct kvm_cpu *cpu, uint64_t linear, uint64_t *ret_gpa);
int __wrap_kvm_cpu_translate(struct kvm_cpu *cpu, uint64_t linear, uint64_t *ret_gpa)
{
	(void)cpu;
	*ret_gpa = linear;
	return linear < readable ? 0 : -EFAULT;
}

/* ---- the cases ---- */

static int setup(void **state)
{
	static const uint8_t code[] = {0x0F, 0x0B, 0x90, 0xF4};
	struct guest_mem *mem;

	log_init(-1, LOG_LEVEL_ERROR, "test");
	assert_int_equal(gm_create(MEMORY, &mem), 0);
	assert_int_equal(gm_write(mem, CODE, code, sizeof(code)), 0);
	memset(&page, 0, sizeof(page));
	memset(&sregs, 0, sizeof(sregs));
	regs = (struct kvm_regs){.rip = CODE, .rax = 0x1234};
	regs_error = 0;
	readable = MEMORY;
	*state = mem;
	return 0;
}

static int teardown(void **state)
{
	gm_destroy(*state);
	return 0;
}

static char told[480];

static void expect(struct guest_mem *mem, int run_error, const char *const *texts)
{
	fault_describe(NULL, 3, run_error, mem, told, sizeof(told));
	for (; *texts; texts++)
		if (!strstr(told, *texts))
			fail_msg("\"%s\" is not in: %s", *texts, told);
}

#define EXPECT(run_error, ...) expect(*state, run_error, (const char *const[]){__VA_ARGS__, NULL})

static void triple_fault(void **state)
{
	page.exit_reason = KVM_EXIT_SHUTDOWN;
	EXPECT(0, "vCPU 3", "triple fault", "RIP 0x8000", "0f 0b 90 f4");
}

/* On AMD the vCPU has been reset by then: the reset vector would be a lie. */
static void triple_fault_whose_place_is_lost(void **state)
{
	page.exit_reason = KVM_EXIT_SHUTDOWN;
	regs.rip = 0xFFF0;
	sregs.cs.base = 0xFFFF0000;
	EXPECT(0, "vCPU 3", "triple fault", "Where is not known");
	assert_null(strstr(told, "RIP"));
}

static void internal_errors(void **state)
{
	static const struct {
		uint32_t sub;
		const char *text;
	} cases[] = {
		{KVM_INTERNAL_ERROR_EMULATION, "cannot emulate"},
		{KVM_INTERNAL_ERROR_SIMUL_EX, "exceptions at the same time"},
		{KVM_INTERNAL_ERROR_DELIVERY_EV, "while an event was being delivered"},
		{KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, "did not expect"},
		{0, "a kind vmboot does not know"},
		{99, "internal error 99 (a kind vmboot does not know)"},
	};

	page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		page.internal.suberror = cases[i].sub;
		EXPECT(0, "vCPU 3", cases[i].text, "RIP 0x8000", "0f 0b");
	}
}

/* KVM may tell the instruction, and how long it is: at most 15 bytes, whatever it says. */
static void emulation_failure_with_its_instruction(void **state)
{
	page.exit_reason = KVM_EXIT_INTERNAL_ERROR;
	page.emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	page.emulation_failure.ndata = 3;
	page.emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	page.emulation_failure.insn_size = 2;
	page.emulation_failure.insn_bytes[0] = 0xDB;
	page.emulation_failure.insn_bytes[1] = 0xE3;
	EXPECT(0, "its bytes: db e3, at RIP");
	page.emulation_failure.insn_size = 255;
	EXPECT(0, "its bytes: db e3 00");
}

static void failed_entry(void **state)
{
	page.exit_reason = KVM_EXIT_FAIL_ENTRY;
	page.fail_entry.hardware_entry_failure_reason = 0x80000021;
	EXPECT(0, "vCPU 3", "refused to enter", "reason 0x80000021", "RIP 0x8000", "0f 0b");
}

static void exits_nobody_knows(void **state)
{
	page.exit_reason = 200;
	EXPECT(0, "number 200", "RIP 0x8000");
	EXPECT(-EFAULT, "KVM cannot run it (Bad address)", "RIP 0x8000");
	page.exit_reason = KVM_EXIT_SYSTEM_EVENT;
	page.system_event.type = KVM_SYSTEM_EVENT_CRASH;
	EXPECT(0, "crash");
}

static void code_that_cannot_be_read(void **state)
{
	page.exit_reason = KVM_EXIT_FAIL_ENTRY;
	readable = 0;
	EXPECT(0, "RIP 0x8000", "not readable");
	/* Code that begins in the last bytes of what is mapped. */
	readable = CODE + 2;
	EXPECT(0, "(code: 0f 0b).");
	readable = MEMORY * 2;
	regs.rip = MEMORY; /* mapped to where there is no memory */
	EXPECT(0, "not readable");
	/* In real mode the segment counts. */
	regs.rip = 0x10;
	sregs.cs.base = CODE - 0x10;
	EXPECT(0, "RIP 0x10", "0f 0b 90 f4");
	regs_error = -EIO;
	EXPECT(0, "Where is not known");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(triple_fault),
		T(triple_fault_whose_place_is_lost),
		T(internal_errors),
		T(emulation_failure_with_its_instruction),
		T(failed_entry),
		T(exits_nobody_knows),
		T(code_that_cannot_be_read),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
