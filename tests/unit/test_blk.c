/* virtio-blk as a driver sees it, over a disk whose answers the test controls. virtio 1.2, 5.2. */
#include "blk_fixture.h"

/* ---- what the device says of itself ---- */

static void identity(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	assert_int_equal(cfg_read(m, PCI_VENDOR_ID, 2), 0x1AF4);
	assert_int_equal(cfg_read(m, PCI_DEVICE_ID, 2), 0x1042);
	assert_true(cfg_read(m, PCI_REVISION_ID, 1) >= 1);
	/* EDK2 writes NvVars onto disks of mass storage controllers. */
	assert_int_not_equal(cfg_read(m, PCI_CLASS_DEVICE + 1, 1), 0x01);
}

static void configuration(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_up(m, 0, 8);
	assert_int_equal(bus_read(m->mmio, m->config + 0, 4), SECTORS);
	assert_int_equal(bus_read(m->mmio, m->config + 4, 4), 0);
	assert_int_equal(bus_read(m->mmio, m->config + 0, 8), SECTORS);
	assert_int_equal(bus_read(m->mmio, m->config + 12, 4), 254); /* seg_max */
	assert_int_equal(bus_read(m->mmio, m->config + 20, 4), 512); /* blk_size */
	bus_write(m->mmio, m->config + 0, 4, 1);
	assert_int_equal(bus_read(m->mmio, m->config + 0, 4), SECTORS);
}

static void features(void **state)
{
	struct fixture *f = *state;
	const uint64_t wanted = 1ULL << VIRTIO_F_VERSION_1 | F_EVENT_IDX | F_INDIRECT | F_FLUSH |
				1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
				1ULL << VIRTIO_BLK_F_WRITE_ZEROES;

	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	/*
	 * Nothing else either: what is offered must be true (no SCSI, no multiqueue, no discard on a disk without).
	 */
	assert_int_equal(features_read(&f->m), wanted);
}

/* ---- requests ---- */

static void read_one_sector(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint32_t len;

	driver_up(m, F_FLUSH, 8);
	memset(ram(m, GPA_DATA), 0xA5, 1024);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 5, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 513);
	assert_memory_equal(ram(m, GPA_DATA), f->disk->bytes + 5 * 512, 512);
	assert_int_equal(*ram(m, GPA_DATA + 512), 0xA5);
}

static void write_one_sector(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint32_t len;

	driver_up(m, F_FLUSH, 8);
	memset(ram(m, GPA_DATA), 0x5A, 512);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_OUT, 7, 512, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_memory_equal(ram(m, GPA_DATA), f->disk->bytes + 7 * 512, 512);
	assert_int_equal(f->disk->flushes, 0);
}

static void last_sector_and_beyond(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	static const struct {
		uint64_t sector;
		uint32_t len;
		uint8_t status;
	} cases[] = {
		{SECTORS - 1, 512, VIRTIO_BLK_S_OK},
		{SECTORS - 2, 1024, VIRTIO_BLK_S_OK},
		{SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR},
		{SECTORS, 512, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX, 512, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX / 512, 512, VIRTIO_BLK_S_IOERR},
		{UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR}, /* * 512 wraps to 0 */
		{1ULL << 55, 512, VIRTIO_BLK_S_IOERR},
		{0, 511, VIRTIO_BLK_S_IOERR},
		{0, 513, VIRTIO_BLK_S_IOERR},
	};

	driver_up(m, F_FLUSH, 8);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int write = 0; write < 2; write++) {
			uint32_t len;
			int before = f->disk->reads + f->disk->writes;
			uint8_t status =
				do_request(m, write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
					   cases[i].sector, cases[i].len, write ? 0 : WRITE, &len);

			assert_int_equal(status, cases[i].status);
			if (status == VIRTIO_BLK_S_IOERR) {
				assert_int_equal(len, 1);
				assert_int_equal(f->disk->reads + f->disk->writes, before);
			}
		}
	}
}

