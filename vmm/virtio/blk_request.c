/*
 * The requests of virtio-blk (virtio 1.2, 5.2.6): chains into requests of the disk, and back. All of
 * it on the I/O thread of the queue. Completions are pushed as they come; blk.c publishes them once
 * per batch.
 */
#include "vmm/virtio/blk.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/counter.h"

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

/* ---- the end of a request ---- */

/* WRITTEN: data bytes in the writable part; the status byte comes last and counts, too. */
static void complete(struct blk_queue *queue, struct blk_slot *slot, uint8_t status,
		     uint32_t written)
{
	if (status != VIRTIO_BLK_S_OK)
		counter_add(&queue->counters.errors, 1);
	*slot->status = status;
	vq_push(&queue->vqueue->vq, slot->head, written + 1);
}

static const char *const op_names[] = {
	[DISK_READ] = "a read",	      [DISK_WRITE] = "a write", [DISK_FLUSH] = "a flush",
	[DISK_DISCARD] = "a discard", [DISK_ZERO] = "zeroing",	[DISK_ZERO_UNMAP] = "zeroing",
};

static union blk_pieces *pieces_of(const struct blk_slot *slot)
{
	return &slot->queue->memory->pieces[slot->head];
}

static void start_range(struct blk_slot *slot);

/* Starts what the request in SLOT still needs after its last step succeeded. False: nothing. */
static bool go_on(struct blk_slot *slot)
{
	struct disk_req *req = &slot->req;

	if (slot->range + 1 < slot->range_count) {
		slot->range++;
		start_range(slot);
		return true;
	}
	if (!slot->flush_after)
		return false;
	slot->flush_after = false;
	slot->range_count = 0;
	req->op = DISK_FLUSH;
	req->iov_count = 0;
	req->length = 0;
	slot->queue->disk->ops->submit(slot->queue->disk, req);
	return true;
}

static void disk_done(struct disk_req *req, int error)
{
	struct blk_slot *slot = (struct blk_slot *)((char *)req - offsetof(struct blk_slot, req));
	struct blk_queue *queue = slot->queue;
	struct virtio_device *vdev = &queue->blk->vdev;
	uint8_t status = VIRTIO_BLK_S_OK;

	if (slot->generation != queue->generation)
		return; /* the driver has reset the device: this memory is not ours any more */
	if (!error && go_on(slot))
		return;
	if (error == -EOPNOTSUPP && req->op == DISK_DISCARD) {
		status = VIRTIO_BLK_S_UNSUPP;
	} else if (error) {
		log_guest(&vdev->log_limit, "%s: %s at byte %llu failed: %s", vdev->params.name,
			  op_names[req->op], (unsigned long long)req->offset,
			  error == -ENOSPC ? "no room left in the overlay or on the host's disk"
					   : strerror(-error));
		status = VIRTIO_BLK_S_IOERR;
	}
	complete(queue, slot, status, error ? 0 : slot->written);
}

/* ---- the kinds of requests ---- */

/* A driver that did not take FLUSH expects a write-through disk (5.2.6.2). */
static bool writes_through(const struct blk_queue *queue)
{
	return !virtio_has_feature(&queue->blk->vdev, VIRTIO_BLK_F_FLUSH);
}

static void submit(struct blk_queue *queue, struct blk_slot *slot, enum disk_op op, uint64_t offset,
		   const struct iovec *iov, unsigned int iov_count, uint64_t length)
{
	slot->generation = queue->generation;
	slot->written = op == DISK_READ ? (uint32_t)length : 0;
	slot->flush_after = op == DISK_WRITE && writes_through(queue);
	slot->range_count = 0;
	slot->req = (struct disk_req){
		.op = op,
		.offset = offset,
		.iov = iov,
		.iov_count = iov_count,
		.length = length,
		.done = disk_done,
	};
	queue->disk->ops->submit(queue->disk, &slot->req);
}

