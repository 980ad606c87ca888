/* See include/host_pci.h. */
#include "host_pci.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci_files.h"
#include "pci_names.h"
#include "pci_usb.h"
#include "pci_use.h"
#include "text.h"

#define MAX_FUNCTIONS 4096
#define BASE_BRIDGE   0x06

/* Classes of the PCI Code and ID Assignment Specification: mass storage; USB and SD host controllers. */
#define BASE_STORAGE 0x01
#define CLASS_USB    0x0C03
#define CLASS_SDHCI  0x0805

static char *read_attr(const char *root, const char *address, const char *attr, char *buf,
		       size_t size)
{
	return pci_files_read_line(buf, size, root, "/sys/bus/pci/devices/%s/%s", address, attr);
}

static uint32_t read_hex(const char *root, const char *address, const char *attr)
{
	char buf[32];

	return (uint32_t)strtoul(read_attr(root, address, attr, buf, sizeof(buf)), NULL, 16);
}

static int32_t read_number(const char *root, const char *address, const char *attr)
{
	char buf[32], *end;
	long value = strtol(read_attr(root, address, attr, buf, sizeof(buf)), &end, 10);

	return end == buf || value < 0 || value > INT32_MAX ? -1 : (int32_t)value;
}

/* The last part of what the link ATTR points to; "" when there is none. */
static void read_link(const char *root, const char *address, const char *attr, char *buf,
		      size_t size)
{
	char real[PATH_MAX];

	buf[0] = '\0';
	if (pci_files_resolve(real, root, "/sys/bus/pci/devices/%s/%s", address, attr))
		text_escape(buf, size, strrchr(real, '/') + 1, strlen(strrchr(real, '/') + 1));
}

/* "8.0 GT/s PCIe" and "4" make "8.0 GT/s x4". A function that is no PCI Express has neither. */
static void read_speed(const char *root, struct menu_pci *pci)
{
	int32_t width = read_number(root, pci->address, "current_link_width");
	char speed[32], *end;

	read_attr(root, pci->address, "current_link_speed", speed, sizeof(speed));
	end = strstr(speed, "/s");
	if (width <= 0 || !end)
		return;
	snprintf(pci->link, sizeof(pci->link), "%.*s x%d", (int)(end + 2 - speed), speed,
		 (int)width);
}

/* Of an NVMe controller, whose driver has asked for it; blanks fill it up. What entries cannot name is left out. */
static void read_serial(const char *root, struct menu_pci *pci)
{
	DIR *dir = pci_files_open_dir(root, "/sys/bus/pci/devices/%s/nvme", pci->address);
	const char *name = pci_files_next(dir);
	char text[64];

	if (name) {
		pci_files_read_line(text, sizeof(text), root,
				    "/sys/bus/pci/devices/%s/nvme/%s/serial", pci->address, name);
		for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
			text[n - 1] = '\0';
		if (vm_config_is_pci_serial(text))
			text_copy(pci->serial, sizeof(pci->serial), text);
	}
	if (dir)
		closedir(dir);
}

static void read_function(const char *root, const char *address, struct menu_pci *ret_pci)
{
	struct menu_pci pci = {.numa = -1};
	char group[16], rom[PATH_MAX];

	text_copy(pci.address, sizeof(pci.address), address);
	pci.vendor = (uint16_t)read_hex(root, address, "vendor");
	pci.device = (uint16_t)read_hex(root, address, "device");
	pci.class_code = read_hex(root, address, "class") & 0xFFFFFF;
	text_copy(pci.class_name, sizeof(pci.class_name), pci_names_class(pci.class_code));
	read_link(root, address, "driver", pci.driver, sizeof(pci.driver));
	read_link(root, address, "iommu_group", group, sizeof(group));
	pci.group = group[0] ? (int32_t)strtol(group, NULL, 10) : -1;
	pci.numa = read_number(root, address, "numa_node");
	read_speed(root, &pci);
	read_serial(root, &pci);
	read_link(root, address, "physfn", pci.physfn, sizeof(pci.physfn));
	pci.rom = pci_files_resolve(rom, root, "/sys/bus/pci/devices/%s/rom", address) != NULL;
	if (pci.class_code >> 8 == CLASS_USB)
		pci_usb_describe(root, address, pci.usb, sizeof(pci.usb));
	if (pci.class_code >> 16 == BASE_BRIDGE)
		pci.verdict = MENU_PCI_BRIDGE;
	*ret_pci = pci;
}

