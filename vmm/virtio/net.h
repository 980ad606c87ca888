/*
 * Shared by net.c (the device), net_packets.c (its packets), net_control.c (its control queue) and
 * net_kernel.c (vhost-net). Nobody else includes this.
 *
 * Each pair of queues has an I/O thread and a port of its own; what belongs to a pair is touched on
 * that thread only, but for what is atomic.
 */
#ifndef VMB_VMM_VIRTIO_NET_H
#define VMB_VMM_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "vmm/net/net.h"
#include "vmm/virtio/vhost.h"
#include "vmm/virtio/virtio.h"

#define NET_QUEUE_SIZE 256
#define NET_HDR_LEN    sizeof(struct virtio_net_hdr_v1)
_Static_assert(NET_HDR_LEN == NET_HDR_SIZE, "the port's header is virtio's");

/* UDP segmentation, virtio 1.3 and Linux 6.2, which headers may lack. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4	  54
#define VIRTIO_NET_F_GUEST_USO6	  55
#define VIRTIO_NET_F_HOST_USO	  56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

struct net;

/* Of a pair since it was made; its I/O thread writes, anybody reads. */
struct net_counters {
	_Atomic uint64_t rx_packets;
	_Atomic uint64_t rx_bytes;
	_Atomic uint64_t rx_dropped;
	_Atomic uint64_t tx_packets;
	_Atomic uint64_t tx_bytes;
	_Atomic uint64_t tx_dropped;
};

/* The driver's buffers for one packet, as they were popped. */
struct net_buffers {
	unsigned int count;
	uint16_t heads[VQ_MAX_SIZE];
	uint32_t lens[VQ_MAX_SIZE]; /* written into each */
	uint8_t *num_buffers[2];    /* where that field of the header lies, byte by byte */
};

/* What a pair works with. Not on the stack: that is cleared each time, 5 KiB for each packet. */
struct net_memory {
	struct iovec iov[1 + VQ_MAX_SIZE]; /* of the chain in hand, behind room for a header */
	struct net_buffers buffers;	   /* for the packet in hand */
	uint8_t packet[NET_HDR_LEN + NET_PACKET_MAX]; /* that was received, header first */
};

struct net_pair {
	struct net *net;
	struct virtio_queue *rx;
	struct virtio_queue *tx;
	struct ring *ring;
	struct net_port *port;
	struct ring_watch readable;
	struct ring_watch writable;
	bool reading;	 /* READABLE is watched */
	bool writing;	 /* WRITABLE is watched: the port took no more */
	bool active;	 /* the driver uses this pair */
	bool gone;	 /* the port is no more */
	size_t waiting; /* bytes of the packet, while there were not enough buffers for it; 0: none */
	struct net_memory *memory; /* lazy_alloc() */
	struct net_counters counters;

	/* net_kernel.c: the kernel may serve the pair instead */
	bool has_kernel;
	bool in_kernel;	     /* it does; the pair's thread, with pci.lock to change it */
	bool kernel_refused; /* not until the next start of a driver */
	int vhost_fd;
	struct vhost vhost;
	struct ring_watch calls
		[VHOST_QUEUES]; /* eventfds for interrupts that the kernel cannot deliver itself */
	struct ring_watch kernel_error;
};

struct net {
	struct virtio_device vdev;
	struct virtio_net_config config;
	unsigned int pair_count;
	_Atomic bool link_up;
	_Atomic bool paused;
	struct net_pair pairs[VIRTIO_NET_MAX_PAIRS];
};

/* ---- net_packets.c, on the pair's thread ---- */

/* Before the others; PORT, RING and the queues are set. Any thread. */
void net_pair_init(struct net_pair *pair);

/* Something that decides whether packets may pass, or who moves them, has changed; or work may wait. */
void net_pair_update(struct net_pair *pair);

/* The vmm watches the pair's port no more until net_pair_update(); a packet that waited is lost. */
void net_pair_stop(struct net_pair *pair);

/* Sends what the driver made available. */
void net_send(struct net_pair *pair);

/* Receives into what the driver made available. */
void net_receive(struct net_pair *pair);

/* ---- net_control.c ---- */

/* Answers what is in the control queue; on its thread. */
void net_control(struct net *net, struct virtio_queue *queue);

/* ---- net_kernel.c ---- */

/* PAIR may be served by FD, an open /dev/vhost-net (taken over on success). Before its ring starts. 0 or -errno. */
int net_kernel_init(struct net_pair *pair, int fd);
/* Closes FD, which serves no queue any more. Nothing without a net_kernel_init(). */
void net_kernel_fini(struct net_pair *pair);

/*
 * Hands the pair to the kernel or takes it back, as things are now. MAY_PASS: the device works and the driver uses the
 * pair. True: the kernel has it. On the pair's thread.
 */
bool net_kernel_update(struct net_pair *pair, bool may_pass);

/* MSI-X or a queue's vector changed. pci.lock held. */
void net_kernel_update_calls(struct net *net);

/* ---- net.c ---- */

/* The driver uses the first COUNT pairs. No thread of a pair but the control queue's. */
void net_use_pairs(struct net *net, unsigned int count);

/* The driver hears of the link. Any thread without a lock of the device. */
void net_set_link(struct net *net, bool up);

/* What of NET_OFFLOAD_* the receive FEATURES (VIRTIO_NET_F_GUEST_*) mean. */
unsigned int net_offloads_of(uint64_t features);

#endif
