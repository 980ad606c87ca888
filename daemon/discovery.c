/*
 * See include/discovery.h: which entries there are, and which of them is probed when. They are probed
 * in order, a few at once; one that changed meanwhile is probed again.
 */
#include "discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "discovery_internal.h"
#include "log.h"
#include "text.h"

#define MAX_RUNNING	 8
#define DEADLINE_MS	 10000
#define CHANGED_DELAY_MS 30
#define SETTLE_MS	 300

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

static void on_identity(void *ctx, const struct storage_identity *identity)
{
	struct entry *entry = ctx;

	findings_take_identity(&entry->device, identity);
	set_changed(entry->discovery);
}

static void on_health(void *ctx, const struct storage_health *health)
{
	struct entry *entry = ctx;
	struct menu_device *m = &entry->device;

	text_escape(m->health, sizeof(m->health), health->text, strlen(health->text));
	if (health->failing && !m->failing)
		log_warn("%s: %s", m->name, m->health);
	m->failing = health->failing != 0;
	set_changed(entry->discovery);
}

static void on_system(void *ctx, const struct storage_system *system)
{
	struct entry *entry = ctx;

	findings_add_system(&entry->coming, system);
}

static void on_image(void *ctx, const struct storage_image *image)
{
	struct entry *entry = ctx;

	findings_add_image(&entry->coming, image);
}

static void on_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct entry *entry = ctx;

	findings_add_firmware(&entry->coming, entry->device.path, firmware);
}

static const char *entry_name(const struct entry *entry)
{
	if (entry->kind == PROBE_OF_DEVICE)
		return entry->device.name;
	return entry->kind == PROBE_OF_IMAGES ? entry->target : "running system";
}

static void finish_entry(struct entry *entry, int code, const char *text)
{
	struct menu_device *m = &entry->device;

	entry->probe = NULL;
	m->scanning_since = 0;
	m->state = code == 0 ? MENU_DEVICE_READY : MENU_DEVICE_FAILED;
	/* A phrase, of which the menu makes sentences. */
	text_drop_full_stop(text_escape(m->note, sizeof(m->note), text, strlen(text)));
	if (code != 0)
		log_warn("%s: %s", entry_name(entry), text);
	findings_clear(&entry->known);
	entry->known = entry->coming;
	entry->coming = (struct findings){.holds = ""};
	set_changed(entry->discovery);
}

static void on_done(void *ctx, int code, const char *text)
{
	struct entry *entry = ctx;
	/* Nobody has to have the usual directories of images; one that the settings name should be there. */
	bool unused =
		entry->kind == PROBE_OF_IMAGES && code == ENOENT && !entry->discovery->image_dir[0];

	finish_entry(entry, unused ? 0 : code, unused ? "" : text);
	start_probes(entry->discovery);
}

static const struct probe_events probe_events = {
	.identity = on_identity,
	.system = on_system,
	.image = on_image,
	.firmware = on_firmware,
	.health = on_health,
	.done = on_done,
};

/* ---- which probe runs when ---- */

static size_t all_count(const struct discovery *d)
{
	return d->count + d->other_count;
}

/* Entry I of all: the devices, then the others. */
static struct entry *get_entry(const struct discovery *d, size_t i)
{
	return i < d->count ? d->entries[i] : d->others[i - d->count];
}

static void start_probe(struct entry *entry)
{
	struct discovery *d = entry->discovery;
	struct vmb_err err = {0};
	int rc = probe_start(d->pool, entry->kind, entry->target, d->options.deadline_ms,
			     &probe_events, entry, &entry->probe, &err);

	entry->queued = false;
	if (rc < 0) {
		finish_entry(entry, -rc, err.text);
		return;
	}
	entry->device.state = MENU_DEVICE_SCANNING;
	entry->device.scanning_since = loop_now_ms();
	set_changed(d);
}

static void start_probes(struct discovery *d)
{
	unsigned int running = 0;

	if (d->paused)
		return;
	for (size_t i = 0; i < all_count(d); i++)
		running += get_entry(d, i)->probe != NULL;
	for (size_t i = 0; i < all_count(d) && running < MAX_RUNNING; i++) {
		struct entry *entry = get_entry(d, i);

		if (!entry->queued || entry->probe ||
		    probe_pool_busy(d->pool, entry->kind, entry->target))
			continue;
		start_probe(entry);
		running += entry->probe != NULL;
	}
}

