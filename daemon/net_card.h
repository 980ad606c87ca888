/* The network cards of a virtual machine to be: opens what they are joined to. Used by launch.c only. */
#ifndef VMB_DAEMON_NET_CARD_H
#define VMB_DAEMON_NET_CARD_H

#include <net/if.h>

#include "vmm_proto.h"

struct net_card {
	struct vmm_net info;
	char ifname[IFNAMSIZ];	       /* the tap or macvtap, empty: none */
	uint8_t made;		       /* IFNAME is a macvtap of ours, to be removed at the end */
	int taps[VM_MAX_NET_QUEUES];   /* info.queues of them */
	int vhosts[VM_MAX_NET_QUEUES]; /* as many, with info.vhost */
};

/*
 * Opens card NUMBER of CONFIG, making what has to be made. 0, or -errno with the sentence: missing,
 * of another kind, busy, not permitted. Nothing is left on failure.
 */
int net_card_open(const struct vm_config *config, unsigned int number, struct net_card *ret_card,
		  struct vmb_err *err);

/* Puts CARD's descriptors to FDS in the order of VMM_START; returns how many. */
unsigned int net_card_put_fds(const struct net_card *card, int *fds);

/* Closes the descriptors; the interface stays. */
void net_card_close(struct net_card *card);

/* Removes what was made for CARD, once nobody has it open. */
void net_card_remove(struct net_card *card);

/*
 * The address of card NUMBER where CONFIG does not say one: locally administered, the same at every
 * start of this machine's virtual machine with this first disk (or kernel, or firmware).
 */
void net_card_default_mac(const struct vm_config *config, unsigned int number, uint8_t *ret_mac);

#endif
