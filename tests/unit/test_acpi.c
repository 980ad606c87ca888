/* The ACPI tables as an operating system meets them: what they say against vmm/layout.h and the devices themselves. */
#include "acpi_fixture.h"

#include <errno.h>

/* EDK2 copies each table of the XSDT and stops the CPU for ever without FADT or X_DSDT. */
static void xsdt_names_what_it_should(void **state)
{
	static const char *const wanted[] = {"FACP", "APIC", "MCFG", "SPCR", "WDAT", "SSDT"};
	const struct tables *t = *state;

	assert_string_equal(t->list[t->count - 1].signature, "DSDT");
	assert_int_equal(t->count, 1 + 6 + 1); /* XSDT, its six, and the DSDT outside of it */
	for (size_t i = 0; i < 6; i++)
		find(t, wanted[i]);
	for (unsigned int i = 0; i < t->count; i++)
		for (unsigned int k = 0; k < i; k++)
			assert_true(t->list[i].addr >= t->list[k].addr + t->list[k].len ||
				    t->list[k].addr >= t->list[i].addr + t->list[i].len);
}

/* ACPI 6.4, table 5.34; offsets as printed there. */
static void fadt(void **state)
{
	const struct tables *t = *state;
	const uint8_t *f = find(t, "FACP")->bytes;
	uint32_t flags = (uint32_t)get(f + 112, 4);

	assert_int_equal(find(t, "FACP")->len, 276);
	assert_int_equal(f[8], 6);
	assert_int_equal(get(f + 36, 4), 0); /* no FACS */
	assert_int_equal(get(f + 132, 8), 0);
	assert_int_equal(get(f + 40, 4), find(t, "DSDT")->addr);
	assert_int_equal(get(f + 140, 8), find(t, "DSDT")->addr);
	assert_true(flags & 1 << 20);	     /* hardware-reduced */
	assert_true(flags & 1 << 10);	     /* reset register */
	assert_true(flags & 1 << 8);	     /* 32-bit timer */
	assert_true(flags & 1 << 4);	     /* power button is no fixed hardware... */
	assert_true(flags & 1 << 5);	     /* ...nor a sleep button */
	assert_int_equal(get(f + 46, 2), 0); /* no SCI, no SMI command, no PM1 blocks */
	assert_int_equal(get(f + 48, 4), 0);
	assert_int_equal(get(f + 56, 4), 0);
	assert_int_equal(get(f + 64, 4), 0);
	assert_int_equal(get(f + 109, 2) & 2, 0); /* no 8042 */
	/* Generic addresses: space 1 (I/O), width, offset, access size, address. */
	assert_memory_equal(f + 116, "\1\10\0\1\0\6\0\0\0\0\0\0", 12);	/* reset: 0x600... */
	assert_int_equal(f[128], 1);					/* ...with 1 */
	assert_memory_equal(f + 244, "\1\10\0\1\0\6\0\0\0\0\0\0", 12);	/* sleep control 0x600 */
	assert_memory_equal(f + 256, "\1\10\0\1\1\6\0\0\0\0\0\0", 12);	/* sleep status 0x601 */
	assert_memory_equal(f + 208, "\1\40\0\3\10\6\0\0\0\0\0\0", 12); /* PM timer 0x608 */
	assert_int_equal(get(f + 76, 4), LAYOUT_PORT_PM_TIMER);
	assert_int_equal(f[91], 4);
}

/* What FADT says must do what it says: the values drive the device. */
static void count_call(void *ctx)
{
	++*(unsigned int *)ctx;
}

static unsigned int resets, offs;
static void count_reset(void *ctx)
{
	(void)ctx;
	count_call(&resets);
}
static void count_off(void *ctx)
{
	(void)ctx;
	count_call(&offs);
}

