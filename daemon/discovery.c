/*
 * See include/discovery.h. One entry per block device, and one for the running system, whose
 * firmware directories are searched too. Entries are probed in order, a few at once.
 */
#include "discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "probe_proto.h"
#include "probes.h"
#include "storage.h"
#include "text.h"

#define MAX_RUNNING	 8
#define DEADLINE_MS	 10000
#define CHANGED_DELAY_MS 30
#define SETTLE_MS	 300

struct firmwares {
	unsigned int count;
	struct menu_firmware list[PROBE_MAX_FIRMWARES];
};

struct entry {
	struct discovery *discovery;
	struct menu_device device; /* of the running system: all empty */
	dev_t dev;
	bool queued, taken;
	struct probe *probe;
	struct firmwares *known, *coming; /* either may be NULL; COMING replaces KNOWN when done */
};

struct discovery {
	struct loop *loop;
	struct discovery_options options;
	struct probe_pool *pool;
	struct loop_timer *changed_timer;
	bool paused, has_snapshot;
	struct vm_disk taken[VM_MAX_DISKS];
	uint32_t taken_count;
	struct entry *system;
	struct entry **entries;
	size_t count;
	struct menu_device *devices; /* the snapshot, made when asked for */
	struct menu_firmware *firmwares;
	size_t firmware_count;
};

static void start_probes(struct discovery *d);

static void on_changed_timer(void *arg)
{
	struct discovery *d = arg;

	d->changed_timer = NULL;
	d->options.changed(d->options.ctx);
}

static void set_changed(struct discovery *d)
{
	d->has_snapshot = false;
	/* When memory is that short the next change will tell. */
	if (!d->changed_timer)
		loop_add_timer(d->loop, CHANGED_DELAY_MS, on_changed_timer, d, &d->changed_timer);
}

/* ---- what a probe says ---- */

#define ESCAPE(dst, src) text_escape(dst, sizeof(dst), src, strnlen(src, sizeof(src)))

static void on_identity(void *ctx, const struct storage_identity *id)
{
	struct entry *entry = ctx;

	ESCAPE(entry->device.fstype, id->fstype);
	ESCAPE(entry->device.label, id->label);
	ESCAPE(entry->device.uuid, id->uuid);
	ESCAPE(entry->device.part_label, id->part_label);
	ESCAPE(entry->device.part_uuid, id->part_uuid);
	set_changed(entry->discovery);
}

static void on_firmware(void *ctx, const struct storage_firmware *fw)
{
	struct entry *entry = ctx;
	struct menu_firmware *to;

	/* PATH is sent back to be opened, so it must stay what it is; one that is not safe on a
	 * terminal is left out. */
	struct menu_firmware known = {.size = fw->size, .usable = fw->usable != 0};

	ESCAPE(known.path, fw->path);
	if (strcmp(known.path, fw->path) != 0) {
		log_info("firmware with an unprintable name is left out: %s", fw->path);
		return;
	}
	if (!entry->coming)
		entry->coming = calloc(1, sizeof(*entry->coming));
	if (!entry->coming || entry->coming->count == PROBE_MAX_FIRMWARES)
		return;
	if (!fw->on_system)
		text_copy(known.device, sizeof(known.device), entry->device.path);
	ESCAPE(known.kind, fw->kind);
	ESCAPE(known.version, fw->version);
	ESCAPE(known.reason, fw->reason);
	to = &entry->coming->list[entry->coming->count++];
	*to = known;
}

static void take_firmwares(struct entry *entry)
{
	free(entry->known);
	entry->known = entry->coming;
	entry->coming = NULL;
}

static void finish_entry(struct entry *entry, int code, const char *text)
{
	entry->probe = NULL;
	entry->device.state = code == 0 ? MENU_DEVICE_READY : MENU_DEVICE_FAILED;
	text_escape(entry->device.note, sizeof(entry->device.note), text, strlen(text));
	if (code != 0)
		log_warn("%s: %s", entry->device.name[0] ? entry->device.name : "running system",
			 text);
	take_firmwares(entry);
	set_changed(entry->discovery);
}

