/*
 * The firmware configuration device of QEMU (docs/specs/fw_cfg), by which OVMF learns what it cannot see:
 * a 16-bit selector and a data port, from which the selected item is read byte by byte. An item that there
 * is not, and what lies behind the end of one, reads zero.
 *
 * Not here: the DMA interface, which the device's id says it lacks. What is to be read is some 10 KB once a
 * boot, and nothing here ever reads or writes guest memory.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SIGNATURE 0x00
#define KEY_ID	      0x01
#define KEY_CPUS      0x05
#define KEY_DIRECTORY 0x19
#define KEY_FILES     0x20   /* the first file's, then one after the other */
#define KEY_MASK      0x3FFF /* the top bits: written to, or of this architecture only */
#define ID_PORTS      1	     /* bit 0: the interface here; bit 1 would be DMA */
#define MAX_FILES     8

struct fw_cfg_entry {
	uint32_t size; /* big-endian, these two */
	uint16_t key;
	uint16_t reserved;
	char name[FW_CFG_NAME];
} __attribute__((packed));

struct fw_cfg_item {
	const void *bytes;
	size_t size;
};

struct fw_cfg {
	uint16_t cpus;
	uint32_t id;
	/* As it is read: how many, big-endian, then the entries. */
	struct {
		uint32_t count;
		struct fw_cfg_entry entries[MAX_FILES];
	} __attribute__((packed)) directory;
	unsigned int file_count;
	struct fw_cfg_item files[MAX_FILES]; /* owned */
	pthread_mutex_t lock;		     /* these two */
	uint16_t key;
	size_t offset;
};

static struct fw_cfg_item find_item(const struct fw_cfg *cfg)
{
	switch (cfg->key) {
	case KEY_SIGNATURE: return (struct fw_cfg_item){"QEMU", 4};
	case KEY_ID: return (struct fw_cfg_item){&cfg->id, sizeof(cfg->id)};
	case KEY_CPUS: return (struct fw_cfg_item){&cfg->cpus, sizeof(cfg->cpus)};
	case KEY_DIRECTORY: return (struct fw_cfg_item){&cfg->directory, sizeof(cfg->directory)};
	default: break;
	}
	if (cfg->key >= KEY_FILES && cfg->key - KEY_FILES < (int)cfg->file_count)
		return cfg->files[cfg->key - KEY_FILES];
	return (struct fw_cfg_item){NULL, 0};
}

/* The selector is write-only; the data port has one byte, whatever is asked of it. */
static uint64_t fw_cfg_read(void *dev, uint64_t offset, unsigned int size)
{
	struct fw_cfg *cfg = dev;
	struct fw_cfg_item item;
	uint8_t byte = 0;

	if (offset != 1 || size != 1)
		return 0;
	pthread_mutex_lock(&cfg->lock);
	item = find_item(cfg);
	if (cfg->offset < item.size)
		byte = ((const uint8_t *)item.bytes)[cfg->offset++];
	pthread_mutex_unlock(&cfg->lock);
	return byte;
}

static void fw_cfg_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fw_cfg *cfg = dev;

	if (offset != 0 || size != 2)
		return;
	pthread_mutex_lock(&cfg->lock);
	cfg->key = value & KEY_MASK;
	cfg->offset = 0;
	pthread_mutex_unlock(&cfg->lock);
}

const struct bus_ops fw_cfg_bus_ops = {
	.read = fw_cfg_read,
	.write = fw_cfg_write,
};

int fw_cfg_add_file(struct fw_cfg *cfg, const char *name, const void *bytes, size_t size)
{
	unsigned int n = cfg->file_count;
	struct fw_cfg_entry *entry = &cfg->directory.entries[n];
	void *copy;

	if (n == MAX_FILES || strlen(name) >= sizeof(entry->name))
		return -ENOSPC;
	copy = malloc(size);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, bytes, size);
	cfg->files[n] = (struct fw_cfg_item){copy, size};
	entry->size = __builtin_bswap32((uint32_t)size);
	entry->key = __builtin_bswap16((uint16_t)(KEY_FILES + n));
	strcpy(entry->name, name);
	cfg->file_count = n + 1;
	cfg->directory.count = __builtin_bswap32(cfg->file_count);
	return 0;
}

void fw_cfg_reset(struct fw_cfg *cfg)
{
	pthread_mutex_lock(&cfg->lock);
	cfg->key = 0;
	cfg->offset = 0;
	pthread_mutex_unlock(&cfg->lock);
}

int fw_cfg_create(unsigned int cpus, struct fw_cfg **ret_cfg)
{
	struct fw_cfg *cfg = calloc(1, sizeof(*cfg));

	if (!cfg)
		return -ENOMEM;
	cfg->cpus = (uint16_t)cpus;
	cfg->id = ID_PORTS;
	pthread_mutex_init(&cfg->lock, NULL);
	*ret_cfg = cfg;
	return 0;
}

void fw_cfg_destroy(struct fw_cfg *cfg)
{
	if (!cfg)
		return;
	for (unsigned int i = 0; i < cfg->file_count; i++)
		free((void *)(uintptr_t)cfg->files[i].bytes);
	pthread_mutex_destroy(&cfg->lock);
	free(cfg);
}
