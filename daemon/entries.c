/* See daemon/entries.h. */
#include "entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot_state.h"
#include "daemon_path.h"
#include "disk_names.h"
#include "entry_file.h"
#include "log.h"
#include "text.h"

#define DIRECTORY  "entries/"
#define STATE_FILE "state.conf"

struct entries {
	struct store *store;
	struct settings *settings;
	void (*changed)(void *ctx);
	void *ctx;
	struct entry_file *files; /* as the store has them, beside LIST */
	struct menu_entry *list;
	size_t count;
	struct boot_state state;
	struct boot_state
		skipped; /* of this boot only: "failed" are those that entries_skip() named */
	uint32_t problems;
	struct menu_device *devices;
	size_t device_count;
	const char *telling; /* name of the file that is being read */
};

int entries_create(struct store *store, struct settings *settings, void (*changed)(void *ctx),
		   void *ctx, struct entries **ret_entries)
{
	struct entries *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct entries){.store = store, .settings = settings, .changed = changed, .ctx = ctx};
	*ret_entries = e;
	return 0;
}

void entries_destroy(struct entries *e)
{
	if (!e)
		return;
	free(e->files);
	free(e->list);
	free(e->devices);
	free(e);
}

uint32_t entries_problems(const struct entries *e)
{
	return e->problems;
}

const struct menu_entry *entries_list(const struct entries *e, size_t *ret_count)
{
	*ret_count = e->count;
	return e->list;
}

static struct menu_entry *find(const struct entries *e, const char *id)
{
	for (size_t i = 0; id[0] && i < e->count; i++)
		if (strcmp(e->list[i].id, id) == 0)
			return &e->list[i];
	return NULL;
}

const struct menu_entry *entries_find(const struct entries *e, const char *id)
{
	return find(e, id);
}

static char *file_name(const char *id, char name[STORE_NAME_SIZE])
{
	snprintf(name, STORE_NAME_SIZE, DIRECTORY "%s.conf", id);
	return name;
}

/* ---- joining files and disks ---- */

static const struct menu_device *device_at(const struct entries *e, const char *path)
{
	for (size_t i = 0; i < e->device_count; i++)
		if (strcmp(e->devices[i].path, path) == 0)
			return &e->devices[i];
	return NULL;
}

/* Who uses DEVICE, or a partition of it; NULL when nobody does. */
static const char *use_of(const struct entries *e, const struct menu_device *device)
{
	if (device->in_use)
		return device->use;
	for (size_t i = 0; !device->parent[0] && i < e->device_count; i++)
		if (strcmp(e->devices[i].parent, device->name) == 0 && e->devices[i].in_use)
			return e->devices[i].use;
	return NULL;
}

static void set_problem(struct menu_entry *entry, const char *text)
{
	if (!entry->problem[0])
		text_copy(entry->problem, sizeof(entry->problem), text);
}

static void join_disk(const struct entries *e, struct menu_entry *entry, struct vm_disk *disk,
		      bool first)
{
	const struct menu_device *device;
	struct vmb_err err = {0};
	char name[VM_PATH_SIZE];
	const char *use;

	text_copy(name, sizeof(name), disk->path);
	if (disk_name_resolve(e->devices, e->device_count, name, disk->path, &err) < 0)
		set_problem(entry, err.text);
	device = device_at(e, disk->path);
	if (!device)
		return;
	if (first)
		text_copy(entry->group, sizeof(entry->group),
			  device->parent[0] ? device->parent : device->name);
	use = use_of(e, device);
	if (use && !disk->read_only && !disk->overlay) {
		vmb_err_set(&err, EBUSY, "%s is in use (%s). Attach it read-only or as an overlay.",
			    disk->path, use);
		set_problem(entry, err.text);
	}
}

static void join_file(struct menu_entry *entry, const char *path, const char *what)
{
	struct vmb_err err;

	if (!path[0] || access(path, R_OK) == 0)
		return;
	vmb_err_set(&err, errno, "The %s %s is not there (%s).", what, path, strerror(errno));
	set_problem(entry, err.text);
}

static void join_boot(const struct entries *e, struct menu_entry *entry)
{
	struct vm_config *c = &entry->config;
	struct vmb_err err = {0};
	char name[VM_PATH_SIZE];

	if (c->firmware_device[0]) {
		text_copy(name, sizeof(name), c->firmware_device);
		if (disk_name_resolve(e->devices, e->device_count, name, c->firmware_device, &err) <
		    0)
			set_problem(entry, err.text);
	} else {
		join_file(entry, c->firmware_path, "firmware");
	}
	join_file(entry, c->kernel_path, "kernel");
	join_file(entry, c->initrd_path, "initrd");
	if (strcmp(c->vars_path, ENTRY_VARS_USUAL) == 0 &&
	    daemon_path_vars(c->vars_path, sizeof(c->vars_path)) < 0)
		c->vars_path[0] = '\0';
}

