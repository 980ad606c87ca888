/*
 * The registers of a modern virtio-pci device (virtio 1.2, 4.1) and its life from power-on to
 * reset, with virtio-blk as the device behind it.
 */
#include "virtio_driver.h"

#include <linux/virtio_blk.h>

#define F_EVENT_IDX (1ULL << VIRTIO_RING_F_EVENT_IDX)
#define F_VERSION_1 (1ULL << VIRTIO_F_VERSION_1)
#define F_FLUSH	    (1ULL << VIRTIO_BLK_F_FLUSH)

#define ACK	    VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER	    VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED	    VIRTIO_CONFIG_S_FAILED

struct fixture {
	struct test_machine m;
	struct fake_disk *disk;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pci_device *dev;

	machine_init(&f->m);
	f->disk = fake_disk_new(1 << 20);
	assert_int_equal(virtio_blk_create(&f->m.env, &f->disk->disk, 0, &dev), 0);
	machine_start(&f->m, dev);
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	machine_fini(&f->m);
	free(f);
	return 0;
}

/* Reads sector 0 by descriptors 0..2 without ringing. */
static void put_read(struct test_machine *m)
{
	const struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_IN};

	gm_write(m->mem, GPA_HEADER, &hdr, sizeof(hdr));
	set_desc(m, 0, GPA_HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(m, 1, GPA_DATA, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	set_desc(m, 2, GPA_STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(m, 0);
}

static void enable_msix(struct test_machine *m, uint16_t more)
{
	cfg_write(m, m->msix_cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | more);
}

static uint64_t table(struct test_machine *m, unsigned int vector)
{
	return TEST_BAR + (cfg_read(m, m->msix_cap + PCI_MSIX_TABLE, 4) & ~7u) + 16 * vector;
}

static uint64_t pba(struct test_machine *m)
{
	return TEST_BAR + (cfg_read(m, m->msix_cap + PCI_MSIX_PBA, 4) & ~7u);
}

static void program_vector(struct test_machine *m, unsigned int vector, uint64_t addr,
			   uint32_t data)
{
	bus_write(m->mmio, table(m, vector), 4, addr);
	bus_write(m->mmio, table(m, vector) + 4, 4, addr >> 32);
	bus_write(m->mmio, table(m, vector) + 8, 4, data);
	bus_write(m->mmio, table(m, vector) + 12, 4, 0);
}

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

/* ---- notifications ---- */

static void doorbells_that_nobody_hears(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	kick(m); /* reset state */
	status_add(m, ACK | DRIVER);
	features_write(m, F_VERSION_1);
	status_add(m, FEATURES_OK);
	kick(m); /* queue not enabled */
	queue_setup(m, 8);
	put_read(m);
	kick(m); /* not DRIVER_OK: the device must not look into the queue */
	settle(m);
	assert_int_equal(used_idx(m), 0);
	assert_int_equal(f->disk->reads, 0);
	status_add(m, DRIVER_OK);
	bus_write(m->mmio, m->notify + 2, 2, 0); /* between doorbells */
	bus_write(m->mmio, m->notify + 4, 2, 1); /* queue 1 does not exist */
	bus_write(m->mmio, m->notify + 0xFFE, 2, 1);
	settle(m);
	assert_int_equal(f->disk->reads, 0);
	kick(m);
	assert_int_equal(wait_used(m).len, 513);
}

static void bus_mastering_off_means_no_dma(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_start(m, 0, 8);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	put_read(m);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->reads, 0);
	assert_int_equal(used_idx(m), 0);
	/* Nothing is lost: it goes on when mastering comes back. */
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(wait_used(m).len, 513);
}

static void doorbells_follow_the_bar(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	const uint64_t elsewhere = 0x400000000ULL;

	driver_start(m, 0, 8);
	assert_int_equal(m->doorbells.attached, 0); /* firmware's doorbell exits, to be answered */
	enable_msix(m, 0);
	assert_int_equal(m->doorbells.attached, 1);
	assert_int_equal(m->doorbells.addr[0], m->notify);
	cfg_write(m, PCI_BASE_ADDRESS_1, 4, 4);
	cfg_write(m, PCI_BASE_ADDRESS_0, 4, 0);
	assert_int_equal(m->doorbells.attached, 1);
	assert_int_equal(m->doorbells.addr[0], m->notify - TEST_BAR + elsewhere);
	/* The eventfd is the doorbell: KVM writes it instead of exiting. */
	put_read(m);
	assert_int_equal(eventfd_write(m->doorbells.eventfd[0], 1), 0);
	assert_int_equal(wait_used(m).len, 513);
	cfg_write(m, PCI_COMMAND, 2, 0);
	assert_int_equal(m->doorbells.attached, 0);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(m->doorbells.attached, 1);
	enable_msix(m, 0);
	assert_int_equal(m->doorbells.attached, 1);
	cfg_write(m, m->msix_cap + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(m->doorbells.attached, 0);
}

static void doorbells_without_msix_by_event_idx(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_start(m, F_EVENT_IDX, 8);
	assert_int_equal(m->doorbells.attached, 1);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(m->doorbells.attached, 0);
}

static void doorbell_refused(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	m->doorbells.fail = -ENOSPC;
	driver_start(m, F_EVENT_IDX, 8);
	assert_int_equal(m->doorbells.attached, 0);
	put_read(m);
	kick(m); /* exits, and works */
	assert_int_equal(wait_used(m).len, 513);
}

/* ---- interrupts ---- */

static void intx_and_isr(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_start(m, 0, 8);
	put_read(m);
	kick(m);
	wait_used(m);
	assert_int_equal(wait_level(m, 1), 1);
	assert_true(cfg_read(m, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	cfg_write(m, PCI_COMMAND, 2,
		  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(m->pin.level, 0);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(m->pin.level, 1);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 1);
	assert_int_equal(m->pin.level, 0);
	assert_false(cfg_read(m, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 0);
	/* A reset takes a pending interrupt away. */
	put_read(m);
	kick(m);
	wait_used(m);
	assert_int_equal(wait_level(m, 1), 1);
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(m->pin.level, 0);
}

static uint64_t wait_eventfd(int fd)
{
	eventfd_t n = 0;

	for (int i = 0; i < 50000 && eventfd_read(fd, &n) < 0; i++)
		usleep(100);
	return n;
}

static void msix_vector(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	enable_msix(m, 0);
	program_vector(m, 1, 0xFEE00000, 0x31);
	driver_start(m, 0, 8);
	common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, 1);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 1);
	assert_int_equal(m->msi.addr, 0xFEE00000);
	assert_int_equal(m->msi.data, 0x31);
	put_read(m);
	kick(m);
	wait_used(m);
	assert_int_equal(wait_eventfd(m->msi.eventfd), 1);
	/* With MSI-X neither the wire nor ISR's queue bit (4.1.4.5.1). */
	assert_int_equal(m->pin.rises, 0);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 0);
	/* Masked: pending, and sent when the mask goes. */
	bus_write(m->mmio, table(m, 1) + 12, 4, 1);
	put_read(m);
	kick(m);
	wait_used(m);
	for (int i = 0; i < 50000 && !bus_read(m->mmio, pba(m), 8); i++)
		usleep(100);
	assert_int_equal(bus_read(m->mmio, pba(m), 8), 1 << 1);
	bus_write(m->mmio, pba(m), 8, 0); /* read-only */
	assert_int_equal(bus_read(m->mmio, pba(m), 8), 1 << 1);
	bus_write(m->mmio, table(m, 1) + 12, 4, 0);
	assert_int_equal(wait_eventfd(m->msi.eventfd), 1);
	assert_int_equal(bus_read(m->mmio, pba(m), 8), 0);
	/* The same with the mask of the whole function. */
	enable_msix(m, PCI_MSIX_FLAGS_MASKALL);
	put_read(m);
	kick(m);
	wait_used(m);
	for (int i = 0; i < 50000 && !bus_read(m->mmio, pba(m), 8); i++)
		usleep(100);
	enable_msix(m, 0);
	assert_int_equal(wait_eventfd(m->msi.eventfd), 1);
	/* A reset of the device forgets which vector is whose. */
	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xFFFF);
}

static void msix_vectors_that_are_refused(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	enable_msix(m, 0);
	common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2); /* one queue + configuration: 0 and 1 */
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xFFFF);
	common_write(m, VIRTIO_PCI_COMMON_MSIX, 2, 1);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_MSIX, 2), 1);
	common_write(m, VIRTIO_PCI_COMMON_MSIX, 2, 0xFFFF);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_MSIX, 2), 0xFFFF);
	m->msi.fail = -ENOSPC;
	common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xFFFF);
	m->msi.fail = 0;
	common_write(m, VIRTIO_PCI_COMMON_Q_MSIX, 2, 0);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0);
	/* Refused later, when it gets its address: the driver that reads back sees it. */
	m->msi.fail = -ENOSPC;
	program_vector(m, 0, 0xFEE00000, 0x55);
	assert_int_equal(common_read(m, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xFFFF);
}

