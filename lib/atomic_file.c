/* See include/atomic_file.h. */
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_ASIDE 100

int atomic_file_write(int fd, const void *data, size_t n)
{
	const char *at = data;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -ENOSPC;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

int atomic_file_new(int dir, const char *temp, const struct stat *like, const void *data, size_t n)
{
	int fd, rc;

	unlinkat(dir, temp, 0);
	fd = openat(dir, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (like) {
		/* Best effort: only root may give files away, and FAT knows neither. */
		(void)!fchown(fd, like->st_uid, like->st_gid);
		(void)!fchmod(fd, like->st_mode & 07777);
	}
	rc = atomic_file_write(fd, data, n);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		unlinkat(dir, temp, 0);
		return rc;
	}
	return fd;
}

/*
 * What NAME is now, held open until its successor is on the disk: the file system would else give its blocks back
 * before that. On FAT, which has no journal, a power cut then leaves a name without a file. -1: it is not there.
 */
static int hold(int dir, const char *name)
{
	return openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
}

static int let_go(int held, int rc)
{
	if (held >= 0)
		close(held);
	return rc;
}

/*
 * On FAT, where the blocks of a file are is on the disk with the file's own metadata, and that its old name is gone with
 * the directory's. REPLACED: the old name goes first, as both names for the same blocks would be damage, whose repair may
 * cost either. A name that is new would be one without blocks so long.
 */
static int sync_renamed(int dir, const char *name, bool replaced)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (fsync(replaced ? dir : fd) < 0 || fsync(replaced ? fd : dir) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int atomic_file_rename(int dir, const char *temp, const char *name)
{
	int held = hold(dir, name), rc;

	if (renameat(dir, temp, dir, name) < 0) {
		rc = -errno;
		unlinkat(dir, temp, 0);
		return let_go(held, rc);
	}
	return let_go(held, sync_renamed(dir, name, held >= 0));
}

int atomic_file_remove(int dir, const char *name)
{
	int held = hold(dir, name), rc = 0;

	if (unlinkat(dir, name, 0) < 0)
		rc = errno == ENOENT ? 0 : -errno;
	else if (fsync(dir) < 0)
		rc = -errno;
	return let_go(held, rc);
}

int atomic_file_set_aside(int dir, const char *name, const char *suffix)
{
	char to[NAME_MAX + 1];

	for (int i = 0; i < MAX_ASIDE; i++) {
		int n = i == 0 ? snprintf(to, sizeof(to), "%s.%s", name, suffix)
			       : snprintf(to, sizeof(to), "%s.%s.%d", name, suffix, i);

		if ((size_t)n >= sizeof(to))
			return -ENAMETOOLONG;
		if (renameat2(dir, name, dir, to, RENAME_NOREPLACE) == 0)
			return sync_renamed(dir, to, false);
		if (errno != EEXIST)
			return errno == ENOENT ? 0 : -errno;
	}
	return -EEXIST;
}
