/* What hostile drivers do to virtio-blk, and resets with requests in flight. virtio 1.2, 5.2. */
#include "blk_fixture.h"

/* ---- hostile guests ---- */

/* The device asks for a reset, says so by an interrupt, and works again after it. */
static void assert_broken_then_recovers(struct fixture *f)
{
	struct test_machine *m = &f->m;
	uint32_t len;

	for (int i = 0; i < 50000 && !(status_read(m) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(100);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(wait_level(m, 1), 1);
	assert_true(bus_read(m->mmio, m->isr, 1) & VIRTIO_PCI_ISR_CONFIG);
	assert_int_equal(used_idx(m), 0);
	driver_start(m, F_FLUSH, 8);
	assert_false(status_read(m) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 1, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_memory_equal(ram(m, GPA_DATA), f->disk->bytes + 512, 512);
}

static void short_header(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->m, F_FLUSH, 8);
	set_desc(&f->m, 0, GPA_HEADER, 15, NEXT, 1);
	set_desc(&f->m, 1, GPA_STATUS, 1, WRITE, 0);
	make_available(&f->m, 0);
	kick(&f->m);
	assert_broken_then_recovers(f);
}

static void no_status_byte(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->m, F_FLUSH, 8);
	put_header(&f->m, GPA_HEADER, VIRTIO_BLK_T_OUT, 0);
	set_desc(&f->m, 0, GPA_HEADER, 16, NEXT, 1);
	set_desc(&f->m, 1, GPA_DATA, 512, 0, 0);
	make_available(&f->m, 0);
	kick(&f->m);
	assert_broken_then_recovers(f);
	assert_int_equal(f->disk->writes, 0);
}

static void only_writable(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->m, F_FLUSH, 8);
	set_desc(&f->m, 0, GPA_DATA, 512, WRITE, 0);
	make_available(&f->m, 0);
	kick(&f->m);
	assert_broken_then_recovers(f);
}

static void duplicate_head_while_in_flight(void **state)
{
	struct fixture *f = *state;

	driver_up(&f->m, F_FLUSH, 8);
	f->disk->hold = true;
	put_request(&f->m, 0, VIRTIO_BLK_T_IN, 0, 512, WRITE);
	make_available(&f->m, 0);
	kick(&f->m);
	settle(&f->m);
	assert_int_equal(f->disk->reads, 1);
	f->disk->hold = false;
	assert_broken_then_recovers(f);
}

/* After the reset is acknowledged nothing of the old requests may show up in guest memory. */
static void reset_with_io_in_flight(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint32_t len;

	for (unsigned int round = 0; round < 50; round++) {
		driver_up(m, F_FLUSH | F_INDIRECT, 32);
		f->disk->hold = true;
		for (unsigned int i = 0; i < 8; i++)
			put_request(m, 3 * i, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, 64 + i,
				    512, i % 2 ? WRITE : 0);
		kick(m);
		if (round % 2)
			settle(m);
		common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		assert_int_equal(status_read(m), 0);
		assert_int_equal(f->disk->held_count, 0);
		assert_int_equal(used_idx(m), 0);
		for (unsigned int i = 0; i < 8; i++)
			assert_int_equal(*ram(m, GPA_STATUS + 3 * i), 0xEE);
		f->disk->hold = false;
		memset(ram(m, GPA_USED), 0x5C, 64);
		settle(m);
		for (unsigned int i = 0; i < 64; i++)
			assert_int_equal(*ram(m, GPA_USED + i), 0x5C);
	}
	driver_start(m, F_FLUSH, 8);
	assert_int_equal(do_request(m, VIRTIO_BLK_T_IN, 2, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_memory_equal(ram(m, GPA_DATA), f->disk->bytes + 1024, 512);
}

static void machine_reset_and_destroy_with_io_in_flight(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_up(m, F_FLUSH, 8);
	f->disk->hold = true;
	put_request(m, 0, VIRTIO_BLK_T_OUT, 0, 512, 0);
	kick(m);
	settle(m);
	pci_bus_reset(m->pci);
	assert_int_equal(f->disk->held_count, 0);
	assert_int_equal(cfg_read(m, PCI_COMMAND, 2), 0);

	f->disk->hold = true;
	driver_up(m, F_FLUSH, 8);
	put_request(m, 0, VIRTIO_BLK_T_OUT, 0, 512, 0);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->held_count, 1); /* teardown destroys it like this */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(short_header, setup, teardown),
		cmocka_unit_test_setup_teardown(no_status_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(only_writable, setup, teardown),
		cmocka_unit_test_setup_teardown(duplicate_head_while_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(reset_with_io_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(machine_reset_and_destroy_with_io_in_flight, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("blk_hostile", tests, NULL, NULL);
}
