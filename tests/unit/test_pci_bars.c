/* BARs that are sized, moved, switched and put in each other's way; reset; random accesses. */
#include "pci_fixture.h"

/* ---- BARs ---- */

static void sizing(void **state)
{
	struct fixture *f = *state;

	for (int on = 0; on < 2; on++) {
		set_bar0(f, SLOT_A, HIGH);
		decode(f, SLOT_A, on);
		wr(f, SLOT_A, PCI_BASE_ADDRESS_0, 4, ONES);
		wr(f, SLOT_A, PCI_BASE_ADDRESS_1, 4, ONES);
		wr(f, SLOT_A, PCI_BASE_ADDRESS_2, 4, ONES);
		wr(f, SLOT_A, PCI_BASE_ADDRESS_3, 4, ONES);
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_0, 4),
				 (uint32_t) ~(SIZE0 - 1) | 0xC);
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_1, 4), ONES);
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_2, 4), (uint32_t) ~(SIZE2 - 1));
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_3, 4), 0);
		/* Byte by byte is a way to write them, too. */
		for (unsigned int i = 0; i < 8; i++)
			wr(f, SLOT_A, PCI_BASE_ADDRESS_0 + i, 1, (uint8_t)(HIGH >> (8 * i)));
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_0, 4), 0xC);
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_1, 4), HIGH >> 32);
		assert_int_equal(f->a->mapped[BAR0], on ? HIGH : PCI_UNMAPPED);
	}
}

static void bar_accesses(void **state)
{
	struct fixture *f = *state;

	set_bar0(f, SLOT_A, HIGH);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_2, 4, LOW);
	assert_int_equal(bus_read(f->mmio, HIGH, 4), ONES);
	decode(f, SLOT_A, true);
	assert_int_equal(bus_read(f->mmio, HIGH + 0x10, 4), 0x10);
	assert_int_equal(bus_read(f->mmio, HIGH + SIZE0 - 8, 8), SIZE0 - 8);
	assert_int_equal(bus_read(f->mmio, LOW + 4, 4), BAR2 * 0x1000000 + 4);
	assert_int_equal(bus_read(f->mmio, HIGH + SIZE0, 4), ONES);
	assert_int_equal(bus_read(f->mmio, HIGH - 4, 4), ONES);
	bus_write(f->mmio, LOW + 0x20, 2, 0xBEEF);
	assert_int_equal(f->a->last_bar, BAR2);
	assert_int_equal(f->a->last_offset, 0x20);
	assert_int_equal(f->a->last_size, 2);
	assert_int_equal(f->a->last_value, 0xBEEF);
	decode(f, SLOT_A, false);
	assert_int_equal(bus_read(f->mmio, HIGH + 0x10, 4), ONES);
	assert_int_equal(bus_read(f->mmio, LOW + 4, 4), ONES);
}

/* Ports: bit 0 says so, the platform's own below 0x1000 stay the platform's (PCI Local Bus 3.0, 6.2.5.1). */
static void io_bars(void **state)
{
	struct fixture *f = *state;

	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, ONES);
	assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_4, 4), (uint32_t) ~(SIZE4 - 1) | 1);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, 0xC100);
	decode(f, SLOT_A, true); /* memory only */
	assert_int_equal(f->a->mapped[BAR4], PCI_UNMAPPED);
	wr(f, SLOT_A, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(f->a->mapped[BAR4], 0xC100);
	assert_int_equal(bus_read(f->ports, 0xC104, 4), BAR4 * 0x1000000 + 4);
	assert_int_equal(bus_read(f->mmio, 0xC104, 4), ONES);
	bus_write(f->ports, 0xC100 + SIZE4 - 2, 2, 7);
	assert_int_equal(f->a->last_bar, BAR4);
	assert_int_equal(f->a->last_offset, SIZE4 - 2);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, 0x1000);
	assert_int_equal(f->a->mapped[BAR4], 0x1000);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, 0x600);
	assert_int_equal(f->a->mapped[BAR4], PCI_UNMAPPED);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, 0x1C100);
	assert_int_equal(f->a->mapped[BAR4], PCI_UNMAPPED);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_4, 4, 0x10000 - SIZE4);
	assert_int_equal(f->a->mapped[BAR4], 0x10000 - SIZE4);
}

