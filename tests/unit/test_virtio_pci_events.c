/*
 * Doorbells, interrupts, the window in configuration space (virtio 1.2, 4.1.4 and 4.1.5), and guests
 * that write anything at any time.
 */
#include "virtio_pci_fixture.h"

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
}

/* A driver that forgets it until it has begun. */
static void bus_mastering_late_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	driver_start(m, 0, 8);
	put_read(m);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->reads, 0);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(wait_used(m).len, 513);
}

/*
 * A kernel hands over to the next one (kexec): it switches bus mastering off, the memory of its rings becomes the next
 * one's, which switches it on and only then resets the device.
 */
static void who_takes_over_finds_its_memory_untouched(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_start(m, 0, 8);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(status_read(m), ACK | DRIVER | FEATURES_OK);
	put_read(m); /* what lies there now may look like a request */
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	settle(m);
	kick(m);
	settle(m);
	assert_int_equal(f->disk->reads, 0);
	assert_int_equal(used_idx(m), 0);
	/* A driver that only says again that it is ready goes on where it was. */
	status_add(m, DRIVER_OK);
	kick(m);
	assert_int_equal(wait_used(m).len, 513);
}

/* What the device was doing when bus mastering was switched off is done when that returns. */
static void bus_mastering_off_waits_for_what_is_in_flight(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;

	driver_start(m, 0, 8);
	f->disk->hold = true;
	put_read(m);
	kick(m);
	settle(m);
	cfg_write(m, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(used_idx(m), 1);
	assert_int_equal(wait_used(m).len, 513);
}

static void doorbells_follow_the_bar(void **state)
{
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	const uint64_t elsewhere = 0xD0000000;

	driver_start(m, 0, 8);
	assert_int_equal(m->doorbells.attached, 0); /* firmware's doorbell exits, to be answered */
	enable_msix(m, 0);
	assert_int_equal(m->doorbells.attached, 1);
	assert_int_equal(m->doorbells.addr[0], m->notify);
	cfg_write(m, PCI_BASE_ADDRESS_0, 4, (uint32_t)elsewhere);
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

/* Where ports are decoded KVM gets those; memory still rings, by an exit (4.1.4: both are offered). */
static void doorbells_by_port(void **state)
{
	const uint16_t on = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	struct test_machine *m = &((struct fixture *)*state)->m;

	driver_start(m, F_EVENT_IDX, 8);
	assert_true(m->has_ports);
	assert_int_equal(m->doorbells.attached, 1);
	assert_false(m->doorbells.is_port[0]);
	cfg_write(m, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	assert_int_equal(cfg_read(m, PCI_BASE_ADDRESS_1, 4), (uint32_t)~63 | 1);
	cfg_write(m, PCI_BASE_ADDRESS_1, 4, 0xC040);
	cfg_write(m, PCI_COMMAND, 2, on);
	assert_int_equal(m->doorbells.attached, 1);
	assert_true(m->doorbells.is_port[0]);
	assert_int_equal(m->doorbells.addr[0], 0xC040);
	put_read(m);
	bus_write(m->ports, 0xC040, 2, 0); /* as when KVM does not take it */
	assert_int_equal(wait_used(m).len, 513);
	put_read(m);
	kick(m);
	assert_int_equal(wait_used(m).len, 513);
	assert_int_equal(bus_read(m->ports, 0xC040, 2), 0);
	cfg_write(m, PCI_COMMAND, 2, on & ~PCI_COMMAND_IO);
	assert_int_equal(m->doorbells.attached, 1);
	assert_int_equal(m->doorbells.addr[0], m->notify);
	assert_int_equal(bus_read(m->ports, 0xC040, 2), 0xFFFF);
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
		TEST(doorbells_that_nobody_hears),
		TEST(bus_mastering_off_means_no_dma),
		TEST(bus_mastering_late_loses_nothing),
		TEST(who_takes_over_finds_its_memory_untouched),
		TEST(bus_mastering_off_waits_for_what_is_in_flight),
		TEST(doorbells_follow_the_bar),
		TEST(doorbells_by_port),
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

	return cmocka_run_group_tests_name("virtio_pci_events", tests, NULL, NULL);
}
