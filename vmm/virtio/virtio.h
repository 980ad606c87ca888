/*
 * A virtio device behind PCI, for the authors of devices (blk.c, rng.c): they embed struct
 * virtio_device and get kicks on an I/O thread, which each queue may have its own. virtio_pci.c is the face the driver sees,
 * virtio_device.c the I/O side; virtio 1.2, 2 and 4.1.
 *
 * Locks: LOCK (vCPU threads only) is taken before pci.lock. An I/O thread takes only pci.lock, so a
 * vCPU may wait for the I/O thread while it holds LOCK, never while it holds pci.lock.
 */
#ifndef VMB_VMM_VIRTIO_VIRTIO_H
#define VMB_VMM_VIRTIO_VIRTIO_H

#include <stdatomic.h>

#include "log.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/pci_device.h"
#include "vmm/virtio/virtio_devices.h"
#include "vmm/virtio/virtqueue.h"

#define VIRTIO_NAME_SIZE  16

struct virtio_device;

struct virtio_queue {
	struct virtio_device *vdev;
	struct ring *ring; /* whose thread serves it: "the queue's thread" */
	unsigned int index;
	struct vq vq;
	struct ring_watch watch; /* the doorbell's eventfd */
	bool started;		 /* the queue's thread: enabled, and the features are in VQ */
	bool driver_spins; /* on the used ring after each doorbell, whatever else it says: answer at once */
	_Atomic bool waits_for_others; /* chains stay until the outside world answers: no poller waits for that */
	uint16_t vector;	 /* pci.lock */
	bool doorbell_attached;	 /* pci.lock */
	/* For drivers that poll: how many doorbells exited to us, seen and wholly answered. */
	_Atomic uint32_t rung;
	uint32_t seen; /* the queue's thread */
	_Atomic uint32_t answered;
};

/* All but DESTROY and WRITE_CONFIG on the thread of the queue, START on the first queue's. START and STOP may be NULL. */
struct virtio_device_ops {
	/* The driver is ready (DRIVER_OK); FEATURES are final. */
	void (*start)(struct virtio_device *vdev);
	/* QUEUE works from now on. May be NULL. */
	void (*queue_started)(struct virtio_device *vdev, struct virtio_queue *queue);
	/* Chains may be waiting in QUEUE. Only between start() and stop(). */
	void (*kick)(struct virtio_device *vdev, struct virtio_queue *queue);
	/* The driver wrote VALUE to the configuration. pci.lock held. NULL: all of it is read-only. */
	void (*write_config)(struct virtio_device *vdev, uint64_t offset, unsigned int size,
			     uint64_t value);
	/*
	 * Reset, for one queue after the other: returns when nothing of QUEUE is in flight any more;
	 * guest memory is not touched for it after that.
	 */
	void (*stop)(struct virtio_device *vdev, struct virtio_queue *queue);
	/*
	 * Returns when nothing of QUEUE is in flight any more; what was is answered as ever. NULL: nothing ever is when
	 * KICK has returned, or BUS_MASTER sees to it.
	 */
	void (*drain)(struct virtio_device *vdev, struct virtio_queue *queue);
	/* Bus mastering was switched on or off. A vCPU's thread, no lock held. May be NULL. */
	void (*bus_master)(struct virtio_device *vdev);
	/* MSI-X, or the vector of a queue, is not what it was. pci.lock held, any thread. May be NULL. */
	void (*vectors_changed)(struct virtio_device *vdev);
	/* Frees what embeds VDEV, after stop(); no lock held, not the I/O thread. */
	void (*destroy)(struct virtio_device *vdev);
};

struct virtio_params {
	char name[VIRTIO_NAME_SIZE]; /* for the log */
	uint16_t type;		     /* VIRTIO_ID_* */
	uint32_t class_code;	     /* of PCI */
	uint64_t features;	     /* beside those that all of them have */
	unsigned int queues;
	struct ring *rings[VIRTIO_MAX_QUEUES]; /* of each queue; NULL: that of the environment */
	uint16_t queue_size;
	const void *config; /* device configuration; borrowed; see virtio_change_config() */
	unsigned int config_len;
};

struct virtio_device {
	struct pci_device pci; /* first: this is what the bus knows */
	const struct virtio_device_ops *ops;
	struct virtio_env env;
	struct virtio_params params;
	struct log_limit log_limit;
	unsigned int pci_cfg_cap; /* offset of VIRTIO_PCI_CAP_PCI_CFG */

