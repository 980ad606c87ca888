/*
 * What virtio-net sends to and receives from: a port that takes and gives whole packets, one port
 * for each pair of queues. tap.c is the one there is: a tap or macvtap of the host.
 *
 * A packet is preceded by a struct virtio_net_hdr_v1 (virtio 1.2, 5.1.6) in both directions, so that
 * what the guest leaves undone (checksum, segmentation) is done where the packet leaves the host, or
 * never. Every function is called on the port's I/O thread, and none of them waits.
 */
#ifndef VMB_VMM_NET_NET_H
#define VMB_VMM_NET_NET_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "err.h"

#define NET_HDR_SIZE 12 /* struct virtio_net_hdr_v1 */

/* The longest packet: 64 KiB of IP in an Ethernet frame with two VLAN tags. */
#define NET_PACKET_MAX (65535 + 14 + 8)

/* For SET_OFFLOADS: the kernel's TUN_F_*, of which older headers lack the last two (Linux 6.2). */
#define NET_OFFLOAD_CSUM 0x01
#define NET_OFFLOAD_TSO4 0x02
#define NET_OFFLOAD_TSO6 0x04
#define NET_OFFLOAD_ECN	 0x08
#define NET_OFFLOAD_USO4 0x20
#define NET_OFFLOAD_USO6 0x40

struct net_port;

struct net_port_ops {
	/*
	 * The next packet, cut off when IOV is too small. Its bytes, -EAGAIN when there is none, or
	 * -errno.
	 */
	ssize_t (*receive)(struct net_port *port, const struct iovec *iov, unsigned int count);
	/* 0, -EAGAIN when the port takes none now (its descriptor will be writable), or -errno: it is lost. */
	int (*send)(struct net_port *port, const struct iovec *iov, unsigned int count);
	/* What received packets may leave undone, for the card as a whole. 0 or -errno. */
	int (*set_offloads)(struct net_port *port, unsigned int offloads);
	/* The port takes part in the traffic, or stands aside; the first of a card always takes part. 0 or -errno. */
	int (*set_attached)(struct net_port *port, bool attached);
	void (*destroy)(struct net_port *port);
};

struct net_port {
	const struct net_port_ops *ops;
	int fd;		       /* to be watched: readable while a packet waits */
	unsigned int offloads; /* all that set_offloads() may get */
};

/*
 * Port over FD, a tap or macvtap that was opened non-blocking with IFF_VNET_HDR (taken over, also on
 * failure). 0 or -errno with the sentence in ERR.
 */
int net_open_tap(int fd, struct net_port **ret_port, struct vmb_err *err);

#endif
