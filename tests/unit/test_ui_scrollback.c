/* What scrolls away on a guest's console: kept in order, bounded, saved before a clear. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "reliability.h"
#include "ui/console.h"
#include "ui/scrollback.h"

static void no_answer(void *arg, const uint8_t *buf, size_t n)
{
	(void)arg;
	(void)buf;
	(void)n;
}

static int setup(void **state)
{
	return console_create(no_answer, NULL, (struct console **)state);
}

static int teardown(void **state)
{
	console_destroy(*state);
	return 0;
}

static void feed(struct console *console, const char *s)
{
	console_feed(console, (const uint8_t *)s, strlen(s));
}

static const char *line_at(struct console *console, uint64_t number)
{
	static char line[CONSOLE_TEXT_SIZE];

	console_line(console, number, line);
	return line;
}

static uint64_t line_count(struct console *console)
{
	uint64_t first, end;

	console_lines(console, &first, &end);
	return end - first;
}

static unsigned int count_lines_with(struct console *console, const char *text)
{
	uint64_t first, end;
	unsigned int n = 0;

	console_lines(console, &first, &end);
	for (; first < end; first++)
		n += strstr(line_at(console, first), text) != NULL;
	return n;
}

/* ---- the ring ---- */

static void test_ring_keeps_the_newest(void **state)
{
	struct scrollback *sb;
	char text[64];

	(void)state;
	assert_int_equal(scrollback_create(&sb), 0);
	scrollback_line(sb, 0, text, sizeof(text));
	assert_string_equal(text, "");
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		scrollback_push(sb, text);
	}
	assert_int_equal(scrollback_next(sb), 20000);
	assert_int_equal(scrollback_first(sb), 20000 - SCROLLBACK_LINES);
	for (int i = 0; i < 20002; i++) {
		char want[64] = "";

		if (i >= 20000 - SCROLLBACK_LINES && i < 20000)
			snprintf(want, sizeof(want), "line %d", i);
		scrollback_line(sb, (uint64_t)i, text, sizeof(text));
		assert_string_equal(text, want);
	}
	scrollback_clear(sb);
	assert_int_equal(scrollback_next(sb), 0);
	scrollback_destroy(sb);
}

/* Long lines: the bytes are what is short; those kept are whole, across the ring's end too. */
static void test_ring_of_long_lines(void **state)
{
	static char big[1000], text[1200];
	struct scrollback *sb;
	uint64_t kept;

	(void)state;
	assert_int_equal(scrollback_create(&sb), 0);
	for (int i = 0; i < 5000; i++) {
		memset(big, 'a' + i % 26, sizeof(big) - 1);
		scrollback_push(sb, big);
		scrollback_push(sb, "");
	}
	kept = scrollback_next(sb) - scrollback_first(sb);
	/* All the room but less than one line's is used. */
	assert_true(kept >= 2 * (SCROLLBACK_BYTES / 999) - 2 && kept <= 2 * (SCROLLBACK_BYTES / 999) + 2);
	for (uint64_t i = scrollback_first(sb); i < 10000; i++) {
		scrollback_line(sb, i, text, sizeof(text));
		assert_int_equal(strlen(text), i % 2 ? 0 : 999);
		if (i % 2 == 0) {
			assert_int_equal(text[0], 'a' + (int)(i / 2 % 26));
			assert_int_equal(text[998], text[0]);
			assert_int_equal(strspn(text, (char[]){text[0], 0}), 999);
		}
	}
	scrollback_line(sb, 9998, text, 5);
	assert_int_equal(strlen(text), 4);
	scrollback_destroy(sb);
}

/* ---- behind the console ---- */

