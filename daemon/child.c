/* See daemon/child.h. Our processes have one thread here, so plain fork() is safe. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define CHILD_MAX_FDS	 12
#define EXIT_NOT_STARTED 127

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which is right */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves FDS to CHILD_FIRST_FD and up, and closes everything else above standard error. */
static int place_fds(const int *fds, unsigned int nfds)
{
	int above = CHILD_FIRST_FD + (int)nfds, copies[CHILD_MAX_FDS];

	/* Out of the way first: a source may lie where another one has to go. */
	for (unsigned int i = 0; i < nfds; i++) {
		copies[i] = fcntl(fds[i], F_DUPFD, above);
		if (copies[i] < 0)
			return -errno;
	}
	for (unsigned int i = 0; i < nfds; i++)
		if (dup2(copies[i], CHILD_FIRST_FD + (int)i) < 0)
			return -errno;
	return close_range((unsigned int)above, ~0u, 0) < 0 ? -errno : 0;
}

static void run_child(char *const argv[], const int *fds, unsigned int nfds, pid_t parent)
	__attribute__((noreturn));

static void run_child(char *const argv[], const int *fds, unsigned int nfds, pid_t parent)
{
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before the line above. */
	if (getppid() != parent)
		_exit(EXIT_NOT_STARTED);
	setsid();
	null = open("/dev/null", O_RDWR);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(EXIT_NOT_STARTED);
	if (log_child_fd() >= 0)
		dup2(log_child_fd(), STDERR_FILENO);
	if (fcntl(STDERR_FILENO, F_GETFD) < 0)
		dup2(null, STDERR_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (place_fds(fds, nfds) < 0)
		_exit(EXIT_NOT_STARTED);
	reset_signals();
	execv("/proc/self/exe", argv);
	_exit(EXIT_NOT_STARTED);
}

int child_spawn(char *const argv[], const int *fds, unsigned int nfds, struct child *ret_child,
		struct vmb_err *err)
{
	pid_t parent = getpid(), pid;
	int pidfd, rc;

	if (nfds > CHILD_MAX_FDS)
		return vmb_err_set(err, EINVAL, "Too many descriptors for one process.");
	pid = fork();
	if (pid < 0)
		return vmb_err_set(err, errno, "No new process could be started: %s.",
				   strerror(errno));
	if (pid == 0)
		run_child(argv, fds, nfds, parent);
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		rc = errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return vmb_err_set(err, rc,
				   "A started process cannot be watched (pidfd_open: %s). "
				   "Linux 5.3 or newer is needed.",
				   strerror(rc));
	}
	*ret_child = (struct child){.pid = pid, .pidfd = pidfd};
	return 0;
}

void child_kill(const struct child *child)
{
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

int child_reap(struct child *child, int wait_ms, int *ret_status)
{
	struct pollfd pfd = {.fd = child->pidfd, .events = POLLIN};
	int status;
	pid_t pid;

	if (wait_ms > 0)
		poll(&pfd, 1, wait_ms);
	do
		pid = waitpid(child->pid, &status, WNOHANG);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return -EAGAIN;
	if (pid < 0)
		status = EXIT_NOT_STARTED << 8; /* somebody else collected it */
	close(child->pidfd);
	*child = (struct child){.pid = 0, .pidfd = -1};
	*ret_status = status;
	return 0;
}

struct left {
	struct child child;
	struct loop_io *io;
};

static void on_left(void *arg, int fd, short revents)
{
	struct left *left = arg;
	int status;

	(void)fd;
	(void)revents;
	if (child_reap(&left->child, 0, &status) < 0)
		return;
	loop_remove_io(left->io);
	free(left);
}

void child_leave(struct child *child, struct loop *loop)
{
	struct left *left = calloc(1, sizeof(*left));

	if (left)
		left->child = *child;
	if (!left || loop_add_io(loop, child->pidfd, POLLIN, on_left, left, &left->io) < 0) {
		close(child->pidfd);
		free(left);
	} else {
		loop_own(left->io);
	}
	*child = (struct child){.pid = 0, .pidfd = -1};
}

char *child_describe_end(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(buf, size, "was killed by its sandbox (forbidden system call)");
	else if (WIFSIGNALED(status))
		snprintf(buf, size, "was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == EXIT_NOT_STARTED)
		snprintf(buf, size, "could not be started (is /proc mounted?)");
	else
		snprintf(buf, size, "ended with status %d", WEXITSTATUS(status));
	return buf;
}
