/* Files that can be attached like disks; for storage/ only. */
#ifndef VMB_STORAGE_DISK_IMAGE_H
#define VMB_STORAGE_DISK_IMAGE_H

#include <stdbool.h>

#include "storage.h"

/*
 * Does the ISO 9660 file system on FD boot by UEFI (an El Torito catalogue entry for platform 0xEF), by
 * BIOS? False twice when it has no catalogue. Only reads.
 */
void disk_image_boots(int fd, bool *ret_uefi, bool *ret_bios);

/* A format that is not a raw disk, and what to do about it. */
struct disk_format {
	const char *name; /* "qcow2 image", "xz archive" */
	const char *advice;
	bool is_archive; /* which a guest may well have written to a disk, from its beginning on */
};

/* The format when the first SIZE bytes HEAD of a file are one that is not a raw disk, else NULL. */
const struct disk_format *disk_image_format(const uint8_t *head, size_t size);

#endif
