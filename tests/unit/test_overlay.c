/*
 * The RAM overlay with both engines, against a model: a plain array that takes the same writes.
 * The disk below is real, read-only, and must never change. A second base fails on demand.
 */
#include "disk_test.h"

#define SIZE (1 << 20)

static void overlay_open_on(void **state, struct pattern_disk *pd, int fd, struct vmm_disk info,
			    uint64_t limit)
{
	struct vmb_err err = {0};
	struct disk *base;

	assert_true(fd >= 0);
	pd->fd = dup(fd);
	assert_int_equal(ring_create("disk", 16, *(enum ring_engine *)*state, &pd->ring, &err), 0);
	assert_int_equal(disk_open_raw(fd, &info, pd->ring, 16, &base, &err), 0);
	assert_int_equal(disk_open_overlay(base, limit, &pd->disk), 0);
	assert_int_equal(ring_start(pd->ring), 0);
}

static void overlay_open(void **state, struct pattern_disk *pd, size_t size, uint64_t limit)
{
	overlay_open_on(state, pd, pattern_file("/dev/shm", size, O_RDONLY),
			(struct vmm_disk){.size = size,
					  .logical_block = 512,
					  .read_only = 1,
					  .overlay = 1,
					  .serial = "OV"},
			limit);
}

static void check_model(struct pattern_disk *pd, const uint8_t *model, uint64_t offset, size_t len)
{
	uint8_t *buf = malloc(len);

	assert_int_equal(io_one(pd->disk, pd->ring, DISK_READ, offset, buf, len), 0);
	assert_memory_equal(buf, model + offset, len);
	free(buf);
}

static void check_base_unchanged(struct pattern_disk *pd, size_t size)
{
	uint8_t *buf = malloc(size), *want = malloc(size);

	pattern_fill(want, 0, size, 0);
	assert_int_equal(pread(pd->fd, buf, size, 0), size);
	assert_memory_equal(buf, want, size);
	free(buf);
	free(want);
}

static void write_both(struct pattern_disk *pd, uint8_t *model, uint64_t offset, size_t len,
		       unsigned int seed)
{
	pattern_fill(model + offset, offset, len, seed);
	assert_int_equal(io_one(pd->disk, pd->ring, DISK_WRITE, offset, model + offset, len), 0);
}

static void test_merge(void **state)
{
	struct pattern_disk pd;
	uint8_t *model = malloc(SIZE);

	pattern_fill(model, 0, SIZE, 0);
	overlay_open(state, &pd, SIZE, SIZE);
	assert_false(pd.disk->read_only);
	assert_int_equal(pd.disk->size, SIZE);
	assert_int_equal(pd.disk->logical_block, 512);
	assert_string_equal(pd.disk->serial, "OV");
	check_model(&pd, model, 0, SIZE);
	write_both(&pd, model, 8192, 4096, 1); /* a whole granule */
	check_model(&pd, model, 8192, 4096);
	write_both(&pd, model, 512, 512, 2);	       /* inside one */
	write_both(&pd, model, 1024, 512, 3);	       /* again in the same */
	write_both(&pd, model, 20480 - 512, 1024, 4);  /* over an edge */
	write_both(&pd, model, 40960 + 512, 16384, 5); /* parts at both ends, whole ones between */
	write_both(&pd, model, 8192 + 1024, 512, 6);   /* part of one that is in RAM */
	write_both(&pd, model, SIZE - 512, 512, 7);    /* the last block */
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_FLUSH, 0, NULL, 0), 0);
	check_model(&pd, model, 0, SIZE);
	check_model(&pd, model, 512, 512);
	check_model(&pd, model, 4096 + 512, 8192);
	check_base_unchanged(&pd, SIZE);
	free(model);
	pattern_disk_close(&pd);
}

/* A disk that ends inside a granule. */
static void test_odd_end(void **state)
{
	enum { ODD = 16384 + 512 * 3 };
	struct pattern_disk pd;
	uint8_t *model = malloc(ODD);

	pattern_fill(model, 0, ODD, 0);
	overlay_open(state, &pd, ODD, SIZE);
	write_both(&pd, model, ODD - 512, 512, 1);
	check_model(&pd, model, 0, ODD);
	write_both(&pd, model, 16384, 512 * 3, 2);
	write_both(&pd, model, 16384 - 512, 512 * 4, 3);
	check_model(&pd, model, 0, ODD);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, ODD, model, 512), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, ODD - 512, model, 1024), -EINVAL);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_READ, UINT64_MAX - 511, model, 1024),
			 -EINVAL);
	check_base_unchanged(&pd, ODD);
	free(model);
	pattern_disk_close(&pd);
}

