/* Reading sysfs, for storage/ only. Every function takes the root directory ("" is the real one). */
#ifndef VMB_STORAGE_SYSFS_H
#define VMB_STORAGE_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#include "storage.h"

/*
 * Reads attribute ATTR of block device NAME ("queue/logical_block_size") into BUF, without white
 * space at the ends. 0, or -errno and BUF is "".
 */
int sysfs_read(const char *root, const char *name, const char *attr, char *buf, size_t size);

/* The same as a number; DEFAULT_VALUE when there is none. */
uint64_t sysfs_read_uint(const char *root, const char *name, const char *attr,
			 uint64_t default_value);

/* Fills RET_DEVICE for the block device NAME. 0, -ENOENT when it went away, -ENAMETOOLONG. */
int sysfs_describe(const char *root, const char *name, struct storage_device *ret_device);

/* Calls FN for each entry of directory ATTR of NAME but "." and "..", until it returns non-zero. */
int sysfs_each(const char *root, const char *name, const char *attr,
	       int (*fn)(void *ctx, const char *entry), void *ctx);

/* Is ENTRY of device NAME's directory a partition of it? */
bool sysfs_is_partition_of(const char *root, const char *name, const char *entry);

/* The kernel's name of device number DEV. 0 or -ENOENT. */
int sysfs_name(const char *root, dev_t dev, char *buf, size_t size);

#endif
