/*
 * Reading one file completely, from the running system or from a file system that was mounted for
 * it. The path is taken inside a root directory, so that an absolute link on a foreign disk
 * stays on that disk (openat2(2), RESOLVE_IN_ROOT).
 */
#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storage.h"
#include "text.h"

#define CHUNK (1 << 16)

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

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

unsigned int copy_list_names(int dir, bool (*wanted)(const char *name), char **names,
			     unsigned int max)
{
	unsigned int count = 0;
	struct dirent *entry;
	DIR *stream = fdopendir(dir);

	if (!stream) {
		close(dir);
		return 0;
	}
	for (int i = 0; i < COPY_MAX_NAMES && count < max && (entry = readdir(stream)); i++)
		if (wanted(entry->d_name)) {
			names[count] = strdup(entry->d_name);
			count += names[count] != NULL;
		}
	closedir(stream);
	if (count > 0)
		qsort(names, count, sizeof(*names), compare_names);
	return count;
}

/* Up to CHUNK bytes from where FROM stands to AT in TO: how many, 0 at the end, or -1 with errno. */
static ssize_t copy_chunk(int from, int to, int64_t at)
{
	char buf[CHUNK];
	ssize_t n = read(from, buf, sizeof(buf)), put;

	for (ssize_t done = 0; done < n; done += put) {
		put = pwrite(to, buf + done, (size_t)(n - done), at + done);
		if (put < 0 && errno == EINTR)
			put = 0;
		else if (put <= 0) {
			errno = put < 0 ? errno : ENOSPC;
			return -1;
		}
	}
	return n;
}

/*
 * Bytes copied to the beginning of TO, or -errno; -EFBIG beyond MAX. Where FROM's file system can, they are copied once, in
 * the kernel.
 */
static int64_t copy_bytes(int from, int to, uint64_t max)
{
	bool by_kernel = true;
	int64_t total = 0;

	if (lseek(to, 0, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		ssize_t n =
			by_kernel ? sendfile(to, from, NULL, CHUNK) : copy_chunk(from, to, total);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && by_kernel && (errno == EINVAL || errno == ENOSYS))
			by_kernel = false;
		else if (n <= 0)
			return n < 0 ? -errno : total;
		else
			total += n;
		if ((uint64_t)total > max)
			return -EFBIG;
	}
}

static int refuse(const struct copy_source *source, int code, struct vmb_err *err)
{
	const char *path = source->path, *where = source->where, *on = where[0] ? " on " : "";
	bool firmware = strcmp(source->noun, "firmware") == 0;
	char most[16];

	switch (code) {
	case ENOENT:
	case ENOTDIR:
		return vmb_err_set(err, code, "File %s%s%s does not exist. Check the name%s.", path,
				   on, where,
				   firmware ? "; `vmboot list` shows the firmware there is" : "");
	case EISDIR:
		return vmb_err_set(err, code, "%s%s%s is a directory, not %s. Name a file in it.",
				   path, on, where, source->noun);
	case EINVAL:
		return vmb_err_set(err, code, "%s%s%s is not a regular file. Name the file itself.",
				   path, on, where);
	case EACCES:
	case EPERM:
		return vmb_err_set(err, code,
				   "No permission to read %s%s%s. Run vmboot as root, or "
				   "give your user rights on it.",
				   path, on, where);
	case EFBIG:
		return vmb_err_set(err, code,
				   "%s%s%s is bigger than %s, so it is not %s. Name the "
				   "right file.",
				   path, on, where,
				   text_format_size(source->max, most, sizeof(most)), source->noun);
	default:
		return vmb_err_set(err, code, "%s%s%s cannot be read: %s.", path, on, where,
				   strerror(code));
	}
}

int copy_file(const struct copy_source *source, int out_fd, struct vmb_err *err)
{
	struct stat st;
	int64_t n;
	int fd = source->root < 0 ? open(source->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
				  : copy_open_in(source->root, source->path, O_RDONLY);

	if (fd < 0)
		return refuse(source, source->root < 0 ? errno : -fd, err);
	if (fstat(fd, &st) < 0)
		n = -errno;
	else if (S_ISDIR(st.st_mode))
		n = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		n = -EINVAL;
	else if ((uint64_t)st.st_size > source->max)
		n = -EFBIG;
	else
		n = copy_bytes(fd, out_fd, source->max);
	close(fd);
	return n < 0 ? refuse(source, (int)-n, err) : 0;
}

int storage_copy_file(const char *path, const char *noun, uint64_t max, int out_fd,
		      struct vmb_err *err)
{
	const struct copy_source source = {
		.root = -1, .path = path, .where = "", .noun = noun, .max = max};

	return copy_file(&source, out_fd, err);
}