static void msix_takes_the_wire_away(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_start(m, 0, 8);
	put_read(m);
	kick(m);
	wait_used(m);
	assert_int_equal(wait_level(m, 1), 1);
	enable_msix(m, 0);
	assert_int_equal(m->pin.level, 0);
}

static void broken_queue_interrupts_by_configuration_vector(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;

	enable_msix(m, 0);
	program_vector(m, 0, 0xFEE00000, 0x66);
	driver_start(m, 0, 8);
	common_write(m, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	make_available(m, 200); /* no such head */
	kick(m);
	assert_int_equal(wait_eventfd(m->msi.eventfd), 1);
	assert_true(status_read(m) & NEEDS_RESET);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), VIRTIO_PCI_ISR_CONFIG);
	kick(m); /* once only */
	settle(m);
	assert_int_equal(bus_read(m->mmio, m->isr, 1), 0);
}

/* ---- the window in configuration space (4.1.4.9) ---- */

static void window_set(struct test_machine *m, uint8_t bar, uint32_t offset, uint32_t length)
{
	cfg_write(m, m->window_cap + 4, 1, bar);
	cfg_write(m, m->window_cap + 8, 4, offset);
	cfg_write(m, m->window_cap + 12, 4, length);
}

static void window(void **state)
{
	struct test_machine *m = &((struct fixture *)*state)->m;
	uint32_t common = (uint32_t)(m->common - TEST_BAR);

	cfg_write(m, PCI_COMMAND, 2, 0); /* works without memory decode */
	window_set(m, 0, common + VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(cfg_read(m, m->window_cap + 16, 2), 1);
	window_set(m, 0, common + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_write(m, m->window_cap + 16, 1, ACK);
	assert_int_equal(cfg_read(m, m->window_cap + 16, 1), ACK);
	window_set(m, 0, common + VIRTIO_PCI_COMMON_DFSELECT, 4);
	cfg_write(m, m->window_cap + 16, 4, 1);
	window_set(m, 0, common + VIRTIO_PCI_COMMON_DF, 4);
	assert_int_equal(cfg_read(m, m->window_cap + 16, 4), F_VERSION_1 >> 32);
	/* Impossible accesses do nothing. */
	window_set(m, 1, common + VIRTIO_PCI_COMMON_STATUS, 1);
	cfg_write(m, m->window_cap + 16, 1, 0);
	window_set(m, 0, common + VIRTIO_PCI_COMMON_STATUS, 3);
	cfg_write(m, m->window_cap + 16, 4, 0);
	window_set(m, 0, 0xFFFFFFFC, 4);
	cfg_write(m, m->window_cap + 16, 4, 0);
	window_set(m, 0, common + 1, 2);
	cfg_write(m, m->window_cap + 16, 2, 0);
	(void)cfg_read(m, m->window_cap + 16, 4);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(status_read(m), ACK);
}

/* ---- storms ---- */

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 20;
}

static void one_random_access(struct test_machine *m, uint64_t r)
{
	static const unsigned int sizes[] = {1, 2, 4, 8};
	static const uint64_t values[] = {
		0,	1,	    2,	      4,	 8,	   16,		 0xF,
		0xFFFF, 0xFFFFFFFF, GPA_DESC, GPA_AVAIL, GPA_USED, TEST_RAM - 8, TEST_BAR,
		256,	0x8000};
	uint64_t value = (r >> 8 & 3) ? values[r >> 10 & 15] : r >> 3;
	unsigned int size = sizes[r >> 16 & 3];
	uint64_t at = (r >> 18 & 63) & ~(uint64_t)(size - 1);

	switch (r & 7) {
	case 0:
	case 1:
	case 2: common_write(m, (unsigned int)at, size, value); break;
	case 3: kick(m); break;
	case 4: bus_write(m->mmio, TEST_BAR + (r >> 24 & 0x7FF8), size, value); break;
	case 5: (void)bus_read(m->mmio, TEST_BAR + (r >> 24 & 0x7FF8), size); break;
	case 6:
		if (r >> 40 & 7) /* mostly leave it decoded, so that the rest has an effect */
			cfg_write(m, 0x40 + ((unsigned int)(r >> 24) & 0x7C), 4, (uint32_t)value);
		else
			cfg_write(m, (unsigned int)(r >> 24) & 0xFC, 4, (uint32_t)value);
		break;
	default: *ram(m, GPA_DESC + (r >> 24 & 0x2FFFF)) = (uint8_t)value; break;
	}
}

/*
 * Random registers and ring bytes in every state; afterwards the device still can be reset and
 * works.
 */
static void random_register_writes(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint64_t seed = 7;

	for (unsigned int round = 0; round < 2000; round++) {
		uint64_t r = next_random(&seed);

		pci_bus_reset(m->pci);
		f->disk->hold = false;
		driver_map_bar(m, TEST_BAR);
		if (r & 1) {
			driver_start(m, r & 2 ? F_EVENT_IDX : 0, 8);
			f->disk->hold = r >> 2 & 1;
			put_read(m);
			kick(m);
		}
		for (unsigned int i = 0; i < 60; i++) {
			one_random_access(m, next_random(&seed));
			if (f->disk->held_count > FAKE_DISK_HELD / 2)
				f->disk->hold = false;
		}
	}
	pci_bus_reset(m->pci);
	f->disk->hold = false;
	driver_up(m, 0, 8);
	put_read(m);
	kick(m);
	assert_int_equal(wait_used(m).len, 513);
	assert_int_equal(*ram(m, GPA_STATUS), VIRTIO_BLK_S_OK);
}

struct rival {
	struct test_machine *m;
	_Atomic bool stop;
};

static void *reset_all_the_time(void *arg)
{
	struct rival *r = arg;

	while (!r->stop) {
		common_write(r->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		(void)bus_read(r->m->mmio, r->m->isr, 1);
		cfg_write(r->m, PCI_INTERRUPT_LINE, 1, 5);
	}
	return NULL;
}

/* Two vCPUs fight over one device. */
static void two_vcpus(void **state)
{
	struct fixture *f = *state;
	struct rival rival = {.m = &f->m};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, reset_all_the_time, &rival), 0);
	for (unsigned int i = 0; i < 300; i++) {
		struct test_machine *m = &f->m;

		common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, ACK | DRIVER);
		features_write(m, F_VERSION_1);
		status_add(m, FEATURES_OK);
		queue_setup(m, 8);
		status_add(m, DRIVER_OK);
		put_read(m);
		kick(m);
	}
	rival.stop = true;
	pthread_join(thread, NULL);
	driver_start(&f->m, 0, 8);
	put_read(&f->m);
	kick(&f->m);
	assert_int_equal(wait_used(&f->m).len, 513);
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
		TEST(doorbells_that_nobody_hears),
		TEST(bus_mastering_off_means_no_dma),
		TEST(doorbells_follow_the_bar),
		TEST(doorbells_without_msix_by_event_idx),
		TEST(doorbell_refused),
		TEST(intx_and_isr),
		TEST(msix_vector),
		TEST(msix_vectors_that_are_refused),
		TEST(msix_takes_the_wire_away),
		TEST(broken_queue_interrupts_by_configuration_vector),
		TEST(window),
		TEST(random_register_writes),
		TEST(two_vcpus),
	};

	return cmocka_run_group_tests_name("virtio_pci", tests, NULL, NULL);
}
