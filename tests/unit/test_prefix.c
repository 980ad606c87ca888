/* The prefix key's commands, as `vmboot run` and the menu's console view know them. */
#include "test.h"

#include <string.h>

#include "prefix.h"

/* What BYTE after ^] means; *ret_byte is 0 unless something is passed. */
static enum prefix_action after_prefix(bool view, uint8_t byte, uint8_t *ret_byte)
{
	struct prefix prefix = {.view = view};

	*ret_byte = 0;
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, ret_byte), PREFIX_WAIT);
	assert_true(prefix.pending);
	assert_int_equal(*ret_byte, 0);
	return prefix_feed(&prefix, byte, ret_byte);
}

static void test_bytes_pass(void **state)
{
	struct prefix prefix = {0};
	uint8_t out;

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		if (byte == PREFIX_KEY)
			continue;
		assert_int_equal(prefix_feed(&prefix, (uint8_t)byte, &out), PREFIX_PASS);
		assert_int_equal(out, byte);
	}
}

static void test_commands(void **state)
{
	static const struct {
		uint8_t byte;
		enum prefix_action run, view;
	} table[] = {
		{'?', PREFIX_HELP, PREFIX_HELP},
		{'.', PREFIX_MENU, PREFIX_MENU},
		{'d', PREFIX_MENU, PREFIX_MENU},
		{'k', PREFIX_KILL, PREFIX_KILL},
		{'r', PREFIX_RESET, PREFIX_RESET},
		{'p', PREFIX_POWER, PREFIX_POWER},
		{PREFIX_KEY, PREFIX_PASS, PREFIX_PASS},
		{'x', PREFIX_UNKNOWN, PREFIX_UNKNOWN},
		{0x1B, PREFIX_UNKNOWN, PREFIX_UNKNOWN},
		{0, PREFIX_UNKNOWN, PREFIX_UNKNOWN},
		{'K', PREFIX_UNKNOWN, PREFIX_UNKNOWN},
		/* Only a view that emulates a terminal has these. */
		{'[', PREFIX_UNKNOWN, PREFIX_SCROLL},
		{'m', PREFIX_UNKNOWN, PREFIX_KEYMAP},
		{'u', PREFIX_UNKNOWN, PREFIX_CHARSET},
		{'1', PREFIX_UNKNOWN, PREFIX_FKEY},
		{'9', PREFIX_UNKNOWN, PREFIX_FKEY},
		{'0', PREFIX_UNKNOWN, PREFIX_FKEY},
		{'f', PREFIX_UNKNOWN, PREFIX_FULL},
		{'t', PREFIX_UNKNOWN, PREFIX_TRANSPARENT},
		{'l', PREFIX_UNKNOWN, PREFIX_LOG},
		{'b', PREFIX_UNKNOWN, PREFIX_BREAK},
		{'!', PREFIX_UNKNOWN, PREFIX_SHELL},
		{'/', PREFIX_UNKNOWN, PREFIX_UNKNOWN},
		{':', PREFIX_UNKNOWN, PREFIX_UNKNOWN},
	};
	uint8_t out;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(after_prefix(false, table[i].byte, &out), table[i].run);
		assert_int_equal(after_prefix(true, table[i].byte, &out), table[i].view);
	}
	after_prefix(true, '7', &out);
	assert_int_equal(out, '7');
	after_prefix(false, PREFIX_KEY, &out);
	assert_int_equal(out, PREFIX_KEY);
}

/* One command, then bytes pass again. */
static void test_prefix_is_for_one_key(void **state)
{
	struct prefix prefix = {.view = true};
	uint8_t out;

	(void)state;
	prefix_feed(&prefix, PREFIX_KEY, &out);
	prefix_feed(&prefix, 'x', &out);
	assert_int_equal(prefix_feed(&prefix, 'k', &out), PREFIX_PASS);
	assert_int_equal(out, 'k');
}

/* `vmboot run` lists what it has, and nothing of the view. */
static void test_help(void **state)
{
	(void)state;
	assert_non_null(strstr(prefix_help(), "^] k "));
	assert_null(strstr(prefix_help(), "^] [ "));
	assert_null(strstr(prefix_help(), "^] m "));
}

static void test_another_key(void **state)
{
	struct prefix prefix = {.key = 0x01};
	uint8_t out = 0;

	(void)state;
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &out), PREFIX_PASS);
	assert_int_equal(out, PREFIX_KEY);
	assert_int_equal(prefix_feed(&prefix, 0x01, &out), PREFIX_WAIT);
	assert_int_equal(prefix_feed(&prefix, 'k', &out), PREFIX_KILL);
	prefix_feed(&prefix, 0x01, &out);
	assert_int_equal(prefix_feed(&prefix, 0x01, &out), PREFIX_PASS);
	assert_int_equal(out, 0x01);
	prefix_feed(&prefix, 0x01, &out);
	assert_int_equal(prefix_feed(&prefix, PREFIX_KEY, &out), PREFIX_UNKNOWN);
}

static void test_key_names(void **state)
{
	static const char *const bad[] = {"",	"^",  "A",  "^AA", "^1", "^h",
					  "^I", "^J", "^M", "^[",  "^?", " ^A"};
	uint8_t key = 0xEE;
	char name[3];

	(void)state;
	assert_int_equal(prefix_parse_key("^]", &key), 0);
	assert_int_equal(key, 0x1D);
	assert_int_equal(prefix_parse_key("^a", &key), 0);
	assert_int_equal(key, 1);
	assert_string_equal(prefix_key_name(key, name), "^A");
	assert_string_equal(prefix_key_name(0, name), "^]");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(prefix_parse_key(bad[i], &key) < 0);
		assert_int_equal(key, 1);
	}
}

/* What of N bytes is left for the guest. */
static size_t pass_filter(const char *bytes, size_t n, char *out)
{
	unsigned int state = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		if (!prefix_would_reset(&state, (uint8_t)bytes[i]))
			out[at++] = bytes[i];
	return at;
}

/* EDK2's TerminalConIn.c: ESC R ESC r ESC R, with nothing in between, resets the machine. */
static void test_reset_sequence_never_completes(void **state)
{
	static const char *const table[][2] = {
		{"\033R\033r\033R", "\033R\033r\033"},
		/* Again and again, and begun anew in its midst. */
		{"\033R\033r\033R\033R", "\033R\033r\033\033R"},
		{"\033R\033R\033r\033R", "\033R\033R\033r\033"},
		{"\033\033R\033r\033Rx", "\033\033R\033r\033x"},
		/* These reset nothing. */
		{"\033R\033r\033r\033R", "\033R\033r\033r\033R"},
		{"\033R\033rx\033R", "\033R\033rx\033R"},
		{"RrR", "RrR"},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t n = pass_filter(table[i][0], strlen(table[i][0]), out);

		out[n] = '\0';
		assert_string_equal(out, table[i][1]);
	}
}

/* Whatever comes, what is left never holds it. */
static void test_reset_sequence_in_noise(void **state)
{
	static const char letters[] = "\033\033Rrx";
	char noise[4096], out[4097];
	uint32_t random = 12345;

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			random = random * 1664525 + 1013904223;
			noise[i] = letters[(random >> 16) % 5];
		}
		out[pass_filter(noise, sizeof(noise), out)] = '\0';
		assert_null(strstr(out, "\033R\033r\033R"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_pass),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_prefix_is_for_one_key),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_key_names),
		cmocka_unit_test(test_reset_sequence_never_completes),
		cmocka_unit_test(test_reset_sequence_in_noise),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
