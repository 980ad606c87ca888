/*
 * virtio-blk (virtio 1.2, 5.2): turns chains into disk requests and back. Where the bytes are kept
 * is the disk's business (vmm/disk/disk.h). One queue; all of it runs on the I/O thread.
 *
 * A request lives in the slot of its head descriptor, so a head has at most one request (the queue
 * refuses a head in flight) and nothing is allocated while the guest runs. Completions are pushed
 * as they come and published once per batch of the I/O thread.
 */
#include "vmm/virtio/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/virtio/virtio.h"

#define QUEUE_SIZE   256
#define SEGMENTS_MAX (QUEUE_SIZE - 2) /* beside the header and the status byte */
#define SECTOR	     512

/*
 * PCI class "no class fits". Mass storage would be true, but EDK2 writes a file \NvVars onto the
 * first FAT file system of every mass storage controller it finds; its virtio driver goes by vendor
 * and device id alone, as Linux's does.
 */
#define BLK_CLASS 0xFF0000

struct blk;

struct blk_slot {
	struct disk_req req;
	struct blk *blk;
	uint32_t generation; /* of the device when the request was submitted */
	uint16_t head;
	bool flush_after; /* a write that must be on the medium before it is complete */
	uint32_t written; /* data bytes in guest memory once the request succeeded */
	uint8_t *status;
	struct iovec *iov; /* QUEUE_SIZE of them */
};

struct blk {
	struct virtio_device vdev;
	struct disk *disk;
	struct virtio_blk_config config;
	uint32_t generation; /* counts resets */
	struct blk_slot slots[QUEUE_SIZE];
	struct iovec *iovs; /* of all slots: an untouched one costs no memory */
};

/* A chain cut into its parts: what is left in IOV after header and status is the data. */
struct blk_request {
	struct virtio_blk_outhdr hdr;
	struct iovec *out;
	unsigned int out_count;
	uint64_t out_len;
	struct iovec *in;
	unsigned int in_count;
	uint64_t in_len;
	uint8_t *status;
};

static struct blk *to_blk(struct virtio_device *vdev)
{
	return (struct blk *)((char *)vdev - offsetof(struct blk, vdev));
}

/* ---- the end of a request ---- */

/* WRITTEN: data bytes in the writable part; the status byte comes last and counts, too. */
static void complete(struct blk *blk, struct blk_slot *slot, uint8_t status, uint32_t written)
{
	*slot->status = status;
	vq_push(&blk->vdev.queues[0].vq, slot->head, written + 1);
}

static const char *const op_names[] = {
	[DISK_READ] = "a read",
	[DISK_WRITE] = "a write",
	[DISK_FLUSH] = "a flush",
};

static void disk_done(struct disk_req *req, int error)
{
	struct blk_slot *slot = (struct blk_slot *)((char *)req - offsetof(struct blk_slot, req));
	struct blk *blk = slot->blk;

	if (slot->generation != blk->generation)
		return; /* the driver has reset the device: this memory is not ours any more */
	if (!error && slot->flush_after) {
		slot->flush_after = false;
		req->op = DISK_FLUSH;
		req->iov_count = 0;
		req->length = 0;
		blk->disk->ops->submit(blk->disk, req);
		return;
	}
	if (error)
		log_guest(&blk->vdev.log_limit, "%s: %s at byte %llu failed: error %d",
			  blk->vdev.params.name, op_names[req->op],
			  (unsigned long long)req->offset, -error);
	complete(blk, slot, error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK,
		 error ? 0 : slot->written);
}

/* ---- the kinds of requests ---- */

static void submit(struct blk *blk, struct blk_slot *slot, enum disk_op op, uint64_t offset,
		   unsigned int iov_count, uint64_t length)
{
	slot->generation = blk->generation;
	slot->written = op == DISK_READ ? (uint32_t)length : 0;
	/* A driver that did not take FLUSH expects a write-through disk (5.2.6.2). */
	slot->flush_after = op == DISK_WRITE && !virtio_has_feature(&blk->vdev, VIRTIO_BLK_F_FLUSH);
	slot->req = (struct disk_req){
		.op = op,
		.offset = offset,
		.iov = slot->iov,
		.iov_count = iov_count,
		.length = length,
		.done = disk_done,
	};
	blk->disk->ops->submit(blk->disk, &slot->req);
}

