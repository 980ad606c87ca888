/* Facts about block devices that need no probe: what sysfs says, and who uses them. */
#include <string.h>
#include <sys/stat.h>

#include "discovery_internal.h"
#include "text.h"

#define ESCAPE(dst, src) text_escape(dst, sizeof(dst), src, strnlen(src, sizeof(src)))

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

void entry_take_facts(struct entry *entry, const struct storage_device *s)
{
	struct menu_device *m = &entry->device;

	entry->dev = s->dev;
	entry->sequence = s->sequence;
	ESCAPE(m->name, s->name);
	ESCAPE(m->parent, s->parent);
	ESCAPE(m->path, s->path);
	m->size = s->size;
	m->logical_block = s->logical_block;
	m->read_only = s->read_only;
	m->removable = s->removable;
	m->empty = s->empty;
	ESCAPE(m->model, s->model);
	ESCAPE(m->serial, s->serial);
	ESCAPE(m->transport, s->transport);
	take_use(entry, s);
}
