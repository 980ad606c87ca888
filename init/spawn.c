/* See init/spawn.h. */
#include "spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define STEP_MS 20

extern char **environ;

int spawn_program(const char *program, char *const argv[], pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int log = log_child_fd(), rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, log >= 0 ? log : STDIN_FILENO, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, log >= 0 ? log : STDIN_FILENO, STDERR_FILENO);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(ret_pid, program, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

bool spawn_wait_for(void (*fn)(void), unsigned int msec)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
	pid_t pid = fork();

	if (pid == 0) {
		/* Init's own ends as a shell when it crashes. */
		for (int i = 1; i < NSIG; i++)
			signal(i, SIG_DFL);
		fn();
		_exit(0);
	}
	if (pid < 0) {
		fn(); /* rather late than not at all */
		return true;
	}
	for (unsigned int ms = 0; ms < msec; ms += STEP_MS) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return true;
		nanosleep(&step, NULL);
	}
	kill(pid, SIGKILL);
	return false;
}
