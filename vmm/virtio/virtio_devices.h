/* The virtio devices as vm.c makes them; everything else about them is private to this folder. */
#ifndef VMB_VMM_VIRTIO_VIRTIO_DEVICES_H
#define VMB_VMM_VIRTIO_VIRTIO_DEVICES_H

#include "vmm/disk/disk.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/pci/pci.h"
#include "vmm/ring.h"

#define VIRTIO_MAX_QUEUES 4

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
 * virtio-blk (virtio 1.2, 5.2) with COUNT queues (1 to VIRTIO_MAX_QUEUES) over their disks, which are
 * the same disk: what was written through one and is done is read through the others, and a flush
 * of any of them covers it. The disks are taken over, also on failure. INSTANCE numbers the device
 * for the log. The result goes to pci_bus_add(). 0, -ENOMEM or -EMFILE.
 */
int virtio_blk_create(const struct virtio_env *env, const struct virtio_blk_queue *queues,
		      unsigned int count, unsigned int instance, struct pci_device **ret_dev);

/* What the driver has asked of DEV, which virtio_blk_create() made, so far. Any thread. */
void virtio_blk_get_status(struct pci_device *dev, struct vmm_disk_status *ret_status);

/* virtio-rng (virtio 1.2, 5.4), filled from getrandom(2). 0 or -ENOMEM. */
int virtio_rng_create(const struct virtio_env *env, struct pci_device **ret_dev);

#endif
