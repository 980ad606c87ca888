/* Sizes people type and read, and bytes that must not reach a terminal. */
#include "test.h"

#include <errno.h>
#include <stdlib.h>

#include "err.h"
#include "text.h"

static void sizes_are_parsed(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{"0", 0},	     {"512", 512},	   {"512B", 512},
		{"1k", 1024},	     {"64M", 64 << 20},	   {"64MiB", 64 << 20},
		{"2g", 2ULL << 30},  {"1.5G", 3ULL << 29}, {"0.5K", 512},
		{"1T", 1ULL << 40},  {"8192P", 1ULL << 63}, {"18446744073709551615", UINT64_MAX},
	};
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(text_parse_size(good[i].text, &bytes), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
}

static void wrong_sizes_are_refused(void **state)
{
	static const char *const bad[] = {"", "G", "-1", " 1G", "1 G", "1Gx", "1.G", "1.5", "0x10", "1e3", "M64", "+1"};
	uint64_t bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_parse_size(bad[i], &bytes), -EINVAL);
	assert_int_equal(text_parse_size("18446744073709551616", &bytes), -ERANGE);
	assert_int_equal(text_parse_size("16384P", &bytes), -ERANGE);
	assert_int_equal(text_parse_size("99999999999999999999999G", &bytes), -ERANGE);
	/* Untouched on failure. */
	assert_int_equal(bytes, 42);
}

static void numbers_keep_their_range(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(text_parse_uint("12", 1, 12, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(text_parse_uint("13", 1, 12, &n), -ERANGE);
	assert_int_equal(text_parse_uint("0", 1, 12, &n), -ERANGE);
	assert_int_equal(text_parse_uint("", 0, 12, &n), -EINVAL);
	assert_int_equal(text_parse_uint("1a", 0, 12, &n), -EINVAL);
	assert_int_equal(text_parse_uint("-1", 0, 12, &n), -EINVAL);
	assert_int_equal(text_parse_uint("18446744073709551616", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(n, 12);
}

static void sizes_are_shown_short(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {{0, "0"},
		     {512, "512"},
		     {1023, "1023"},
		     {1024, "1K"},
		     {1536, "1.5K"},
		     {4ULL << 20, "4M"},
		     {500107862016ULL, "465G"},
		     {2000398934016ULL, "1.8T"},
		     {UINT64_MAX, "15E"}};
	char buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_format_size(cases[i].bytes, buf, sizeof(buf)), cases[i].text);
	/* A short buffer is cut, not overrun. */
	assert_string_equal(text_format_size(1536, buf, 3), "1.");
	assert_string_equal(text_format_mib(4ULL << 30, buf, sizeof(buf)), "4G");
	assert_string_equal(text_format_mib(1100ULL << 20, buf, sizeof(buf)), "1100M");
}

static void escaping_leaves_text_alone(void **state)
{
	char out[64];

	(void)state;
	assert_string_equal(text_escape(out, sizeof(out), "Plain text", 10), "Plain text");
	assert_string_equal(text_escape(out, sizeof(out), "Gr\xc3\xbc\xc3\x9f" "e \xe2\x94\x80 \xf0\x9f\x98\x80", 16),
			    "Gr\xc3\xbc\xc3\x9f" "e \xe2\x94\x80 \xf0\x9f\x98\x80");
}

static void escaping_disarms_controls(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{"\033[2J", 4, "\\x1b[2J"},
		{"a\0b", 3, "a\\x00b"},
		{"\x7f", 1, "\\x7f"},
		{"\xc2\x9b" "2J", 4, "\\xc2\\x9b2J"},	  /* C1 CSI in UTF-8 */
		{"\x9b", 1, "\\x9b"},			  /* C1 CSI raw */
		{"\xc0\xaf", 2, "\\xc0\\xaf"},		  /* overlong */
		{"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},	  /* surrogate */
		{"\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
		{"\xe2\x80\xae" "evil", 7, "\\xe2\\x80\\xaeevil"}, /* right-to-left override */
		{"\xe2\x94", 2, "\\xe2\\x94"},		  /* cut */
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(text_escape(out, sizeof(out), cases[i].in, cases[i].n), cases[i].out);
}

static void escaping_fits_any_buffer(void **state)
{
	(void)state;
	for (size_t size = 1; size < 12; size++) {
		/* From the heap, so that the sanitizer sees a byte too many. */
		char *out = malloc(size);

		assert_non_null(out);
		text_escape(out, size, "a\xc3\xbc\033z\xf0\x9f\x98\x80", 9);
		assert_true(strlen(out) < size);
		assert_int_equal(text_utf8_len("\xc3\xbc", 2), 2);
		free(out);
	}
}

static void errors_are_safe_sentences(void **state)
{
	struct vmb_err err = {0};
	char long_label[1000];

	(void)state;
	memset(long_label, 'x', sizeof(long_label) - 1);
	long_label[sizeof(long_label) - 1] = '\0';
	assert_int_equal(vmb_err_set(&err, ENOENT, "no disk \"%s\"", "\033]0;x\a"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(err.text, "no disk \"\\x1b]0;x\\x07\"");
	assert_int_equal(vmb_err_set(&err, EIO, "%s", long_label), -EIO);
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_int_equal(vmb_err_set(NULL, EIO, "nobody listens"), -EIO);
}

static void test_drop_full_stop(void **state)
{
	char text[][16] = {"No medium.", "No medium", "", ".", "Wait ..."};
	const char *const want[] = {"No medium", "No medium", "", "", "Wait .."};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_string_equal(text_drop_full_stop(text[i]), want[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_parsed),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(numbers_keep_their_range),
		cmocka_unit_test(sizes_are_shown_short),
		cmocka_unit_test(escaping_leaves_text_alone),
		cmocka_unit_test(escaping_disarms_controls),
		cmocka_unit_test(escaping_fits_any_buffer),
		cmocka_unit_test(errors_are_safe_sentences),
		cmocka_unit_test(test_drop_full_stop),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
