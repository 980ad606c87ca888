/*
 * virtio-blk (virtio 1.2, 5.2), the device: what it offers, its life. Its requests are
 * blk_request.c's; where the bytes are kept is the disk's business (vmm/disk/disk.h).
 */
#include "vmm/virtio/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "vmm/counter.h"
#include "vmm/lazy.h"
#include "vmm/virtio/blk.h"

#define SEGMENTS_MAX (BLK_QUEUE_SIZE - 2) /* beside the header and the status byte */

/*
 * PCI class "no class fits". Mass storage would be true, but EDK2 writes a file \NvVars onto the
 * first FAT file system of every mass storage controller it finds; its virtio driver goes by vendor
 * and device id alone, as Linux's does.
 */
#define BLK_CLASS 0xFF0000

static struct blk *to_blk(struct virtio_device *vdev)
{
	return (struct blk *)((char *)vdev - offsetof(struct blk, vdev));
}

/* ---- the device ---- */

static void blk_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct blk_queue *bq = &to_blk(vdev)->queues[queue->index];
	struct iovec *iov = bq->memory->chain; /* not on the stack: that is cleared each time */
	struct vq_chain chain;

	/* Ends: without a publish in between, the queue holds no more chains than its size. */
	vq_notify_off(&queue->vq);
	while (vq_pop(&queue->vq, &chain, iov) > 0)
		blk_handle_chain(bq, &chain, iov);
	if (vq_notify_on(&queue->vq))
		virtio_kick_again(queue);
}

static void blk_drain(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct disk *disk = to_blk(vdev)->queues[queue->index].disk;

	disk->ops->drain(disk);
}

static void blk_stop(struct virtio_device *vdev, struct virtio_queue *queue)
{
	to_blk(vdev)->queues[queue->index].generation++;
	blk_drain(vdev, queue);
}

static void blk_batch_done(void *arg)
{
	struct blk_queue *queue = arg;

	virtio_publish(queue->vqueue);
}

static void close_disk(void *arg)
{
	struct blk_queue *queue = arg;

	ring_set_batch_hook(queue->vqueue->ring, NULL, NULL);
	queue->disk->ops->destroy(queue->disk);
}

static void free_blk(struct blk *blk)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_BLK_MAX_QUEUES; i++)
		lazy_free(blk->queues[i].memory, sizeof(struct blk_memory));
	free(blk);
}

static void blk_destroy(struct virtio_device *vdev)
{
	struct blk *blk = to_blk(vdev);
	unsigned int i;

	for (i = 0; i < vdev->params.queues; i++)
		ring_call(vdev->queues[i].ring, close_disk, &blk->queues[i]);
	free_blk(blk);
}

static const struct virtio_device_ops blk_ops = {
	.kick = blk_kick,
	.stop = blk_stop,
	.drain = blk_drain,
	.destroy = blk_destroy,
};

/* ---- what it offers ---- */

static unsigned int log2_of(uint32_t power_of_two)
{
	return (unsigned int)__builtin_ctz(power_of_two);
}

/* The size of the physical block, where the host knows it and it means something (5.2.4). */
static void fill_topology(struct blk *blk, const struct disk *disk, uint64_t *features)
{
	uint32_t physical = disk->physical_block, logical = disk->logical_block;

	if (physical < logical || (physical & (physical - 1)) || physical / logical > UINT16_MAX)
		return;
	blk->config.physical_block_exp = (uint8_t)(log2_of(physical) - log2_of(logical));
	blk->config.min_io_size = (uint16_t)(physical / logical);
	*features |= 1ULL << VIRTIO_BLK_F_TOPOLOGY;
}

static void fill_zeroing(struct blk *blk, const struct disk *disk, uint64_t *features)
{
	if (disk->read_only)
		return;
	blk->config.max_write_zeroes_sectors = BLK_ZERO_SECTORS;
	blk->config.max_write_zeroes_seg = BLK_ZERO_RANGES;
	blk->config.write_zeroes_may_unmap = 1;
	*features |= 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	if (!disk->discard_block)
		return;
	blk->config.max_discard_sectors = BLK_DISCARD_SECTORS;
	blk->config.max_discard_seg = BLK_DISCARD_RANGES;
	blk->config.discard_sector_alignment = disk->discard_block / BLK_SECTOR;
	if (disk->discard_block < disk->logical_block)
		blk->config.discard_sector_alignment = disk->logical_block / BLK_SECTOR;
	*features |= 1ULL << VIRTIO_BLK_F_DISCARD;
}

