/* See ui/shell.h. */
#include "ui/shell.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ui/screen.h"

static const char banner[] =
	"\r\n"
	"vmboot: recovery shell. The menu waits; a VM that runs goes on.\r\n"
	"Type exit to return to the menu.\r\n";

static void shell_exec(void)
{
	const char *shell = getenv("SHELL");

	if (shell && shell[0] == '/')
		execl(shell, shell, (char *)NULL);
	execl("/bin/sh", "sh", (char *)NULL);
	_exit(SHELL_NOT_FOUND);
}

int shell_start(pid_t *ret_pid)
{
	ssize_t n = write(STDOUT_FILENO, banner, sizeof(banner) - 1);
	pid_t pid = fork();

	(void)n;
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		screen_child_signals();
		shell_exec();
	}
	*ret_pid = pid;
	return 0;
}
