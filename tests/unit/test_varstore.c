/*
 * The UEFI variable store: what is valid, and every way in which one can be damaged. Figures are
 * those of EDK2's headers, written out here again on purpose.
 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>

#include "varstore.h"

#define LIVE_END   0x40000
#define FIRST_VAR  0x64
#define VAR_HEADER 60

static uint8_t *store;

static int setup(void **state)
{
	(void)state;
	store = malloc(VARSTORE_SIZE);
	if (!store)
		return -1;
	varstore_format(store, VARSTORE_SIZE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(store);
	return 0;
}

static void put16(size_t at, uint16_t v)
{
	memcpy(store + at, &v, sizeof(v));
}

static void put32(size_t at, uint32_t v)
{
	memcpy(store + at, &v, sizeof(v));
}

/* An authenticated variable header at AT; returns where EDK2 looks for the next one. */
static size_t put_variable(size_t at, uint32_t name_size, uint32_t data_size)
{
	memset(store + at, 0, VAR_HEADER);
	put16(at, 0x55AA);
	store[at + 2] = 0x3F; /* added */
	put32(at + 4, 7);
	put32(at + 36, name_size);
	put32(at + 40, data_size);
	return (at + VAR_HEADER + name_size + data_size + 3) & ~3UL;
}

static int check(void)
{
	return varstore_check(store, VARSTORE_SIZE, NULL);
}

static void fresh_store_is_that_of_ovmf(void **state)
{
	/* The first bytes of Debian's pristine OVMF_VARS_4M.fd, and its FTW work block. */
	static const uint8_t head[] = {
		0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,    0,	  0,	0,
		0,    0,    0,	  0x8D, 0x2B, 0xF1, 0xFF, 0x96, 0x76, 0x8B, 0x4C, 0xA9, 0x85,
		0x27, 0x47, 0x07, 0x5B, 0x4F, 0x50, 0x00, 0x40, 0x08, 0,    0,	  0,	0,
		0,    0x5F, 0x46, 0x56, 0x48, 0xFF, 0xFE, 0x04, 0x00, 0x48, 0x00, 0xAF, 0xB8,
		0,    0,    0,	  0x02, 0x84, 0,    0,	  0,	0x00, 0x10, 0,	  0,	0,
		0,    0,    0,	  0,	0,    0,    0,	  0x78, 0x2C, 0xF3, 0xAA, 0x7B, 0x94,
		0x9A, 0x43, 0xA1, 0x80, 0x2E, 0x14, 0x4E, 0xC3, 0x77, 0x92, 0xB8, 0xFF, 0x03,
		0x00, 0x5A, 0xFE, 0,	0,    0,    0,	  0,	0};
	static const uint8_t work[] = {0x2B, 0x29, 0x58, 0x9E, 0x68, 0x7C, 0x7D, 0x49,
				       0xA0, 0xCE, 0x65, 0x00, 0xFD, 0x9F, 0x1B, 0x95,
				       0x2C, 0xAF, 0x2C, 0x64, 0xFE, 0xFF, 0xFF, 0xFF,
				       0xE0, 0x0F, 0,	 0,    0,    0,	   0,	 0};

	(void)state;
	assert_memory_equal(store, head, sizeof(head));
	assert_memory_equal(store + 0x41000, work, sizeof(work));
	assert_int_equal(store[sizeof(head)], 0xFF);
	assert_int_equal(store[VARSTORE_SIZE - 1], 0xFF);
	assert_int_equal(check(), 0);
}

/* The header of Debian's pristine OVMF_VARS.fd (bytes 0x20 to 0x5F), and where its work block is. */
static void fresh_store_of_2_mib_is_that_of_ovmf(void **state)
{
	static const uint8_t head[] = {
		0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5F, 0x46, 0x56, 0x48, 0xFF,
		0xFE, 0x04, 0x00, 0x48, 0x00, 0x19, 0xF9, 0x00, 0x00, 0x00, 0x02, 0x20, 0x00,
		0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x78, 0x2C, 0xF3, 0xAA, 0x7B, 0x94, 0x9A, 0x43, 0xA1, 0x80, 0x2E, 0x14,
		0x4E, 0xC3, 0x77, 0x92, 0xB8, 0xDF, 0x00, 0x00, 0x5A, 0xFE, 0x00, 0x00};
	static const uint8_t work[] = {0x2B, 0x29, 0x58, 0x9E, 0x68, 0x7C, 0x7D, 0x49};

	(void)state;
	varstore_format(store, VARSTORE_SIZE_2M);
	assert_memory_equal(store + 0x20, head, sizeof(head));
	assert_memory_equal(store + 0xF000, work, sizeof(work));
	assert_int_equal(varstore_check(store, VARSTORE_SIZE_2M, NULL), 0);
	assert_int_equal(varstore_volume_size(store, VARSTORE_SIZE_2M), VARSTORE_SIZE_2M);
	/* A store says itself how big it is: the other size is another layout. */
	assert_int_equal(check(), -EBADMSG);
	/* A variable that reaches beyond the live area, which is smaller, too. */
	put_variable(FIRST_VAR, 20, 0xE000);
	assert_int_equal(varstore_check(store, VARSTORE_SIZE_2M, NULL), -EBADMSG);
}