static void fill_params(struct blk *blk, const struct virtio_blk_queue *queues, unsigned int count,
			unsigned int instance, struct virtio_params *params)
{
	const struct disk *disk = queues[0].disk;
	unsigned int i;

	blk->config.capacity = disk->size / BLK_SECTOR;
	blk->config.seg_max = SEGMENTS_MAX;
	blk->config.blk_size = disk->logical_block;
	*params = (struct virtio_params){
		.type = VIRTIO_ID_BLOCK,
		.class_code = BLK_CLASS,
		.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_FLUSH,
		.queues = count,
		.queue_size = BLK_QUEUE_SIZE,
		.config = &blk->config,
		.config_len = sizeof(blk->config),
	};
	for (i = 0; i < count; i++)
		params->rings[i] = queues[i].ring;
	if (count > 1) {
		blk->config.num_queues = (uint16_t)count;
		params->features |= 1ULL << VIRTIO_BLK_F_MQ;
	}
	if (disk->read_only)
		params->features |= 1ULL << VIRTIO_BLK_F_RO;
	fill_topology(blk, disk, &params->features);
	fill_zeroing(blk, disk, &params->features);
	snprintf(params->name, sizeof(params->name), "disk%u", instance);
}

static void grow_on_thread(void *arg)
{
	struct blk_queue *queue = arg;

	if (queue->disk->ops->grow)
		queue->disk->ops->grow(queue->disk);
}

void virtio_blk_grow(struct pci_device *dev)
{
	struct virtio_device *vdev = (struct virtio_device *)dev; /* its first member */
	struct blk *blk = to_blk(vdev);
	uint64_t capacity = UINT64_MAX;

	/* Every queue's thread takes the new sectors before the driver hears of them. */
	for (unsigned int i = 0; i < vdev->params.queues; i++) {
		uint64_t mine;

		ring_call(vdev->queues[i].ring, grow_on_thread, &blk->queues[i]);
		mine = blk->queues[i].disk->size / BLK_SECTOR;
		capacity = mine < capacity ? mine : capacity;
	}
	if (capacity != blk->config.capacity)
		virtio_change_config(vdev, &blk->config.capacity, &capacity, sizeof(capacity));
}

/* ---- what it did ---- */

void virtio_blk_get_status(struct pci_device *dev, struct vmm_disk_status *ret_status)
{
	struct blk *blk = to_blk((struct virtio_device *)dev); /* its first member */
	struct vmm_disk_status sum = {0};
	unsigned int i;

	for (i = 0; i < VIRTIO_BLK_MAX_QUEUES; i++) {
		const struct blk_counters *c = &blk->queues[i].counters;

		sum.reads += counter_get(&c->reads);
		sum.writes += counter_get(&c->writes);
		sum.others += counter_get(&c->others);
		sum.read_bytes += counter_get(&c->read_bytes);
		sum.written_bytes += counter_get(&c->written_bytes);
		sum.errors += counter_get(&c->errors);
	}
	pthread_mutex_lock(&dev->lock);
	sum.size = blk->config.capacity * BLK_SECTOR;
	pthread_mutex_unlock(&dev->lock);
	*ret_status = sum;
}

/* ---- making it ---- */

/* -ENOMEM leaves what free_blk() takes. */
static int init_queue(struct blk *blk, unsigned int index, struct disk *disk)
{
	struct blk_queue *queue = &blk->queues[index];

	queue->blk = blk;
	queue->vqueue = &blk->vdev.queues[index];
	queue->disk = disk;
	queue->memory = lazy_alloc(sizeof(*queue->memory));
	return queue->memory ? 0 : -ENOMEM;
}

int virtio_blk_create(const struct virtio_env *env, const struct virtio_blk_queue *queues,
		      unsigned int count, unsigned int instance, struct pci_device **ret_dev)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	struct virtio_params params;
	unsigned int i;
	int rc = blk ? 0 : -ENOMEM;

	if (rc)
		goto err_disks;
	for (i = 0; i < count && !rc; i++)
		rc = init_queue(blk, i, queues[i].disk);
	if (rc)
		goto err_free;
	fill_params(blk, queues, count, instance, &params);
	rc = virtio_device_init(&blk->vdev, &blk_ops, &params, env);
	if (rc < 0)
		goto err_free;
	for (i = 0; i < count; i++)
		ring_set_batch_hook(queues[i].ring, blk_batch_done, &blk->queues[i]);
	*ret_dev = &blk->vdev.pci;
	return 0;

err_free:
	free_blk(blk);
err_disks:
	for (i = 0; i < count; i++)
		queues[i].disk->ops->destroy(queues[i].disk);
	return rc;
}