	/* pci.lock */
	struct msix msix;
	uint16_t config_vector;
	uint8_t config_generation;
	uint8_t isr;
	uint64_t bar_addr;
	uint64_t ports_addr;		/* of the BAR of doorbells */
	struct doorbell_place doorbell; /* the first queue's that is attached; PCI_UNMAPPED: none */
	bool wants_doorbells;	/* the driver negotiated EVENT_IDX: it is no polling firmware */

	/* LOCK */
	pthread_mutex_t lock;
	uint32_t device_feature_select;
	uint32_t driver_feature_select;
	uint64_t driver_features;
	uint16_t queue_select;

	_Atomic uint8_t status;
	_Atomic bool bus_master;

	_Atomic bool live; /* DRIVER_OK, nothing broken: queues are served */

	/* LOCK, while no queue is live; I/O threads read it */
	uint64_t features;
	struct virtio_queue queues[VIRTIO_MAX_QUEUES];

	/* Where vCPUs of polling drivers wait for QUEUES[].answered. */
	pthread_mutex_t poll_lock;
	pthread_cond_t poll_cond;
	_Atomic int pollers;
};

/*
 * Makes VDEV (zeroed, embedded) a PCI function. Before ENV's ring is started. 0, -ENOMEM, -EMFILE;
 * on failure VDEV needs no fini and OPS->destroy is not called.
 */
int virtio_device_init(struct virtio_device *vdev, const struct virtio_device_ops *ops,
		       const struct virtio_params *params, const struct virtio_env *env);

/* ---- for devices, on the queue's thread ---- */

/* Publishes what was pushed to QUEUE and interrupts the driver if it wants that; stops the device if QUEUE broke. */
void virtio_publish(struct virtio_queue *queue);

/* Interrupts the driver for QUEUE, whether it wants that or not. Any thread without pci.lock. */
void virtio_interrupt(struct virtio_queue *queue);

/* Comes back to QUEUE soon, after other work of this I/O thread had its turn. Any thread. */
void virtio_kick_again(struct virtio_queue *queue);

/*
 * Writes LEN bytes of VALUE over FIELD, which is in PARAMS.config, and tells the driver (2.5, 4.1.4.3.1).
 * Any thread without a lock of VDEV.
 */
void virtio_change_config(struct virtio_device *vdev, void *field, const void *value, size_t len);

/* Was feature BIT negotiated? */
static inline bool virtio_has_feature(const struct virtio_device *vdev, unsigned int bit)
{
	return vdev->features >> bit & 1;
}

/*
 * ---- virtio_common.c: the common configuration registers, at OFFSET of their structure; no lock
 * held ----
 */

/* virtio 1.2, 4.1.4.3. SIZE bytes from OFFSET; what reaches beyond the structure reads as 0 and takes no write. */
uint64_t virtio_common_read(struct virtio_device *vdev, uint64_t offset, unsigned int size);
void virtio_common_write(struct virtio_device *vdev, uint64_t offset, unsigned int size,
			 uint64_t value);

/* ---- virtio_pci.c ---- */

/* Tells the environment's observer, if there is one. pci.lock not held. */
void virtio_tell(const struct virtio_device *vdev, enum virtio_event event);

/* The driver negotiated something that shows it is no polling firmware, or was reset. LOCK held. */
void virtio_want_doorbells(struct virtio_device *vdev, bool wants);

/* ---- virtio_device.c, the I/O side; LOCK held ---- */

/* The I/O side of VDEV: watches, queues. 0, -EMFILE, -ENOMEM. */
int virtio_io_init(struct virtio_device *vdev);
/* Undoes a virtio_io_init() that did not fail. */
void virtio_io_fini(struct virtio_device *vdev);

/* The driver has enabled QUEUE: its rings are taken over, or its device is broken. */
void virtio_io_enable_queue(struct virtio_queue *queue);
/* The driver is ready (DRIVER_OK): the features hold from now on, enabled queues are served. */
void virtio_io_start(struct virtio_device *vdev);
/*
 * Bus mastering was switched off: a driver that was there leaves, and what comes next may use the memory of its rings
 * for something else long before it resets the device (Linux by kexec). So nothing is served any more until a driver says
 * DRIVER_OK again, which the status has lost. Waits for I/O in flight.
 */
void virtio_io_hold(struct virtio_device *vdev);
/* Back to the state after power-on, all but PCI's own; waits for I/O in flight. */
void virtio_io_reset(struct virtio_device *vdev);

/* The doorbell of QUEUE was rung by an exit. LOCK not held. */
void virtio_io_ring(struct virtio_queue *queue);

/* INTA# after a change of ISR or of MSI-X. pci.lock held. */
void virtio_update_intx(struct virtio_device *vdev);

#endif
