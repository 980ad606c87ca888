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
#include "varstore.h"

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

/* Is NAME (N bytes of it) ID and END? */
static bool is_id_with(const char *name, size_t n, const char *end)
{
	size_t e = strlen(end);
	char id[MENU_ID_SIZE];

	if (n <= e || n - e >= sizeof(id) || strncmp(name + n - e, end, e) != 0)
		return false;
	memcpy(id, name, n - e);
	id[n - e] = '\0';
	return entry_file_id_ok(id);
}

bool store_dir_is_vars(const char *name)
{
	return is_id_with(name, strlen(name), ".vars");
}

size_t store_dir_max(const char *name)
{
	return store_dir_is_vars(name) ? VARSTORE_SIZE : STORE_FILE_MAX;
}

bool store_dir_knows(const char *name)
{
	size_t n;

	if (strlen(name) >= STORE_NAME_SIZE)
		return false;
	n = without_signature(name);
	if ((n == 11 && strncmp(name, "vmboot.conf", n) == 0) || strcmp(name, "state.conf") == 0)
		return true;
	if (strncmp(name, ENTRIES "/", sizeof(ENTRIES)) == 0)
		return is_id_with(name + sizeof(ENTRIES), n - sizeof(ENTRIES), ".conf");
	return store_dir_is_vars(name);
}

/* ---- reading ---- */

struct reader {
	int dir;
	bool beneath;
	const struct store_report *report;
	void *ctx;
	unsigned int count, most;
	size_t max;  /* bytes of a file */
	char text[]; /* and one more */
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

/* Up to one byte more than MAX; the count, or -errno. */
static ssize_t read_whole(int fd, char *text, size_t max)
{
	size_t n = 0;

	while (n <= max) {
		ssize_t got = read(fd, text + n, max + 1 - n);

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
	if (r->count++ >= r->most) {
		r->report->skipped(r->ctx, name, "is one too many");
	} else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		r->report->skipped(r->ctx, name, "is not a regular file");
	} else {
		n = read_whole(fd, r->text, r->max);
		if (n < 0)
			r->report->skipped(r->ctx, name, strerror((int)-n));
		else if ((size_t)n > r->max)
			r->report->skipped(r->ctx, name,
					   r->max > STORE_FILE_MAX ? "is bigger than 528 KiB"
								   : "is bigger than 32 KiB");
		else
			r->report->file(r->ctx, name, r->text, (size_t)n, st.st_mtime);
	}
	close(fd);
}

/* Reads the files in DIRECTORY ("" for DIR itself) that are ours; in that of entries there is nothing else. */
static int read_directory(struct reader *r, const char *directory)
{
	int fd = open_in(r, directory[0] ? directory : ".", O_DIRECTORY);
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

		snprintf(name, sizeof(name), "%s%s", directory, names[i]->d_name);
		if (directory[0] ? store_dir_knows(name) : store_dir_is_vars(name))
			read_file(r, name);
		else if (directory[0] && names[i]->d_name[0] != '.' &&
			 strcmp(names[i]->d_name, STORE_NEW_FILE) != 0)
			r->report->skipped(r->ctx, name, "is not called NAME.conf");
		free(names[i]);
	}
	free(names);
	return 0;
}

static struct reader *make_reader(int dir, bool beneath, const struct store_report *report,
				  void *ctx, size_t max)
{
	struct reader *r = malloc(sizeof(*r) + max + 1);

	if (r)
		*r = (struct reader){
			.dir = dir, .beneath = beneath, .report = report, .ctx = ctx, .max = max};
	return r;
}

int store_dir_read(int dir, bool beneath, const struct store_report *report, void *ctx)
{
	static const char *const names[] = {"vmboot.conf", "vmboot.conf.minisig", "vmboot.conf.sig",
					    "state.conf"};
	struct reader *r = make_reader(dir, beneath, report, ctx, STORE_FILE_MAX);
	int rc;

	if (!r)
		return -ENOMEM;
	r->most = STORE_MAX_FILES;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		read_file(r, names[i]);
	rc = read_directory(r, ENTRIES "/");
	free(r);
	return rc;
}

int store_dir_read_vars(int dir, bool beneath, const struct store_report *report, void *ctx)
{
	struct reader *r = make_reader(dir, beneath, report, ctx, VARSTORE_SIZE);
	int rc;

	if (!r)
		return -ENOMEM;
	r->most = STORE_MAX_VARS;
	rc = read_directory(r, "");
	free(r);
	return rc;
}

/* ---- writing ---- */

static int replace(int dir, const char *name, const void *data, size_t n)
{
	const char *temp = STORE_NEW_FILE;
	struct stat st;
	bool is_there = fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
	int fd, rc;

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

/*
 * Makes directory NAME in DIR. It is whole on the disk before it gets its name: on FAT a power cut could else leave one
 * that cannot be read, and that nothing can be written to. What goes wrong is found when it is opened.
 */
static void make_directory(int dir, const char *name)
{
	const char *temp = STORE_NEW_DIR;
	int fd;

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	unlinkat(dir, temp, AT_REMOVEDIR);
	if (mkdirat(dir, temp, 0755) < 0)
		return;
	fd = openat(dir, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fsync(fd) == 0 && renameat(dir, temp, dir, name) == 0)
		fsync(dir);
	close(fd);
}

/* The directory that NAME lies in, and its name there. A descriptor, the caller's, or -errno. */
static int open_directory(int dir, const char *name, bool make, const char **ret_name)
{
	const char *slash = strchr(name, '/');
	int sub;

	if (slash && make)
		make_directory(dir, ENTRIES);
	sub = openat(dir, slash ? ENTRIES : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_name = slash ? slash + 1 : name;
	return sub < 0 ? -errno : sub;
}

int store_dir_write(int dir, const char *name, const void *data, size_t n)
{
	int sub, rc;

	if (!store_dir_knows(name) || n > store_dir_max(name))
		return -EINVAL;
	sub = open_directory(dir, name, true, &name);
	if (sub < 0)
		return sub;
	rc = data ? replace(sub, name, data, n) : atomic_file_remove(sub, name);
	close(sub);
	return rc;
}

int store_dir_set_aside(int dir, const char *name, const char *suffix)
{
	int sub, rc;

	if (!store_dir_knows(name))
		return -EINVAL;
	sub = open_directory(dir, name, false, &name);
	if (sub < 0)
		return sub == -ENOENT ? 0 : sub;
	rc = atomic_file_set_aside(sub, name, suffix);
	close(sub);
	return rc;
}
