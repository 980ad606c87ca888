/* Which network interfaces the host needs for its own files: the way to servers of mounted file systems and of disks. */
#ifndef VMB_DAEMON_PCI_NET_H
#define VMB_DAEMON_PCI_NET_H

#include <net/if.h>
#include <stddef.h>

#define PCI_NET_MAX 32

struct pci_net_use {
	char interface[IFNAMSIZ];
	char how[96]; /* "carries /srv (nfs4)", terminal-safe */
};

/*
 * Fills USES (room for PCI_NET_MAX), the interfaces below bridges, bonds and VLANs included; returns how many. A server
 * whose address nobody tells is taken to be behind the default route.
 */
size_t pci_net_uses(const char *root, struct pci_net_use *uses);

#endif
