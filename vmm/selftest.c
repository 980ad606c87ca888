/*
 * Can this KVM run firmware? Some KVMs interpret the guest's kernel-mode code and know only a part
 * of the instruction set: they run our tests' little guests, but stop EDK2 and Linux within
 * milliseconds. So a guest of a few dozen instructions does what firmware does first: it enters long
 * mode, then uses the x87, saves its state, moves SSE registers and swaps 16 bytes. Each group is
 * announced on a port before and checked after, so that a refusal names what was not understood.
 *
 * Not a test of the CPU, and not of our devices.
 */
#include "vmm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/kvm.h"
#include "vmm/mem.h"

/* The guest's memory; all of it below 640 KiB. */
#define SELFTEST_MEMORY (1ULL << 20)
#define SELFTEST_CODE	0x1000
#define SELFTEST_DATA	0x2000 /* scratch, 16-byte aligned, then the stack's top */
#define SELFTEST_STACK	0x4000
#define SELFTEST_PML4	0x5000
#define SELFTEST_PDPT	0x6000
#define SELFTEST_PD	0x7000

#define SELFTEST_PORT_STEP 0x80 /* "I am about to try step AL" */
#define SELFTEST_PORT_END  0xF4 /* "I went through all": AL is SELFTEST_PASS, or the step with a wrong result */
#define SELFTEST_PASS	   0xA5
#define SELFTEST_WRONG	   0x40 /* ORed to the step */

#define SELFTEST_DEADLINE_NS 2000000000LL
#define SELFTEST_KICK_NS     50000000L
#define SELFTEST_EXITS	     64 /* the guest makes ten */

#define STR_(x) #x
#define STR(x)	STR_(x)

/*
 * The guest. It starts in 32-bit protected mode at SELFTEST_CODE (where it is copied to: addresses
 * are made from differences of labels). BL holds the step, announcing it spoils AL; a
 * wrong result jumps to .Lwrong.
 */
