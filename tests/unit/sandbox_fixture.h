/* What a process tries under the sandbox's filters, and how that is told. */
#ifndef VMB_TESTS_UNIT_SANDBOX_FIXTURE_H
#define VMB_TESTS_UNIT_SANDBOX_FIXTURE_H

#include "test.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/sandbox.h"

static const struct sandbox filters_only = {.layers.filters = true};

/* _exit(), before which the sanitizer makes calls that are refused. */
static inline void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static volatile sig_atomic_t refused;

static inline void on_sigsys(int sig)
{
	(void)sig;
	refused = 1;
}

/* In a child: under the filter of KIND, where a refused call sets REFUSED and was not made. */
static inline void go_under(enum sandbox_thread kind)
{
	signal(SIGSYS, on_sigsys);
	alarm(20);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_filter(&filters_only, kind) < 0)
		leave(99);
}

static inline int wait_for(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