static void flush(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	driver_up(&f->m, F_FLUSH, 8);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_int_equal(f->disk->flushes, 1);
}

/* 5.2.6.2: without FLUSH negotiated, a completed write is on the medium. */
static void write_through_without_flush_feature(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	driver_up(&f->m, 0, 8);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_OUT, 0, 512, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_int_equal(f->disk->flushes, 1);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(f->disk->flushes, 1);
}

static void get_id(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	static const char padded[20] = "TEST-1";
	uint32_t len;

	driver_up(m, F_FLUSH, 8);
	memset(ram(m, GPA_DATA), 0xA5, 64);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_GET_ID, 0, 20, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 21);
	assert_memory_equal(ram(m, GPA_DATA), padded, 20);
	assert_int_equal(*ram(m, GPA_DATA + 20), 0xA5);

	/* A serial of 20 characters has no NUL; a buffer that is too small gets the beginning. */
	memcpy(f->disk->disk.serial, "ABCDEFGHIJKLMNOPQRST", 21);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_GET_ID, 0, 64, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 21);
	assert_memory_equal(ram(m, GPA_DATA), "ABCDEFGHIJKLMNOPQRST", 20);
	assert_int_equal(*ram(m, GPA_DATA + 20), 0xA5);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_GET_ID, 0, 4, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 5);
}

static void unknown_types(void **state)
{
	struct fixture *f = *state;
	static const uint32_t types[] = {
		2,  3,		 5,	    7, 9, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
		14, 0x80000000u, UINT32_MAX};
	uint32_t len;

	driver_up(&f->m, F_FLUSH, 8);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(do_request(&f->m, types[i], 0, 512, 0, &len), VIRTIO_BLK_S_UNSUPP);
		assert_int_equal(len, 1);
	}
	assert_int_equal(f->disk->writes, 0);
}

static void disk_error(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	driver_up(&f->m, F_FLUSH, 8);
	f->disk->error = -EIO;
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(len, 1);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_OUT, 0, 512, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len), VIRTIO_BLK_S_IOERR);
	f->disk->error = 0;
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len), VIRTIO_BLK_S_OK);
}

/* 5.2.5: a change of the capacity is a change of the configuration. */
static void growing_is_told_and_usable(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vmm_disk_status status;
	uint8_t generation;
	uint32_t len;

	driver_up(m, F_FLUSH, 8);
	generation = (uint8_t)common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	virtio_blk_grow(f->dev); /* it has not */
	settle(m);
	assert_int_equal(m->pin.level, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, SECTORS, 512, WRITE, &len),
			 VIRTIO_BLK_S_IOERR);
	(void)bus_read(m->mmio, m->isr, 1);

	f->disk->bytes = realloc(f->disk->bytes, 2 * DISK_SIZE);
	memset(f->disk->bytes + DISK_SIZE, 0x77, DISK_SIZE);
	f->disk->grows_to = 2 * DISK_SIZE;
	virtio_blk_grow(f->dev);
	assert_int_equal(wait_level(m, 1), 1);
	assert_int_equal(bus_read(m->mmio, m->isr, 1) & 2, 2);
	assert_int_not_equal(common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(bus_read(m->mmio, m->config, 4), 2 * SECTORS);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 2 * SECTORS - 1, 512, WRITE, &len),
			 VIRTIO_BLK_S_OK);
	assert_int_equal(*ram(m, GPA_DATA), 0x77);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 2 * SECTORS, 512, WRITE, &len),
			 VIRTIO_BLK_S_IOERR);
	virtio_blk_get_status(f->dev, &status);
	assert_int_equal(status.size, 2 * DISK_SIZE);
}

