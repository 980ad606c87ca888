/* See include/host_hurry.h. */
#include "host_hurry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host.h"

#define SETTING "/sys/kernel/rcu_expedited"
/* The kernel takes any number but 0 for yes, and people write 1. */
#define OFF  "0\n"
#define OURS "2\n"

static void change(const char *root, const char *from, const char *to)
{
	char path[PATH_MAX], now[16];
	int fd;

	if (!host_read_file(root, SETTING, now, sizeof(now)) || strcmp(now, from) != 0)
		return;
	snprintf(path, sizeof(path), "%s" SETTING, root);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, to, strlen(to));
	close(fd);
}

void host_hurry_begin(const char *root)
{
	change(root, OFF, OURS);
}

void host_hurry_end(const char *root)
{
	change(root, OURS, OFF);
}