static void only_the_whole_size_is_a_store(void **state)
{
	static const size_t sizes[] = {0, 1, 0x47, 0x48, 0x63, 0x1000, VARSTORE_SIZE - 1};
	struct vmb_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* A buffer of exactly that size: ASan sees any byte read beyond it. */
		uint8_t *cut = malloc(sizes[i] ? sizes[i] : 1);

		assert_non_null(cut);
		memcpy(cut, store, sizes[i]);
		memset(&err, 0, sizeof(err));
		assert_int_equal(varstore_check(cut, sizes[i], &err), -EBADMSG);
		assert_non_null(strstr(err.text, "truncated"));
		free(cut);
	}
	assert_int_equal(varstore_check(store, VARSTORE_SIZE + 1, NULL), -EBADMSG);
}

/* Every byte of both headers counts, but the two reserved fields and the attributes. */
static void every_byte_of_the_headers_counts(void **state)
{
	(void)state;
	for (size_t at = 0; at < FIRST_VAR; at++) {
		if (at >= 0x5E && at < 0x64)
			continue; /* reserved */
		store[at] ^= 0x10;
		if (check() != -EBADMSG)
			fail_msg("byte %#zx changed and still valid", at);
		store[at] ^= 0x10;
	}
	assert_int_equal(check(), 0);
}

static void sentences_name_the_damage(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *word;
	} cases[] = {
		{0x28, 'X', "does not begin with a firmware volume"},
		{0x10, 0, "not one for variables"},
		{0x21, 0x50, "another layout"},
		{0x32, 0, "checksum"},
		{0x48, 0, "no authenticated variables"},
		{0x58, 0, "wrong size"},
		{0x5C, 0xFF, "not marked healthy"},
		{0x64, 0x00, "does not end where free space"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmb_err err = {0};

		varstore_format(store, VARSTORE_SIZE);
		store[cases[i].at] = cases[i].value;
		assert_int_equal(varstore_check(store, VARSTORE_SIZE, &err), -EBADMSG);
		if (!strstr(err.text, cases[i].word))
			fail_msg("wants \"%s\": %s", cases[i].word, err.text);
	}
}

static void chains_of_variables_are_followed(void **state)
{
	size_t at = FIRST_VAR;

	(void)state;
	/* Odd sizes: the next header is aligned to 4. */
	for (uint32_t i = 0; i < 100; i++)
		at = put_variable(at, 10 + i % 7, 1 + i);
	assert_int_equal(check(), 0);
	/* A header of which only the beginning was written before power went: no name, no data. */
	put16(at, 0x55AA);
	assert_int_equal(check(), 0);
	/* Garbage where the next one should be */
	memset(store + at, 0, 64);
	assert_int_equal(check(), -EBADMSG);
}

static void variables_stay_inside_the_store(void **state)
{
	static const struct {
		uint32_t name, data;
		int result;
	} cases[] = {
		{0, LIVE_END - FIRST_VAR - VAR_HEADER, 0},
		{0, LIVE_END - FIRST_VAR - VAR_HEADER + 1, -EBADMSG},
		{LIVE_END - FIRST_VAR - VAR_HEADER, 0, 0},
		{LIVE_END, 0, -EBADMSG},
		{0xFFFFFFFE, 2, -EBADMSG}, /* would wrap 32 bits */
		{0xFFFFFFFE, 0xFFFFFFFE, -EBADMSG},
		{0x80000000, 0x80000000, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		varstore_format(store, VARSTORE_SIZE);
		put_variable(FIRST_VAR, cases[i].name, cases[i].data);
		if (cases[i].result == 0)
			memset(store + FIRST_VAR + VAR_HEADER, 0x41,
			       LIVE_END - FIRST_VAR - VAR_HEADER);
		if (check() != cases[i].result)
			fail_msg("case %zu", i);
	}
}

/* What lies behind the variables is the firmware's scratch area: it may hold anything. */
static void scratch_area_may_hold_anything(void **state)
{
	(void)state;
	memset(store + LIVE_END, 0xA5, VARSTORE_SIZE - LIVE_END);
	assert_int_equal(check(), 0);
}

/* Random damage: never a crash, never a read outside (ASan); most of it is found. */
static void random_damage_is_survived(void **state)
{
	uint32_t x = 12345;

	(void)state;
	for (int round = 0; round < 300; round++) {
		size_t at = FIRST_VAR;

		varstore_format(store, VARSTORE_SIZE);
		for (int i = 0; i < 50; i++)
			at = put_variable(at, 20, 30);
		for (int i = 0; i < 20; i++) {
			x = x * 1664525 + 1013904223;
			store[x >> 8 & 0xFFF] = (uint8_t)(x >> 24);
		}
		(void)check();
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fresh_store_is_that_of_ovmf),     TEST(fresh_store_of_2_mib_is_that_of_ovmf),
		TEST(only_the_whole_size_is_a_store),  TEST(every_byte_of_the_headers_counts),
		TEST(sentences_name_the_damage),       TEST(chains_of_variables_are_followed),
		TEST(variables_stay_inside_the_store), TEST(scratch_area_may_hold_anything),
		TEST(random_damage_is_survived),
	};

	return cmocka_run_group_tests_name("varstore", tests, NULL, NULL);
}
