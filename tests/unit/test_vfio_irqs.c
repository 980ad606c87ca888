/* Where the interrupts of a device that is passed through go. PCI Local Bus 3.0, 6.8. */
#include "vfio_fixture.h"

#include <sys/eventfd.h>
#include <unistd.h>

static void assert_vector(struct fake_vfio *f, unsigned int n, uint64_t addr, uint32_t data)
{
	const struct fake_connection *c = fake_vector(f, n);

	assert_non_null(c);
	assert_int_equal(c->addr, addr);
	assert_int_equal(c->data, data);
}

static void intx_is_there_until_messages_are(void **state)
{
	struct fake_vfio *f = *state;

	assert_int_equal(f->active, VFIO_PCI_INTX_IRQ_INDEX);
	assert_true(f->level_connected);
	assert_true(f->intx_fd >= 0 && f->intx_back >= 0 && f->intx_back != f->intx_fd);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(f->active, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_false(f->level_connected);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, 0);
	assert_int_equal(f->active, VFIO_PCI_INTX_IRQ_INDEX);
	assert_true(f->level_connected);
}

static void vectors_follow_the_table(void **state)
{
	struct fake_vfio *f = *state;

	place_bar(f, BAR);
	write_entry(f, 1, 0xFEE00000, 0x41, 0);
	assert_int_equal(fake_connected(f), 0);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(f->active_count, FAKE_MSIX);
	assert_int_equal(fake_connected(f), 1);
	assert_vector(f, 1, 0xFEE00000, 0x41);
	write_entry(f, 1, 0xFEE01000, 0x42, 0);
	assert_vector(f, 1, 0xFEE01000, 0x42);
	write_entry(f, 4, 0xFEE02000, 0x43, 0);
	assert_vector(f, 4, 0xFEE02000, 0x43);
	/* The function's mask, for all of them, and back. */
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(fake_connected(f), 0);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_connected(f), 2);
	/* What the guest wrote is what it reads. */
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_TABLE + 16, 8), 0xFEE01000);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_TABLE + 24, 4), 0x42);
}

static void masked_vector_becomes_pending(void **state)
{
	struct fake_vfio *f = *state;

	place_bar(f, BAR);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	write_entry(f, 2, 0xFEE00000, 0x41, 0);
	write_entry(f, 2, 0xFEE00000, 0x41, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	assert_null(fake_vector(f, 2));
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 0);
	/* The device does not know of the mask: it signals, and KVM finds it when it gets the eventfd back. */
	assert_int_equal(eventfd_write(f->fds[2], 1), 0);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 1 << 2);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 1 << 2);
	bus_write(f->mmio, BAR + FAKE_PBA, 8, 0);
	assert_int_equal(f->memory[FAKE_PBA], 0);
	write_entry(f, 2, 0xFEE00000, 0x41, 0);
	assert_vector(f, 2, 0xFEE00000, 0x41);
}

/* The kernel has one masked as long as nobody takes it, and the device knows that. */
static void vector_that_was_never_unmasked_is_pending_in_the_device(void **state)
{
	struct fake_vfio *f = *state;

	place_bar(f, BAR);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	write_entry(f, 2, 0xFEE00000, 0x41, 0);
	/* Number 2 signals KVM, whatever the device says of it; there are five. */
	f->memory[FAKE_PBA] = 1 << 2 | 1 << 3 | 1 << 5;
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 1 << 3);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 4), 1 << 3);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA + 4, 4), 0);
	/* Unmasked it is sent, by the device itself. */
	write_entry(f, 3, 0xFEE00000, 0x42, 0);
	assert_true(f->fds[3] >= 0);
	assert_vector(f, 3, 0xFEE00000, 0x42);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 0);
	/* And masked again it counts for us. */
	write_entry(f, 3, 0xFEE00000, 0x42, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 0);
	assert_int_equal(eventfd_write(f->fds[3], 1), 0);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 1 << 3);
}

static void messages_of_msi_count_in_their_data(void **state)
{
	struct fake_vfio *f = *state;

	fake_wr(f, FAKE_MSI + PCI_MSI_ADDRESS_LO, 4, 0xFEE00000);
	fake_wr(f, FAKE_MSI + PCI_MSI_DATA_64, 2, 0x4000);
	fake_wr(f, FAKE_MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 1 << 4);
	assert_int_equal(f->active, VFIO_PCI_MSI_IRQ_INDEX);
	assert_int_equal(fake_connected(f), 2);
	assert_vector(f, 0, 0xFEE00000, 0x4000);
	assert_vector(f, 1, 0xFEE00000, 0x4001);
	fake_wr(f, FAKE_MSI + PCI_MSI_MASK_64, 4, 2);
	assert_int_equal(fake_connected(f), 1);
	assert_null(fake_vector(f, 1));
	fake_wr(f, FAKE_MSI + PCI_MSI_FLAGS, 2, 0);
	assert_int_equal(fake_connected(f), 0);
	assert_int_equal(f->active, VFIO_PCI_INTX_IRQ_INDEX);
}

/* A guest is not to count on interrupts that the host does not have. */
static void host_with_fewer_interrupts_shows_fewer(void **state)
{
	struct vfio_env env = fake_env(&fake);

	(void)state;
	fake_fill(&fake);
	fake.host_has = 3;
	assert_int_equal(fake_start(&fake, &env, NULL), 0);
	assert_int_equal(fake_rd(&fake, FAKE_MSIXC + PCI_MSIX_FLAGS, 2), 3 - 1);
	assert_int_equal(fake_rd(&fake, FAKE_MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK, 1 << 1);
	fake_stop(&fake);
}

static void table_outside_its_bar_is_not_shown(void **state)
{
	struct vfio_env env = fake_env(&fake);

	(void)state;
	fake_fill(&fake);
	pci_put32(fake.cfg + FAKE_MSIXC + PCI_MSIX_TABLE, FAKE_BAR0);
	assert_int_equal(fake_start(&fake, &env, NULL), 0);
	assert_int_equal(fake_rd(&fake, FAKE_EXP + 1, 1), FAKE_VNDR);
	fake_stop(&fake);
	fake_fill(&fake);
	pci_put32(fake.cfg + FAKE_MSIXC + PCI_MSIX_TABLE, 7);
	assert_int_equal(fake_start(&fake, &env, NULL), 0);
	assert_int_equal(fake_rd(&fake, FAKE_EXP + 1, 1), FAKE_VNDR);
	fake_stop(&fake);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(intx_is_there_until_messages_are),
		TEST(vectors_follow_the_table),
		TEST(masked_vector_becomes_pending),
		TEST(vector_that_was_never_unmasked_is_pending_in_the_device),
		TEST(messages_of_msi_count_in_their_data),
		cmocka_unit_test(host_with_fewer_interrupts_shows_fewer),
		cmocka_unit_test(table_outside_its_bar_is_not_shown),
	};

	return cmocka_run_group_tests_name("vfio interrupts", tests, NULL, NULL);
}
