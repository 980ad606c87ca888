/* What vmboot list prints of PCI devices. */
#ifndef VMB_CMD_LIST_H
#define VMB_CMD_LIST_H

#include <stdbool.h>

/* vmboot list --pci [--json], below ROOT ("" for the running system). The process's exit status. */
int list_pci(const char *root, bool json);

#endif
