/* See init/mounts.h. */
#include "mounts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"
#include "log.h"

#define MAX_MOUNTS 256
#define QUIET	   (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct {
	const char *type, *target, *options;
	unsigned long flags;
	bool optional; /* a kernel, or a board, without it is in order */
} table[] = {
	{"proc", "/proc", NULL, QUIET, false},
	{"sysfs", "/sys", NULL, QUIET, false},
	{"devtmpfs", "/dev", "mode=0755", MS_NOSUID, false},
	{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC, false},
	{"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, true},
	{"tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV, false},
	{"tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV, false},
	{"securityfs", "/sys/kernel/security", NULL, QUIET, true},
	{"efivarfs", "/sys/firmware/efi/efivars", NULL, QUIET, true},
};

static void make_links(void)
{
	static const char *const links[][2] = {
		{"/proc/self/fd", "/dev/fd"},
		{"/proc/self/fd/0", "/dev/stdin"},
		{"/proc/self/fd/1", "/dev/stdout"},
		{"/proc/self/fd/2", "/dev/stderr"},
	};

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		(void)!symlink(links[i][0], links[i][1]);
}

/* A file system of its own is mounted there already: whoever handed over to us did it. */
static bool is_mounted(const char *target)
{
	struct stat here, root;

	return stat(target, &here) == 0 && stat("/", &root) == 0 && here.st_dev != root.st_dev;
}

void mounts_make(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *target = table[i].target;

		mkdir(target, 0755);
		/* Below another one of these, only the kernel can tell. */
		if (!strchr(target + 1, '/') && is_mounted(target))
			continue;
		if (mount(table[i].type, target, table[i].type, table[i].flags, table[i].options) <
			    0 &&
		    errno != EBUSY && !table[i].optional)
			log_error("%s cannot be mounted on %s: %s", table[i].type, target,
				  strerror(errno));
	}
	make_links();
}

/* "DEVICE TARGET TYPE ..." a line of proc(5); only what lies on a device matters. */
static unsigned int list_mounts(char targets[MAX_MOUNTS][128])
{
	char text[32768];
	unsigned int count = 0;
	char *rest = NULL;

	host_read_file("", "/proc/self/mounts", text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &rest); line && count < MAX_MOUNTS;
	     line = strtok_r(NULL, "\n", &rest))
		if (line[0] == '/' && sscanf(line, "%*s %127s", targets[count]) == 1)
			count++;
	return count;
}

void mounts_end(void)
{
	char targets[MAX_MOUNTS][128];
	unsigned int count;

	sync();
	count = list_mounts(targets);
	/* Later ones may lie on earlier ones. */
	while (count-- > 0)
		if (umount2(targets[count], UMOUNT_NOFOLLOW) < 0 &&
		    mount(NULL, targets[count], NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
			log_warn("%s could not be unmounted: %s", targets[count], strerror(errno));
	sync();
}
