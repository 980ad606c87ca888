/*
 * PCI functions of the host for guests: what there is, and what the host uses it for. Reads sysfs and proc
 * (Documentation/ABI/testing/sysfs-bus-pci), and asks no device.
 */
#ifndef VMB_INCLUDE_HOST_PCI_H
#define VMB_INCLUDE_HOST_PCI_H

#include <stddef.h>

#include "err.h"
#include "menu_proto.h"

/*
 * Every PCI function below ROOT ("" for the running system), by IOMMU group and then by address; those
 * without a group come last. Texts are safe on a terminal. The array is the caller's to free(). 0, -ENOMEM, or
 * -errno when there is no PCI bus.
 */
int host_pci_gather(const char *root, struct menu_pci **ret_pcis, size_t *ret_count);

/* Whether devices can be passed to guests at all: IOMMU and interrupt remapping. */
void host_pci_gather_state(const char *root, struct menu_pci_state *ret_state);

#endif
