/*
 * A raw disk: a file or block device, its bytes as they are, through the ring. No image formats.
 * Discards and zeroes are raw_zero.c's.
 *
 * Each request takes one of DEPTH slots, preallocated; what comes beyond them waits in order. A
 * transfer that ends early is gone on with one contiguous piece first, so that the caller's iovec
 * array never has to be copied. On an O_DIRECT descriptor a request whose buffers are not aligned
 * goes through one of a few bounce buffers, piece by piece; with all of them busy it waits, too.
 */
#include "vmm/disk/raw.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "vmm/lazy.h"

/* How often in a row "interrupted" or "try again" is believed before it is an error. */
#define RAW_MAX_RETRIES 1000

/* ---- ends of a request ---- */

static void raw_finish(struct raw_slot *slot, int error)
{
	struct raw_disk *raw = slot->raw;
	struct disk_req *req = slot->req;

	if (slot->bounce)
		raw->free_bounces[raw->free_bounce_count++] = slot->bounce;
	slot->bounce = NULL;
	slot->req = NULL;
	slot->next = raw->free_slots;
	raw->free_slots = slot;
	raw->outstanding--;
	req->priv = NULL;
	req->done(req, error);
}

/* ---- steps of a request ---- */

/* Chooses what the ring does next and submits it. -ECANCELED when the ring is going away. */
static int raw_issue(struct raw_slot *slot)
{
	struct ring_req *rr = &slot->ring_req;
	struct iov_cursor *cursor = &slot->cursor;
	struct iov_cursor ahead = *cursor;

	if (slot->req->op == DISK_FLUSH)
		return ring_submit(slot->raw->ring, rr);
	if (raw_is_zeroing(slot->req)) {
		raw_zero_prepare(slot);
		return ring_submit(slot->raw->ring, rr);
	}
	rr->offset = slot->req->offset + slot->req->length - slot->left;
	if (slot->bounce) {
		slot->asked = slot->left < RAW_BOUNCE_SIZE ? slot->left : RAW_BOUNCE_SIZE;
		if (rr->op == RING_WRITEV)
			iov_cursor_read(&ahead, slot->bounce, slot->asked);
		slot->piece = (struct iovec){slot->bounce, slot->asked};
		rr->iov = &slot->piece;
		rr->iov_count = 1;
	} else if (cursor->at) {
		slot->piece = iov_cursor_take(&ahead, slot->left);
		slot->asked = slot->piece.iov_len;
		rr->iov = &slot->piece;
		rr->iov_count = 1;
	} else {
		slot->asked = slot->left;
		rr->iov = cursor->iov;
		rr->iov_count = cursor->count;
	}
	return ring_submit(slot->raw->ring, rr);
}

/* COUNT bytes were moved. Returns 1 when the request goes on, 0 at its end, or -errno. */
static int raw_advance(struct raw_slot *slot, uint64_t count)
{
	bool file_ends;

	if (slot->ring_req.op == RING_WRITEV) {
		if (count != slot->asked)
			return -ENOSPC;
		iov_cursor_skip(&slot->cursor, count);
		slot->left -= count;
		return slot->left != 0;
	}
	if (slot->bounce)
		iov_cursor_write(&slot->cursor, slot->bounce, count);
	else
		iov_cursor_skip(&slot->cursor, count);
	slot->left -= count;
	/* O_DIRECT reads stop between blocks only where the file does. */
	file_ends = !count || (slot->raw->direct && count % slot->raw->disk.logical_block);
	/* The end of a device comes sooner only when it was taken away: it has no bytes any more, not zeroes. */
	if (file_ends && slot->raw->is_block_device)
		return -EIO;
	if (file_ends) {
		iov_cursor_zero(&slot->cursor, slot->left);
		slot->left = 0;
	}
	return slot->left != 0;
}

/* What the ring's RESULT means for the request: 1 it goes on, 0 it is done, or -errno. */
static int raw_result(struct raw_slot *slot, int64_t result)
{
	if ((result == -EINTR || result == -EAGAIN) && slot->retries < RAW_MAX_RETRIES) {
		slot->retries++;
		return 1;
	}
	if (raw_is_zeroing(slot->req))
		return raw_zero_result(slot, result);
	if (result < 0)
		return (int)result;
	if (slot->req->op == DISK_FLUSH)
		return 0;
	if ((uint64_t)result > slot->asked)
		return -EIO;
	slot->retries = 0;
	return raw_advance(slot, (uint64_t)result);
}

