/*
 * Configuration space and BARs, register by register, through the buses as a vCPU would reach them.
 * PCI Local Bus 3.0, chapter 6 and 3.2.2.3.2; PCI Firmware 3.0, 4.1.
 */
#include "pci_fixture.h"

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

/* Functions of the PIIX. */
static uint32_t rd_fn(struct fixture *f, unsigned int fn, unsigned int reg)
{
	bus_write(f->ports, 0xCF8, 4, address(0, LAYOUT_SLOT_PIIX, fn, reg));
	return (uint32_t)bus_read(f->ports, 0xCFC, 4);
}

static void wr_fn(struct fixture *f, unsigned int fn, unsigned int reg, uint32_t v)
{
	bus_write(f->ports, 0xCF8, 4, address(0, LAYOUT_SLOT_PIIX, fn, reg));
	bus_write(f->ports, 0xCFC, 4, v);
}

/* What OvmfPkg looks for on a PC, and what it writes. */
static void chipset_of_ovmf(void **state)
{
	struct fixture *other = *state;
	struct pci_bus_params params = {.pci32_base = LAYOUT_PCI32_I440FX, .i440fx = true};
	struct fixture f = {0};

	assert_int_equal(bus_create(&f.ports), 0);
	assert_int_equal(bus_create(&f.mmio), 0);
	params.ports = f.ports;
	params.mmio = f.mmio;
	assert_int_equal(pci_bus_create(&params, &f.pci), 0);
	assert_int_equal(rd(&f, 0, 0, 4), 0x12378086);
	assert_int_equal(rd(&f, 0, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(rd(&f, 1, 0, 4), 0x70008086);
	assert_int_equal(rd(&f, 1, PCI_CLASS_DEVICE, 2), 0x0601); /* the serial port is behind it */
	assert_int_equal(rd(&f, 1, PCI_HEADER_TYPE, 1), 0x80);
	wr(&f, 1, 0x60, 4, 0x0B0A0B0A);
	assert_int_equal(rd(&f, 1, 0x60, 4), 0x0B0A0B0A);
	/* The PM device's ports are where they are, and on. */
	assert_int_equal(rd_fn(&f, 3, 0), 0x71138086);
	wr_fn(&f, 3, 0x40, 0xC001);
	wr_fn(&f, 3, 0x80, 0);
	assert_int_equal(rd_fn(&f, 3, 0x40), LAYOUT_PORT_PIIX4 | 1);
	assert_int_equal(rd_fn(&f, 3, 0x80) & 1, 1);
	assert_int_equal(rd_fn(&f, 1, 0), 0xFFFFFFFF);
	assert_int_equal(rd_fn(&f, 2, 0), 0xFFFFFFFF);
	/* Its slot is taken. */
	assert_int_equal(pci_bus_add_function(f.pci, LAYOUT_SLOT_PIIX, 0, &other->a->pci), -EEXIST);
	pci_bus_reset(f.pci);
	assert_int_equal(rd(&f, 1, 0x60, 4), 0x80808080);
	pci_bus_destroy(f.pci);
	bus_destroy(f.mmio);
	bus_destroy(f.ports);
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
		TEST(chipset_of_ovmf),
		TEST(ecam_shows_the_same),
		TEST(what_cannot_be_written),
		TEST(identity),
		TEST(command_and_status),
		TEST(capability_list),
		TEST(intx),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
