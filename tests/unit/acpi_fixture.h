/* The ACPI tables of a machine in its memory, found from the RSDP along every pointer, each with a right checksum. */
#ifndef VMB_TESTS_UNIT_ACPI_FIXTURE_H
#define VMB_TESTS_UNIT_ACPI_FIXTURE_H

#include "test.h"

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

static inline uint64_t get(const uint8_t *p, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static inline void assert_sum_is_zero(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	assert_int_equal(sum, 0);
}

/* Takes one table in: where it may lie, its length, its checksum. */
static inline const struct table *walk_table(struct tables *t, uint64_t addr)
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

static inline const struct table *find(const struct tables *t, const char *signature)
{
	for (unsigned int i = 0; i < t->count; i++)
		if (strcmp(t->list[i].signature, signature) == 0)
			return &t->list[i];
	fail_msg("there is no %s", signature);
	return NULL;
}

/* Builds the tables and walks them from the RSDP as EDK2 and Linux do. */
static inline void build_from(struct tables *t, const struct acpi_params *params)
{
	const struct table *xsdt;
	const uint8_t *rsdp;

	memset(t, 0, sizeof(*t));
	assert_int_equal(gm_create(MEMORY, &t->mem), 0);
	assert_int_equal(acpi_build(t->mem, params, &t->rsdp), 0);
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

static inline void build(struct tables *t, unsigned int cpus, uint64_t pci64_base,
			 uint64_t pci64_end)
{
	const struct acpi_params params = {
		.cpus = cpus,
		.pci32_base = LAYOUT_PCI32,
		.pci64_base = pci64_base,
		.pci64_end = pci64_end,
	};

	build_from(t, &params);
}

static inline int setup(void **state)
{
	static struct tables t;

	build(&t, 4, 0x8000000000ULL, 0x10000000000ULL);
	*state = &t;
	return 0;
}

static inline int teardown(void **state)
{
	struct tables *t = *state;

	gm_destroy(t->mem);
	return 0;
}

#endif
