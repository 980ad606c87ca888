/*
 * SMBIOS 3.3 (DMTF DSP0134): a 64-bit entry point exactly at LAYOUT_SMBIOS, where the firmware looks
 * for it, then the structures: what dmidecode, installers and inventory tools ask for. Strings follow
 * their structure, numbered from 1; two zero bytes end it.
 *
 * Not here: serial numbers and UUIDs. A VM that is started again is the same machine, but nothing
 * tells two of them apart yet, and made-up numbers would do harm (machine ids come from them).
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <string.h>

#include "vmm/layout.h"

#define SMBIOS_MAX	       4096 /* of all structures: a page is plenty */
#define SMBIOS_ENTRY_SIZE      24
#define SMBIOS_HANDLE(type, n) (uint16_t)((type) << 8 | (n))

#define SMBIOS_PACKED __attribute__((packed))

struct smbios_header {
	uint8_t type;
	uint8_t length;
	uint16_t handle;
} SMBIOS_PACKED;

/* 5.2.2 */
struct smbios_entry {
	char anchor[5];
	uint8_t checksum;
	uint8_t length;
	uint8_t major, minor, docrev;
	uint8_t revision;
	uint8_t reserved;
	uint32_t max_size;
	uint64_t table;
} SMBIOS_PACKED;
_Static_assert(sizeof(struct smbios_entry) == SMBIOS_ENTRY_SIZE, "64-bit entry point");

/* 7.1 BIOS information; the firmware puts its own in place of this one if it has any */
struct smbios_type0 {
	struct smbios_header header;
	uint8_t vendor, version;
	uint16_t segment;
	uint8_t release_date, rom_size;
	uint64_t characteristics;
	uint8_t characteristics_ext[2];
	uint8_t major, minor, ec_major, ec_minor;
	uint16_t rom_size_ext;
} SMBIOS_PACKED;

/* 7.2 system */
struct smbios_type1 {
	struct smbios_header header;
	uint8_t manufacturer, product, version, serial;
	uint8_t uuid[16];
	uint8_t wake_up, sku, family;
} SMBIOS_PACKED;

/* 7.4 chassis */
struct smbios_type3 {
	struct smbios_header header;
	uint8_t manufacturer, type, version, serial, asset;
	uint8_t boot_state, power_state, thermal_state, security;
	uint32_t oem;
	uint8_t height, power_cords, element_count, element_length, sku;
} SMBIOS_PACKED;

/* 7.5 processor */
struct smbios_type4 {
	struct smbios_header header;
	uint8_t socket, type, family, manufacturer;
	uint64_t id;
	uint8_t version, voltage;
	uint16_t external_clock, max_speed, current_speed;
	uint8_t status, upgrade;
	uint16_t l1, l2, l3;
	uint8_t serial, asset, part;
	uint8_t core_count, core_enabled, thread_count;
	uint16_t characteristics;
	uint16_t family2, core_count2, core_enabled2, thread_count2;
} SMBIOS_PACKED;

/* 7.17 physical memory array */
struct smbios_type16 {
	struct smbios_header header;
	uint8_t location, use, correction;
	uint32_t max_kib;
	uint16_t error_handle, devices;
	uint64_t max_bytes;
} SMBIOS_PACKED;

/* 7.18 memory device */
struct smbios_type17 {
	struct smbios_header header;
	uint16_t array, error_handle, total_width, data_width, size;
	uint8_t form_factor, set, locator, bank, type;
	uint16_t detail, speed;
	uint8_t manufacturer, serial, asset, part, attributes;
	uint32_t size_ext;
	uint16_t configured_speed, min_voltage, max_voltage, voltage;
} SMBIOS_PACKED;

/* 7.20 where a piece of the array is mapped */
struct smbios_type19 {
	struct smbios_header header;
	uint32_t start_kib, end_kib;
	uint16_t array;
	uint8_t width;
	uint64_t start, end;
} SMBIOS_PACKED;

/* 7.33 boot status */
struct smbios_type32 {
	struct smbios_header header;
	uint8_t reserved[6];
	uint8_t status;
} SMBIOS_PACKED;

struct smbios_builder {
	uint8_t buf[SMBIOS_MAX];
	size_t used;
	int failed;
};

