/* See daemon/findings.h. */
#include "findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "probe_proto.h"
#include "text.h"

#define ESCAPE(dst, src) text_escape(dst, sizeof(dst), src, strnlen(src, sizeof(src)))

#define BETWEEN ", "

/* The length of the first item in LIST. */
static size_t item_length(const char *list)
{
	const char *end = strstr(list, BETWEEN);

	return end ? (size_t)(end - list) : strlen(list);
}

static const char *next_item(const char *list)
{
	const char *end = strstr(list, BETWEEN);

	return end ? end + strlen(BETWEEN) : "";
}

static void join_item(char *holds, size_t size, const char *item, size_t n)
{
	static const char more[] = BETWEEN "...";
	const char *between = holds[0] ? BETWEEN : "";
	size_t used = strlen(holds);

	for (const char *at = holds; *at; at = next_item(at))
		if (item_length(at) == n && memcmp(at, item, n) == 0)
			return;
	if (n == 0)
		return;
	if (used + strlen(between) + n + sizeof(more) <= size)
		snprintf(holds + used, size - used, "%s%.*s", between, (int)n, item);
	else if (used >= sizeof(more) && strcmp(holds + used - (sizeof(more) - 1), more) != 0)
		strcat(holds, more);
}

void findings_join(char *holds, size_t size, const char *list)
{
	for (const char *at = list; *at; at = next_item(at))
		join_item(holds, size, at, item_length(at));
}

void findings_add_system(struct findings *findings, const struct storage_system *system)
{
	char text[sizeof(findings->holds)];

	ESCAPE(text, system->text);
	findings_join(findings->holds, sizeof(findings->holds), text);
}

/* Room for one more of SIZE bytes in *ITEMS, which has COUNT of at most MAX. NULL: left out. */
static void *append(void **items, unsigned int count, unsigned int max, size_t size)
{
	void *grown = count < max ? realloc(*items, (count + 1) * size) : NULL;

	if (!grown)
		return NULL;
	*items = grown;
	return (char *)grown + count * size;
}

/*
 * A path is sent back to be opened, so it must stay what it is: one that is not safe on a terminal
 * is left out.
 */
static bool take_path(char *dst, size_t size, const char *src)
{
	text_escape(dst, size, src, strlen(src));
	if (strcmp(dst, src) == 0)
		return true;
	log_info("a file with an unprintable name is left out: %s", src);
	return false;
}

void findings_add_image(struct findings *findings, const struct storage_image *image)
{
	struct menu_device known = {
		.kind = MENU_DEVICE_IMAGE,
		.size = image->size,
		.logical_block = 512,
		.read_only = image->read_only != 0,
		.in_use = image->use[0] != '\0',
		.state = image->reason[0] ? MENU_DEVICE_SKIPPED : MENU_DEVICE_READY,
		.transport = "file",
	};
	void *items = findings->images;
	struct menu_device *to;
	const char *name;

	if (!take_path(known.path, sizeof(known.path), image->path))
		return;
	name = strrchr(known.path, '/');
	name = name ? name + 1 : known.path;
	text_escape(known.name, sizeof(known.name), name, strlen(name));
	findings_take_identity(&known, &image->identity);
	ESCAPE(known.holds, image->holds);
	ESCAPE(known.use, image->use);
	ESCAPE(known.note, image->reason);
	to = append(&items, findings->image_count, PROBE_MAX_IMAGES, sizeof(*to));
	if (!to)
		return;
	findings->images = items;
	findings->image_count++;
	*to = known;
}

void findings_add_firmware(struct findings *findings, const char *device,
			   const struct storage_firmware *fw)
{
	struct menu_firmware known = {.size = fw->size, .usable = fw->usable != 0};
	void *items = findings->firmwares;
	struct menu_firmware *to;

	if (!take_path(known.path, sizeof(known.path), fw->path))
		return;
	if (!fw->on_system)
		text_copy(known.device, sizeof(known.device), device);
	ESCAPE(known.kind, fw->kind);
	ESCAPE(known.version, fw->version);
	ESCAPE(known.reason, fw->reason);
	ESCAPE(known.sha256, fw->sha256);
	to = append(&items, findings->firmware_count, PROBE_MAX_FIRMWARES, sizeof(*to));
	if (!to)
		return;
	findings->firmwares = items;
	findings->firmware_count++;
	*to = known;
}

void findings_clear(struct findings *findings)
{
	free(findings->firmwares);
	free(findings->images);
	*findings = (struct findings){.holds = ""};
}

void findings_take_identity(struct menu_device *device, const struct storage_identity *identity)
{
	ESCAPE(device->fstype, identity->fstype);
	ESCAPE(device->label, identity->label);
	ESCAPE(device->uuid, identity->uuid);
	ESCAPE(device->part_label, identity->part_label);
	ESCAPE(device->part_uuid, identity->part_uuid);
}
