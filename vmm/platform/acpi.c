/*
 * The ACPI tables of the board (ACPI 6.4, chapter 5; SPCR by Microsoft's specification, revision 2):
 * RSDP -> XSDT -> FADT (-> DSDT), MADT, MCFG, SPCR, WDAT, SSDT. Hardware-reduced: no SCI, no FACS, no
 * legacy power management registers. The DSDT is dsdt.asl, compiled by iasl; the SSDT holds one
 * processor device per CPU.
 *
 * EDK2 copies every table that the XSDT names, follows X_DSDT and makes its own RSDP and XSDT; a
 * directly booted Linux uses ours. The DSDT must not be in the XSDT.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"
#include "vmm/platform/acpi_tables.h"
#include "vmm/platform/dsdt.h"

#define ACPI_ALIGN	  64
#define ACPI_MAX_TABLES	  6 /* named by the XSDT */
#define ACPI_AML_NAME_OP  0x08
#define ACPI_AML_DWORD_OP 0x0C
#define ACPI_AML_QWORD_OP 0x0E

/* Where the next table goes, and what the XSDT will name. */
struct acpi_builder {
	struct acpi_tables *out;
	uint64_t base; /* guest address of out->bytes */
	unsigned int table_count;
	uint64_t tables[ACPI_MAX_TABLES];
};

static uint8_t acpi_checksum(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint8_t sum = 0;

	while (len--)
		sum += *bytes++;
	return (uint8_t)-sum;
}

/* Writes LEN bytes to the next free place. 0 or -ENOSPC. */
static int acpi_place(struct acpi_builder *b, const void *data, size_t len, uint64_t *ret_addr)
{
	struct acpi_tables *out = b->out;

	if (len + ACPI_ALIGN > ACPI_MAX_SIZE - out->size)
		return -ENOSPC;
	memcpy(out->bytes + out->size, data, len);
	*ret_addr = b->base + out->size;
	out->size += (len + ACPI_ALIGN - 1) & ~(size_t)(ACPI_ALIGN - 1);
	return 0;
}

static void acpi_init_header(struct acpi_header *header, const char signature[static 4],
			     uint8_t revision)
{
	memcpy(header->signature, signature, 4);
	header->revision = revision;
	memcpy(header->oem_id, "VMBOOT", 6);
	memcpy(header->oem_table_id, "VMBOOT  ", 8);
	header->oem_revision = 1;
	memcpy(header->creator_id, "VMBT", 4);
	header->creator_revision = 1;
}

/* Sets length and checksum of a whole table and places it. */
static int acpi_place_table(struct acpi_builder *b, void *table, size_t len, uint64_t *ret_addr)
{
	struct acpi_header *header = table;

	header->length = (uint32_t)len;
	header->checksum = 0;
	header->checksum = acpi_checksum(table, len);
	return acpi_place(b, table, len, ret_addr);
}

/* The same for a table that the XSDT names. */
static int acpi_add_table(struct acpi_builder *b, void *table, size_t len)
{
	uint64_t addr;
	int r;

	r = acpi_place_table(b, table, len, &addr);
	if (r < 0)
		return r;
	b->tables[b->table_count++] = addr;
	return 0;
}

static struct acpi_gas acpi_io_port(uint16_t port, uint8_t bits)
{
	return (struct acpi_gas){
		.space = ACPI_SPACE_IO,
		.bit_width = bits,
		.access_size = bits == 32   ? 3
			       : bits == 16 ? 2
					    : 1,
		.address = port,
	};
}

/* ---- DSDT ---- */

/* Gives the integer NAME (4 characters) in the AML its value: it is encoded as Name, NAME, OP, SIZE bytes. */
static void acpi_patch(uint8_t *aml, size_t len, const char *name, uint8_t op, size_t size,
		       uint64_t value)
{
	uint8_t code[6] = {ACPI_AML_NAME_OP, 0, 0, 0, 0, op};
	uint8_t *at;

	memcpy(&code[1], name, 4);
	at = memmem(aml, len - size, code, sizeof(code));
	/* dsdt.asl defines them all: not finding one is our own bug, which its test catches. */
	if (at)
		memcpy(at + sizeof(code), &value, size);
}

static int acpi_add_dsdt(struct acpi_builder *b, const struct acpi_params *params,
			 uint64_t *ret_addr)
{
	uint8_t aml[sizeof(dsdt_aml_code)];
	uint64_t len = 0;

	memcpy(aml, dsdt_aml_code, sizeof(aml));
	if (params->pci64_end > params->pci64_base)
		len = params->pci64_end - params->pci64_base;
	acpi_patch(aml, sizeof(aml), "P32B", ACPI_AML_DWORD_OP, 4, params->pci32_base);
	acpi_patch(aml, sizeof(aml), "P64B", ACPI_AML_QWORD_OP, 8, params->pci64_base);
	acpi_patch(aml, sizeof(aml), "P64L", ACPI_AML_QWORD_OP, 8, len);
	return acpi_place_table(b, aml, sizeof(aml), ret_addr);
}