static void moving_while_decoded(void **state)
{
	struct fixture *f = *state;

	set_bar0(f, SLOT_A, HIGH);
	decode(f, SLOT_A, true);
	assert_int_equal(f->a->mapped[BAR0], HIGH);
	set_bar0(f, SLOT_A, HIGH + 0x100000);
	assert_int_equal(f->a->mapped[BAR0], HIGH + 0x100000);
	assert_int_equal(bus_read(f->mmio, HIGH, 4), ONES);
	assert_int_equal(bus_read(f->mmio, HIGH + 0x100004, 4), 4);
	set_bar0(f, SLOT_A, 0x300000000ULL);
	assert_int_equal(bus_read(f->mmio, HIGH + 0x100004, 4), ONES);
	assert_int_equal(bus_read(f->mmio, 0x300000004ULL, 4), 4);
	/* Every mapping that began has ended, but one. */
	assert_int_equal(f->a->maps, f->a->unmaps + 1);
	/* The same value again is no move. */
	f->a->maps = 0;
	set_bar0(f, SLOT_A, 0x300000000ULL);
	decode(f, SLOT_A, true);
	assert_int_equal(f->a->maps, 0);
}

static void overlapping_bars(void **state)
{
	struct fixture *f = *state;

	set_bar0(f, SLOT_A, HIGH);
	set_bar0(f, SLOT_B, HIGH);
	decode(f, SLOT_A, true);
	decode(f, SLOT_B, true);
	assert_int_equal(f->a->mapped[BAR0], HIGH);
	assert_int_equal(f->b->mapped[BAR0], PCI_UNMAPPED);
	assert_int_equal(rd(f, SLOT_B, PCI_BASE_ADDRESS_1, 4), HIGH >> 32); /* as written */
	/* The first goes away: the second gets its place without another write to it. */
	set_bar0(f, SLOT_A, HIGH + 0x100000);
	assert_int_equal(f->b->mapped[BAR0], HIGH);
	/* Partly overlapping, and freed by switching decode off. */
	set_bar0(f, SLOT_A, HIGH + SIZE0);
	wr(f, SLOT_A, PCI_BASE_ADDRESS_2, 4, LOW);
	wr(f, SLOT_B, PCI_BASE_ADDRESS_2, 4, LOW);
	assert_int_equal(f->b->mapped[BAR2], PCI_UNMAPPED);
	decode(f, SLOT_A, false);
	assert_int_equal(f->b->mapped[BAR2], LOW);
	/* A waiting BAR whose decode goes off waits no longer. */
	decode(f, SLOT_A, true);
	assert_int_equal(f->a->mapped[BAR2], PCI_UNMAPPED);
	decode(f, SLOT_A, false);
	decode(f, SLOT_B, false);
	assert_int_equal(f->a->mapped[BAR2], PCI_UNMAPPED);
	/* Its own two BARs can be in each other's way as well. */
	set_bar0(f, SLOT_A, LOW);
	decode(f, SLOT_A, true);
	assert_int_equal(f->a->mapped[BAR0], LOW);
	assert_int_equal(f->a->mapped[BAR2], PCI_UNMAPPED);
	set_bar0(f, SLOT_A, HIGH);
	assert_int_equal(f->a->mapped[BAR2], LOW);
}

static void addresses_that_are_not_pci(void **state)
{
	struct fixture *f = *state;
	static const uint64_t bad[] = {
		0,	     /* not programmed */
		0x100000,    /* RAM */
		0xBFFFC000,  /* the end of low RAM */
		LAYOUT_ECAM, /* configuration space */
		LAYOUT_ECAM + 0x8000,
		LAYOUT_PCI32_END, /* above the window */
		LAYOUT_IOAPIC,
		LAYOUT_LAPIC,
		0xFFFFC000, /* what sizing looks like */
		0xFFFFFFFFFFFFC000ULL,
		1ULL << 52, /* no such address */
	};

	decode(f, SLOT_A, true);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set_bar0(f, SLOT_A, bad[i]);
		if (f->a->mapped[BAR0] != PCI_UNMAPPED)
			fail_msg("decoded at %#llx", (unsigned long long)bad[i]);
		assert_int_equal(rd(f, SLOT_A, PCI_BASE_ADDRESS_1, 4), bad[i] >> 32);
	}
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0), 4), 0x56781234);
	/* The first and last possible places. */
	set_bar0(f, SLOT_A, LAYOUT_PCI32);
	assert_int_equal(f->a->mapped[BAR0], LAYOUT_PCI32);
	set_bar0(f, SLOT_A, LAYOUT_PCI32_END - SIZE0);
	assert_int_equal(f->a->mapped[BAR0], LAYOUT_PCI32_END - SIZE0);
	set_bar0(f, SLOT_A, (1ULL << 52) - SIZE0);
	assert_int_equal(f->a->mapped[BAR0], (1ULL << 52) - SIZE0);
}

