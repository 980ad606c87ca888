/* See daemon/entries.h. */
#include "entries.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_names.h"
#include "entries_internal.h"
#include "entry_file.h"
#include "log.h"
#include "text.h"

#define DIRECTORY "entries/"

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

struct menu_entry *entries_look_up(const struct entries *e, const char *id)
{
	for (size_t i = 0; id[0] && i < e->count; i++)
		if (strcmp(e->list[i].id, id) == 0)
			return &e->list[i];
	return NULL;
}

const struct menu_entry *entries_find(const struct entries *e, const char *id)
{
	return entries_look_up(e, id);
}

char *entries_file_name(const char *id, char name[STORE_NAME_SIZE])
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
	if (file->problem.line) {
		vmb_err_set(&err, EINVAL, "%s:%d: %s", entry->source, file->problem.line,
			    file->problem.text);
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
	const char *default_id = settings_default(e->settings);
	struct menu_settings about = {.store_state = 0};
	const struct menu_entry *next;

	store_describe(e->store, &about);
	for (size_t i = 0; i < e->count; i++) {
		struct menu_entry *entry = &e->list[i];
		char name[STORE_NAME_SIZE];
		const struct store_file *file =
			store_find(e->store, entries_file_name(entry->id, name));

		entry->writable = about.store_state == MENU_STORE_OK;
		entry->changed = file && file->dirty;
		entry->is_default = strcmp(entry->id, default_id) == 0;
		entry->is_once = strcmp(entry->id, e->state.once) == 0;
		entry->is_next = 0;
		entry->failed = boot_state_failed(&e->state, entry->id);
	}
	next = entries_next(e, NULL);
	if (next)
		entries_look_up(e, next->id)->is_next = 1;
}

void entries_refresh(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		join_entry(e, &e->files[i], &e->list[i]);
	mark_entries(e);
	e->changed(e->ctx);
}

int entries_refuse_unknown(const char *id, struct vmb_err *err)
{
	char safe[MENU_ID_SIZE * 4];

	return vmb_err_set(err, ENOENT, "There is no entry %s any more.",
			   text_escape(safe, sizeof(safe), id, strnlen(id, MENU_ID_SIZE)));
}

int entries_prepare(const struct entries *e, const char *id, struct vm_config *ret_config,
		    struct vmb_err *err)
{
	const struct menu_entry *entry = entries_look_up(e, id);
	const struct entry_file *file;
	char path[VM_PATH_SIZE];
	int rc = 0;

	if (!entry)
		return entries_refuse_unknown(id, err);
	file = &e->files[entry - e->list];
	if (file->problem.line)
		return vmb_err_set(err, EINVAL, "%s:%d: %s", entry->source, file->problem.line,
				   file->problem.text);
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
	entries_refresh(e);
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
		e->files[at].problem.line = 1;
		snprintf(e->files[at].problem.text, sizeof(e->files[at].problem.text),
			 "This entry %.200s.", err.text);
		if (!quiet)
			on_tell(e, 1, true, e->files[at].problem.text);
	}
	entry->autostart = e->files[at].entry.autostart;
	entry->tries = e->files[at].entry.tries;
	entry->console = e->files[at].entry.console;
	return 0;
}

void entries_read(struct entries *e, bool quiet)
{
	const struct store_file *file = store_find(e->store, ENTRIES_STATE);
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
	entries_refresh(e);
}

void entries_load(struct entries *e)
{
	const char *default_id = settings_default(e->settings);

	e->problems = 0;
	entries_read(e, false);
	if (default_id[0] && !entries_look_up(e, default_id)) {
		e->problems++;
		log_warn("the default entry %s is not there", default_id);
	}
}
