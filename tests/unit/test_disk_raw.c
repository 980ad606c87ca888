/*
 * Raw disks with both engines: data, limits, alignment, every fault at every step, drain storms.
 * ring_submit() is wrapped to make the kernel's answer short, empty or an error; preadv(2) and
 * pwritev(2) are wrapped to make the workers finish late and out of order.
 */
#include "disk_test.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "vmm/ring_engine.h"

#define SIZE (1 << 20)

/* ---- faults ---- */

enum fault { FAULT_NONE, FAULT_SHORT, FAULT_NOTHING, FAULT_ERRNO };

static struct {
	enum fault fault;
	int code;		  /* FAULT_ERRNO */
	size_t keep;		  /* FAULT_SHORT: how many bytes are really moved */
	int op;			  /* only this ring_op; -1 any */
	unsigned int from, count; /* which submissions, counted from 0 */
	unsigned int seen;
	unsigned int hit;
} script;

static bool workers_dawdle;

struct shadow {
	struct ring_req req; /* first */
	struct ring_req *real;
	struct iovec iov[IO_MAX_IOV];
	enum fault fault;
	int code;
};

int __real_ring_submit(struct ring *ring, struct ring_req *req);
int __wrap_ring_submit(struct ring *ring, struct ring_req *req);

static void shadow_done(struct ring_req *req, int64_t result)
{
	struct shadow *shadow = (struct shadow *)req;
	struct ring_req *real = shadow->real;

	if (shadow->fault == FAULT_ERRNO)
		result = -shadow->code;
	else if (shadow->fault == FAULT_NOTHING)
		result = 0;
	free(shadow);
	real->done(real, result);
}

int __wrap_ring_submit(struct ring *ring, struct ring_req *req)
{
	struct shadow *shadow;
	unsigned int n;
	size_t keep = script.keep;

	if (script.fault == FAULT_NONE || (script.op >= 0 && (int)req->op != script.op))
		return __real_ring_submit(ring, req);
	n = script.seen++;
	if (n < script.from || n - script.from >= script.count)
		return __real_ring_submit(ring, req);
	script.hit++;
	shadow = calloc(1, sizeof(*shadow));
	shadow->req = *req;
	shadow->req.done = shadow_done;
	shadow->real = req;
	shadow->fault = script.fault;
	shadow->code = script.code;
	if (script.fault == FAULT_SHORT && req->op != RING_FSYNC_DATA) {
		shadow->req.iov = shadow->iov;
		for (n = 0; n < req->iov_count && keep; n++) {
			shadow->iov[n] = req->iov[n];
			if (shadow->iov[n].iov_len > keep)
				shadow->iov[n].iov_len = keep;
			keep -= shadow->iov[n].iov_len;
		}
		shadow->req.iov_count = n;
	} else {
		shadow->req.op = RING_FSYNC_DATA; /* nothing is moved */
	}
	return __real_ring_submit(ring, &shadow->req);
}

static void dawdle(void)
{
	static atomic_uint turn;

	if (workers_dawdle)
		usleep((turn++ * 7919) % 1500);
}

ssize_t __real_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	dawdle();
	return __real_preadv(fd, iov, count, offset);
}

ssize_t __real_pwritev(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	dawdle();
	return __real_pwritev(fd, iov, count, offset);
}

/* ---- a disk ---- */

static void raw_open_with(void **state, struct pattern_disk *pd, int fd, struct vmm_disk info,
			  unsigned int depth)
{
	struct vmb_err err = {0};

	memset(&script, 0, sizeof(script));
	workers_dawdle = false;
	assert_true(fd >= 0);
	pd->fd = dup(fd);
	assert_int_equal(ring_create("disk", depth, *(enum ring_engine *)*state, &pd->ring, &err),
			 0);
	assert_int_equal(disk_open_raw(fd, &info, pd->ring, depth, &pd->disk, &err), 0);
	assert_int_equal(ring_start(pd->ring), 0);
}

static void raw_open_dir(void **state, struct pattern_disk *pd, const char *dir)
{
	raw_open_with(state, pd, pattern_file(dir, SIZE, O_RDWR),
		      (struct vmm_disk){.size = SIZE, .logical_block = 512, .serial = "S1"}, 16);
}

/* With O_DIRECT on a file system that takes it; the block is what the guest is told. */
static void raw_open_direct(void **state, struct pattern_disk *pd, uint32_t block)
{
	int fd = pattern_file("/var/tmp", SIZE, O_RDWR | O_DIRECT);

	if (fd < 0)
		skip();
	raw_open_with(state, pd, fd,
		      (struct vmm_disk){.size = SIZE, .logical_block = block, .direct = 1}, 16);
}

static void check_bytes(const uint8_t *buf, uint64_t offset, size_t len, unsigned int seed)
{
	uint8_t *want = malloc(len);

	pattern_fill(want, offset, len, seed);
	assert_memory_equal(buf, want, len);
	free(want);
}