/* Appends a structure of LEN bytes (header filled in here) and its NULL-terminated list of strings. */
static void smbios_add(struct smbios_builder *b, uint8_t type, uint16_t handle, void *data,
		       size_t len, const char *const *strings)
{
	struct smbios_header header = {.type = type, .length = (uint8_t)len, .handle = handle};
	size_t need = len + 2, n;
	unsigned int i;

	for (i = 0; strings && strings[i]; i++)
		need += strlen(strings[i]) + 1;
	if (need > sizeof(b->buf) - b->used) {
		b->failed = -ENOSPC;
		return;
	}
	memcpy(data, &header, sizeof(header));
	memcpy(b->buf + b->used, data, len);
	b->used += len;
	for (i = 0; strings && strings[i]; i++) {
		n = strlen(strings[i]) + 1;
		memcpy(b->buf + b->used, strings[i], n);
		b->used += n;
	}
	if (!i)
		b->buf[b->used++] = 0; /* no strings: both zero bytes end the structure */
	b->buf[b->used++] = 0;
}

static void smbios_add_system(struct smbios_builder *b)
{
	static const char *const bios_strings[] = {"vmboot", VMBOOT_VERSION, "01/01/2026", NULL};
	static const char *const system_strings[] = {"vmboot", "Virtual Machine", VMBOOT_VERSION,
						     NULL};
	static const char *const chassis_strings[] = {"vmboot", NULL};
	static const char *const boot_strings[] = {NULL};
	struct smbios_type0 bios = {
		.vendor = 1,
		.version = 2,
		.release_date = 3,
		.characteristics = 1 << 3, /* "characteristics are not supported" */
		.characteristics_ext = {0, 1 << 3 | 1 << 4}, /* UEFI, virtual machine */
		.major = 0xFF,
		.minor = 0xFF,
		.ec_major = 0xFF,
		.ec_minor = 0xFF,
	};
	struct smbios_type1 system = {
		.manufacturer = 1, .product = 2, .version = 3, .wake_up = 6, /* power switch */
	};
	struct smbios_type3 chassis = {
		.manufacturer = 1,
		.type = 1, /* other */
		.boot_state = 3,
		.power_state = 3,
		.thermal_state = 3, /* safe */
		.security = 3,	    /* none */
	};
	struct smbios_type32 boot = {.status = 0}; /* no errors */

	smbios_add(b, 0, SMBIOS_HANDLE(0, 0), &bios, sizeof(bios), bios_strings);
	smbios_add(b, 1, SMBIOS_HANDLE(1, 0), &system, sizeof(system), system_strings);
	smbios_add(b, 3, SMBIOS_HANDLE(3, 0), &chassis, sizeof(chassis), chassis_strings);
	smbios_add(b, 32, SMBIOS_HANDLE(32, 0), &boot, sizeof(boot), boot_strings);
}

/* One socket with all cores: as the CPUID leaves describe it. */
static void smbios_add_processor(struct smbios_builder *b, unsigned int cpus)
{
	static const char *const strings[] = {"CPU 0", "vmboot", NULL};
	uint8_t count = cpus > 0xFF ? 0xFF : (uint8_t)cpus;
	struct smbios_type4 cpu = {
		.socket = 1,
		.type = 3,   /* central processor */
		.family = 1, /* other */
		.manufacturer = 2,
		.status = 0x41, /* populated, enabled */
		.upgrade = 1,	/* other */
		.l1 = 0xFFFF,
		.l2 = 0xFFFF,
		.l3 = 0xFFFF, /* no cache information */
		.core_count = count,
		.core_enabled = count,
		.thread_count = count,
		.characteristics = 1 << 2 | (cpus > 1 ? 1 << 3 : 0), /* 64-bit, multi-core */
		.family2 = 1,
		.core_count2 = (uint16_t)cpus,
		.core_enabled2 = (uint16_t)cpus,
		.thread_count2 = (uint16_t)cpus,
	};

	smbios_add(b, 4, SMBIOS_HANDLE(4, 0), &cpu, sizeof(cpu), strings);
}

/* START and LEN in bytes, multiples of 1 KiB. Addresses beyond 4 TiB - 1 KiB need the 64-bit fields. */
static void smbios_add_mapping(struct smbios_builder *b, unsigned int n, uint64_t start,
			       uint64_t len)
{
	struct smbios_type19 map = {.array = SMBIOS_HANDLE(16, 0), .width = 1};
	uint64_t last = start + len - 1;

	if (last >> 10 < 0xFFFFFFFFULL) {
		map.start_kib = (uint32_t)(start >> 10);
		map.end_kib = (uint32_t)(last >> 10);
	} else {
		map.start_kib = map.end_kib = 0xFFFFFFFF;
		map.start = start;
		map.end = last;
	}
	smbios_add(b, 19, SMBIOS_HANDLE(19, n), &map, sizeof(map), NULL);
}

