/*
 * Checks and makes UEFI variable stores. Layouts: PI 1.7 volume 3, 3.2.1 (firmware volume header);
 * EDK2 MdeModulePkg VariableFormat.h (variable store, authenticated variables) and
 * SystemNvDataGuid.h (work block of fault tolerant writes). What is checked comes from a file or
 * from a guest: nothing in it is believed.
 */
#include "varstore.h"

#include <errno.h>
#include <string.h>

#define FV_ATTRIBUTES	 0x4FEFF
#define FV_HEADER_LENGTH 0x48
#define FV_BLOCK_SIZE	 0x1000
#define STORE_FORMATTED	 0x5A
#define STORE_HEALTHY	 0xFE
#define VARIABLE_START	 0x55AA
#define WORK_QUEUE_SIZE	 0xFE0

/* OvmfPkg/Include/Fdf/VarStore.fdf.inc */
struct layout {
	uint32_t size;		/* of the whole volume */
	uint32_t store_size;	/* the live area without the volume's header */
	uint32_t work_block_at; /* behind the live area and the event log */
};

static const struct layout layouts[] = {
	{VARSTORE_SIZE, 0x40000 - FV_HEADER_LENGTH, 0x41000},
	{VARSTORE_SIZE_2M, 0xE000 - FV_HEADER_LENGTH, 0xF000},
};

struct fv_header {
	uint8_t zero_vector[16];
	uint8_t guid[16];
	uint64_t length;
	uint8_t signature[4];
	uint32_t attributes;
	uint16_t header_length;
	uint16_t checksum;
	uint16_t ext_header_offset;
	uint8_t reserved;
	uint8_t revision;
	struct {
		uint32_t count;
		uint32_t length;
	} blocks[2];
};
_Static_assert(sizeof(struct fv_header) == FV_HEADER_LENGTH, "PI 1.7 volume 3, 3.2.1");

struct store_header {
	uint8_t guid[16];
	uint32_t size;
	uint8_t format;
	uint8_t state;
	uint16_t reserved;
	uint32_t reserved1;
};
_Static_assert(sizeof(struct store_header) == 28, "VariableFormat.h");

/* EDK2 packs it: the time stamp is 4-byte aligned, the counter is not 8-byte aligned. */
struct variable_header {
	uint16_t start_id;
	uint8_t state;
	uint8_t reserved;
	uint32_t attributes;
	uint8_t count[8];
	uint8_t time_stamp[16];
	uint32_t public_key;
	uint32_t name_size;
	uint32_t data_size;
	uint8_t vendor[16];
};
_Static_assert(sizeof(struct variable_header) == 60, "VariableFormat.h");

struct work_block {
	uint8_t guid[16];
	uint32_t crc;
	uint8_t valid;
	uint8_t reserved[3];
	uint64_t queue_size;
};
_Static_assert(sizeof(struct work_block) == 32, "SystemNvDataGuid.h");

/* EFI_SYSTEM_NV_DATA_FV_GUID */
static const uint8_t fv_guid[16] = {0x8D, 0x2B, 0xF1, 0xFF, 0x96, 0x76, 0x8B, 0x4C,
				    0xA9, 0x85, 0x27, 0x47, 0x07, 0x5B, 0x4F, 0x50};
static const uint8_t store_guid[16] = {0x78, 0x2C, 0xF3, 0xAA, 0x7B, 0x94, 0x9A, 0x43,
				       0xA1, 0x80, 0x2E, 0x14, 0x4E, 0xC3, 0x77, 0x92};
static const uint8_t work_guid[16] = {0x2B, 0x29, 0x58, 0x9E, 0x68, 0x7C, 0x7D, 0x49,
				      0xA0, 0xCE, 0x65, 0x00, 0xFD, 0x9F, 0x1B, 0x95};

static const struct layout *find_layout(size_t size)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].size == size)
			return &layouts[i];
	return NULL;
}

/* 16-bit sum of the volume header: 0 when the checksum is right. */
static uint16_t header_sum(const struct fv_header *fv)
{
	const uint8_t *p = (const uint8_t *)fv;
	uint16_t sum = 0;

	for (size_t i = 0; i < sizeof(*fv); i += 2)
		sum = (uint16_t)(sum + (p[i] | p[i + 1] << 8));
	return sum;
}

uint64_t varstore_volume_size(const void *head, size_t head_size)
{
	struct fv_header fv;

	if (head_size < sizeof(fv))
		return 0;
	memcpy(&fv, head, sizeof(fv));
	if (memcmp(fv.signature, "_FVH", 4) != 0 || memcmp(fv.guid, fv_guid, sizeof(fv_guid)) != 0)
		return 0;
	return fv.length;
}

static int damaged(struct vmb_err *err, const char *what)
{
	return vmb_err_set(err, EBADMSG,
			   "The UEFI variable store is damaged or no such store: %s. Restore the "
			   "file from a copy, or start with a fresh store.",
			   what);
}