/* The file itself, past the disk. */
static void check_file(const struct pattern_disk *pd, uint64_t offset, size_t len,
		       unsigned int seed)
{
	void *buf = NULL;

	assert_int_equal(posix_memalign(&buf, 4096, (len + 8191) & ~4095UL), 0);
	assert_true(pread(pd->fd, buf, (len + 8191) & ~4095UL, (off_t)(offset & ~4095UL)) >= 0);
	check_bytes((uint8_t *)buf + (offset & 4095), offset, len, seed);
	free(buf);
}

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

/* ---- faults ---- */

/* Faults that a guest must not notice, in every position of a scattered request. */
static void test_faults_unnoticed(void **state)
{
	static const struct {
		enum fault fault;
		int code;
		int op;
	} faults[] = {
		{FAULT_ERRNO, EINTR, -1},
		{FAULT_ERRNO, EAGAIN, -1},
		{FAULT_SHORT, 0, RING_READV},
	};
	static const size_t keeps[] = {1, 511, 512, 513, 1024, 1500, 2047};
	struct pattern_disk pd;
	static uint8_t buf[2048];
	struct io io;
	unsigned int f, k, repeat;

	raw_open_dir(state, &pd, "/dev/shm");
	for (f = 0; f < 3; f++) {
		for (k = 0; k < sizeof(keeps) / sizeof(keeps[0]); k++) {
			for (repeat = 1; repeat < 4; repeat++) {
				script.fault = FAULT_NONE;
				pattern_fill(buf, 4096, 2048, f + k + repeat);
				io.iov[0] = (struct iovec){buf, 512};
				io.iov[1] = (struct iovec){buf + 512, 512};
				io.iov[2] = (struct iovec){buf + 1024, 1024};
				script.fault = faults[f].fault;
				script.code = faults[f].code;
				script.op = faults[f].op;
				script.keep = keeps[k];
				script.from = script.seen = script.hit = 0;
				script.count = repeat;
				io_init(&io, pd.disk, pd.ring, DISK_WRITE, 4096, 3);
				io_run(&io, 1, true);
				assert_int_equal(io.error, 0);
				if (faults[f].op < 0)
					assert_int_equal(script.hit, repeat);
				check_file(&pd, 4096, 2048, f + k + repeat);
				memset(buf, 0, sizeof(buf));
				script.seen = script.hit = 0;
				io_init(&io, pd.disk, pd.ring, DISK_READ, 4096, 3);
				io_run(&io, 1, false);
				assert_int_equal(io.error, 0);
				assert_true(script.hit >= 1);
				check_bytes(buf, 4096, 2048, f + k + repeat);
				script.seen = script.hit = 0;
				assert_int_equal(io_one(pd.disk, pd.ring, DISK_FLUSH, 0, NULL, 0),
						 0);
			}
		}
	}
	pattern_disk_close(&pd);
}

static void test_faults_told(void **state)
{
	static const struct {
		enum fault fault;
		int code;
		enum disk_op op;
		int want;
	} cases[] = {
		{FAULT_ERRNO, EIO, DISK_READ, -EIO},
		{FAULT_ERRNO, EIO, DISK_WRITE, -EIO},
		{FAULT_ERRNO, EIO, DISK_FLUSH, -EIO},
		{FAULT_ERRNO, ENOSPC, DISK_WRITE, -ENOSPC},
		{FAULT_SHORT, 0, DISK_WRITE, -ENOSPC},
		{FAULT_NOTHING, 0, DISK_WRITE, -ENOSPC},
		{FAULT_ERRNO, ENODEV, DISK_READ, -ENODEV},
	};
	struct pattern_disk pd;
	uint8_t buf[2048];
	unsigned int i;

	raw_open_dir(state, &pd, "/dev/shm");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&script, 0, sizeof(script));
		script.fault = cases[i].fault;
		script.code = cases[i].code;
		script.op = -1;
		script.keep = 700;
		script.count = 1;
		assert_int_equal(io_one(pd.disk, pd.ring, cases[i].op, 8192, buf, sizeof(buf)),
				 cases[i].want);
		assert_int_equal(script.hit, 1);
		/* The next one is not hurt. */
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, sizeof(buf)), 0);
		check_bytes(buf, 0, sizeof(buf), 0);
	}
	/* "Try again" for ever is an error in the end, not a loop. */
	memset(&script, 0, sizeof(script));
	script.fault = FAULT_ERRNO;
	script.code = EAGAIN;
	script.op = -1;
	script.count = UINT32_MAX;
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 0, buf, sizeof(buf)), -EAGAIN);
	pattern_disk_close(&pd);
}

/* A real full file system: the error is the kernel's own. */
static void test_full(void **state)
{
	struct pattern_disk pd;
	uint8_t buf[512] = {0};

	raw_open_with(state, &pd, open("/dev/full", O_RDWR | O_CLOEXEC),
		      (struct vmm_disk){.size = SIZE, .logical_block = 512}, 4);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 0, buf, 512), -ENOSPC);
	pattern_disk_close(&pd);
}