/* ---- the bus ---- */

static void slots(void **state)
{
	struct fixture *f = *state;
	const struct irq_pin pin = {0};
	struct pci_device other = {0};

	assert_int_equal(pci_bus_add(f->pci, 0, &other, &pin), -EINVAL);
	assert_int_equal(pci_bus_add(f->pci, 32, &other, &pin), -EINVAL);
	assert_int_equal(pci_bus_add(f->pci, SLOT_A, &other, &pin), -EEXIST);
	pci_device_destroy(NULL);
	pci_bus_destroy(NULL);
}

static void power_on_state_after_reset(void **state)
{
	struct fixture *f = *state;
	uint8_t before[256];

	for (unsigned int reg = 0; reg < 256; reg++)
		before[reg] = (uint8_t)rd(f, SLOT_A, reg, 1);
	set_bar0(f, SLOT_A, HIGH);
	set_bar0(f, SLOT_B, HIGH);
	decode(f, SLOT_A, true);
	decode(f, SLOT_B, true);
	wr(f, SLOT_A, PCI_INTERRUPT_LINE, 1, 10);
	wr(f, SLOT_A, PCI_CACHE_LINE_SIZE, 2, 0x4010);
	pthread_mutex_lock(&f->a->pci.lock);
	pci_device_set_intx(&f->a->pci, true);
	pthread_mutex_unlock(&f->a->pci.lock);

	pci_bus_reset(f->pci);
	assert_int_equal(bus_read(f->ports, 0xCF8, 4), 0);
	assert_int_equal(f->a->resets, 1);
	assert_int_equal(f->pin_level, 0);
	assert_int_equal(f->a->mapped[BAR0], PCI_UNMAPPED);
	assert_int_equal(f->b->mapped[BAR0], PCI_UNMAPPED);
	assert_int_equal(bus_read(f->mmio, HIGH, 4), ONES);
	for (unsigned int reg = 0; reg < 256; reg++)
		assert_int_equal(rd(f, SLOT_A, reg, 1), before[reg]);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 24;
}

/*
 * A guest that writes anything anywhere: the functions stay what they are and a reset repairs all.
 */
static void random_accesses(void **state)
{
	struct fixture *f = *state;
	static const unsigned int sizes[] = {1, 2, 4, 8};
	static const uint32_t addrs[] = {0, ONES, 0xC0000000, 0xC0004000, 0xE8000000, 2, 0x100};
	uint64_t seed = 1;

	for (unsigned int i = 0; i < 300000; i++) {
		uint64_t r = next_random(&seed);
		unsigned int size = sizes[r % 3], reg = r >> 8 & 0xFF;
		unsigned int slot = (r >> 2 & 1) ? SLOT_A : SLOT_B;
		uint32_t value = (r >> 3 & 1) ? addrs[(r >> 16) % 7] : (uint32_t)(r >> 4);

		if (r >> 5 & 1)
			reg = PCI_COMMAND + (r >> 16) % 0x20; /* where things happen */
		switch (r >> 6 & 3) {
		case 0: wr(f, slot, reg & ~(size - 1), size, value); break;
		case 1:
			bus_write(f->mmio, ecam(0, slot, 0, reg & ~7u), 8,
				  r * 0x9E3779B97F4A7C15ULL);
			break;
		case 2: (void)bus_read(f->mmio, r & 0x3FFFFFFFF, sizes[r >> 10 & 3]); break;
		default: bus_write(f->mmio, r & 0x3FFFFFFFF, sizes[r >> 10 & 3], r); break;
		}
		assert_int_equal(f->a->maps - f->a->unmaps,
				 (f->a->mapped[BAR0] != PCI_UNMAPPED) +
					 (f->a->mapped[BAR2] != PCI_UNMAPPED) +
					 (f->a->mapped[BAR4] != PCI_UNMAPPED));
	}
	assert_int_equal(rd(f, SLOT_A, 0, 4), 0x56781234);
	assert_int_equal(rd(f, SLOT_B, 0, 4), 0x56781234);
	assert_true(f->a->maps > 100);
	pci_bus_reset(f->pci);
	f->a->resets = 0;
	power_on_state_after_reset(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizing),
		TEST(bar_accesses),
		TEST(io_bars),
		TEST(moving_while_decoded),
		TEST(overlapping_bars),
		TEST(addresses_that_are_not_pci),
		TEST(slots),
		TEST(power_on_state_after_reset),
		TEST(random_accesses),
	};

	return cmocka_run_group_tests_name("pci_bars", tests, NULL, NULL);
}