/* LENGTH bytes from SECTOR on are whole logical blocks inside the disk. */
static bool range_ok(const struct blk_queue *queue, uint64_t sector, uint64_t length)
{
	uint64_t capacity = queue->disk->size / BLK_SECTOR, count = length / BLK_SECTOR;
	uint64_t mask = queue->disk->logical_block / BLK_SECTOR - 1;

	return length % BLK_SECTOR == 0 && ((sector | count) & mask) == 0 && sector <= capacity &&
	       count <= capacity - sector;
}

static void transfer(struct blk_queue *queue, struct blk_slot *slot, const struct blk_request *r,
		     enum disk_op op)
{
	bool writing = op == DISK_WRITE;
	const struct iovec *iov = writing ? r->out : r->in;
	unsigned int count = writing ? r->out_count : r->in_count;
	uint64_t length = writing ? r->out_len : r->in_len;
	struct iovec *kept = count <= BLK_FEW ? slot->few : pieces_of(slot)->iov;

	if (!range_ok(queue, r->hdr.sector, length) || (writing && queue->disk->read_only)) {
		complete(queue, slot, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	if (length == 0) {
		complete(queue, slot, VIRTIO_BLK_S_OK, 0);
		return;
	}
	memcpy(kept, iov, count * sizeof(*iov));
	submit(queue, slot, op, r->hdr.sector * BLK_SECTOR, kept, count, length);
}

/* The serial number, 20 bytes, without a NUL when it fills them (5.2.6.1). */
static void get_id(struct blk_queue *queue, struct blk_slot *slot, const struct blk_request *r)
{
	char id[VIRTIO_BLK_ID_BYTES] = {0};
	size_t at = 0, n;
	unsigned int i;

	memcpy(id, queue->disk->serial, strnlen(queue->disk->serial, sizeof(id)));
	for (i = 0; i < r->in_count && at < sizeof(id); i++, at += n) {
		n = r->in[i].iov_len < sizeof(id) - at ? r->in[i].iov_len : sizeof(id) - at;
		memcpy(r->in[i].iov_base, id + at, n);
	}
	complete(queue, slot, VIRTIO_BLK_S_OK, (uint32_t)at);
}

/* ---- discards and zeroes: ranges, copied once (5.2.6, struct virtio_blk_discard_write_zeroes) ---- */

/* Copies what is left of the readable part. Returns how many ranges it is, 0 when it is none or too many. */
static unsigned int take_ranges(struct blk_slot *slot, const struct blk_request *r,
				unsigned int most)
{
	union blk_pieces *pieces = pieces_of(slot);
	char *to = (char *)pieces->ranges;
	unsigned int i;

	if (r->out_len % sizeof(pieces->ranges[0]) || r->out_len / sizeof(pieces->ranges[0]) > most)
		return 0;
	for (i = 0; i < r->out_count; i++) {
		memcpy(to, r->out[i].iov_base, r->out[i].iov_len);
		to += r->out[i].iov_len;
	}
	/* As in take_header(): the guest may change the original from here on. */
	__asm__ volatile("" : "+m"(*pieces) : : "memory");
	return (unsigned int)(r->out_len / sizeof(pieces->ranges[0]));
}

/* Begins with range number slot->range; those of no length are done as soon as they are begun. */
static void start_range(struct blk_slot *slot)
{
	const struct virtio_blk_discard_write_zeroes *range = &pieces_of(slot)->ranges[slot->range];
	struct disk_req *req = &slot->req;

	req->offset = range->sector * BLK_SECTOR;
	req->length = (uint64_t)range->num_sectors * BLK_SECTOR;
	if (req->op != DISK_DISCARD)
		req->op = range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ? DISK_ZERO_UNMAP
									    : DISK_ZERO;
	slot->queue->disk->ops->submit(slot->queue->disk, req);
}

/* What is wrong with one of COUNT ranges, VIRTIO_BLK_S_OK when nothing is. Nothing is done before all are seen. */
static uint8_t check_ranges(const struct blk_slot *slot, bool discard, unsigned int count)
{
	const struct virtio_blk_discard_write_zeroes *range = pieces_of(slot)->ranges;
	uint32_t known = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	uint32_t most = discard ? BLK_DISCARD_SECTORS : BLK_ZERO_SECTORS;
	unsigned int i;

	for (i = 0; i < count; i++)
		if (range[i].flags & ~known)
			return VIRTIO_BLK_S_UNSUPP;
	for (i = 0; i < count; i++)
		if (range[i].num_sectors > most ||
		    !range_ok(slot->queue, range[i].sector,
			      (uint64_t)range[i].num_sectors * BLK_SECTOR))
			return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static void zero(struct blk_queue *queue, struct blk_slot *slot, const struct blk_request *r)
{
	bool discard = r->hdr.type == VIRTIO_BLK_T_DISCARD;
	unsigned int count;
	uint8_t status;

	if (queue->disk->read_only) {
		complete(queue, slot, VIRTIO_BLK_S_IOERR, 0);
		return;
	}
	if (!virtio_has_feature(&queue->blk->vdev,
				discard ? VIRTIO_BLK_F_DISCARD : VIRTIO_BLK_F_WRITE_ZEROES)) {
		complete(queue, slot, VIRTIO_BLK_S_UNSUPP, 0);
		return;
	}
	count = take_ranges(slot, r, discard ? BLK_DISCARD_RANGES : BLK_ZERO_RANGES);
	status = count ? check_ranges(slot, discard, count) : VIRTIO_BLK_S_IOERR;
	if (status != VIRTIO_BLK_S_OK) {
		complete(queue, slot, status, 0);
		return;
	}
	slot->generation = queue->generation;
	slot->written = 0;
	slot->flush_after = !discard && writes_through(queue);
	slot->range = 0;
	slot->range_count = (uint16_t)count;
	slot->req = (struct disk_req){
		.op = discard ? DISK_DISCARD : DISK_ZERO,
		.done = disk_done,
	};
	start_range(slot);
}

static void count(struct blk_counters *counters, const struct blk_request *r)
{
	switch (r->hdr.type) {
	case VIRTIO_BLK_T_IN:
		counter_add(&counters->reads, 1);
		counter_add(&counters->read_bytes, r->in_len);
		break;
	case VIRTIO_BLK_T_OUT:
		counter_add(&counters->writes, 1);
		counter_add(&counters->written_bytes, r->out_len);
		break;
	default: counter_add(&counters->others, 1); break;
	}
}

static void dispatch(struct blk_queue *queue, struct blk_slot *slot, const struct blk_request *r)
{
	count(&queue->counters, r);
	switch (r->hdr.type) {
	case VIRTIO_BLK_T_IN: transfer(queue, slot, r, DISK_READ); break;
	case VIRTIO_BLK_T_OUT: transfer(queue, slot, r, DISK_WRITE); break;
	case VIRTIO_BLK_T_FLUSH: submit(queue, slot, DISK_FLUSH, 0, NULL, 0, 0); break;
	case VIRTIO_BLK_T_GET_ID: get_id(queue, slot, r); break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES: zero(queue, slot, r); break;
	default: complete(queue, slot, VIRTIO_BLK_S_UNSUPP, 0); break;
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

void blk_handle_chain(struct blk_queue *queue, const struct vq_chain *chain, struct iovec *iov)
{
	struct blk_slot *slot = &queue->memory->slots[chain->head];
	struct blk_request r = {
		.out = iov,
		.out_count = chain->out_count,
		.out_len = chain->out_len,
		.in = iov + chain->out_count,
		.in_count = chain->in_count,
		.in_len = chain->in_len,
	};

	if (take_header(&r) < 0 || take_status(&r) < 0) {
		vq_break(&queue->vqueue->vq, "a disk request without header or status");
		return;
	}
	slot->queue = queue;
	slot->head = chain->head;
	slot->status = r.status;
	dispatch(queue, slot, &r);
}
