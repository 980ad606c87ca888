/* The guest's console: character sets, the grid that grows, recordings of real firmware. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/charset.h"
#include "ui/console.h"

static char answers[4096];
static size_t answers_len;

static void on_answer(void *arg, const uint8_t *buf, size_t n)
{
	(void)arg;
	if (answers_len + n > sizeof(answers))
		return;
	memcpy(answers + answers_len, buf, n);
	answers_len += n;
}

static int setup(void **state)
{
	answers_len = 0;
	return console_create(on_answer, NULL, (struct console **)state);
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

static uint32_t char_at(struct console *console, int row, int col)
{
	struct console_cell cell;

	console_cell(console, row, col, &cell);
	return cell.ch;
}

/* Row ROW as ASCII ('#' for anything else), blanks at the end cut. */
static const char *row_text(struct console *console, int row)
{
	static char text[400];
	int rows, cols, end = 0;

	console_size(console, &rows, &cols);
	for (int col = 0; col < cols; col++) {
		uint32_t ch = char_at(console, row, col);

		text[col] = ch < 0x7F ? (char)ch : '#';
		if (ch != ' ')
			end = col + 1;
	}
	text[end] = '\0';
	return text;
}

static void assert_size(struct console *console, int rows, int cols)
{
	int r, c;

	console_size(console, &r, &c);
	assert_int_equal(r, rows);
	assert_int_equal(c, cols);
}

/* Converts IN in pieces of CHUNK bytes, flushes, compares. */
static void assert_converts(const char *in, const char *want, size_t chunk)
{
	struct charset charset = {0};
	char out[CHARSET_ROOM(256)];
	size_t n = strlen(in), at = 0;

	for (size_t i = 0; i < n; i += chunk)
		at += charset_convert(&charset, (const uint8_t *)in + i,
				      n - i < chunk ? n - i : chunk, out + at);
	at += charset_flush(&charset, out + at);
	out[at] = '\0';
	assert_string_equal(out, want);
}

