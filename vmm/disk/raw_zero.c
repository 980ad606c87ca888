/*
 * Discards and zeroes on a raw disk. Several ways lead there, and which of them a file system or
 * device has shows only when it is asked: they are tried from the best to the last, and one that
 * was refused is not tried again on this disk.
 *
 * A block device knows fallocate(2), too (Linux 4.9): a hole is zeroes that may give space back,
 * ZERO_RANGE zeroes that may not, written by the kernel where the device has no command for it.
 */
#include "vmm/disk/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* All of it is the kernel's one zero page. */
#define ZEROES_SIZE (256 * 1024)

static const enum raw_way *raw_ways(const struct raw_slot *slot)
{
	static const enum raw_way of_block_discard[] = {RAW_DISCARD, RAW_PUNCH_HOLE, RAW_NO_WAY};
	static const enum raw_way of_file_discard[] = {RAW_PUNCH_HOLE, RAW_NO_WAY};
	static const enum raw_way of_zero[] = {RAW_ZERO_RANGE, RAW_WRITE_ZEROES, RAW_NO_WAY};
	static const enum raw_way of_zero_unmap[] = {RAW_PUNCH_HOLE, RAW_ZERO_RANGE,
						     RAW_WRITE_ZEROES, RAW_NO_WAY};

	switch (slot->req->op) {
	case DISK_ZERO: return of_zero;
	case DISK_ZERO_UNMAP: return of_zero_unmap;
	default: return slot->raw->is_block_device ? of_block_discard : of_file_discard;
	}
}

static int raw_map_zeroes(struct raw_disk *raw)
{
	void *p;

	if (raw->zeroes)
		return 0;
	p = mmap(NULL, ZEROES_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	raw->zeroes = p;
	return 0;
}

int raw_zero_begin(struct raw_slot *slot)
{
	const enum raw_way *way = raw_ways(slot);

	while (*way != RAW_NO_WAY && (slot->raw->refused >> *way & 1))
		way++;
	slot->way = *way;
	switch (*way) {
	case RAW_NO_WAY: return -EOPNOTSUPP;
	case RAW_WRITE_ZEROES: return raw_map_zeroes(slot->raw);
	default: return 0;
	}
}

void raw_zero_prepare(struct raw_slot *slot)
{
	struct ring_req *rr = &slot->ring_req;

	rr->offset = slot->req->offset + slot->req->length - slot->left;
	rr->length = slot->left;
	switch (slot->way) {
	case RAW_DISCARD: rr->op = RING_DISCARD; break;
	case RAW_PUNCH_HOLE:
		rr->op = RING_FALLOCATE;
		rr->mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		break;
	case RAW_ZERO_RANGE:
		rr->op = RING_FALLOCATE;
		rr->mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
		break;
	default:
		rr->op = RING_WRITEV;
		slot->asked = slot->left < ZEROES_SIZE ? slot->left : ZEROES_SIZE;
		slot->piece = (struct iovec){slot->raw->zeroes, slot->asked};
		rr->iov = &slot->piece;
		rr->iov_count = 1;
		break;
	}
}

/* "There is no such thing here", from a file system, a driver, or an older kernel. */
static bool raw_is_refusal(enum raw_way way, int64_t result)
{
	if (way == RAW_WRITE_ZEROES)
		return false;
	/* The range is in order, so EINVAL for a discard is an io_uring that does not know it. */
	return result == -EOPNOTSUPP || result == -ENOSYS || result == -ENOTTY ||
	       (result == -EINVAL && way == RAW_DISCARD);
}

int raw_zero_result(struct raw_slot *slot, int64_t result)
{
	int rc;

	if (raw_is_refusal(slot->way, result)) {
		slot->raw->refused |= 1U << slot->way;
		rc = raw_zero_begin(slot);
		return rc ? rc : 1;
	}
	if (result < 0)
		return (int)result;
	if (slot->way != RAW_WRITE_ZEROES)
		return 0;
	if ((uint64_t)result != slot->asked)
		return -ENOSPC;
	slot->retries = 0;
	slot->left -= slot->asked;
	return slot->left != 0;
}

uint32_t raw_discard_block(const struct raw_disk *raw, const struct vmm_disk *info)
{
	struct stat st;

	if (raw->disk.read_only)
		return 0;
	if (raw->is_block_device)
		return info->discard_block;
	/* Behind the end of the file there is nothing that a hole could take away. */
	if (fstat(raw->fd, &st) < 0 || st.st_size > INT64_MAX - 4096 ||
	    fallocate(raw->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, st.st_size, 4096) < 0)
		return 0;
	return st.st_blksize >= 512 && st.st_blksize <= 1 << 20 ? (uint32_t)st.st_blksize : 4096;
}

void raw_zero_free(struct raw_disk *raw)
{
	if (raw->zeroes)
		munmap(raw->zeroes, ZEROES_SIZE);
}
