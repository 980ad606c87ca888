/*
 * Names of disks that stay the same when the kernel numbers its disks anew:
 *
 *	serial:S64DNX0R401234	a whole disk, by the serial number that the device tells
 *	partuuid:0f1e...	a partition, by its entry in the partition table
 *	partlabel:boot		the same, by the name in its entry
 *	holds:0f1e...		a whole disk, by the entry of its first partition
 *	uuid:..., label:...	what a file system says of itself
 *	path:/dev/sda, /dev/sda, /srv/debian.iso	as it says, nothing stable about it
 *
 * Texts are compared as the model has them, escaped.
 */
#ifndef VMB_DAEMON_DISK_NAMES_H
#define VMB_DAEMON_DISK_NAMES_H

#include <stddef.h>

#include "err.h"
#include "menu_proto.h"

/*
 * The path that NAME has among COUNT DEVICES today, into PATH (VM_PATH_SIZE). 0; -ENODEV when there is no such
 * disk, -ENOTUNIQ when there are several (ERR names two), -EINVAL for another kind of name. On failure
 * PATH is NAME. ERR may be NULL.
 */
int disk_name_resolve(const struct menu_device *devices, size_t count, const char *name, char *path,
		      struct vmb_err *err);

/*
 * The most stable name for PATH into NAME (VM_PATH_SIZE): one that no other device answers to today. A path of
 * a file, or one that is not known, stays as it is.
 */
void disk_name_make(const struct menu_device *devices, size_t count, const char *path, char *name);

#endif
