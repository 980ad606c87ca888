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

/* A list of which the last part has not come yet. */
struct model_coming {
	void *items;
	unsigned int count;
};

enum model_list {
	MODEL_COMING_DEVICES,
	MODEL_COMING_FIRMWARES,
	MODEL_COMING_ENTRIES,
	MODEL_COMING_NICS,
	MODEL_COMING_PCI,
	MODEL_COMING_COUNT,
};

struct model {
	bool welcomed;
	struct menu_welcome welcome;
	char no_disk_text[80]; /* "(0 of 2 controllers bound). r rescan, ..." */
	bool devices_known; /* a whole list has come */
	bool scanning;
	bool live; /* disks that come and go show by themselves */
	struct menu_device *devices;
	unsigned int device_count;
	bool firmwares_known;
	struct menu_firmware *firmwares;
	unsigned int firmware_count;
	bool entries_known;
	struct menu_entry *entries;
	unsigned int entry_count;
	bool nics_known; /* asked for with MENU_NICS_GET */
	struct menu_nic *nics;
	unsigned int nic_count;
	bool pcis_known; /* asked for with MENU_PCI_GET */
	struct menu_pci_state pci_state;
	struct menu_pci *pcis;
	unsigned int pci_count;
	bool settings_known;
	struct menu_settings settings;
	struct menu_countdown countdown;
	uint64_t countdown_at_ms; /* loop_now_ms() when COUNTDOWN came */
	struct menu_vm vm;
	uint64_t vm_at_ms; /* loop_now_ms() when VM came: run_ms counts on from there */
	struct model_coming coming[MODEL_COMING_COUNT]; /* private to model.c */
};

enum model_change {
	MODEL_NOTHING = 0,
	MODEL_WELCOME = 1,
	MODEL_LISTS = 2,
	MODEL_VM = 4,
	MODEL_ENTRIES = 8,
	MODEL_SETTINGS = 16,
	MODEL_COUNTDOWN = 32,
	MODEL_NICS = 64,
	MODEL_SAVED = 128, /* the answer to MENU_ENTRY_SAVE has come; never of model_take() */
	MODEL_LOG = 256,   /* this and the next are never of model_take() */
	MODEL_FACTS = 512,
	MODEL_LOCK = 1024,
	MODEL_PCI = 2048,
};

/*
 * Takes one message of TYPE (a snapshot that struct model has a place for; others change nothing) that came at NOW_MS. Returns what changed (enum model_change), -EBADMSG if it is
 * malformed, -EPROTO if the daemon speaks another version, -ENOMEM. MODEL starts zeroed.
 */
int model_take(struct model *model, uint32_t type, const void *body, size_t size, uint64_t now_ms);

/* Frees what MODEL holds, MODEL itself not. */
void model_free(struct model *model);

/* Milliseconds the VM has run at NOW_MS; for an ended one, in all. */
uint64_t model_vm_run_ms(const struct model *model, uint64_t now_ms);

/* "starting", "running", "paused" or "panicked", of a VM that is alive. */
const char *model_vm_verb(const struct model *model);

/* True while a VM starts or runs. */
bool model_vm_alive(const struct model *model);

/* Are disks and firmware still being looked for, so that what is not there may come? */
bool model_is_looking(const struct model *model);

/* The device called NAME or whose path is NAME; NULL if there is none. */
const struct menu_device *model_device(const struct model *model, const char *name);

/* Is PART a partition of DISK? */
bool model_is_part_of(const struct menu_device *part, const struct menu_device *disk);

/* How DEVICE (a whole disk) is attached to the VM that is alive; NULL if it is not. */
const struct vm_disk *model_vm_disk(const struct model *model, const struct menu_device *device);

/* The entry with this ID; NULL if there is none. */
const struct menu_entry *model_entry(const struct model *model, const char *id);

/* The host's network interface NAME; NULL if there is none, or none is known. */
const struct menu_nic *model_nic(const struct model *model, const char *name);

/* The host's PCI function at ADDRESS; NULL if there is none, or none is known. */
const struct menu_pci *model_pci(const struct model *model, const char *address);

/* Seconds until the countdown's next step at NOW_MS; 0 if it is off, or paused for good. */
unsigned int model_countdown_left(const struct model *model, uint64_t now_ms);

/*
 * Why DEVICE (a whole disk) cannot be attached read-write, as a phrase ("mounted on /boot"), its
 * partitions included; NULL if nothing uses it.
 */
const char *model_device_use(const struct model *model, const struct menu_device *device);

#endif
