/* What kind of file is this? By content, never by name; for storage/ only. */
#ifndef VMB_STORAGE_IMAGE_H
#define VMB_STORAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

enum image_kind {
	IMAGE_UNKNOWN,
	IMAGE_EMPTY,
	IMAGE_PVH,     /* ELF with a PVH entry point: what vmboot boots... */
	IMAGE_FLASH,   /* ...and OVMF for a flash chip */
	IMAGE_ELF,     /* any other ELF file */
	IMAGE_VOLUME,  /* any other EFI firmware volume */
	IMAGE_VARS,    /* nothing but a UEFI variable store */
	IMAGE_LINUX,   /* bzImage */
	IMAGE_UEFI_APP /* PE32+ with an EFI subsystem */
};

#define IMAGE_HEAD_SIZE 65536

struct image_info {
	enum image_kind kind;
	char version[64]; /* raw bytes from the image, terminated; may be empty */
	char reason[200]; /* why vmboot cannot boot it; empty for IMAGE_PVH and IMAGE_FLASH */
};

/*
 * Classifies a file of FILE_SIZE bytes whose first HEAD_SIZE bytes (IMAGE_HEAD_SIZE, or all of them if
 * it is shorter) are in HEAD. Never fails, whatever HEAD holds.
 */
void image_classify(const void *head, size_t head_size, uint64_t file_size,
		    struct image_info *ret_info);

/* "PVH ELF", "flash image", ... */
const char *image_kind_name(enum image_kind kind);

#endif
