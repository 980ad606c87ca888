/* See include/pci_group.h. */
#include "pci_group.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

bool pci_group_together(const struct menu_pci *a, const struct menu_pci *b)
{
	return a->group >= 0 && a->group == b->group && a->verdict != MENU_PCI_BRIDGE &&
	       b->verdict != MENU_PCI_BRIDGE;
}

const char *pci_group_short(const char *address)
{
	return strncmp(address, "0000:", 5) == 0 ? address + 5 : address;
}

/* Functions of one device share everything but the last digit. */
static bool is_same_device(const struct menu_pci *a, const struct menu_pci *b)
{
	size_t n = strlen(a->address);

	return n > 1 && strlen(b->address) == n && memcmp(a->address, b->address, n - 1) == 0;
}

char *pci_group_describe(const struct menu_pci *pcis, size_t count, size_t index, char *buf,
			 size_t size)
{
	const struct menu_pci *self = &pcis[index];
	unsigned int others = 0;
	bool apart = false;
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (i == index || !pci_group_together(self, &pcis[i]))
			continue;
		apart = apart || !is_same_device(self, &pcis[i]);
		if (others++ == 0)
			snprintf(buf, size, "group %d also holds %s %s", self->group,
				 pci_group_short(pcis[i].address), pcis[i].class_name);
		else
			snprintf(buf + n, size - n, ", %s %s", pci_group_short(pcis[i].address),
				 pcis[i].class_name);
		n = strlen(buf);
	}
	if (others == 1)
		snprintf(buf + n, size - n, ": both move");
	else if (others > 1)
		snprintf(buf + n, size - n, ": all %u move", others + 1);
	n = strlen(buf);
	if (apart)
		snprintf(buf + n, size - n, " (no ACS above keeps them apart)");
	return buf;
}

/* ---- the one that was chosen ---- */

void pci_group_pick(const struct menu_pci *pci, struct vm_vfio *vfio)
{
	text_copy(vfio->address, sizeof(vfio->address), pci->address);
	text_copy(vfio->serial, sizeof(vfio->serial), pci->serial);
	vfio->vendor = pci->vendor;
	vfio->device = pci->device;
}

static bool is_same_kind(const struct menu_pci *pci, const struct vm_vfio *vfio)
{
	return (vfio->vendor == 0 && vfio->device == 0) ||
	       (pci->vendor == vfio->vendor && pci->device == vfio->device);
}

bool pci_group_is_meant(const struct menu_pci *pci, const struct vm_vfio *vfio)
{
	/* With another driver than NVMe's nobody tells the serial number. */
	return is_same_kind(pci, vfio) &&
	       (!vfio->serial[0] || !pci->serial[0] || strcmp(pci->serial, vfio->serial) == 0);
}

/* Where the one that was chosen is now: at its serial number, or the first of its kind. NULL: nowhere, or nobody can tell. */
static const struct menu_pci *find_moved(const struct menu_pci *pcis, size_t count,
					 const struct vm_vfio *vfio)
{
	for (size_t i = 0; i < count; i++)
		if ((vfio->vendor || vfio->serial[0]) && is_same_kind(&pcis[i], vfio) &&
		    strcmp(pcis[i].address, vfio->address) != 0 &&
		    (!vfio->serial[0] || strcmp(pcis[i].serial, vfio->serial) == 0))
			return &pcis[i];
	return NULL;
}

const struct menu_pci *pci_group_find(const struct menu_pci *pcis, size_t count,
				      const struct vm_vfio *vfio, char *buf, size_t size)
{
	const struct menu_pci *pci = NULL, *moved;
	char what[16 + VM_PCI_SERIAL_SIZE];
	size_t n;

	for (size_t i = 0; i < count && !pci; i++)
		if (strcmp(pcis[i].address, vfio->address) == 0)
			pci = &pcis[i];
	if (pci && pci_group_is_meant(pci, vfio))
		return pci;
	if (vfio->serial[0])
		snprintf(what, sizeof(what), "number %s", vfio->serial);
	else
		snprintf(what, sizeof(what), "%04x:%04x", vfio->vendor, vfio->device);
	if (!pci)
		snprintf(buf, size, "This machine has no PCI device %s.", vfio->address);
	else if (is_same_kind(pci, vfio))
		snprintf(buf, size, "PCI device %s is number %s, not %s", vfio->address, pci->serial,
			 what);
	else
		snprintf(buf, size, "PCI device %s is %04x:%04x (%s), not %s", vfio->address,
			 pci->vendor, pci->device, pci->class_name, what);
	n = strlen(buf);
	moved = find_moved(pcis, count, vfio);
	if (moved && pci)
		snprintf(buf + n, size - n, ", which is at %s: choose that.", moved->address);
	else if (moved)
		snprintf(buf + n, size - n, " But %s is at %s: choose that.", what, moved->address);
	else if (pci)
		snprintf(buf + n, size - n, ", which was chosen.");
	return NULL;
}
