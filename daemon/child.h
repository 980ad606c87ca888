/* A child process in another role of this same binary: the vmm, or a probe. */
#ifndef VMB_DAEMON_CHILD_H
#define VMB_DAEMON_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"
#include "loop.h"

#define CHILD_FIRST_FD 3 /* where the descriptors given to a child begin */

struct child {
	pid_t pid; /* 0: none */
	int pidfd; /* readable once it ended; -1: none */
};

/*
 * Starts /proc/self/exe with ARGV (NULL at the end). FDS (NFDS, borrowed) become its descriptors
 * CHILD_FIRST_FD and up; it has no others but /dev/null as standard input, and log_child_fd() (or our standard error)
 * as standard output and error. It is a session of its own, with default signals, and is killed
 * when this process dies. 0, or -errno with the sentence.
 */
int child_spawn(char *const argv[], const int *fds, unsigned int nfds, struct child *ret_child,
		struct vmb_err *err);

/* SIGKILL; nothing if there is no such child. */
void child_kill(const struct child *child);

/*
 * Collects an ended child and forgets it: 0 with the wait status. -EAGAIN while it runs and for at
 * most WAIT_MS milliseconds more (0: does not wait).
 */
int child_reap(struct child *child, int wait_ms, int *ret_status);

/*
 * Forgets a child that does not even end when it is killed, since it waits in the kernel: LOOP collects it when it does, so
 * that nothing is left of it.
 */
void child_leave(struct child *child, struct loop *loop);

/* Words for a wait status: "was killed by signal 9 (Killed)", "ended with status 2"; returns BUF. */
char *child_describe_end(int status, char *buf, size_t size);

#endif
