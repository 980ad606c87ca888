/*
 * Discards and zeroes below virtio-blk, with both engines: on files, on loop devices of both block
 * sizes (where the tests run as root), through every way there is, and in the RAM overlay.
 * ring_submit() is wrapped to refuse ways that this host has.
 */
#include "disk_test.h"

#include <linux/falloc.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define SIZE (1 << 20)

/* ---- hosts that cannot ---- */

static struct {
	int code; /* of the refusals */
	bool discard, punch, zero_range;
	atomic_uint submitted; /* that would have been refused */
	atomic_uint writes;
} refuse;

struct shadow {
	struct ring_req req; /* first */
	struct ring_req *real;
};

int __real_ring_submit(struct ring *ring, struct ring_req *req);
int __wrap_ring_submit(struct ring *ring, struct ring_req *req);

static void shadow_done(struct ring_req *req, int64_t result)
{
	struct ring_req *real = ((struct shadow *)req)->real;

	assert_int_equal(result, 0);
	free(req);
	real->done(real, -refuse.code);
}

int __wrap_ring_submit(struct ring *ring, struct ring_req *req)
{
	bool punch = req->op == RING_FALLOCATE && req->mode & FALLOC_FL_PUNCH_HOLE;
	bool zero_range = req->op == RING_FALLOCATE && req->mode & FALLOC_FL_ZERO_RANGE;
	struct shadow *shadow;

	refuse.writes += req->op == RING_WRITEV;
	if (!(punch && refuse.punch) && !(zero_range && refuse.zero_range) &&
	    !(req->op == RING_DISCARD && refuse.discard))
		return __real_ring_submit(ring, req);
	refuse.submitted++;
	shadow = calloc(1, sizeof(*shadow));
	shadow->real = req;
	shadow->req = *req;
	shadow->req.op = RING_FSYNC_DATA;
	shadow->req.done = shadow_done;
	return __real_ring_submit(ring, &shadow->req);
}

/* ---- raw disks ---- */

static void open_raw(void **state, struct pattern_disk *pd, int fd, struct vmm_disk info)
{
	struct vmb_err err = {0};

	assert_true(fd >= 0);
	memset(&refuse, 0, sizeof(refuse));
	pd->fd = dup(fd);
	assert_int_equal(ring_create("disk", 8, *(enum ring_engine *)*state, &pd->ring, &err), 0);
	assert_int_equal(disk_open_raw(fd, &info, pd->ring, 8, &pd->disk, &err), 0);
	assert_int_equal(ring_start(pd->ring), 0);
}

static void open_file(void **state, struct pattern_disk *pd, const char *dir)
{
	open_raw(state, pd, pattern_file(dir, SIZE, O_RDWR),
		 (struct vmm_disk){.size = SIZE, .logical_block = 512});
}

static int zero_one(struct pattern_disk *pd, enum disk_op op, uint64_t offset, uint64_t len)
{
	struct io io;

	io_init(&io, pd->disk, pd->ring, op, offset, 0);
	io.req.length = len;
	io_run(&io, 1, false);
	return io.error;
}

/* Zeroes from FROM to TO, the pattern around them. */
static void check_hole(struct pattern_disk *pd, uint64_t from, uint64_t to)
{
	uint8_t *buf = malloc(SIZE), *want = malloc(SIZE);

	pattern_fill(want, 0, SIZE, 0);
	memset(want + from, 0, to - from);
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_READ, 0, buf, SIZE), 0);
	assert_memory_equal(buf, want, SIZE);
	free(buf);
	free(want);
}

static uint64_t blocks_of(const struct pattern_disk *pd)
{
	struct stat st;

	assert_int_equal(fsync(pd->fd), 0); /* delayed allocation */
	assert_int_equal(fstat(pd->fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void test_file(void **state)
{
	static const char *const dirs[] = {"/dev/shm", "/var/tmp"};
	struct pattern_disk pd;
	uint64_t full;

	for (unsigned int i = 0; i < 2; i++) {
		open_file(state, &pd, dirs[i]);
		full = blocks_of(&pd);
		/* Both file systems can punch holes; that they were asked did not change anything. */
		assert_true(pd.disk->discard_block >= 512);
		check_hole(&pd, 0, 0);
		assert_int_equal(zero_one(&pd, DISK_ZERO, 4096 * 3, 4096 * 50), 0);
		check_hole(&pd, 4096 * 3, 4096 * 53);
		assert_true(blocks_of(&pd) >= full);
		assert_int_equal(zero_one(&pd, DISK_DISCARD, 4096 * 3, 4096 * 50), 0);
		check_hole(&pd, 4096 * 3, 4096 * 53);
		assert_true(blocks_of(&pd) <= full - 4096 * 50);
		assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, 4096 * 53, 4096 * 100), 0);
		check_hole(&pd, 4096 * 3, 4096 * 153);
		assert_true(blocks_of(&pd) <= full - 4096 * 150);
		/* Sectors, not blocks of the file system. */
		assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, 4096 * 153, 512), 0);
		assert_int_equal(zero_one(&pd, DISK_ZERO, 4096 * 153 + 512, 512), 0);
		check_hole(&pd, 4096 * 3, 4096 * 153 + 1024);
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_FLUSH, 0, NULL, 0), 0);
		pattern_disk_close(&pd);
	}
}

