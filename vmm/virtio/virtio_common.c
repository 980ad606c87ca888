/*
 * The common configuration registers of a modern virtio device (virtio 1.2, 4.1.4.3): features,
 * status, queues. vCPU threads only; what they switch on and off at work is virtio_device.c.
 */
#include "vmm/virtio/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define COMMON_FEATURES                                                 \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
	 1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define DRIVER_STATUS_BITS                                                                    \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static uint64_t offered_features(const struct virtio_device *vdev)
{
	return vdev->params.features | COMMON_FEATURES;
}

/* The queue that queue_select names, NULL when there is none. */
static struct virtio_queue *selected_queue(struct virtio_device *vdev)
{
	return vdev->queue_select < vdev->params.queues ? &vdev->queues[vdev->queue_select] : NULL;
}

/* ---- reading ---- */

static uint16_t shown_vector(const struct virtio_device *vdev, uint16_t vector)
{
	return msix_failed(&vdev->msix, vector) ? MSIX_NO_VECTOR : vector;
}

static void fill_queue_fields(struct virtio_device *vdev, struct virtio_pci_common_cfg *c)
{
	const struct virtio_queue *q = selected_queue(vdev);

	if (!q) {
		c->queue_msix_vector = MSIX_NO_VECTOR;
		return; /* size 0 says that there is no such queue */
	}
	c->queue_size = q->vq.size;
	c->queue_msix_vector = shown_vector(vdev, q->vector);
	c->queue_enable = q->vq.enabled;
	c->queue_notify_off = (uint16_t)q->index;
	c->queue_desc_lo = (uint32_t)q->vq.desc_addr;
	c->queue_desc_hi = (uint32_t)(q->vq.desc_addr >> 32);
	c->queue_avail_lo = (uint32_t)q->vq.avail_addr;
	c->queue_avail_hi = (uint32_t)(q->vq.avail_addr >> 32);
	c->queue_used_lo = (uint32_t)q->vq.used_addr;
	c->queue_used_hi = (uint32_t)(q->vq.used_addr >> 32);
}

uint64_t virtio_common_read(struct virtio_device *vdev, uint64_t offset, unsigned int size)
{
	struct virtio_pci_common_cfg c = {0};
	uint64_t value = 0;

	if (offset + size > sizeof(c))
		return 0;
	pthread_mutex_lock(&vdev->lock);
	pthread_mutex_lock(&vdev->pci.lock);
	c.device_feature_select = vdev->device_feature_select;
	if (vdev->device_feature_select < 2)
		c.device_feature =
			(uint32_t)(offered_features(vdev) >> (32 * vdev->device_feature_select));
	c.guest_feature_select = vdev->driver_feature_select;
	if (vdev->driver_feature_select < 2)
		c.guest_feature =
			(uint32_t)(vdev->driver_features >> (32 * vdev->driver_feature_select));
	c.msix_config = shown_vector(vdev, vdev->config_vector);
	c.num_queues = (uint16_t)vdev->params.queues;
	c.device_status = atomic_load(&vdev->status);
	c.config_generation = vdev->config_generation;
	c.queue_select = vdev->queue_select;
	fill_queue_fields(vdev, &c);
	pthread_mutex_unlock(&vdev->pci.lock);
	pthread_mutex_unlock(&vdev->lock);
	memcpy(&value, (const char *)&c + offset, size);
	return value;
}

/* ---- writing ---- */

static void write_driver_features(struct virtio_device *vdev, uint32_t value)
{
	unsigned int shift = 32 * vdev->driver_feature_select;

	if (vdev->driver_feature_select >= 2 ||
	    (atomic_load(&vdev->status) & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	vdev->driver_features &= ~(0xFFFFFFFFULL << shift);
	vdev->driver_features |= (uint64_t)value << shift;
}

static bool features_acceptable(const struct virtio_device *vdev)
{
	return !(vdev->driver_features & ~offered_features(vdev)) &&
	       (vdev->driver_features >> VIRTIO_F_VERSION_1 & 1);
}

/* Virtio 1.2, 2.1 and 3.1.1. Bits are only ever added, all are cleared by writing zero. */
static void write_status(struct virtio_device *vdev, uint8_t value)
{
	uint8_t old = atomic_load(&vdev->status);
	uint8_t added = value & (uint8_t)~old & DRIVER_STATUS_BITS;

	if (value == 0) {
		virtio_io_reset(vdev);
		virtio_want_doorbells(vdev, false);
		if (old & VIRTIO_CONFIG_S_DRIVER)
			virtio_tell(vdev, VIRTIO_EVENT_GIVEN_BACK);
		return;
	}
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && !features_acceptable(vdev))
		added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!((old | added) & VIRTIO_CONFIG_S_FEATURES_OK))
		added &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	atomic_fetch_or(&vdev->status, added);
	if (added & VIRTIO_CONFIG_S_DRIVER)
		virtio_tell(vdev, VIRTIO_EVENT_DRIVEN);
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		virtio_io_start(vdev);
		virtio_want_doorbells(vdev, vdev->driver_features >> VIRTIO_RING_F_EVENT_IDX & 1);
	}
}

