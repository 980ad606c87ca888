/* See include/seccomp.h. */
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOW_WORD(arg) (offsetof(struct seccomp_data, args) + (arg) * sizeof(uint64_t))

#define MAX_CALLS 128
#define GROUP	  4 /* calls compared one after the other */

struct allow_jump {
	uint16_t at;
	bool is_true; /* the jump of a comparison that holds, else the other */
};

struct program {
	struct sock_filter *insns;
	unsigned int count;
	bool too_long;
	const struct seccomp_rule *rules;
	size_t rule_count;
	uint32_t refusal;
	uint16_t calls[MAX_CALLS]; /* every number once, in order */
	size_t call_count;
	struct allow_jump allowing[SECCOMP_MAX_INSNS + 1]; /* in the group at hand */
	size_t allowing_count;
};

static void emit(struct program *p, uint16_t code, uint8_t jump_true, uint8_t jump_false,
		 uint32_t k)
{
	if (p->count == SECCOMP_MAX_INSNS) {
		p->too_long = true;
		return;
	}
	p->insns[p->count++] =
		(struct sock_filter){.code = code, .jt = jump_true, .jf = jump_false, .k = k};
}

static void emit_load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void emit_return(struct program *p, uint32_t action)
{
	emit(p, BPF_RET | BPF_K, 0, 0, action);
}

/* How far it is from behind the instruction AT to the end: a jump reaches 255. */
static uint8_t distance(struct program *p, unsigned int at)
{
	if (p->count - at - 1 > UINT8_MAX)
		p->too_long = true;
	return (uint8_t)(p->count - at - 1);
}

/* A comparison that leads to the group's "allowed" when it is TRUE, else on to the next instruction. */
static void emit_allow_if(struct program *p, uint16_t test, uint32_t value, bool is_true)
{
	p->allowing[p->allowing_count++] =
		(struct allow_jump){.at = (uint16_t)p->count, .is_true = is_true};
	emit(p, (uint16_t)(BPF_JMP | test | BPF_K), 0, 0, value);
}

static void emit_rule(struct program *p, const struct seccomp_rule *rule)
{
	switch (rule->check) {
	case SECCOMP_ARG_IS: emit_allow_if(p, BPF_JEQ, rule->value, true); break;
	case SECCOMP_ARG_LACKS: emit_allow_if(p, BPF_JSET, rule->value, false); break;
	case SECCOMP_ARG_IS_PID: emit_allow_if(p, BPF_JEQ, (uint32_t)getpid(), true); break;
	}
}

static bool allows_any_args(const struct program *p, uint16_t nr)
{
	for (size_t i = 0; i < p->rule_count; i++)
		if (p->rules[i].nr == nr && p->rules[i].check == SECCOMP_ANY_ARGS)
			return true;
	return false;
}

/* Is it this call, then all rules for it. Once an argument is loaded the number is lost: it ends here. */
static void emit_call(struct program *p, uint16_t nr)
{
	unsigned int compare = p->count;
	int loaded = -1;

	if (allows_any_args(p, nr)) {
		emit_allow_if(p, BPF_JEQ, nr, true);
		return;
	}
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, nr);
	for (size_t i = 0; i < p->rule_count && !p->too_long; i++) {
		if (p->rules[i].nr != nr)
			continue;
		if (loaded != p->rules[i].arg)
			emit_load(p, LOW_WORD(p->rules[i].arg));
		loaded = p->rules[i].arg;
		emit_rule(p, &p->rules[i]);
	}
	emit_return(p, p->refusal);
	if (!p->too_long)
		p->insns[compare].jf = distance(p, compare);
}

/* A few calls one after the other, with the two ends that they share. */
static void emit_group(struct program *p, const uint16_t *calls, size_t count)
{
	p->allowing_count = 0;
	for (size_t i = 0; i < count && !p->too_long; i++)
		emit_call(p, calls[i]);
	emit_return(p, p->refusal);
	for (size_t i = 0; i < p->allowing_count && !p->too_long; i++) {
		struct sock_filter *insn = &p->insns[p->allowing[i].at];

		*(p->allowing[i].is_true ? &insn->jt : &insn->jf) = distance(p, p->allowing[i].at);
	}
	emit_return(p, SECCOMP_RET_ALLOW);
}

/*
 * By halves down to a few calls: when a filter is installed, the kernel runs it for every number there
 * is, to know those that are always allowed, and that takes longer than all the rest.
 */
static void emit_calls(struct program *p, const uint16_t *calls, size_t count)
{
	unsigned int compare = p->count;

	if (count <= GROUP) {
		emit_group(p, calls, count);
		return;
	}
	emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 0, calls[count / 2]);
	emit_calls(p, calls, count / 2);
	if (!p->too_long)
		p->insns[compare].jt = distance(p, compare);
	emit_calls(p, calls + count / 2, count - count / 2);
}

/* Puts NR into its place. */
static void add_call(struct program *p, uint16_t nr)
{
	size_t at = p->call_count;

	while (at > 0 && p->calls[at - 1] >= nr)
		at--;
	if (at < p->call_count && p->calls[at] == nr)
		return;
	if (p->call_count == MAX_CALLS) {
		p->too_long = true;
		return;
	}
	memmove(&p->calls[at + 1], &p->calls[at], (p->call_count - at) * sizeof(p->calls[0]));
	p->calls[at] = nr;
	p->call_count++;
}

int seccomp_make_program(const struct seccomp_rule *rules, size_t count, uint32_t refusal,
			 struct sock_filter *ret_insns)
{
	struct program p = {
		.insns = ret_insns, .rules = rules, .rule_count = count, .refusal = refusal};

	for (size_t i = 0; i < count; i++)
		add_call(&p, rules[i].nr);
	emit_load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	emit_return(&p, SECCOMP_RET_KILL_PROCESS);
	emit_load(&p, offsetof(struct seccomp_data, nr));
	emit_calls(&p, p.calls, p.call_count);
	return p.too_long ? -E2BIG : (int)p.count;
}

int seccomp_check_support(uint32_t refusal)
{
	uint32_t action = refusal & SECCOMP_RET_ACTION_FULL;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? -errno : 0;
}

int seccomp_filter_thread(const struct seccomp_rule *rules, size_t count, uint32_t refusal)
{
	struct sock_filter insns[SECCOMP_MAX_INSNS];
	struct sock_fprog program = {.filter = insns};
	int n = seccomp_make_program(rules, count, refusal, insns);

	if (n < 0)
		return n;
	program.len = (unsigned short)n;
	/* SPEC_ALLOW: before Linux 5.16 a filter otherwise slows the thread, and the guest in it, down. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		    &program) < 0)
		return -errno;
	return 0;
}
