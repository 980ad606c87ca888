/*
 * See ui/printk.h. A menu that is killed leaves its file with the level in it and no lock: the next one
 * finds it, and what it puts back at its own end is the level of before both.
 */
#include "ui/printk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PRINTK_PROC  "/proc/sys/kernel/printk"
#define PRINTK_STATE "/run/vmboot-printk"
#define LEVEL_MENU   1 /* KERN_EMERG only */
#define LEVEL_MAX    15

/*
 * The file's first byte is locked for as long as one looks and changes, the second (shared) for as long
 * as one needs the level lowered.
 */
enum { TURN, NEED };

static int lock(int fd, off_t byte, short type, bool wait)
{
	struct flock what = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &what);
}

/* Linux' devices.txt: Unix98 pseudo-terminals have majors 136 to 143. */
static bool is_kernels_terminal(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && S_ISCHR(st.st_mode) &&
	       (major(st.st_rdev) < 136 || major(st.st_rdev) > 143);
}

/* The number the file at FD begins with, -1 if there is none. */
static int read_level(int fd)
{
	char text[64], *end;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long level;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	level = strtol(text, &end, 10);
	return end != text && level >= 0 && level <= LEVEL_MAX ? (int)level : -1;
}

static int write_level(const char *proc, int level)
{
	char text[16];
	int fd = open(proc, O_WRONLY | O_CLOEXEC), n = snprintf(text, sizeof(text), "%d\n", level);
	int rc;

	if (fd < 0)
		return -errno;
	rc = write(fd, text, (size_t)n) == n ? 0 : -EIO;
	close(fd);
	return rc;
}

/* Remembers the level unless a menu before us did. Lock held. */
static int remember(int state, const char *proc)
{
	int fd = open(proc, O_RDONLY | O_CLOEXEC), level;
	char text[16];
	int n;

	if (fd < 0)
		return -errno;
	level = read_level(fd);
	close(fd);
	if (level < 0)
		return -EINVAL;
	if (read_level(state) >= 0)
		return 0;
	n = snprintf(text, sizeof(text), "%d\n", level);
	return pwrite(state, text, (size_t)n, 0) == n ? 0 : -EIO;
}

void printk_lower(struct printk *printk, const char *proc, const char *state_path)
{
	int fd;

	printk->lock = -1;
	if (!proc && !is_kernels_terminal())
		return;
	proc = proc ? proc : PRINTK_PROC;
	fd = open(state_path ? state_path : PRINTK_STATE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return;
	if (lock(fd, TURN, F_WRLCK, true) < 0 || remember(fd, proc) < 0 ||
	    write_level(proc, LEVEL_MENU) < 0 || lock(fd, NEED, F_RDLCK, false) < 0 ||
	    lock(fd, TURN, F_UNLCK, false) < 0) {
		close(fd);
		return;
	}
	printk->lock = fd;
}

void printk_restore(struct printk *printk, const char *proc)
{
	if (printk->lock < 0)
		return;
	/* The second fails while another menu holds its share. */
	if (lock(printk->lock, TURN, F_WRLCK, true) == 0 &&
	    lock(printk->lock, NEED, F_WRLCK, false) == 0) {
		int level = read_level(printk->lock);

		if (level >= 0)
			write_level(proc ? proc : PRINTK_PROC, level);
		(void)!ftruncate(printk->lock, 0);
	}
	close(printk->lock);
	printk->lock = -1;
}
