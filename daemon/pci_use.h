/* What the host uses its PCI functions for. */
#ifndef VMB_DAEMON_PCI_USE_H
#define VMB_DAEMON_PCI_USE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "menu_proto.h"

/*
 * Fills MAKES, USE and VERDICT of each of COUNT functions: disks by their mounts, swap and holders, network
 * interfaces by what is mounted over them, screens, serial lines and keyboards by the consoles. What cannot be found
 * out counts as used.
 */
void pci_use_fill(const char *root, struct menu_pci *pcis, size_t count);

/* Is block device NAME ("nvme0n1", "sda2") one that function ADDRESS makes, alone or with others? */
bool pci_use_makes(const char *root, const char *address, const char *name);

/*
 * Does anybody have a disk of function ADDRESS open for himself alone, or locked? Asks the disks themselves, so only in
 * a process of its own. 0, or -EBUSY with the sentence.
 */
int pci_use_check_disks(const char *root, const char *address, struct vmb_err *err);

#endif
