/*
 * What the tests of disks share: requests that check their own completion, files full of a known
 * pattern, and the engines to run with.
 */
#ifndef VMB_TESTS_UNIT_DISK_TEST_H
#define VMB_TESTS_UNIT_DISK_TEST_H

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/disk/disk.h"
#include "vmm/ring.h"

#define IO_MAX_IOV 8

struct io {
	struct disk_req req; /* first */
	struct disk *disk;
	struct ring *ring;
	struct iovec iov[IO_MAX_IOV];
	atomic_uint done;
	int error;
};

static inline void io_done(struct disk_req *req, int error)
{
	struct io *io = (struct io *)req;

	assert_null(req->priv);
	io->error = error;
	atomic_fetch_add(&io->done, 1);
}

/* COUNT buffers were set in io->iov. */
static inline void io_init(struct io *io, struct disk *disk, struct ring *ring, enum disk_op op,
			   uint64_t offset, unsigned int count)
{
	unsigned int i;

	io->disk = disk;
	io->ring = ring;
	io->done = 0;
	io->error = 12345;
	io->req = (struct disk_req){
		.op = op, .offset = offset, .iov = io->iov, .iov_count = count, .done = io_done};
	for (i = 0; i < count; i++)
		io->req.length += io->iov[i].iov_len;
}

struct io_batch {
	struct io *ios;
	unsigned int count;
	bool drain;
};

static inline void do_io_batch(void *arg)
{
	struct io_batch *batch = arg;
	unsigned int i;

	for (i = 0; i < batch->count; i++)
		batch->ios[i].disk->ops->submit(batch->ios[i].disk, &batch->ios[i].req);
	if (batch->drain)
		batch->ios[0].disk->ops->drain(batch->ios[0].disk);
}

/* Submits COUNT requests at once and waits for all, by drain() or by their done(). */
static inline void io_run(struct io *ios, unsigned int count, bool drain)
{
	struct io_batch batch = {ios, count, drain};
	unsigned int i, n;

	ring_call(ios[0].ring, do_io_batch, &batch);
	for (i = 0; i < count; i++) {
		for (n = 0; !drain && n < 20000 && !ios[i].done; n++)
			usleep(500);
		assert_int_equal(ios[i].done, 1);
	}
}

/* One request over one buffer; its error. */
static inline int io_one(struct disk *disk, struct ring *ring, enum disk_op op, uint64_t offset,
			 void *buf, size_t len)
{
	struct io io = {.iov = {{buf, len}}};

	io_init(&io, disk, ring, op, offset, op == DISK_FLUSH ? 0 : 1);
	io_run(&io, 1, false);
	return io.error;
}

/* The byte at OFFSET of a disk whose every byte is known; SEED tells versions of it apart. */
static inline uint8_t pattern(uint64_t offset, unsigned int seed)
{
	return (uint8_t)((offset * 0x9E3779B97F4A7C15ULL >> 37) + seed * 29 + (offset >> 9));
}

static inline void pattern_fill(uint8_t *buf, uint64_t offset, size_t len, unsigned int seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		buf[i] = pattern(offset + i, seed);
}

/* A temporary, already unlinked file in DIR of LEN bytes of pattern 0. FLAGS for open(2); -1 if refused. */
static inline int pattern_file(const char *dir, size_t len, int flags)
{
	char path[64], self[64];
	uint8_t *buf = malloc(len);
	int fd, again;

	snprintf(path, sizeof(path), "%s/vmboot-test-disk-XXXXXX", dir);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	pattern_fill(buf, 0, len, 0);
	assert_int_equal(pwrite(fd, buf, len, 0), len);
	free(buf);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	again = open(self, flags | O_CLOEXEC);
	unlink(path);
	close(fd);
	return again;
}

struct pattern_disk {
	struct ring *ring;
	struct disk *disk;
	int fd; /* a second descriptor of the file, to look at it from outside */
};

static inline void pattern_disk_close(struct pattern_disk *pd)
{
	pd->disk->ops->destroy(pd->disk);
	ring_destroy(pd->ring);
	close(pd->fd);
}

static enum ring_engine engine_uring = RING_IO_URING, engine_threads = RING_THREADS;

#define BOTH(f)                                                 \
	{#f " (io_uring)", f, NULL, NULL, &engine_uring},       \
	{                                                       \
#f " (threads)", f, NULL, NULL, &engine_threads \
	}

#endif