static void test_limits(void **state)
{
	struct pattern_disk pd;

	open_file(state, &pd, "/dev/shm");
	for (enum disk_op op = DISK_DISCARD; op <= DISK_ZERO_UNMAP; op++) {
		assert_int_equal(zero_one(&pd, op, SIZE, 512), -EINVAL);
		assert_int_equal(zero_one(&pd, op, SIZE - 512, 1024), -EINVAL);
		assert_int_equal(zero_one(&pd, op, UINT64_MAX - 511, 1024), -EINVAL);
		assert_int_equal(zero_one(&pd, op, 0, 0), 0);
	}
	check_hole(&pd, 0, 0);
	pattern_disk_close(&pd);
	open_raw(state, &pd, pattern_file("/dev/shm", SIZE, O_RDONLY),
		 (struct vmm_disk){.size = SIZE, .logical_block = 512, .read_only = 1});
	assert_int_equal(pd.disk->discard_block, 0);
	for (enum disk_op op = DISK_DISCARD; op <= DISK_ZERO_UNMAP; op++)
		assert_int_equal(zero_one(&pd, op, 0, 512), -EROFS);
	check_hole(&pd, 0, 0);
	pattern_disk_close(&pd);
}

/* A file system without fallocate(2): zeroes are written, a discard says that there is none. */
static void test_host_cannot(void **state)
{
	static const int codes[] = {EOPNOTSUPP, ENOSYS};
	struct pattern_disk pd;
	unsigned int asked;

	for (unsigned int i = 0; i < 2; i++) {
		open_file(state, &pd, "/dev/shm");
		refuse.code = codes[i];
		refuse.punch = refuse.zero_range = true;
		assert_int_equal(zero_one(&pd, DISK_ZERO, 512, SIZE - 1024), 0);
		check_hole(&pd, 512, SIZE - 512);
		assert_true(refuse.writes >= 1);
		assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, 0, 512), 0);
		check_hole(&pd, 0, SIZE - 512);
		assert_int_equal(zero_one(&pd, DISK_DISCARD, 0, SIZE), -EOPNOTSUPP);
		check_hole(&pd, 0, SIZE - 512);
		/* Nobody asks a second time. */
		asked = refuse.submitted;
		assert_int_equal(asked, 2);
		assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, 0, SIZE), 0);
		assert_int_equal(zero_one(&pd, DISK_DISCARD, 0, SIZE), -EOPNOTSUPP);
		assert_int_equal(refuse.submitted, asked);
		check_hole(&pd, 0, SIZE);
		pattern_disk_close(&pd);
	}
}

/* Any other error is an error, and is asked for again the next time. */
static void test_host_fails(void **state)
{
	static const int codes[] = {EIO, ENOSPC, EINVAL};
	struct pattern_disk pd;

	for (unsigned int i = 0; i < 3; i++) {
		open_file(state, &pd, "/dev/shm");
		refuse.code = codes[i];
		refuse.punch = refuse.zero_range = true;
		for (enum disk_op op = DISK_DISCARD; op <= DISK_ZERO_UNMAP; op++)
			assert_int_equal(zero_one(&pd, op, 0, 4096), -codes[i]);
		refuse.punch = refuse.zero_range = false;
		assert_int_equal(zero_one(&pd, DISK_DISCARD, 0, 4096), 0);
		check_hole(&pd, 0, 4096);
		assert_int_equal(refuse.writes, 0);
		pattern_disk_close(&pd);
	}
}

/* ---- block devices ---- */