/* ---- FADT, 5.2.9 ---- */

static int acpi_add_fadt(struct acpi_builder *b, uint64_t dsdt)
{
	struct acpi_fadt fadt = {
		.dsdt = (uint32_t)dsdt,
		.preferred_pm_profile = ACPI_PM_ENTERPRISE_SERVER,
		.pm_timer_block = LAYOUT_PORT_PM_TIMER,
		.pm_timer_length = 4,
		/* No C2, no C3: latencies beyond what counts. */
		.c2_latency = 0xFFFF,
		.c3_latency = 0xFFFF,
		.century = ACPI_CMOS_CENTURY,
		.boot_arch = ACPI_FADT_LEGACY_DEVICES | ACPI_FADT_NO_VGA | ACPI_FADT_NO_ASPM,
		.flags = ACPI_FADT_WBINVD | ACPI_FADT_C1_SUPPORTED | ACPI_FADT_PWR_BUTTON |
			 ACPI_FADT_SLP_BUTTON | ACPI_FADT_FIX_RTC | ACPI_FADT_TMR_VAL_EXT |
			 ACPI_FADT_RESET_REG_SUP | ACPI_FADT_HW_REDUCED,
		.reset_reg = acpi_io_port(LAYOUT_PORT_PM, 8),
		.reset_value = 1,
		.minor_revision = 4,
		.x_dsdt = dsdt,
		.x_pm_timer_block = acpi_io_port(LAYOUT_PORT_PM_TIMER, 32),
		.sleep_control = acpi_io_port(LAYOUT_PORT_PM, 8),
		.sleep_status = acpi_io_port(LAYOUT_PORT_PM + 1, 8),
	};

	acpi_init_header(&fadt.header, "FACP", 6);
	b->out->fadt = (uint32_t)b->out->size;
	return acpi_add_table(b, &fadt, sizeof(fadt));
}

/* ---- MADT, 5.2.12 ---- */

static size_t acpi_put(uint8_t *buf, size_t at, const void *entry, size_t len)
{
	memcpy(buf + at, entry, len);
	return at + len;
}

static int acpi_add_madt(struct acpi_builder *b, unsigned int cpus)
{
	const struct acpi_madt_ioapic ioapic = {
		.type = ACPI_MADT_IOAPIC,
		.length = sizeof(ioapic),
		.id = 0, /* KVM's power-on value of the I/O APIC's own id register */
		.address = (uint32_t)LAYOUT_IOAPIC,
		.gsi_base = 0,
	};
	const struct acpi_madt_override ged = {
		.type = ACPI_MADT_OVERRIDE,
		.length = sizeof(ged),
		.source = LAYOUT_GSI_GED,
		.gsi = LAYOUT_GSI_GED,
		.flags = ACPI_MADT_ACTIVE_HIGH | ACPI_MADT_LEVEL,
	};
	const struct acpi_madt_nmi nmi = {
		.type = ACPI_MADT_LAPIC_NMI,
		.length = sizeof(nmi),
		.uid = 0xFF, /* every processor */
		.lint = 1,
	};
	struct acpi_madt madt = {.lapic_address = (uint32_t)LAYOUT_LAPIC};
	size_t at = 0, size;
	unsigned int i;
	uint8_t *buf;
	int r;

	size = sizeof(madt) + cpus * sizeof(struct acpi_madt_lapic) + sizeof(ioapic) + sizeof(ged) +
	       sizeof(nmi);
	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	acpi_init_header(&madt.header, "APIC", 5);
	at = acpi_put(buf, at, &madt, sizeof(madt));
	for (i = 0; i < cpus; i++) {
		struct acpi_madt_lapic lapic = {
			.type = ACPI_MADT_LAPIC,
			.length = sizeof(lapic),
			.uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = ACPI_MADT_ENABLED,
		};

		at = acpi_put(buf, at, &lapic, sizeof(lapic));
	}
	at = acpi_put(buf, at, &ioapic, sizeof(ioapic));
	at = acpi_put(buf, at, &ged, sizeof(ged));
	at = acpi_put(buf, at, &nmi, sizeof(nmi));
	r = acpi_add_table(b, buf, at);
	free(buf);
	return r;
}

/* ---- MCFG (PCI Firmware 3.2, 4.1.2) and SPCR ---- */

