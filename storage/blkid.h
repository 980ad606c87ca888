/* What is on a block device or in an image file, by libblkid; for storage/ only. */
#ifndef VMB_STORAGE_BLKID_H
#define VMB_STORAGE_BLKID_H

#include "err.h"
#include "storage.h"

/*
 * Identifies what the open file or device FD holds; PATH is for the sentence. Only reads. 0 (an empty
 * identity when nothing is known); -EIO or -errno with the sentence when it cannot be read, -ENOTUNIQ
 * when several file systems claim it (RET_IDENTITY is filled with the rest).
 */
int identify_device(int fd, const char *path, struct storage_identity *ret_identity,
		    struct vmb_err *err);

#endif
