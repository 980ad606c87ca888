/*
 * See include/bzimage.h. The bytes come from disks that nobody vouches for: every number is checked
 * before it is added to another one.
 */
#include "bzimage.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#define SECTOR		    512
#define BOOT_FLAG	    0xAA55
#define OLDEST_PROTOCOL	    0x020C /* has xloadflags, which say that there is a 64-bit entry point */
#define DEFAULT_SETUP_SECTS 4	   /* what 0 means */
#define ENTRY64_OFFSET	    0x200
#define JUMP_TARGET_BASE    0x202 /* the header ends where the jump at its offset 0x200 leads */
#define PARAGRAPH	    16
#define ONE_MIB		    (1ULL << 20)
#define FOUR_GIB	    (1ULL << 32)

#define COPY_AGAIN "Copy the kernel again."

/* Offsets of the specification against the kernel's own header. */
_Static_assert(offsetof(struct boot_params, hdr) == BZIMAGE_HEADER, "boot.rst: setup_sects");
_Static_assert(BZIMAGE_HEADER + offsetof(struct setup_header, header) == 0x202, "boot.rst: header");
_Static_assert(BZIMAGE_HEADER + offsetof(struct setup_header, init_size) == 0x260,
	       "boot.rst: init_size");

/* The fields that are read here all lie before this. */
#define HEADER_NEEDED (offsetof(struct setup_header, init_size) + sizeof(uint32_t))

bool bzimage_claims(const void *head, size_t head_size)
{
	/* The version behind the magic is part of the claim. */
	return head_size >= 0x208 && memcmp((const uint8_t *)head + 0x202, "HdrS", 4) == 0;
}

/* Reads the header; bytes beyond its own end are zero in *RET. */
static int read_header(const uint8_t *head, size_t head_size, struct setup_header *ret,
		       uint32_t *ret_size, struct vmb_err *err)
{
	struct setup_header h = {0};
	size_t size;

	if (!bzimage_claims(head, head_size))
		return vmb_err_set(
			err, EINVAL,
			"The file is not a Linux kernel (bzImage or an ELF vmlinux with a "
			"PVH note). Name the kernel, for example /boot/vmlinuz-*.");
	memcpy(&h, head + BZIMAGE_HEADER, 0x208 - BZIMAGE_HEADER);
	if (h.boot_flag != BOOT_FLAG)
		return vmb_err_set(
			err, EINVAL,
			"The kernel's setup header is damaged: its boot flag is %#x instead "
			"of 0xaa55. " COPY_AGAIN,
			h.boot_flag);
	if (h.version < OLDEST_PROTOCOL)
		return vmb_err_set(err, EINVAL,
				   "The kernel speaks boot protocol %u.%02u; vmboot starts kernels "
				   "from 2.12 on (Linux 3.8). Use a newer kernel.",
				   h.version >> 8, h.version & 0xFF);
	size = JUMP_TARGET_BASE + (size_t)(h.jump >> 8) - BZIMAGE_HEADER;
	if (size > BZIMAGE_HEADER_END - BZIMAGE_HEADER)
		size = BZIMAGE_HEADER_END - BZIMAGE_HEADER;
	if (size < HEADER_NEEDED)
		return vmb_err_set(
			err, EINVAL,
			"The kernel's setup header is damaged: it ends before the fields "
			"that its version promises. " COPY_AGAIN);
	if (head_size < BZIMAGE_HEADER + size)
		return vmb_err_set(
			err, EINVAL,
			"The file is cut off inside the kernel's setup header. " COPY_AGAIN);
	memcpy(&h, head + BZIMAGE_HEADER, size < sizeof(h) ? size : sizeof(h));
	*ret = h;
	*ret_size = (uint32_t)size;
	return 0;
}

static int check_kind(const struct setup_header *h, struct vmb_err *err)
{
	if (!(h->loadflags & LOADED_HIGH))
		return vmb_err_set(
			err, EINVAL,
			"The kernel is a zImage, made to be loaded below 640 KiB. vmboot "
			"starts bzImage kernels. Use the distribution's own kernel.");
	if (!(h->xloadflags & XLF_KERNEL_64))
		return vmb_err_set(
			err, EINVAL,
			"The kernel is a 32-bit one; vmboot starts 64-bit kernels. Use the "
			"amd64 (x86_64) kernel.");
	return 0;
}

/* Where the kernel lies in the file. */
static int find_payload(const struct setup_header *h, uint64_t file_size, struct bzimage *image,
			struct vmb_err *err)
{
	uint64_t sectors = h->setup_sects ? h->setup_sects : DEFAULT_SETUP_SECTS;

	image->file_offset = (sectors + 1) * SECTOR;
	image->file_size = (uint64_t)h->syssize * PARAGRAPH;
	if (image->file_offset > file_size || image->file_size > file_size - image->file_offset)
		return vmb_err_set(err, EINVAL,
				   "The kernel is cut off: it should have %llu bytes, the file has "
				   "%llu. " COPY_AGAIN,
				   (unsigned long long)(image->file_offset + image->file_size),
				   (unsigned long long)file_size);
	if (image->file_size <= ENTRY64_OFFSET)
		return vmb_err_set(
			err, EINVAL,
			"The kernel's setup header is damaged: the kernel behind it would "
			"have %llu bytes. " COPY_AGAIN,
			(unsigned long long)image->file_size);
	return 0;
}

/* Where it goes: boot.rst, init_size, has the rule for the address that it runs at. */
static int find_place(const struct setup_header *h, struct bzimage *image, struct vmb_err *err)
{
	uint64_t align = h->relocatable_kernel ? h->kernel_alignment : 1;

	if (align == 0 || (align & (align - 1)) != 0)
		return vmb_err_set(
			err, EINVAL,
			"The kernel's setup header is damaged: its alignment %#llx is not a "
			"power of two. " COPY_AGAIN,
			(unsigned long long)align);
	image->mem_size = h->init_size > image->file_size ? h->init_size : image->file_size;
	if (h->pref_address < ONE_MIB || h->pref_address >= FOUR_GIB)
		return vmb_err_set(err, EINVAL,
				   "The kernel wants to be loaded at %#llx, but kernels are loaded "
				   "between 1 MiB and 4 GiB. " COPY_AGAIN,
				   (unsigned long long)h->pref_address);
	/* Both below 4 GiB: no overflow. */
	image->gpa = (h->pref_address + align - 1) & ~(align - 1);
	if (image->gpa >= FOUR_GIB || image->mem_size > FOUR_GIB - image->gpa)
		return vmb_err_set(
			err, EINVAL,
			"The kernel wants %llu bytes of memory at %#llx, beyond 4 GiB. " COPY_AGAIN,
			(unsigned long long)image->mem_size, (unsigned long long)image->gpa);
	return 0;
}

int bzimage_check(const void *head, size_t head_size, uint64_t file_size, struct bzimage *ret_image,
		  struct vmb_err *err)
{
	struct bzimage image = {0};
	struct setup_header h = {0};
	int r;

	if (file_size == 0 || head_size == 0)
		return vmb_err_set(err, EINVAL, "The file is empty. " COPY_AGAIN);
	r = read_header(head, head_size, &h, &image.header_size, err);
	if (r == 0)
		r = check_kind(&h, err);
	if (r == 0)
		r = find_payload(&h, file_size, &image, err);
	if (r == 0)
		r = find_place(&h, &image, err);
	if (r < 0)
		return r;
	image.initrd_end_max = (uint64_t)h.initrd_addr_max + 1;
	image.cmdline_size = h.cmdline_size;
	if (ret_image)
		*ret_image = image;
	return 0;
}