/* What more CPUs or memory than the machine has in all can never give. */
static void join_host(struct menu_entry *entry)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct vmb_err err;
	char asked[16], have[16];

	if (entry->config.memory > memory) {
		vmb_err_set(&err, ERANGE, "%s of memory asked for, this machine has %s.",
			    text_format_size(entry->config.memory, asked, sizeof(asked)),
			    text_format_size(memory, have, sizeof(have)));
		set_problem(entry, err.text);
	}
	if (cpus > 0 && entry->config.cpus > (unsigned long)cpus) {
		vmb_err_set(&err, ERANGE, "CPU count %u > %ld of this machine.", entry->config.cpus,
			    cpus);
		set_problem(entry, err.text);
	}
}

static void join_entry(const struct entries *e, const struct entry_file *file,
		       struct menu_entry *entry)
{
	struct vmb_err err;

	entry->problem[0] = '\0';
	entry->group[0] = '\0';
	entry->config = file->entry.config;
	if (file->problem_line) {
		vmb_err_set(&err, EINVAL, "%s:%d: %s", entry->source, file->problem_line,
			    file->problem);
		set_problem(entry, err.text);
	}
	if (!entry->config.title[0])
		text_copy(entry->config.title, sizeof(entry->config.title), entry->id);
	for (uint32_t i = 0; i < entry->config.disk_count; i++)
		join_disk(e, entry, &entry->config.disks[i], i == 0);
	join_boot(e, entry);
	join_host(entry);
}

/* Badges: everything that is not the file's own. */
static void mark_entries(struct entries *e)
{
	const char *default_id = settings_get(e->settings)->default_id;
	struct menu_settings about = {.store_state = 0};
	const struct menu_entry *next;

	store_describe(e->store, &about);
	for (size_t i = 0; i < e->count; i++) {
		struct menu_entry *entry = &e->list[i];
		char name[STORE_NAME_SIZE];
		const struct store_file *file = store_find(e->store, file_name(entry->id, name));

		entry->writable = about.store_state == MENU_STORE_OK;
		entry->changed = file && file->dirty;
		entry->is_default = strcmp(entry->id, default_id) == 0;
		entry->is_once = strcmp(entry->id, e->state.once) == 0;
		entry->is_next = 0;
		entry->failed = boot_state_failed(&e->state, entry->id);
	}
	next = entries_next(e, NULL);
	if (next)
		find(e, next->id)->is_next = 1;
}

static void refresh(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		join_entry(e, &e->files[i], &e->list[i]);
	mark_entries(e);
	e->changed(e->ctx);
}

static int no_such_entry(const char *id, struct vmb_err *err)
{
	char safe[MENU_ID_SIZE * 4];

	return vmb_err_set(err, ENOENT, "There is no entry %s any more.",
			   text_escape(safe, sizeof(safe), id, strnlen(id, MENU_ID_SIZE)));
}

int entries_prepare(const struct entries *e, const char *id, struct vm_config *ret_config,
		    struct vmb_err *err)
{
	const struct menu_entry *entry = find(e, id);
	const struct entry_file *file;
	char path[VM_PATH_SIZE];
	int rc = 0;

	if (!entry)
		return no_such_entry(id, err);
	file = &e->files[entry - e->list];
	if (file->problem_line)
		return vmb_err_set(err, EINVAL, "%s:%d: %s", entry->source, file->problem_line,
				   file->problem);
	for (uint32_t i = 0; rc == 0 && i < file->entry.config.disk_count; i++)
		rc = disk_name_resolve(e->devices, e->device_count,
				       file->entry.config.disks[i].path, path, err);
	if (rc == 0 && file->entry.config.firmware_device[0])
		rc = disk_name_resolve(e->devices, e->device_count,
				       file->entry.config.firmware_device, path, err);
	if (rc == 0)
		*ret_config = entry->config;
	return rc;
}

void entries_see_devices(struct entries *e, const struct menu_device *devices, size_t count)
{
	struct menu_device *copy = malloc((count + 1) * sizeof(*copy));

	if (!copy) {
		log_error("not enough memory for the disks of the entries");
		return;
	}
	if (count > 0)
		memcpy(copy, devices, count * sizeof(*copy));
	free(e->devices);
	e->devices = copy;
	e->device_count = count;
	refresh(e);
}

