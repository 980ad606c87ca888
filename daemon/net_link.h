/* The host's network interfaces: what they are, and the few changes that a virtual machine's need. */
#ifndef VMB_DAEMON_NET_LINK_H
#define VMB_DAEMON_NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "vm_config.h"

enum net_link_kind {
	NET_LINK_NONE, /* there is no such interface */
	NET_LINK_TAP,
	NET_LINK_BRIDGE,
	NET_LINK_MACVTAP,
	NET_LINK_OTHER,
};

struct net_link {
	enum net_link_kind kind;
	bool multi_queue; /* of a tap: it takes more than one pair of queues */
	bool in_use;	  /* of a tap: somebody holds it open, as far as that can be told */
};

/* What NAME is; NET_LINK_NONE also when nothing can be told. */
struct net_link net_link_look(const char *name);

/* What interface NAME is told of, or told; a MAC has 6 bytes, an MTU counts bytes. All of these: 0 or -errno. */
int net_link_index(const char *name, int *ret_index);
int net_link_mtu(const char *name, uint16_t *ret_mtu);
int net_link_mac(const char *name, uint8_t *ret_mac);
int net_link_set_mtu(const char *name, uint16_t mtu);
int net_link_set_mac(const char *name, const uint8_t *mac);
int net_link_set_up(const char *name); /* 0 also when it is up already */
int net_link_join_bridge(const char *bridge, const char *name);

/* Makes the macvtap NAME in bridge mode over PARENT, with MAC. -EEXIST when there is a NAME. */
int net_link_make_macvtap(const char *name, const char *parent, const uint8_t *mac);
/* Takes interface NAME away. 0 or -errno. */
int net_link_remove(const char *name);

#endif
