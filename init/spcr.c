/* See init/spcr.h. */
#include "spcr.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

/* Where things are in the table. The address is a generic address structure (ACPI 6.5, 5.2.3.2). */
#define SPCR_LENGTH  4
#define SPCR_SPACE   40 /* of addresses */
#define SPCR_ADDRESS 44
#define SPCR_BAUD    58
#define SPCR_SIZE    80
#define SPACE_MEMORY 0
#define SPACE_IO     1
#define LINES	     32 /* of the 8250 driver */

/* What of kind WHAT is in sysfs about line NUMBER: a hexadecimal number, or 0. */
static uint64_t read_number(const char *root, int number, const char *what)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/sys/class/tty/ttyS%d/%s", number, what);
	return host_read_file(root, path, text, sizeof(text)) ? strtoull(text, NULL, 0) : 0;
}

static unsigned int decode_baud(uint8_t code)
{
	switch (code) {
	case 3: return 9600;
	case 4: return 19200;
	case 6: return 57600;
	case 7: return 115200;
	default: return 0;
	}
}

bool spcr_find(const char *root, char ret_name[16], unsigned int *ret_speed)
{
	uint8_t table[SPCR_SIZE + 1] = {0};
	uint64_t address;
	uint32_t length;

	if (!host_read_file(root, "/sys/firmware/acpi/tables/SPCR", (char *)table, sizeof(table)))
		return false;
	memcpy(&length, table + SPCR_LENGTH, sizeof(length));
	memcpy(&address, table + SPCR_ADDRESS, sizeof(address));
	/* A line without an address is one that the operator has switched off. */
	if (memcmp(table, "SPCR", 4) != 0 || length < SPCR_SIZE || address == 0 ||
	    table[SPCR_SPACE] > SPACE_IO)
		return false;
	for (int i = 0; i < LINES; i++)
		/* One of type 0 has no chip behind it. */
		if (read_number(root, i, table[SPCR_SPACE] == SPACE_IO ? "port" : "iomem_base") ==
			    address &&
		    read_number(root, i, "type") != 0) {
			snprintf(ret_name, 16, "ttyS%d", i);
			*ret_speed = decode_baud(table[SPCR_BAUD]);
			return true;
		}
	return false;
}