/* Faults of the n-th step of a direct, bounced transfer of several pieces. */
static void test_faults_bounced(void **state)
{
	enum { LEN = 200 * 1024 }; /* four pieces */
	struct pattern_disk pd;
	uint8_t *memory = malloc(LEN + 64), *buf = memory + 5;
	unsigned int n;

	raw_open_direct(state, &pd, 512);
	for (n = 0; n < 5; n++) {
		memset(&script, 0, sizeof(script));
		script.op = -1;
		script.from = n;
		script.count = 1;
		script.fault = FAULT_ERRNO;
		script.code = EINTR;
		pattern_fill(buf, 4096, LEN, n);
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 4096, buf, LEN), 0);
		check_file(&pd, 4096, LEN, n);
		script.seen = 0;
		script.fault = FAULT_SHORT;
		script.op = RING_READV;
		script.keep = 4096;
		memset(buf, 0, LEN);
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 4096, buf, LEN), 0);
		check_bytes(buf, 4096, LEN, n);
		script.seen = script.hit = 0;
		script.fault = FAULT_ERRNO;
		script.code = EIO;
		script.op = -1;
		assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, 4096, buf, LEN),
				 n < 4 ? -EIO : 0);
	}
	free(memory);
	pattern_disk_close(&pd);
}

/* ---- many at once ---- */

struct chain {
	struct io io; /* first */
	unsigned int left;
	atomic_uint *total;
};

static void chain_done(struct disk_req *req, int error)
{
	struct chain *chain = (struct chain *)req;

	assert_true(error == 0 || error == -ECANCELED);
	atomic_fetch_add(chain->total, 1);
	if (error || !chain->left--) {
		chain->io.done++;
		return;
	}
	chain->io.disk->ops->submit(chain->io.disk, req);
}

struct chain_scene {
	struct chain *chains;
	unsigned int count;
	bool drain;
};

static void do_chains(void *arg)
{
	struct chain_scene *scene = arg;
	struct disk *disk = scene->chains[0].io.disk;
	unsigned int i;

	for (i = 0; i < scene->count; i++)
		disk->ops->submit(disk, &scene->chains[i].io.req);
	if (scene->drain)
		disk->ops->drain(disk);
}

/* Far more requests than slots, aligned and not, with completions out of order, drained in the middle. */
static void test_drain_storm(void **state)
{
	enum { N = 100, LEN = 1024 };
	struct pattern_disk pd;
	struct chain *chains = calloc(N, sizeof(*chains));
	struct chain_scene scene = {chains, N, true};
	atomic_uint total = 0;
	uint8_t *memory = malloc(N * (LEN + 512));
	unsigned int i, round;

	raw_open_direct(state, &pd, 512);
	workers_dawdle = true;
	for (round = 0; round < 6; round++) {
		for (i = 0; i < N; i++) {
			uint8_t *buf = memory + i * (LEN + 512);

			if (i % 2)
				buf = (uint8_t *)(((uintptr_t)buf + 511) & ~511UL);
			pattern_fill(buf, i * LEN, LEN, 3);
			chains[i].io.iov[0] = (struct iovec){buf, LEN};
			io_init(&chains[i].io, pd.disk, pd.ring, i % 3 ? DISK_WRITE : DISK_FLUSH,
				i * LEN, i % 3 ? 1 : 0);
			chains[i].io.req.done = chain_done;
			chains[i].left = round;
			chains[i].total = &total;
		}
		total = 0;
		ring_call(pd.ring, do_chains, &scene);
		assert_int_equal(total, N * (round + 1));
		for (i = 0; i < N; i++) {
			assert_int_equal(chains[i].io.done, 1);
			if (i % 3)
				check_file(&pd, i * LEN, LEN, 3);
		}
	}
	free(memory);
	free(chains);
	pattern_disk_close(&pd);
}

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

/* The ring goes away under a loaded disk: everything ends once, nothing is touched later. */
static void test_ring_destroyed_under_load(void **state)
{
	enum { N = 64, LEN = 4096 };
	struct pattern_disk pd;
	struct chain *chains = calloc(N, sizeof(*chains));
	struct chain_scene scene = {chains, N, false};
	atomic_uint total = 0;
	uint8_t *memory = malloc(N * LEN);
	unsigned int i;

	raw_open_dir(state, &pd, "/dev/shm");
	workers_dawdle = true;
	for (i = 0; i < N; i++) {
		chains[i].io.iov[0] = (struct iovec){memory + i * LEN, LEN};
		io_init(&chains[i].io, pd.disk, pd.ring, DISK_READ, i * LEN, 1);
		chains[i].io.req.done = chain_done;
		chains[i].left = 1000000;
		chains[i].total = &total;
	}
	ring_call(pd.ring, do_chains, &scene);
	usleep(3000);
	ring_destroy(pd.ring);
	for (i = 0; i < N; i++)
		assert_int_equal(chains[i].io.done, 1);
	free(memory);
	pd.disk->ops->destroy(pd.disk);
	close(pd.fd);
	free(chains);
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
		BOTH(test_faults_unnoticed),
		BOTH(test_faults_told),
		BOTH(test_full),
		BOTH(test_faults_bounced),
		BOTH(test_drain_storm),
		BOTH(test_ring_destroyed_under_load),
	};

	return cmocka_run_group_tests_name("disk_raw", tests, NULL, NULL);
}