static int acpi_add_mcfg(struct acpi_builder *b)
{
	struct acpi_mcfg mcfg = {
		.base = LAYOUT_ECAM,
		.segment = 0,
		.bus_start = 0,
		.bus_end = LAYOUT_PCI_BUSES - 1,
	};

	acpi_init_header(&mcfg.header, "MCFG", 1);
	return acpi_add_table(b, &mcfg, sizeof(mcfg));
}

static int acpi_add_spcr(struct acpi_builder *b)
{
	struct acpi_spcr spcr = {
		.interface_type = 0, /* full 16550 */
		.base = acpi_io_port(LAYOUT_PORT_UART, 8),
		.interrupt_type = ACPI_SPCR_IOAPIC,
		.gsi = LAYOUT_GSI_UART,
		.baud = ACPI_SPCR_115200,
		.stop_bits = 1,
		.terminal_type = ACPI_SPCR_VT_UTF8, /* what EDK2 speaks */
		.pci_device_id = 0xFFFF,
		.pci_vendor_id = 0xFFFF,
	};

	acpi_init_header(&spcr.header, "SPCR", 2);
	return acpi_add_table(b, &spcr, sizeof(spcr));
}

/* ---- WDAT: how an operating system drives watchdog.c ---- */

static int acpi_add_wdat(struct acpi_builder *b)
{
	const struct acpi_gas control = acpi_io_port(LAYOUT_PORT_WATCHDOG, 8);
	const struct acpi_gas status = acpi_io_port(LAYOUT_PORT_WATCHDOG + 1, 8);
	const struct acpi_gas restart = acpi_io_port(LAYOUT_PORT_WATCHDOG + 2, 8);
	const struct acpi_gas countdown = acpi_io_port(LAYOUT_PORT_WATCHDOG + 4, 16);
	const struct acpi_gas left = acpi_io_port(LAYOUT_PORT_WATCHDOG + 6, 16);
	struct {
		struct acpi_wdat head;
		struct acpi_wdat_entry entries[10];
	} ACPI_PACKED wdat = {
		.head =
			{
				.header_length = sizeof(wdat.head) - sizeof(wdat.head.header),
				.pci_segment = ACPI_WDAT_NO_PCI,
				.pci_bus = ACPI_WDAT_NO_PCI,
				.pci_device = ACPI_WDAT_NO_PCI,
				.pci_function = ACPI_WDAT_NO_PCI,
				.unit_ms = WATCHDOG_UNIT_MS,
				.max_count = UINT16_MAX,
				.min_count = 1,
				.flags = ACPI_WDAT_ENABLED,
				.entries = sizeof(wdat.entries) / sizeof(wdat.entries[0]),
			},
		.entries =
			{
				{ACPI_WDAT_RESTART, ACPI_WDAT_WRITE_VALUE, 0, restart, 1, 0xFF},
				{ACPI_WDAT_GET_LEFT, ACPI_WDAT_READ_COUNT, 0, left, 0, 0xFFFF},
				{ACPI_WDAT_GET_COUNTDOWN, ACPI_WDAT_READ_COUNT, 0, countdown, 0,
				 0xFFFF},
				{ACPI_WDAT_SET_COUNTDOWN, ACPI_WDAT_WRITE_COUNT, 0, countdown, 0,
				 0xFFFF},
				{ACPI_WDAT_GET_RUNNING, ACPI_WDAT_READ_VALUE, 0, control, 1, 1},
				{ACPI_WDAT_SET_RUNNING, ACPI_WDAT_WRITE_VALUE, 0, control, 1, 1},
				{ACPI_WDAT_GET_STOPPED, ACPI_WDAT_READ_VALUE, 0, control, 0, 1},
				{ACPI_WDAT_SET_STOPPED, ACPI_WDAT_WRITE_VALUE, 0, control, 0, 1},
				{ACPI_WDAT_GET_FIRED, ACPI_WDAT_READ_VALUE, 0, status, 1, 1},
				{ACPI_WDAT_CLEAR_FIRED, ACPI_WDAT_WRITE_VALUE, 0, status, 1, 1},
			},
	};

	acpi_init_header(&wdat.head.header, "WDAT", 1);
	return acpi_add_table(b, &wdat, sizeof(wdat));
}

/* ---- SSDT: Scope (\_SB) { Device (Cnnn) { _HID ACPI0007, _UID nnn } ... } ---- */

