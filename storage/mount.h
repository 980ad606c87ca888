/*
 * Looking into the file system of a block device without leaving a trace on it (or, for the settings, with one), for
 * storage/ only.
 */
#ifndef VMB_STORAGE_MOUNT_H
#define VMB_STORAGE_MOUNT_H

#include <stdbool.h>

#include "err.h"

/* Does vmboot look into file systems of this kind (libblkid's name)? */
bool mount_knows(const char *fstype);

/*
 * Mounts DEVICE (a path) for reading. The mount is attached nowhere, so no other process ever sees
 * it, and it ends with the descriptor: read-only, nosuid, nodev, noexec, no journal replayed. 0
 * with a descriptor of its root directory (the caller's), or -errno with the sentence; -EPERM without
 * the right to mount, -ENODEV when this kernel has no such file system.
 */
int mount_open(const char *device, const char *fstype, int *ret_root, struct vmb_err *err);

/*
 * The same for writing, the journal replayed: only for the operator's own partition of settings. What was written
 * is on the disk when the last descriptor of the mount is closed.
 */
int mount_open_writable(const char *device, const char *fstype, int *ret_root, struct vmb_err *err);

#endif