static bool range_ok(const struct blk *blk, uint64_t sector, uint64_t length)
{
	uint64_t capacity = blk->config.capacity;

	return length % SECTOR == 0 && sector <= capacity && length / SECTOR <= capacity - sector;
}

static void transfer(struct blk *blk, struct blk_slot *slot, const struct blk_request *r,
		     enum disk_op op)
{
	bool writing = op == DISK_WRITE;
	const struct iovec *iov = writing ? r->out : r->in;
	unsigned int count = writing ? r->out_count : r->in_count;
	uint64_t length = writing ? r->out_len : r->in_len;

	if (!range_ok(blk, r->hdr.sector, length) || (writing && blk->disk->read_only)) {
		complete(blk, slot, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	if (length == 0) {
		complete(blk, slot, VIRTIO_BLK_S_OK, 0);
		return;
	}
	memcpy(slot->iov, iov, count * sizeof(*iov));
	submit(blk, slot, op, r->hdr.sector * SECTOR, count, length);
}

/* The serial number, 20 bytes, without a NUL when it fills them (5.2.6.1). */
static void get_id(struct blk *blk, struct blk_slot *slot, const struct blk_request *r)
{
	char id[VIRTIO_BLK_ID_BYTES] = {0};
	size_t at = 0, n;
	unsigned int i;

	memcpy(id, blk->disk->serial, strnlen(blk->disk->serial, sizeof(id)));
	for (i = 0; i < r->in_count && at < sizeof(id); i++, at += n) {
		n = r->in[i].iov_len < sizeof(id) - at ? r->in[i].iov_len : sizeof(id) - at;
		memcpy(r->in[i].iov_base, id + at, n);
	}
	complete(blk, slot, VIRTIO_BLK_S_OK, (uint32_t)at);
}

static void dispatch(struct blk *blk, struct blk_slot *slot, const struct blk_request *r)
{
	switch (r->hdr.type) {
	case VIRTIO_BLK_T_IN: transfer(blk, slot, r, DISK_READ); break;
	case VIRTIO_BLK_T_OUT: transfer(blk, slot, r, DISK_WRITE); break;
	case VIRTIO_BLK_T_FLUSH: submit(blk, slot, DISK_FLUSH, 0, 0, 0); break;
	case VIRTIO_BLK_T_GET_ID: get_id(blk, slot, r); break;
	default: complete(blk, slot, VIRTIO_BLK_S_UNSUPP, 0); break;
	}
}

/* ---- taking a request apart (5.2.6; framing is the driver's choice, 2.7.4) ---- */

/* Copies the header out, once, and leaves the data behind it in R->out. */
static int take_header(struct blk_request *r)
{
	size_t at = 0, n;

	if (r->out_len < sizeof(r->hdr))
		return -EINVAL;
	r->out_len -= sizeof(r->hdr);
	while (at < sizeof(r->hdr)) {
		n = r->out->iov_len < sizeof(r->hdr) - at ? r->out->iov_len : sizeof(r->hdr) - at;
		memcpy((char *)&r->hdr + at, r->out->iov_base, n);
		at += n;
		r->out->iov_base = (char *)r->out->iov_base + n;
		r->out->iov_len -= n;
		if (r->out->iov_len == 0) {
			r->out++;
			r->out_count--;
		}
	}
	/* From here on only the copy counts, whatever the guest does to the original. */
	__asm__ volatile("" : "+m"(r->hdr) : : "memory");
	return 0;
}

/* The last writable byte is the status, what comes before is data. */
static int take_status(struct blk_request *r)
{
	struct iovec *last;

	if (r->in_len < 1)
		return -EINVAL;
	last = &r->in[r->in_count - 1];
	last->iov_len--;
	r->status = (uint8_t *)last->iov_base + last->iov_len;
	r->in_len--;
	if (last->iov_len == 0)
		r->in_count--;
	return 0;
}

static void handle_chain(struct blk *blk, const struct vq_chain *chain, struct iovec *iov)
{
	struct blk_slot *slot = &blk->slots[chain->head];
	struct blk_request r = {
		.out = iov,
		.out_count = chain->out_count,
		.out_len = chain->out_len,
		.in = iov + chain->out_count,
		.in_count = chain->in_count,
		.in_len = chain->in_len,
	};

	if (take_header(&r) < 0 || take_status(&r) < 0) {
		vq_break(&blk->vdev.queues[0].vq, "a disk request without header or status");
		return;
	}
	slot->head = chain->head;
	slot->status = r.status;
	dispatch(blk, slot, &r);
}

/* ---- the device ---- */

static void blk_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct iovec iov[VQ_MAX_SIZE];
	struct vq_chain chain;

	/* Ends: without a publish in between, the queue holds no more chains than its size. */
	vq_notify_off(&queue->vq);
	while (vq_pop(&queue->vq, &chain, iov) > 0)
		handle_chain(to_blk(vdev), &chain, iov);
	if (vq_notify_on(&queue->vq))
		virtio_kick_again(queue);
}

static void blk_stop(struct virtio_device *vdev)
{
	struct blk *blk = to_blk(vdev);

	blk->generation++;
	blk->disk->ops->drain(blk->disk);
}

static void blk_batch_done(void *arg)
{
	struct blk *blk = arg;

	virtio_publish(&blk->vdev.queues[0]);
}

static void close_disk(void *arg)
{
	struct blk *blk = arg;

	ring_set_batch_hook(blk->vdev.env.ring, NULL, NULL);
	blk->disk->ops->destroy(blk->disk);
}

static void blk_destroy(struct virtio_device *vdev)
{
	struct blk *blk = to_blk(vdev);

	ring_call(vdev->env.ring, close_disk, blk);
	free(blk->iovs);
	free(blk);
}

static const struct virtio_device_ops blk_ops = {
	.kick = blk_kick,
	.stop = blk_stop,
	.destroy = blk_destroy,
};

static void fill_params(struct blk *blk, unsigned int instance, struct virtio_params *params)
{
	struct disk *disk = blk->disk;

	blk->config.capacity = disk->size / SECTOR;
	blk->config.seg_max = SEGMENTS_MAX;
	blk->config.blk_size = disk->logical_block;
	*params = (struct virtio_params){
		.type = VIRTIO_ID_BLOCK,
		.class_code = BLK_CLASS,
		.features = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			    1ULL << VIRTIO_BLK_F_FLUSH,
		.queues = 1,
		.queue_size = QUEUE_SIZE,
		.config = &blk->config,
		.config_len = sizeof(blk->config),
	};
	if (disk->read_only)
		params->features |= 1ULL << VIRTIO_BLK_F_RO;
	snprintf(params->name, sizeof(params->name), "disk%u", instance);
}

int virtio_blk_create(const struct virtio_env *env, struct disk *disk, unsigned int instance,
		      struct pci_device **ret_dev)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	struct virtio_params params;
	unsigned int i;
	int rc = -ENOMEM;

	if (!blk)
		goto err_disk;
	blk->iovs = calloc(QUEUE_SIZE * QUEUE_SIZE, sizeof(*blk->iovs));
	if (!blk->iovs)
		goto err_free;
	blk->disk = disk;
	for (i = 0; i < QUEUE_SIZE; i++) {
		blk->slots[i].blk = blk;
		blk->slots[i].iov = blk->iovs + i * QUEUE_SIZE;
	}
	fill_params(blk, instance, &params);
	rc = virtio_device_init(&blk->vdev, &blk_ops, &params, env);
	if (rc < 0)
		goto err_iovs;
	ring_set_batch_hook(env->ring, blk_batch_done, blk);
	*ret_dev = &blk->vdev.pci;
	return 0;

err_iovs:
	free(blk->iovs);
err_free:
	free(blk);
err_disk:
	disk->ops->destroy(disk);
	return rc;
}
