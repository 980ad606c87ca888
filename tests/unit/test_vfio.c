/*
 * A device that is passed through, with a fake in the host's place (fake_vfio.h): what the guest sees of its configuration
 * space, which of its memory is the guest's, and that it is reset. PCI Local Bus 3.0.
 */
#include "vfio_fixture.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define HIGH 0x200000000ULL
#define ROM  0xC8000000ULL

/* ---- configuration space ---- */

static void header_is_a_function_of_its_own(void **state)
{
	struct fake_vfio *f = *state;

	assert_int_equal(fake_rd(f, PCI_VENDOR_ID, 4), 0x10D38086);
	assert_int_equal(fake_rd(f, PCI_CLASS_REVISION, 4), 0x02000007);
	assert_int_equal(fake_rd(f, PCI_SUBSYSTEM_ID, 2), 0xA01F);
	/* Alone in its slot, and so INTA#. */
	assert_int_equal(fake_rd(f, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(fake_rd(f, PCI_INTERRUPT_PIN, 1), 1);
}

static void bars_are_sized_without_the_device(void **state)
{
	struct fake_vfio *f = *state;
	unsigned int writes = f->cfg_writes;

	for (unsigned int reg = PCI_BASE_ADDRESS_0; reg < PCI_CARDBUS_CIS; reg += 4)
		fake_wr(f, reg, 4, 0xFFFFFFFF);
	fake_wr(f, PCI_ROM_ADDRESS, 4, PCI_ROM_ADDRESS_MASK);
	assert_int_equal(fake_rd(f, PCI_BASE_ADDRESS_0, 4), 0xFFFFC00C);
	assert_int_equal(fake_rd(f, PCI_BASE_ADDRESS_1, 4), 0xFFFFFFFF);
	assert_int_equal(fake_rd(f, PCI_BASE_ADDRESS_2, 4), 0xFFFFFFE1);
	assert_int_equal(fake_rd(f, PCI_BASE_ADDRESS_3, 4), 0);
	assert_int_equal(fake_rd(f, PCI_ROM_ADDRESS, 4), 0xFFFFF000);
	assert_int_equal(f->cfg_writes, writes);
}

static void chain_ends_and_leaves_out_what_does_not_fit(void **state)
{
	static const uint8_t expected[] = {FAKE_PM, FAKE_MSI, FAKE_EXP, FAKE_MSIXC, FAKE_VNDR, 0};
	struct fake_vfio *f = *state;
	unsigned int at = fake_rd(f, PCI_CAPABILITY_LIST, 1);

	for (size_t i = 0; i < sizeof(expected); i++) {
		assert_int_equal(at, expected[i]);
		at = at ? fake_rd(f, at + 1, 1) : 0;
	}
	assert_int_equal(fake_rd(f, FAKE_EA, 1), 0);
	assert_true(fake_rd(f, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
}

/* A device that slept would take its memory away from under the guest. */
static void power_states_are_played(void **state)
{
	struct fake_vfio *f = *state;
	unsigned int writes = f->cfg_writes;

	assert_int_equal(fake_rd(f, FAKE_PM + PCI_PM_PMC, 2), 3);
	fake_wr(f, FAKE_PM + PCI_PM_CTRL, 2, 0x8103);
	assert_int_equal(fake_rd(f, FAKE_PM + PCI_PM_CTRL, 2), 3 | PCI_PM_CTRL_NO_SOFT_RESET);
	assert_int_equal(f->cfg_writes, writes);
}

static void endpoint_has_no_link_on_the_root_bus(void **state)
{
	struct fake_vfio *f = *state;

	assert_int_equal(fake_rd(f, FAKE_EXP + PCI_EXP_FLAGS, 2), 2 | PCI_EXP_TYPE_RC_END << 4);
	assert_int_equal(fake_rd(f, FAKE_EXP + PCI_EXP_LNKCAP, 4), 0);
	fake_wr(f, FAKE_EXP + PCI_EXP_LNKCTL, 2, 0x10);
	assert_int_equal(pci_get16(f->cfg + FAKE_EXP + PCI_EXP_LNKCTL), 0);
}

static void the_rest_is_the_devices(void **state)
{
	struct fake_vfio *f = *state;

	fake_wr(f, FAKE_VNDR + 4, 4, 0x12345678);
	assert_int_equal(pci_get32(f->cfg + FAKE_VNDR + 4), 0x12345678);
	assert_int_equal(f->last_offset, FAKE_VNDR + 4);
	assert_int_equal(f->last_size, 4);
	fake_wr(f, FAKE_EXP + PCI_EXP_DEVCTL, 2, 0xABC0);
	assert_int_equal(f->last_size, 2);
	assert_int_equal(pci_get16(f->cfg + FAKE_EXP + PCI_EXP_DEVCTL), 0xABC0);
	/* As the device has it now. */
	f->cfg[FAKE_FREE] = 0x77;
	assert_int_equal(fake_rd(f, FAKE_FREE, 1), 0x77);
	/* Of what is half the device's only that half is written. */
	fake_wr(f, FAKE_VNDR, 4, 0xAABBCCDD);
	assert_int_equal(f->cfg[FAKE_VNDR], PCI_CAP_ID_VNDR);
	assert_int_equal(f->cfg[FAKE_VNDR + 2], 0xBB);
}

/* PCI Express 3.0, 7.8.4: bits 0 to 3 are correctable, non-fatal and fatal errors, and requests that are not supported. */
static void errors_are_reported_whatever_the_guest_writes(void **state)
{
	static const struct {
		uint8_t host, device;
		bool aer;
	} cases[] = {{0, 6, true}, {9, 15, true}, {0, 0, false}, {5, 5, false}};
	struct vfio_env env = fake_env(&fake);
	const uint8_t *devctl = fake.cfg + FAKE_EXP + PCI_EXP_DEVCTL;
	const uint8_t serr[2] = {0, PCI_COMMAND_SERR >> 8};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		fake_fill(&fake);
		env.aer = cases[i].aer;
		pci_put16(fake.cfg + FAKE_EXP + PCI_EXP_DEVCTL, 0x2810 | cases[i].host);
		fake.cfg[PCI_COMMAND + 1] = serr[cases[i].host & 1];
		assert_int_equal(fake_start(&fake, &env, NULL), 0);
		assert_int_equal(pci_get16(devctl), 0x2810 | cases[i].device);
		/* Off after power-on; and then as the guest wrote them. */
		assert_int_equal(fake_rd(&fake, FAKE_EXP + PCI_EXP_DEVCTL, 2), 0x2810);
		fake_wr(&fake, FAKE_EXP + PCI_EXP_DEVCTL, 2, 0x1029);
		assert_int_equal(pci_get16(devctl), 0x1020 | cases[i].device);
		assert_int_equal(fake_rd(&fake, FAKE_EXP + PCI_EXP_DEVCTL, 2), 0x1029);
		fake_wr(&fake, FAKE_EXP + PCI_EXP_DEVCTL, 1, 0);
		assert_int_equal(pci_get16(devctl), 0x1000 | cases[i].device);
		/* SERR# in Command switches the same on (7.5.1.1). */
		assert_int_equal(fake.cfg[PCI_COMMAND + 1], serr[cases[i].aer || cases[i].host]);
		fake_wr(&fake, PCI_COMMAND, 2, PCI_COMMAND_SERR ^ fake_rd(&fake, PCI_COMMAND, 2));
		assert_int_equal(fake.cfg[PCI_COMMAND + 1], serr[cases[i].aer || cases[i].host]);
		assert_int_equal(fake_rd(&fake, PCI_COMMAND, 2) & PCI_COMMAND_SERR,
				 PCI_COMMAND_SERR);
		pci_bus_reset(fake.pci);
		assert_int_equal(fake.cfg[PCI_COMMAND + 1], serr[cases[i].aer || cases[i].host]);
		assert_int_equal(pci_get16(devctl), 0x1000 | cases[i].device);
		fake_stop(&fake);
	}
}

static void command_reaches_the_device_but_decoding_stays(void **state)
{
	struct fake_vfio *f = *state;

	assert_int_equal(pci_get16(f->cfg + PCI_COMMAND), PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	fake_wr(f, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake_rd(f, PCI_COMMAND, 2), PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(pci_get16(f->cfg + PCI_COMMAND),
			 PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MEMORY |
				 PCI_COMMAND_IO);
	fake_wr(f, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_false(pci_get16(f->cfg + PCI_COMMAND) & PCI_COMMAND_MASTER);
}

static void status_is_the_devices(void **state)
{
	struct fake_vfio *f = *state;

	pci_put16(f->cfg + PCI_STATUS, PCI_STATUS_INTERRUPT | PCI_STATUS_REC_MASTER_ABORT);
	assert_int_equal(fake_rd(f, PCI_STATUS, 2),
			 PCI_STATUS_INTERRUPT | PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_CAP_LIST);
	fake_wr(f, PCI_STATUS, 2, PCI_STATUS_REC_MASTER_ABORT);
	assert_int_equal(f->last_offset, PCI_STATUS + 1);
	assert_int_equal(f->last_size, 1);
}

static void refuse(const char *part)
{
	struct vfio_env env = fake_env(&fake);
	struct vmb_err err = {0};

	assert_true(fake_start(&fake, &env, &err) < 0);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	fake_stop(&fake);
}

static void bridges_and_the_dead_are_refused(void **state)
{
	(void)state;
	fake_fill(&fake);
	fake.cfg[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
	refuse("is a bridge");
	fake_fill(&fake);
	memset(fake.cfg, 0xFF, sizeof(fake.cfg));
	refuse("does not answer");
}

/* ---- memory ---- */

static void registers_are_the_guests_but_for_the_table(void **state)
{
	struct fake_vfio *f = *state;

	assert_int_equal(fake_mapped(f), 0);
	place_bar(f, BAR);
	assert_int_equal(fake_mapped(f), 1);
	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		if (f->maps[i].used) {
			assert_int_equal(f->maps[i].gpa, BAR);
			assert_int_equal(f->maps[i].size, 0x2000);
			assert_ptr_equal(f->maps[i].host, f->memory);
			assert_false(f->maps[i].read_only);
		}
	/* Around the table, in its page: by the device. */
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_TABLE + 16 * FAKE_MSIX, 4), 0x5A5A5A5A);
	bus_write(f->mmio, BAR + FAKE_TABLE + 0x100, 2, 0x1234);
	assert_int_equal(pci_get16(f->memory + FAKE_TABLE + 0x100), 0x1234);
	/* Moved above 4 GiB, then away. */
	fake_wr(f, PCI_COMMAND, 2, 0);
	assert_int_equal(fake_mapped(f), 0);
	place_bar(f, HIGH);
	assert_int_equal(fake_mapped(f), 1);
	/* Where nothing may be. */
	place_bar(f, 0x100000);
	assert_int_equal(fake_mapped(f), 0);
}

static void what_cannot_be_mapped_is_read_and_written(void **state)
{
	struct fake_vfio *f = *state;

	f->refuse_maps = true;
	place_bar(f, BAR);
	assert_int_equal(bus_read(f->mmio, BAR + 8, 4), 0x5A5A5A5A);
	bus_write(f->mmio, BAR + 8, 8, 0x1122334455667788);
	assert_int_equal(pci_get32(f->memory + 8), 0x55667788);
	assert_int_equal(pci_get32(f->memory + 12), 0x11223344);
	/* Ports always are. */
	fake_wr(f, PCI_BASE_ADDRESS_2, 4, 0xC000);
	bus_write(f->ports, 0xC004, 2, 0xBEEF);
	assert_int_equal(pci_get16(f->io + 4), 0xBEEF);
	assert_int_equal(bus_read(f->ports, 0xC004, 2), 0xBEEF);
}

static void sparse_areas_are_kept(void **state)
{
	struct vfio_env env = fake_env(&fake);
	unsigned int found = 0;

	(void)state;
	fake_fill(&fake);
	fake.host.regions[0].area_count = 2;
	fake.host.regions[0].areas[0] = (struct vfio_area){0x1000, 0x1000};
	fake.host.regions[0].areas[1] = (struct vfio_area){0x2000, 0x2000};
	assert_int_equal(fake_start(&fake, &env, NULL), 0);
	place_bar(&fake, BAR);
	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		if (fake.maps[i].used) {
			assert_int_equal(fake.maps[i].gpa, BAR + 0x1000);
			assert_int_equal(fake.maps[i].size, 0x1000);
			found++;
		}
	assert_int_equal(found, 1);
	fake_stop(&fake);
}

static void rom_is_a_shadow(void **state)
{
	struct fake_vfio *f = *state;
	uint8_t *host = NULL;

	memset(f->rom, 0, sizeof(f->rom)); /* read when the device was made, never again */
	fake_wr(f, PCI_ROM_ADDRESS, 4, (uint32_t)ROM);
	place_bar(f, BAR);
	assert_int_equal(fake_mapped(f), 1);
	fake_wr(f, PCI_ROM_ADDRESS, 4, (uint32_t)ROM | PCI_ROM_ADDRESS_ENABLE);
	assert_int_equal(fake_mapped(f), 2);
	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		if (f->maps[i].used && f->maps[i].gpa == ROM) {
			host = f->maps[i].host;
			assert_true(f->maps[i].read_only);
			assert_int_equal(f->maps[i].size, 4096);
		}
	assert_non_null(host);
	assert_int_equal(pci_get16(host), 0xAA55);
	assert_int_equal(host[0x123], 0x23);
	bus_write(f->mmio, ROM + 2, 1, 9);
	assert_int_equal(bus_read(f->mmio, ROM + 2, 1), 2);
}

static void rom_is_hidden_on_request_or_when_empty(void **state)
{
	struct vfio_env env = fake_env(&fake);

	(void)state;
	for (int empty = 0; empty < 2; empty++) {
		fake_fill(&fake);
		env.no_rom = !empty;
		if (empty)
			memset(fake.rom, 0xFF, sizeof(fake.rom));
		assert_int_equal(fake_start(&fake, &env, NULL), 0);
		fake_wr(&fake, PCI_ROM_ADDRESS, 4, 0xFFFFFFFF);
		assert_int_equal(fake_rd(&fake, PCI_ROM_ADDRESS, 4), 0);
		fake_stop(&fake);
	}
}

/* ---- life ---- */

static void reset_is_the_devices_too(void **state)
{
	struct fake_vfio *f = *state;

	place_bar(f, BAR);
	write_entry(f, 0, 0xFEE00000, 0x41, 0);
	fake_wr(f, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	fake_wr(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_connected(f), 1);
	assert_int_equal(eventfd_write(f->fds[0], 1), 0);
	pci_bus_reset(f->pci);
	assert_int_equal(f->resets, 1);
	assert_false(f->active_at_reset);
	assert_int_equal(fake_connected(f), 0);
	assert_int_equal(fake_mapped(f), 0);
	assert_false(pci_get16(f->cfg + PCI_COMMAND) & PCI_COMMAND_MASTER);
	assert_int_equal(fake_rd(f, PCI_BASE_ADDRESS_0, 4), 0xC);
	assert_int_equal(fake_rd(f, FAKE_MSIXC + PCI_MSIX_FLAGS, 2), FAKE_MSIX - 1);
	/* INTA# as after power-on, and no interrupt of before. */
	assert_int_equal(f->active, VFIO_PCI_INTX_IRQ_INDEX);
	place_bar(f, BAR);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_TABLE + 12, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
	assert_int_equal(bus_read(f->mmio, BAR + FAKE_PBA, 8), 0);
}

/* How many lines the log has in FD. */
static unsigned int count_lines(int fd)
{
	unsigned int n = 0;
	char c;

	for (off_t at = 0; pread(fd, &c, 1, at) == 1; at++)
		n += c == '\n';
	return n;
}

/* Whoever resets itself for ever fills no log. */
static void reset_that_fails_is_warned_of_once(void **state)
{
	int log = memfd_create("log", MFD_CLOEXEC);
	struct fake_vfio *f = *state;

	log_init(log, LOG_LEVEL_WARN, "test");
	f->reset_error = -EAGAIN;
	for (int i = 0; i < 5; i++)
		pci_bus_reset(f->pci);
	assert_int_equal(count_lines(log), 1);
	f->reset_error = 0;
	pci_bus_reset(f->pci);
	f->reset_error = -EAGAIN;
	pci_bus_reset(f->pci);
	assert_int_equal(count_lines(log), 2);
	assert_int_equal(f->resets, 7);
	log_init(STDERR_FILENO, LOG_LEVEL_WARN, "test");
	close(log);
}

/* Three functions of a bus: one with a reset of its own, two that only the bus resets. */
#define FUNCTIONS 3
static struct fake_vfio functions[FUNCTIONS];

static void make_functions(struct vfio_host **hosts)
{
	static const char *const addresses[FUNCTIONS] = {"0000:01:00.0", "0000:01:00.1",
							 "0000:01:00.2"};

	for (int i = 0; i < FUNCTIONS; i++) {
		struct fake_vfio *f = &functions[i];

		fake_fill(f);
		hosts[i] = &f->host;
		strcpy(f->host.address, addresses[i]);
		f->host.reset = i == 0 ? VFIO_RESET_FUNCTION : VFIO_RESET_NONE;
		for (int k = 0; k < FUNCTIONS; k++)
			f->affected[k] = addresses[FUNCTIONS - 1 - k];
	}
}

static void functions_without_a_reset_are_reset_with_their_bus(void **state)
{
	static const int groups[FUNCTIONS] = {70, 71, 72};
	struct vfio_host *hosts[FUNCTIONS];

	(void)state;
	make_functions(hosts);
	vfio_plan_resets(hosts, FUNCTIONS, groups);
	/* Once for the two of them, by the one that is reset last, with the groups of all. */
	assert_int_equal(functions[1].hot_resets, 1);
	assert_int_equal(functions[2].hot_resets, 0);
	assert_int_equal(functions[1].hot_group_count, FUNCTIONS);
	for (int i = 0; i < FUNCTIONS; i++)
		assert_int_equal(functions[1].hot_groups[i], groups[FUNCTIONS - 1 - i]);
	for (int i = 0; i < FUNCTIONS; i++)
		assert_int_equal(vfio_reset(hosts[i]), 0);
	assert_int_equal(functions[0].resets, 1);
	assert_int_equal(functions[0].hot_resets, 0);
	assert_int_equal(functions[1].hot_resets, 2);
	assert_int_equal(functions[2].hot_resets, 0);
	/* With IOMMUFD the kernel knows whose they are. */
	make_functions(hosts);
	vfio_plan_resets(hosts, FUNCTIONS, NULL);
	assert_int_equal(functions[1].hot_resets, 1);
	assert_int_equal(functions[1].hot_group_count, 0);
}

static void a_bus_with_devices_of_others_is_not_reset(void **state)
{
	static const int groups[FUNCTIONS] = {70, 71, 72};
	struct vfio_host *hosts[FUNCTIONS];

	(void)state;
	make_functions(hosts);
	vfio_plan_resets(hosts, 2, groups);
	assert_int_equal(vfio_reset(hosts[1]), 0);
	assert_int_equal(functions[1].hot_resets, 0);
	/* More than can be passed through. */
	make_functions(hosts);
	for (int i = 0; i <= VM_MAX_VFIO; i++)
		functions[1].affected[i] = hosts[i % FUNCTIONS]->address;
	vfio_plan_resets(hosts, FUNCTIONS, groups);
	assert_int_equal(functions[1].hot_resets, 0);
	/* No bus that could be reset. */
	make_functions(hosts);
	functions[2].affected[0] = NULL;
	vfio_plan_resets(hosts + 2, 1, groups);
	assert_int_equal(vfio_reset(hosts[2]), 0);
	assert_int_equal(functions[2].hot_resets + functions[2].resets, 0);
}

static char told[480];

static void failed(void *ctx, const char *text)
{
	strcpy(told, text);
	eventfd_write(*(int *)ctx, 1);
}

static void device_that_ends_is_told(void **state)
{
	static const struct {
		unsigned int index;
		const char *part;
	} cases[] = {
		{VFIO_PCI_ERR_IRQ_INDEX,
		 "0000:01:00.0, which is passed through, reported an error"},
		{VFIO_PCI_REQ_IRQ_INDEX, "0000:01:00.0, which is passed through, is taken away"}};
	int done = eventfd(0, EFD_CLOEXEC);
	eventfd_t count;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vfio_env env = fake_env(&fake);

		fake_fill(&fake);
		fake.host.irq_count[VFIO_PCI_ERR_IRQ_INDEX] = 1;
		fake.host.irq_count[VFIO_PCI_REQ_IRQ_INDEX] = 1;
		assert_int_equal(ring_create("test", 8, RING_AUTO, &env.ring, NULL), 0);
		env.failed = failed;
		env.failed_ctx = &done;
		assert_int_equal(fake_start(&fake, &env, NULL), 0);
		assert_int_equal(ring_start(env.ring), 0);
		assert_int_equal(eventfd_write(fake.alarm_fd[cases[i].index], 1), 0);
		assert_int_equal(eventfd_read(done, &count), 0);
		assert_non_null(strstr(told, cases[i].part));
		fake_stop(&fake);
		ring_destroy(env.ring);
	}
	close(done);
}

/* A guest would go on with a device that has failed, and nobody would know. */
static void device_that_cannot_tell_its_end_is_refused(void **state)
{
	struct vfio_env env = fake_env(&fake);
	struct vmb_err err = {0};

	(void)state;
	fake_fill(&fake);
	fake.host.irq_count[VFIO_PCI_ERR_IRQ_INDEX] = 1;
	fake.refuse_alarms = true;
	assert_int_equal(ring_create("test", 8, RING_AUTO, &env.ring, NULL), 0);
	assert_int_equal(fake_start(&fake, &env, &err), -EINVAL);
	assert_string_equal(err.text,
			    "PCI device 0000:01:00.0 cannot be passed through (Invalid argument).");
	fake_stop(&fake);
	ring_destroy(env.ring);
}

/* The fake minds what no guest may bring about. */
static void anything_may_be_written(void **state)
{
	struct fake_vfio *f = *state;
	uint32_t seed = 1;

	for (int i = 0; i < 60000; i++) {
		seed = seed * 1664525 + 1013904223;
		f->refuse_maps = seed >> 28 == 0;
		f->refuse_connections = seed >> 27 == 1;
		if (seed >> 31)
			fake_wr(f, seed >> 8 & 0xFF, 4 >> (seed >> 4 & 1), seed * 2654435761u);
		else if (seed >> 30)
			bus_write(f->mmio, BAR + (seed >> 4 & 0x3FFC), 4,
				  seed * 2654435761u & 0xFEE00FF1);
		else if (seed >> 29)
			place_bar(f, seed & 1 ? BAR : HIGH);
		else if (seed >> 20 & 63)
			(void)bus_read(f->mmio, BAR + (seed >> 4 & 0x3FF8), 8);
		else
			pci_bus_reset(f->pci);
	}
	assert_int_equal(fake_rd(f, PCI_VENDOR_ID, 4), 0x10D38086);
}

static void high_bars_are_counted(void **state)
{
	struct fake_vfio *f = *state;
	uint64_t biggest;

	assert_int_equal(vfio_device_high_size(f->dev, &biggest), FAKE_BAR0);
	assert_int_equal(biggest, FAKE_BAR0);
}

/* A processor with 40 bits of addresses, as many have. */
static void high_bars_that_do_not_fit_are_found(void **state)
{
	const uint64_t gib = 1ULL << 30, base = 5 * gib, end = 1024 * gib;

	(void)state;
	assert_true(vfio_high_bars_fit(0, 0, base, end));
	assert_true(vfio_high_bars_fit(512 * gib, 512 * gib, base, end));
	assert_true(vfio_high_bars_fit(512 * gib, 256 * gib, base, end));
	assert_true(vfio_high_bars_fit(768 * gib, 256 * gib, base, end));
	assert_false(vfio_high_bars_fit(768 * gib + 16, 256 * gib, base, end));
	assert_false(vfio_high_bars_fit(512 * gib + 16, 512 * gib, base, end));
	assert_false(vfio_high_bars_fit(1024 * gib, 1024 * gib, base, end));
	/* Where the memory already goes beyond what can be addressed. */
	assert_false(vfio_high_bars_fit(16, 16, end + gib, end));
	/* A BAR may claim to be of any size. */
	assert_false(vfio_high_bars_fit(1ULL << 63, 1ULL << 63, base, end));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(header_is_a_function_of_its_own),
		TEST(bars_are_sized_without_the_device),
		TEST(chain_ends_and_leaves_out_what_does_not_fit),
		TEST(power_states_are_played),
		TEST(endpoint_has_no_link_on_the_root_bus),
		TEST(the_rest_is_the_devices),
		cmocka_unit_test(errors_are_reported_whatever_the_guest_writes),
		TEST(command_reaches_the_device_but_decoding_stays),
		TEST(status_is_the_devices),
		cmocka_unit_test(bridges_and_the_dead_are_refused),
		TEST(registers_are_the_guests_but_for_the_table),
		TEST(what_cannot_be_mapped_is_read_and_written),
		cmocka_unit_test(sparse_areas_are_kept),
		TEST(rom_is_a_shadow),
		cmocka_unit_test(rom_is_hidden_on_request_or_when_empty),
		TEST(reset_is_the_devices_too),
		TEST(reset_that_fails_is_warned_of_once),
		cmocka_unit_test(functions_without_a_reset_are_reset_with_their_bus),
		cmocka_unit_test(a_bus_with_devices_of_others_is_not_reset),
		cmocka_unit_test(device_that_ends_is_told),
		cmocka_unit_test(device_that_cannot_tell_its_end_is_refused),
		TEST(anything_may_be_written),
		TEST(high_bars_are_counted),
		cmocka_unit_test(high_bars_that_do_not_fit_are_found),
	};

	return cmocka_run_group_tests_name("vfio", tests, NULL, NULL);
}