static void on_done(void *ctx, int code, const char *text)
{
	struct entry *entry = ctx;

	finish_entry(entry, code, text);
	start_probes(entry->discovery);
}

static const struct probe_events probe_events = {
	.identity = on_identity,
	.firmware = on_firmware,
	.done = on_done,
};

/* ---- which probe runs when ---- */

static bool is_system(const struct entry *entry)
{
	return entry == entry->discovery->system;
}

static const char *probe_path(const struct entry *entry)
{
	return is_system(entry) ? NULL : entry->device.path;
}

static void start_probe(struct entry *entry)
{
	struct discovery *d = entry->discovery;
	struct vmb_err err = {0};
	int rc = probe_start(d->pool, probe_path(entry), d->options.deadline_ms, &probe_events,
			     entry, &entry->probe, &err);

	entry->queued = false;
	if (rc < 0)
		finish_entry(entry, -rc, err.text);
}

static unsigned int count_running(const struct discovery *d)
{
	unsigned int n = d->system->probe != NULL;

	for (size_t i = 0; i < d->count; i++)
		n += d->entries[i]->probe != NULL;
	return n;
}

static bool can_start(const struct entry *entry)
{
	return entry->queued && !entry->probe &&
	       !probe_pool_busy(entry->discovery->pool, probe_path(entry));
}

static void start_probes(struct discovery *d)
{
	unsigned int running = count_running(d);

	if (d->paused)
		return;
	for (size_t i = 0; i <= d->count && running < MAX_RUNNING; i++) {
		struct entry *entry = i < d->count ? d->entries[i] : d->system;

		if (can_start(entry)) {
			start_probe(entry);
			running += entry->probe != NULL;
		}
	}
}

static void on_reaped(void *ctx)
{
	start_probes(ctx);
}

bool discovery_scanning(const struct discovery *d)
{
	if (d->system->probe || d->system->queued)
		return true;
	for (size_t i = 0; i < d->count; i++)
		if (d->entries[i]->probe || d->entries[i]->queued)
			return true;
	return false;
}

/* ---- the list of entries ---- */

static struct entry *new_entry(struct discovery *d)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry)
		entry->discovery = d;
	return entry;
}

static void free_entry(struct entry *entry)
{
	if (!entry)
		return;
	if (entry->probe)
		probe_abandon(entry->probe);
	free(entry->known);
	free(entry->coming);
	free(entry);
}

/* Facts of sysfs, new at each scan. What a probe found stays as it is. */
static void take_facts(struct entry *entry, const struct storage_device *s)
{
	struct menu_device *m = &entry->device;

	entry->dev = s->dev;
	ESCAPE(m->name, s->name);
	ESCAPE(m->parent, s->parent);
	ESCAPE(m->path, s->path);
	m->size = s->size;
	m->logical_block = s->logical_block;
	m->read_only = s->read_only;
	m->removable = s->removable;
	ESCAPE(m->model, s->model);
	ESCAPE(m->serial, s->serial);
	ESCAPE(m->transport, s->transport);
}

/* Is DEVICE the block device numbered TAKEN, a partition of it, or the disk it lies on? */
static bool is_same_disk(const struct discovery *d, const struct storage_device *device,
			 dev_t taken)
{
	struct storage_device other, disk;

	if (device->dev == taken)
		return true;
	if (storage_find_device(d->options.root, taken, &other) < 0)
		return false;
	if (storage_parent_device(d->options.root, device, &disk) == 0 && disk.dev == taken)
		return true;
	return storage_parent_device(d->options.root, &other, &disk) == 0 &&
	       disk.dev == device->dev;
}