static void what_was_asked_is_counted(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vmm_disk_status status;
	uint32_t len;

	virtio_blk_get_status(f->dev, &status);
	assert_memory_equal(&status, &(struct vmm_disk_status){.size = DISK_SIZE}, sizeof(status));
	driver_up(m, F_FLUSH, 8);
	do_request(m, VIRTIO_BLK_T_IN, 0, 1024, WRITE, &len);
	do_request(m, VIRTIO_BLK_T_IN, 3, 512, WRITE, &len);
	do_request(m, VIRTIO_BLK_T_OUT, 2, 512, 0, &len);
	do_request(m, VIRTIO_BLK_T_FLUSH, 0, 0, 0, &len);
	do_request(m, VIRTIO_BLK_T_GET_ID, 0, 20, WRITE, &len);
	do_request(m, UINT32_MAX, 0, 512, 0, &len); /* refused */
	f->disk->error = -EIO;
	do_request(m, VIRTIO_BLK_T_OUT, 0, 2048, 0, &len);
	virtio_blk_get_status(f->dev, &status);
	assert_int_equal(status.reads, 2);
	assert_int_equal(status.read_bytes, 1536);
	assert_int_equal(status.writes, 2);
	assert_int_equal(status.written_bytes, 2560);
	assert_int_equal(status.others, 3);
	assert_int_equal(status.errors, 2);
}

static void no_data_at_all(void **state)
{
	struct fixture *f = *state;
	uint32_t len;

	driver_up(&f->m, F_FLUSH, 8);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 0, 0, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 1);
	assert_int_equal(f->disk->reads, 0);
}

static void read_only_disk(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fake_disk *disk = fake_disk_new(DISK_SIZE);
	uint32_t len;

	(void)state;
	disk->disk.read_only = true;
	start_with(f, disk);
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	assert_true(features_read(&f->m) >> VIRTIO_BLK_F_RO & 1);
	driver_start(&f->m, F_FLUSH, 8); /* a driver that ignores RO */
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_OUT, 0, 512, 0, &len), VIRTIO_BLK_S_IOERR);
	assert_int_equal(disk->writes, 0);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	machine_fini(&f->m);
	free(f);
}

static void disk_of_odd_size(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint32_t len;

	(void)state;
	start_with(f, fake_disk_new(1000));
	driver_up(&f->m, F_FLUSH, 8);
	assert_int_equal(bus_read(f->m.mmio, f->m.config, 8), 1);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 0, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 1, 512, WRITE, &len),
			 VIRTIO_BLK_S_IOERR);
	machine_fini(&f->m);
	free(f);
}

/* ---- framing: where one piece ends is the driver's choice (2.7.4) ---- */

static void header_and_data_in_small_pieces(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vring_used_elem e;

	driver_up(m, F_FLUSH, 16);
	put_header(m, GPA_HEADER, VIRTIO_BLK_T_OUT, 3);
	for (unsigned int i = 0; i < 512; i++)
		*ram(m, GPA_DATA + i) = (uint8_t)(i ^ 0x77);
	/* Header in three pieces, the last of them in one descriptor with the first data bytes. */
	memcpy(ram(m, GPA_HEADER + 0x100), ram(m, GPA_HEADER + 10), 6);
	memcpy(ram(m, GPA_HEADER + 0x106), ram(m, GPA_DATA), 100);
	set_desc(m, 0, GPA_HEADER, 1, NEXT, 1);
	set_desc(m, 1, GPA_HEADER + 1, 9, NEXT, 2);
	set_desc(m, 2, GPA_HEADER + 0x100, 106, NEXT, 3);
	set_desc(m, 3, GPA_DATA + 100, 412, NEXT, 4);
	set_desc(m, 4, GPA_STATUS, 1, WRITE, 0);
	make_available(m, 0);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.len, 1);
	assert_int_equal(*ram(m, GPA_STATUS), VIRTIO_BLK_S_OK);
	assert_memory_equal(f->disk->bytes + 3 * 512, ram(m, GPA_DATA), 512);
}