__asm__(
	".pushsection .rodata.selftest, \"a\", @progbits\n"
	".set CODE, " STR(SELFTEST_CODE) "\n"
	".set DATA, " STR(SELFTEST_DATA) "\n"
	".macro announce step\n"
	"	movb	$\\step, %bl\n"
	"	movb	%bl, %al\n"
	"	outb	%al, $" STR(SELFTEST_PORT_STEP) "\n"
	".endm\n"
	".balign 16\n"
	"selftest_guest:\n"
	".code32\n"
	/* Step 1: long mode. PAE, OSFXSR, OSXMMEXCPT; then the page tables, EFER.LME, paging; */
	/* MP and NE so that fwait and x87 errors behave, EM clear. */
	"	announce 1\n"
	"	movl	$" STR(SELFTEST_STACK) ", %esp\n"
	"	movl	$0x620, %eax\n"
	"	movl	%eax, %cr4\n"
	"	movl	$" STR(SELFTEST_PML4) ", %eax\n"
	"	movl	%eax, %cr3\n"
	"	movl	$0xC0000080, %ecx\n"
	"	rdmsr\n"
	"	orl	$0x100, %eax\n"
	"	wrmsr\n"
	"	movl	$0x80000033, %eax\n"
	"	movl	%eax, %cr0\n"
	"	lgdt	CODE + (1f - selftest_guest)\n"
	"	ljmp	$0x08, $(CODE + (3f - selftest_guest))\n"
	".balign 8\n"
	"1:	.word	2f - 4f - 1\n"		/* pseudo-descriptor */
	"	.long	CODE + (4f - selftest_guest)\n"
	".balign 8\n"
	"4:	.quad	0\n"			/* GDT: null, 64-bit code, data */
	"	.quad	0x00AF9B000000FFFF\n"
	"	.quad	0x00CF93000000FFFF\n"
	"2:\n"
	".code64\n"
	"3:	movl	$0x10, %eax\n"
	"	movl	%eax, %ds\n"
	"	movl	%eax, %es\n"
	"	movl	%eax, %ss\n"
	"	movq	$DATA, %rdi\n"

	/* Step 2: x87, as InitializeFloatingPointUnits does, and 2 * 3 = 6. */
	"	announce 2\n"
	"	fninit\n"
	"	movl	$2, (%rdi)\n"
	"	movl	$3, 4(%rdi)\n"
	"	fildl	(%rdi)\n"
	"	fildl	4(%rdi)\n"
	"	fmulp\n"
	"	fistpl	8(%rdi)\n"
	"	fwait\n"
	"	fnstcw	12(%rdi)\n"
	"	cmpl	$6, 8(%rdi)\n"
	"	jne	.Lwrong\n"
	"	cmpw	$0x037F, 12(%rdi)\n"	/* fninit's control word */
	"	jne	.Lwrong\n"

	/* Step 3: SSE moves and an addition. */
	"	announce 3\n"
	"	movq	$0x1111111122222222, %rax\n"
	"	movq	%rax, (%rdi)\n"
	"	movq	%rax, 8(%rdi)\n"
	"	movdqa	(%rdi), %xmm0\n"
	"	paddd	%xmm0, %xmm0\n"
	"	movaps	%xmm0, %xmm1\n"
	"	movdqu	%xmm1, 24(%rdi)\n"
	"	movq	$0x2222222244444444, %rax\n"
	"	cmpq	%rax, 24(%rdi)\n"
	"	jne	.Lwrong\n"
	"	cmpq	%rax, 32(%rdi)\n"
	"	jne	.Lwrong\n"

	/* Step 4: the state of both saved, spoilt, restored. */
	"	announce 4\n"
	"	fxsave64 0x100(%rdi)\n"
	"	pxor	%xmm1, %xmm1\n"
	"	fxrstor64 0x100(%rdi)\n"
	"	movq	%xmm1, %rcx\n"
	"	cmpq	24(%rdi), %rcx\n"
	"	jne	.Lwrong\n"

	/* Step 5: cmpxchg16b, once that swaps and once that does not. */
	"	announce 5\n"
	"	xorl	%eax, %eax\n"
	"	xorl	%edx, %edx\n"
	"	movq	%rax, 0x40(%rdi)\n"
	"	movq	%rdx, 0x48(%rdi)\n"
	"	movl	$7, %ebx\n"
	"	movl	$9, %ecx\n"
	"	lock cmpxchg16b 0x40(%rdi)\n"
	"	movb	$5, %bl\n"
	"	jne	.Lwrong\n"
	"	lock cmpxchg16b 0x40(%rdi)\n"
	"	je	.Lwrong\n"
	"	cmpq	$7, %rax\n"
	"	jne	.Lwrong\n"
	"	cmpq	$9, %rdx\n"
	"	jne	.Lwrong\n"

	"	movb	$" STR(SELFTEST_PASS) ", %al\n"
	"	jmp	5f\n"
	".Lwrong:\n"
	"	movb	%bl, %al\n"
	"	orb	$" STR(SELFTEST_WRONG) ", %al\n"
	"5:	outb	%al, $" STR(SELFTEST_PORT_END) "\n"
	"6:	hlt\n"
	"	jmp	6b\n"
	"selftest_guest_end:\n"
	".purgem announce\n"
	".popsection\n");

extern const uint8_t selftest_guest[], selftest_guest_end[];

static const char *const selftest_steps[] = {
	"the start", "long mode", "x87 arithmetic", "SSE", "FXSAVE and FXRSTOR", "CMPXCHG16B",
};

#define SELFTEST_STEPS (sizeof(selftest_steps) / sizeof(selftest_steps[0]))

struct selftest {
	struct guest_mem *mem;
	struct kvm_vm *vm;
	struct kvm_cpu *cpu;
	unsigned int step; /* the last one announced */
};

/* ---- the clock that ends a guest which does not end ---- */