static void test_lines_keep_their_numbers(void **state)
{
	struct console *console = *state;
	char line[32];

	assert_int_equal(line_count(console), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %d\r\n%s", i, i % 10 == 9 ? "\r\n" : "");
		feed(console, line);
	}
	/* Empty lines stay where they were; the last one, where the cursor is, does not count. */
	assert_int_equal(line_count(console), 109);
	assert_string_equal(line_at(console, 0), "line 0");
	assert_string_equal(line_at(console, 9), "line 9");
	assert_string_equal(line_at(console, 10), "");
	assert_string_equal(line_at(console, 11), "line 10");
	assert_string_equal(line_at(console, 108), "line 99");
	assert_string_equal(line_at(console, 109), "");
	assert_string_equal(line_at(console, UINT64_MAX), "");
	feed(console, "more\r\n\r\n\r\n\r\nand more");
	assert_string_equal(line_at(console, 108), "line 99");
	assert_string_equal(line_at(console, 110), "more");
	assert_string_equal(line_at(console, 114), "and more");
	console_reset(console);
	assert_int_equal(line_count(console), 0);
}

/* Each way to clear a screen keeps what was on it, once. */
static void test_clear_is_remembered(void **state)
{
	static const char *const clears[] = {
		"\033[2J", "\033[H\033[J", "\033[H\033[2J", "\033[1;1H\033[0J", "\033c",
		"\033[2J\033[2J\033[H\033[J\033c", "\033[H\033[2J\033[3J",
	};
	struct console *console = *state;

	for (size_t i = 0; i < sizeof(clears) / sizeof(clears[0]); i++) {
		console_reset(console);
		feed(console, "\033[3;5HBdsDxe: failed to load\r\n\r\nand this");
		feed(console, clears[i]);
		assert_int_equal(count_lines_with(console, "    BdsDxe: failed to load"), 1);
		feed(console, "\033[Hnew");
		assert_int_equal(count_lines_with(console, "BdsDxe"), 1);
		assert_int_equal(count_lines_with(console, "and this"), 1);
		assert_int_equal(count_lines_with(console, "new"), 1);
		feed(console, "\033[2J");
		assert_int_equal(count_lines_with(console, "BdsDxe"), 1);
		assert_int_equal(count_lines_with(console, "new"), 1);
	}
}

/* Sequences that clear less, or only look like one that does. */
static void test_other_erasures_are_no_clear(void **state)
{
	static const char *const others[] = {
		"\033[5;5H\033[J", "\033[1J", "\033[K", "\033[?2J", "\033[2 J", "\033]2J\007", "2J", "c",
		"\033(c", "\033[22J",
	};
	struct console *console = *state;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		console_reset(console);
		feed(console, "kept\r\nas it is");
		feed(console, others[i]);
		feed(console, "\033[1;1HX");
		/* Nothing went to the lines above the grid: its first is still the first of all. */
		if (line_at(console, 0)[0] != 'X')
			fail_msg("row %zu", i);
	}
}

static void test_snapshot_at_reset(void **state)
{
	struct console *console = *state;

	feed(console, "Kernel panic\r\n");
	console_snapshot(console);
	feed(console, "\033[2J\033[Hfirmware again");
	assert_int_equal(count_lines_with(console, "Kernel panic"), 1);
	assert_string_equal(line_at(console, 0), "Kernel panic");
	assert_string_equal(line_at(console, 1), "firmware again");
}

/* Lines of the widest grid, of three bytes a character, are kept whole. */
static void test_wide_lines(void **state)
{
	struct console *console = *state;

	feed(console, "\033[8;25;320t\033[2J\033[H");
	for (int i = 0; i < 320; i++)
		feed(console, "\xE2\x95\x90");
	feed(console, "\033[2J");
	assert_int_equal(strlen(line_at(console, 0)), 960);
}

