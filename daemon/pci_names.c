/*
 * See daemon/pci_names.h. Names are no part of the program: they would be a third of it. build/pci.names is made from
 * Debian's pci.ids and goes beside it; on an ordinary host pci.ids itself does.
 */
#include "pci_names.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/*
 * Where names are looked for below the root directory. The format is that of pci.ids; what is our own has the numbers in
 * a shorter form besides.
 */
static const char *const files[] = {"/usr/share/vmboot/pci.names",
				    "/usr/local/share/vmboot/pci.names", "/usr/share/misc/pci.ids",
				    "/usr/share/hwdata/pci.ids", NULL};

/* PCI Code and ID Assignment Specification; the first row that fits counts. */
static const struct {
	uint32_t code, mask;
	const char *name;
} classes[] = {
	{0x010400, 0xFFFF00, "RAID controller"},
	{0x010600, 0xFFFF00, "SATA controller"},
	{0x010700, 0xFFFF00, "SAS controller"},
	{0x010802, 0xFFFFFF, "NVMe controller"},
	{0x010000, 0xFFFF00, "SCSI controller"},
	{0x010100, 0xFFFF00, "IDE controller"},
	{0x010000, 0xFF0000, "Storage controller"},
	{0x020000, 0xFFFF00, "Ethernet controller"},
	{0x020000, 0xFF0000, "Network controller"},
	{0x030000, 0xFFFF00, "VGA controller"},
	{0x030200, 0xFFFF00, "3D controller"},
	{0x030000, 0xFF0000, "Display controller"},
	{0x040300, 0xFFFF00, "Audio device"},
	{0x040000, 0xFF0000, "Multimedia controller"},
	{0x050000, 0xFF0000, "Memory controller"},
	{0x060000, 0xFFFF00, "Host bridge"},
	{0x060100, 0xFFFF00, "ISA bridge"},
	{0x060400, 0xFFFF00, "PCI bridge"},
	{0x060000, 0xFF0000, "Bridge"},
	{0x070000, 0xFFFF00, "Serial controller"},
	{0x070000, 0xFF0000, "Communication controller"},
	{0x080000, 0xFF0000, "System peripheral"},
	{0x090000, 0xFF0000, "Input device controller"},
	{0x0C0330, 0xFFFFF0, "USB controller"}, /* xHCI and USB4 */
	{0x0C0300, 0xFFFF00, "USB controller"},
	{0x0C0500, 0xFFFF00, "SMBus controller"},
	{0x0C0000, 0xFF0000, "Serial bus controller"},
	{0x0D0000, 0xFF0000, "Wireless controller"},
	{0x100000, 0xFF0000, "Encryption controller"},
	{0x110000, 0xFF0000, "Signal processing controller"},
	{0x120000, 0xFF0000, "Processing accelerator"},
	{0, 0, "PCI device"},
};

const char *pci_names_class(uint32_t class_code)
{
	size_t i = 0;

	while ((class_code & classes[i].mask) != classes[i].code)
		i++;
	return classes[i].name;
}

static FILE *open_names(const char *root)
{
	char path[PATH_MAX];
	FILE *f = NULL;

	for (size_t i = 0; !f && files[i]; i++) {
		snprintf(path, sizeof(path), "%s%s", root, files[i]);
		f = fopen(path, "re");
	}
	return f;
}

/*
 * A vendor's or a device's line: hexadecimal digits, blanks, the name; NULL for any other. Four digits are the number, less
 * are what it is more than *ID, the number of the line before (daemon/pci_names.awk).
 */
static char *split_line(char *line, unsigned int *id)
{
	size_t digits = strspn(line, "0123456789abcdefABCDEF");
	char *end = line + digits;
	unsigned int number = (unsigned int)strtoul(line, NULL, 16);

	if (digits == 0 || digits > 4 || *end != ' ')
		return NULL;
	*id = digits == 4 ? number : *id + number;
	end += strspn(end, " ");
	end[strcspn(end, "\r\n")] = '\0';
	return end;
}

static void take_vendor(struct menu_pci *pcis, size_t count, unsigned int vendor, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (pcis[i].vendor == vendor)
			text_escape(pcis[i].name, sizeof(pcis[i].name), name, strlen(name));
}

static void take_device(struct menu_pci *pcis, size_t count, unsigned int vendor,
			unsigned int device, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(pcis[i].name);

		if (pcis[i].vendor != vendor || pcis[i].device != device || n == 0 ||
		    n + 2 >= sizeof(pcis[i].name))
			continue;
		pcis[i].name[n++] = ' ';
		text_escape(pcis[i].name + n, sizeof(pcis[i].name) - n, name, strlen(name));
	}
}

/* A device that its vendor's list does not have keeps its number beside the vendor's name. */
static void add_numbers(struct menu_pci *pcis, size_t count, const uint8_t *known)
{
	for (size_t i = 0; i < count; i++) {
		size_t n = strlen(pcis[i].name);

		if (n == 0)
			snprintf(pcis[i].name, sizeof(pcis[i].name), "%04x:%04x", pcis[i].vendor,
				 pcis[i].device);
		else if (!known[i])
			snprintf(pcis[i].name + n, sizeof(pcis[i].name) - n, " %04x",
				 pcis[i].device);
	}
}

static bool has_vendor(const struct menu_pci *pcis, size_t count, unsigned int vendor)
{
	for (size_t i = 0; i < count; i++)
		if (pcis[i].vendor == vendor)
			return true;
	return false;
}

static void read_names(FILE *f, struct menu_pci *pcis, size_t count, uint8_t *known)
{
	unsigned int vendor = 0, id = 0;
	bool wanted = false;
	char line[512], *name;

	while (fgets(line, sizeof(line), f)) {
		if (line[0] == 'C' && line[1] == ' ') /* classes follow */
			break;
		if (line[0] != '\t') {
			name = split_line(line, &vendor);
			wanted = name && has_vendor(pcis, count, vendor);
			if (wanted)
				take_vendor(pcis, count, vendor, name);
			continue;
		}
		name = wanted && line[1] != '\t' ? split_line(line + 1, &id) : NULL;
		if (!name)
			continue;
		take_device(pcis, count, vendor, id, name);
		for (size_t i = 0; i < count; i++)
			known[i] |= pcis[i].vendor == vendor && pcis[i].device == id;
	}
}

void pci_names_fill(const char *root, struct menu_pci *pcis, size_t count)
{
	uint8_t *known = calloc(count + 1, 1);
	FILE *f = known ? open_names(root) : NULL;

	if (f) {
		read_names(f, pcis, count, known);
		fclose(f);
	}
	if (known)
		add_numbers(pcis, count, known);
	free(known);
}
