/*
 * System call filters (seccomp(2), mode filter) made from a table of what is allowed. A filter is
 * for the calling thread and what it starts; it cannot be taken back.
 */
#ifndef VMB_INCLUDE_SECCOMP_H
#define VMB_INCLUDE_SECCOMP_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

enum seccomp_check {
	SECCOMP_ANY_ARGS,
	SECCOMP_ARG_IS, /* the low 32 bits of argument ARG are VALUE: for arguments of type int */
	SECCOMP_ARG_LACKS,  /* none of the bits VALUE is set in argument ARG */
	SECCOMP_ARG_IS_PID, /* argument ARG is this process's id */
};

/* A system call is allowed if one of the rules for it holds. */
struct seccomp_rule {
	uint16_t nr; /* SYS_* of x86-64 */
	uint8_t check;
	uint8_t arg; /* 0 to 5 */
	uint32_t value;
};

#define SECCOMP_MAX_INSNS 256

/*
 * Makes the program of RULES (COUNT of them, in any order) into RET_INSNS, which has
 * room for SECCOMP_MAX_INSNS. A call that no rule allows has the result REFUSAL (SECCOMP_RET_*,
 * with its data); one of another calling convention (i386's int 0x80) kills the process. x32 calls
 * have numbers of their own, so no rule allows them. Returns how many instructions, or -E2BIG.
 */
int seccomp_make_program(const struct seccomp_rule *rules, size_t count, uint32_t refusal,
			 struct sock_filter *ret_insns);

/* Does this kernel have filters, and REFUSAL's action? Changes nothing. 0 or -errno. */
int seccomp_check_support(uint32_t refusal);

/*
 * Puts the calling thread under such a filter. It must have no_new_privs set. 0 or -errno: -EINVAL
 * where the kernel has no filters, -E2BIG, -ENOMEM.
 */
int seccomp_filter_thread(const struct seccomp_rule *rules, size_t count, uint32_t refusal);

#endif
