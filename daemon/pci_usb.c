/* See daemon/pci_usb.h; Linux Documentation/ABI/testing/sysfs-bus-usb and stable/sysfs-bus-usb. */
#include "pci_usb.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci_files.h"
#include "text.h"

#define CLASS_HUB 0x09

/* An interface has a colon in its name, a root hub none but its bus's number. */
static bool is_device(const char *root, const char *address, const char *name)
{
	char real[PATH_MAX], below[VM_PCI_ADDRESS_SIZE + 8], class[8];

	snprintf(below, sizeof(below), "/%s/usb", address);
	if (strchr(name, ':') || strncmp(name, "usb", 3) == 0 ||
	    !pci_files_resolve(real, root, "/sys/bus/usb/devices/%s", name) || !strstr(real, below))
		return false;
	pci_files_read_line(class, sizeof(class), root, "/sys/bus/usb/devices/%s/bDeviceClass",
			    name);
	return strtoul(class, NULL, 16) != CLASS_HUB;
}

static void add_name(const char *root, const char *name, char *buf, size_t size)
{
	char product[64], vendor[8], text[80];
	size_t n = strlen(buf);

	pci_files_read_line(product, sizeof(product), root, "/sys/bus/usb/devices/%s/product",
			    name);
	if (!product[0]) {
		pci_files_read_line(vendor, sizeof(vendor), root,
				    "/sys/bus/usb/devices/%s/idVendor", name);
		pci_files_read_line(product, sizeof(product), root,
				    "/sys/bus/usb/devices/%s/idProduct", name);
		snprintf(text, sizeof(text), "%s:%s", vendor, product);
	} else {
		text_copy(text, sizeof(text), product);
	}
	if (n > 0 && n + 3 < size) {
		memcpy(buf + n, ", ", 3);
		n += 2;
	}
	text_escape(buf + n, size - n, text, strlen(text));
}

void pci_usb_describe(const char *root, const char *address, char *buf, size_t size)
{
	struct dirent **names;
	char path[PATH_MAX];
	int count;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/bus/usb/devices", root);
	count = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (is_device(root, address, names[i]->d_name))
			add_name(root, names[i]->d_name, buf, size);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}
