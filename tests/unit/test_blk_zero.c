/*
 * Discard and write-zeroes as a driver asks for them (virtio 1.2, 5.2.6), good and hostile, and what
 * the device says of block sizes.
 */
#include "blk_fixture.h"

#define F_DISCARD (1ULL << VIRTIO_BLK_F_DISCARD)
#define F_ZEROES  (1ULL << VIRTIO_BLK_F_WRITE_ZEROES)
#define F_TOPO	  (1ULL << VIRTIO_BLK_F_TOPOLOGY)
#define ALL	  (F_FLUSH | F_DISCARD | F_ZEROES)

/* Where struct virtio_blk_config has what (5.2.4). */
#define CFG_BLK_SIZE	     20
#define CFG_PHYSICAL_EXP     24
#define CFG_MIN_IO	     26
#define CFG_DISCARD_MAX	     36
#define CFG_DISCARD_SEGS     40
#define CFG_DISCARD_ALIGN    44
#define CFG_ZEROES_MAX	     48
#define CFG_ZEROES_SEGS	     52
#define CFG_ZEROES_MAY_UNMAP 56

#define UNMAP VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP

static int setup_zero(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_disk *disk = fake_disk_new(DISK_SIZE);

	disk->disk.discard_block = 4096;
	start_with(f, disk);
	*state = f;
	return 0;
}

static int setup_4k(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_disk *disk = fake_disk_new(DISK_SIZE);

	disk->disk.discard_block = 512; /* nonsense below the logical block */
	disk->disk.logical_block = 4096;
	disk->disk.physical_block = 16384;
	start_with(f, disk);
	*state = f;
	return 0;
}

static void put_range(struct test_machine *m, unsigned int index, uint64_t sector, uint32_t count,
		      uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {sector, count, flags};

	assert_int_equal(gm_write(m->mem, GPA_DATA + 16 * index, &range, sizeof(range)), 0);
}

static uint8_t do_range(struct test_machine *m, uint32_t type, uint64_t sector, uint32_t count,
			uint32_t flags)
{
	uint32_t len;
	uint8_t status;

	put_range(m, 0, sector, count, flags);
	status = do_request(m, type, 0, 16, 0, &len);
	assert_int_equal(len, 1);
	return status;
}

static uint32_t config32(struct test_machine *m, unsigned int offset)
{
	return (uint32_t)bus_read(m->mmio, m->config + offset, 4);
}

static void limits(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_map_bar(m, TEST_BAR);
	driver_find(m, TEST_BAR);
	assert_int_equal(features_read(m) & (F_DISCARD | F_ZEROES | F_TOPO), F_DISCARD | F_ZEROES);
	assert_true(config32(m, CFG_DISCARD_MAX) >= 2048);
	assert_true(config32(m, CFG_DISCARD_SEGS) >= 1);
	assert_int_equal(config32(m, CFG_DISCARD_ALIGN), 8);
	assert_true(config32(m, CFG_ZEROES_MAX) >= 2048);
	assert_true(config32(m, CFG_ZEROES_SEGS) >= 1);
	assert_int_equal(bus_read(m->mmio, m->config + CFG_ZEROES_MAY_UNMAP, 1), 1);
}

static void they_reach_the_disk(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, ALL, 8);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 8, 16, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->discards, 1);
	assert_int_equal(f->disk->offsets[0], 8 * 512);
	assert_int_equal(f->disk->lengths[0], 16 * 512);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, 100, 3, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->zeroes, 1);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, SECTORS - 1, 1, UNMAP),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->unmaps, 1);
	assert_int_equal(f->disk->offsets[2], DISK_SIZE - 512);
	assert_int_equal(f->disk->bytes[100 * 512], 0);
	assert_int_equal(f->disk->bytes[DISK_SIZE - 1], 0);
	assert_int_equal(f->disk->flushes, 0);
	/* The whole disk. */
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 0, SECTORS, 0), VIRTIO_BLK_S_OK);
	/* Nothing at all is done at once. */
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, 0, 0, 0), VIRTIO_BLK_S_OK);
}

static void several_ranges(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	unsigned int most, i;
	uint32_t len;

	driver_up(m, ALL, 8);
	most = config32(m, CFG_DISCARD_SEGS);
	assert_true(most <= FAKE_DISK_HELD);
	for (i = 0; i < most; i++)
		put_range(m, i, 8 * i, 4, 0);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_DISCARD, 0, 16 * most, 0, &len),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_int_equal(f->disk->discards, most);
	for (i = 0; i < most; i++) {
		assert_int_equal(f->disk->offsets[i], 8 * 512 * i);
		assert_int_equal(f->disk->lengths[i], 4 * 512);
	}
	/* Every one is looked at before the first is done. */
	put_range(m, most - 1, SECTORS, 1, 0);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_DISCARD, 0, 16 * most, 0, &len),
			 VIRTIO_BLK_S_IOERR);
	put_range(m, most - 1, 0, 1, 2);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_DISCARD, 0, 16 * most, 0, &len),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(f->disk->discards, most);
	/* One that fails ends the request. */
	put_range(m, most - 1, 0, 1, 0);
	f->disk->error_after = 2;
	f->disk->error = -EIO;
	assert_int_equal(do_request(m, VIRTIO_BLK_T_DISCARD, 0, 16 * most, 0, &len),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->disk->discards, most + 3);
}

