/* See daemon/disk_names.h. */
#include "disk_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "text.h"

struct kind {
	const char *prefix;
	size_t offset; /* of the text in struct menu_device */
	bool whole, part;
	bool any_case; /* UUIDs are written in both */
};

/* In the order in which a name is looked for by disk_name_make(). */
static const struct kind kinds[] = {
	{"serial:", offsetof(struct menu_device, serial), true, false, false},
	{"partuuid:", offsetof(struct menu_device, part_uuid), false, true, true},
	{"uuid:", offsetof(struct menu_device, uuid), true, true, true},
	{"partlabel:", offsetof(struct menu_device, part_label), false, true, false},
	{"label:", offsetof(struct menu_device, label), true, true, false},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))
#define PARTUUID   (&kinds[1])
#define HOLDS	   "holds:"

static const char *text_of(const struct kind *kind, const struct menu_device *d)
{
	return (const char *)d + kind->offset;
}

static bool answers(const struct kind *kind, const struct menu_device *d, const char *value)
{
	const char *text = text_of(kind, d);

	if (!text[0] || !(d->parent[0] ? kind->part : kind->whole))
		return false;
	return kind->any_case ? strcasecmp(text, value) == 0 : strcmp(text, value) == 0;
}

/* How many devices answer to VALUE; the first two in FOUND. */
static unsigned int find(const struct menu_device *devices, size_t count, const struct kind *kind,
			 const char *value, const struct menu_device *found[2])
{
	unsigned int n = 0;

	for (size_t i = 0; i < count; i++)
		if (answers(kind, &devices[i], value)) {
			if (n < 2)
				found[n] = &devices[i];
			n++;
		}
	return n;
}

/* The whole disk of PART, or NULL. */
static const struct menu_device *disk_of(const struct menu_device *devices, size_t count,
					 const struct menu_device *part)
{
	for (size_t i = 0; i < count; i++)
		if (!devices[i].parent[0] && strcmp(devices[i].name, part->parent) == 0)
			return &devices[i];
	return NULL;
}

static int resolve_path(const char *name, char *path, struct vmb_err *err)
{
	struct stat st;

	if (stat(name, &st) < 0)
		return vmb_err_set(err, ENODEV, "Disk %s is not there (%s).", name,
				   strerror(errno));
	text_copy(path, VM_PATH_SIZE, name);
	return 0;
}

int disk_name_resolve(const struct menu_device *devices, size_t count, const char *name, char *path,
		      struct vmb_err *err)
{
	const struct menu_device *found[2];
	const struct kind *kind = NULL;
	bool holds = strncmp(name, HOLDS, strlen(HOLDS)) == 0;
	const char *value = name + strlen(HOLDS);
	unsigned int n;

	text_copy(path, VM_PATH_SIZE, name);
	if (strncmp(name, "path:/", 6) == 0)
		name += 5;
	if (name[0] == '/')
		return resolve_path(name, path, err);
	if (holds)
		kind = PARTUUID;
	for (size_t i = 0; i < KIND_COUNT && !kind; i++)
		if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			kind = &kinds[i];
			value = name + strlen(kind->prefix);
		}
	if (!kind)
		return vmb_err_set(
			err, EINVAL,
			"\"%s\" is no name of a disk; expected serial:, partuuid:, holds:, "
			"uuid:, partlabel: or label: and a text, or a path.",
			name);
	n = find(devices, count, kind, value, found);
	for (unsigned int i = 0; holds && i < n && i < 2; i++)
		if (!(found[i] = disk_of(devices, count, found[i])))
			n = 0;
	if (n == 0)
		return vmb_err_set(err, ENODEV, "Disk %s is not there.", name);
	if (n > 1)
		return vmb_err_set(err, ENOTUNIQ,
				   "Disk %s is ambiguous: %s and %s both have it. Choose the disk "
				   "anew.",
				   name, found[0]->path, found[1]->path);
	text_copy(path, VM_PATH_SIZE, found[0]->path);
	return 0;
}

/* By the first partition of the whole disk DEVICE. */
static bool make_holds(const struct menu_device *devices, size_t count,
		       const struct menu_device *device, char *name)
{
	const struct menu_device *found[2];

	for (size_t i = 0; !device->parent[0] && i < count; i++) {
		const char *value = devices[i].part_uuid;

		if (strcmp(devices[i].parent, device->name) != 0 || !value[0])
			continue;
		snprintf(name, VM_PATH_SIZE, HOLDS "%s", value);
		return find(devices, count, PARTUUID, value, found) == 1;
	}
	return false;
}

void disk_name_make(const struct menu_device *devices, size_t count, const char *path, char *name)
{
	const struct menu_device *device = NULL, *found[2];

	for (size_t i = 0; i < count && !device; i++)
		if (strcmp(devices[i].path, path) == 0)
			device = &devices[i];
	for (size_t i = 0; device && i < KIND_COUNT; i++) {
		const char *value = text_of(&kinds[i], device);

		if (!answers(&kinds[i], device, value) ||
		    find(devices, count, &kinds[i], value, found) != 1)
			continue;
		if ((size_t)snprintf(name, VM_PATH_SIZE, "%s%s", kinds[i].prefix, value) <
		    VM_PATH_SIZE)
			return;
	}
	if (!device || !make_holds(devices, count, device, name))
		text_copy(name, VM_PATH_SIZE, path);
}
