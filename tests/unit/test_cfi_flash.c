/*
 * The flash chip as OVMF's driver uses it (EDK2 QemuFlashFvbServicesRuntimeDxe/QemuFlash.c), and as a
 * hostile guest does. What the guest would read by itself counts as read here, too.
 */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#include "vmm/platform/platform.h"

#define SIZE (4 * CFI_FLASH_BLOCK)

struct fixture {
	uint8_t bytes[SIZE];
	struct cfi_flash *chip;
	bool mapped;
	unsigned int maps;
	int fail;
};

static int on_map(void *ctx, bool map)
{
	struct fixture *f = ctx;

	if (map && f->fail)
		return f->fail;
	assert_int_not_equal(f->mapped, map);
	f->mapped = map;
	f->maps++;
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct cfi_flash_params params = {.bytes = f->bytes, .map = on_map, .ctx = f};

	f->mapped = true;
	memset(f->bytes, 0xFF, SIZE);
	f->bytes[0] = 0x12;
	*state = f;
	return cfi_flash_create(&params, &f->chip);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cfi_flash_destroy(f->chip);
	free(f);
	return 0;
}

static uint8_t get(struct fixture *f, uint64_t at)
{
	return f->mapped ? f->bytes[at] : (uint8_t)cfi_flash_bus_ops.read(f->chip, at, 1);
}

static void put(struct fixture *f, uint64_t at, uint8_t value)
{
	cfi_flash_bus_ops.write(f->chip, at, 1, value);
}

/* QemuFlashDetected(), with the write-protect check of EDK2 202308 and later. */
static void the_driver_finds_a_chip(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 0x50);
	assert_int_equal(get(f, 0), 0x12); /* 0x50: it would be RAM */
	put(f, 0, 0x70);
	assert_int_equal(get(f, 0), 0x00); /* 0x12: ROM; 0x70: RAM */
	put(f, 0, 0x10);
	put(f, 0, 0x12);
	put(f, 0, 0x70);
	assert_int_equal(get(f, 0) & 0x10, 0); /* write-protected */
	put(f, 0, 0xFF);
	assert_int_equal(get(f, 0), 0x12);
}

static void programming_clears_bits(void **state)
{
	struct fixture *f = *state;

	put(f, 5, 0x10);
	put(f, 5, 0xF0);
	put(f, 6, 0x40);
	put(f, 6, 0xAB);
	assert_int_equal(get(f, 5), 0x80); /* the status: ready, no error */
	put(f, 5, 0x10);
	put(f, 5, 0x3F);
	put(f, 6, 0xFF);
	assert_int_equal(get(f, 5), 0x30);
	assert_int_equal(get(f, 6), 0xAB);
	assert_int_equal(get(f, 4), 0xFF);
	assert_int_equal(get(f, 7), 0xFF);
}

static void a_block_is_erased(void **state)
{
	struct fixture *f = *state;

	memset(f->bytes, 0x55, SIZE);
	put(f, CFI_FLASH_BLOCK, 0x20);
	put(f, CFI_FLASH_BLOCK, 0xD0);
	/* Without another command the array is back: OVMF gives none. */
	for (unsigned int i = 0; i < SIZE; i += 0xFF)
		assert_int_equal(get(f, i), i / CFI_FLASH_BLOCK == 1 ? 0xFF : 0x55);
	assert_int_equal(f->bytes[CFI_FLASH_BLOCK - 1], 0x55);
	assert_int_equal(f->bytes[2 * CFI_FLASH_BLOCK], 0x55);
}

static void an_erase_that_is_not_confirmed_is_an_error(void **state)
{
	struct fixture *f = *state;

	memset(f->bytes, 0x55, SIZE);
	put(f, 0, 0x20);
	put(f, 0, 0xFF);
	assert_int_equal(get(f, 0), 0x80 | 0x20 | 0x10);
	put(f, 0, 0x50);
	assert_int_equal(get(f, 0), 0x55);
	put(f, 0, 0x70);
	assert_int_equal(get(f, 0), 0x00);
}

/* While the chip says anything but its array, the guest must not read the memory by itself. */
static void it_is_mapped_again_when_it_is_read(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 100; i++) {
		put(f, 8 + i, 0x10);
		assert_false(f->mapped);
		put(f, 8 + i, 0);
	}
	put(f, 8, 0xFF);
	assert_int_equal(f->maps, 1); /* once for all of them */
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(get(f, 8 + i), 0);
	assert_true(f->mapped);
	assert_int_equal(f->maps, 2);
	/* Commands that leave it an array do not unmap it. */
	put(f, 0, 0xFF);
	put(f, 0, 0x50);
	assert_int_equal(f->maps, 2);
}

static void a_host_that_maps_nothing_is_read_through_the_chip(void **state)
{
	struct fixture *f = *state;

	f->fail = -12;
	put(f, 1, 0x10);
	put(f, 1, 0x34);
	put(f, 1, 0xFF);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(get(f, 1), 0x34);
	assert_false(f->mapped);
}

static void a_reset_brings_the_array(void **state)
{
	struct fixture *f = *state;

	put(f, 0, 0x10);
	cfi_flash_reset(f->chip);
	assert_true(f->mapped);
	put(f, 0, 0x00); /* no data any more */
	assert_int_equal(get(f, 0), 0x12);
	put(f, 0, 0x70);
	assert_int_equal(get(f, 0), 0x80);
}

/* Wide accesses anywhere up to the end, commands that there are not (ASan). */
static void anything_goes(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = 1;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int size;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		size = 1U << (seed >> 60 & 3);
		if (seed >> 59 & 1)
			cfi_flash_bus_ops.write(f->chip, seed >> 16 & (SIZE - size), size,
						seed >> 32);
		else
			cfi_flash_bus_ops.read(f->chip, seed >> 16 & (SIZE - size), size);
	}
	cfi_flash_bus_ops.write(f->chip, SIZE - 8, 8, ~0ULL);
	cfi_flash_bus_ops.write(f->chip, SIZE - 8, 8, 0x10);
	cfi_flash_bus_ops.write(f->chip, SIZE - 8, 8, 0);
	cfi_flash_bus_ops.write(f->chip, SIZE - 1, 1, 0x20);
	cfi_flash_bus_ops.write(f->chip, SIZE - 1, 1, 0xD0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_driver_finds_a_chip),
		TEST(programming_clears_bits),
		TEST(a_block_is_erased),
		TEST(an_erase_that_is_not_confirmed_is_an_error),
		TEST(it_is_mapped_again_when_it_is_read),
		TEST(a_host_that_maps_nothing_is_read_through_the_chip),
		TEST(a_reset_brings_the_array),
		TEST(anything_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