static void on_reaped(void *ctx)
{
	start_probes(ctx);
}

bool discovery_scanning(const struct discovery *d)
{
	for (size_t i = 0; i < all_count(d); i++)
		if (get_entry(d, i)->probe || get_entry(d, i)->queued)
			return true;
	return false;
}

/* Decides whether a device is probed (again): it is new, or something about it CHANGED. */
static void queue_device(struct entry *entry, const struct storage_device *s, bool changed)
{
	struct menu_device *m = &entry->device;

	if (s->skip[0]) {
		m->state = MENU_DEVICE_SKIPPED;
		text_escape(m->note, sizeof(m->note), s->skip, strlen(s->skip));
		findings_clear(&entry->known);
		return;
	}
	if (entry->taken) {
		/* What a guest may write to is not parsed; what was known before stays. */
		if (m->state == MENU_DEVICE_SCANNING && !entry->probe)
			m->state = MENU_DEVICE_READY;
		entry->queued = false;
		return;
	}
	/* A probe that hangs in the kernel tells nothing new by a second one beside it. */
	if (!changed || (m->state == MENU_DEVICE_FAILED &&
			 probe_pool_busy(entry->discovery->pool, PROBE_OF_DEVICE, entry->target)))
		return;
	entry->queued = true;
	m->state = MENU_DEVICE_SCANNING;
	m->note[0] = '\0';
}

/* ---- the list of entries ---- */

static struct entry *new_entry(struct discovery *d, enum probe_kind kind, const char *target)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->discovery = d;
	entry->kind = kind;
	entry->target = target ? target : entry->device.path;
	return entry;
}

static void free_entry(struct entry *entry)
{
	if (!entry)
		return;
	if (entry->probe)
		probe_abandon(entry->probe);
	findings_clear(&entry->known);
	findings_clear(&entry->coming);
	free(entry);
}

/* Takes the entry of the same device out of the old list. NULL: it is a new one. */
static struct entry *reuse_entry(struct entry **old, size_t old_count,
				 const struct storage_device *s)
{
	for (size_t i = 0; i < old_count; i++) {
		struct entry *entry = old[i];

		if (entry && entry->dev == s->dev && entry->sequence == s->sequence &&
		    entry->device.size == s->size && strcmp(entry->device.path, s->path) == 0) {
			old[i] = NULL;
			return entry;
		}
	}
	return NULL;
}

/* CHANGES NULL: everything is to be looked at again. */
static void update_entries(struct discovery *d, const struct storage_device *devices, size_t count,
			   const struct hotplug_changes *changes)
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
		const struct storage_device *s = &devices[i];
		const struct storage_uevent *event =
			changes ? hotplug_find(changes, s->name) : NULL;
		/* What was plugged in is another disk, however alike. */
		bool is_new = event && event->action != STORAGE_CHANGED;
		struct entry *entry = is_new ? NULL : reuse_entry(old, old_count, s);
		bool changed = !entry || event || ((!changes || changes->all) && !entry->probe);
		bool was_taken = entry && entry->taken;

		if (!entry)
			entry = new_entry(d, PROBE_OF_DEVICE, NULL);
		if (!entry)
			continue;
		entry_take_facts(entry, s);
		/* What a guest had may hold something else now. */
		queue_device(entry, s, changed || (was_taken && !entry->taken));
		entries[n++] = entry;
	}
	d->count = n;
	for (size_t i = 0; i < old_count; i++)
		free_entry(old[i]);
	free(old);
}

static void update(struct discovery *d, const struct hotplug_changes *changes)
{
	struct storage_device *devices = NULL;
	size_t count = 0;
	int rc = storage_list_devices(d->options.root, &devices, &count);

	if (rc < 0)
		log_error("the disks cannot be listed: %s (is /sys mounted?)", strerror(-rc));
	update_entries(d, devices, count, changes);
	free(devices);
	set_changed(d);
	start_probes(d);
}

static void on_hotplug(void *ctx, const struct hotplug_changes *changes)
{
	update(ctx, changes);
}

void discovery_rescan(struct discovery *d)
{
	for (size_t i = 0; i < d->other_count; i++)
		if (!d->others[i]->probe)
			d->others[i]->queued = true;
	update(d, NULL);
}

