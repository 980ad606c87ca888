/*
 * The registers of a modern virtio-pci device (virtio 1.2, 4.1) and its life from power-on to
 * reset, with virtio-blk as the device behind it.
 */
#include "virtio_pci_fixture.h"

/* ---- discovery ---- */

static void capabilities(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;
	unsigned int at = cfg_read(m, PCI_CAPABILITY_LIST, 1);
	uint64_t first[8], end[8];
	unsigned int parts = 0;

	assert_true(m->common && m->isr && m->config && m->notify);
	assert_true(m->window_cap && m->msix_cap);
	assert_int_equal(cfg_read(m, PCI_INTERRUPT_PIN, 1), 1);
	assert_true(m->notify_multiplier >= 2);
	/* Parts lie apart, aligned as 4.1.4 wants, inside the BAR of 32 KiB. */
	for (; at; at = cfg_read(m, at + 1, 1)) {
		unsigned int type = cfg_read(m, at + 3, 1);

		if (cfg_read(m, at, 1) != PCI_CAP_ID_VNDR || type == VIRTIO_PCI_CAP_PCI_CFG)
			continue;
		assert_true(cfg_read(m, at + 2, 1) >= 16);
		if (cfg_read(m, at + 4, 1) == 1) {
			assert_int_equal(type, VIRTIO_PCI_CAP_NOTIFY_CFG);
			continue; /* the doorbells that are ports */
		}
		first[parts] = cfg_read(m, at + 8, 4);
		end[parts] = first[parts] + cfg_read(m, at + 12, 4);
		assert_true(end[parts] > first[parts] && end[parts] <= 0x8000);
		assert_int_equal(first[parts] % 4, 0);
		for (unsigned int i = 0; i < parts; i++)
			assert_true(end[i] <= first[parts] || end[parts] <= first[i]);
		parts++;
	}
	assert_int_equal(parts, 4);
}

static void state_after_power_on(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	assert_int_equal(status_read(m), 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_NUMQ, 2), 1);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_MSIX, 2), 0xFFFF);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_CFGGENERATION, 1), 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xFFFF);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 0);
}

static void queues_that_do_not_exist(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;
	static const uint16_t none[] = {1, 2, 0x100, 0xFFFF};

	for (unsigned int i = 0; i < 4; i++) {
		common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, none[i]);
		assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SELECT, 2), none[i]);
		assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 4);
		common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
		common_write(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x1000);
		common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	}
	common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
}

/* ---- features and status ---- */

static void feature_selectors(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	assert_true(features_read(m) & F_VERSION_1);
	common_write(m, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_DF, 4), 0);
	common_write(m, VIRTIO_PCI_COMMON_DFSELECT, 4, 0xFFFFFFFF);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_DF, 4), 0);
	features_write(m, F_VERSION_1 | F_FLUSH);
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_GF, 4), F_FLUSH);
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_GF, 4), F_VERSION_1 >> 32);
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 7);
	common_write(m, VIRTIO_PCI_COMMON_GF, 4, 0xFFFFFFFF);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_GF, 4), 0);
	/* What the device offers is not the driver's to write. */
	common_write(m, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	common_write(m, VIRTIO_PCI_COMMON_DF, 4, 0);
	assert_true(features_read(m) & F_VERSION_1);
}

static void features_that_are_refused(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;
	static const struct {
		uint64_t features;
		bool ok;
	} cases[] = {
		{F_VERSION_1, true},
		{F_VERSION_1 | F_FLUSH | F_EVENT_IDX, true},
		{0, false}, /* legacy */
		{F_FLUSH, false},
		{F_VERSION_1 | 1ULL << VIRTIO_BLK_F_MQ, false},
		{F_VERSION_1 | 1ULL << VIRTIO_F_RING_PACKED, false},
		{F_VERSION_1 | 1ULL << 63, false},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		status_add(m, ACK | DRIVER);
		features_write(m, cases[i].features);
		status_add(m, FEATURES_OK);
		assert_int_equal(status_read(m), ACK | DRIVER | (cases[i].ok ? FEATURES_OK : 0));
	}
}