/* ---- reading ---- */

static void on_tell(void *ctx, int line, bool error, const char *text)
{
	struct entries *e = ctx;
	char path[VM_PATH_SIZE];

	(void)error;
	e->problems++;
	log_warn("%s:%d: %s", store_path(e->store, e->telling, path, sizeof(path)), line, text);
}

/* The id in "entries/ID.conf" into ID; false for any other name. */
static bool id_of(const char *name, char id[MENU_ID_SIZE])
{
	size_t n = strlen(name), head = strlen(DIRECTORY);

	if (strncmp(name, DIRECTORY, head) != 0 || n < head + 6 || n - head - 5 >= MENU_ID_SIZE ||
	    strcmp(name + n - 5, ".conf") != 0)
		return false;
	memcpy(id, name + head, n - head - 5);
	id[n - head - 5] = '\0';
	return true;
}

static int load_entry(struct entries *e, const struct store_file *file, size_t at, bool quiet)
{
	const struct ini_report report = {.tell = on_tell, .ctx = e};
	struct menu_entry *entry = &e->list[at];
	struct vmb_err err;
	int rc;

	*entry = (struct menu_entry){.id = ""};
	if (!file->text || !id_of(file->name, entry->id))
		return -ENOENT;
	store_path(e->store, file->name, entry->source, sizeof(entry->source));
	e->telling = file->name;
	rc = entry_file_parse(file->text, file->size, quiet ? NULL : &report, &e->files[at]);
	if (rc < 0)
		return rc;
	if (settings_verify(e->settings, file, &err) < 0) {
		e->files[at].problem_line = 1;
		snprintf(e->files[at].problem, sizeof(e->files[at].problem), "This entry %.200s.",
			 err.text);
		if (!quiet)
			on_tell(e, 1, true, e->files[at].problem);
	}
	entry->autostart = e->files[at].entry.autostart;
	entry->tries = e->files[at].entry.tries;
	entry->console = e->files[at].entry.console;
	return 0;
}

static void load(struct entries *e, bool quiet)
{
	const struct store_file *file = store_find(e->store, STATE_FILE);
	size_t total = 0, n = 0;

	while (store_at(e->store, total))
		total++;
	free(e->files);
	free(e->list);
	e->files = calloc(total + 1, sizeof(*e->files));
	e->list = calloc(total + 1, sizeof(*e->list));
	if (!e->files || !e->list) {
		log_error("not enough memory for the entries");
		total = 0;
	}
	for (size_t i = 0; i < total; i++)
		if (load_entry(e, store_at(e->store, i), n, quiet) == 0)
			n++;
	e->count = n;
	e->state = (struct boot_state){.count = 0};
	if (file && boot_state_parse(file->text, file->size, &e->state) < 0)
		log_error("not enough memory for the state of the entries");
	refresh(e);
}

void entries_load(struct entries *e)
{
	const char *default_id = settings_get(e->settings)->default_id;

	e->problems = 0;
	load(e, false);
	if (default_id[0] && !find(e, default_id)) {
		e->problems++;
		log_warn("the default entry %s is not there", default_id);
	}
}

/* ---- writing ---- */

/* The worse of two results of writing. */
static int worse(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	return a > b ? a : b;
}

static int put_state(struct entries *e, struct vmb_err *err)
{
	char *text = malloc(BOOT_STATE_SIZE);
	int rc;

	if (!text)
		return vmb_err_set(err, ENOMEM, "Not enough memory to keep the state.");
	rc = store_put(e->store, STATE_FILE, text, boot_state_render(&e->state, text), err);
	free(text);
	return rc;
}

/* An id for TITLE that no other entry has; that of entry OLD (may be empty) is free. */
static void choose_id(const struct entries *e, const char *title, const char *old, char *id)
{
	char base[MENU_ID_SIZE];

	entry_file_make_id(title, base);
	text_copy(id, MENU_ID_SIZE, base);
	for (unsigned int n = 2; find(e, id) && strcmp(id, old) != 0; n++)
		snprintf(id, MENU_ID_SIZE, "%.48s-%u", base, n);
}

/* The name under which the file OLD (may be NULL) knew the disk at PATH, else the most stable one. */
static void keep_name(const struct entries *e, const struct entry_file *old, char *path)
{
	char name[VM_PATH_SIZE], at[VM_PATH_SIZE];

	for (uint32_t i = 0; old && i < old->entry.config.disk_count; i++) {
		const char *known = old->entry.config.disks[i].path;

		if (disk_name_resolve(e->devices, e->device_count, known, at, NULL) == 0 &&
		    strcmp(at, path) == 0) {
			text_copy(path, VM_PATH_SIZE, known);
			return;
		}
	}
	disk_name_make(e->devices, e->device_count, path, name);
	text_copy(path, VM_PATH_SIZE, name);
}