void discovery_set_taken(struct discovery *d, const struct vm_disk *disks, uint32_t count)
{
	static const struct hotplug_changes nothing;
	bool had_image = false;

	for (uint32_t i = 0; i < d->taken_count; i++)
		had_image = had_image || strncmp(d->taken[i].path, "/dev/", 5) != 0;
	for (size_t i = 0; i < d->other_count; i++)
		if (had_image && d->others[i]->kind == PROBE_OF_IMAGES && !d->others[i]->probe)
			d->others[i]->queued = true;
	d->taken_count = count < VM_MAX_DISKS ? count : VM_MAX_DISKS;
	if (d->taken_count > 0)
		memcpy(d->taken, disks, d->taken_count * sizeof(*disks));
	update(d, &nothing);
}

static void pause_entry(struct entry *entry)
{
	if (!entry->probe)
		return;
	probe_abandon(entry->probe);
	entry->probe = NULL;
	entry->device.scanning_since = 0;
	findings_clear(&entry->coming);
	entry->queued = true;
}

void discovery_pause(struct discovery *d)
{
	d->paused = true;
	for (size_t i = 0; i < all_count(d); i++)
		pause_entry(get_entry(d, i));
	probe_pool_settle(d->pool, SETTLE_MS);
}

void discovery_resume(struct discovery *d)
{
	d->paused = false;
	start_probes(d);
}

static void cancel_entry(struct entry *entry)
{
	struct menu_device *m = &entry->device;

	if (entry->probe)
		probe_abandon(entry->probe);
	entry->probe = NULL;
	entry->queued = false;
	m->scanning_since = 0;
	findings_clear(&entry->coming);
	if (m->state != MENU_DEVICE_SCANNING)
		return;
	m->state = MENU_DEVICE_SKIPPED;
	text_copy(m->note, sizeof(m->note), "the scan was cancelled, r looks again");
}

void discovery_cancel(struct discovery *d)
{
	for (size_t i = 0; i < all_count(d); i++)
		cancel_entry(get_entry(d, i));
	set_changed(d);
}

bool discovery_is_live(const struct discovery *d)
{
	return d->hotplug && hotplug_is_live(d->hotplug);
}

/* ---- life ---- */

static int add_other(struct discovery *d, enum probe_kind kind, const char *target)
{
	struct entry *entry = new_entry(d, kind, target);

	if (!entry)
		return -ENOMEM;
	d->others[d->other_count++] = entry;
	return 0;
}

static int add_image_dirs(struct discovery *d)
{
	const char *const *dir = d->options.image_dirs;
	int rc = 0;

	if (d->image_dir[0])
		return add_other(d, PROBE_OF_IMAGES, d->image_dir);
	for (; rc == 0 && dir && *dir && d->other_count < MAX_OTHERS; dir++)
		rc = add_other(d, PROBE_OF_IMAGES, *dir);
	return rc;
}

void discovery_set_images(struct discovery *d, const char *dir)
{
	if (strcmp(d->image_dir, dir) == 0)
		return;
	while (d->other_count > 1)
		free_entry(d->others[--d->other_count]);
	text_copy(d->image_dir, sizeof(d->image_dir), dir);
	if (add_image_dirs(d) < 0)
		log_error("not enough memory to look for disk images");
	for (size_t i = 1; i < d->other_count; i++)
		d->others[i]->queued = true;
	set_changed(d);
	start_probes(d);
}

static int create_parts(struct discovery *d)
{
	int rc = probe_pool_create(d->loop, on_reaped, d, &d->pool);

	if (rc == 0)
		rc = add_other(d, PROBE_OF_SYSTEM, "");
	if (rc == 0)
		rc = add_image_dirs(d);
	if (rc == 0 && d->options.uevent_fd > 0)
		rc = hotplug_create(d->loop, d->options.root, d->options.uevent_fd, on_hotplug, d,
				    &d->hotplug);
	return rc;
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
	if (create_parts(d) < 0) {
		discovery_destroy(d);
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
	hotplug_destroy(d->hotplug);
	for (size_t i = 0; i < all_count(d); i++)
		free_entry(get_entry(d, i));
	probe_pool_destroy(d->pool);
	loop_remove_timer(d->changed_timer);
	free(d->entries);
	free(d->devices);
	free(d->firmwares);
	free(d);
}