static void hostile(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	const uint32_t D = VIRTIO_BLK_T_DISCARD, Z = VIRTIO_BLK_T_WRITE_ZEROES;
	const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t count;
		uint32_t flags;
		uint32_t bytes; /* of the data, 0: one range */
		uint8_t status;
	} cases[] = {
		{D, SECTORS, 1, 0, 0, VIRTIO_BLK_S_IOERR},
		{D, SECTORS - 1, 2, 0, 0, VIRTIO_BLK_S_IOERR},
		{D, UINT64_MAX, 1, 0, 0, VIRTIO_BLK_S_IOERR},
		{D, UINT64_MAX, 2, 0, 0, VIRTIO_BLK_S_IOERR},
		{D, 1ULL << 55, 1, 0, 0, VIRTIO_BLK_S_IOERR}, /* * 512 wraps */
		{D, 0, UINT32_MAX, 0, 0, VIRTIO_BLK_S_IOERR},
		{Z, SECTORS, 1, 0, 0, VIRTIO_BLK_S_IOERR},
		{Z, 0, UINT32_MAX, UNMAP, 0, VIRTIO_BLK_S_IOERR},
		{Z, UINT64_MAX - 1, 8, UNMAP, 0, VIRTIO_BLK_S_IOERR},
		/* 5.2.6.2: unknown flags, and unmap for a discard, are not supported. */
		{D, 0, 8, UNMAP, 0, VIRTIO_BLK_S_UNSUPP},
		{D, 0, 8, 2, 0, VIRTIO_BLK_S_UNSUPP},
		{D, 0, 8, 0x80000000, 0, VIRTIO_BLK_S_UNSUPP},
		{Z, 0, 8, 2, 0, VIRTIO_BLK_S_UNSUPP},
		{Z, 0, 8, UNMAP | 4, 0, VIRTIO_BLK_S_UNSUPP},
		/* No whole range, and too many. */
		{D, 0, 8, 0, 15, VIRTIO_BLK_S_IOERR},
		{D, 0, 8, 0, 17, VIRTIO_BLK_S_IOERR},
		{D, 0, 8, 0, 1, VIRTIO_BLK_S_IOERR},
		{D, 0, 8, 0, 16 * 300, VIRTIO_BLK_S_IOERR},
		{D, 0, 8, 0, 1 << 20, VIRTIO_BLK_S_IOERR},
		{Z, 0, 8, 0, 15, VIRTIO_BLK_S_IOERR},
		{Z, 0, 8, 0, 16 * 300, VIRTIO_BLK_S_IOERR},
		{14, 0, 8, 0, 0, VIRTIO_BLK_S_UNSUPP}, /* secure erase: not offered */
	};
	uint32_t len;

	driver_up(m, ALL, 8);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_range(m, 0, cases[i].sector, cases[i].count, cases[i].flags);
		assert_int_equal(do_request(m, cases[i].type, 0,
					    cases[i].bytes ? cases[i].bytes : 16, 0, &len),
				 cases[i].status);
		assert_int_equal(len, 1);
		assert_int_equal(f->disk->ranges, 0);
	}
	/* No data. */
	assert_int_equal(do_request(m, D, 0, 0, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(do_request(m, Z, 0, 0, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->disk->ranges, 0);
}

/* A range cut into single bytes is still one range (2.7.4). */
static void in_small_pieces(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vring_used_elem e;
	unsigned int i;

	driver_up(m, ALL, 32);
	put_header(m, GPA_HEADER, VIRTIO_BLK_T_DISCARD, 0);
	put_range(m, 0, 24, 8, 0);
	set_desc(m, 0, GPA_HEADER, 16, NEXT, 1);
	for (i = 0; i < 16; i++)
		set_desc(m, 1 + i, GPA_DATA + i, 1, NEXT, (uint16_t)(2 + i));
	set_desc(m, 17, GPA_STATUS, 1, WRITE, 0);
	make_available(m, 0);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.len, 1);
	assert_int_equal(*ram(m, GPA_STATUS), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->offsets[0], 24 * 512);
	assert_int_equal(f->disk->lengths[0], 8 * 512);
}

static void not_negotiated(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_FLUSH, 8);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(f->disk->ranges, 0);
}

/* Zeroes are a write: without FLUSH they are on the medium when they are complete. */
static void write_through(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_DISCARD | F_ZEROES, 8);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->flushes, 1);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->flushes, 1);
}

static void host_says_no(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, ALL, 8);
	f->disk->error = -EOPNOTSUPP;
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	f->disk->error = -EIO;
	assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
}