/* What a menu sent, as it stands in a file. */
static void make_stable(const struct entries *e, const struct entry_file *old,
			struct menu_entry_save *save)
{
	struct vm_config *c = &save->config;
	char usual[VM_PATH_SIZE];

	for (uint32_t i = 0; i < c->disk_count; i++)
		keep_name(e, old, c->disks[i].path);
	if (c->firmware_device[0])
		keep_name(e, NULL, c->firmware_device);
	if (daemon_path_vars(usual, sizeof(usual)) == 0 && strcmp(usual, c->vars_path) == 0)
		text_copy(c->vars_path, sizeof(c->vars_path), ENTRY_VARS_USUAL);
	c->fresh_vars = 0; /* for one start, never kept */
}

/*
 * Puts SAVE in the place of OLD_ID (may be empty) under RET_ID. The new file is there before anything refers to
 * it, and the old one goes when nothing does any more: at every cut there is an entry.
 */
static int put_entry(struct entries *e, const struct menu_entry_save *save, const char *old_text,
		     size_t old_n, const char *old_id, const char *id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE];
	size_t n;
	char *text = entry_file_render(save, old_text, old_n, &n, err);
	int rc;

	if (!text)
		return -EINVAL;
	rc = store_put(e->store, file_name(id, name), text, n, err);
	free(text);
	if (rc < 0 || !old_id[0] || strcmp(old_id, id) == 0)
		return rc;
	if (strcmp(settings_get(e->settings)->default_id, old_id) == 0)
		rc = worse(rc, settings_set_default(e->settings, id, err));
	boot_state_rename(&e->state, old_id, id);
	rc = worse(rc, put_state(e, err));
	if (rc >= 0)
		rc = worse(rc, store_put(e->store, file_name(old_id, name), NULL, 0, err));
	return rc;
}

static int check_save(const struct menu_entry_save *save, struct vmb_err *err)
{
	int rc;

	if (!memchr(save->id, '\0', sizeof(save->id)) ||
	    !memchr(save->console.keys, '\0', sizeof(save->console.keys)) ||
	    !memchr(save->console.charset, '\0', sizeof(save->console.charset)))
		return vmb_err_set(err, EINVAL, "This entry was not made by vmboot.");
	rc = vm_config_check_form(&save->config, err);
	if (rc == 0 && !save->config.title[0])
		rc = vmb_err_set(err, EINVAL, "An entry needs a name.");
	if (rc == 0)
		rc = entry_file_check_hints(&save->console, err);
	return rc;
}

int entries_save(struct entries *e, const struct menu_entry_save *save, char *ret_id,
		 struct vmb_err *err)
{
	char name[STORE_NAME_SIZE], id[MENU_ID_SIZE];
	struct menu_entry_save *stable;
	const struct store_file *old_file = NULL;
	const struct menu_entry *old;
	int rc = check_save(save, err);

	if (rc == 0)
		rc = settings_may_change(e->settings, err);
	if (rc < 0)
		return rc;
	old = find(e, save->id);
	if (save->id[0] && !old)
		return no_such_entry(save->id, err);
	stable = malloc(sizeof(*stable));
	if (!stable)
		return vmb_err_set(err, ENOMEM, "Not enough memory to save the entry.");
	*stable = *save;
	make_stable(e, old ? &e->files[old - e->list] : NULL, stable);
	if (old && strcmp(old->config.title, save->config.title) == 0)
		text_copy(id, sizeof(id), old->id);
	else
		choose_id(e, save->config.title, save->id, id);
	if (old)
		old_file = store_find(e->store, file_name(save->id, name));
	rc = put_entry(e, stable, old_file ? old_file->text : "", old_file ? old_file->size : 0,
		       save->id, id, err);
	free(stable);
	if (rc >= 0)
		text_copy(ret_id, MENU_ID_SIZE, id);
	load(e, true);
	return rc;
}