static void fadt_registers_work(void **state)
{
	const struct tables *t = *state;
	const uint8_t *f = find(t, "FACP")->bytes;
	const struct pm_params params = {.power_off = count_off, .reset = count_reset};
	const uint8_t *s5;
	struct pm *pm;

	assert_int_equal(pm_create(&params, &pm), 0);
	resets = offs = 0;
	pm_bus_ops.write(pm, get(f + 120, 8) - LAYOUT_PORT_PM, 1, f[128]);
	assert_int_equal(resets, 1);
	assert_int_equal(offs, 0);
	/* _S5: Name, "_S5_", Package, length, 4 elements, byte prefix, SLP_TYP. */
	s5 = memmem(find(t, "DSDT")->bytes, find(t, "DSDT")->len, "\10_S5_\22", 6);
	assert_non_null(s5);
	assert_int_equal(s5[8], 0x0A);
	/* 4.8.3.7: WAK_STS is cleared first, then SLP_TYP with SLP_EN (bit 5). */
	pm_bus_ops.write(pm, get(f + 260, 8) - LAYOUT_PORT_PM, 1, 0x80);
	assert_int_equal(offs + resets, 1);
	pm_bus_ops.write(pm, get(f + 248, 8) - LAYOUT_PORT_PM, 1, (uint64_t)(s5[9] << 2 | 1 << 5));
	assert_int_equal(offs, 1);
	assert_int_equal(resets, 1);
	pm_destroy(pm);
}

/* 5.2.12: counts the entries, checks ids and the interrupt wiring. */
static void madt(void **state)
{
	const struct tables *t = *state;
	const struct table *table = find(t, "APIC");
	const uint8_t *m = table->bytes;
	unsigned int lapics = 0, ioapics = 0, overrides = 0;
	uint32_t at;

	assert_int_equal(get(m + 36, 4), LAYOUT_LAPIC);
	assert_int_equal(get(m + 40, 4) & 1, 0);
	for (at = 44; at < table->len; at += m[at + 1]) {
		assert_in_range(m[at + 1], 2, table->len - at);
		switch (m[at]) {
		case 0:
			assert_int_equal(m[at + 1], 8);
			assert_int_equal(m[at + 2], lapics);
			assert_int_equal(m[at + 3], lapics);
			assert_int_equal(get(m + at + 4, 4), 1);
			lapics++;
			break;
		case 1:
			assert_int_equal(m[at + 1], 12);
			assert_int_equal(get(m + at + 4, 4), LAYOUT_IOAPIC);
			assert_int_equal(get(m + at + 8, 4), 0);
			ioapics++;
			break;
		case 2: /* the event device's line: level, active high, not moved */
			assert_int_equal(m[at + 1], 10);
			assert_int_equal(m[at + 3], LAYOUT_GSI_GED);
			assert_int_equal(get(m + at + 4, 4), LAYOUT_GSI_GED);
			assert_int_equal(get(m + at + 8, 2), 0x0D);
			overrides++;
			break;
		case 4:
			assert_int_equal(m[at + 1], 6);
			assert_int_equal(m[at + 5], 1);
			break;
		default: fail_msg("entry of type %u", m[at]);
		}
	}
	assert_int_equal(at, table->len);
	assert_int_equal(lapics, 4);
	assert_int_equal(ioapics, 1);
	assert_int_equal(overrides, 1);
}

static void mcfg_and_spcr(void **state)
{
	const struct tables *t = *state;
	const uint8_t *m = find(t, "MCFG")->bytes, *s = find(t, "SPCR")->bytes;

	assert_int_equal(find(t, "MCFG")->len, 60);
	assert_int_equal(get(m + 44, 8), LAYOUT_ECAM);
	assert_int_equal(get(m + 52, 2), 0);
	assert_int_equal(m[54], 0);
	assert_int_equal(m[55], LAYOUT_PCI_BUSES - 1);
	assert_int_equal(s[36], 0); /* 16550 */
	assert_memory_equal(s + 40, "\1\10\0\1\370\3\0\0\0\0\0\0", 12);
	assert_int_equal(s[52], 2);
	assert_int_equal(get(s + 54, 4), LAYOUT_GSI_UART);
	assert_int_equal(s[58], 7); /* 115200 */
	assert_int_equal(get(s + 64, 2), 0xFFFF);
	assert_int_equal(get(s + 66, 2), 0xFFFF);
}

/*
 * The watchdog, driven by its table as an operating system does (ACTION's entry: a register of the
 * table, a read or write of VALUE or PARAM under MASK).
 */
struct wdat_driver {
	const uint8_t *entries;
	uint32_t count;
	struct watchdog *watchdog;
};

