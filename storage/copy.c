/*
 * Reading one file completely, from the running system or from a file system that was mounted for
 * it. The path is taken inside a root directory, so that an absolute link on a foreign disk
 * stays on that disk (openat2(2), RESOLVE_IN_ROOT).
 */
#include "copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storage.h"
#include "text.h"

int copy_open_in(int root, const char *path, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

/* Bytes copied, or -errno; -EFBIG beyond STORAGE_FIRMWARE_MAX. */
static int64_t copy_bytes(int from, int to)
{
	static const size_t chunk = 1 << 16;
	int64_t total = 0;
	char buf[1 << 16];

	for (;;) {
		ssize_t n = read(from, buf, chunk), put;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : total;
		if (total + n > (int64_t)STORAGE_FIRMWARE_MAX)
			return -EFBIG;
		for (ssize_t at = 0; at < n; at += put) {
			put = pwrite(to, buf + at, (size_t)(n - at), total + at);
			if (put < 0 && errno == EINTR)
				put = 0;
			else if (put <= 0)
				return put < 0 ? -errno : -ENOSPC;
		}
		total += n;
	}
}

static int refuse(const char *path, const char *where, int code, struct vmb_err *err)
{
	const char *on = where[0] ? " on " : "";
	char most[16];

	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return vmb_err_set(err, code,
				   "File %s%s%s does not exist. Check the name; `vmboot list` "
				   "shows the firmware there is.",
				   path, on, where);
	case EISDIR:
		return vmb_err_set(err, code, "%s%s%s is a directory, not a firmware file.", path,
				   on, where);
	case EINVAL:
		return vmb_err_set(err, code, "%s%s%s is not a regular file.", path, on, where);
	case EACCES:
	case EPERM:
		return vmb_err_set(err, code,
				   "No permission to read %s%s%s. Run vmboot as root, or "
				   "give your user rights on it.",
				   path, on, where);
	case EFBIG:
		return vmb_err_set(err, code,
				   "%s%s%s is bigger than %s, so it is not firmware. Name "
				   "the right file.",
				   path, on, where,
				   text_format_size(STORAGE_FIRMWARE_MAX, most, sizeof(most)));
	default:
		return vmb_err_set(err, code, "%s%s%s cannot be read: %s.", path, on, where,
				   strerror(code));
	}
}

int copy_file(int root, const char *path, const char *where, int out_fd, struct vmb_err *err)
{
	struct stat st;
	int64_t n;
	int fd = root < 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
			  : copy_open_in(root, path, O_RDONLY);

	if (fd < 0)
		return refuse(path, where, root < 0 ? errno : -fd, err);
	if (fstat(fd, &st) < 0)
		n = -errno;
	else if (S_ISDIR(st.st_mode))
		n = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		n = -EINVAL;
	else if (st.st_size > (off_t)STORAGE_FIRMWARE_MAX)
		n = -EFBIG;
	else
		n = copy_bytes(fd, out_fd);
	close(fd);
	return n < 0 ? refuse(path, where, (int)-n, err) : 0;
}

int storage_copy_file(const char *path, int out_fd, struct vmb_err *err)
{
	return copy_file(-1, path, "", out_fd, err);
}