static bool is_taken(const struct discovery *d, const struct storage_device *device)
{
	for (uint32_t i = 0; i < d->taken_count; i++) {
		struct stat st;

		if (stat(d->taken[i].path, &st) == 0 && S_ISBLK(st.st_mode) &&
		    is_same_disk(d, device, st.st_rdev))
			return true;
	}
	return false;
}

static void take_use(struct entry *entry, const struct storage_device *s)
{
	struct discovery *d = entry->discovery;
	struct menu_device *m = &entry->device;
	struct storage_use use = {0};
	char text[sizeof(use.node) + sizeof(use.how) + 8];

	m->in_use = 0;
	m->use[0] = '\0';
	entry->taken = is_taken(d, s);
	if (entry->taken) {
		m->in_use = 1;
		text_copy(m->use, sizeof(m->use), "attached to the VM");
		return;
	}
	if (storage_device_use(d->options.root, s, &use) < 0 || use.kind == STORAGE_USE_NONE)
		return;
	m->in_use = 1;
	text[0] = '\0';
	if (strcmp(use.node, s->name) != 0) {
		strcat(text, use.node);
		strcat(text, " is ");
	}
	strcat(text, use.how);
	text_escape(m->use, sizeof(m->use), text, strlen(text));
}

/* Decides whether the entry is to be probed (again). */
static void queue_entry(struct entry *entry, const struct storage_device *s)
{
	struct menu_device *m = &entry->device;

	if (s->skip[0]) {
		m->state = MENU_DEVICE_SKIPPED;
		ESCAPE(m->note, s->skip);
		free(entry->known);
		entry->known = NULL;
		return;
	}
	if (entry->taken) {
		/* What a guest may write to is not parsed; what was known before stays. */
		if (m->state == MENU_DEVICE_SCANNING)
			m->state = MENU_DEVICE_READY;
		return;
	}
	if (entry->probe)
		return;
	/* A probe that hangs in the kernel tells nothing new by a second one beside it. */
	if (m->state == MENU_DEVICE_FAILED && probe_pool_busy(entry->discovery->pool, m->path))
		return;
	entry->queued = true;
	m->state = MENU_DEVICE_SCANNING;
	m->note[0] = '\0';
}

/* Takes the entry of the same device out of the old list, or makes one. NULL: no memory. */
static struct entry *reuse_entry(struct discovery *d, struct entry **old, size_t old_count,
				 const struct storage_device *s)
{
	for (size_t i = 0; i < old_count; i++) {
		struct entry *entry = old[i];

		if (entry && entry->dev == s->dev && entry->device.size == s->size &&
		    strcmp(entry->device.path, s->path) == 0) {
			old[i] = NULL;
			return entry;
		}
	}
	return new_entry(d);
}

static void replace_entries(struct discovery *d, const struct storage_device *devices, size_t count)
{
	struct entry **old = d->entries, **entries = calloc(count + 1, sizeof(struct entry *));
	size_t old_count = d->count, n = 0;

	if (!entries) {
		log_error("not enough memory to list the disks");
		return;
	}
	d->entries = entries;
	d->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct entry *entry = reuse_entry(d, old, old_count, &devices[i]);

		if (!entry)
			continue;
		take_facts(entry, &devices[i]);
		take_use(entry, &devices[i]);
		queue_entry(entry, &devices[i]);
		entries[n++] = entry;
	}
	d->count = n;
	for (size_t i = 0; i < old_count; i++)
		free_entry(old[i]);
	free(old);
}

void discovery_rescan(struct discovery *d)
{
	struct storage_device *devices = NULL;
	size_t count = 0;
	int rc = storage_list_devices(d->options.root, &devices, &count);

	if (rc < 0)
		log_error("the disks cannot be listed: %s (is /sys mounted?)", strerror(-rc));
	replace_entries(d, devices, count);
	free(devices);
	if (!d->system->probe)
		d->system->queued = true;
	set_changed(d);
	start_probes(d);
}