static uint32_t wdat_do(const struct wdat_driver *d, uint8_t action, uint32_t param)
{
	for (uint32_t i = 0; i < d->count; i++) {
		const uint8_t *e = d->entries + 24 * i;
		uint64_t offset = get(e + 8, 8) - LAYOUT_PORT_WATCHDOG;
		unsigned int size = e[5] / 8;
		uint32_t value = (uint32_t)get(e + 16, 4), mask = (uint32_t)get(e + 20, 4);

		if (e[0] != action)
			continue;
		assert_int_equal(e[4], 1); /* I/O space, access size as wide as the register */
		assert_int_equal(e[7], size);
		assert_in_range(offset, 0, 8 - size);
		switch (e[1]) {
		case 0: return (watchdog_bus_ops.read(d->watchdog, offset, size) & mask) == value;
		case 1: return watchdog_bus_ops.read(d->watchdog, offset, size) & mask;
		case 2: watchdog_bus_ops.write(d->watchdog, offset, size, value & mask); return 0;
		case 3: watchdog_bus_ops.write(d->watchdog, offset, size, param & mask); return 0;
		default: fail_msg("instruction %u", e[1]);
		}
	}
	fail_msg("there is no action %u", action);
	return 0;
}

static void wdat_drives_the_watchdog(void **state)
{
	const struct tables *t = *state;
	const struct table *table = find(t, "WDAT");
	const uint8_t *w = table->bytes;
	struct wdat_driver d = {.entries = w + 68, .count = (uint32_t)get(w + 64, 4)};
	struct watchdog_params params = {0};
	struct ring *ring;

	assert_int_equal(get(w + 36, 4), 32);
	/* No PCI device, as Linux has it spelled: else it takes nothing. */
	assert_memory_equal(w + 40, "\xFF\0\xFF\xFF\xFF\0\0\0", 8);
	assert_int_equal(get(w + 48, 4), WATCHDOG_UNIT_MS);
	assert_int_equal(get(w + 52, 4), 0xFFFF);
	assert_in_range(get(w + 56, 4), 1, 10); /* Linux asks for whole seconds, from 1 on */
	assert_int_equal(w[60] & 1, 1);
	assert_int_equal(table->len, 68 + 24 * d.count);

	assert_int_equal(ring_create("test", 16, RING_AUTO, &ring, NULL), 0);
	params.ring = ring;
	assert_int_equal(watchdog_create(&params, &d.watchdog), 0);
	assert_true(wdat_do(&d, 0x0A, 0)); /* stopped */
	assert_false(wdat_do(&d, 0x08, 0));
	assert_false(wdat_do(&d, 0x20, 0)); /* this start was not the watchdog's */
	wdat_do(&d, 0x06, 300);
	assert_int_equal(wdat_do(&d, 0x05, 0), 300);
	wdat_do(&d, 0x09, 0); /* runs */
	assert_true(wdat_do(&d, 0x08, 0));
	assert_in_range(wdat_do(&d, 0x04, 0), 1, 300);
	wdat_do(&d, 0x06, 3000);
	assert_in_range(wdat_do(&d, 0x04, 0), 1, 300);
	wdat_do(&d, 0x01, 0); /* begins anew */
	assert_in_range(wdat_do(&d, 0x04, 0), 301, 3000);
	wdat_do(&d, 0x0B, 0);
	assert_true(wdat_do(&d, 0x0A, 0));
	assert_int_equal(wdat_do(&d, 0x04, 0), 0);
	ring_destroy(ring);
	watchdog_destroy(d.watchdog);
}

static void cpu_counts(void **state)
{
	static const unsigned int counts[] = {1, 2, 63, 64, 254};
	struct acpi_params params = {.cpus = 0};
	struct tables t;
	uint64_t rsdp;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		build(&t, counts[i], 0x100000000ULL, 0x200000000ULL);
		assert_int_equal(find(&t, "APIC")->len, 44 + 8 * counts[i] + 12 + 10 + 6);
		gm_destroy(t.mem);
	}
	assert_int_equal(gm_create(MEMORY, &t.mem), 0);
	assert_int_equal(acpi_build(t.mem, &params, &rsdp), -EINVAL);
	params.cpus = 255;
	assert_int_equal(acpi_build(t.mem, &params, &rsdp), -EINVAL);
	params.cpus = UINT32_MAX;
	assert_int_equal(acpi_build(t.mem, &params, &rsdp), -EINVAL);
	gm_destroy(t.mem);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(xsdt_names_what_it_should),
		T(fadt),
		T(fadt_registers_work),
		T(madt),
		T(mcfg_and_spcr),
		T(wdat_drives_the_watchdog),
		cmocka_unit_test(cpu_counts),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
