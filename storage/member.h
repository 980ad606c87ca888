/* Members of something bigger (LVM, RAID, encryption), in words; for storage/ only. */
#ifndef VMB_STORAGE_MEMBER_H
#define VMB_STORAGE_MEMBER_H

#include <stddef.h>

#include "storage.h"

/*
 * Says in BUF what the device or file FD is when IDENTITY is no file system but a part of something:
 * "LUKS 2 encrypted volume", "LVM physical volume of group vg0", "member of RAID array host:0". Raw
 * bytes. 0, or -ENOENT when it is none of these.
 */
int member_describe(int fd, const struct storage_identity *identity, char *buf, size_t size);

#endif