static void raw_run_waiting(struct raw_disk *raw);

static void raw_ring_done(struct ring_req *rr, int64_t result)
{
	struct raw_slot *slot = (struct raw_slot *)rr;
	struct raw_disk *raw = slot->raw;
	int rc = raw_result(slot, result);

	if (rc > 0) {
		rc = raw_issue(slot);
		if (!rc)
			return;
	}
	raw_finish(slot, rc);
	raw_run_waiting(raw);
}

/* ---- starting requests ---- */

static bool raw_needs_bounce(const struct raw_disk *raw, const struct disk_req *req)
{
	uintptr_t mask = raw->disk.logical_block - 1, bits = 0;
	unsigned int i;

	if (!raw->direct || (req->op != DISK_READ && req->op != DISK_WRITE))
		return false;
	for (i = 0; i < req->iov_count; i++)
		bits |= (uintptr_t)req->iov[i].iov_base | req->iov[i].iov_len;
	return bits & mask;
}

/* The caller made sure that there is a slot, and a bounce buffer when BOUNCE. */
static void raw_begin(struct raw_disk *raw, struct disk_req *req, bool bounce)
{
	static const enum ring_op ops[] = {
		[DISK_READ] = RING_READV,	[DISK_WRITE] = RING_WRITEV,
		[DISK_FLUSH] = RING_FSYNC_DATA, [DISK_DISCARD] = RING_DISCARD,
		[DISK_ZERO] = RING_FALLOCATE,	[DISK_ZERO_UNMAP] = RING_FALLOCATE,
	};
	struct raw_slot *slot = raw->free_slots;
	int rc = 0;

	if (slot)
		raw->free_slots = slot->next;
	else
		slot = &raw->slots[raw->slots_used++];
	slot->raw = raw;
	slot->req = req;
	slot->retries = 0;
	slot->left = req->length;
	slot->cursor = iov_cursor_make(req->iov, req->iov_count);
	slot->bounce = bounce ? raw->free_bounces[--raw->free_bounce_count] : NULL;
	slot->ring_req.op = ops[req->op];
	slot->ring_req.fd = raw->fd;
	slot->ring_req.at_once = raw->in_memory && !raw_is_zeroing(req);
	slot->ring_req.done = raw_ring_done;
	req->priv = slot;
	/*
	 * A flush needs no ordering against transfers in flight: it covers those whose done() was
	 * called, and done() is called after the kernel completed them.
	 */
	if (raw_is_zeroing(req))
		rc = raw_zero_begin(slot);
	if (!rc)
		rc = raw_issue(slot);
	if (rc)
		raw_finish(slot, rc);
}

static void raw_run_waiting(struct raw_disk *raw)
{
	struct disk_req *req;
	bool bounce;

	while ((req = raw->waiting) && (raw->free_slots || raw->slots_used < raw->depth)) {
		bounce = raw_needs_bounce(raw, req);
		if (bounce && !raw->free_bounce_count)
			return;
		raw->waiting = req->priv;
		raw_begin(raw, req, bounce);
	}
}

/* What can be said without the kernel: 1 go on, 0 done, or -errno. */
static int raw_check(const struct raw_disk *raw, const struct disk_req *req)
{
	uint64_t end, sum = 0;
	unsigned int i;

	if (req->op == DISK_FLUSH)
		return raw->disk.read_only ? 0 : 1;
	if (req->op != DISK_READ && raw->disk.read_only)
		return -EROFS;
	if (req->iov_count > DISK_MAX_IOV)
		return -EINVAL;
	for (i = 0; i < req->iov_count; i++)
		sum += req->iov[i].iov_len;
	if (raw_is_zeroing(req) ? req->iov_count != 0 : sum != req->length)
		return -EINVAL;
	if (__builtin_add_overflow(req->offset, req->length, &end) || end > raw->disk.size)
		return -EINVAL;
	if ((raw->direct || raw->is_block_device) &&
	    (req->offset | req->length) & (raw->disk.logical_block - 1))
		return -EINVAL;
	return req->length ? 1 : 0;
}

static void raw_submit(struct disk *disk, struct disk_req *req)
{
	struct raw_disk *raw = (struct raw_disk *)disk;
	int rc = raw_check(raw, req);

	if (rc <= 0) {
		req->done(req, rc);
		return;
	}
	raw->outstanding++;
	req->priv = NULL;
	if (raw->waiting)
		raw->waiting_last->priv = req;
	else
		raw->waiting = req;
	raw->waiting_last = req;
	raw_run_waiting(raw);
}