static int acpi_add_ssdt(struct acpi_builder *b, unsigned int cpus)
{
	struct acpi_ssdt_cpu cpu = ACPI_SSDT_CPU_INIT;
	struct acpi_ssdt ssdt = ACPI_SSDT_INIT;
	size_t size = sizeof(ssdt) + cpus * sizeof(cpu), scope, at;
	unsigned int i;
	char name[12];
	uint8_t *buf;
	int r;

	buf = malloc(size);
	if (!buf)
		return -ENOMEM;
	acpi_init_header(&ssdt.header, "SSDT", 2);
	/* PkgLength of three bytes (20.2.4): the low 4 bits in the first, the rest in the two after it. */
	scope = size - offsetof(struct acpi_ssdt, scope_length);
	ssdt.scope_length[0] = (uint8_t)(0x80 | (scope & 0x0F));
	ssdt.scope_length[1] = (uint8_t)(scope >> 4);
	ssdt.scope_length[2] = (uint8_t)(scope >> 12);
	at = acpi_put(buf, 0, &ssdt, sizeof(ssdt));
	for (i = 0; i < cpus; i++) {
		snprintf(name, sizeof(name), "C%03X", i);
		memcpy(cpu.name, name, sizeof(cpu.name));
		cpu.uid = (uint8_t)i;
		at = acpi_put(buf, at, &cpu, sizeof(cpu));
	}
	r = acpi_add_table(b, buf, at);
	free(buf);
	return r;
}

/* ---- the roots ---- */

static int acpi_add_xsdt(struct acpi_builder *b, uint64_t *ret_addr)
{
	struct {
		struct acpi_header header;
		uint64_t tables[ACPI_MAX_TABLES];
	} __attribute__((packed)) xsdt = {0};

	acpi_init_header(&xsdt.header, "XSDT", 1);
	b->out->xsdt = (uint32_t)b->out->size;
	memcpy(xsdt.tables, b->tables, sizeof(b->tables));
	return acpi_place_table(b, &xsdt, sizeof(xsdt.header) + b->table_count * sizeof(uint64_t),
				ret_addr);
}

/* Every table but the RSDP. */
static int acpi_add_all(struct acpi_builder *b, const struct acpi_params *params,
			uint64_t *ret_xsdt)
{
	uint64_t dsdt;
	int r;

	r = acpi_add_dsdt(b, params, &dsdt);
	if (r < 0)
		return r;
	r = acpi_add_fadt(b, dsdt);
	if (r < 0)
		return r;
	r = acpi_add_madt(b, params->cpus);
	if (r < 0)
		return r;
	r = acpi_add_mcfg(b);
	if (r < 0)
		return r;
	r = acpi_add_spcr(b);
	if (r < 0)
		return r;
	r = acpi_add_wdat(b);
	if (r < 0)
		return r;
	r = acpi_add_ssdt(b, params->cpus);
	if (r < 0)
		return r;
	return acpi_add_xsdt(b, ret_xsdt);
}

int acpi_make(const struct acpi_params *params, uint64_t base, struct acpi_tables *ret_tables)
{
	struct acpi_rsdp rsdp = {.revision = 2, .length = sizeof(rsdp)};
	struct acpi_builder b = {.out = ret_tables, .base = base};
	uint64_t xsdt;
	int r;

	_Static_assert(sizeof(rsdp) == sizeof(ret_tables->rsdp), "5.2.5.3");
	if (!params->cpus || params->cpus > ACPI_MAX_CPUS)
		return -EINVAL;
	*ret_tables = (struct acpi_tables){0};
	r = acpi_add_all(&b, params, &xsdt);
	if (r < 0)
		return r;

	memcpy(rsdp.signature, "RSD PTR ", 8);
	memcpy(rsdp.oem_id, "VMBOOT", 6);
	rsdp.xsdt = xsdt;
	rsdp.checksum = acpi_checksum(&rsdp, ACPI_RSDP_V1_SIZE);
	rsdp.extended_checksum = acpi_checksum(&rsdp, sizeof(rsdp));
	memcpy(ret_tables->rsdp, &rsdp, sizeof(rsdp));
	return 0;
}

int acpi_build(struct guest_mem *mem, const struct acpi_params *params, uint64_t *ret_rsdp)
{
	const uint64_t base = LAYOUT_ACPI + ACPI_ALIGN;
	struct acpi_tables *tables = malloc(sizeof(*tables));
	int r;

	_Static_assert(LAYOUT_ACPI + ACPI_ALIGN + ACPI_MAX_SIZE <= LAYOUT_ACPI_END, "room for all");
	if (!tables)
		return -ENOMEM;
	r = acpi_make(params, base, tables);
	if (r == 0 && (gm_write(mem, base, tables->bytes, tables->size) < 0 ||
		       gm_write(mem, LAYOUT_ACPI, tables->rsdp, sizeof(tables->rsdp)) < 0))
		r = -ENOSPC;
	free(tables);
	if (r == 0)
		*ret_rsdp = LAYOUT_ACPI;
	return r;
}
