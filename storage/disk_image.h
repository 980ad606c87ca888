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

#endif