void discovery_set_taken(struct discovery *d, const struct vm_disk *disks, uint32_t count)
{
	d->taken_count = count < VM_MAX_DISKS ? count : VM_MAX_DISKS;
	if (d->taken_count > 0)
		memcpy(d->taken, disks, d->taken_count * sizeof(*disks));
	discovery_rescan(d);
}

static void pause_entry(struct entry *entry)
{
	if (!entry->probe)
		return;
	probe_abandon(entry->probe);
	entry->probe = NULL;
	free(entry->coming);
	entry->coming = NULL;
	entry->queued = true;
}

void discovery_pause(struct discovery *d)
{
	d->paused = true;
	pause_entry(d->system);
	for (size_t i = 0; i < d->count; i++)
		pause_entry(d->entries[i]);
	probe_pool_settle(d->pool, SETTLE_MS);
}

void discovery_resume(struct discovery *d)
{
	d->paused = false;
	start_probes(d);
}

/* ---- the snapshot ---- */

static bool is_listed(const struct discovery *d, const struct menu_firmware *fw)
{
	for (size_t i = 0; i < d->firmware_count; i++)
		if (strcmp(d->firmwares[i].path, fw->path) == 0 &&
		    strcmp(d->firmwares[i].device, fw->device) == 0)
			return true;
	return false;
}

static void add_firmwares(struct discovery *d, const struct firmwares *from)
{
	for (unsigned int i = 0; from && i < from->count; i++)
		if (!is_listed(d, &from->list[i]))
			d->firmwares[d->firmware_count++] = from->list[i];
}

static size_t count_firmwares(const struct discovery *d)
{
	size_t n = d->system->known ? d->system->known->count : 0;

	for (size_t i = 0; i < d->count; i++)
		n += d->entries[i]->known ? d->entries[i]->known->count : 0;
	return n;
}

static void make_snapshot(struct discovery *d)
{
	free(d->devices);
	free(d->firmwares);
	d->firmware_count = 0;
	d->devices = calloc(d->count + 1, sizeof(*d->devices));
	d->firmwares = calloc(count_firmwares(d) + 1, sizeof(*d->firmwares));
	d->has_snapshot = d->devices && d->firmwares;
	if (!d->has_snapshot)
		return;
	for (size_t i = 0; i < d->count; i++) {
		d->devices[i] = d->entries[i]->device;
		add_firmwares(d, d->entries[i]->known);
	}
	add_firmwares(d, d->system->known);
}

const struct menu_device *discovery_devices(struct discovery *d, size_t *ret_count)
{
	if (!d->has_snapshot)
		make_snapshot(d);
	*ret_count = d->has_snapshot ? d->count : 0;
	return d->devices;
}

const struct menu_firmware *discovery_firmwares(struct discovery *d, size_t *ret_count)
{
	if (!d->has_snapshot)
		make_snapshot(d);
	*ret_count = d->has_snapshot ? d->firmware_count : 0;
	return d->firmwares;
}

int discovery_create(struct loop *loop, const struct discovery_options *options,
		     struct discovery **ret_discovery, struct vmb_err *err)
{
	struct discovery *d = calloc(1, sizeof(*d));

	if (!d)
		return vmb_err_set(err, ENOMEM, "Not enough memory to look for disks.");
	d->loop = loop;
	d->options = *options;
	if (d->options.deadline_ms == 0)
		d->options.deadline_ms = DEADLINE_MS;
	d->system = new_entry(d);
	if (!d->system || probe_pool_create(loop, on_reaped, d, &d->pool) < 0) {
		free_entry(d->system);
		free(d);
		return vmb_err_set(err, ENOMEM, "Not enough memory to look for disks.");
	}
	discovery_rescan(d);
	*ret_discovery = d;
	return 0;
}

void discovery_destroy(struct discovery *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		free_entry(d->entries[i]);
	free_entry(d->system);
	probe_pool_destroy(d->pool);
	loop_remove_timer(d->changed_timer);
	free(d->entries);
	free(d->devices);
	free(d->firmwares);
	free(d);
}