struct selftest_clock {
	timer_t timer;
	int signal;
	struct sigaction old_action;
	sigset_t old_mask;
};

/* It is there to make KVM_RUN return, nothing else. */
static void selftest_kick(int signal)
{
	(void)signal;
}

/* Periodic, so that a kick which came just before KVM_RUN is followed by another. */
static int selftest_clock_start(struct selftest_clock *clock)
{
	struct sigaction action = {.sa_handler = selftest_kick}; /* no SA_RESTART */
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID};
	const struct itimerspec period = {
		.it_value.tv_nsec = SELFTEST_KICK_NS,
		.it_interval.tv_nsec = SELFTEST_KICK_NS,
	};
	sigset_t mask;
	int r;

	clock->signal = SIGRTMIN + 3;
	event.sigev_signo = clock->signal;
	event._sigev_un._tid = gettid();
	if (sigaction(clock->signal, &action, &clock->old_action) < 0)
		return -errno;
	if (timer_create(CLOCK_MONOTONIC, &event, &clock->timer) < 0) {
		r = -errno;
		sigaction(clock->signal, &clock->old_action, NULL);
		return r;
	}
	sigemptyset(&mask);
	sigaddset(&mask, clock->signal);
	pthread_sigmask(SIG_UNBLOCK, &mask, &clock->old_mask);
	timer_settime(clock->timer, 0, &period, NULL);
	return 0;
}

static void selftest_clock_stop(struct selftest_clock *clock)
{
	timer_delete(clock->timer); /* takes a pending signal with it */
	pthread_sigmask(SIG_SETMASK, &clock->old_mask, NULL);
	sigaction(clock->signal, &clock->old_action, NULL);
}

static int64_t selftest_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* ---- the machine ---- */

/* Code, and page tables that map the first 2 MiB onto themselves. */
static int selftest_load(struct selftest *test)
{
	static const struct {
		uint64_t gpa, entry;
	} tables[] = {
		{SELFTEST_PML4, SELFTEST_PDPT | 3}, /* present, writable */
		{SELFTEST_PDPT, SELFTEST_PD | 3},
		{SELFTEST_PD, 0x83}, /* and a 2 MiB page */
	};
	const struct gm_region *regions;
	unsigned int count;
	int r;

	r = gm_create(SELFTEST_MEMORY, &test->mem);
	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		r = gm_write(test->mem, tables[i].gpa, &tables[i].entry, sizeof(tables[i].entry));
	if (r == 0)
		r = gm_write(test->mem, SELFTEST_CODE, selftest_guest,
			     (size_t)(selftest_guest_end - selftest_guest));
	if (r < 0)
		return r;
	count = gm_regions(test->mem, &regions);
	for (unsigned int i = 0; r == 0 && i < count; i++)
		r = kvm_set_memory(test->vm, i, regions[i].gpa, regions[i].size, regions[i].host);
	return r;
}

static int selftest_create(struct selftest *test, int kvm_fd, struct vmb_err *err)
{
	struct kvm_cpuid2 *cpuid = NULL;
	int r;

	r = kvm_vm_create(kvm_fd, &test->vm, err);
	if (r < 0)
		return r;
	r = selftest_load(test);
	if (r == 0)
		r = kvm_create_chips(test->vm);
	if (r == 0)
		r = kvm_supported_cpuid(kvm_fd, &cpuid);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM cannot make a small virtual machine (%s).",
				   strerror(-r));
	r = kvm_cpu_create(test->vm, 0, cpuid, &test->cpu, err);
	free(cpuid);
	if (r < 0)
		return r;
	r = kvm_cpu_set_entry32(test->cpu, SELFTEST_CODE, 0);
	if (r < 0)
		return vmb_err_set(err, -r, "KVM does not take a vCPU's registers (%s).",
				   strerror(-r));
	return 0;
}

static void selftest_destroy(struct selftest *test)
{
	kvm_cpu_destroy(test->cpu);
	kvm_vm_destroy(test->vm);
	gm_destroy(test->mem);
}