static void test_full(void **state)
{
	struct pattern_disk pd;
	uint8_t *model = malloc(SIZE);
	uint8_t buf[16384];

	pattern_fill(model, 0, SIZE, 0);
	pattern_fill(buf, 0, sizeof(buf), 9);
	overlay_open(state, &pd, SIZE, 3 * 4096 + 100);
	write_both(&pd, model, 0, 4096, 1);
	write_both(&pd, model, 8192, 4096, 1);
	/* Two more granules do not fit: nothing of it is written, not even the part that would. */
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 4096, buf, 4096 + 8192), -ENOSPC);
	check_model(&pd, model, 0, SIZE);
	/* One does, and what is in RAM can always be written again. */
	write_both(&pd, model, 65536 + 512, 512, 2);
	write_both(&pd, model, 0, 4096, 3);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, SIZE - 512, buf, 512), -ENOSPC);
	check_model(&pd, model, 0, SIZE);
	check_base_unchanged(&pd, SIZE);
	pattern_disk_close(&pd);

	overlay_open(state, &pd, SIZE, 0);
	pattern_fill(model, 0, SIZE, 0);
	assert_int_equal(io_one(pd.disk, pd.ring, DISK_WRITE, 0, buf, 512), -ENOSPC);
	check_model(&pd, model, 0, SIZE);
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

/* Rounds of writes that overlap each other, all submitted at once: they take effect in order. */
static void test_random(void **state)
{
	enum { ROUNDS = 150, N = 24, MAX = 20480 };
	struct pattern_disk pd;
	struct io ios[N];
	uint8_t *model = malloc(SIZE), *memory = malloc(N * MAX);
	uint64_t x = 88172645463325252ULL;
	unsigned int i, round;

	pattern_fill(model, 0, SIZE, 0);
	overlay_open(state, &pd, SIZE, SIZE);
	for (round = 0; round < ROUNDS; round++) {
		uint64_t window = random_next(&x) % (SIZE / 65536) * 65536;

		for (i = 0; i < N; i++) {
			uint64_t offset = window + random_next(&x) % 80 * 512;
			size_t len = 512 + random_next(&x) % 40 * 512;
			uint8_t *buf = memory + i * MAX;

			if (offset + len > SIZE)
				offset = SIZE - len;
			pattern_fill(buf, offset, len, round + i);
			memcpy(model + offset, buf, len);
			ios[i].iov[0] = (struct iovec){buf, len / 3};
			ios[i].iov[1] = (struct iovec){buf + len / 3, len - len / 3};
			io_init(&ios[i], pd.disk, pd.ring, DISK_WRITE, offset, 2);
		}
		io_run(ios, N, round % 2);
		for (i = 0; i < N; i++)
			assert_int_equal(ios[i].error, 0);
		check_model(&pd, model, window, 65536);
	}
	check_model(&pd, model, 0, SIZE);
	check_base_unchanged(&pd, SIZE);
	free(memory);
	free(model);
	pattern_disk_close(&pd);
}

/* ---- a base that fails or takes its time ---- */

struct moody {
	struct disk disk; /* first */
	int error;
	bool hold;
	struct disk_req *held; /* by priv */
	unsigned int reads;
	bool *destroyed;
};

static void moody_answer(struct moody *moody, struct disk_req *req)
{
	uint64_t offset = req->offset;
	unsigned int i;

	for (i = 0; i < req->iov_count && !moody->error; i++) {
		pattern_fill(req->iov[i].iov_base, offset, req->iov[i].iov_len, 0);
		offset += req->iov[i].iov_len;
	}
	req->priv = NULL;
	req->done(req, moody->error);
}

static void moody_submit(struct disk *disk, struct disk_req *req)
{
	struct moody *moody = (struct moody *)disk;

	assert_int_equal(req->op, DISK_READ);
	moody->reads++;
	if (!moody->hold) {
		moody_answer(moody, req);
		return;
	}
	req->priv = moody->held;
	moody->held = req;
}

static void moody_drain(struct disk *disk)
{
	struct moody *moody = (struct moody *)disk;
	struct disk_req *req, *held = moody->held;

	/* Only what was there when it was called: whoever wants more calls again. */
	moody->held = NULL;
	while ((req = held)) {
		held = req->priv;
		moody_answer(moody, req);
	}
}

static void moody_destroy(struct disk *disk)
{
	*((struct moody *)disk)->destroyed = true;
}

static const struct disk_ops moody_ops = {moody_submit, moody_drain, moody_destroy, NULL};

static void moody_init(struct moody *moody, bool *destroyed)
{
	*moody = (struct moody){
		.disk = {.ops = &moody_ops, .size = 65536, .logical_block = 512, .read_only = true},
		.destroyed = destroyed,
	};
}

/* No ring: the base answers in submit() or in drain(). */
static void moody_io(struct io *io, struct disk *disk, enum disk_op op, uint64_t offset, void *buf,
		     size_t len)
{
	io->iov[0] = (struct iovec){buf, len};
	io_init(io, disk, NULL, op, offset, 1);
	disk->ops->submit(disk, &io->req);
}