static void test_charset(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{"plain\r\n\033[1m", "plain\r\n\033[1m"},
		/* UTF-8 of two, three and four bytes passes. */
		{"\xC3\xA4 \xE2\x94\x80 \xF0\x9F\x98\x80", "\xC3\xA4 \xE2\x94\x80 \xF0\x9F\x98\x80"},
		/* A box of code page 437; C4 BF at its end would be valid UTF-8. */
		{"\xDA\xC4\xC4\xC4\xBF", "\xE2\x94\x8C\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\x90"},
		{"\xC0\xC4\xC4\xD9", "\xE2\x94\x94\xE2\x94\x80\xE2\x94\x80\xE2\x94\x98"},
		{"\xB3x\xB3", "\xE2\x94\x82x\xE2\x94\x82"},
		/* Overlong forms and surrogates are no UTF-8. */
		{"\xC0\x80", "\xE2\x94\x94\xC3\x87"},
		{"\xED\xA0\x80", "\xCF\x86\xC3\xA1\xC3\x87"},
		/* Cut at the end: what the bytes mean alone. */
		{"\xC4", "\xE2\x94\x80"},
		{"\xE2\x94", "\xCE\x93\xC3\xB6"},
		{"\xFF", "\xC2\xA0"},
		/* An escape inside a sequence is not swallowed. */
		{"\xE2\033[m", "\xCE\x93\033[m"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		for (size_t chunk = 1; chunk < 8; chunk++)
			assert_converts(table[i].in, table[i].out, chunk);
}

/* Lasting evidence for one character set is not overthrown by one damaged byte. */
static void test_charset_remembers(void **state)
{
	struct charset charset = {0};
	char out[CHARSET_ROOM(64)];
	size_t n;

	(void)state;
	for (int i = 0; i < 10; i++)
		charset_convert(&charset, (const uint8_t *)"\xC3\xA4", 2, out);
	charset_convert(&charset, (const uint8_t *)"\xFF", 1, out);
	n = charset_convert(&charset, (const uint8_t *)"\xC3\xBC", 2, out);
	assert_int_equal(n, 2);
	assert_memory_equal(out, "\xC3\xBC", 2);
}

static void test_charset_random(void **state)
{
	struct charset charset = {0};

	(void)state;
	srandom(11);
	for (int i = 0; i < 20000; i++) {
		uint8_t in[16];
		size_t n = (size_t)random() % sizeof(in);
		char *out = malloc(CHARSET_ROOM(n));

		for (size_t k = 0; k < n; k++)
			in[k] = (uint8_t)random();
		assert_true(charset_convert(&charset, in, n, out) <= CHARSET_ROOM(n));
		free(out);
	}
}

static void test_text_and_attributes(void **state)
{
	struct console *console = *state;
	struct console_cell cell;
	int row, col;
	bool visible;

	assert_size(console, 25, 80);
	feed(console, "\033[2;3Hhello \033[1;33;44mworld\033[0m");
	assert_string_equal(row_text(console, 1), "  hello world");
	console_cell(console, 1, 8, &cell);
	assert_true(cell.bold);
	assert_int_equal(cell.fg, 3);
	assert_int_equal(cell.bg, 4);
	console_cell(console, 1, 2, &cell);
	assert_false(cell.bold);
	assert_int_equal(cell.fg, -1);
	console_cursor(console, &row, &col, &visible);
	assert_int_equal(row, 1);
	assert_int_equal(col, 13);
	assert_true(visible);
	feed(console, "\033[?25l");
	console_cursor(console, &row, &col, &visible);
	assert_false(visible);
	/* Outside the grid there is nothing, and no crash. */
	assert_int_equal(char_at(console, -1, 0), ' ');
	assert_int_equal(char_at(console, 25, 0), ' ');
	assert_int_equal(char_at(console, 0, 80), ' ');
}

static void test_grid_grows_with_addresses(void **state)
{
	struct console *console = *state;

	feed(console, "\033[25;80Hx");
	assert_size(console, 25, 80);
	/* EDK2's 80x50, told by nothing but this address; the text lands where it belongs. */
	feed(console, "kept\033[48;03HMove Highlight");
	assert_size(console, 50, 80);
	assert_string_equal(row_text(console, 47), "  Move Highlight");
	/* Wider: the next mode that has room for what was there too. */
	feed(console, "\033[001;081Hy");
	assert_size(console, 56, 240);
	feed(console, "\033[2;2H");
	assert_size(console, 56, 240);
}

static void test_grid_modes(void **state)
{
	struct console *console = *state;

	feed(console, "\033[1;100H");
	assert_size(console, 31, 100);
	feed(console, "\033[31;128f");
	assert_size(console, 40, 128);
	feed(console, "\033[41;160H");
	assert_size(console, 42, 160);
	console_reset(console);
	assert_size(console, 25, 80);
	assert_string_equal(row_text(console, 0), "");
}

static void test_grid_announcement(void **state)
{
	struct console *console = *state;

	feed(console, "\033[8;31;100t\033[31;100Hz");
	assert_size(console, 31, 100);
	assert_int_equal(char_at(console, 30, 99), 'z');
	feed(console, "\033[8;25;80t");
	assert_size(console, 25, 80);
	/* Nonsense is not followed. */
	feed(console, "\033[8;0;0t\033[8;9999;9999t\033[8t\033[9;50;80t\033[?8;50;80t\033[8;50;80;1 t");
	assert_size(console, 25, 80);
}

/* A guest asks for the corner with an address far outside and a position report. */
static void test_size_question_is_answered(void **state)
{
	struct console *console = *state;

	feed(console, "\033[999;999H\033[6n");
	assert_size(console, 25, 80);
	assert_int_equal(answers_len, 8);
	assert_memory_equal(answers, "\033[25;80R", 8);
	answers_len = 0;
	feed(console, "\033[c\033[5n");
	assert_true(answers_len > 0);
}

static void test_tail(void **state)
{
	struct console *console = *state;
	char lines[12][CONSOLE_LINE_SIZE];
	unsigned int n;

	assert_int_equal(console_tail(console, lines, 12), 0);
	feed(console, "first\r\n\r\nsecond  \r\n\xC4\xC4\xC4\xB4");
	n = console_tail(console, lines, 12);
	assert_int_equal(n, 3);
	assert_string_equal(lines[0], "first");
	assert_string_equal(lines[1], "second");
	assert_string_equal(lines[2], "\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\xA4");
	n = console_tail(console, lines, 1);
	assert_int_equal(n, 1);
	assert_string_equal(lines[0], "\xE2\x94\x80\xE2\x94\x80\xE2\x94\x80\xE2\x94\xA4");
	/* What scrolled away or was cleared comes back, in order. */
	console_reset(console);
	for (int i = 0; i < 30; i++) {
		char line[32];

		snprintf(line, sizeof(line), "\r\nline %d", i);
		feed(console, line);
	}
	feed(console, "\033[2J");
	n = console_tail(console, lines, 3);
	assert_int_equal(n, 3);
	assert_string_equal(lines[0], "line 27");
	assert_string_equal(lines[2], "line 29");
}

/* Feeds a recording in pieces of CHUNK bytes, at most LIMIT of them. */
static void replay(struct console *console, const char *path, size_t chunk, size_t limit)
{
	static uint8_t data[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		fail_msg("%s is missing: run the tests from the top of the tree", path);
	n = read(fd, data, sizeof(data));
	close(fd);
	assert_true(n > 0);
	if ((size_t)n > limit)
		n = (ssize_t)limit;
	for (size_t at = 0; at < (size_t)n; at += chunk)
		console_feed(console, data + at, (size_t)n - at < chunk ? (size_t)n - at : chunk);
}

static void test_replay_shell(void **state)
{
	static const size_t chunks[] = {1, 7, 64, 4096};
	struct console *console = *state;
	int row, col;
	bool visible;

	for (size_t i = 0; i < 4; i++) {
		console_reset(console);
		replay(console, "tests/data/ovmf-2022.11-shell.bin", chunks[i], SIZE_MAX);
		assert_size(console, 25, 80);
		assert_string_equal(row_text(console, 0), "UEFI Interactive Shell v2.2");
		assert_string_equal(row_text(console, 5),
				    "          PciRoot(0x0)/Pci(0x1F,0x2)/Sata(0x2,0xFFFF,0x0)");
		assert_string_equal(row_text(console, 7), "Shell>");
		console_cursor(console, &row, &col, &visible);
		assert_int_equal(row, 7);
		assert_int_equal(col, 7);
	}
	assert_int_equal(answers_len, 0);
}

/* The set-up of the same firmware: 80x50 without a word, code page 437. The line lost some bytes. */
static void test_replay_setup(void **state)
{
	struct console *console = *state;

	replay(console, "tests/data/ovmf-2022.11-setup.bin", 100, 8900);
	assert_size(console, 50, 80);
	assert_int_equal(char_at(console, 0, 0), 0x250C);
	for (int col = 1; col < 79; col++)
		assert_int_equal(char_at(console, 0, col), 0x2500);
	assert_int_equal(char_at(console, 0, 79), 0x2510);
	assert_int_equal(char_at(console, 1, 0), 0x2502);
	assert_non_null(strstr(row_text(console, 1), "Boot Maintenance Manager"));
	assert_non_null(strstr(row_text(console, 47), "=Select Entry"));
	replay(console, "tests/data/ovmf-2022.11-setup.bin", 1, SIZE_MAX);
	for (int row = 0; row < 50; row++)
		for (int col = 0; col < 80; col++)
			assert_int_not_equal(char_at(console, row, col), 0xFFFD);
}

/*
 * CLOUDHV.fd of edk2-2026.08, as `vmboot run --log` recorded it: UTF-8, 80 x 25 without an announcement. The front page of
 * its set-up, with the highlight moved, and its shell.
 */
static void test_replay_cloudhv(void **state)
{
	static const size_t chunks[] = {1, 7, 4096};
	struct console *console = *state;
	struct console_cell marked, plain;

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		console_reset(console);
		replay(console, "tests/data/cloudhv-2026.08-setup.bin", chunks[i], SIZE_MAX);
		assert_size(console, 25, 80);
		assert_string_equal(row_text(console, 1), " Virtual Machine");
		assert_int_equal(char_at(console, 10, 1), 0x25BA);
		assert_non_null(strstr(row_text(console, 11), "Boot Maintenance Manager"));
		assert_int_equal(char_at(console, 22, 2), 0x2191);
		assert_int_equal(char_at(console, 22, 3), 0x2193);
		for (int row = 0; row < 25; row++)
			for (int col = 0; col < 80; col++)
				assert_int_not_equal(char_at(console, row, col), 0xFFFD);
		/* One line of the menu stands out. */
		console_cell(console, 9, 5, &marked);
		console_cell(console, 10, 5, &plain);
		assert_true(marked.bg != plain.bg || marked.fg != plain.fg ||
			    marked.bold != plain.bold);
		console_reset(console);
		replay(console, "tests/data/cloudhv-2026.08-shell.bin", chunks[i], SIZE_MAX);
		assert_size(console, 25, 80);
		assert_string_equal(row_text(console, 0), "UEFI Interactive Shell v2.2");
		assert_non_null(strstr(row_text(console, 2), "UEFI v2.70"));
	}
	assert_int_equal(answers_len, 0);
}

/* A newer one: UTF-8, and the announcement. */
static void test_utf8_firmware(void **state)
{
	struct console *console = *state;

	feed(console, "\033[8;31;100t\033[2J\033[001;001H\xE2\x94\x8C\xE2\x94\x80\xE2\x94\x90");
	assert_size(console, 31, 100);
	assert_int_equal(char_at(console, 0, 0), 0x250C);
	assert_int_equal(char_at(console, 0, 1), 0x2500);
	assert_int_equal(char_at(console, 0, 2), 0x2510);
}

static void test_garbage(void **state)
{
	struct console *console = *state;
	char lines[12][CONSOLE_LINE_SIZE];

	srandom(23);
	for (int i = 0; i < 3000; i++) {
		uint8_t buf[200];
		int rows, cols;

		for (size_t k = 0; k < sizeof(buf); k++)
			buf[k] = random() % 5 == 0   ? 0x1B
				 : random() % 3 == 0 ? (uint8_t)"[];?0123456789HJKmtrhlABCDfLMP@XSTu"[random() % 35]
						     : (uint8_t)random();
		console_feed(console, buf, sizeof(buf));
		console_size(console, &rows, &cols);
		assert_true(rows >= 1 && rows <= 120 && cols >= 1 && cols <= 320);
		if (i % 50 == 0) {
			console_tail(console, lines, 12);
			console_idle(console);
		}
		if (i % 500 == 0)
			console_reset(console);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charset),
		cmocka_unit_test(test_charset_remembers),
		cmocka_unit_test(test_charset_random),
		cmocka_unit_test_setup_teardown(test_text_and_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grid_grows_with_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grid_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grid_announcement, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size_question_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replay_shell, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replay_setup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replay_cloudhv, setup, teardown),
		cmocka_unit_test_setup_teardown(test_utf8_firmware, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
	};

	return cmocka_run_group_tests_name("ui_console", tests, NULL, NULL);
}
