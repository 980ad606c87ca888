/*
 * The firmware configuration device as OVMF reads it (QEMU docs/specs/fw_cfg), with what it does with the
 * files: the loader's commands are carried out as OvmfPkg's AcpiPlatformDxe does, and the tables walked
 * where they lie then. And the PIIX4's ports.
 */
#include "test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/layout.h"
#include "vmm/platform/platform.h"

#define CPUS	  3
#define RSDP_AT	  0xF5A30ULL /* where this firmware puts the files */
#define TABLES_AT 0x7E5C1000ULL

struct file {
	char name[56];
	uint8_t *bytes;
	uint32_t size;
	uint64_t at;
};

struct fixture {
	struct fw_cfg *cfg;
	struct file files[16];
	unsigned int count;
};

static const struct acpi_params acpi = {
	.cpus = CPUS,
	.pci32_base = LAYOUT_PCI32_I440FX,
	.pci64_base = 0x100000000ULL,
	.pci64_end = 0x10000000000ULL,
};
static const struct smbios_params smbios = {.cpus = CPUS, .memory = 1 << 30};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	assert_int_equal(fw_cfg_create(CPUS, &f->cfg), 0);
	assert_int_equal(acpi_load(f->cfg, &acpi), 0);
	assert_int_equal(smbios_load(f->cfg, &smbios), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < f->count; i++)
		free(f->files[i].bytes);
	fw_cfg_destroy(f->cfg);
	free(f);
	return 0;
}

static void read_item(struct fixture *f, uint16_t key, uint8_t *buf, size_t n)
{
	fw_cfg_bus_ops.write(f->cfg, 0, 2, key);
	while (n--)
		*buf++ = (uint8_t)fw_cfg_bus_ops.read(f->cfg, 1, 1);
}

static uint64_t big(const uint8_t *p, unsigned int n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | *p++;
	return value;
}

static uint64_t little(const uint8_t *p, unsigned int n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | p[n];
	return value;
}

static void add_to(uint8_t *p, unsigned int n, uint64_t what)
{
	uint64_t value = little(p, n) + what;

	for (unsigned int i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t total = 0;

	while (n--)
		total = (uint8_t)(total + *p++);
	return total;
}

static void read_files(struct fixture *f)
{
	uint8_t count[4], entries[4 + 16 * 64];

	read_item(f, 0x19, count, 4);
	f->count = (unsigned int)big(count, 4);
	assert_in_range(f->count, 5, 16);
	read_item(f, 0x19, entries, 4 + f->count * 64);
	for (unsigned int i = 0; i < f->count; i++) {
		const uint8_t *entry = entries + 4 + 64 * i;
		struct file *file = &f->files[i];

		file->size = (uint32_t)big(entry, 4);
		assert_true(big(entry + 4, 2) >= 0x20);
		assert_int_equal(big(entry + 6, 2), 0);
		assert_non_null(memchr(entry + 8, 0, 56));
		memcpy(file->name, entry + 8, 56);
		file->bytes = malloc(file->size);
		read_item(f, (uint16_t)big(entry + 4, 2), file->bytes, file->size);
		/* Behind its end there are zeroes. */
		assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 1, 1), 0);
	}
}

static struct file *find(struct fixture *f, const char *name)
{
	for (unsigned int i = 0; i < f->count; i++)
		if (strcmp(f->files[i].name, name) == 0)
			return &f->files[i];
	fail_msg("there is no file %s", name);
	return NULL;
}

static void keys_that_ovmf_asks_for(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[8];

	read_item(f, 0x00, buf, 6);
	assert_memory_equal(buf, "QEMU\0\0", 6);
	read_item(f, 0x01, buf, 4);
	assert_int_equal(little(buf, 4), 1); /* no DMA */
	read_item(f, 0x05, buf, 4);
	assert_int_equal(little(buf, 4), CPUS); /* 2 bytes, then zeroes */
}

static void what_there_is_not_reads_zero(void **state)
{
	static const uint16_t keys[] = {0x08, 0x0B,	0x0E,	0x14,  0x17,
					0x1F, 0x20 + 8, 0x3FFF, 0x8005};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) - 1; i++) {
		fw_cfg_bus_ops.write(f->cfg, 0, 2, keys[i]);
		for (unsigned int n = 0; n < 100; n++)
			assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 1, 1), 0);
	}
	/* Only the data port gives data, and only by bytes. */
	fw_cfg_bus_ops.write(f->cfg, 0, 2, 0);
	assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 0, 2), 0);
	assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 0, 1), 0);
	fw_cfg_bus_ops.write(f->cfg, 1, 1, 'x');
	assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 1, 1), 'Q');
	fw_cfg_reset(f->cfg);
	assert_int_equal(fw_cfg_bus_ops.read(f->cfg, 1, 1), 'Q');
}

/* ---- as AcpiPlatformDxe does ---- */

static void carry_out(struct fixture *f, const uint8_t *command)
{
	const char *first = (const char *)command + 4, *second = first + 56;
	struct file *to = find(f, first), *target;
	uint64_t value;
	uint32_t at, start, len;

	switch (little(command, 4)) {
	case 1: /* ALLOCATE */
		assert_int_equal(to->at, 0);
		len = (uint32_t)little(command + 60, 4);
		assert_true(len <= 4096 && (len & (len - 1)) == 0);
		assert_in_range(command[64], 1, 2);
		to->at = command[64] == 2 ? RSDP_AT : TABLES_AT;
		break;
	case 2: /* ADD_POINTER */
		target = find(f, second);
		at = (uint32_t)little(command + 116, 4);
		len = command[120];
		assert_true(to->at && target->at);
		assert_true(len == 4 || len == 8);
		assert_true(at + len <= to->size);
		value = little(to->bytes + at, len);
		assert_true(value < target->size);
		add_to(to->bytes + at, len, target->at);
		break;
	case 3: /* ADD_CHECKSUM */
		at = (uint32_t)little(command + 60, 4);
		start = (uint32_t)little(command + 64, 4);
		len = (uint32_t)little(command + 68, 4);
		assert_true(at < to->size && start + len <= to->size);
		to->bytes[at] = (uint8_t)-sum(to->bytes + start, len);
		break;
	default: fail_msg("command %u is none", (unsigned int)little(command, 4));
	}
}

