/*
 * Which virtual machine has which of the host's PCI devices: a lock for each in a directory of the run-time files,
 * which goes with the process that has it, however that ends.
 */
#ifndef VMB_DAEMON_PCI_HOLD_H
#define VMB_DAEMON_PCI_HOLD_H

#include "err.h"
#include "vm_config.h"

struct pci_hold {
	int fds[VM_MAX_VFIO]; /* one for each device of the configuration */
	unsigned int count;
};

/*
 * Locks CONFIG's devices in DIR, which is made if need be. 0, or -errno with the sentence, which names who has one of
 * them; nothing is held then.
 */
int pci_hold_lock(const char *dir, const struct vm_config *config, struct pci_hold *ret_hold,
		  struct vmb_err *err);

/* Nothing if there is nothing to let go. */
void pci_hold_release(struct pci_hold *hold);

#endif
