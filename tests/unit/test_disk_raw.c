/*
 * Raw disks with both engines: data, limits, alignment, a disk that grows and one that goes. What the kernel may answer
 * instead is test_disk_faults.c's.
 */
#include "disk_raw_fixture.h"

#include <sys/mman.h>
#include <sys/stat.h>

/* ---- data ---- */

static void check_read_write(struct pattern_disk *pd, size_t unit, size_t shift)
{
	uint8_t *memory, *buf;
	struct io io;
	uint64_t at = 8 * unit;

	assert_int_equal(posix_memalign((void **)&memory, 4096, 64 * unit + 8192), 0);
	buf = memory + shift;
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_READ, at, buf, 3 * unit), 0);
	check_bytes(buf, at, 3 * unit, 0);
	pattern_fill(buf, at, 3 * unit, 1);
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_WRITE, at, buf, 3 * unit), 0);
	check_file(pd, at, 3 * unit, 1);
	check_file(pd, at - unit, unit, 0);
	check_file(pd, at + 3 * unit, unit, 0);
	/* Scattered: three buffers, not in order in memory. */
	memset(buf, 0, 16 * unit);
	io.iov[0] = (struct iovec){buf + 8 * unit, unit};
	io.iov[1] = (struct iovec){buf, 2 * unit};
	io.iov[2] = (struct iovec){buf + 4 * unit, unit};
	io_init(&io, pd->disk, pd->ring, DISK_READ, at - unit, 3);
	io_run(&io, 1, true);
	assert_int_equal(io.error, 0);
	check_bytes(buf + 8 * unit, at - unit, unit, 0);
	check_bytes(buf, at, 2 * unit, 1);
	check_bytes(buf + 4 * unit, at + 2 * unit, unit, 1);
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_FLUSH, 0, NULL, 0), 0);
	/* The disk's last block. */
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_READ, SIZE - unit, buf, unit), 0);
	check_bytes(buf, SIZE - unit, unit, 0);
	free(memory);
}

static void test_read_write_tmpfs(void **state)
{
	struct pattern_disk pd;

	raw_open_dir(state, &pd, "/dev/shm");
	assert_string_equal(pd.disk->serial, "S1");
	check_read_write(&pd, 512, 0);
	pattern_disk_close(&pd);
}

static void test_read_write_file(void **state)
{
	struct pattern_disk pd;

	raw_open_dir(state, &pd, "/var/tmp");
	check_read_write(&pd, 512, 1);
	pattern_disk_close(&pd);
}

static void test_direct_aligned(void **state)
{
	struct pattern_disk pd;

	raw_open_direct(state, &pd, 512);
	check_read_write(&pd, 512, 0);
	pattern_disk_close(&pd);
	raw_open_direct(state, &pd, 4096);
	check_read_write(&pd, 4096, 0);
	pattern_disk_close(&pd);
}

/* What firmware does: buffers at any address. */
static void test_direct_unaligned(void **state)
{
	static const size_t shifts[] = {1, 7, 16, 511, 513, 2049};
	struct pattern_disk pd;
	size_t i;

	for (i = 0; i < sizeof(shifts) / sizeof(shifts[0]); i++) {
		raw_open_direct(state, &pd, 512);
		check_read_write(&pd, 512, shifts[i]);
		pattern_disk_close(&pd);
	}
	raw_open_direct(state, &pd, 4096);
	check_read_write(&pd, 4096, 512);
	pattern_disk_close(&pd);
}

/* Larger than a bounce buffer, in odd pieces, several at once: more than there are buffers. */
static void test_direct_unaligned_large(void **state)
{
	enum { N = 7, LEN = 128 * 1024 };
	struct pattern_disk pd;
	struct io ios[N];
	uint8_t *memory = malloc(N * (LEN + 64));
	unsigned int i, round;

	raw_open_direct(state, &pd, 512);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < N; i++) {
			uint8_t *buf = memory + i * (LEN + 64) + 3;

			pattern_fill(buf, i * LEN, LEN, 2);
			ios[i].iov[0] = (struct iovec){buf, 1000};
			ios[i].iov[1] = (struct iovec){buf + 1000, LEN - 2000};
			ios[i].iov[2] = (struct iovec){buf + LEN - 1000, 1000};
			if (round)
				memset(buf, 0, LEN);
			io_init(&ios[i], pd.disk, pd.ring, round ? DISK_READ : DISK_WRITE, i * LEN,
				3);
		}
		io_run(ios, N, round);
		for (i = 0; i < N; i++) {
			assert_int_equal(ios[i].error, 0);
			check_bytes(memory + i * (LEN + 64) + 3, i * LEN, LEN, 2);
		}
		check_file(&pd, 0, N * LEN, 2);
	}
	free(memory);
	pattern_disk_close(&pd);
}

/* ---- limits ---- */

static void test_bounds(void **state)
{
	struct pattern_disk pd;
	static uint8_t buf[8192] __attribute__((aligned(4096)));
	struct io io = {.iov = {{buf, 512}, {buf, 512}}};

	raw_open_dir(state, &pd, "/dev/shm");
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, SIZE, buf, 512), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, SIZE - 512, buf, 1024), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, UINT64_MAX - 511, buf, 512), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, UINT64_MAX - 511, buf, 1024),
			 -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, 0), 0);
	/* A length that is not the sum of the buffers would move something else than was asked for. */
	io_init(&io, pd.disk, pd.ring, DISK_WRITE, 0, 2);
	io.req.length = 512;
	io_run(&io, 1, true);
	assert_int_equal(io.error, -EINVAL);
	check_file(&pd, 0, SIZE, 0);
	pattern_disk_close(&pd);

	raw_open_direct(state, &pd, 4096);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 512, buf, 4096), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 0, buf, 512), -EINVAL);
	check_file(&pd, 0, SIZE, 0);
	pattern_disk_close(&pd);
}

