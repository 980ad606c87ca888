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

/*
 * The name of the format when the first SIZE bytes HEAD of a file are one that is not a raw disk
 * ("qcow2", "xz archive"), else NULL. *RET_ADVICE says what to do about it.
 */
const char *disk_image_format(const uint8_t *head, size_t size, const char **ret_advice);

#endif
