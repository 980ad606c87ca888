/* See daemon/vars_file.h. */
#include "vars_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomic_file.h"
#include "varstore.h"

/* 0 when all N bytes were read at OFFSET, -ENODATA when the file is shorter, or -errno. */
static int read_all(int fd, void *buf, size_t n, off_t offset)
{
	char *at = buf;

	while (n > 0) {
		ssize_t got = pread(fd, at, n, offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0 ? -ENODATA : -errno;
		at += got;
		offset += got;
		n -= (size_t)got;
	}
	return 0;
}

/* Directory part of PATH into DIR (PATH_MAX); returns the name in PATH. */
static const char *split_path(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');

	if (!slash) {
		strcpy(dir, ".");
		return path;
	}
	snprintf(dir, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	return slash + 1;
}

/*
 * The rename that replaces the file must hit the file, not a link to it. A missing file is fine if
 * its directory is there.
 */
static int resolve_path(struct vars_file *vars, const char *path, struct vmb_err *err)
{
	char dir[PATH_MAX], real[PATH_MAX];
	const char *name;
	struct stat st;

	if (realpath(path, real)) {
		strcpy(vars->path, real);
		return 0;
	}
	if (errno != ENOENT)
		return vmb_err_set(err, errno, "The variables file %s cannot be reached: %s.", path,
				   strerror(errno));
	name = split_path(path, dir);
	if (!*name || lstat(path, &st) == 0)
		return vmb_err_set(err, ENOENT,
				   "The variables file %s is not a file. Name another "
				   "one.",
				   path);
	if (!realpath(dir, real))
		return vmb_err_set(err, errno,
				   "The variables file %s cannot be kept: directory %s: "
				   "%s. Make it, or name another file.",
				   path, dir, strerror(errno));
	if (strlen(real) + strlen(name) + 2 > sizeof(vars->path))
		return vmb_err_set(err, ENAMETOOLONG,
				   "The path of the variables file %s is too "
				   "long.",
				   path);
	strcpy(vars->path, real);
	strcat(vars->path, "/");
	strcat(vars->path, name);
	return 0;
}

/* Exclusive when the file can be written, else shared. FD's lock lives as long as FD. */
static int lock_file(int fd, bool writable)
{
	struct flock lock = {.l_type = writable ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	/* A file system without locks must not keep a VM from starting. */
	return errno == EAGAIN || errno == EACCES ? -EBUSY : 0;
}

/* Opens the file for reading and locks it. -ENOENT (no sentence): there is none. */
static int open_locked(struct vars_file *vars, struct vmb_err *err)
{
	const int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	bool writable = true;
	struct stat st;
	int fd = open(vars->path, O_RDWR | flags), code;

	if (fd < 0 && errno != ENOENT) {
		writable = false;
		fd = open(vars->path, O_RDONLY | flags);
	}
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0) {
		code = errno;
		return vmb_err_set(err, code, "The variables file %s cannot be read: %s.",
				   vars->path, strerror(code));
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return vmb_err_set(err, EINVAL,
				   "The variables file %s is not a regular file. Name "
				   "another one.",
				   vars->path);
	}
	if (lock_file(fd, writable) < 0) {
		close(fd);
		return vmb_err_set(err, EBUSY,
				   "The variables file %s is used by another running "
				   "virtual machine. Stop that one, or give this one a file of its "
				   "own.",
				   vars->path);
	}
	vars->lock = fd;
	return 0;
}

static int refuse_size(const struct vars_file *vars, long long size, struct vmb_err *err)
{
	return vmb_err_set(err, EBADMSG,
			   "The variables file %s is for another firmware, or truncated: it has "
			   "%lld bytes, not %d. It was not touched; start with fresh variables "
			   "(the old ones are kept as %s.bad), or name another file.",
			   vars->path, size, VARSTORE_SIZE, vars->path);
}

static bool is_size(uint64_t size)
{
	return size == VARSTORE_SIZE || size == VARSTORE_SIZE_2M;
}

static int check_store(const struct vars_file *vars, struct vmb_err *err)
{
	struct vmb_err why = {0};

	if (varstore_check(vars->store, vars->size, &why) < 0)
		return vmb_err_set(
			err, EBADMSG,
			"The variables file %s is damaged or not one: %s It was not touched; "
			"start with fresh variables, or name another file.",
			vars->path, why.text);
	return 0;
}

/* Reads the open file. 0, or -EBADMSG / -errno with the sentence. */
static int read_file(struct vars_file *vars, struct vmb_err *err)
{
	struct stat st;
	int rc;

	if (fstat(vars->lock, &st) < 0)
		return vmb_err_set(err, errno, "The variables file %s cannot be read: %s.",
				   vars->path, strerror(errno));
	if (!is_size((uint64_t)st.st_size))
		return refuse_size(vars, st.st_size, err);
	vars->size = (uint32_t)st.st_size;
	rc = read_all(vars->lock, vars->store, vars->size, 0);
	if (rc < 0)
		return vmb_err_set(err, -rc, "The variables file %s cannot be read: %s.",
				   vars->path, strerror(-rc));
	return check_store(vars, err);
}

/* The same of a file in the store; one VM at a time uses that, so it needs no lock. -ENOENT (no sentence): there is none. */
static int read_from_store(struct vars_file *vars, struct vmb_err *err)
{
	const struct store_file *file = store_find(vars->place.store, vars->place.name);

	if (!file)
		return -ENOENT;
	if (!is_size(file->size))
		return refuse_size(vars, (long long)file->size, err);
	vars->size = (uint32_t)file->size;
	memcpy(vars->store, file->text, vars->size);
	return check_store(vars, err);
}

static int read_there(struct vars_file *vars, const char *path, struct vmb_err *err)
{
	int rc;

	if (vars->place.name[0]) {
		store_path(vars->place.store, vars->place.name, vars->path, sizeof(vars->path));
		return read_from_store(vars, err);
	}
	rc = resolve_path(vars, path, err);
	/* Without its directory nothing can be kept; without the file it can. */
	if (rc < 0) {
		vars->path[0] = '\0';
		return rc;
	}
	rc = open_locked(vars, err);
	return rc < 0 ? rc : read_file(vars, err);
}

int vars_file_open(struct vars_file *vars, const char *path, const struct vars_place *place,
		   bool fresh, struct vmb_err *err)
{
	int rc = 0;

	*vars = (struct vars_file){.lock = -1};
	if (place)
		vars->place = *place;
	vars->store = malloc(VARSTORE_SIZE);
	if (!vars->store)
		return vmb_err_set(err, ENOMEM, "Not enough memory for the variables.");
	if (path[0] || vars->place.name[0]) {
		rc = read_there(vars, path, err);
		if (rc == -ENOENT && !vars->path[0])
			goto fail;
		if (fresh && (rc == 0 || rc == -EBADMSG))
			vars->aside = rc == 0 ? "old" : "bad";
		else if (rc < 0 && rc != -ENOENT)
			goto fail;
	}
	vars->is_new = (!path[0] && !vars->place.name[0]) || rc == -ENOENT || vars->aside;
	if (vars->is_new) {
		vars->size = VARSTORE_SIZE;
		varstore_format(vars->store, vars->size);
	}
	return 0;
fail:
	vars_file_close(vars);
	return rc;
}

int vars_file_fit(struct vars_file *vars, uint32_t size, const void *template_store,
		  struct vmb_err *err)
{
	if (!vars->is_new && vars->size != size)
		return vmb_err_set(
			err, EBADMSG,
			"The variables file %s is for OVMF of %d MiB (%u bytes), this firmware "
			"keeps %u bytes. It was not touched; name another file, or start with "
			"fresh variables.",
			vars->path, vars->size == VARSTORE_SIZE ? 4 : 2, vars->size, size);
	if (!vars->is_new)
		return 0;
	if (template_store && varstore_check(template_store, size, NULL) == 0)
		memcpy(vars->store, template_store, size);
	else if (vars->size != size)
		varstore_format(vars->store, size);
	vars->size = size;
	return 0;
}

/* The directory of the file, and its name in it into *RET_NAME. The descriptor, or -errno. */
static int open_directory(const struct vars_file *vars, const char **ret_name)
{
	char path[PATH_MAX];
	int dir;

	*ret_name = split_path(vars->path, path);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : dir;
}

int vars_file_set_aside(struct vars_file *vars, struct vmb_err *err)
{
	const char *name;
	int dir, rc;

	if (!vars->aside)
		return 0;
	if (vars->place.name[0]) {
		rc = store_set_aside(vars->place.store, vars->place.name,
				     strcmp(vars->aside, "bad") == 0, err);
		if (rc == 0)
			vars->aside = NULL;
		return rc;
	}
	dir = rc = open_directory(vars, &name);
	if (dir >= 0) {
		rc = atomic_file_set_aside(dir, name, vars->aside);
		close(dir);
	}
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "The old variables file %s cannot be put aside: %s. "
				   "Remove it yourself.",
				   vars->path, strerror(-rc));
	close(vars->lock);
	vars->lock = -1;
	vars->aside = NULL;
	return 0;
}

int vars_file_make_memory(const struct vars_file *vars, int *ret_fd, struct vmb_err *err)
{
	int fd = memfd_create("variables", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc = 0;

	if (fd < 0)
		return vmb_err_set(err, errno, "No memory for the variables: %s.", strerror(errno));
	for (int half = 0; rc == 0 && half < 2; half++)
		rc = atomic_file_write(fd, vars->store, vars->size);
	if (rc == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		rc = -errno;
	if (rc < 0) {
		close(fd);
		return vmb_err_set(err, -rc, "No memory for the variables: %s.", strerror(-rc));
	}
	*ret_fd = fd;
	return 0;
}

/* A new file NAME in DIR with the store in it, like the old one in owner and mode. FD or -errno. */
static int write_new(int dir, const char *name, const struct vars_file *vars, const uint8_t *store)
{
	struct stat st;
	bool is_there = vars->lock >= 0 && fstat(vars->lock, &st) == 0;
	int fd = atomic_file_new(dir, name, is_there ? &st : NULL, store, vars->size), rc;

	if (fd < 0)
		return fd;
	rc = lock_file(fd, true);
	if (rc < 0) {
		close(fd);
		unlinkat(dir, name, 0);
		return rc;
	}
	return fd;
}

/* Two VMs may have started while there was no file; the one that saves first has it. */
static bool belongs_to_another(const struct vars_file *vars)
{
	int fd, rc;

	if (vars->lock >= 0)
		return false;
	fd = open(vars->path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	rc = lock_file(fd, true);
	close(fd);
	return rc < 0;
}

/* Is FD the file NAME in DIR? */
static bool is_file(int dir, const char *name, int fd)
{
	struct stat there, ours;

	return fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* Replaces the file by one with STORE, which is locked before anybody can find it. */
static int replace_file(struct vars_file *vars, const uint8_t *store)
{
	char temp[NAME_MAX + 16];
	const char *name;
	int dir = open_directory(vars, &name), fd, rc;

	if (dir < 0)
		return dir;
	if (belongs_to_another(vars)) {
		close(dir);
		return -EBUSY;
	}
	snprintf(temp, sizeof(temp), ".%.*s.new", NAME_MAX - 8, name);
	fd = write_new(dir, temp, vars, store);
	rc = fd < 0 ? fd : atomic_file_rename(dir, temp, name);
	if (fd >= 0 && is_file(dir, name, fd)) {
		if (vars->lock >= 0)
			close(vars->lock);
		vars->lock = fd;
	} else if (fd >= 0) {
		close(fd);
	}
	close(dir);
	return rc;
}

/* Makes STORE, which is valid, what the file holds: see vars_file_save(). */
static int put_store(struct vars_file *vars, const uint8_t *store, struct vmb_err *err)
{
	int rc;

	if (vars->place.name[0]) {
		rc = store_put(vars->place.store, vars->place.name, (const char *)store, vars->size,
			       err);
	} else {
		rc = replace_file(vars, store);
		if (rc == -EBUSY)
			rc = vmb_err_set(err, EBUSY,
					 "The UEFI variables were not saved: another running "
					 "virtual machine uses %s. Give each its own file.",
					 vars->path);
		else if (rc < 0)
			rc = vmb_err_set(err, -rc,
					 "The UEFI variables were not saved: %s: %s. The old "
					 "file is kept.",
					 vars->path, strerror(-rc));
	}
	if (rc >= 0)
		memcpy(vars->store, store, vars->size);
	return rc;
}

/*
 * Checked and written is the same private copy: the guest may go on writing to the memory. To be freed, or NULL with
 * the sentence.
 */
static uint8_t *copy_half(const struct vars_file *vars, int memory, enum vars_half half,
			  struct vmb_err *err)
{
	uint8_t *copy = malloc(vars->size);
	int rc = copy ? read_all(memory, copy, vars->size, half == VARS_GOOD ? vars->size : 0)
		      : -ENOMEM;

	if (rc == 0)
		return copy;
	vmb_err_set(err, -rc, "The UEFI variables were not saved: %s.", strerror(-rc));
	free(copy);
	return NULL;
}

int vars_file_save(struct vars_file *vars, int memory, enum vars_half half, struct vmb_err *err)
{
	uint8_t *copy;
	int rc = 0;

	if (!vars->path[0])
		return 0;
	copy = copy_half(vars, memory, half, err);
	if (!copy)
		return -EIO;
	if (varstore_check(copy, vars->size, NULL) < 0)
		rc = vmb_err_set(err, EBADMSG,
				 "The UEFI variables were not saved: the guest left no "
				 "valid store in memory. %s still holds the last good one.",
				 vars->path);
	else if (memcmp(copy, vars->store, vars->size) != 0)
		rc = put_store(vars, copy, err);
	free(copy);
	return rc;
}

/* FNV-1a by words, never 0. */
static uint64_t hash_of(const uint8_t *store, size_t size)
{
	uint64_t hash = 0xCBF29CE484222325ULL, word;

	for (size_t at = 0; at < size; at += sizeof(word)) {
		memcpy(&word, store + at, sizeof(word));
		hash = (hash ^ word) * 0x100000001B3ULL;
	}
	return hash ? hash : 1;
}

int vars_file_save_quiet(struct vars_file *vars, int memory, struct vmb_err *err)
{
	uint64_t before = vars->seen;
	uint8_t *copy;
	int rc = 0;

	if (!vars->path[0])
		return 0;
	copy = copy_half(vars, memory, VARS_LIVE, err);
	if (!copy)
		return -EIO;
	vars->seen = memcmp(copy, vars->store, vars->size) == 0 ? 0 : hash_of(copy, vars->size);
	if (vars->seen != 0 && vars->seen == before && varstore_check(copy, vars->size, NULL) == 0)
		rc = put_store(vars, copy, err);
	free(copy);
	return rc;
}

void vars_file_close(struct vars_file *vars)
{
	if (vars->lock >= 0)
		close(vars->lock);
	free(vars->store);
	*vars = (struct vars_file){.lock = -1};
}