static void test_read_only(void **state)
{
	struct pattern_disk pd;
	uint8_t buf[512];

	raw_open_with(state, &pd, pattern_file("/dev/shm", SIZE, O_RDONLY),
		      (struct vmm_disk){.size = SIZE, .logical_block = 512, .read_only = 1}, 4);
	assert_true(pd.disk->read_only);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 0, buf, 512), -EROFS);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, 512), 0);
	check_bytes(buf, 0, 512, 0);
	pattern_disk_close(&pd);
}

/* A file that shrank below its disk: what is missing reads as zero. */
static void test_past_the_end(void **state)
{
	struct pattern_disk pd;
	static uint8_t buf[8192], zero[8192];

	raw_open_dir(state, &pd, "/dev/shm");
	assert_int_equal(ftruncate(pd.fd, 6000), 0);
	memset(buf, 0xEE, sizeof(buf));
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 4096, buf, 4096), 0);
	check_bytes(buf, 4096, 6000 - 4096, 0);
	assert_memory_equal(buf + 6000 - 4096, zero, 4096 - (6000 - 4096));
	memset(buf, 0xEE, sizeof(buf));
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 65536, buf, 8192), 0);
	assert_memory_equal(buf, zero, 8192);
	pattern_disk_close(&pd);

	/* O_DIRECT: the file ends inside a block; aligned and bounced. */
	raw_open_direct(state, &pd, 512);
	assert_int_equal(ftruncate(pd.fd, 6000), 0);
	static uint8_t aligned[8192] __attribute__((aligned(4096)));
	memset(aligned, 0xEE, sizeof(aligned));
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 4096, aligned, 4096), 0);
	check_bytes(aligned, 4096, 6000 - 4096, 0);
	assert_memory_equal(aligned + 6000 - 4096, zero, 4096 - (6000 - 4096));
	memset(aligned, 0xEE, sizeof(aligned));
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 4096, aligned + 1, 4096), 0);
	check_bytes(aligned + 1, 4096, 6000 - 4096, 0);
	assert_memory_equal(aligned + 1 + 6000 - 4096, zero, 4096 - (6000 - 4096));
	pattern_disk_close(&pd);
}

static void test_bad_disks(void **state)
{
	static const struct {
		struct vmm_disk info;
		unsigned int depth;
	} cases[] = {
		{{.size = 0, .logical_block = 512}, 4},
		{{.size = 1000, .logical_block = 512}, 4},
		{{.size = 512, .logical_block = 4096}, 4},
		{{.size = 4096, .logical_block = 0}, 4},
		{{.size = 4096, .logical_block = 1024}, 4},
		{{.size = 4096, .logical_block = 512}, 0},
	};
	struct vmb_err err;
	struct disk *disk;
	struct ring *ring;
	unsigned int i;
	int fd;

	assert_int_equal(ring_create("disk", 4, *(enum ring_engine *)*state, &ring, &err), 0);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&err, 0, sizeof(err));
		disk = NULL;
		fd = pattern_file("/dev/shm", 4096, O_RDWR);
		assert_int_equal(
			disk_open_raw(fd, &cases[i].info, ring, cases[i].depth, &disk, &err),
			-EINVAL);
		assert_null(disk);
		assert_true(strlen(err.text) > 10);
		/* The descriptor was taken over all the same. */
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
	ring_destroy(ring);
}

/* ---- what becomes of the file ---- */

/* Linux gives a disk that was taken away the size 0: what is read then is an error, not zeroes. */
static void test_device_taken_away(void **state)
{
	static uint8_t buf[8192];
	struct pattern_disk pd;

	raw_open_with(state, &pd, pattern_file("/dev/shm", SIZE, O_RDWR),
		      (struct vmm_disk){.size = SIZE, .logical_block = 512, .is_block_device = 1},
		      16);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, 8192), 0);
	assert_int_equal(ftruncate(pd.fd, 4096), 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, 4096), 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, 8192), -EIO);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 65536, buf, 4096), -EIO);
	pattern_disk_close(&pd);
}

/* The file becomes bigger, by blocks and a bit; then smaller, which the disk does not. */
static void test_growing(void **state)
{
	struct pattern_disk pd;

	raw_open_dir(state, &pd, "/dev/shm");
	pd.disk->ops->grow(pd.disk);
	assert_int_equal(pd.disk->size, SIZE);
	assert_int_equal(ftruncate(pd.fd, 2 * SIZE + 100), 0);
	pd.disk->ops->grow(pd.disk);
	assert_int_equal(pd.disk->size, 2 * SIZE);
	assert_int_equal(ftruncate(pd.fd, SIZE / 2), 0);
	pd.disk->ops->grow(pd.disk);
	assert_int_equal(pd.disk->size, 2 * SIZE);
	pattern_disk_close(&pd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_read_write_tmpfs),
		BOTH(test_read_write_file),
		BOTH(test_direct_aligned),
		BOTH(test_direct_unaligned),
		BOTH(test_direct_unaligned_large),
		BOTH(test_bounds),
		BOTH(test_read_only),
		BOTH(test_past_the_end),
		BOTH(test_device_taken_away),
		BOTH(test_growing),
		BOTH(test_bad_disks),
	};

	return cmocka_run_group_tests_name("disk_raw", tests, NULL, NULL);
}