static void status_behind_the_data_in_one_piece(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vring_used_elem e;

	driver_up(m, F_FLUSH, 8);
	put_header(m, GPA_HEADER, VIRTIO_BLK_T_IN, 9);
	memset(ram(m, GPA_DATA), 0xA5, 600);
	set_desc(m, 0, GPA_HEADER, 16, NEXT, 1);
	set_desc(m, 1, GPA_DATA, 200, NEXT | WRITE, 2);
	set_desc(m, 2, GPA_DATA + 200, 313, WRITE, 0);
	make_available(m, 0);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.len, 513);
	assert_int_equal(*ram(m, GPA_DATA + 512), VIRTIO_BLK_S_OK);
	assert_int_equal(*ram(m, GPA_DATA + 513), 0xA5);
	assert_memory_equal(ram(m, GPA_DATA), f->disk->bytes + 9 * 512, 512);
}

static void indirect_with_the_most_segments(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct vring_desc *table;
	struct vring_used_elem e;

	driver_up(m, F_FLUSH | F_INDIRECT, 256);
	table = gm_ptr(m->mem, GPA_INDIRECT, 256 * 16);
	put_header(m, GPA_HEADER, VIRTIO_BLK_T_IN, 0);
	table[0] = (struct vring_desc){GPA_HEADER, 16, NEXT, 1};
	for (uint16_t i = 0; i < 254; i++)
		table[1 + i] = (struct vring_desc){GPA_DATA + 1024 * i, 512, NEXT | WRITE,
						   (uint16_t)(i + 2)};
	table[255] = (struct vring_desc){GPA_STATUS, 1, WRITE, 0};
	set_desc(m, 9, GPA_INDIRECT, 256 * 16, INDIRECT, 0);
	make_available(m, 9);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.id, 9);
	assert_int_equal(e.len, 254 * 512 + 1);
	for (unsigned int i = 0; i < 254; i++)
		assert_memory_equal(ram(m, GPA_DATA + 1024 * i), f->disk->bytes + 512 * i, 512);
}

/* ---- many at once ---- */

/* A read of COUNT sectors from 16 * COUNT on, each into a buffer of its own, at head COUNT. */
static void put_read_in_pieces(struct test_machine *m, uint16_t count)
{
	struct vring_desc *table = gm_ptr(m->mem, GPA_INDIRECT + 0x400 * count, 0x400);

	put_header(m, GPA_HEADER + 16 * count, VIRTIO_BLK_T_IN, 16 * count);
	table[0] = (struct vring_desc){GPA_HEADER + 16 * count, 16, NEXT, 1};
	for (uint16_t i = 0; i < count; i++)
		table[1 + i] = (struct vring_desc){GPA_DATA + 0x4000 * count + 1024 * i, 512,
						   NEXT | WRITE, (uint16_t)(i + 2)};
	table[1 + count] = (struct vring_desc){GPA_STATUS + count, 1, WRITE, 0};
	set_desc(m, count, GPA_INDIRECT + 0x400 * count, 16u * (count + 2u), INDIRECT, 0);
	make_available(m, count);
}

/* What the device keeps of a request, few buffers or many, is not in the way of its neighbours'. */
static void neighbours_of_any_number_of_buffers(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_FLUSH | F_INDIRECT, 32);
	f->disk->hold = true;
	for (uint16_t count = 1; count <= 12; count++)
		put_read_in_pieces(m, count);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->held_count, 12);
	fake_disk_release(f->disk, m->ring);
	for (unsigned int n = 0; n < 12; n++) {
		struct vring_used_elem e = wait_used(m);

		assert_int_equal(e.len, 512 * e.id + 1);
		assert_int_equal(*ram(m, GPA_STATUS + e.id), VIRTIO_BLK_S_OK);
		for (unsigned int i = 0; i < e.id; i++)
			assert_memory_equal(ram(m, GPA_DATA + 0x4000 * e.id + 1024 * i),
					    f->disk->bytes + (16 * e.id + i) * 512, 512);
	}
}