static void read_only(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_disk *disk = fake_disk_new(DISK_SIZE);

	(void)state;
	disk->disk.read_only = true;
	disk->disk.discard_block = 512;
	start_with(f, disk);
	driver_up(&f->m, F_FLUSH, 8);
	assert_int_equal(features_read(&f->m) & (F_DISCARD | F_ZEROES), 0);
	assert_int_equal(do_range(&f->m, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(do_range(&f->m, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk->ranges, 0);
	machine_fini(&f->m);
	free(f);
}

/* A reset while the second of three ranges is being done: the third never begins. */
static void reset_between_ranges(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint32_t len;

	driver_up(m, ALL, 8);
	for (unsigned int i = 0; i < 3; i++)
		put_range(m, i, 8 * i, 8, 0);
	f->disk->hold = true;
	put_request(m, 0, VIRTIO_BLK_T_DISCARD, 0, 48, 0);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->discards, 1);
	f->disk->hold = false;
	driver_start(m, ALL, 8);
	assert_int_equal(f->disk->discards, 1);
	assert_int_equal(used_idx(m), 0);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len), VIRTIO_BLK_S_OK);
}

/* ---- blocks of 4096 bytes ---- */

static void sizes_of_4k(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_up(m, ALL | F_TOPO, 8);
	assert_int_equal(bus_read(m->mmio, m->config, 8), SECTORS); /* always in 512 bytes */
	assert_int_equal(config32(m, CFG_BLK_SIZE), 4096);
	assert_int_equal(bus_read(m->mmio, m->config + CFG_PHYSICAL_EXP, 1), 2);
	assert_int_equal(bus_read(m->mmio, m->config + CFG_PHYSICAL_EXP + 1, 1), 0);
	assert_int_equal(bus_read(m->mmio, m->config + CFG_MIN_IO, 2), 4);
	assert_int_equal(config32(m, CFG_DISCARD_ALIGN), 8);
}

static void only_whole_blocks(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	static const struct {
		uint64_t sector;
		uint32_t sectors;
		uint8_t status;
	} cases[] = {
		{0, 8, VIRTIO_BLK_S_OK},	   {8, 16, VIRTIO_BLK_S_OK},
		{SECTORS - 8, 8, VIRTIO_BLK_S_OK}, {0, 1, VIRTIO_BLK_S_IOERR},
		{1, 8, VIRTIO_BLK_S_IOERR},	   {8, 7, VIRTIO_BLK_S_IOERR},
		{4, 4, VIRTIO_BLK_S_IOERR},	   {SECTORS - 4, 8, VIRTIO_BLK_S_IOERR},
	};
	uint32_t len;

	driver_up(m, ALL, 8);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t sector = cases[i].sector;
		uint32_t n = cases[i].sectors;
		int before = f->disk->reads + f->disk->writes + (int)f->disk->ranges;

		assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, sector, n * 512, WRITE, &len),
				 cases[i].status);
		assert_int_equal(do_request(m, VIRTIO_BLK_T_OUT, sector, n * 512, 0, &len),
				 cases[i].status);
		assert_int_equal(do_range(m, VIRTIO_BLK_T_DISCARD, sector, n, 0), cases[i].status);
		assert_int_equal(do_range(m, VIRTIO_BLK_T_WRITE_ZEROES, sector, n, UNMAP),
				 cases[i].status);
		assert_int_equal(f->disk->reads + f->disk->writes + (int)f->disk->ranges - before,
				 cases[i].status == VIRTIO_BLK_S_OK ? 4 : 0);
	}
}

/* What a host says that cannot be is not told to the guest. */
static void odd_physical_blocks(void **state)
{
	static const uint32_t odd[] = {0, 256, 513, 4096 * 3, 1U << 31};

	(void)state;
	for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct fixture *f = calloc(1, sizeof(*f));
		struct fake_disk *disk = fake_disk_new(DISK_SIZE);

		disk->disk.physical_block = odd[i];
		start_with(f, disk);
		driver_up(&f->m, F_FLUSH, 8);
		assert_int_equal(features_read(&f->m) & F_TOPO, 0);
		assert_int_equal(bus_read(f->m.mmio, f->m.config + CFG_PHYSICAL_EXP, 1), 0);
		machine_fini(&f->m);
		free(f);
	}
}

#define ON(setup_fn, test) cmocka_unit_test_setup_teardown(test, setup_fn, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(setup_zero, limits),
		ON(setup_zero, they_reach_the_disk),
		ON(setup_zero, several_ranges),
		ON(setup_zero, hostile),
		ON(setup_zero, in_small_pieces),
		ON(setup_zero, not_negotiated),
		ON(setup_zero, write_through),
		ON(setup_zero, host_says_no),
		cmocka_unit_test(read_only),
		ON(setup_zero, reset_between_ranges),
		ON(setup_4k, sizes_of_4k),
		ON(setup_4k, only_whole_blocks),
		cmocka_unit_test(odd_physical_blocks),
	};

	return cmocka_run_group_tests_name("blk_zero", tests, NULL, NULL);
}
