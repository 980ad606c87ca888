/*
 * Who on the host uses a disk: mounts (proc(5), /proc/self/mountinfo), swaps, holders in sysfs, loop
 * devices. O_EXCL finds conflicts too, but not who it is, and mounts of other mount namespaces only
 * by that; so storage/lock.c asks both.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "storage.h"
#include "sysfs.h"
#include "text.h"

/* Undoes the kernel's octal escapes (\040 is a blank) in place. */
static void unescape_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

/* Is the node that a mount or swap names, SOURCE, device D? */
static bool is_node(const char *root, const char *source, const struct storage_device *d)
{
	struct stat st;

	if (strcmp(source, d->path) == 0)
		return true;
	/* A made-up root has no device nodes to ask. */
	return root[0] == '\0' && source[0] == '/' && stat(source, &st) == 0 &&
	       S_ISBLK(st.st_mode) && st.st_rdev == d->dev;
}

/*
 * One line of mountinfo: "ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAGS...] - TYPE SOURCE SUPER". Some
 * file systems (btrfs) show a number of their own, so SOURCE is compared too.
 */
static bool mount_is_of(const char *root, char *line, const struct storage_device *d,
			char *ret_point, size_t size)
{
	char *fields[5], *at = line, *tail, *source, *save;
	unsigned int maj, min;
	bool match;

	for (int i = 0; i < 5; i++) {
		fields[i] = strsep(&at, " ");
		if (!fields[i])
			return false;
	}
	if (!at || sscanf(fields[2], "%u:%u", &maj, &min) != 2)
		return false;
	tail = strstr(at, " - ");
	if (!tail || !strtok_r(tail + 3, " ", &save))
		return false;
	source = strtok_r(NULL, " \n", &save);
	match = d->dev != 0 && makedev(maj, min) == d->dev;
	if (!match && source) {
		unescape_octal(source);
		match = is_node(root, source, d);
	}
	if (!match)
		return false;
	unescape_octal(fields[4]);
	snprintf(ret_point, size, "%s", fields[4]);
	return true;
}

/* Calls nothing back: looks for the first mount of D. 1 found, 0 not, -errno. */
static int find_mount(const char *root, const struct storage_device *d, char *point, size_t size)
{
	char path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!found && getline(&line, &cap, f) > 0)
		found = mount_is_of(root, line, d, point, size);
	free(line);
	fclose(f);
	return found;
}

int storage_mount_point(const char *root, const struct storage_device *device, char *buf,
			size_t size)
{
	int rc = find_mount(root, device, buf, size);

	return rc < 0 ? rc : rc > 0 ? 0 : -ENOENT;
}

/* Calls MATCH with each swap device or file until it returns true. 1, 0, or -errno. */
static int find_swap(const char *root, bool (*match)(void *ctx, const char *path), void *ctx)
{
	char path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/swaps", root);
	f = fopen(path, "re");
	if (!f) /* a kernel without swap has no such file */
		return errno == ENOENT ? 0 : -errno;
	if (getline(&line, &cap, f) > 0) /* headings */
		while (!found && getline(&line, &cap, f) > 0) {
			line[strcspn(line, " \t\n")] = '\0';
			unescape_octal(line);
			found = match(ctx, line);
		}
	free(line);
	fclose(f);
	return found;
}

struct node_match {
	const char *root;
	const struct storage_device *device;
};

static bool swap_is_node(void *ctx, const char *path)
{
	const struct node_match *m = ctx;

	return is_node(m->root, path, m->device);
}

static int take_first(void *ctx, const char *entry)
{
	text_copy(ctx, STORAGE_NAME_SIZE, entry);
	return 1;
}

static void describe_holder(const char *root, const char *holder, char *how, size_t size)
{
	char dm[96];

	if (strncmp(holder, "md", 2) == 0)
		snprintf(how, size, "member of %s", holder);
	else if (sysfs_read(root, holder, "dm/name", dm, sizeof(dm)) == 0)
		snprintf(how, size, "held by %s (%s)", holder, dm);
	else
		snprintf(how, size, "held by %s", holder);
}

