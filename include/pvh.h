/*
 * PVH images: ELF files with a Xen note that names a 32-bit entry point (Xen's "x86/HVM direct boot
 * ABI", pvh.txt; elfnote.h). CLOUDHV.fd is one: an ELF64 file whose machine is EM_386. Only parsing
 * and refusing; vmm/boot/pvh.c loads them.
 */
#ifndef VMB_INCLUDE_PVH_H
#define VMB_INCLUDE_PVH_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define PVH_MAX_SEGMENTS 16

struct pvh_segment {
	uint64_t file_offset;
	uint64_t file_size; /* 0..mem_size; the rest is zero */
	uint64_t gpa;
	uint64_t mem_size; /* more than 0 */
};

struct pvh_image {
	uint32_t entry; /* guest physical address of the 32-bit entry point */
	unsigned int segment_count;
	struct pvh_segment segments[PVH_MAX_SEGMENTS];
};

/*
 * Is this a PVH image? HEAD holds the first HEAD_SIZE bytes of a file of FILE_SIZE bytes; 4 KiB are
 * enough to classify a file, the whole of it for booting (headers and notes must lie in HEAD). No
 * segment reaches beyond FILE_SIZE in the file or beyond 4 GiB in the guest afterwards. 0, or
 * -EINVAL with a sentence that says what the file is instead (ERR may be NULL); it does not name the
 * file, the caller does. RET_IMAGE may be NULL.
 */
int pvh_check(const void *head, size_t head_size, uint64_t file_size, struct pvh_image *ret_image,
	      struct vmb_err *err);

#endif
