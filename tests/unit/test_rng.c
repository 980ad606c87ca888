/* virtio-rng as a driver sees it. virtio 1.2, 5.4. */
#include "virtio_driver.h"

#define WRITE VRING_DESC_F_WRITE
#define NEXT  VRING_DESC_F_NEXT

static int setup(void **state)
{
	struct test_machine *m = calloc(1, sizeof(*m));
	struct pci_device *dev;

	machine_init(m);
	assert_int_equal(virtio_rng_create(&m->env, &dev), 0);
	machine_start(m, dev);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	machine_fini(*state);
	free(*state);
	return 0;
}

static unsigned int zeroes(const uint8_t *p, unsigned int n)
{
	unsigned int count = 0;

	while (n--)
		count += *p++ == 0;
	return count;
}

static void identity(void **state)
{
	struct test_machine *m = *state;

	assert_int_equal(cfg_read(m, PCI_DEVICE_ID, 2), 0x1044);
	driver_up(m, 0, 8);
	assert_int_equal(m->config, 0); /* 5.4.4: no configuration */
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	assert_int_equal(features_read(m), 1ULL << VIRTIO_F_VERSION_1 |
						   1ULL << VIRTIO_RING_F_EVENT_IDX |
						   1ULL << VIRTIO_RING_F_INDIRECT_DESC);
}

static void fills_what_it_says(void **state)
{
	struct test_machine *m = *state;
	static const uint32_t sizes[] = {1, 8, 64, 1000, 4096};

	driver_up(m, 0, 8);
	for (unsigned int i = 0; i < 5; i++) {
		struct vring_used_elem e;

		memset(ram(m, GPA_DATA), 0, 8192);
		set_desc(m, 3, GPA_DATA, sizes[i], WRITE, 0);
		make_available(m, 3);
		kick(m);
		e = wait_used(m);
		assert_int_equal(e.id, 3);
		assert_int_equal(e.len, sizes[i]);
		/* 1 in 256 is zero by chance; all but a tenth is beyond any chance. */
		if (sizes[i] >= 64)
			assert_true(zeroes(ram(m, GPA_DATA), sizes[i]) < sizes[i] / 10);
		assert_int_equal(zeroes(ram(m, GPA_DATA + sizes[i]), 1000), 1000);
	}
}

static void pieces_and_readable_parts(void **state)
{
	struct test_machine *m = *state;
	struct vring_used_elem e;

	driver_up(m, 0, 8);
	memset(ram(m, GPA_DATA), 0, 0x3000);
	set_desc(m, 0, GPA_HEADER, 100, NEXT, 1); /* nothing to read there, nothing wrong either */
	set_desc(m, 1, GPA_DATA, 300, NEXT | WRITE, 2);
	set_desc(m, 2, GPA_DATA + 0x1000, 300, WRITE, 0);
	make_available(m, 0);
	kick(m);
	e = wait_used(m);
	assert_int_equal(e.len, 600);
	assert_true(zeroes(ram(m, GPA_DATA), 300) < 30);
	assert_true(zeroes(ram(m, GPA_DATA + 0x1000), 300) < 30);
	assert_int_equal(zeroes(ram(m, GPA_DATA + 300), 1000), 1000);
	/* Only readable: nothing can be written, and that is what used.len says. */
	set_desc(m, 0, GPA_HEADER, 100, 0, 0);
	make_available(m, 0);
	kick(m);
	assert_int_equal(wait_used(m).len, 0);
}

/*
 * A chain over all of RAM must not keep the thread busy: it gets a part, and that is what it is
 * told.
 */
static void huge_requests_are_bounded(void **state)
{
	struct test_machine *m = *state;
	struct vring_used_elem e;

	driver_up(m, 0, 8);
	memset(ram(m, GPA_DATA), 0, 2 << 20);
	set_desc(m, 0, GPA_DATA, 2 << 20, WRITE, 0);
	make_available(m, 0);
	kick(m);
	e = wait_used(m);
	assert_in_range(e.len, 1, 65536);
	assert_int_equal(zeroes(ram(m, GPA_DATA + e.len), 4096), 4096);
}

static void a_full_queue_at_once(void **state)
{
	struct test_machine *m = *state;

	driver_up(m, 0, 64);
	for (uint16_t i = 0; i < 64; i++) {
		set_desc(m, i, GPA_DATA + 64 * i, 64, WRITE, 0);
		make_available(m, i);
	}
	kick(m);
	for (uint16_t i = 0; i < 64; i++) {
		struct vring_used_elem e = wait_used(m);

		assert_int_equal(e.id, i);
		assert_int_equal(e.len, 64);
	}
	settle(m);
	assert_int_equal(m->pin.rises, 1);
}

static void hostile_chain(void **state)
{
	struct test_machine *m = *state;

	driver_up(m, 0, 8);
	set_desc(m, 0, 0xFEE00000, 64, WRITE, 0);
	make_available(m, 0);
	kick(m);
	for (int i = 0; i < 50000 && !(status_read(m) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(100);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(used_idx(m), 0);
	driver_start(m, 0, 8);
	set_desc(m, 0, GPA_DATA, 64, WRITE, 0);
	make_available(m, 0);
	kick(m);
	assert_int_equal(wait_used(m).len, 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(fills_what_it_says),
		TEST(pieces_and_readable_parts),
		TEST(huge_requests_are_bounded),
		TEST(a_full_queue_at_once),
		TEST(hostile_chain),
	};

	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
