/* Messages of a daemon for the menu's model, without a daemon. */
#ifndef VMB_TESTS_UNIT_MODEL_FIXTURE_H
#define VMB_TESTS_UNIT_MODEL_FIXTURE_H

#include "test.h"

#include <stdbool.h>
#include <stdio.h>

#include "proto.h"
#include "ui/model.h"

static uint8_t buf[PROTO_MAX_BODY];

/* A list message with COUNT items; returns its size. */
static inline size_t list_message(unsigned int count, bool first, bool last, bool scanning,
			   const void *items, size_t item)
{
	struct menu_list list = {.count = count, .first = first, .last = last, .scanning = scanning};

	memcpy(buf, &list, sizeof(list));
	if (count)
		memcpy(buf + sizeof(list), items, count * item);
	return sizeof(list) + count * item;
}

static inline struct menu_device device(const char *name, const char *parent, uint64_t size)
{
	struct menu_device d = {.size = size, .state = MENU_DEVICE_READY};

	snprintf(d.name, sizeof(d.name), "%s", name);
	snprintf(d.parent, sizeof(d.parent), "%s", parent);
	snprintf(d.path, sizeof(d.path), "/dev/%s", name);
	return d;
}

static inline struct menu_firmware firmware(const char *dev, const char *path, int usable)
{
	struct menu_firmware f = {.usable = (uint8_t)usable};

	snprintf(f.device, sizeof(f.device), "%s", dev);
	snprintf(f.path, sizeof(f.path), "%s", path);
	snprintf(f.reason, sizeof(f.reason), "%s", usable ? "" : "It is a text file.");
	return f;
}

static inline int take_devices(struct model *m, const struct menu_device *d, unsigned int n)
{
	return model_take(m, MENU_DEVICES, buf, list_message(n, true, true, false, d, sizeof(*d)), 0);
}

static inline int take_firmwares(struct model *m, const struct menu_firmware *f, unsigned int n)
{
	return model_take(m, MENU_FIRMWARES, buf, list_message(n, true, true, false, f, sizeof(*f)), 0);
}

static inline void take_welcome(struct model *m, uint64_t memory_free, uint32_t cpus)
{
	struct menu_welcome w = {.version = MENU_PROTO_VERSION, .host_cpus = cpus,
				 .host_memory = 16ULL << 30, .host_memory_free = memory_free,
				 .kvm_ok = 1, .firmware_ok = 1};

	assert_int_equal(model_take(m, MENU_WELCOME, &w, sizeof(w), 0), MODEL_WELCOME);
}

#endif
