/*
 * Cuts the power, or fails, at any call that changes a file: for programs that cut.mk names.
 */
#ifndef VMB_TESTS_UNIT_CUT_H
#define VMB_TESTS_UNIT_CUT_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The call numbered CUT.AT does not happen any more, or fails, or happens by half. */
enum cut { CUT_NONE, CUT_POWER, CUT_HALF, CUT_ERROR };

static struct {
	enum cut how;
	int at, count;
} cut;

/* True: the call is to fail. A power cut does not return. */
static bool cut_here(void)
{
	if (cut.how == CUT_NONE || ++cut.count != cut.at)
		return false;
	if (cut.how == CUT_POWER)
		_exit(0);
	errno = EIO;
	return cut.how == CUT_ERROR;
}

#define WRAP(ret, name, params, args)                        \
	ret __real_##name params;                            \
	ret __wrap_##name params;                            \
	ret __wrap_##name params                             \
	{                                                    \
		return cut_here() ? -1 : __real_##name args; \
	}

WRAP(int, fsync, (int fd), (fd))
WRAP(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new))
WRAP(int, renameat2, (int from, const char *old, int to, const char *new, unsigned int flags),
     (from, old, to, new, flags))
WRAP(int, unlinkat, (int dir, const char *name, int flags), (dir, name, flags))
WRAP(int, mkdirat, (int dir, const char *name, mode_t mode), (dir, name, mode))

int __real_openat(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
	return cut_here() ? -1 : __real_openat(dir, name, flags, mode);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	bool fails = cut_here();
	int rc = __real_close(fd);

	errno = EIO;
	return fails ? -1 : rc;
}

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	if (cut_here())
		return -1;
	if (cut.how == CUT_HALF && cut.count == cut.at) {
		(void)!__real_write(fd, buf, n / 2);
		_exit(0);
	}
	return __real_write(fd, buf, n);
}

#endif
