/*
 * Configuration space and BARs, register by register, through the buses as a vCPU would reach them.
 * PCI Local Bus 3.0, chapter 6 and 3.2.2.3.2; PCI Firmware 3.0, 4.1.
 */
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
#define SIZE0  0x4000ULL
#define SIZE2  0x1000ULL
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

static uint64_t gadget_read(struct pci_device *dev, unsigned int bar, uint64_t offset,
			    unsigned int size)
{
	(void)dev;
	(void)size;
	return bar * 0x1000000ULL + offset;
}

static void gadget_write(struct pci_device *dev, unsigned int bar, uint64_t offset,
			 unsigned int size, uint64_t value)
{
	struct gadget *g = (struct gadget *)dev;

	g->last_bar = bar;
	g->last_offset = offset;
	g->last_size = size;
	g->last_value = value;
}

static void gadget_mapped(struct pci_device *dev, unsigned int bar, uint64_t addr)
{
	struct gadget *g = (struct gadget *)dev;

	g->mapped[bar] = addr;
	if (addr == PCI_UNMAPPED)
		g->unmaps++;
	else
		g->maps++;
}

static void gadget_cfg_written(struct pci_device *dev, unsigned int offset, unsigned int size)
{
	(void)offset;
	(void)size;
	((struct gadget *)dev)->cfg_writes++;
}

static void gadget_reset(struct pci_device *dev)
{
	((struct gadget *)dev)->resets++;
}

static void gadget_destroy(struct pci_device *dev)
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

static uint64_t cf9_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct fixture *f = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	f->cf9_accesses++;
	return f->cf9;
}

static void cf9_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fixture *f = opaque;

	assert_int_equal(offset, 0);
	assert_int_equal(size, 1);
	f->cf9_accesses++;
	f->cf9 = (uint8_t)value;
}

static const struct bus_ops cf9_ops = {cf9_read, cf9_write};

static void pin_set(void *ctx, bool level)
{
	((struct fixture *)ctx)->pin_level = level;
}

static struct gadget *make_gadget(struct fixture *f, unsigned int slot)
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
	pci_device_add_cap(&g->pci, PCI_CAP_ID_VNDR, 6);
	pci_device_add_cap(&g->pci, PCI_CAP_ID_VNDR, 16);
	assert_int_equal(pci_bus_add(f->pci, slot, &g->pci, &pin), 0);
	return g;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct pci_bus_params params = {.cf9_ops = &cf9_ops, .cf9_dev = f};

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

static int teardown(void **state)
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

static uint32_t address(unsigned int bus, unsigned int slot, unsigned int fn, unsigned int reg)
{
	return 0x80000000u | bus << 16 | slot << 11 | fn << 8 | (reg & 0xFC);
}

static uint32_t rd(struct fixture *f, unsigned int slot, unsigned int reg, unsigned int size)
{
	bus_write(f->ports, 0xCF8, 4, address(0, slot, 0, reg));
	return (uint32_t)bus_read(f->ports, 0xCFC + (reg & 3), size);
}

static void wr(struct fixture *f, unsigned int slot, unsigned int reg, unsigned int size,
	       uint32_t v)
{
	bus_write(f->ports, 0xCF8, 4, address(0, slot, 0, reg));
	bus_write(f->ports, 0xCFC + (reg & 3), size, v);
}

static void set_bar0(struct fixture *f, unsigned int slot, uint64_t addr)
{
	wr(f, slot, PCI_BASE_ADDRESS_0, 4, (uint32_t)addr);
	wr(f, slot, PCI_BASE_ADDRESS_1, 4, (uint32_t)(addr >> 32));
}

static void decode(struct fixture *f, unsigned int slot, bool on)
{
	wr(f, slot, PCI_COMMAND, 2, on ? PCI_COMMAND_MEMORY : 0);
}

/* ---- CF8/CFC ---- */

static void absent_functions_read_all_ones(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned int bus, slot, fn;
	} absent[] = {{0, 1, 0},      {0, 31, 0}, {0, 0, 1},
		      {0, SLOT_A, 7}, {1, 0, 0},  {255, SLOT_A, 0}};

	for (unsigned int i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		bus_write(f->ports, 0xCF8, 4,
			  address(absent[i].bus, absent[i].slot, absent[i].fn, 0));
		assert_int_equal(bus_read(f->ports, 0xCFC, 4), ONES);
		assert_int_equal(bus_read(f->ports, 0xCFE, 2), 0xFFFF);
		assert_int_equal(bus_read(f->ports, 0xCFF, 1), 0xFF);
		bus_write(f->ports, 0xCFC, 4, 0);
	}
}