/* ---- the run ---- */

/* Says what stopped the guest: a clause that follows "cannot run firmware: ". */
static void selftest_explain(const struct selftest *test, const char *what,
			     struct kvm_ability *ability)
{
	snprintf(ability->firmware_text, sizeof(ability->firmware_text),
		 "a guest that tries %s stops (%s).", selftest_steps[test->step], what);
}

/* One byte on a port. True when the guest has ended. */
static bool selftest_port(struct selftest *test, uint16_t port, uint8_t value,
			  struct kvm_ability *ability)
{
	if (port == SELFTEST_PORT_STEP && value < SELFTEST_STEPS) {
		test->step = value;
		return false;
	}
	if (port == SELFTEST_PORT_END && value == SELFTEST_PASS &&
	    test->step == SELFTEST_STEPS - 1)
		ability->can_run_firmware = 1;
	else
		selftest_explain(test, "wrong result", ability);
	return true;
}

/* Looks at one exit. True when the guest has ended. */
static bool selftest_exit(struct selftest *test, struct kvm_ability *ability)
{
	struct kvm_run *page = kvm_cpu_page(test->cpu);
	const uint8_t *data;
	char text[64];

	switch (page->exit_reason) {
	case KVM_EXIT_IO:
		data = (const uint8_t *)page + page->io.data_offset;
		if (page->io.direction == KVM_EXIT_IO_OUT && page->io.size == 1)
			return selftest_port(test, page->io.port, *data, ability);
		selftest_explain(test, "unexpected port access", ability);
		return true;
	case KVM_EXIT_INTERNAL_ERROR:
		selftest_explain(test,
				 page->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
					 ? "KVM interprets instructions here, and not these"
					 : "KVM internal error",
				 ability);
		return true;
	case KVM_EXIT_SHUTDOWN: selftest_explain(test, "triple fault", ability); return true;
	default:
		snprintf(text, sizeof(text), "KVM exit %u", page->exit_reason);
		selftest_explain(test, text, ability);
		return true;
	}
}

static int selftest_run(struct selftest *test, struct kvm_ability *ability, struct vmb_err *err)
{
	int64_t deadline = selftest_now_ns() + SELFTEST_DEADLINE_NS;
	int r;

	for (unsigned int exits = 0; exits < SELFTEST_EXITS;) {
		r = kvm_cpu_run(test->cpu);
		if (r == 0) {
			if (selftest_exit(test, ability))
				return 0;
			exits++;
			continue;
		}
		if (r != -EINTR && r != -EAGAIN)
			return vmb_err_set(err, -r, "KVM cannot run a virtual CPU (%s).",
					   strerror(-r));
		if (selftest_now_ns() > deadline)
			break;
	}
	selftest_explain(test, "it does not come to an end", ability);
	return 0;
}

int vmm_probe_kvm(int kvm_fd, struct kvm_ability *ret_ability, struct vmb_err *err)
{
	struct kvm_ability ability = {0};
	struct selftest_clock clock;
	struct selftest test = {0};
	int r;

	r = kvm_check(kvm_fd, ability.missing, sizeof(ability.missing), err);
	if (r < 0)
		return r;
	ability.max_cpus = kvm_max_cpus(kvm_fd);
	if (ability.missing[0]) {
		snprintf(ability.firmware_text, sizeof(ability.firmware_text),
			 "capabilities are missing.");
		*ret_ability = ability;
		return 0;
	}
	r = selftest_create(&test, kvm_fd, err);
	if (r < 0)
		goto out;
	r = selftest_clock_start(&clock);
	if (r < 0) {
		vmb_err_set(err, -r, "No timer for KVM's self-test (%s).", strerror(-r));
		goto out;
	}
	r = selftest_run(&test, &ability, err);
	selftest_clock_stop(&clock);
	if (r == 0)
		*ret_ability = ability;
out:
	selftest_destroy(&test);
	return r;
}
