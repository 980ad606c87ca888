/* The virtio devices as vm.c makes them; everything else about them is private to this folder. */
#ifndef VMB_VMM_VIRTIO_VIRTIO_DEVICES_H
#define VMB_VMM_VIRTIO_VIRTIO_DEVICES_H

#include "vmm/disk/disk.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/net/net.h"
#include "vmm/pci/pci.h"
#include "vmm/ring.h"

#define VIRTIO_MAX_QUEUES     9 /* of the device that has most: a network card */
#define VIRTIO_BLK_MAX_QUEUES 4
#define VIRTIO_NET_MAX_PAIRS  4

/* What a driver does to a device that says something about the guest's state. */
enum virtio_event {
	VIRTIO_EVENT_SIZED,	 /* its BAR was measured */
	VIRTIO_EVENT_DRIVEN,	 /* a driver took it (DRIVER) */
	VIRTIO_EVENT_GIVEN_BACK, /* a driver that had it reset it */
	VIRTIO_EVENT_MSIX,	 /* MSI-X was switched on */
};

/* On vCPU threads, no lock held that an I/O thread takes. EVENT may be NULL. */
struct virtio_observer {
	void (*event)(void *arg, enum virtio_event event);
	void *arg;
};

/* What every virtio device needs; all borrowed, all outlive the device. */
struct virtio_env {
	struct guest_mem *mem;
	struct ring *ring; /* the device's queues are served on this thread, unless it says otherwise */
	struct msi_target msi;
	struct doorbell_target doorbell;
	struct virtio_observer observer;
};

/* A request queue of virtio-blk: its thread, and the disk as that thread sees it. */
struct virtio_blk_queue {
	struct ring *ring; /* borrowed, outlives the device; of no other queue with a batch hook */
	struct disk *disk;
};

/*
 * virtio-blk (virtio 1.2, 5.2) with COUNT queues (1 to VIRTIO_BLK_MAX_QUEUES) over their disks, which are
 * the same disk: what was written through one and is done is read through the others, and a flush
 * of any of them covers it. The disks are taken over, also on failure. INSTANCE numbers the device
 * for the log. The result goes to pci_bus_add(). 0, -ENOMEM or -EMFILE.
 */
int virtio_blk_create(const struct virtio_env *env, const struct virtio_blk_queue *queues,
		      unsigned int count, unsigned int instance, struct pci_device **ret_dev);

/*
 * What is behind DEV, which virtio_blk_create() made, may have become bigger: if so, the driver is told. Any
 * thread but those of its queues, one at a time.
 */
void virtio_blk_grow(struct pci_device *dev);

/* What the driver has asked of DEV, which virtio_blk_create() made, so far. Any thread. */
void virtio_blk_get_status(struct pci_device *dev, struct vmm_disk_status *ret_status);

/* A pair of queues of virtio-net: its thread, and where its packets go. */
struct virtio_net_pair {
	struct ring *ring; /* borrowed, outlives the device; of no other device with a batch hook */
	struct net_port *port;
	int vhost; /* an open /dev/vhost-net for the port, a tap; -1: none */
};

struct virtio_net_params {
	uint8_t mac[VM_NET_MAC_SIZE];
	uint16_t mtu;	       /* 0: not known */
	unsigned int instance; /* numbers the device for the log */
};

/*
 * virtio-net (virtio 1.2, 5.1) with COUNT pairs (1 to VIRTIO_NET_MAX_PAIRS), whose ports and descriptors are
 * taken over, also on failure. The link is up. The result goes to pci_bus_add(). 0, -ENOMEM or -EMFILE.
 */
int virtio_net_create(const struct virtio_env *env, const struct virtio_net_params *params,
		      const struct virtio_net_pair *pairs, unsigned int count,
		      struct pci_device **ret_dev);

/* Plugs the cable in or pulls it out: the driver is told, and nothing passes without it. Any thread. */
void virtio_net_set_link(struct pci_device *dev, bool up);

/*
 * PAUSED: returns when nothing of DEV touches guest memory any more, until it is let go on. Any thread but
 * an I/O thread. A reset does not end it.
 */
void virtio_net_set_paused(struct pci_device *dev, bool paused);

/* What DEV has moved so far. Any thread. */
void virtio_net_get_status(struct pci_device *dev, struct vmm_net_status *ret_status);

/* virtio-rng (virtio 1.2, 5.4), filled from getrandom(2). 0 or -ENOMEM. */
int virtio_rng_create(const struct virtio_env *env, struct pci_device **ret_dev);

/* Where virtio-console's bytes go. Both callbacks on the thread of the device's ring. */
struct virtio_console_params {
	/* From the driver: N bytes in guest memory, which it may change meanwhile. Must not block. */
	void (*transmit)(void *ctx, const uint8_t *buf, size_t n);
	/* The driver offers buffers; virtio_console_receive() may have been refused before. */
	void (*receive_ready)(void *ctx);
	void *ctx;
};

/* virtio-console (virtio 1.2, 5.3) with one port. The result goes to pci_bus_add(). 0, -ENOMEM or -EMFILE. */
int virtio_console_create(const struct virtio_env *env, const struct virtio_console_params *params,
			  struct pci_device **ret_dev);

/*
 * N bytes for the driver of DEV, which virtio_console_create() made; returns how many it had room for.
 * receive_ready() tells when to come with the rest. On the thread of the device's ring.
 */
size_t virtio_console_receive(struct pci_device *dev, const uint8_t *buf, size_t n);

/* virtio-balloon (virtio 1.2, 5.5) with free page reporting and statistics. 0, -ENOMEM or -EMFILE. */
int virtio_balloon_create(const struct virtio_env *env, struct pci_device **ret_dev);

/* So much of its memory the guest is asked to give back, in whole pages. Any thread, no lock of DEV's. */
void virtio_balloon_set_target(struct pci_device *dev, uint64_t bytes);

/*
 * What became of that. The driver's own figures are those of the last call: each asks for new ones. Any thread
 * but the one of the device's ring.
 */
void virtio_balloon_get_status(struct pci_device *dev, struct vmm_balloon_status *ret_status);

#endif
