/* See include/pci_group.h. */
#include "pci_group.h"

#include <stdio.h>
#include <string.h>

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
