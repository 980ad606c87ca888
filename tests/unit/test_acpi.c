/*
 * The ACPI tables as an operating system meets them: from the RSDP along every pointer, checksums,
 * the values of vmm/layout.h, and ACPICA's own opinion: each table goes through iasl -d and back,
 * and acpiexec evaluates what the DSDT says. Without iasl those are skipped.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/layout.h"
#include "vmm/mem.h"
#include "vmm/platform/platform.h"

#define MEMORY	   (256ULL << 20)
#define MAX_TABLES 16

struct table {
	char signature[5];
	uint64_t addr;
	uint32_t len;
	const uint8_t *bytes;
};

struct tables {
	struct guest_mem *mem;
	uint64_t rsdp;
	struct table list[MAX_TABLES];
	unsigned int count;
};

static uint64_t get(const uint8_t *p, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static void assert_sum_is_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	assert_int_equal(sum, 0);
}

/* Takes one table in: where it may lie, its length, its checksum. */
static const struct table *walk_table(struct tables *t, uint64_t addr)
{
	struct table *table = &t->list[t->count++];
	const uint8_t *header;

	assert_in_range(t->count, 1, MAX_TABLES);
	assert_in_range(addr, LAYOUT_ACPI, LAYOUT_ACPI_END - 36);
	header = gm_ptr(t->mem, addr, 36);
	assert_non_null(header);
	memcpy(table->signature, header, 4);
	table->addr = addr;
	table->len = (uint32_t)get(header + 4, 4);
	table->bytes = header;
	assert_in_range(table->len, 36, LAYOUT_ACPI_END - addr);
	assert_sum_is_zero(table->bytes, table->len);
	return table;
}

static const struct table *find(const struct tables *t, const char *signature)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (strcmp(t->list[i].signature, signature) == 0)
			return &t->list[i];
	fail_msg("there is no %s", signature);
	return NULL;
}

/* Builds the tables and walks them from the RSDP as EDK2 and Linux do. */
static void build(struct tables *t, unsigned int cpus, uint64_t pci64_base, uint64_t pci64_end)
{
	const struct acpi_params params = {
		.cpus = cpus, .pci64_base = pci64_base, .pci64_end = pci64_end};
	const struct table *xsdt;
	const uint8_t *rsdp;

	memset(t, 0, sizeof(*t));
	assert_int_equal(gm_create(MEMORY, &t->mem), 0);
	assert_int_equal(acpi_build(t->mem, &params, &t->rsdp), 0);
	rsdp = gm_ptr(t->mem, t->rsdp, 36);
	assert_non_null(rsdp);
	assert_int_equal(t->rsdp % 16, 0);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp + 20, 4), 36);
	assert_sum_is_zero(rsdp, 20);
	assert_sum_is_zero(rsdp, 36);
	xsdt = walk_table(t, get(rsdp + 24, 8));
	assert_string_equal(xsdt->signature, "XSDT");
	assert_int_equal((xsdt->len - 36) % 8, 0);
	for (uint32_t at = 36; at < xsdt->len; at += 8)
		walk_table(t, get(xsdt->bytes + at, 8));
	walk_table(t, get(find(t, "FACP")->bytes + 140, 8));
}

static int setup(void **state)
{
	static struct tables t;

	build(&t, 4, 0x8000000000ULL, 0x10000000000ULL);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	struct tables *t = *state;

	gm_destroy(t->mem);
	return 0;
}

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

/* ---- with ACPICA's tools ---- */

static char workdir[64];

static int have(const char *tool)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", tool);
	return system(command) == 0;
}

static int make_workdir(void **state)
{
	(void)state;
	strcpy(workdir, "/tmp/vmboot-acpi-XXXXXX");
	return mkdtemp(workdir) ? 0 : -1;
}

static int remove_workdir(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", workdir);
	return system(command);
}

static void save(const struct table *table)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.aml", workdir, table->signature);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(table->bytes, 1, table->len, f), table->len);
	assert_int_equal(fclose(f), 0);
}

