/* See daemon/vars_place.h. */
#include "vars_place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon_path.h"
#include "disk_names.h"
#include "log.h"
#include "text.h"

#define SUFFIX ".vars"
#define NAME_MAX_KEPT \
	40 /* of a disk's name; what is longer is cut, and told from others by a hash */
#define NAME_SIZE (NAME_MAX_KEPT + 10)

/* FNV-1a: two names that look alike when they are made into files' names get different ones. */
static uint32_t hash_of(const char *text)
{
	uint32_t hash = 2166136261u;

	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

/*
 * WHAT ("serial:S64DNX0R401234") as a file's name: "serial-S64DNX0R401234". Of a path the last part, and a hash of the
 * whole.
 */
static void make_file_name(const char *what, char name[NAME_SIZE])
{
	const char *slash = strrchr(what, '/'), *p = slash ? slash + 1 : what;
	bool whole = !slash;
	size_t n = 0;

	for (; *p && n < NAME_MAX_KEPT; p++) {
		bool fits = isascii((unsigned char)*p) &&
			    (isalnum((unsigned char)*p) || strchr("-_.", *p)) &&
			    (n > 0 || *p != '.');

		/* The colon is that of every name. */
		whole = whole && (fits || *p == ':');
		name[n++] = fits ? *p : '-';
	}
	name[n] = '\0';
	if (!whole || *p)
		snprintf(name + n, NAME_SIZE - n, "-%08x", hash_of(what));
}

/* What the variables of CONFIG go with. */
static void name_of(const struct menu_device *devices, size_t count, const struct vm_config *config,
		    char name[NAME_SIZE])
{
	char what[VM_PATH_SIZE] = "machine";

	if (config->vfio_count > 0)
		snprintf(what, sizeof(what), "pci:%s", config->vfio[0].address);
	for (uint32_t i = config->disk_count; i-- > 0;)
		if (!config->disks[i].read_only)
			disk_name_make(devices, count, config->disks[i].path, what);
	make_file_name(what, name);
}

/* 0, or -errno: nothing can be kept there. */
static int find_file(const char *name, char path[VM_PATH_SIZE])
{
	char dir[VM_PATH_SIZE - NAME_SIZE - sizeof(SUFFIX)];
	int rc = daemon_path_state(dir, sizeof(dir));

	text_copy(path, VM_PATH_SIZE, "");
	if (rc < 0)
		return rc;
	snprintf(path, VM_PATH_SIZE, "%s/%s" SUFFIX, dir, name);
	rc = daemon_path_make_parents(path);
	if (rc < 0)
		return rc;
	return access(dir, W_OK) < 0 ? -errno : 0;
}

/* NOTE: they are not kept, because WHY. */
static void give_up(struct vm_config *config, const char *why, char *note, size_t size)
{
	snprintf(note, size, "UEFI variables are not kept: %s.", why);
	log_warn("%s", note);
	config->vars_path[0] = '\0';
}

static bool state_is_volatile(void)
{
	char dir[VM_PATH_SIZE];

	return daemon_path_state(dir, sizeof(dir)) == 0 && daemon_path_is_volatile(dir);
}

/* Whether the store is to be used, or not yet, or not at all. */
static enum store_vars store_use(const struct store *store)
{
	enum store_vars use = store_vars(store);

	/* Where variables last without a partition nobody waits for one. */
	return use == STORE_VARS_WAITING && !state_is_volatile() ? STORE_VARS_NO : use;
}

void vars_place_find(struct store *store, const struct menu_device *devices, size_t count,
		     struct vm_config *config, struct vars_place *ret_place, char *note,
		     size_t size)
{
	char name[NAME_SIZE], path[VM_PATH_SIZE], why[VM_PATH_SIZE + 64];
	int rc;

	*ret_place = (struct vars_place){.store = store};
	if (strcmp(config->vars_path, VM_VARS_USUAL) != 0)
		return;
	name_of(devices, count, config, name);
	switch (store_use(store)) {
	case STORE_VARS_YES:
		snprintf(ret_place->name, sizeof(ret_place->name), "%s" SUFFIX, name);
		return;
	case STORE_VARS_WAITING:
		give_up(config,
			"the partition labelled VMBOOT is still being looked for. Start again in a "
			"moment",
			note, size);
		return;
	case STORE_VARS_UNREAD:
		give_up(config,
			"those on the partition labelled VMBOOT could not be read. The log (l) "
			"says "
			"why",
			note, size);
		return;
	case STORE_VARS_NO: break;
	}
	rc = find_file(name, path);
	if (rc == 0) {
		text_copy(config->vars_path, sizeof(config->vars_path), path);
		return;
	}
	snprintf(why, sizeof(why), "%s cannot be written (%s)", path[0] ? path : "their directory",
		 strerror(-rc));
	give_up(config, why, note, size);
}

enum menu_vars_kept vars_place_kept(const struct store *store)
{
	char dir[VM_PATH_SIZE];

	switch (store_use(store)) {
	case STORE_VARS_YES: return MENU_VARS_LAST;
	case STORE_VARS_WAITING:
	case STORE_VARS_UNREAD: return MENU_VARS_NOT_KEPT;
	case STORE_VARS_NO: break;
	}
	if (daemon_path_state(dir, sizeof(dir)) < 0)
		return MENU_VARS_NOT_KEPT;
	return daemon_path_is_volatile(dir) ? MENU_VARS_UNTIL_OFF : MENU_VARS_LAST;
}

/* ---- for people ---- */

static void add_file(struct menu_welcome *welcome, uint64_t size, int64_t changed)
{
	welcome->vars_size += size;
	if (changed > welcome->vars_changed)
		welcome->vars_changed = changed;
}

static bool has_suffix(const char *name)
{
	size_t n = strlen(name), e = strlen(SUFFIX);

	return n > e && strcmp(name + n - e, SUFFIX) == 0;
}

static void describe_directory(struct menu_welcome *welcome)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (daemon_path_state(welcome->vars_path, sizeof(welcome->vars_path)) < 0)
		return;
	dir = opendir(welcome->vars_path);
	while (dir && (entry = readdir(dir)))
		if (has_suffix(entry->d_name) && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
			add_file(welcome, (uint64_t)st.st_size, st.st_mtime);
	if (dir)
		closedir(dir);
}

void vars_place_describe(const struct store *store, struct menu_welcome *ret)
{
	struct menu_settings about = {.store_state = 0};
	const struct store_file *file;

	ret->vars_path[0] = '\0';
	ret->vars_size = 0;
	ret->vars_changed = 0;
	if (store_use(store) == STORE_VARS_NO)
		describe_directory(ret);
	if (store_use(store) != STORE_VARS_YES)
		return;
	store_describe(store, &about);
	text_copy(ret->vars_path, sizeof(ret->vars_path), about.store);
	for (size_t i = 0; (file = store_at(store, i)); i++)
		if (file->text && store_dir_is_vars(file->name))
			add_file(ret, file->size, file->changed);
}