static void nothing_answers_without_the_enable_bit(void **state)
{
	struct fixture *f = *state;

	bus_write(f->ports, 0xCF8, 4, address(0, SLOT_A, 0, PCI_COMMAND) & 0x7FFFFFFF);
	assert_int_equal(bus_read(f->ports, 0xCFC, 4), ONES);
	bus_write(f->ports, 0xCFC, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(rd(f, SLOT_A, PCI_COMMAND, 2), 0);
}

static void config_address_register(void **state)
{
	struct fixture *f = *state;

	bus_write(f->ports, 0xCF8, 4, ONES);
	assert_int_equal(bus_read(f->ports, 0xCF8, 4), 0x80FFFFFC); /* reserved bits read 0 */
	bus_write(f->ports, 0xCF8, 4, 0x80000000);
	assert_int_equal(bus_read(f->ports, 0xCF8, 4), 0x80000000); /* Linux' type 1 check */
	/* Narrower accesses are not to this register (and Linux tries one first). */
	bus_write(f->ports, 0xCFB, 1, 0x01);
	bus_write(f->ports, 0xCF8, 2, 0x1234);
	assert_int_equal(bus_read(f->ports, 0xCF8, 4), 0x80000000);
	assert_int_equal(bus_read(f->ports, 0xCF8, 1), 0xFF);
	assert_int_equal(bus_read(f->ports, 0xCF8, 2), 0xFFFF);
}

static void reset_control_passes_through(void **state)
{
	struct fixture *f = *state;

	bus_write(f->ports, 0xCF9, 1, 0x06);
	assert_int_equal(f->cf9, 0x06);
	assert_int_equal(bus_read(f->ports, 0xCF9, 1), 0x06);
	assert_int_equal(f->cf9_accesses, 2);
	bus_write(f->ports, 0xCF9, 2, 0x0E0E);
	assert_int_equal(bus_read(f->ports, 0xCF9, 2), 0xFFFF);
	bus_write(f->ports, 0xCF8, 4, 0x80000600);
	(void)bus_read(f->ports, 0xCF8, 4);
	assert_int_equal(f->cf9_accesses, 2);
	assert_int_equal(f->cf9, 0x06);
}

static void every_width_and_place_of_the_data_port(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rd(f, SLOT_A, 0, 4), 0x56781234);
	assert_int_equal(rd(f, SLOT_A, 0, 2), 0x1234);
	assert_int_equal(rd(f, SLOT_A, 2, 2), 0x5678);
	assert_int_equal(rd(f, SLOT_A, 1, 2), 0x7812);
	assert_int_equal(rd(f, SLOT_A, 0, 1), 0x34);
	assert_int_equal(rd(f, SLOT_A, 1, 1), 0x12);
	assert_int_equal(rd(f, SLOT_A, 2, 1), 0x78);
	assert_int_equal(rd(f, SLOT_A, 3, 1), 0x56);
	/* Over the end of the window: nobody's. */
	bus_write(f->ports, 0xCF8, 4, address(0, SLOT_A, 0, 0));
	assert_int_equal(bus_read(f->ports, 0xCFE, 4), ONES);
	assert_int_equal(bus_read(f->ports, 0xCFA, 4), ONES);
}

static void host_bridge(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rd(f, 0, PCI_VENDOR_ID, 4), 0x0D578086);
	assert_int_equal(rd(f, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(rd(f, 0, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(rd(f, 0, PCI_INTERRUPT_PIN, 1), 0);
	for (unsigned int reg = PCI_BASE_ADDRESS_0; reg <= PCI_BASE_ADDRESS_5; reg += 4) {
		wr(f, 0, reg, 4, ONES);
		assert_int_equal(rd(f, 0, reg, 4), 0);
	}
}

/* ---- ECAM ---- */

static uint64_t ecam(unsigned int bus, unsigned int slot, unsigned int fn, unsigned int reg)
{
	return LAYOUT_ECAM + (bus << 20 | slot << 15 | fn << 12 | reg);
}

static void ecam_shows_the_same(void **state)
{
	struct fixture *f = *state;

	for (unsigned int reg = 0; reg < 256; reg++)
		assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, reg), 1),
				 rd(f, SLOT_A, reg, 1));
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0), 4), 0x56781234);
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0), 8) & ONES, 0x56781234);
	bus_write(f->mmio, ecam(0, SLOT_A, 0, PCI_INTERRUPT_LINE), 1, 11);
	assert_int_equal(rd(f, SLOT_A, PCI_INTERRUPT_LINE, 1), 11);
	assert_int_equal(bus_read(f->mmio, ecam(0, 1, 0, 0), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 1, 0), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(1, SLOT_A, 0, 0), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(255, 31, 7, 0), 4), ONES);
	/* Extended configuration space is declared absent; the last byte of ECAM is nobody's. */
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0x100), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0xFFC), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(0, SLOT_A, 0, 0xFE), 4), ONES);
	assert_int_equal(bus_read(f->mmio, ecam(255, 31, 7, 0xFFF), 1), 0xFF);
	bus_write(f->mmio, ecam(0, SLOT_A, 0, 0xFE), 4, 0);
}

/* ---- the header ---- */

