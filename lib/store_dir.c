/* See include/store_dir.h. */
#include "store_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "atomic_file.h"
#include "entry_file.h"

#define ENTRIES "entries"

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n > e && strcmp(name + n - e, end) == 0;
}

/* NAME without ".minisig" or ".sig"; its length. */
static size_t without_signature(const char *name)
{
	if (ends_with(name, ".minisig"))
		return strlen(name) - 8;
	return strlen(name) - (ends_with(name, ".sig") ? 4 : 0);
}

bool store_dir_knows(const char *name)
{
	static const char directory[] = ENTRIES "/";
	char id[MENU_ID_SIZE];
	size_t n;

	if (strlen(name) >= STORE_NAME_SIZE)
		return false;
	n = without_signature(name);
	if ((n == 11 && strncmp(name, "vmboot.conf", n) == 0) || strcmp(name, "state.conf") == 0)
		return true;
	if (strncmp(name, directory, strlen(directory)) != 0)
		return false;
	name += strlen(directory);
	n -= strlen(directory);
	if (n <= 5 || n - 5 >= sizeof(id) || strncmp(name + n - 5, ".conf", 5) != 0)
		return false;
	memcpy(id, name, n - 5);
	id[n - 5] = '\0';
	return entry_file_id_ok(id);
}

/* ---- reading ---- */

struct reader {
	int dir;
	bool beneath;
	const struct store_report *report;
	void *ctx;
	unsigned int count;
	char text[STORE_FILE_MAX + 1];
};

static int open_in(const struct reader *r, const char *name, uint64_t flags)
{
	struct open_how how = {
		.flags = flags | O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = r->beneath ? RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS : 0,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, r->dir, name, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

/* Up to one byte more than a file may have; the count, or -errno. */
static ssize_t read_whole(int fd, char *text)
{
	size_t n = 0;

	while (n <= STORE_FILE_MAX) {
		ssize_t got = read(fd, text + n, STORE_FILE_MAX + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : (ssize_t)n;
		n += (size_t)got;
	}
	return (ssize_t)n;
}

static void read_file(struct reader *r, const char *name)
{
	struct stat st;
	int fd = open_in(r, name, 0);
	ssize_t n;

	if (fd == -ENOENT)
		return;
	if (fd < 0) {
		r->report->skipped(r->ctx, name, strerror(-fd));
		return;
	}
	if (r->count++ >= STORE_MAX_FILES) {
		r->report->skipped(r->ctx, name, "is one too many");
	} else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		r->report->skipped(r->ctx, name, "is not a regular file");
	} else {
		n = read_whole(fd, r->text);
		if (n < 0)
			r->report->skipped(r->ctx, name, strerror((int)-n));
		else if (n > STORE_FILE_MAX)
			r->report->skipped(r->ctx, name, "is bigger than 32 KiB");
		else
			r->report->file(r->ctx, name, r->text, (size_t)n);
	}
	close(fd);
}

static int read_entries(struct reader *r)
{
	int fd = open_in(r, ENTRIES, O_DIRECTORY);
	struct dirent **names;
	int count;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	count = scandirat(fd, ".", &names, NULL, versionsort);
	close(fd);
	if (count < 0)
		return -EIO;
	for (int i = 0; i < count; i++) {
		char name[sizeof(names[i]->d_name) + sizeof(ENTRIES) + 1];

		snprintf(name, sizeof(name), ENTRIES "/%s", names[i]->d_name);
		if (store_dir_knows(name))
			read_file(r, name);
		else if (names[i]->d_name[0] != '.')
			r->report->skipped(r->ctx, name, "is not called NAME.conf");
		free(names[i]);
	}
	free(names);
	return 0;
}

int store_dir_read(int dir, bool beneath, const struct store_report *report, void *ctx)
{
	static const char *const names[] = {"vmboot.conf", "vmboot.conf.minisig", "vmboot.conf.sig",
					    "state.conf"};
	struct reader *r = malloc(sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	*r = (struct reader){.dir = dir, .beneath = beneath, .report = report, .ctx = ctx};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		read_file(r, names[i]);
	rc = read_entries(r);
	free(r);
	return rc;
}

/* ---- writing ---- */

static int replace(int dir, const char *name, const void *data, size_t n)
{
	char temp[STORE_NAME_SIZE + 8];
	struct stat st;
	bool is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
	int fd, rc;

	snprintf(temp, sizeof(temp), ".%s.new", name);
	fd = atomic_file_new(dir, temp, is_there ? &st : NULL, data, n);
	if (fd < 0)
		return fd;
	if (close(fd) < 0) {
		rc = -errno;
		unlinkat(dir, temp, 0);
		return rc;
	}
	return atomic_file_rename(dir, temp, name);
}

int store_dir_write(int dir, const char *name, const void *data, size_t n)
{
	const char *slash = strchr(name, '/');
	int rc, sub = -1;

	if (!store_dir_knows(name) || n > STORE_FILE_MAX)
		return -EINVAL;
	if (slash) {
		if (mkdirat(dir, ENTRIES, 0755) == 0)
			fsync(dir);
		sub = openat(dir, ENTRIES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub < 0)
			return -errno;
		dir = sub;
		name = slash + 1;
	}
	rc = data ? replace(dir, name, data, n) : atomic_file_remove(dir, name);
	if (sub >= 0)
		close(sub);
	return rc;
}