static uint16_t take_vector(struct virtio_device *vdev, uint16_t vector)
{
	uint16_t taken = MSIX_NO_VECTOR;

	pthread_mutex_lock(&vdev->pci.lock);
	if (vector != MSIX_NO_VECTOR && msix_use(&vdev->msix, vector) == 0)
		taken = vector;
	pthread_mutex_unlock(&vdev->pci.lock);
	return taken;
}

static void write_vector(struct virtio_device *vdev, uint16_t *where, uint16_t vector)
{
	uint16_t taken = take_vector(vdev, vector);

	pthread_mutex_lock(&vdev->pci.lock);
	*where = taken;
	if (vdev->ops->vectors_changed)
		vdev->ops->vectors_changed(vdev);
	pthread_mutex_unlock(&vdev->pci.lock);
}

static void write_queue_addr(struct virtio_queue *q, uint64_t offset, uint32_t value)
{
	struct vq *vq = &q->vq;

	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_DESCLO: vq_write_addr(vq, &vq->desc_addr, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_DESCHI: vq_write_addr(vq, &vq->desc_addr, 32, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO: vq_write_addr(vq, &vq->avail_addr, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_AVAILHI: vq_write_addr(vq, &vq->avail_addr, 32, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDLO: vq_write_addr(vq, &vq->used_addr, 0, value); break;
	case VIRTIO_PCI_COMMON_Q_USEDHI: vq_write_addr(vq, &vq->used_addr, 32, value); break;
	default: break;
	}
}

static void write_common16(struct virtio_device *vdev, uint64_t offset, uint16_t value)
{
	struct virtio_queue *q = selected_queue(vdev);

	switch (offset) {
	case VIRTIO_PCI_COMMON_MSIX: write_vector(vdev, &vdev->config_vector, value); return;
	case VIRTIO_PCI_COMMON_Q_SELECT: vdev->queue_select = value; return;
	default: break;
	}
	if (!q)
		return;
	switch (offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE: vq_write_size(&q->vq, value); break;
	case VIRTIO_PCI_COMMON_Q_MSIX: write_vector(vdev, &q->vector, value); break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1 && !q->vq.enabled)
			virtio_io_enable_queue(q);
		break;
	default: break;
	}
}

static void write_common32(struct virtio_device *vdev, uint64_t offset, uint32_t value)
{
	struct virtio_queue *q = selected_queue(vdev);

	switch (offset) {
	case VIRTIO_PCI_COMMON_DFSELECT: vdev->device_feature_select = value; break;
	case VIRTIO_PCI_COMMON_GFSELECT: vdev->driver_feature_select = value; break;
	case VIRTIO_PCI_COMMON_GF: write_driver_features(vdev, value); break;
	default:
		if (q)
			write_queue_addr(q, offset, value);
		break;
	}
}

/* Each field only by an access of its own width (4.1.3.1); the 64-bit ones by halves or whole. */
void virtio_common_write(struct virtio_device *vdev, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	pthread_mutex_lock(&vdev->lock);
	if (size == 1 && offset == VIRTIO_PCI_COMMON_STATUS) {
		write_status(vdev, (uint8_t)value);
	} else if (size == 2) {
		write_common16(vdev, offset, (uint16_t)value);
	} else if (size == 4) {
		write_common32(vdev, offset, (uint32_t)value);
	} else if (size == 8 && offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset % 8 == 0) {
		write_common32(vdev, offset, (uint32_t)value);
		write_common32(vdev, offset + 4, (uint32_t)(value >> 32));
	}
	pthread_mutex_unlock(&vdev->lock);
}
