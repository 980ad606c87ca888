/*
 * Images of EDK2's OVMF for a flash chip that ends at 4 GiB: firmware volumes, with the reset vector in
 * the last 16 bytes and the UEFI variables in front of the code. The code alone (OVMF_CODE*.fd) or both
 * (OVMF.fd), of the 2 MiB or the 4 MiB layout (OvmfPkg/Include/Fdf/OvmfPkgDefines.fdf.inc). Only looking
 * and refusing; vmm/boot/flash.c puts them into a machine.
 */
#ifndef VMB_INCLUDE_FLASH_H
#define VMB_INCLUDE_FLASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct flash_image {
	uint32_t code_at;   /* offset in the file: 0, or VARS_SIZE when variables come first */
	uint32_t code_size; /* to the end of the file */
	uint32_t vars_size; /* of the variable store that belongs to it, a size of varstore.h */
};

/* Does HEAD (HEAD_SIZE bytes) begin with a firmware volume? */
bool flash_is_volume(const void *head, size_t head_size);

/*
 * Is this an image that vmboot can start? HEAD holds the first HEAD_SIZE bytes, 4 KiB or all of them, of a
 * file of FILE_SIZE bytes; its reset vector is looked at when all of it is there. 0, or -EINVAL with a
 * sentence that says what the file is instead (ERR may be NULL); it does not name the file, the caller
 * does. RET_IMAGE may be NULL.
 */
int flash_check(const void *head, size_t head_size, uint64_t file_size,
		struct flash_image *ret_image, struct vmb_err *err);

/*
 * Does the file's name (PATH, links resolved) say that it needs System Management Mode? Nothing in these
 * builds does, before their last stage has been decompressed: distributions tell them apart by their names.
 */
bool flash_name_needs_smm(const char *path);

/* Why such an image is refused. */
extern const char flash_smm_text[];

#endif
