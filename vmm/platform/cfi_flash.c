/*
 * A flash chip with Intel's command set, one byte wide: what holds the UEFI variables of OVMF (Intel
 * 28F008SA and "Common Flash Interface", command set 1; EDK2 OvmfPkg QemuFlashFvbServicesRuntimeDxe). Its
 * bytes are the caller's memory, so that they outlive us. As long as reads give the array, the guest reads
 * that memory by itself (map()); every write comes here, and while the chip answers with its status reads
 * do, too.
 *
 * Mapping costs the host more than a few reads, and firmware programs byte after byte: so the array is
 * mapped again only when it is read again and again.
 *
 * Not here: CFI queries, block locks, write buffers, and time: an erase has ended when its command has.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define READS_TO_MAP 16 /* one after the other, of the array */

enum {
	FLASH_PROGRAM_ALT = 0x10,
	FLASH_ERASE = 0x20,
	FLASH_PROGRAM = 0x40,
	FLASH_CLEAR_STATUS = 0x50,
	FLASH_READ_STATUS = 0x70,
	FLASH_CONFIRM = 0xD0,
	FLASH_READ_ARRAY = 0xFF,
};

/* Status register */
#define FLASH_READY	  0x80
#define FLASH_ERASE_ERROR 0x20
#define FLASH_PROG_ERROR  0x10

enum flash_state {
	STATE_ARRAY,
	STATE_STATUS,
	STATE_PROGRAM, /* the next byte written is data */
	STATE_ERASE,   /* the next byte written is FLASH_CONFIRM */
};

struct cfi_flash {
	struct cfi_flash_params params;
	pthread_mutex_t lock; /* everything below, and the bytes */
	enum flash_state state;
	uint8_t status;
	bool mapped;
	unsigned int reads; /* of the array since it was unmapped or last written to */
};

/* Lock held. A mapping that fails leaves the reads to us. */
static void flash_map(struct cfi_flash *flash, bool map)
{
	flash->reads = 0;
	if (flash->mapped != map)
		flash->mapped = flash->params.map(flash->params.ctx, map) == 0 && map;
}

/* Lock held. Reads give something else than the array from now on. */
static void flash_leave_array(struct cfi_flash *flash, enum flash_state state)
{
	flash->state = state;
	flash_map(flash, false);
}

static uint64_t flash_read(void *dev, uint64_t offset, unsigned int size)
{
	struct cfi_flash *flash = dev;
	uint64_t value = 0;

	pthread_mutex_lock(&flash->lock);
	if (flash->state == STATE_ARRAY) {
		memcpy(&value, flash->params.bytes + offset, size);
		if (++flash->reads >= READS_TO_MAP)
			flash_map(flash, true);
	} else {
		memset(&value, flash->status, size);
	}
	pthread_mutex_unlock(&flash->lock);
	return value;
}

static void flash_command(struct cfi_flash *flash, uint8_t command)
{
	switch (command) {
	case FLASH_PROGRAM:
	case FLASH_PROGRAM_ALT: flash_leave_array(flash, STATE_PROGRAM); break;
	case FLASH_ERASE: flash_leave_array(flash, STATE_ERASE); break;
	case FLASH_READ_STATUS: flash_leave_array(flash, STATE_STATUS); break;
	case FLASH_CLEAR_STATUS:
		flash->status = 0;
		flash->state = STATE_ARRAY;
		break;
	default: flash->state = STATE_ARRAY; break; /* FLASH_READ_ARRAY, and what there is not */
	}
}

/* Programming only clears bits: what is not erased keeps its zeroes. */
static void flash_program(struct cfi_flash *flash, uint64_t offset, unsigned int size,
			  uint64_t value)
{
	for (unsigned int i = 0; i < size; i++)
		flash->params.bytes[offset + i] &= (uint8_t)(value >> (8 * i));
	flash->status |= FLASH_READY;
	flash->state = STATE_STATUS;
}

static void flash_erase(struct cfi_flash *flash, uint64_t offset)
{
	uint64_t block = offset - offset % CFI_FLASH_BLOCK;

	memset(flash->params.bytes + block, 0xFF, CFI_FLASH_BLOCK);
	flash->status |= FLASH_READY;
	/* Drivers made for QEMU's chip do not ask for the array before they read it. */
	flash->state = STATE_ARRAY;
}

static void flash_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct cfi_flash *flash = dev;

	pthread_mutex_lock(&flash->lock);
	flash->reads = 0;
	switch (flash->state) {
	case STATE_PROGRAM: flash_program(flash, offset, size, value); break;
	case STATE_ERASE:
		if ((uint8_t)value == FLASH_CONFIRM) {
			flash_erase(flash, offset);
			break;
		}
		/* A broken sequence: both bits together (28F008SA, table 3). */
		flash->status |= FLASH_READY | FLASH_ERASE_ERROR | FLASH_PROG_ERROR;
		flash->state = STATE_STATUS;
		break;
	case STATE_ARRAY:
	case STATE_STATUS: flash_command(flash, (uint8_t)value); break;
	}
	pthread_mutex_unlock(&flash->lock);
}

const struct bus_ops cfi_flash_bus_ops = {
	.read = flash_read,
	.write = flash_write,
};

void cfi_flash_reset(struct cfi_flash *flash)
{
	pthread_mutex_lock(&flash->lock);
	flash->state = STATE_ARRAY;
	flash->status = FLASH_READY;
	flash_map(flash, true);
	pthread_mutex_unlock(&flash->lock);
}

int cfi_flash_create(const struct cfi_flash_params *params, struct cfi_flash **ret_flash)
{
	struct cfi_flash *flash = calloc(1, sizeof(*flash));

	if (!flash)
		return -ENOMEM;
	flash->params = *params;
	flash->status = FLASH_READY;
	flash->mapped = true;
	pthread_mutex_init(&flash->lock, NULL);
	*ret_flash = flash;
	return 0;
}

void cfi_flash_destroy(struct cfi_flash *flash)
{
	if (!flash)
		return;
	pthread_mutex_destroy(&flash->lock);
	free(flash);
}