/* The file of entry ID under another title; OLD_ID goes when it is not empty. */
static int put_titled(struct entries *e, const char *id, const char *title, const char *old_id,
		      char *ret_id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE], new_id[MENU_ID_SIZE];
	const struct menu_entry *entry = find(e, id);
	const struct store_file *file;
	struct menu_entry_save *save;
	int rc;

	if (!entry)
		return no_such_entry(id, err);
	rc = settings_may_change(e->settings, err);
	if (rc < 0)
		return rc;
	if (!title[0])
		return vmb_err_set(err, EINVAL, "An entry needs a name.");
	file = store_find(e->store, file_name(id, name));
	save = malloc(sizeof(*save));
	if (!file || !save) {
		free(save);
		return vmb_err_set(err, ENOMEM, "Not enough memory to save the entry.");
	}
	*save = e->files[entry - e->list].entry;
	text_escape(save->config.title, sizeof(save->config.title), title, strlen(title));
	choose_id(e, title, old_id, new_id);
	rc = put_entry(e, save, file->text, file->size, old_id, new_id, err);
	free(save);
	if (rc >= 0)
		text_copy(ret_id, MENU_ID_SIZE, new_id);
	load(e, true);
	return rc;
}

int entries_copy(struct entries *e, const char *id, const char *title, char *ret_id,
		 struct vmb_err *err)
{
	return put_titled(e, id, title, "", ret_id, err);
}

int entries_rename(struct entries *e, const char *id, const char *title, char *ret_id,
		   struct vmb_err *err)
{
	return put_titled(e, id, title, id, ret_id, err);
}

int entries_delete(struct entries *e, const char *id, struct vmb_err *err)
{
	char name[STORE_NAME_SIZE];
	int rc = settings_may_change(e->settings, err);

	if (rc < 0)
		return rc;
	if (!find(e, id))
		return no_such_entry(id, err);
	if (strcmp(settings_get(e->settings)->default_id, id) == 0)
		rc = settings_set_default(e->settings, "", err);
	boot_state_rename(&e->state, id, "");
	rc = worse(rc, put_state(e, err));
	if (rc >= 0)
		rc = worse(rc, store_put(e->store, file_name(id, name), NULL, 0, err));
	load(e, true);
	return rc;
}

int entries_set_default(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (id[0] && !find(e, id))
		return no_such_entry(id, err);
	rc = settings_set_default(e->settings, id, err);
	/* Who chooses an entry wants it tried again. */
	boot_state_set_failed(&e->skipped, id, 0);
	if (rc >= 0 && id[0] && boot_state_failed(&e->state, id)) {
		boot_state_set_failed(&e->state, id, 0);
		rc = worse(rc, put_state(e, err));
	}
	refresh(e);
	return rc;
}

int entries_set_once(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (id[0] && !find(e, id))
		return no_such_entry(id, err);
	text_copy(e->state.once, sizeof(e->state.once), id);
	rc = put_state(e, err);
	refresh(e);
	return rc;
}

/* ---- what starts by itself ---- */

static bool may_start(const struct entries *e, const struct menu_entry *entry)
{
	return entry->autostart && boot_state_failed(&e->skipped, entry->id) == 0 &&
	       (entry->tries == 0 || boot_state_failed(&e->state, entry->id) < entry->tries);
}

const struct menu_entry *entries_next(const struct entries *e, char *reason)
{
	const char *default_id = settings_get(e->settings)->default_id;
	const struct menu_entry *entry = find(e, e->state.once);
	size_t first;

	if (reason)
		reason[0] = '\0';
	if (entry)
		return entry;
	entry = find(e, default_id);
	if (!entry) {
		if (reason && default_id[0])
			snprintf(reason, MENU_TEXT_SIZE,
				 "The default entry %s is not there: nothing starts by itself.",
				 default_id);
		return NULL;
	}
	/* From the default on, around once. */
	first = (size_t)(entry - e->list);
	for (size_t i = 0; i < e->count; i++)
		if (may_start(e, &e->list[(first + i) % e->count]))
			return &e->list[(first + i) % e->count];
	if (reason && !entry->autostart)
		snprintf(reason, MENU_TEXT_SIZE,
			 "The default entry %s may not start by itself (autostart = no).",
			 default_id);
	else if (reason)
		snprintf(reason, MENU_TEXT_SIZE,
			 "%s failed %u times in a row, and every other entry that may start by "
			 "itself, too: nothing starts by itself any more. Choose one, or the "
			 "default "
			 "anew.",
			 default_id, entry->failed);
	return NULL;
}

int entries_count_start(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	boot_state_set_failed(&e->state, id, boot_state_failed(&e->state, id) + 1);
	e->state.once[0] = '\0';
	rc = put_state(e, err);
	refresh(e);
	return rc;
}

void entries_skip(struct entries *e, const char *id)
{
	boot_state_set_failed(&e->skipped, id, 1);
	refresh(e);
}

int entries_count_success(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (boot_state_failed(&e->state, id) == 0)
		return 0;
	boot_state_set_failed(&e->state, id, 0);
	rc = put_state(e, err);
	refresh(e);
	return rc;
}