/* What COMMAND (run in the work directory) prints, cut to SIZE. */
static int run(const char *command, char *buf, size_t size)
{
	char line[512];
	size_t n;
	FILE *f;

	snprintf(line, sizeof(line), "cd %s && timeout 60 %s 2>&1", workdir, command);
	f = popen(line, "r");
	assert_non_null(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	while (fread(line, 1, sizeof(line), f) > 0)
		;
	return pclose(f);
}

/* The file that iasl wrote is TABLE, but for its checksum (9) and the creator, which is iasl (28..35). */
static void assert_same_table(const char *file, const struct table *table)
{
	uint8_t again[4096];
	char path[128];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", workdir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(again, 1, sizeof(again), f);
	fclose(f);
	assert_int_equal(n, table->len);
	assert_memory_equal(again, table->bytes, 9);
	assert_memory_equal(again + 10, table->bytes + 10, 18);
	assert_memory_equal(again + 36, table->bytes + 36, n - 36);
}

/*
 * Disassembled and compiled again, every table is the same, and iasl has nothing to say about it. AML
 * may be encoded in several ways, so there it is the disassembly that must be the same (-oi: a byte
 * constant 0 stays one).
 */
static void round_trip_through_iasl(void **state)
{
	const struct tables *t = *state;
	char command[512], out[16384];

	if (!have("iasl")) {
		print_message("skipped: there is no iasl here\n");
		skip();
	}
	for (unsigned int i = 0; i < t->count; i++) {
		const char *name = t->list[i].signature;

		if (strcmp(name, "XSDT") == 0)
			continue; /* iasl cannot compile pointers to nowhere */
		save(&t->list[i]);
		snprintf(command, sizeof(command), "iasl -d %s.aml", name);
		assert_int_equal(run(command, out, sizeof(out)), 0);
		assert_null(strstr(out, "Invalid"));
		assert_null(strstr(out, "Warning"));
		snprintf(command, sizeof(command), "iasl -we -oi -p again %s.dsl", name);
		if (run(command, out, sizeof(out)) != 0 || !strstr(out, "0 Errors, 0 Warnings"))
			fail_msg("%s: %s", name, out);
		if (strcmp(name, "DSDT") != 0 && strcmp(name, "SSDT") != 0) {
			assert_same_table("again.aml", &t->list[i]);
			continue;
		}
		snprintf(command, sizeof(command),
			 "sh -c 'iasl -d again.aml && sed \"/^ \\*/d\" %s.dsl >a && "
			 "sed \"/^ \\*/d\" again.dsl >b && cmp a b'",
			 name);
		if (run(command, out, sizeof(out)) != 0)
			fail_msg("%s: %s", name, out);
	}
}

/* The values of a flattened acpiexec dump: each "[Integer] = HEX" in turn. */
static unsigned int integers(const char *text, uint64_t *values, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && (text = strstr(text, "[Integer] = "))) {
		text += strlen("[Integer] = ");
		values[n++] = strtoull(text, NULL, 16);
	}
	return n;
}

static char *evaluate(const struct tables *t, const char *name)
{
	static char out[128 * 1024];
	char command[256];

	save(find(t, "DSDT"));
	save(find(t, "SSDT"));
	snprintf(command, sizeof(command), "acpiexec -b 'evaluate %s' DSDT.aml SSDT.aml", name);
	assert_int_equal(run(command, out, sizeof(out)), 0);
	if (!strstr(out, "returned object"))
		fail_msg("%s: %s", name, out);
	return strstr(out, "returned object");
}

/* layout.h: slot's INTx pin P (1..4) is GSI 16 + (slot + P - 1) % 4. */
static void prt_is_the_swizzle(void **state)
{
	uint64_t v[4 * 128 + 1];

	if (!have("acpiexec")) {
		print_message("skipped: there is no acpiexec here\n");
		skip();
	}
	assert_int_equal(integers(evaluate(*state, "\\_SB.PCI0._PRT"), v, 4 * 128 + 1), 4 * 128);
	for (unsigned int i = 0; i < 128; i++) {
		unsigned int slot = i / 4, pin = i % 4 + 1;

		assert_int_equal(v[4 * i], slot << 16 | 0xFFFF);
		assert_int_equal(v[4 * i + 1], pin - 1);
		assert_int_equal(v[4 * i + 2], 0);
		assert_int_equal(v[4 * i + 3], LAYOUT_GSI_INTX + (slot + pin - 1) % 4);
	}
}

/* Reads the bytes of acpiexec's hex dump of a buffer. */
static size_t buffer_bytes(const char *text, uint8_t *buf, size_t size)
{
	size_t n = 0;

	while ((text = strstr(text, ": ")) && n < size) {
		char *end;

		for (text += 2; n < size; text = end) {
			unsigned long v = strtoul(text, &end, 16);

			if (end != text + 2 && end != text + 3)
				break;
			buf[n++] = (uint8_t)v;
		}
		text = strchr(text, '\n');
		if (!text)
			break;
	}
	return n;
}

/* One address space resource (6.4.3.5) of WIDTH-byte fields: minimum at 6 + WIDTH from its start. */
static int has_window(const uint8_t *crs, size_t len, uint8_t tag, unsigned int width, uint8_t type,
		      uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < len;) {
		size_t item = crs[i] & 0x80 ? 3 + get(crs + i + 1, 2) : 1 + (crs[i] & 7u);

		if (crs[i] == tag && crs[i + 3] == type &&
		    get(crs + i + 6 + width, width) == first &&
		    get(crs + i + 6 + 2 * width, width) == last) {
			assert_int_equal(get(crs + i + 6 + 4 * width, width), last - first + 1);
			return 1;
		}
		i += item;
	}
	return 0;
}