/* A loop device with BLOCK over a file of SIZE bytes of pattern, gone with its last descriptor; -1: none here. */
static int loop_open(uint32_t block, int *ret_file)
{
	struct loop_config config = {.block_size = block, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1, n;
	char path[32];

	for (int tries = 0; control >= 0 && tries < 8; tries++) {
		n = ioctl(control, LOOP_CTL_GET_FREE);
		snprintf(path, sizeof(path), "/dev/loop%d", n);
		loop = open(path, O_RDWR | O_CLOEXEC);
		if (loop < 0)
			break;
		*ret_file = pattern_file("/var/tmp", SIZE, O_RDWR);
		config.fd = (uint32_t)*ret_file;
		if (ioctl(loop, LOOP_CONFIGURE, &config) == 0)
			break;
		close(*ret_file); /* somebody was faster */
		close(loop);
		loop = -1;
	}
	if (control >= 0)
		close(control);
	return loop;
}

static void block_device(void **state, uint32_t block, bool no_discard)
{
	struct pattern_disk pd;
	int file, loop = loop_open(block, &file);
	struct stat before, after;

	if (loop < 0)
		skip();
	assert_int_equal(fcntl(loop, F_SETFL, O_DIRECT), 0);
	open_raw(state, &pd, loop,
		 (struct vmm_disk){.size = SIZE,
				   .logical_block = block,
				   .physical_block = block,
				   .discard_block = 4096,
				   .direct = 1,
				   .is_block_device = 1});
	refuse.code = EINVAL; /* what an io_uring that knows no commands for block devices says */
	refuse.discard = no_discard;
	assert_int_equal(pd.disk->discard_block, 4096);
	assert_int_equal(fstat(file, &before), 0);
	assert_int_equal(zero_one(&pd, DISK_DISCARD, 4096 * 8, 4096 * 64), 0);
	assert_int_equal(fsync(file), 0);
	assert_int_equal(fstat(file, &after), 0);
	assert_true(after.st_blocks * 512 <= before.st_blocks * 512 - 4096 * 64);
	check_hole(&pd, 4096 * 8, 4096 * 72); /* a loop device's discard is a hole in its file */
	assert_int_equal(zero_one(&pd, DISK_ZERO, 4096 * 72, block), 0);
	assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, 4096 * 72 + block, 4096), 0);
	check_hole(&pd, 4096 * 8, 4096 * 73 + block);
	if (block > 512)
		for (enum disk_op op = DISK_DISCARD; op <= DISK_ZERO_UNMAP; op++) {
			assert_int_equal(zero_one(&pd, op, 512, 4096), -EINVAL);
			assert_int_equal(zero_one(&pd, op, 0, 512), -EINVAL);
		}
	assert_int_equal(refuse.submitted, no_discard ? 1 : 0);
	pattern_disk_close(&pd);
	close(file);
}

static void test_block_512(void **state)
{
	block_device(state, 512, false);
}

static void test_block_4096(void **state)
{
	block_device(state, 4096, false);
}

static void test_block_without_discard(void **state)
{
	block_device(state, 512, true);
}

/* ---- the overlay ---- */

static void open_overlay(void **state, struct pattern_disk *pd, size_t size, uint64_t limit)
{
	struct vmm_disk info = {.size = size, .logical_block = 512, .read_only = 1, .overlay = 1};
	int fd = pattern_file("/dev/shm", size, O_RDONLY);
	struct vmb_err err = {0};
	struct disk *base;

	assert_true(fd >= 0);
	memset(&refuse, 0, sizeof(refuse));
	pd->fd = dup(fd);
	assert_int_equal(ring_create("disk", 16, *(enum ring_engine *)*state, &pd->ring, &err), 0);
	assert_int_equal(disk_open_raw(fd, &info, pd->ring, 16, &base, &err), 0);
	assert_int_equal(disk_open_overlay(base, limit, &pd->disk), 0);
	assert_int_equal(ring_start(pd->ring), 0);
}

static void check_range(struct pattern_disk *pd, const uint8_t *model, uint64_t offset, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_int_equal(io_one(pd->disk, pd->ring, DISK_READ, offset, buf, len), 0);
	assert_memory_equal(buf, model + offset, len);
	free(buf);
}

