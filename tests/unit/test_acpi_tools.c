/*
 * ACPICA's own opinion of the ACPI tables: each goes through iasl -d and back, and acpiexec evaluates what the DSDT says.
 * Skipped without these.
 */
#include "acpi_fixture.h"

#include <stdio.h>
#include <stdlib.h>

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
	const struct acpi_params i440fx = {.cpus = 1, .pci32_base = 0xA0000000};
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
	/* OVMF's window begins further down. */
	build_from(&t, &i440fx);
	len = buffer_bytes(evaluate(&t, "\\_SB.PCI0._CRS"), crs, sizeof(crs));
	gm_destroy(t.mem);
	assert_true(has_window(crs, len, 0x87, 4, 0, 0xA0000000, LAYOUT_ECAM - 1));
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
		T(round_trip_through_iasl),
		T(prt_is_the_swizzle),
		T(crs_is_what_the_vmm_decodes),
		T(board_devices),
	};

	return cmocka_run_group_tests_name("acpi_tools", tests, make_workdir, remove_workdir);
}