static void features_freeze(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	status_add(m, ACK | DRIVER);
	features_write(m, F_VERSION_1);
	status_add(m, FEATURES_OK);
	features_write(m, F_VERSION_1 | F_EVENT_IDX);
	common_write(m, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_GF, 4), 0);
}

static void status_rules(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, ACK);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRIVER);
	assert_int_equal(status_read(m), ACK | DRIVER);
	/* A driver must not clear bits; the device keeps them. */
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, DRIVER);
	assert_int_equal(status_read(m), ACK | DRIVER);
	/* The device's own bit, and reserved ones, cannot be set from outside. */
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRIVER | NEEDS_RESET | 0x30);
	assert_int_equal(status_read(m), ACK | DRIVER);
	/* No DRIVER_OK before the features are agreed on. */
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRIVER | DRIVER_OK);
	assert_int_equal(status_read(m), ACK | DRIVER);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, FAILED);
	assert_int_equal(status_read(m), ACK | DRIVER | FAILED);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(m), 0);
}

/* 4.1.3.1: fields have a width. Other writes do nothing, and reads never leave the structure. */
static void wrong_widths(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	common_write(m, VIRTIO_PCI_COMMON_STATUS, 2, ACK);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 4, ACK);
	assert_int_equal(status_read(m), 0);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 1, 8);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 4, 8);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	common_write(m, VIRTIO_PCI_COMMON_Q_DESCLO, 2, 0x1000);
	common_write(m, VIRTIO_PCI_COMMON_Q_DESCLO + 1, 4, 0x1000);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	common_write(m, VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x123456789000ULL);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0x56789000);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0x1234);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x123456789000ULL);
	assert_int_equal(common_read(m, 56, 4), 0);
	assert_int_equal(common_read(m, 52, 8), 0);
	assert_int_equal(common_read(m, 0xFFC, 4), 0);
	for (unsigned int at = sizeof(struct virtio_blk_config); at < 0x1000; at++)
		assert_int_equal(bus_read(m->mmio, m->config + at, 1), 0);
	assert_int_equal(bus_read(m->mmio, m->config + sizeof(struct virtio_blk_config) - 4, 8), 0);
	assert_int_equal(bus_read(m->mmio, m->notify, 4), 0);
}

static void queue_registers(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 128);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 100);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 512);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	queue_setup(m, 16);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* Frozen now. */
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, 256);
	write64(m, VIRTIO_PCI_COMMON_Q_USEDLO, 0);
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_USEDLO, 4), GPA_USED);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_USEDLO, 4), 0);
}

/* Rings in a hole: the driver learns at once, even before DRIVER_OK, and nothing runs. */
static void queue_in_the_mmio_hole(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	status_add(m, ACK | DRIVER);
	features_write(m, F_VERSION_1);
	status_add(m, FEATURES_OK);
	write64(m, VIRTIO_PCI_COMMON_Q_DESCLO, TEST_BAR);
	write64(m, VIRTIO_PCI_COMMON_Q_AVAILLO, TEST_BAR + 0x1000);
	write64(m, VIRTIO_PCI_COMMON_Q_USEDLO, 0xFFFFFFFFFFFFF000ULL);
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_true(status_read(m) & NEEDS_RESET);
	status_add(m, DRIVER_OK);
	kick(m);
	settle(m);
	assert_true(status_read(m) & NEEDS_RESET);
	driver_start(m, 0, 8);
	put_read(m);
	kick(m);
	assert_int_equal(wait_used(m).len, 513);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capabilities),
		TEST(state_after_power_on),
		TEST(queues_that_do_not_exist),
		TEST(feature_selectors),
		TEST(features_that_are_refused),
		TEST(features_freeze),
		TEST(status_rules),
		TEST(wrong_widths),
		TEST(queue_registers),
		TEST(queue_in_the_mmio_hole),
	};

	return cmocka_run_group_tests_name("virtio_pci", tests, NULL, NULL);
}