static void replay(struct console *console, const char *path)
{
	static uint8_t data[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		fail_msg("%s is missing: run the tests from the top of the tree", path);
	n = read(fd, data, sizeof(data));
	close(fd);
	assert_true(n > 0);
	console_feed(console, data, (size_t)n);
}

/* Real firmware: it clears right after it has said which device it boots, and that is still there. */
static void test_replays(void **state)
{
	struct console *console = *state;

	replay(console, "tests/data/ovmf-2022.11-shell.bin");
	assert_true(count_lines_with(console, "BdsDxe: ") > 0);
	assert_int_equal(count_lines_with(console, "UEFI Interactive Shell v2.2"), 1);
	assert_non_null(strstr(line_at(console, 0), "BdsDxe: failed to load Boot0001 \"UEFI QEMU DVD-ROM"));
	console_reset(console);
	replay(console, "tests/data/ovmf-2022.11-setup.bin");
	assert_true(count_lines_with(console, "Boot Maintenance Manager") >= 1);
	assert_true(line_count(console) >= 50);
}

/* ---- character sets by hand ---- */

static void test_charset_modes(void **state)
{
	static const struct {
		enum charset_mode mode;
		const char *in, *out;
	} table[] = {
		{CHARSET_AUTO, "\xC3\xA4\xB3", "\xC3\xA4\xE2\x94\x82"},
		{CHARSET_UTF8, "\xC3\xA4\xB3", "\xC3\xA4\xEF\xBF\xBD"},
		{CHARSET_CP437, "\xC3\xA4\xB3", "\xE2\x94\x9C\xC3\xB1\xE2\x94\x82"},
		{CHARSET_CP437, "\xE2\x94\x80", "\xCE\x93\xC3\xB6\xC3\x87"},
		{CHARSET_UTF8, "\xC4\xC4\xBF", "\xEF\xBF\xBD\xC4\xBF"},
	};
	struct console *console = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		console_reset(console);
		assert_int_equal(console_get_charset(console), CHARSET_AUTO);
		console_set_charset(console, table[i].mode);
		feed(console, table[i].in);
		console_idle(console);
		assert_string_equal(line_at(console, 0), table[i].out);
		assert_int_equal(console_get_charset(console), table[i].mode);
	}
	/* What was held back is not lost by the change. */
	console_reset(console);
	feed(console, "\xC3");
	console_set_charset(console, CHARSET_UTF8);
	feed(console, "\xC3\xA4");
	assert_string_equal(line_at(console, 0), "\xE2\x94\x9C\xC3\xA4");
}

/* ---- floods ---- */

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/*
 * 32 MiB of anything (RELIABILITY=full: 1 GiB): line noise, clears without end, lines of all lengths. No growth. It
 * ends: run-unit bounds its time.
 */
static void test_flood(void **state)
{
	static uint8_t chunks[4][1 << 16];
	struct console *console = *state;
	int count = (int)reliability_count(512, 16384);
	uint64_t start = loop_now_ms(), first, end;
	long before = 0;
	const char *clear = "x\033[2J";

	srandom(5);
	for (size_t i = 0; i < sizeof(chunks[0]); i++) {
		chunks[0][i] = (uint8_t)random();
		chunks[1][i] = random() % 7 == 0   ? 0x1B
			       : random() % 3 == 0 ? (uint8_t)"[];?0123456789HJKmtrhlABCDfLMP@XSTu"[random() % 35]
						   : (uint8_t)random();
		chunks[2][i] = (uint8_t)clear[i % 5];
		chunks[3][i] = random() % 40 ? (uint8_t)(0x20 + random() % 0x5F) : '\n';
	}
	for (int i = 0; i < count; i++) {
		/* Clears and scrolling cost the most: every cell of the grid is touched for a few bytes. */
		int which = i % 128 == 0 ? 2 : i % 16 == 1 ? 3 : i % 4 == 2 ? 0 : 1;

		console_feed(console, chunks[which], sizeof(chunks[0]));
		if (i == 63)
			before = resident_kib();
	}
	assert_true(resident_kib() - before < 4096);
	console_lines(console, &first, &end);
	assert_true(end - first <= SCROLLBACK_LINES + 120);
	print_message("reliability_console_garbage %d mib\n", count / 16);
	print_message("%d MiB in %llu ms\n", count / 16, (unsigned long long)(loop_now_ms() - start));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_keeps_the_newest),
		cmocka_unit_test(test_ring_of_long_lines),
		cmocka_unit_test_setup_teardown(test_lines_keep_their_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clear_is_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_erasures_are_no_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_snapshot_at_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wide_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_charset_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	};

	return cmocka_run_group_tests_name("ui_scrollback", tests, NULL, NULL);
}
