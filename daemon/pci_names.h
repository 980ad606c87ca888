/* Names of PCI vendors, devices and classes. */
#ifndef VMB_DAEMON_PCI_NAMES_H
#define VMB_DAEMON_PCI_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "menu_proto.h"

/*
 * Fills NAME of each of COUNT functions whose vendor and device are known, from the first file of names that there
 * is below ROOT; the others get their numbers.
 */
void pci_names_fill(const char *root, struct menu_pci *pcis, size_t count);

/* "NVMe controller" of a class code (base class, subclass, interface); never NULL. */
const char *pci_names_class(uint32_t class_code);

#endif