static void smbios_add_memory(struct smbios_builder *b, uint64_t memory)
{
	static const char *const strings[] = {"DIMM 0", "vmboot", NULL};
	uint64_t low = memory < GM_LOW_LIMIT ? memory : GM_LOW_LIMIT;
	struct smbios_type16 array = {
		.location = 1,	 /* other */
		.use = 3,	 /* system memory */
		.correction = 3, /* none */
		.error_handle = 0xFFFE,
		.devices = 1,
	};
	struct smbios_type17 dimm = {
		.array = SMBIOS_HANDLE(16, 0),
		.error_handle = 0xFFFE,
		.total_width = 0xFFFF,
		.data_width = 0xFFFF, /* unknown */
		.form_factor = 9,     /* DIMM */
		.locator = 1,
		.type = 7,	  /* RAM */
		.detail = 1 << 1, /* other */
		.manufacturer = 2,
	};

	if (memory >> 10 < 0x80000000ULL)
		array.max_kib = (uint32_t)(memory >> 10);
	else {
		array.max_kib = 0x80000000;
		array.max_bytes = memory;
	}
	/* In MiB; from 32 GiB - 1 MiB on in the extended field. */
	if (memory >> 20 < 0x7FFF)
		dimm.size = (uint16_t)(memory >> 20);
	else {
		dimm.size = 0x7FFF;
		dimm.size_ext = (uint32_t)(memory >> 20) & 0x7FFFFFFF;
	}
	smbios_add(b, 16, SMBIOS_HANDLE(16, 0), &array, sizeof(array), NULL);
	smbios_add(b, 17, SMBIOS_HANDLE(17, 0), &dimm, sizeof(dimm), strings);
	smbios_add_mapping(b, 0, 0, low);
	if (memory > low)
		smbios_add_mapping(b, 1, GM_HIGH_BASE, memory - low);
}

/* ENTRY says that the structures lie at TABLE. */
static int smbios_make(const struct smbios_params *params, uint64_t table,
		       struct smbios_builder *ret_builder, struct smbios_entry *ret_entry)
{
	struct smbios_builder *b = ret_builder;
	struct smbios_entry entry = {
		.anchor = {'_', 'S', 'M', '3', '_'},
		.length = sizeof(entry),
		.major = 3,
		.minor = 3,
		.revision = 1,
		.table = table,
	};
	struct smbios_header end;
	uint8_t sum = 0;
	size_t i;

	smbios_add_system(b);
	smbios_add_processor(b, params->cpus);
	smbios_add_memory(b, params->memory);
	smbios_add(b, 127, SMBIOS_HANDLE(127, 0), &end, sizeof(end), NULL);
	if (b->failed)
		return b->failed;

	entry.max_size = (uint32_t)b->used;
	for (i = 0; i < sizeof(entry); i++)
		sum += ((const uint8_t *)&entry)[i];
	entry.checksum = (uint8_t)-sum;
	*ret_entry = entry;
	return 0;
}

int smbios_build(struct guest_mem *mem, const struct smbios_params *params)
{
	struct smbios_builder b = {.used = 0};
	struct smbios_entry entry;
	int r = smbios_make(params, LAYOUT_SMBIOS + 0x20, &b, &entry);

	if (r < 0)
		return r;
	if (gm_write(mem, entry.table, b.buf, b.used) < 0 ||
	    gm_write(mem, LAYOUT_SMBIOS, &entry, sizeof(entry)) < 0)
		return -ENOSPC;
	return 0;
}

int smbios_load(struct fw_cfg *cfg, const struct smbios_params *params)
{
	struct smbios_builder b = {.used = 0};
	struct smbios_entry entry;
	/* The firmware puts the structures where it likes, and says where. */
	int r = smbios_make(params, 0, &b, &entry);

	if (r == 0)
		r = fw_cfg_add_file(cfg, "etc/smbios/smbios-anchor", &entry, sizeof(entry));
	if (r == 0)
		r = fw_cfg_add_file(cfg, "etc/smbios/smbios-tables", b.buf, b.used);
	return r;
}
