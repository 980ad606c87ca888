/* See init/last_resort.h. After a crash only what is safe in a signal handler is done. */
#include "last_resort.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "consoles.h"

#define STACK_SIZE 65536 /* for a crash that was the stack's end */
#define MENU_MS	   5000	 /* a menu that is told to end leaves the terminal, or is killed */
#define STEP_MS	   50

/* What the handler has to know. */
static struct {
	char console[256];
	volatile pid_t menu;
	_Alignas(16) char stack[STACK_SIZE];
} crash;

void last_resort(const char *root, const char *why)
{
	char path[256];
	const struct console_start shell = {.path = path,
					    .or_stdin = true,
					    .term = "vt220",
					    .notice = why,
					    .what = CONSOLE_SHELL};
	pid_t pid;

	snprintf(path, sizeof(path), "%s/dev/console", root);
	for (;;) {
		if (console_start(&shell, &pid) == 0)
			waitpid(pid, NULL, 0);
		sleep(1);
	}
}

/* Reaps whatever ends until PID has, or MSEC are over (0: never); true: it has. */
static bool reap_until(pid_t pid, int msec)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

	for (int ms = 0; msec == 0 || ms < msec; ms += STEP_MS) {
		pid_t got = waitpid(-1, NULL, WNOHANG);

		if (got == pid || (got < 0 && errno == ECHILD))
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}

static void become_shell(void)
{
	static const char text[] =
		"\r\nvmboot: init itself has crashed; this is a shell in its place. "
		"`reboot -f` restarts the machine.\r\n",
			  none[] = "vmboot: there is no shell: /bin/sh cannot be run.\r\n";
	int fd = open(crash.console, O_RDWR | O_NOCTTY);
	sigset_t all;

	setsid();
	if (fd >= 0) {
		ioctl(fd, TIOCSCTTY, 1);
		dup2(fd, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
	}
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	execl("/bin/sh", "-sh", (char *)NULL);
	(void)!write(STDERR_FILENO, none, sizeof(none) - 1);
	_exit(1);
}

static void on_crash(int number)
{
	(void)number;
	if (crash.menu > 0 && kill(crash.menu, SIGTERM) == 0 && !reap_until(crash.menu, MENU_MS))
		kill(crash.menu, SIGKILL);
	for (;;) {
		pid_t pid = _Fork();

		if (pid == 0)
			become_shell();
		if (pid > 0)
			reap_until(pid, 0);
		sleep(1);
	}
}

void last_resort_catch_crashes(const char *root)
{
	static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	const struct sigaction action = {.sa_handler = on_crash,
					 .sa_flags = SA_NODEFER | SA_ONSTACK};
	const stack_t stack = {.ss_sp = crash.stack, .ss_size = sizeof(crash.stack)};

	snprintf(crash.console, sizeof(crash.console), "%s/dev/console", root);
	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

void last_resort_displace(pid_t pid)
{
	crash.menu = pid;
}