static int check_volume(const uint8_t *buf, const struct layout *layout, struct vmb_err *err)
{
	static const uint8_t zero[16];
	struct fv_header fv;

	memcpy(&fv, buf, sizeof(fv));
	if (memcmp(fv.signature, "_FVH", 4) != 0)
		return damaged(err, "it does not begin with a firmware volume");
	if (memcmp(fv.zero_vector, zero, sizeof(zero)) != 0 ||
	    memcmp(fv.guid, fv_guid, sizeof(fv_guid)) != 0)
		return damaged(err, "its firmware volume is not one for variables");
	if (fv.length != layout->size || fv.header_length != FV_HEADER_LENGTH || fv.revision != 2 ||
	    fv.blocks[0].count != layout->size / FV_BLOCK_SIZE ||
	    fv.blocks[0].length != FV_BLOCK_SIZE)
		return damaged(err, "its firmware volume has another layout (only those of "
				    "OVMF_VARS_4M.fd and OVMF_VARS.fd are known)");
	if (header_sum(&fv) != 0)
		return damaged(err, "the checksum of its firmware volume is wrong");
	return 0;
}

static int check_store(const uint8_t *buf, const struct layout *layout, struct vmb_err *err)
{
	struct store_header store;

	memcpy(&store, buf + FV_HEADER_LENGTH, sizeof(store));
	if (memcmp(store.guid, store_guid, sizeof(store_guid)) != 0)
		return damaged(err, "it holds no authenticated variables");
	if (store.size != layout->store_size)
		return damaged(err, "its variable area has a wrong size");
	if (store.format != STORE_FORMATTED || store.state != STORE_HEALTHY)
		return damaged(err, "its variable area is not marked healthy");
	return 0;
}

/* Bytes of name and data behind HEADER; a header that was cut while being written has none (EDK2). */
static uint64_t payload_size(const struct variable_header *header)
{
	if (header->state == 0xFF || header->attributes == UINT32_MAX ||
	    header->name_size == UINT32_MAX || header->data_size == UINT32_MAX)
		return 0;
	return (uint64_t)header->name_size + header->data_size;
}

/*
 * Follows the variables. EDK2 aligns headers to 4 bytes, name and data not at all, and takes the
 * first header that does not start with 0x55AA as the end: there the flash is erased, all ones.
 */
static int check_variables(const uint8_t *buf, const struct layout *layout, struct vmb_err *err)
{
	const uint64_t end = FV_HEADER_LENGTH + layout->store_size;
	uint64_t at = FV_HEADER_LENGTH + sizeof(struct store_header);

	while (end - at >= sizeof(struct variable_header)) {
		struct variable_header header;

		memcpy(&header, buf + at, sizeof(header));
		if (header.start_id == 0xFFFF)
			return 0;
		if (header.start_id != VARIABLE_START)
			return damaged(err, "its list of variables does not end where free space "
					    "begins");
		at += sizeof(header);
		if (payload_size(&header) > end - at)
			return damaged(err,
				       "a variable reaches beyond the end of the variable area");
		at = (at + payload_size(&header) + 3) & ~3ULL;
		if (at > end)
			return 0;
	}
	return 0;
}

int varstore_check(const void *buf, size_t size, struct vmb_err *err)
{
	const struct layout *layout = find_layout(size);
	int r;

	if (!layout)
		return vmb_err_set(
			err, EBADMSG,
			"The UEFI variable store is truncated or no such store: it has %zu "
			"bytes instead of %d (or %d, of OVMF of 2 MiB). Restore the file from a "
			"copy, or start with a fresh store.",
			size, VARSTORE_SIZE, VARSTORE_SIZE_2M);
	r = check_volume(buf, layout, err);
	if (r == 0)
		r = check_store(buf, layout, err);
	if (r == 0)
		r = check_variables(buf, layout, err);
	return r;
}

/* CRC-32 (IEEE 802.3), bit by bit: it runs over 32 bytes, once. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	return ~crc;
}

void varstore_format(void *buf, size_t size)
{
	const struct layout *layout = find_layout(size);
	struct fv_header fv = {
		.length = layout->size,
		.signature = {'_', 'F', 'V', 'H'},
		.attributes = FV_ATTRIBUTES,
		.header_length = FV_HEADER_LENGTH,
		.revision = 2,
		.blocks = {{layout->size / FV_BLOCK_SIZE, FV_BLOCK_SIZE}},
	};
	struct store_header store = {
		.size = layout->store_size,
		.format = STORE_FORMATTED,
		.state = STORE_HEALTHY,
	};
	struct work_block work = {
		.crc = UINT32_MAX,
		.valid = 0xFF,
		.reserved = {0xFF, 0xFF, 0xFF},
		.queue_size = WORK_QUEUE_SIZE,
	};
	uint8_t *p = buf;

	memcpy(fv.guid, fv_guid, sizeof(fv_guid));
	memcpy(store.guid, store_guid, sizeof(store_guid));
	memcpy(work.guid, work_guid, sizeof(work_guid));
	fv.checksum = (uint16_t)-header_sum(&fv);
	/* The sum is taken while crc and valid still read as erased; then "valid" is programmed. */
	work.crc = crc32((const uint8_t *)&work, sizeof(work));
	work.valid = 0xFE;
	memset(p, 0xFF, layout->size);
	memcpy(p, &fv, sizeof(fv));
	memcpy(p + FV_HEADER_LENGTH, &store, sizeof(store));
	memcpy(p + layout->work_block_at, &work, sizeof(work));
}