static void answers_come_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	unsigned int seen = 0;

	driver_up(m, F_FLUSH | F_EVENT_IDX, 32);
	f->disk->hold = true;
	for (unsigned int i = 0; i < 8; i++)
		put_request(m, 3 * i, VIRTIO_BLK_T_IN, i, 512, WRITE);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->held_count, 8);
	assert_int_equal(used_idx(m), 0);
	fake_disk_release(f->disk, m->ring);
	for (unsigned int i = 0; i < 8; i++) {
		struct vring_used_elem e = wait_used(m);

		assert_int_equal(e.len, 513);
		assert_int_equal(*ram(m, GPA_STATUS + e.id), VIRTIO_BLK_S_OK);
		assert_memory_equal(ram(m, GPA_DATA + 0x10000 * e.id),
				    f->disk->bytes + e.id / 3 * 512, 512);
		seen |= 1u << e.id / 3;
	}
	assert_int_equal(seen, 0xFF);
}

/* One interrupt for a batch, and used.idx moves once. */
static void one_interrupt_for_a_batch(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_FLUSH, 32);
	f->disk->hold = true;
	for (unsigned int i = 0; i < 8; i++)
		put_request(m, 3 * i, VIRTIO_BLK_T_IN, i, 512, WRITE);
	kick(m);
	settle(m);
	fake_disk_release(f->disk, m->ring);
	for (unsigned int i = 0; i < 8; i++)
		wait_used(m);
	settle(m);
	assert_int_equal(m->pin.rises, 1);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 1);
	assert_int_equal(m->pin.level, 0);
}

/* Firmware: no interrupts wanted, looks right after the doorbell. The answer is there already. */
static void polling_driver_never_waits(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_FLUSH, 8);
	avail_ring(m)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (unsigned int i = 0; i < 100; i++) {
		put_request(m, 0, VIRTIO_BLK_T_IN, i, 512, WRITE);
		kick(m);
		assert_int_equal(used_idx(m), (uint16_t)(i + 1));
	}
	assert_int_equal(m->pin.rises, 0);
	(void)f;
}

/* A disk that does not answer must not hold the vCPU. */
static void polling_driver_is_not_held_for_ever(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	struct timespec a, b;

	driver_up(m, F_FLUSH, 8);
	avail_ring(m)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	f->disk->hold = true;
	put_request(m, 0, VIRTIO_BLK_T_IN, 0, 512, WRITE);
	clock_gettime(CLOCK_MONOTONIC, &a);
	kick(m);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 1000);
	assert_int_equal(used_idx(m), 0);
	fake_disk_release(f->disk, m->ring);
	assert_int_equal(wait_used(m).len, 513);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(identity, setup, teardown),
		cmocka_unit_test_setup_teardown(configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(features, setup, teardown),
		cmocka_unit_test_setup_teardown(read_one_sector, setup, teardown),
		cmocka_unit_test_setup_teardown(write_one_sector, setup, teardown),
		cmocka_unit_test_setup_teardown(last_sector_and_beyond, setup, teardown),
		cmocka_unit_test_setup_teardown(flush, setup, teardown),
		cmocka_unit_test_setup_teardown(write_through_without_flush_feature, setup,
						teardown),
		cmocka_unit_test_setup_teardown(get_id, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_types, setup, teardown),
		cmocka_unit_test_setup_teardown(disk_error, setup, teardown),
		cmocka_unit_test_setup_teardown(no_data_at_all, setup, teardown),
		cmocka_unit_test(read_only_disk),
		cmocka_unit_test(disk_of_odd_size),
		cmocka_unit_test_setup_teardown(header_and_data_in_small_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(status_behind_the_data_in_one_piece, setup,
						teardown),
		cmocka_unit_test_setup_teardown(indirect_with_the_most_segments, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_of_any_number_of_buffers, setup,
						teardown),
		cmocka_unit_test_setup_teardown(answers_come_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(growing_is_told_and_usable, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_asked_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(one_interrupt_for_a_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(polling_driver_never_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(polling_driver_is_not_held_for_ever, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("blk", tests, NULL, NULL);
}
