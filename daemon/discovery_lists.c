/* The lists that menus are sent, made from the entries when somebody asks. */
#include <stdlib.h>
#include <string.h>

#include "discovery_internal.h"
#include "text.h"

static bool is_listed(const struct discovery *d, const struct menu_firmware *fw)
{
	for (size_t i = 0; i < d->firmware_count; i++)
		if (strcmp(d->firmwares[i].path, fw->path) == 0 &&
		    strcmp(d->firmwares[i].device, fw->device) == 0)
			return true;
	return false;
}

static void add_firmwares(struct discovery *d, const struct findings *from)
{
	for (unsigned int i = 0; i < from->firmware_count; i++)
		if (!is_listed(d, &from->firmwares[i]))
			d->firmwares[d->firmware_count++] = from->firmwares[i];
}

/* A whole disk also says what its partitions hold; they follow it in the list. */
static void add_device(struct discovery *d, const struct entry *entry, struct menu_device **disk)
{
	struct menu_device *m = &d->devices[d->device_count++];

	*m = entry->device;
	text_copy(m->holds, sizeof(m->holds), entry->known.holds);
	if (!m->parent[0])
		*disk = m;
	else if (*disk && strcmp((*disk)->name, m->parent) == 0)
		findings_join((*disk)->holds, sizeof((*disk)->holds), m->holds);
}

static bool is_taken(const struct discovery *d, const char *path)
{
	for (uint32_t i = 0; i < d->taken_count; i++)
		if (strcmp(d->taken[i].path, path) == 0)
			return true;
	return false;
}

/* A directory of which not all is told stands where its images would, with the reason. */
static void add_directory(struct discovery *d, const struct entry *entry)
{
	struct menu_device *m = &d->devices[d->device_count++];
	const char *name = strrchr(entry->target, '/');

	*m = (struct menu_device){.kind = MENU_DEVICE_IMAGE,
				  .state = entry->device.state == MENU_DEVICE_FAILED
						   ? MENU_DEVICE_FAILED
						   : MENU_DEVICE_SKIPPED};
	name = name && name[1] ? name + 1 : entry->target;
	text_escape(m->name, sizeof(m->name), name, strlen(name));
	text_escape(m->path, sizeof(m->path), entry->target, strlen(entry->target));
	text_copy(m->transport, sizeof(m->transport), "file");
	text_copy(m->model, sizeof(m->model), "directory");
	text_copy(m->note, sizeof(m->note), entry->device.note);
}

static bool is_told_directory(const struct entry *entry)
{
	return entry->kind == PROBE_OF_IMAGES &&
	       (entry->device.state == MENU_DEVICE_FAILED || entry->device.note[0] != '\0');
}

static void add_images(struct discovery *d, const struct findings *from)
{
	for (unsigned int i = 0; i < from->image_count; i++) {
		struct menu_device *m = &d->devices[d->device_count++];

		*m = from->images[i];
		if (!is_taken(d, m->path))
			continue;
		m->in_use = 1;
		text_copy(m->use, sizeof(m->use), "attached to the VM");
	}
}

static void count_items(const struct discovery *d, size_t *ret_devices, size_t *ret_firmwares)
{
	*ret_devices = d->count;
	*ret_firmwares = 0;
	for (size_t i = 0; i < d->count; i++)
		*ret_firmwares += d->entries[i]->known.firmware_count;
	for (size_t i = 0; i < d->other_count; i++) {
		*ret_devices += d->others[i]->known.image_count + is_told_directory(d->others[i]);
		*ret_firmwares += d->others[i]->known.firmware_count;
	}
}

static void make_snapshot(struct discovery *d)
{
	struct menu_device *disk = NULL;
	size_t devices, firmwares;

	free(d->devices);
	free(d->firmwares);
	count_items(d, &devices, &firmwares);
	d->device_count = d->firmware_count = 0;
	d->devices = calloc(devices + 1, sizeof(*d->devices));
	d->firmwares = calloc(firmwares + 1, sizeof(*d->firmwares));
	d->has_snapshot = d->devices && d->firmwares;
	if (!d->has_snapshot)
		return;
	for (size_t i = 0; i < d->count; i++) {
		add_device(d, d->entries[i], &disk);
		add_firmwares(d, &d->entries[i]->known);
	}
	for (size_t i = 0; i < d->other_count; i++) {
		if (is_told_directory(d->others[i]))
			add_directory(d, d->others[i]);
		add_images(d, &d->others[i]->known);
		add_firmwares(d, &d->others[i]->known);
	}
}

const struct menu_device *discovery_devices(struct discovery *d, size_t *ret_count)
{
	if (!d->has_snapshot)
		make_snapshot(d);
	*ret_count = d->has_snapshot ? d->device_count : 0;
	return d->devices;
}

const struct menu_firmware *discovery_firmwares(struct discovery *d, size_t *ret_count)
{
	if (!d->has_snapshot)
		make_snapshot(d);
	*ret_count = d->has_snapshot ? d->firmware_count : 0;
	return d->firmwares;
}
