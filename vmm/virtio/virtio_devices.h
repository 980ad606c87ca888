/* The virtio devices as vm.c makes them; everything else about them is private to this folder. */
#ifndef VMB_VMM_VIRTIO_VIRTIO_DEVICES_H
#define VMB_VMM_VIRTIO_VIRTIO_DEVICES_H

#include "vmm/disk/disk.h"
#include "vmm/irq.h"
#include "vmm/mem.h"
#include "vmm/pci/pci.h"
#include "vmm/ring.h"

/* What every virtio device needs; all borrowed, all outlive the device. */
struct virtio_env {
	struct guest_mem *mem;
	struct ring *ring; /* the device's queues are served on this thread */
	struct msi_target msi;
	struct doorbell_target doorbell;
};

/*
 * virtio-blk (virtio 1.2, 5.2) over DISK (taken over, also on failure). INSTANCE numbers the device
 * for the log. The result goes to pci_bus_add(). 0 or -ENOMEM.
 */
int virtio_blk_create(const struct virtio_env *env, struct disk *disk, unsigned int instance,
		      struct pci_device **ret_dev);

/* What the driver has asked of DEV, which virtio_blk_create() made, so far. Any thread. */
void virtio_blk_get_status(struct pci_device *dev, struct vmm_disk_status *ret_status);

/* virtio-rng (virtio 1.2, 5.4), filled from getrandom(2). 0 or -ENOMEM. */
int virtio_rng_create(const struct virtio_env *env, struct pci_device **ret_dev);

#endif
