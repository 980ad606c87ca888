/* A disk in memory that counts what it is asked for and whose answers can fail, or be held back. */
#ifndef VMB_TESTS_UNIT_FAKE_DISK_H
#define VMB_TESTS_UNIT_FAKE_DISK_H

#include "test.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/disk/disk.h"
#include "vmm/ring.h"

#define FAKE_DISK_HELD 64

struct fake_disk {
	struct disk disk;
	uint8_t *bytes;
	_Atomic bool hold; /* keep requests until fake_disk_release() or drain() */
	_Atomic int held_count;
	struct disk_req *held[FAKE_DISK_HELD];
	_Atomic int error; /* -errno for every request, 0: works */
	_Atomic int reads, writes, flushes, discards, zeroes, unmaps, drained, destroyed_count;
	_Atomic int error_after; /* this many more requests work before ERROR begins */
	_Atomic uint64_t offsets[FAKE_DISK_HELD]; /* of discards and zeroes, in their order */
	_Atomic uint64_t lengths[FAKE_DISK_HELD];
	_Atomic unsigned int ranges;
	uint64_t grows_to; /* when it is looked at again; 0: it stays */
	struct ring *ring;
	_Atomic int *destroyed;
};

static inline int fake_disk_do(struct fake_disk *fd, struct disk_req *req)
{
	uint64_t at = req->offset, sum = 0;

	if (fd->error && fd->error_after-- <= 0)
		return fd->error;
	if (req->op == DISK_DISCARD || req->op == DISK_ZERO || req->op == DISK_ZERO_UNMAP) {
		assert_int_equal(req->iov_count, 0);
		assert_true(at + req->length <= fd->disk.size);
		memset(fd->bytes + at, req->op == DISK_DISCARD ? 0xDD : 0, req->length);
		return 0;
	}
	for (unsigned int i = 0; i < req->iov_count; i++) {
		const struct iovec *v = &req->iov[i];

		assert_true(at + v->iov_len <= fd->disk.size);
		if (req->op == DISK_READ)
			memcpy(v->iov_base, fd->bytes + at, v->iov_len);
		else
			memcpy(fd->bytes + at, v->iov_base, v->iov_len);
		at += v->iov_len;
		sum += v->iov_len;
	}
	assert_int_equal(sum, req->length);
	return 0;
}

static inline void fake_disk_note_range(struct fake_disk *fd, const struct disk_req *req)
{
	fd->discards += req->op == DISK_DISCARD;
	fd->zeroes += req->op == DISK_ZERO;
	fd->unmaps += req->op == DISK_ZERO_UNMAP;
	if (fd->ranges < FAKE_DISK_HELD) {
		fd->offsets[fd->ranges] = req->offset;
		fd->lengths[fd->ranges] = req->length;
	}
	fd->ranges++;
}

static inline void fake_disk_submit(struct disk *disk, struct disk_req *req)
{
	struct fake_disk *fd = (struct fake_disk *)disk;

	if (req->op == DISK_READ)
		fd->reads++;
	else if (req->op == DISK_WRITE)
		fd->writes++;
	else if (req->op == DISK_FLUSH)
		fd->flushes++;
	else
		fake_disk_note_range(fd, req);
	if (fd->hold) {
		assert_true(fd->held_count < FAKE_DISK_HELD);
		fd->held[fd->held_count++] = req;
		return;
	}
	req->done(req, fake_disk_do(fd, req));
}

/* Last in, first out: completions in another order than requests. */
static inline void fake_disk_answer_held(void *arg)
{
	struct fake_disk *fd = arg;

	while (fd->held_count > 0) {
		struct disk_req *req = fd->held[--fd->held_count];

		req->done(req, fake_disk_do(fd, req));
	}
}

/* Answers one that is held, WHICH of them modulo their number. I/O thread. */
static inline void fake_disk_answer_one(struct fake_disk *fd, unsigned int which)
{
	struct disk_req *req;

	if (fd->held_count == 0)
		return;
	which %= (unsigned int)fd->held_count;
	req = fd->held[which];
	fd->held[which] = fd->held[--fd->held_count];
	req->done(req, fake_disk_do(fd, req));
}

static inline void fake_disk_drain(struct disk *disk)
{
	struct fake_disk *fd = (struct fake_disk *)disk;

	fd->drained++;
	fake_disk_answer_held(fd);
}

static inline void fake_disk_destroy(struct disk *disk)
{
	struct fake_disk *fd = (struct fake_disk *)disk;

	assert_int_equal(fd->held_count, 0);
	if (fd->destroyed)
		(*fd->destroyed)++;
	free(fd->bytes);
	free(fd);
}

static inline void fake_disk_grow(struct disk *disk)
{
	struct fake_disk *fd = (struct fake_disk *)disk;

	if (fd->grows_to > disk->size)
		disk->size = fd->grows_to;
}

static const struct disk_ops fake_disk_ops = {fake_disk_submit, fake_disk_drain, fake_disk_destroy,
					      fake_disk_grow};

static inline struct fake_disk *fake_disk_new(uint64_t size)
{
	struct fake_disk *fd = calloc(1, sizeof(*fd));

	assert_non_null(fd);
	fd->bytes = malloc(size);
	assert_non_null(fd->bytes);
	for (uint64_t i = 0; i < size; i++)
		fd->bytes[i] = (uint8_t)(i / 512 * 7 + i);
	fd->disk.ops = &fake_disk_ops;
	fd->disk.size = size;
	fd->disk.logical_block = 512;
	strcpy(fd->disk.serial, "TEST-1");
	return fd;
}

/* Lets held requests go, on the I/O thread, and publishes their answers. */
static inline void fake_disk_release(struct fake_disk *fd, struct ring *ring)
{
	fd->hold = false;
	ring_call(ring, fake_disk_answer_held, fd);
}

#endif
