/* See storage/descriptor.h. */
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "copy.h"
#include "text.h"

#define DIRECTORY	"/usr/share/qemu/firmware"
#define MAX_DESCRIPTORS 64
#define MAX_TEXT	65536

/* Does array ARRAY hold the string TEXT? */
static bool has_string(const json_t *array, const char *text)
{
	const char *value;

	for (size_t i = 0; i < json_array_size(array); i++) {
		value = json_string_value(json_array_get(array, i));
		if (value && strcmp(value, text) == 0)
			return true;
	}
	return false;
}

static bool is_for_x86(const json_t *targets)
{
	const char *name;

	for (size_t i = 0; i < json_array_size(targets); i++) {
		name = json_string_value(
			json_object_get(json_array_get(targets, i), "architecture"));
		if (name && strcmp(name, "x86_64") == 0)
			return true;
	}
	return false;
}

/* A flash image has its code and its variables in two files; other devices have one. */
static const char *get_path(const json_t *mapping)
{
	const json_t *executable = json_object_get(mapping, "executable");

	return json_string_value(json_object_get(executable ? executable : mapping, "filename"));
}

static int take(const json_t *json, struct descriptor *ret_descriptor)
{
	const json_t *features = json_object_get(json, "features");
	const char *description = json_string_value(json_object_get(json, "description"));
	const char *path = get_path(json_object_get(json, "mapping"));
	struct descriptor descriptor = {.needs_smm = has_string(features, "requires-smm")};

	if (!json_is_object(json) || !path)
		return -EINVAL;
	if (!has_string(json_object_get(json, "interface-types"), "uefi") ||
	    !is_for_x86(json_object_get(json, "targets")))
		return -ENOENT;
	if (path[0] != '/' || text_copy(descriptor.path, sizeof(descriptor.path), path) < 0)
		return -EINVAL;
	text_copy(descriptor.description, sizeof(descriptor.description),
		  description ? description : "");
	*ret_descriptor = descriptor;
	return 0;
}

int descriptor_parse(const char *text, size_t size, struct descriptor *ret_descriptor)
{
	json_t *json = json_loadb(text, size, 0, NULL);
	int rc = json ? take(json, ret_descriptor) : -EINVAL;

	json_decref(json);
	return rc;
}

static bool is_json(const char *name)
{
	size_t n = strlen(name);

	return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

/* How many bytes, or -errno; a longer file is cut and so is no good JSON. */
static ssize_t read_text(int root, const char *name, char *buf, size_t size)
{
	char path[sizeof(DIRECTORY) + 256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), DIRECTORY "/%.255s", name);
	fd = copy_open_in(root, path, O_RDONLY);
	if (fd < 0)
		return fd;
	n = read(fd, buf, size);
	close(fd);
	return n;
}

void descriptor_each(int root, void (*fn)(void *ctx, const struct descriptor *descriptor),
		     void *ctx)
{
	char *names[MAX_DESCRIPTORS], *text = malloc(MAX_TEXT);
	int fd = copy_open_in(root, DIRECTORY, O_RDONLY | O_DIRECTORY);
	unsigned int count = fd >= 0 ? copy_list_names(fd, is_json, names, MAX_DESCRIPTORS) : 0;

	for (unsigned int i = 0; i < count; i++) {
		ssize_t n = text ? read_text(root, names[i], text, MAX_TEXT) : -ENOMEM;
		struct descriptor descriptor;

		if (n > 0 && descriptor_parse(text, (size_t)n, &descriptor) == 0)
			fn(ctx, &descriptor);
		free(names[i]);
	}
	free(text);
}
