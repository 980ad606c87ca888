/*
 * Raw disks with both engines when the kernel does less than it was asked for, at every step, and with many requests at
 * once. ring_submit() is wrapped to make the kernel's answer short, empty or an error; pread(2) and its kin are
 * wrapped to make the workers finish late and out of order.
 */
#include "disk_raw_fixture.h"

#include <sys/mman.h>

#include "vmm/ring_engine.h"

/* ---- what the kernel answers ---- */

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

ssize_t __real_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset)
{
	dawdle();
	return __real_pread(fd, buf, size, offset);
}

ssize_t __real_pwrite(int fd, const void *buf, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t size, off_t offset)
{
	dawdle();
	return __real_pwrite(fd, buf, size, offset);
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

static void forget_faults(void)
{
	memset(&script, 0, sizeof(script));
	workers_dawdle = false;
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

	forget_faults();
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

	forget_faults();
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

	forget_faults();
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

	forget_faults();
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

	forget_faults();
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

	forget_faults();
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
		BOTH(test_faults_unnoticed),
		BOTH(test_faults_told),
		BOTH(test_full),
		BOTH(test_faults_bounced),
		BOTH(test_drain_storm),
		BOTH(test_ring_destroyed_under_load),
	};

	return cmocka_run_group_tests_name("disk_faults", tests, NULL, NULL);
}
