/* Which kernels are accepted, and the sentence for every way in which one is not. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>

#include "bzimage.h"
#include "kernel_image.h"

static void kernel_is_accepted(void **state)
{
	static uint8_t file[KI_SIZE + 100];
	struct bzimage image;

	(void)state;
	ki_make(file);
	assert_true(bzimage_claims(file, KI_SIZE));
	assert_int_equal(bzimage_check(file, KI_SIZE, KI_SIZE, &image, NULL), 0);
	assert_int_equal(image.file_offset, 1024);
	assert_int_equal(image.file_size, KI_PAYLOAD);
	assert_int_equal(image.gpa, 0x1000000);
	assert_int_equal(image.mem_size, 0x100000);
	assert_int_equal(image.initrd_end_max, 0x80000000);
	assert_int_equal(image.cmdline_size, 255);
	/* The header ends where its jump leads: 0x202 + 0x6A. */
	assert_int_equal(image.header_size, 0x26C - 0x1F1);
	/* Behind a signed kernel comes the signature, which is not the kernel's. */
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.file_size, KI_PAYLOAD);
	/* The head is enough. */
	assert_int_equal(bzimage_check(file, BZIMAGE_HEAD_SIZE, KI_SIZE, NULL, NULL), 0);
}

static void details_of_the_protocol(void **state)
{
	static uint8_t file[5 * 512 + KI_PAYLOAD];
	struct bzimage image;

	(void)state;
	ki_make(file);
	ki_put(file, KI_SETUP_SECTS, 1, 0); /* means 4 */
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.file_offset, 5 * 512);
	/* What it needs is never less than what is loaded. */
	ki_put(file, KI_INIT_SIZE, 4, 16);
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.mem_size, KI_PAYLOAD);
	/* It runs at the next aligned address when it can be moved, exactly there when not. */
	ki_put(file, KI_PREF_ADDRESS, 8, 0x1000200);
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.gpa, 0x1200000);
	ki_put(file, KI_RELOCATABLE, 1, 0);
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.gpa, 0x1000200);
	/* The oldest protocol that says whether a kernel has a 64-bit entry. */
	ki_put(file, KI_VERSION, 2, 0x020C);
	ki_put(file, KI_JUMP, 2, 0x62EB);
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.header_size, 0x264 - 0x1F1);
	/* A header is never copied over what boot_params has behind it. */
	ki_put(file, KI_JUMP, 2, 0xFFEB);
	assert_int_equal(bzimage_check(file, sizeof(file), sizeof(file), &image, NULL), 0);
	assert_int_equal(image.header_size, 0x290 - 0x1F1);
}

static void damaged_headers_are_refused_with_the_reason(void **state)
{
	static const struct {
		unsigned int at, bytes;
		uint64_t value;
		const char *word;
	} cases[] = {
		{0x202, 4, 0, "not a Linux kernel"},
		{KI_BOOT_FLAG, 2, 0x55AA, "boot flag is 0x55aa"},
		{KI_VERSION, 2, 0x020B, "protocol 2.11"},
		{KI_VERSION, 2, 0x0000, "protocol 0.00"},
		{KI_JUMP, 2, 0x00EB, "ends before the fields"},
		{KI_JUMP, 2, 0x61EB, "ends before the fields"},
		{KI_LOADFLAGS, 1, 0, "zImage"},
		{KI_XLOADFLAGS, 2, 0xFFFE, "32-bit"},
		{KI_SETUP_SECTS, 1, 255, "cut off"},
		{KI_SYSSIZE, 4, KI_PAYLOAD / 16 + 1, "cut off"},
		{KI_SYSSIZE, 4, 0xFFFFFFFF, "cut off"},
		{KI_SYSSIZE, 4, 0, "would have 0 bytes"},
		{KI_SYSSIZE, 4, 0x20, "would have 512 bytes"},
		{KI_ALIGNMENT, 4, 0, "power of two"},
		{KI_ALIGNMENT, 4, 0x300000, "power of two"},
		{KI_ALIGNMENT, 4, 0xFFFFFFFF, "power of two"},
		{KI_PREF_ADDRESS, 8, 0, "between 1 MiB and 4 GiB"},
		{KI_PREF_ADDRESS, 8, 0xFFFFF, "between 1 MiB and 4 GiB"},
		{KI_PREF_ADDRESS, 8, UINT64_MAX, "between 1 MiB and 4 GiB"},
		{KI_PREF_ADDRESS, 8, 1ULL << 32, "between 1 MiB and 4 GiB"},
		{KI_PREF_ADDRESS, 8, 0xFFFFFFFF, "beyond 4 GiB"},
		{KI_PREF_ADDRESS, 8, 0xFFF00001, "beyond 4 GiB"},
		{KI_INIT_SIZE, 4, 0xFFFFFFFF, "beyond 4 GiB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static uint8_t file[KI_SIZE];
		struct bzimage image = {.gpa = 42};
		struct vmb_err err = {0};

		ki_make(file);
		ki_put(file, cases[i].at, cases[i].bytes, cases[i].value);
		if (bzimage_check(file, KI_SIZE, KI_SIZE, &image, &err) != -EINVAL)
			fail_msg("case %zu (%s) was accepted", i, cases[i].word);
		if (!strstr(err.text, cases[i].word))
			fail_msg("case %zu wants \"%s\", says: %s", i, cases[i].word, err.text);
		assert_int_equal(image.gpa, 42);
	}
}

/* Every shorter file: refused with a sentence, and (ASan) nothing read beyond it. */
static void truncated_at_every_byte(void **state)
{
	static uint8_t file[KI_SIZE];

	(void)state;
	ki_make(file);
	for (size_t n = 0; n < 2048; n++) {
		struct vmb_err err = {0};
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, file, n);
		assert_int_equal(bzimage_check(copy, n, n, NULL, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
		if (n >= 0x208 && n < 0x26C && !strstr(err.text, "cut off inside"))
			fail_msg("%zu bytes: %s", n, err.text);
		free(copy);
	}
	assert_int_equal(bzimage_check(file, KI_SIZE, KI_SIZE - 1, NULL, NULL), -EINVAL);
}

/* Whatever the header holds: refused, or a place and a size that cannot do harm. */
static void random_headers_never_give_a_bad_place(void **state)
{
	static uint8_t file[KI_SIZE];
	uint64_t seed = 88172645463325252ULL;
	unsigned int accepted = 0;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		struct bzimage image;

		ki_make(file);
		for (int i = 0; i < 3; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			file[0x1F1 + seed % (0x268 - 0x1F1)] = (uint8_t)(seed >> 40);
		}
		if (bzimage_check(file, KI_SIZE, KI_SIZE, &image, NULL) < 0)
			continue;
		accepted++;
		assert_true(image.file_offset <= KI_SIZE);
		assert_true(image.file_size <= KI_SIZE - image.file_offset);
		assert_true(image.file_size > 0x200 && image.file_size <= image.mem_size);
		assert_in_range(image.gpa, 1 << 20, 0xFFFFFFFF);
		assert_true(image.mem_size <= (1ULL << 32) - image.gpa);
		assert_true(image.header_size <= 0x290 - 0x1F1);
	}
	/* Most bytes of the header do not matter; were none accepted, nothing was tested. */
	assert_true(accepted > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_is_accepted),
		cmocka_unit_test(details_of_the_protocol),
		cmocka_unit_test(damaged_headers_are_refused_with_the_reason),
		cmocka_unit_test(truncated_at_every_byte),
		cmocka_unit_test(random_headers_never_give_a_bad_place),
	};

	return cmocka_run_group_tests_name("bzimage", tests, NULL, NULL);
}
