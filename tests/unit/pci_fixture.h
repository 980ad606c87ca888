/*
 * A PCI bus with two gadgets that record what is done to them, reached as a vCPU would.
 */
#ifndef VMB_TESTS_UNIT_PCI_FIXTURE_H
#define VMB_TESTS_UNIT_PCI_FIXTURE_H

#include "test.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/pci/pci.h"
#include "vmm/pci/pci_device.h"

#define SLOT_A 2
#define SLOT_B 5
#define BAR0   0 /* 64 bits, 16 KiB, prefetchable */
#define BAR2   2 /* 32 bits, 4 KiB */
#define BAR4   4 /* 32 ports */
#define SIZE0  0x4000ULL
#define SIZE2  0x1000ULL
#define SIZE4  0x20ULL
#define ONES   0xFFFFFFFFu
#define HIGH   0x200000000ULL
#define LOW    0xC0000000ULL

struct gadget {
	struct pci_device pci; /* first */
	uint64_t mapped[PCI_BARS];
	int maps, unmaps, resets, cfg_writes;
	uint64_t last_offset, last_value;
	unsigned int last_bar, last_size;
	int *destroyed;
};

static inline uint64_t gadget_read(struct pci_device *dev, unsigned int bar, uint64_t offset,
				   unsigned int size)
{
	(void)dev;
	(void)size;
	return bar * 0x1000000ULL + offset;
}

static inline void gadget_write(struct pci_device *dev, unsigned int bar, uint64_t offset,
				unsigned int size, uint64_t value)
{
	struct gadget *g = (struct gadget *)dev;

	g->last_bar = bar;
	g->last_offset = offset;
	g->last_size = size;
	g->last_value = value;
}

static inline void gadget_mapped(struct pci_device *dev, unsigned int bar, uint64_t addr)
{
	struct gadget *g = (struct gadget *)dev;

	g->mapped[bar] = addr;
	if (addr == PCI_UNMAPPED)
		g->unmaps++;
	else
		g->maps++;
}

static inline void gadget_cfg_written(struct pci_device *dev, unsigned int offset,
				      unsigned int size)
{
	(void)offset;
	(void)size;
	((struct gadget *)dev)->cfg_writes++;
}

static inline void gadget_reset(struct pci_device *dev)
{
	((struct gadget *)dev)->resets++;
}

static inline void gadget_destroy(struct pci_device *dev)
{
	struct gadget *g = (struct gadget *)dev;

	(*g->destroyed)++;
	pci_device_fini(dev);
	free(g);
}

static const struct pci_device_ops gadget_ops = {
	.bar_read = gadget_read,
	.bar_write = gadget_write,
	.bar_mapped = gadget_mapped,
	.cfg_written = gadget_cfg_written,
	.reset = gadget_reset,
	.destroy = gadget_destroy,
};

struct fixture {
	struct bus *ports;
	struct bus *mmio;
	struct pci_bus *pci;
	struct gadget *a, *b;
	int pin_level, destroyed;
	uint8_t cf9;
	int cf9_accesses;
};

static inline uint64_t cf9_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct fixture *f = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	f->cf9_accesses++;
	return f->cf9;
}

static inline void cf9_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fixture *f = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	f->cf9_accesses++;
	f->cf9 = (uint8_t)value;
}

static const struct bus_ops cf9_ops = {cf9_read, cf9_write};

static inline void pin_set(void *ctx, bool level)
{
	((struct fixture *)ctx)->pin_level = level;
}

static inline struct gadget *make_gadget(struct fixture *f, unsigned int slot)
{
	static const struct pci_ids ids = {
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9ABC,
		.subsystem = 0xDEF0,
		.revision = 0x42,
		.class_code = 0xFF0102,
		.has_intx = true,
	};
	const struct irq_pin pin = {pin_set, f};
	struct gadget *g = calloc(1, sizeof(*g));

	g->destroyed = &f->destroyed;
	for (int i = 0; i < PCI_BARS; i++)
		g->mapped[i] = PCI_UNMAPPED;
	pci_device_init(&g->pci, &gadget_ops, &ids);
	pci_device_add_bar(&g->pci, BAR0, SIZE0, true, true);
	pci_device_add_bar(&g->pci, BAR2, SIZE2, false, false);
	pci_device_add_io_bar(&g->pci, BAR4, SIZE4);
	pci_device_add_cap(&g->pci, PCI_CAP_ID_VNDR, 6);
	pci_device_add_cap(&g->pci, PCI_CAP_ID_VNDR, 16);
	assert_int_equal(pci_bus_add(f->pci, slot, &g->pci, &pin), 0);
	return g;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pci_bus_params params = {
		.cf9_ops = &cf9_ops, .cf9_dev = f, .pci32_base = LAYOUT_PCI32};

	assert_int_equal(bus_create(&f->ports), 0);
	assert_int_equal(bus_create(&f->mmio), 0);
	params.ports = f->ports;
	params.mmio = f->mmio;
	assert_int_equal(pci_bus_create(&params, &f->pci), 0);
	f->a = make_gadget(f, SLOT_A);
	f->b = make_gadget(f, SLOT_B);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	pci_bus_destroy(f->pci);
	assert_int_equal(f->destroyed, 2);
	/* Everything has left the buses: the places can be taken by somebody else. */
	assert_int_equal(bus_add(f->mmio, &(struct bus_range){0, 1ULL << 60, &cf9_ops, f}), 0);
	assert_int_equal(bus_add(f->ports, &(struct bus_range){0, 0x10000, &cf9_ops, f}), 0);
	bus_destroy(f->mmio);
	bus_destroy(f->ports);
	free(f);
	return 0;
}

static inline uint32_t address(unsigned int bus, unsigned int slot, unsigned int fn,
			       unsigned int reg)
{
	return 0x80000000u | bus << 16 | slot << 11 | fn << 8 | (reg & 0xFC);
}

static inline uint32_t rd(struct fixture *f, unsigned int slot, unsigned int reg, unsigned int size)
{
	bus_write(f->ports, 0xCF8, 4, address(0, slot, 0, reg));
	return (uint32_t)bus_read(f->ports, 0xCFC + (reg & 3), size);
}

static inline void wr(struct fixture *f, unsigned int slot, unsigned int reg, unsigned int size,
		      uint32_t v)
{
	bus_write(f->ports, 0xCF8, 4, address(0, slot, 0, reg));
	bus_write(f->ports, 0xCFC + (reg & 3), size, v);
}

static inline void set_bar0(struct fixture *f, unsigned int slot, uint64_t addr)
{
	wr(f, slot, PCI_BASE_ADDRESS_0, 4, (uint32_t)addr);
	wr(f, slot, PCI_BASE_ADDRESS_1, 4, (uint32_t)(addr >> 32));
}

static inline void decode(struct fixture *f, unsigned int slot, bool on)
{
	wr(f, slot, PCI_COMMAND, 2, on ? PCI_COMMAND_MEMORY : 0);
}

static inline uint64_t ecam(unsigned int bus, unsigned int slot, unsigned int fn, unsigned int reg)
{
	return LAYOUT_ECAM + (bus << 20 | slot << 15 | fn << 12 | reg);
}

#endif