static void crs_is_what_the_vmm_decodes(void **state)
{
	uint8_t crs[512];
	struct tables t;
	size_t len;

	if (!have("acpiexec")) {
		print_message("skipped: there is no acpiexec here\n");
		skip();
	}
	len = buffer_bytes(evaluate(*state, "\\_SB.PCI0._CRS"), crs, sizeof(crs));
	assert_in_range(len, 32, sizeof(crs));
	assert_int_equal(crs[len - 2], 0x79); /* end tag */
	/* Words 0x88, dwords 0x87, qwords 0x8A; types: memory 0, I/O 1, buses 2. */
	assert_true(has_window(crs, len, 0x88, 2, 2, 0, LAYOUT_PCI_BUSES - 1));
	assert_true(has_window(crs, len, 0x88, 2, 1, 0x0000, LAYOUT_PORT_PCI - 1));
	assert_true(has_window(crs, len, 0x88, 2, 1, LAYOUT_PORT_PCI + 8, 0xFFFF));
	assert_true(has_window(crs, len, 0x87, 4, 0, LAYOUT_PCI32, LAYOUT_ECAM - 1));
	assert_true(has_window(crs, len, 0x87, 4, 0, LAYOUT_ECAM + LAYOUT_ECAM_SIZE,
			       LAYOUT_PCI32_END - 1));
	assert_true(has_window(crs, len, 0x8A, 8, 0, 0x8000000000ULL, 0xFFFFFFFFFFULL));
	/* Without a 64-bit window there is no such resource. */
	build(&t, 1, 0x100000000ULL, 0x100000000ULL);
	len = buffer_bytes(evaluate(&t, "\\_SB.PCI0._CRS"), crs, sizeof(crs));
	gm_destroy(t.mem);
	assert_true(has_window(crs, len, 0x87, 4, 0, LAYOUT_PCI32, LAYOUT_ECAM - 1));
	for (size_t i = 0; i < len;
	     i += crs[i] & 0x80 ? 3 + get(crs + i + 1, 2) : 1 + (crs[i] & 7u))
		assert_int_not_equal(crs[i], 0x8A);
}

/* Ports and interrupts of the board's devices against layout.h. */
static void board_devices(void **state)
{
	/* I/O port descriptor (0x47, 16-bit decode, min, max, align, length); IRQ mask 0x22. */
	static const struct {
		const char *name;
		uint8_t bytes[16];
		unsigned int len;
	} wanted[] = {
		{"\\_SB.COM1._CRS",
		 {0x47, 1, 0xF8, 3, 0xF8, 3, 1, 8, 0x22, 1 << LAYOUT_GSI_UART, 0, 0x79},
		 12},
		{"\\_SB.PEVT._CRS",
		 {0x47, 1, LAYOUT_PORT_PVPANIC & 0xFF, LAYOUT_PORT_PVPANIC >> 8,
		  LAYOUT_PORT_PVPANIC & 0xFF, LAYOUT_PORT_PVPANIC >> 8, 1, 1, 0x79},
		 9},
		{"\\_SB.RTC0._CRS",
		 {0x47, 1, LAYOUT_PORT_RTC, 0, LAYOUT_PORT_RTC, 0, 1, 2, 0x79},
		 9},
		/* Extended interrupt: consumer, level, high, exclusive; one: the event device's. */
		{"\\_SB.GED0._CRS", {0x89, 6, 0, 0x01, 1, LAYOUT_GSI_GED, 0, 0, 0, 0x79}, 10},
	};
	uint8_t crs[64];
	uint64_t v[2];

	if (!have("acpiexec")) {
		print_message("skipped: there is no acpiexec here\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_true(buffer_bytes(evaluate(*state, wanted[i].name), crs, sizeof(crs)) >=
			    wanted[i].len);
		assert_memory_equal(crs, wanted[i].bytes, wanted[i].len);
	}
	/* The processors of the SSDT carry the MADT's ids. */
	assert_int_equal(integers(evaluate(*state, "\\_SB.C000._UID"), v, 2), 1);
	assert_int_equal(v[0], 0);
	assert_int_equal(integers(evaluate(*state, "\\_SB.C003._UID"), v, 2), 1);
	assert_int_equal(v[0], 3);
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
		T(round_trip_through_iasl),
		T(prt_is_the_swizzle),
		T(crs_is_what_the_vmm_decodes),
		T(board_devices),
	};

	return cmocka_run_group_tests_name("acpi", tests, make_workdir, remove_workdir);
}
