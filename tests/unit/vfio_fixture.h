/* A device that is passed through, with a fake in the host's place (fake_vfio.h), started; its BARs are not placed yet. */
#ifndef VMB_TESTS_UNIT_VFIO_FIXTURE_H
#define VMB_TESTS_UNIT_VFIO_FIXTURE_H

#include "test.h"

#define CHECK(condition) assert_true(condition)
#include "fake_vfio.h"

#define BAR 0xC0000000ULL

static struct fake_vfio fake;

static inline int setup(void **state)
{
	struct vfio_env env = fake_env(&fake);

	fake_fill(&fake);
	*state = &fake;
	return fake_start(&fake, &env, NULL);
}

static inline int teardown(void **state)
{
	fake_stop(*state);
	return 0;
}

static inline void place_bar(struct fake_vfio *f, uint64_t addr)
{
	fake_wr(f, PCI_BASE_ADDRESS_0, 4, (uint32_t)addr);
	fake_wr(f, PCI_BASE_ADDRESS_1, 4, (uint32_t)(addr >> 32));
	fake_wr(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
}

/* Entry N of the MSI-X table, in BAR. */
static inline void write_entry(struct fake_vfio *f, unsigned int n, uint64_t addr, uint32_t data,
			       uint32_t control)
{
	uint64_t at = BAR + FAKE_TABLE + 16 * n;

	bus_write(f->mmio, at, 8, addr);
	bus_write(f->mmio, at + 8, 4, data);
	bus_write(f->mmio, at + 12, 4, control);
}

#endif
