/* A bzImage small enough to hold in a test, as boot.rst lays it out; made by offsets of the specification. */
#ifndef VMB_TESTS_UNIT_KERNEL_IMAGE_H
#define VMB_TESTS_UNIT_KERNEL_IMAGE_H

#include <stdint.h>
#include <string.h>

#define KI_SETUP   (2 * 512) /* boot sector and one setup sector */
#define KI_PAYLOAD 0x4000
#define KI_SIZE	   (KI_SETUP + KI_PAYLOAD)

#define KI_SETUP_SECTS	0x1F1
#define KI_SYSSIZE	0x1F4
#define KI_BOOT_FLAG	0x1FE
#define KI_JUMP		0x200
#define KI_VERSION	0x206
#define KI_LOADFLAGS	0x211
#define KI_INITRD_MAX	0x22C
#define KI_ALIGNMENT	0x230
#define KI_RELOCATABLE	0x234
#define KI_XLOADFLAGS	0x236
#define KI_CMDLINE_SIZE 0x238
#define KI_PREF_ADDRESS 0x258
#define KI_INIT_SIZE	0x260

static inline void ki_put(uint8_t *image, unsigned int at, unsigned int bytes, uint64_t value)
{
	memcpy(image + at, &value, bytes);
}

/* Runs at 16 MiB and needs 1 MiB there; takes 255 characters and an initrd below 2 GiB. */
static inline void ki_make(uint8_t image[KI_SIZE])
{
	memset(image, 0, KI_SETUP);
	for (unsigned int i = 0; i < KI_PAYLOAD; i++)
		image[KI_SETUP + i] = (uint8_t)(i * 7 + (i >> 8));
	ki_put(image, KI_SETUP_SECTS, 1, 1);
	ki_put(image, KI_SYSSIZE, 4, KI_PAYLOAD / 16);
	ki_put(image, KI_BOOT_FLAG, 2, 0xAA55);
	ki_put(image, KI_JUMP, 2, 0x6AEB); /* to 0x26C: protocol 2.15's header */
	memcpy(image + 0x202, "HdrS", 4);
	ki_put(image, KI_VERSION, 2, 0x020F);
	ki_put(image, KI_LOADFLAGS, 1, 1);
	ki_put(image, KI_INITRD_MAX, 4, 0x7FFFFFFF);
	ki_put(image, KI_ALIGNMENT, 4, 0x200000);
	ki_put(image, KI_RELOCATABLE, 1, 1);
	ki_put(image, KI_XLOADFLAGS, 2, 1);
	ki_put(image, KI_CMDLINE_SIZE, 4, 255);
	ki_put(image, KI_PREF_ADDRESS, 8, 0x1000000);
	ki_put(image, KI_INIT_SIZE, 4, 0x100000);
}

#endif
