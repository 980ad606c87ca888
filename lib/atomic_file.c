/* See include/atomic_file.h. */
#include "atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int write_all(int fd, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t put = write(fd, data, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -ENOSPC;
		data += put;
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
	rc = write_all(fd, data, n);
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		unlinkat(dir, temp, 0);
		return rc;
	}
	return fd;
}