static void what_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	uint8_t before[256];

	for (unsigned int reg = 0; reg < 256; reg++)
		before[reg] = (uint8_t)rd(f, SLOT_A, reg, 1);
	for (unsigned int reg = 0; reg < 256; reg += 4) {
		if (reg >= PCI_COMMAND && reg < PCI_CLASS_REVISION)
			continue;
		wr(f, SLOT_A, reg, 4, ONES);
		wr(f, SLOT_A, reg, 4, 0);
	}
	for (unsigned int reg = 0; reg < 256; reg++) {
		if (reg == PCI_INTERRUPT_LINE || reg == PCI_COMMAND)
			continue;
		assert_int_equal(rd(f, SLOT_A, reg, 1), before[reg]);
	}
}

static void identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rd(f, SLOT_A, PCI_REVISION_ID, 1), 0x42);
	assert_int_equal(rd(f, SLOT_A, PCI_CLASS_PROG, 1), 0x02);
	assert_int_equal(rd(f, SLOT_A, PCI_CLASS_DEVICE, 2), 0xFF01);
	assert_int_equal(rd(f, SLOT_A, PCI_SUBSYSTEM_VENDOR_ID, 4), 0xDEF09ABC);
	assert_int_equal(rd(f, SLOT_A, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(rd(f, SLOT_A, PCI_INTERRUPT_PIN, 1), 1);
}

static void command_and_status(void **state)
{
	struct fixture *f = *state;

	wr(f, SLOT_A, PCI_COMMAND, 2, 0xFFFF);
	assert_int_equal(rd(f, SLOT_A, PCI_COMMAND, 2),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				 PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	wr(f, SLOT_A, PCI_COMMAND, 2, 0);
	assert_int_equal(rd(f, SLOT_A, PCI_COMMAND, 2), 0);
	assert_int_equal(rd(f, SLOT_A, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);

	/* Error bits go by writing a one, and only the bits written. */
	f->a->pci.cfg[PCI_STATUS + 1] |= (PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_PARITY) >> 8;
	wr(f, SLOT_A, PCI_STATUS, 2, PCI_STATUS_PARITY);
	assert_int_equal(rd(f, SLOT_A, PCI_STATUS, 2),
			 PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR);
	wr(f, SLOT_A, PCI_COMMAND, 4, 0);
	assert_int_equal(rd(f, SLOT_A, PCI_STATUS, 2),
			 PCI_STATUS_CAP_LIST | PCI_STATUS_SIG_SYSTEM_ERROR);
	wr(f, SLOT_A, PCI_STATUS, 2, 0xFFFF);
	assert_int_equal(rd(f, SLOT_A, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
}

static void capability_list(void **state)
{
	struct fixture *f = *state;
	unsigned int first = rd(f, SLOT_A, PCI_CAPABILITY_LIST, 1);
	unsigned int second = rd(f, SLOT_A, first + 1, 1);

	assert_int_equal(first, 0x40);
	assert_int_equal(rd(f, SLOT_A, first, 1), PCI_CAP_ID_VNDR);
	assert_int_equal(second, 0x48); /* 6 bytes, then the next dword */
	assert_int_equal(rd(f, SLOT_A, second, 1), PCI_CAP_ID_VNDR);
	assert_int_equal(rd(f, SLOT_A, second + 1, 1), 0);
}

static void intx(void **state)
{
	struct fixture *f = *state;
	struct pci_device *dev = &f->a->pci;

	pthread_mutex_lock(&dev->lock);
	pci_device_set_intx(dev, true);
	pthread_mutex_unlock(&dev->lock);
	assert_int_equal(f->pin_level, 1);
	assert_true(rd(f, SLOT_A, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	/* INTX_DISABLE takes the wire, not the status (6.2.3). */
	wr(f, SLOT_A, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(f->pin_level, 0);
	assert_true(rd(f, SLOT_A, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	wr(f, SLOT_A, PCI_STATUS, 2, 0xFFFF); /* not a write-one-to-clear bit */
	assert_true(rd(f, SLOT_A, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	wr(f, SLOT_A, PCI_COMMAND, 2, 0);
	assert_int_equal(f->pin_level, 1);
	pthread_mutex_lock(&dev->lock);
	pci_device_set_intx(dev, false);
	pthread_mutex_unlock(&dev->lock);
	assert_int_equal(f->pin_level, 0);
	assert_false(rd(f, SLOT_A, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

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
					 (f->a->mapped[BAR2] != PCI_UNMAPPED));
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
		TEST(absent_functions_read_all_ones),
		TEST(nothing_answers_without_the_enable_bit),
		TEST(config_address_register),
		TEST(reset_control_passes_through),
		TEST(every_width_and_place_of_the_data_port),
		TEST(host_bridge),
		TEST(ecam_shows_the_same),
		TEST(what_cannot_be_written),
		TEST(identity),
		TEST(command_and_status),
		TEST(capability_list),
		TEST(intx),
		TEST(sizing),
		TEST(bar_accesses),
		TEST(moving_while_decoded),
		TEST(overlapping_bars),
		TEST(addresses_that_are_not_pci),
		TEST(slots),
		TEST(power_on_state_after_reset),
		TEST(random_accesses),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