/* Who uses exactly this node. 1 and RET_USE filled, 0, or -errno. */
static int node_use(const char *root, const struct storage_device *d, struct storage_use *ret_use)
{
	struct storage_use use = {0};
	struct node_match match = {root, d};
	char point[128], holder[STORAGE_NAME_SIZE];
	int rc;

	text_copy(use.node, sizeof(use.node), d->name);
	rc = find_mount(root, d, point, sizeof(point));
	if (rc < 0)
		return rc;
	if (rc > 0) {
		use.kind = STORAGE_USE_MOUNT;
		snprintf(use.how, sizeof(use.how), "mounted on %s", point);
		*ret_use = use;
		return 1;
	}
	rc = find_swap(root, swap_is_node, &match);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		use.kind = STORAGE_USE_SWAP;
		text_copy(use.how, sizeof(use.how), "used as swap");
		*ret_use = use;
		return 1;
	}
	rc = sysfs_each(root, d->name, "holders", take_first, holder);
	if (rc > 0) {
		use.kind = STORAGE_USE_HOLDER;
		describe_holder(root, holder, use.how, sizeof(use.how));
		*ret_use = use;
		return 1;
	}
	return 0;
}

struct partition_walk {
	const char *root, *disk;
	struct storage_use *ret_use;
};

static int partition_use(void *ctx, const char *entry)
{
	struct partition_walk *walk = ctx;
	struct storage_device part;

	if (!sysfs_is_partition_of(walk->root, walk->disk, entry) ||
	    sysfs_describe(walk->root, entry, &part) < 0)
		return 0;
	return node_use(walk->root, &part, walk->ret_use);
}

int storage_device_use(const char *root, const struct storage_device *device,
		       struct storage_use *ret_use)
{
	struct storage_use use = {0};
	struct partition_walk walk = {root, device->name, &use};
	struct storage_device parent;
	int rc = node_use(root, device, &use);

	if (rc == 0 && !device->parent[0])
		rc = sysfs_each(root, device->name, "", partition_use, &walk);
	else if (rc == 0 && storage_parent_device(root, device, &parent) == 0)
		rc = node_use(root, &parent, &use);
	if (rc < 0)
		return rc;
	*ret_use = use;
	return 0;
}

struct file_match {
	const char *root;
	struct stat st;
	struct storage_use *use;
};

static bool is_same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

static bool swap_is_file(void *ctx, const char *path)
{
	const struct file_match *m = ctx;

	return is_same_file(path, &m->st);
}

static int loop_is_file(void *ctx, const char *name)
{
	struct file_match *m = ctx;
	char backing[PATH_MAX];

	if (strncmp(name, "loop", 4) != 0 ||
	    sysfs_read(m->root, name, "loop/backing_file", backing, sizeof(backing)) < 0 ||
	    !is_same_file(backing, &m->st))
		return 0;
	m->use->kind = STORAGE_USE_LOOP;
	text_copy(m->use->node, sizeof(m->use->node), name);
	snprintf(m->use->how, sizeof(m->use->how), "attached to /dev/%s", name);
	return 1;
}

int storage_file_use(const char *root, const char *path, struct storage_use *ret_use)
{
	struct storage_use use = {0};
	struct file_match match = {.root = root, .use = &use};
	int rc;

	if (stat(path, &match.st) < 0)
		return -errno;
	rc = find_swap(root, swap_is_file, &match);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		use.kind = STORAGE_USE_SWAP;
		text_copy(use.how, sizeof(use.how), "used as swap");
	} else {
		rc = sysfs_each(root, "", "", loop_is_file, &match);
		if (rc < 0 && rc != -ENOENT)
			return rc;
	}
	*ret_use = use;
	return 0;
}