static int compare_functions(const void *left, const void *right)
{
	const struct menu_pci *a = left, *b = right;

	if (a->group != b->group)
		return (uint32_t)a->group < (uint32_t)b->group ? -1 : 1; /* none is the last */
	/* "10000:00:00.0" comes after "0000:ff:00.0". */
	if (strlen(a->address) != strlen(b->address))
		return strlen(a->address) < strlen(b->address) ? -1 : 1;
	return strcmp(a->address, b->address);
}

int host_pci_gather(const char *root, struct menu_pci **ret_pcis, size_t *ret_count)
{
	struct dirent **names;
	struct menu_pci *pcis;
	char path[PATH_MAX];
	size_t n = 0;
	int count;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", root);
	count = scandir(path, &names, NULL, NULL);
	if (count < 0)
		return -errno;
	pcis = calloc((size_t)count + 1, sizeof(*pcis));
	for (int i = 0; i < count; i++) {
		if (pcis && n < MAX_FUNCTIONS && names[i]->d_name[0] != '.' &&
		    strlen(names[i]->d_name) < VM_PCI_ADDRESS_SIZE)
			read_function(root, names[i]->d_name, &pcis[n++]);
		free(names[i]);
	}
	free(names);
	if (!pcis)
		return -ENOMEM;
	if (n > 0)
		qsort(pcis, n, sizeof(*pcis), compare_functions);
	pci_names_fill(root, pcis, n);
	pci_use_fill(root, pcis, n);
	*ret_pcis = pcis;
	*ret_count = n;
	return 0;
}

static bool is_controller(uint32_t class_code)
{
	return class_code >> 16 == BASE_STORAGE || class_code >> 8 == CLASS_USB ||
	       class_code >> 8 == CLASS_SDHCI;
}

void host_pci_count_controllers(const char *root, uint32_t *ret_all, uint32_t *ret_bound)
{
	DIR *dir = pci_files_open_dir(root, "/sys/bus/pci/devices");
	uint32_t all = 0, bound = 0;
	const char *address;
	char driver[32];

	while ((address = pci_files_next(dir)) != NULL) {
		if (!is_controller(read_hex(root, address, "class") & 0xFFFFFF))
			continue;
		all++;
		bound += pci_files_driver(root, address, driver, sizeof(driver))[0] != '\0';
	}
	if (dir)
		closedir(dir);
	*ret_all = all;
	*ret_bound = bound;
}

/* ---- the machine ---- */

static bool has_groups(const char *root)
{
	DIR *dir = pci_files_open_dir(root, "/sys/kernel/iommu_groups");
	bool found = pci_files_next(dir) != NULL;

	if (dir)
		closedir(dir);
	return found;
}

/*
 * Interrupts that are remapped have names that begin with "IR-" in /proc/interrupts, the timer's for one. Where no name
 * tells either way it is left to the kernel, which refuses by itself.
 */
static bool remaps_interrupts(const char *root)
{
	FILE *f = pci_files_open(root, "/proc/interrupts");
	bool found = false, plain = false;
	char *line = NULL;
	size_t cap = 0;

	while (f && !found && getline(&line, &cap, f) > 0) {
		found = strstr(line, " IR-") != NULL;
		plain = plain || strstr(line, " IO-APIC") || strstr(line, " PCI-MSI");
	}
	free(line);
	if (f)
		fclose(f);
	return found || !plain;
}

/* Whichever of the two is used. */
static bool allows_unsafe(const char *root)
{
	static const char *const modules[] = {"vfio_iommu_type1", "iommufd"};
	bool allows = false;
	char text[8];

	for (size_t i = 0; i < 2; i++) {
		pci_files_read_line(text, sizeof(text), root,
				    "/sys/module/%s/parameters/allow_unsafe_interrupts",
				    modules[i]);
		allows = allows || text[0] == 'Y' || text[0] == '1';
	}
	return allows;
}

void host_pci_gather_state(const char *root, struct menu_pci_state *ret_state)
{
	struct menu_pci_state state = {.usable = 1};

	if (!has_groups(root)) {
		state.usable = 0;
		text_copy(state.text, sizeof(state.text),
			  "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): passthrough "
			  "off");
	} else if (!remaps_interrupts(root)) {
		state.usable = allows_unsafe(root);
		text_copy(
			state.text, sizeof(state.text),
			state.usable
				? "Unsafe interrupts: this machine does not remap them, so a guest "
				  "with a device can send any interrupt to the host. "
				  "allow_unsafe_interrupts is set, so be it."
				: "Unsafe interrupts: this machine does not remap them, so a guest "
				  "with a device could send any interrupt to the host: passthrough "
				  "off. Switch interrupt remapping on in the firmware; "
				  "vfio_iommu_type1.allow_unsafe_interrupts=1 takes the risk.");
	}
	*ret_state = state;
}
