/* See ui/shell.h. */
#include "ui/shell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text.h"
#include "ui/screen.h"

static void print_banner(const char *vm)
{
	char text[512], title[80];
	int n;

	n = snprintf(text, sizeof(text),
		     "\r\nvmboot: recovery shell. Type exit to return to the menu, which waits.\r\n"
		     "Logs: `vmboot report` prints them all; dmesg has the kernel's.\r\n"
		     "%s%s%s",
		     vm ? "The virtual machine " : "",
		     vm ? text_escape(title, sizeof(title), vm, strlen(vm)) : "",
		     vm ? " goes on running.\r\n" : "");
	(void)!write(STDOUT_FILENO, text, (size_t)n);
}

static void shell_exec(void)
{
	const char *shell = getenv("SHELL");

	if (shell && shell[0] == '/')
		execl(shell, shell, (char *)NULL);
	execl("/bin/sh", "sh", (char *)NULL);
	_exit(SHELL_NOT_FOUND);
}

int shell_start(const char *vm, pid_t *ret_pid)
{
	pid_t pid;

	print_banner(vm);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		screen_child_signals();
		shell_exec();
	}
	*ret_pid = pid;
	return 0;
}
