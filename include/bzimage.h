/*
 * Linux kernels as bzImage: the setup header of the x86 boot protocol (Linux
 * Documentation/arch/x86/boot.rst). Only parsing and refusing; vmm/boot/linux.c loads them, by the
 * 64-bit entry point.
 */
#ifndef VMB_INCLUDE_BZIMAGE_H
#define VMB_INCLUDE_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define BZIMAGE_HEADER	   0x1F1 /* offset of the setup header, in the file and in boot_params */
#define BZIMAGE_HEADER_END 0x290 /* it never goes beyond this: boot_params has other things there */
#define BZIMAGE_HEAD_SIZE  4096	 /* that many bytes of a file are enough to check it */

struct bzimage {
	uint64_t file_offset; /* of the kernel proper, behind the real-mode code */
	uint64_t file_size;
	uint64_t gpa;		 /* where it is loaded, and where it unpacks itself: 1 MiB..4 GiB */
	uint64_t mem_size;	 /* what it needs from there before it looks at the memory map */
	uint64_t initrd_end_max; /* the initrd has to end here at most */
	uint32_t cmdline_size;	 /* longest command line, without its NUL */
	uint32_t header_size;	 /* bytes from BZIMAGE_HEADER that belong to the header */
};

/* Does the file that begins with these bytes claim to be one? Then bzimage_check() says more. */
bool bzimage_claims(const void *head, size_t head_size);

/*
 * Is this a kernel that vmboot can start? HEAD holds the first HEAD_SIZE bytes of a file of
 * FILE_SIZE bytes. Sums of the result's addresses and sizes cannot wrap; the kernel's bytes lie in the
 * file. 0, or -EINVAL with a sentence that does not name the file (ERR may be NULL). RET_IMAGE may
 * be NULL.
 */
int bzimage_check(const void *head, size_t head_size, uint64_t file_size, struct bzimage *ret_image,
		  struct vmb_err *err);

#endif
