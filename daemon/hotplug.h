/*
 * Which block devices changed, collected from the kernel's messages for a moment, so that a disk
 * with ten partitions or a storm of messages is one change and not hundreds. A change of mounts or
 * swaps, by which a disk may be in use or free again, is told as one of no device.
 */
#ifndef VMB_DAEMON_HOTPLUG_H
#define VMB_DAEMON_HOTPLUG_H

#include <stdbool.h>

#include "loop.h"
#include "storage.h"

#define HOTPLUG_MAX_NAMES 64

struct hotplug_changes {
	bool all; /* too many for the list, or messages were lost: anything may have changed */
	unsigned int count;
	struct storage_uevent events[HOTPLUG_MAX_NAMES]; /* the last one of each name */
};

/* What happened to device NAME; NULL: nothing that is known. */
const struct storage_uevent *hotplug_find(const struct hotplug_changes *changes, const char *name);

struct hotplug;
typedef void (*hotplug_fn)(void *ctx, const struct hotplug_changes *changes);

/*
 * Reads FD (of storage_uevent_open(), borrowed) on LOOP, watches the files of proc(5) below ROOT,
 * and calls FN soon after a change; later, up to a second, while they do not stop. 0 or -ENOMEM.
 */
int hotplug_create(struct loop *loop, const char *root, int fd, hotplug_fn fn, void *ctx,
		   struct hotplug **ret_hotplug);
void hotplug_destroy(struct hotplug *hotplug); /* NULL is fine */

/* False once the socket failed: nothing will be told any more. */
bool hotplug_is_live(const struct hotplug *hotplug);

#endif
