/*
 * IOMMU groups: functions that the IOMMU cannot tell apart, so that they go to one guest together or not at all. The
 * menu, which marks, and the launcher, which refuses, ask the same functions.
 */
#ifndef VMB_INCLUDE_PCI_GROUP_H
#define VMB_INCLUDE_PCI_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "menu_proto.h"

/* Do A and B have to go together? Bridges stay with the host. */
bool pci_group_together(const struct menu_pci *a, const struct menu_pci *b);

/* ADDRESS as people write it: without the domain when that is 0. Points into ADDRESS. */
const char *pci_group_short(const char *address);

/*
 * "group 14 also holds 00:1f.2 SATA controller, 00:1f.3 SMBus controller: all 3 move" about function number INDEX of
 * COUNT; when it is more than one device, that no ACS keeps them apart. Empty when it is alone. Returns BUF.
 */
char *pci_group_describe(const struct menu_pci *pcis, size_t count, size_t index, char *buf,
			 size_t size);

/* PCI, and no other that may come to its address, is what VFIO names from now on. */
void pci_group_pick(const struct menu_pci *pci, struct vm_vfio *vfio);

/* Is PCI, which is at VFIO's address, what was chosen then? */
bool pci_group_is_meant(const struct menu_pci *pci, const struct vm_vfio *vfio);

/*
 * The function that VFIO names, of COUNT; NULL when there is none at its address, or another one than was chosen. BUF has
 * the sentence then, which says where that one is now if it is anywhere.
 */
const struct menu_pci *pci_group_find(const struct menu_pci *pcis, size_t count,
				      const struct vm_vfio *vfio, char *buf, size_t size);

#endif