static const uint8_t *table_at(struct fixture *f, uint64_t addr, const char *signature)
{
	const struct file *tables = find(f, "etc/acpi/tables");
	const uint8_t *table = tables->bytes + (addr - TABLES_AT);

	assert_in_range(addr, TABLES_AT, TABLES_AT + tables->size - 36);
	if (signature)
		assert_memory_equal(table, signature, 4);
	assert_in_range(little(table + 4, 4), 36, TABLES_AT + tables->size - addr);
	assert_int_equal(sum(table, little(table + 4, 4)), 0);
	return table;
}

static void loader_makes_good_tables(void **state)
{
	static const char *const wanted[] = {"FACP", "APIC", "MCFG", "SPCR", "WDAT", "SSDT"};
	struct fixture *f = *state;
	const struct file *script, *rsdp;
	const uint8_t *xsdt, *fadt = NULL;

	read_files(f);
	script = find(f, "etc/table-loader");
	assert_int_equal(script->size % 128, 0);
	for (uint32_t at = 0; at < script->size; at += 128)
		carry_out(f, script->bytes + at);
	rsdp = find(f, "etc/acpi/rsdp");
	assert_int_equal(rsdp->size, 36);
	assert_memory_equal(rsdp->bytes, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp->bytes, 20), 0);
	assert_int_equal(sum(rsdp->bytes, 36), 0);
	xsdt = table_at(f, little(rsdp->bytes + 24, 8), "XSDT");
	assert_int_equal(little(xsdt + 4, 4), 36 + 8 * 6);
	for (unsigned int i = 0; i < 6; i++) {
		const uint8_t *table = table_at(f, little(xsdt + 36 + 8 * i, 8), wanted[i]);

		fadt = i == 0 ? table : fadt;
	}
	table_at(f, little(fadt + 40, 4), "DSDT");
	table_at(f, little(fadt + 140, 8), "DSDT");
}

static void smbios_is_given(void **state)
{
	struct fixture *f = *state;
	const struct file *anchor, *tables;

	read_files(f);
	anchor = find(f, "etc/smbios/smbios-anchor");
	tables = find(f, "etc/smbios/smbios-tables");
	assert_int_equal(anchor->size, 24);
	assert_memory_equal(anchor->bytes, "_SM3_", 5);
	assert_int_equal(sum(anchor->bytes, 24), 0);
	assert_int_equal(little(anchor->bytes + 12, 4), tables->size);
	assert_int_equal(tables->bytes[0], 0);			/* type 0 first... */
	assert_int_equal(tables->bytes[tables->size - 6], 127); /* ...and the end last */
}

static void too_much_is_refused(void **state)
{
	struct fixture *f = *state;
	char name[64];
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < 100; i++) {
		snprintf(name, sizeof(name), "file %u", i);
		r = fw_cfg_add_file(f->cfg, name, "x", 1);
	}
	assert_int_equal(r, -28 /* ENOSPC */);
	memset(name, 'n', 56);
	name[56] = '\0';
	assert_int_equal(fw_cfg_add_file(f->cfg, name, "x", 1), -28);
}

/* ---- the PIIX4's ports ---- */

static void off(void *ctx)
{
	(*(unsigned int *)ctx)++;
}

/* OvmfPkg's ResetSystemLib and AcpiTimerLib. */
static void piix4_switches_off_and_tells_the_time(void **state)
{
	const struct pm_params params = {0};
	struct piix4 *piix4;
	unsigned int offs = 0;
	uint64_t before;
	struct pm *pm;

	(void)state;
	assert_int_equal(pm_create(&params, &pm), 0);
	assert_int_equal(piix4_create(pm, off, &offs, &piix4), 0);
	piix4_bus_ops.write(piix4, 4, 2, 0x0001); /* SCI_EN */
	assert_int_equal(piix4_bus_ops.read(piix4, 4, 2), 0x0001);
	piix4_bus_ops.write(piix4, 4, 2, 0x2401); /* to sleep, but not off */
	assert_int_equal(offs, 0);
	piix4_bus_ops.write(piix4, 4, 2, 0x2001);
	assert_int_equal(offs, 1);
	assert_int_equal(piix4_bus_ops.read(piix4, 4, 2), 0x0001);
	piix4_bus_ops.write(piix4, 0, 2, 0xFFFF);
	piix4_bus_ops.write(piix4, 2, 2, 0xFFFF);
	assert_int_equal(piix4_bus_ops.read(piix4, 0, 4), 0);
	before = piix4_bus_ops.read(piix4, 8, 4);
	while (piix4_bus_ops.read(piix4, 8, 4) == before)
		;
	piix4_reset(piix4);
	assert_int_equal(piix4_bus_ops.read(piix4, 4, 2), 0);
	piix4_destroy(piix4);
	pm_destroy(pm);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_that_ovmf_asks_for),
		TEST(what_there_is_not_reads_zero),
		TEST(loader_makes_good_tables),
		TEST(smbios_is_given),
		TEST(too_much_is_refused),
		cmocka_unit_test(piix4_switches_off_and_tells_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