/* Whole granules of zeroes cost no memory, and what they cost before can be used again. */
static void test_overlay_gives_back(void **state)
{
	struct pattern_disk pd;
	uint8_t *model = malloc(SIZE);

	open_overlay(state, &pd, SIZE, 4 * 4096);
	assert_true(pd.disk->discard_block >= 512);
	pattern_fill(model, 0, SIZE, 0);
	assert_int_equal(zero_one(&pd, DISK_ZERO, 0, SIZE / 2), 0);
	memset(model, 0, SIZE / 2);
	check_range(&pd, model, 0, SIZE);
	for (unsigned int round = 0; round < 5; round++) {
		uint64_t at = round * 8192;

		pattern_fill(model + at, at, 4 * 4096, round + 1);
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, at, model + at, 4 * 4096), 0);
		check_range(&pd, model, 0, SIZE);
		/* Full: neither a write nor zeroes in a part of a granule find room... */
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, SIZE - 4096, model, 4096),
				 -ENOSPC);
		assert_int_equal(zero_one(&pd, DISK_ZERO, SIZE - 512, 512), -ENOSPC);
		/* ...but where there are zeroes already nothing is needed. */
		assert_int_equal(zero_one(&pd, DISK_ZERO_UNMAP, SIZE / 2 - 512, 512), 0);
		assert_int_equal(zero_one(&pd, DISK_DISCARD, SIZE - 512, 512), 0);
		check_range(&pd, model, 0, SIZE);
		assert_int_equal(
			zero_one(&pd, round % 2 ? DISK_ZERO : DISK_ZERO_UNMAP, at, 4 * 4096), 0);
		memset(model + at, 0, 4 * 4096);
		check_range(&pd, model, 0, SIZE);
	}
	/* Part of a granule of zeroes is written: the rest of it stays zeroes, not old bytes. */
	pattern_fill(model + 512, 512, 512, 9);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 512, model + 512, 512), 0);
	check_range(&pd, model, 0, SIZE);
	/* A discard frees it again. */
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, i * 4096, model, 512), 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 5 * 4096, model, 512), -ENOSPC);
	assert_int_equal(zero_one(&pd, DISK_DISCARD, 0, 4 * 4096), 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 5 * 4096, model, 512), 0);
	pattern_disk_close(&pd);
	free(model);
}

static unsigned int random_next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (unsigned int)(*x >> 20);
}

/* Writes and zeroes that overlap each other, all submitted at once, against a plain array. */
static void test_overlay_random(void **state)
{
	enum { ROUNDS = 200, N = 24, MAX = 20480, ODD = SIZE - 1536 };
	struct pattern_disk pd;
	struct io ios[N];
	uint8_t *model = malloc(ODD), *memory = malloc(N * MAX), *want = malloc(ODD);
	uint64_t x = 88172645463325252ULL;

	pattern_fill(model, 0, ODD, 0);
	open_overlay(state, &pd, ODD, SIZE);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t window = random_next(&x) % (SIZE / 65536) * 65536;

		for (unsigned int i = 0; i < N; i++) {
			uint64_t offset = window + random_next(&x) % 80 * 512;
			size_t len = 512 + random_next(&x) % 40 * 512;
			uint8_t *buf = memory + i * MAX;
			bool zero = random_next(&x) % 2;

			if (offset + len > ODD)
				offset = ODD - len;
			pattern_fill(buf, offset, len, round + i);
			if (zero)
				memset(buf, 0, len);
			memcpy(model + offset, buf, len);
			ios[i].iov[0] = (struct iovec){buf, len};
			io_init(&ios[i], pd.disk, pd.ring, zero ? DISK_ZERO : DISK_WRITE, offset,
				zero ? 0 : 1);
			ios[i].req.length = len;
		}
		io_run(ios, N, round % 2);
		for (unsigned int i = 0; i < N; i++)
			assert_int_equal(ios[i].error, 0);
		check_range(&pd, model, window, ODD - window < 65536 ? ODD - window : 65536);
	}
	check_range(&pd, model, 0, ODD);
	pattern_fill(want, 0, ODD, 0);
	assert_int_equal(pread(pd.fd, memory, N * MAX, 0), N * MAX);
	assert_memory_equal(memory, want, N * MAX); /* nothing of it reached the file */
	free(memory);
	free(model);
	free(want);
	pattern_disk_close(&pd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_file),
		BOTH(test_limits),
		BOTH(test_host_cannot),
		BOTH(test_host_fails),
		BOTH(test_block_512),
		BOTH(test_block_4096),
		BOTH(test_block_without_discard),
		BOTH(test_overlay_gives_back),
		BOTH(test_overlay_random),
	};

	return cmocka_run_group_tests_name("disk_zero", tests, NULL, NULL);
}
