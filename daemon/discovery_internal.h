/*
 * What the files of discovery share: entries, of which each is probed on its own. One per block device,
 * one for the running system, whose firmware directories are searched too, and one per directory of
 * disk images.
 */
#ifndef VMB_DAEMON_DISCOVERY_INTERNAL_H
#define VMB_DAEMON_DISCOVERY_INTERNAL_H

#include <sys/types.h>

#include "discovery.h"
#include "findings.h"
#include "hotplug.h"
#include "probes.h"
#include "storage.h"

struct entry {
	struct discovery *discovery;
	enum probe_kind kind;
	const char *target;	   /* of its probe */
	struct menu_device device; /* only of a block device */
	dev_t dev;
	uint64_t sequence;
	bool queued, taken;
	struct probe *probe;
	struct findings known, coming; /* COMING replaces KNOWN when the probe is done */
};

#define MAX_OTHERS (1 + DISCOVERY_MAX_IMAGES)

struct discovery {
	struct loop *loop;
	struct discovery_options options;
	struct probe_pool *pool;
	struct hotplug *hotplug; /* NULL: not followed */
	struct loop_timer *changed_timer;
	bool paused, has_snapshot;
	struct vm_disk taken[VM_MAX_DISKS];
	uint32_t taken_count;
	char image_dir[VM_PATH_SIZE];	  /* instead of the options' directories; empty: those */
	struct entry *others[MAX_OTHERS]; /* the running system first, then directories of images */
	size_t other_count;
	struct entry **entries; /* block devices */
	size_t count;
	struct menu_device *devices; /* the snapshot, made when asked for */
	struct menu_firmware *firmwares;
	size_t device_count, firmware_count;
};

/* What sysfs and the running system say of a block device, anew. What a probe found stays as it is. */
void entry_take_facts(struct entry *entry, const struct storage_device *s);

#endif
