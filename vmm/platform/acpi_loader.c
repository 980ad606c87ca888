/*
 * The ACPI tables for firmware that puts them into memory itself: two files of fw_cfg, the tables and the
 * RSDP, and a third with what is to be done with them (QEMU hw/acpi/bios-linker-loader.c has the format).
 * Each pointer in the files is an offset into the file that it points to, to which the firmware adds where
 * it put that; then checksums are to be made over what has changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/platform/acpi_tables.h"
#include "vmm/platform/platform.h"

#define TABLES	     "etc/acpi/tables"
#define RSDP	     "etc/acpi/rsdp"
#define TABLES_ALIGN 64
#define RSDP_ALIGN   16
#define MAX_COMMANDS 24

enum { LOADER_ALLOCATE = 1, LOADER_ADD_POINTER = 2, LOADER_ADD_CHECKSUM = 3 };
enum { ZONE_HIGH = 1, ZONE_FSEG = 2 };

/* Little-endian. */
struct loader_command {
	uint32_t type;
	union {
		struct {
			char file[FW_CFG_NAME];
			uint32_t align;
			uint8_t zone;
		} ACPI_PACKED allocate;
		struct {
			char in[FW_CFG_NAME];
			char to[FW_CFG_NAME];
			uint32_t offset;
			uint8_t size;
		} ACPI_PACKED pointer;
		struct {
			char file[FW_CFG_NAME];
			uint32_t result;
			uint32_t start;
			uint32_t length;
		} ACPI_PACKED checksum;
		uint8_t whole[124];
	};
};
_Static_assert(sizeof(struct loader_command) == 128, "bios-linker-loader.c");

struct script {
	unsigned int count;
	struct loader_command commands[MAX_COMMANDS];
};

static struct loader_command *add_command(struct script *script, uint32_t type)
{
	struct loader_command *command = &script->commands[script->count++];

	command->type = type;
	return command;
}

static void add_allocate(struct script *script, const char *file, uint32_t align, uint8_t zone)
{
	struct loader_command *command = add_command(script, LOADER_ALLOCATE);

	strcpy(command->allocate.file, file);
	command->allocate.align = align;
	command->allocate.zone = zone;
}

/* FILE has at OFFSET a pointer of SIZE bytes into the tables. */
static void add_pointer(struct script *script, const char *file, uint32_t offset, uint8_t size)
{
	struct loader_command *command = add_command(script, LOADER_ADD_POINTER);

	strcpy(command->pointer.in, file);
	strcpy(command->pointer.to, TABLES);
	command->pointer.offset = offset;
	command->pointer.size = size;
}

/* The sum of LENGTH bytes from START of FILE, which BYTES are the content of, becomes 0 by the byte at RESULT. */
static void add_checksum(struct script *script, const char *file, uint8_t *bytes, uint32_t result,
			 uint32_t start, uint32_t length)
{
	struct loader_command *command = add_command(script, LOADER_ADD_CHECKSUM);

	strcpy(command->checksum.file, file);
	command->checksum.result = result;
	command->checksum.start = start;
	command->checksum.length = length;
	bytes[result] = 0; /* it counts, too */
}

static void add_table_checksum(struct script *script, struct acpi_tables *tables, uint32_t at)
{
	struct acpi_header header;

	memcpy(&header, tables->bytes + at, sizeof(header));
	add_checksum(script, TABLES, tables->bytes,
		     at + (uint32_t)offsetof(struct acpi_header, checksum), at, header.length);
}

static void write_script(struct script *script, struct acpi_tables *tables)
{
	struct acpi_header xsdt;

	memcpy(&xsdt, tables->bytes + tables->xsdt, sizeof(xsdt));
	add_allocate(script, TABLES, TABLES_ALIGN, ZONE_HIGH);
	add_allocate(script, RSDP, RSDP_ALIGN, ZONE_FSEG);
	add_pointer(script, TABLES, tables->fadt + (uint32_t)offsetof(struct acpi_fadt, dsdt), 4);
	add_pointer(script, TABLES, tables->fadt + (uint32_t)offsetof(struct acpi_fadt, x_dsdt), 8);
	for (uint32_t at = sizeof(xsdt); at < xsdt.length; at += 8)
		add_pointer(script, TABLES, tables->xsdt + at, 8);
	add_pointer(script, RSDP, offsetof(struct acpi_rsdp, xsdt), 8);
	add_table_checksum(script, tables, tables->fadt);
	add_table_checksum(script, tables, tables->xsdt);
	add_checksum(script, RSDP, tables->rsdp, offsetof(struct acpi_rsdp, checksum), 0,
		     ACPI_RSDP_V1_SIZE);
	add_checksum(script, RSDP, tables->rsdp, offsetof(struct acpi_rsdp, extended_checksum), 0,
		     sizeof(tables->rsdp));
}

int acpi_load(struct fw_cfg *cfg, const struct acpi_params *params)
{
	struct {
		struct acpi_tables tables;
		struct script script;
	} *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	r = acpi_make(params, 0, &all->tables);
	if (r == 0) {
		write_script(&all->script, &all->tables);
		r = fw_cfg_add_file(cfg, TABLES, all->tables.bytes, all->tables.size);
	}
	if (r == 0)
		r = fw_cfg_add_file(cfg, RSDP, all->tables.rsdp, sizeof(all->tables.rsdp));
	if (r == 0)
		r = fw_cfg_add_file(cfg, "etc/table-loader", all->script.commands,
				    all->script.count * sizeof(all->script.commands[0]));
	free(all);
	return r;
}