static void test_base_fails(void **state)
{
	struct moody moody;
	bool destroyed = false;
	struct disk *ov;
	struct io io;
	uint8_t buf[8192], want[8192];

	(void)state;
	moody_init(&moody, &destroyed);
	assert_int_equal(disk_open_overlay(&moody.disk, 65536, &ov), 0);
	moody.error = -EIO;
	/* Part of a granule: the rest cannot be read, so the write fails and leaves nothing behind. */
	memset(buf, 0x55, sizeof(buf));
	moody_io(&io, ov, DISK_WRITE, 512, buf, 512);
	assert_int_equal(io.done, 1);
	assert_int_equal(io.error, -EIO);
	moody_io(&io, ov, DISK_READ, 0, buf, 4096);
	assert_int_equal(io.error, -EIO);
	/* A whole granule needs no base, neither to be written nor to be read back. */
	pattern_fill(want, 4096, 4096, 7);
	moody.reads = 0;
	moody_io(&io, ov, DISK_WRITE, 4096, want, 4096);
	assert_int_equal(io.error, 0);
	moody_io(&io, ov, DISK_READ, 4096, buf, 4096);
	assert_int_equal(io.error, 0);
	assert_memory_equal(buf, want, 4096);
	assert_int_equal(moody.reads, 0);
	/* Half of it is below. */
	moody_io(&io, ov, DISK_READ, 0, buf, 8192);
	assert_int_equal(io.error, -EIO);
	moody.error = 0;
	moody_io(&io, ov, DISK_READ, 0, buf, 8192);
	assert_int_equal(io.error, 0);
	pattern_fill(want, 0, 4096, 0);
	pattern_fill(want + 4096, 4096, 4096, 7);
	assert_memory_equal(buf, want, 8192);
	ov->ops->destroy(ov);
	assert_true(destroyed);
}

/* Writes to one granule while its old content is still on its way. */
static void test_base_is_slow(void **state)
{
	struct moody moody;
	bool destroyed = false;
	struct disk *ov;
	struct io a, b, c, d, e, r;
	uint8_t one[512], two[512], three[4096], want[8192], buf[8192];

	(void)state;
	moody_init(&moody, &destroyed);
	assert_int_equal(disk_open_overlay(&moody.disk, 65536, &ov), 0);
	memset(one, 1, sizeof(one));
	memset(two, 2, sizeof(two));
	memset(three, 3, sizeof(three));
	moody.hold = true;
	moody_io(&a, ov, DISK_WRITE, 0, one, 512);
	moody_io(&b, ov, DISK_WRITE, 512, two, 512);
	moody_io(&c, ov, DISK_WRITE, 4096, three, 4096);
	moody_io(&d, ov, DISK_WRITE, 512 * 3, one, 512);
	/* Needs the base again, once its turn has come. */
	moody_io(&e, ov, DISK_WRITE, 12288 + 512, two, 512);
	moody_io(&r, ov, DISK_READ, 0, buf, 8192);
	assert_int_equal(a.done + b.done + c.done + d.done + e.done + r.done, 0);
	ov->ops->drain(ov);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done, 1);
	assert_int_equal(c.done, 1);
	assert_int_equal(d.done, 1);
	assert_int_equal(e.done, 1);
	assert_int_equal(r.done, 1);
	assert_int_equal(a.error | b.error | c.error | d.error | e.error | r.error, 0);
	moody.hold = false;
	moody_io(&r, ov, DISK_READ, 0, buf, 8192);
	assert_int_equal(r.error, 0);
	pattern_fill(want, 0, 4096, 0);
	memset(want, 1, 512);
	memset(want + 512, 2, 512);
	memset(want + 512 * 3, 1, 512);
	memset(want + 4096, 3, 4096);
	assert_memory_equal(buf, want, 8192);
	/* A read that waits for its base sees a write that was done meanwhile, or the old bytes: not both lost. */
	moody.hold = true;
	moody_io(&r, ov, DISK_READ, 4096, buf, 8192);
	moody_io(&a, ov, DISK_WRITE, 8192, want, 4096);
	assert_int_equal(a.done, 1);
	ov->ops->drain(ov);
	assert_int_equal(r.done, 1);
	assert_memory_equal(buf, want + 4096, 4096);
	assert_memory_equal(buf + 4096, want, 4096);
	ov->ops->destroy(ov);
	assert_true(destroyed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_merge),
		BOTH(test_odd_end),
		BOTH(test_full),
		BOTH(test_random),
		cmocka_unit_test(test_base_fails),
		cmocka_unit_test(test_base_is_slow),
	};

	return cmocka_run_group_tests_name("overlay", tests, NULL, NULL);
}