static void raw_drain(struct disk *disk)
{
	struct raw_disk *raw = (struct raw_disk *)disk;

	while (raw->outstanding)
		ring_drain(raw->ring);
}

/* A file or device tells its size by its end; transfers name their own offsets. */
static void raw_grow(struct disk *disk)
{
	off_t end = lseek(((struct raw_disk *)disk)->fd, 0, SEEK_END);
	uint64_t size = end > 0 ? (uint64_t)end : 0;

	size -= size % disk->logical_block;
	if (size > disk->size)
		disk->size = size;
}

/* ---- making and ending ---- */

/*
 * Are the bytes in memory already? Then moving them is a copy: handing it to the kernel's threads, as io_uring does
 * with writes to such a file, costs more than the copy.
 */
static bool raw_is_in_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static void raw_destroy(struct disk *disk)
{
	struct raw_disk *raw = (struct raw_disk *)disk;

	lazy_free(raw->bounce_memory, RAW_BOUNCES * RAW_BOUNCE_SIZE);
	raw_zero_free(raw);
	close(raw->fd);
	lazy_free(raw->slots, raw->depth * sizeof(*raw->slots));
	free(raw);
}

static const struct disk_ops raw_ops = {
	.submit = raw_submit,
	.drain = raw_drain,
	.destroy = raw_destroy,
	.grow = raw_grow,
};

static int raw_check_info(const struct vmm_disk *info, unsigned int depth, struct vmb_err *err)
{
	if (info->logical_block != 512 && info->logical_block != 4096)
		return vmb_err_set(err, EINVAL,
				   "A disk has blocks of %u bytes; only 512 and 4096 can be given "
				   "to a guest.",
				   info->logical_block);
	if (!info->size || info->size % info->logical_block)
		return vmb_err_set(
			err, EINVAL,
			"A disk has %llu bytes, which is not a number of %u-byte blocks.",
			(unsigned long long)info->size, info->logical_block);
	if (!depth)
		return vmb_err_set(err, EINVAL, "A disk cannot do 0 requests at a time.");
	return 0;
}

static int raw_allocate(struct raw_disk *raw, unsigned int depth)
{
	unsigned int i;

	raw->depth = depth;
	raw->slots = lazy_alloc(depth * sizeof(*raw->slots));
	if (!raw->slots)
		return -ENOMEM;
	if (!raw->direct)
		return 0;
	raw->bounce_memory = lazy_alloc(RAW_BOUNCES * RAW_BOUNCE_SIZE);
	if (!raw->bounce_memory)
		return -ENOMEM;
	for (i = 0; i < RAW_BOUNCES; i++)
		raw->free_bounces[i] = raw->bounce_memory + i * RAW_BOUNCE_SIZE;
	raw->free_bounce_count = RAW_BOUNCES;
	return 0;
}

int disk_open_raw(int fd, const struct vmm_disk *info, struct ring *ring, unsigned int depth,
		  struct disk **ret_disk, struct vmb_err *err)
{
	struct raw_disk *raw;
	int rc;

	rc = raw_check_info(info, depth, err);
	if (rc) {
		close(fd);
		return rc;
	}
	raw = calloc(1, sizeof(*raw));
	if (!raw) {
		close(fd);
		return vmb_err_set(err, ENOMEM, "Out of memory for a disk.");
	}
	raw->disk.ops = &raw_ops;
	raw->disk.size = info->size;
	raw->disk.logical_block = info->logical_block;
	raw->disk.read_only = info->read_only;
	memcpy(raw->disk.serial, info->serial, sizeof(raw->disk.serial));
	raw->disk.serial[sizeof(raw->disk.serial) - 1] = '\0';
	raw->fd = fd;
	raw->direct = info->direct;
	raw->is_block_device = info->is_block_device;
	raw->in_memory = raw_is_in_memory(fd);
	raw->ring = ring;
	raw->disk.physical_block = info->physical_block;
	raw->disk.discard_block = raw_discard_block(raw, info);
	rc = raw_allocate(raw, depth);
	if (rc) {
		raw_destroy(&raw->disk);
		return vmb_err_set(err, -rc, "Out of memory for a disk with %u requests at a time.",
				   depth);
	}
	*ret_disk = &raw->disk;
	return 0;
}
