/*
 * What the daemon has told this menu: devices, firmware, the VM, the host. Messages are snapshots
 * that may come in parts; a list changes here when its last part is in. Draws nothing.
 */
#ifndef VMB_UI_MODEL_H
#define VMB_UI_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include "menu_proto.h"

/* More than any machine has; what a list holds beyond is dropped. */
#define MODEL_MAX_ITEMS 4096

struct model {
	bool welcomed;
	struct menu_welcome welcome;
	bool devices_known; /* a whole list has come */
	bool scanning;
	bool live; /* disks that come and go show by themselves */
	struct menu_device *devices;
	unsigned int device_count;
	bool firmwares_known;
	struct menu_firmware *firmwares;
	unsigned int firmware_count;
	struct menu_vm vm;
	uint64_t vm_at_ms; /* loop_now_ms() when VM came: run_ms counts on from there */
	/* lists that are still coming */
	struct menu_device *next_devices;
	unsigned int next_device_count;
	struct menu_firmware *next_firmwares;
	unsigned int next_firmware_count;
};

enum model_change {
	MODEL_NOTHING = 0,
	MODEL_WELCOME = 1,
	MODEL_LISTS = 2,
	MODEL_VM = 4,
};

/*
 * Takes one message of TYPE (MENU_WELCOME, MENU_DEVICES, MENU_FIRMWARES, MENU_VM; others change
 * nothing) that came at NOW_MS. Returns what changed (enum model_change), -EBADMSG if it is
 * malformed, -EPROTO if the daemon speaks another version, -ENOMEM. MODEL starts zeroed.
 */
int model_take(struct model *model, uint32_t type, const void *body, size_t size, uint64_t now_ms);

void model_free(struct model *model);

/* Milliseconds the VM has run at NOW_MS; for an ended one, in all. */
uint64_t model_vm_run_ms(const struct model *model, uint64_t now_ms);

/* "starting", "running" or "paused", of a VM that is alive. */
const char *model_vm_verb(const struct model *model);

/* True while a VM starts or runs. */
bool model_vm_alive(const struct model *model);

/* The device called NAME or whose path is NAME; NULL if there is none. */
const struct menu_device *model_device(const struct model *model, const char *name);

/* Is PART a partition of DISK? */
bool model_is_part_of(const struct menu_device *part, const struct menu_device *disk);

/* How DEVICE (a whole disk) is attached to the VM that is alive; NULL if it is not. */
const struct vm_disk *model_vm_disk(const struct model *model, const struct menu_device *device);

/*
 * Why DEVICE (a whole disk) cannot be attached read-write, as a phrase ("mounted on /boot"), its
 * partitions included; NULL if nothing uses it.
 */
const char *model_device_use(const struct model *model, const struct menu_device *device);

#endif
