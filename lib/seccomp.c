/* See include/seccomp.h. */
#include "seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOW_WORD(arg) (offsetof(struct seccomp_data, args) + (arg) * sizeof(uint64_t))

/* Instructions that one rule needs at most: load, compare, allow. */
#define RULE_INSNS 3

struct program {
	struct sock_filter *insns;
	unsigned int count;
};

static void emit(struct program *p, uint16_t code, uint8_t jump_true, uint8_t jump_false,
		 uint32_t k)
{
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

/* The accumulator may be lost: the number of the call is compared before any of its arguments. */
static void emit_rule(struct program *p, const struct seccomp_rule *rule)
{
	if (rule->check != SECCOMP_ANY_ARGS)
		emit_load(p, LOW_WORD(rule->arg));
	switch (rule->check) {
	case SECCOMP_ARG_IS: emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, rule->value); break;
	case SECCOMP_ARG_LACKS: emit(p, BPF_JMP | BPF_JSET | BPF_K, 1, 0, rule->value); break;
	case SECCOMP_ARG_IS_PID:
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)getpid());
		break;
	}
	emit_return(p, SECCOMP_RET_ALLOW);
}

/* All rules for the call of the first of COUNT rules. 0 or -E2BIG. */
static int emit_call(struct program *p, const struct seccomp_rule *rules, size_t count,
		     uint32_t refusal)
{
	unsigned int compare = p->count;

	if (p->count >= SECCOMP_MAX_INSNS)
		return -E2BIG;
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, rules->nr);
	for (size_t i = 0; i < count; i++) {
		if (rules[i].nr != rules->nr)
			continue;
		/* Room for this one, and for two returns behind it. */
		if (p->count + RULE_INSNS + 2 > SECCOMP_MAX_INSNS)
			return -E2BIG;
		emit_rule(p, &rules[i]);
	}
	emit_return(p, refusal);
	p->insns[compare].jf = (uint8_t)(p->count - compare - 1);
	return 0;
}

static bool is_first_of_call(const struct seccomp_rule *rules, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (rules[i].nr == rules[at].nr)
			return false;
	return true;
}

int seccomp_make_program(const struct seccomp_rule *rules, size_t count, uint32_t refusal,
			 struct sock_filter *ret_insns)
{
	struct program p = {.insns = ret_insns};
	int r = 0;

	emit_load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	emit_return(&p, SECCOMP_RET_KILL_PROCESS);
	emit_load(&p, offsetof(struct seccomp_data, nr));
	/* A jump reaches 255 instructions far: no further than the whole program is long. */
	for (size_t i = 0; i < count && r == 0; i++)
		if (is_first_of_call(rules, i))
			r = emit_call(&p, &rules[i], count - i, refusal);
	if (r < 0)
		return r;
	emit_return(&p, refusal);
	return (int)p.count;
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
