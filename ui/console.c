/*
 * See ui/console.h. The grid starts at 80x25. EDK2 moves to a bigger text mode either with an
 * announcement (ESC [ 8 ; rows ; cols t, since February 2025) or without one: then the first
 * cursor address outside the grid tells. libvterm would clamp that address and overprint the last
 * row, so the bytes are looked at before it gets them.
 */
#include "ui/console.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <vterm.h>

#include "text.h"
#include "ui/scrollback.h"

#define FEED_CHUNK 1024

/* What the pre-scan has seen of a control sequence. */
struct scan {
	enum { SCAN_TEXT, SCAN_ESC, SCAN_CSI } state;
	unsigned int args[4];
	unsigned int arg_count; /* index of the argument being read */
	bool other;		/* private or with intermediates: not one of ours */
	bool escape;		/* ESC and one letter, no control sequence */
};

struct console {
	VTerm *vt;
	VTermScreen *screen;
	struct charset charset;
	struct scan scan;
	bool cursor_visible;
	struct scrollback *scrollback;
	int drawn_first, drawn_end; /* grid rows something was drawn on since the last snapshot */
	console_output_fn output;
	void *output_arg;
};

/* EDK2's text modes in the order of its Terminal.c; all a cursor address may make the grid grow to. */
static const struct {
	int rows, cols;
} modes[] = {{25, 80}, {50, 80}, {31, 100}, {40, 128}, {42, 160}, {56, 240}};

#define MODE_COUNT (sizeof(modes) / sizeof(modes[0]))

/* What an announcement may ask for. */
#define ANNOUNCE_ROWS_MIN 10
#define ANNOUNCE_ROWS_MAX 120
#define ANNOUNCE_COLS_MIN 20
#define ANNOUNCE_COLS_MAX 320

static size_t cell_text(const VTermScreenCell *cell, char *out)
{
	uint32_t code = cell->chars[0];

	if (code == (uint32_t)-1)
		return 0;
	if (code == 0)
		code = ' ';
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xE0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3F));
		out[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3F));
	out[2] = (char)(0x80 | (code >> 6 & 0x3F));
	out[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

/* One line of cells as text without trailing blanks, in OUT of SIZE bytes. */
static void line_text(const VTermScreenCell *cells, int cols, char *out, size_t size)
{
	char raw[CONSOLE_TEXT_SIZE];
	size_t n = 0, end = 0;

	while (cols > 0 && (cells[cols - 1].chars[0] == 0 || cells[cols - 1].chars[0] == ' '))
		cols--;
	for (int col = 0; col < cols && n + 4 < sizeof(raw); col++) {
		n += cell_text(&cells[col], raw + n);
		if (n > 0 && raw[n - 1] != ' ')
			end = n;
	}
	text_escape(out, size, raw, end);
}

static int on_pushline(int cols, const VTermScreenCell *cells, void *user)
{
	struct console *console = user;
	char line[CONSOLE_TEXT_SIZE];

	line_text(cells, cols, line, sizeof(line));
	scrollback_push(console->scrollback, line);
	return 1;
}

static int on_damage(VTermRect rect, void *user)
{
	struct console *console = user;

	if (rect.start_row < console->drawn_first)
		console->drawn_first = rect.start_row;
	if (rect.end_row > console->drawn_end)
		console->drawn_end = rect.end_row;
	return 1;
}

static void drawn_none(struct console *console)
{
	console->drawn_first = INT_MAX;
	console->drawn_end = 0;
}

static int on_termprop(VTermProp prop, VTermValue *val, void *user)
{
	struct console *console = user;

	if (prop == VTERM_PROP_CURSORVISIBLE)
		console->cursor_visible = val->boolean;
	return 1;
}

static void on_output(const char *s, size_t len, void *user)
{
	struct console *console = user;

	console->output(console->output_arg, (const uint8_t *)s, len);
}

static const VTermScreenCallbacks screen_callbacks = {
	.damage = on_damage,
	.settermprop = on_termprop,
	.sb_pushline = on_pushline,
};

int console_create(console_output_fn output, void *arg, struct console **ret_console)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console)
		return -ENOMEM;
	console->vt = vterm_new(CONSOLE_ROWS, CONSOLE_COLS);
	if (!console->vt || scrollback_create(&console->scrollback) < 0) {
		if (console->vt)
			vterm_free(console->vt);
		free(console);
		return -ENOMEM;
	}
	console->output = output;
	console->output_arg = arg;
	vterm_set_utf8(console->vt, 1);
	vterm_output_set_callback(console->vt, on_output, console);
	console->screen = vterm_obtain_screen(console->vt);
	vterm_screen_set_callbacks(console->screen, &screen_callbacks, console);
	vterm_screen_enable_altscreen(console->screen, 1);
	console_reset(console);
	*ret_console = console;
	return 0;
}

void console_destroy(struct console *console)
{
	if (!console)
		return;
	vterm_free(console->vt);
	scrollback_destroy(console->scrollback);
	free(console);
}

void console_reset(struct console *console)
{
	console->charset = (struct charset){0};
	console->scan = (struct scan){0};
	console->cursor_visible = true;
	vterm_set_size(console->vt, CONSOLE_ROWS, CONSOLE_COLS);
	vterm_screen_reset(console->screen, 1);
	/* The reset itself may have pushed lines. */
	scrollback_clear(console->scrollback);
	drawn_none(console);
}

static void grow_for_address(struct console *console, unsigned int row, unsigned int col)
{
	int rows, cols;

	vterm_get_size(console->vt, &rows, &cols);
	if ((int)row <= rows && (int)col <= cols)
		return;
	for (size_t i = 0; i < MODE_COUNT; i++) {
		if (modes[i].rows < rows || modes[i].cols < cols ||
		    modes[i].rows < (int)row || modes[i].cols < (int)col)
			continue;
		vterm_set_size(console->vt, modes[i].rows, modes[i].cols);
		return;
	}
	/* Beyond every mode: a guest that asks where the corner is. libvterm clamps, as it expects. */
}

/* True if the sequence that ends with FINAL, which libvterm has not seen yet, clears the screen. */
static bool scan_clears(const struct console *console, uint8_t final)
{
	const struct scan *scan = &console->scan;
	VTermPos pos;

	if (scan->escape)
		return final == 'c';
	if (scan->other || final != 'J')
		return false;
	vterm_state_get_cursorpos(vterm_obtain_state(console->vt), &pos);
	return scan->args[0] == 2 || (scan->args[0] == 0 && pos.row == 0 && pos.col == 0);
}

static void scan_finish(struct console *console, uint8_t final)
{
	const struct scan *scan = &console->scan;

	if (scan->other || scan->escape)
		return;
	if (final == 'H' || final == 'f')
		grow_for_address(console, scan->args[0], scan->args[1]);
	if (final == 't' && scan->args[0] == 8 && scan->args[1] >= ANNOUNCE_ROWS_MIN &&
	    scan->args[1] <= ANNOUNCE_ROWS_MAX && scan->args[2] >= ANNOUNCE_COLS_MIN &&
	    scan->args[2] <= ANNOUNCE_COLS_MAX)
		vterm_set_size(console->vt, (int)scan->args[1], (int)scan->args[2]);
}

/* Looks at one byte; true if it ends a control sequence. */
static bool scan_byte(struct scan *scan, uint8_t byte)
{
	if (byte == 0x1B) {
		scan->state = SCAN_ESC;
		return false;
	}
	if (scan->state == SCAN_ESC) {
		*scan = (struct scan){.state = byte == '[' ? SCAN_CSI : SCAN_TEXT, .escape = byte != '['};
		return byte == 'c';
	}
	if (scan->state != SCAN_CSI || byte < 0x20)
		return false;
	if (byte >= '0' && byte <= '9') {
		if (scan->arg_count < 4 && scan->args[scan->arg_count] < 100000)
			scan->args[scan->arg_count] = scan->args[scan->arg_count] * 10 + byte - '0';
		return false;
	}
	if (byte == ';') {
		scan->arg_count++;
		return false;
	}
	if (byte < 0x40) {
		scan->other = true;
		return false;
	}
	scan->state = SCAN_TEXT;
	return true;
}

static void grid_line(const struct console *console, int row, char *out, size_t size)
{
	VTermScreenCell cells[ANNOUNCE_COLS_MAX];
	int rows, cols;

	vterm_get_size(console->vt, &rows, &cols);
	if (cols > ANNOUNCE_COLS_MAX)
		cols = ANNOUNCE_COLS_MAX;
	for (int col = 0; col < cols; col++)
		vterm_screen_get_cell(console->screen, (VTermPos){.row = row, .col = col},
				      &cells[col]);
	line_text(cells, cols, out, size);
}

static bool grid_row_is_blank(const struct console *console, int row)
{
	char line[CONSOLE_TEXT_SIZE];

	grid_line(console, row, line, sizeof(line));
	return line[0] == '\0';
}

void console_snapshot(struct console *console)
{
	int rows, cols, last;

	vterm_get_size(console->vt, &rows, &cols);
	last = console->drawn_end < rows ? console->drawn_end : rows;
	while (last > console->drawn_first && grid_row_is_blank(console, last - 1))
		last--;
	for (int row = console->drawn_first; row < last; row++) {
		char line[CONSOLE_TEXT_SIZE];

		grid_line(console, row, line, sizeof(line));
		scrollback_push(console->scrollback, line);
	}
	drawn_none(console);
}

/* Gives converted bytes to libvterm; the grid changes right before the byte that needs it bigger. */
static void feed_utf8(struct console *console, const char *buf, size_t n)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		if (!scan_byte(&console->scan, (uint8_t)buf[i]))
			continue;
		vterm_input_write(console->vt, buf + done, i - done);
		done = i;
		if (scan_clears(console, (uint8_t)buf[i])) {
			console_snapshot(console);
			vterm_input_write(console->vt, buf + done, 1);
			done++;
			/* Clearing touches every row but draws on none. */
			drawn_none(console);
		} else {
			scan_finish(console, (uint8_t)buf[i]);
		}
	}
	vterm_input_write(console->vt, buf + done, n - done);
}

void console_feed(struct console *console, const uint8_t *buf, size_t n)
{
	char out[CHARSET_ROOM(FEED_CHUNK)];

	while (n > 0) {
		size_t part = n < FEED_CHUNK ? n : FEED_CHUNK;

		feed_utf8(console, out, charset_convert(&console->charset, buf, part, out));
		buf += part;
		n -= part;
	}
}

void console_idle(struct console *console)
{
	char out[CHARSET_ROOM(0)];

	feed_utf8(console, out, charset_flush(&console->charset, out));
}

void console_size(const struct console *console, int *ret_rows, int *ret_cols)
{
	vterm_get_size(console->vt, ret_rows, ret_cols);
}

void console_cursor(const struct console *console, int *ret_row, int *ret_col, bool *ret_visible)
{
	VTermPos pos;

	vterm_state_get_cursorpos(vterm_obtain_state(console->vt), &pos);
	*ret_row = pos.row;
	*ret_col = pos.col;
	*ret_visible = console->cursor_visible;
}

/* The nearest of xterm's 6x6x6 cube (16-231). */
static int16_t colour_from_rgb(const VTermColor *colour)
{
	int r = (colour->rgb.red + 25) / 51, g = (colour->rgb.green + 25) / 51,
	    b = (colour->rgb.blue + 25) / 51;

	return (int16_t)(16 + 36 * r + 6 * g + b);
}

static int16_t colour_index(const VTermColor *colour, bool is_default)
{
	if (is_default)
		return -1;
	if (VTERM_COLOR_IS_INDEXED(colour))
		return colour->indexed.idx;
	return colour_from_rgb(colour);
}

void console_cell(const struct console *console, int row, int col, struct console_cell *ret_cell)
{
	VTermScreenCell cell;
	int rows, cols;

	*ret_cell = (struct console_cell){.ch = ' ', .width = 1, .fg = -1, .bg = -1};
	vterm_get_size(console->vt, &rows, &cols);
	if (row < 0 || row >= rows || col < 0 || col >= cols ||
	    !vterm_screen_get_cell(console->screen, (VTermPos){.row = row, .col = col}, &cell))
		return;
	if (cell.chars[0] == (uint32_t)-1)
		ret_cell->width = 0;
	else if (cell.chars[0] != 0)
		ret_cell->ch = cell.chars[0];
	if (cell.width == 2)
		ret_cell->width = 2;
	ret_cell->fg = colour_index(&cell.fg, VTERM_COLOR_IS_DEFAULT_FG(&cell.fg));
	ret_cell->bg = colour_index(&cell.bg, VTERM_COLOR_IS_DEFAULT_BG(&cell.bg));
	ret_cell->bold = cell.attrs.bold;
	ret_cell->underline = cell.attrs.underline != 0;
	ret_cell->blink = cell.attrs.blink;
	ret_cell->reverse = cell.attrs.reverse;
}

void console_set_charset(struct console *console, enum charset_mode mode)
{
	console_idle(console);
	console->charset = (struct charset){.mode = mode};
}

enum charset_mode console_get_charset(const struct console *console)
{
	return console->charset.mode;
}

void console_lines(const struct console *console, uint64_t *ret_first, uint64_t *ret_end)
{
	int rows, cols;

	vterm_get_size(console->vt, &rows, &cols);
	while (rows > 0 && grid_row_is_blank(console, rows - 1))
		rows--;
	*ret_first = scrollback_first(console->scrollback);
	*ret_end = scrollback_next(console->scrollback) + (uint64_t)rows;
}

void console_line(const struct console *console, uint64_t number, char out[CONSOLE_TEXT_SIZE])
{
	uint64_t next = scrollback_next(console->scrollback);
	int rows, cols;

	vterm_get_size(console->vt, &rows, &cols);
	if (number < next)
		scrollback_line(console->scrollback, number, out, CONSOLE_TEXT_SIZE);
	else if (number - next < (uint64_t)rows)
		grid_line(console, (int)(number - next), out, CONSOLE_TEXT_SIZE);
	else
		out[0] = '\0';
}

unsigned int console_tail(const struct console *console, char (*lines)[CONSOLE_LINE_SIZE],
			  unsigned int max)
{
	uint64_t first, at;
	unsigned int count = 0;

	console_lines(console, &first, &at);
	/* Newest first from the end of LINES, then move down. */
	while (at > first && count < max) {
		char line[CONSOLE_TEXT_SIZE];

		console_line(console, --at, line);
		if (line[0] == '\0')
			continue;
		count++;
		text_escape(lines[max - count], CONSOLE_LINE_SIZE, line, strlen(line));
	}
	memmove(lines, lines + (max - count), count * CONSOLE_LINE_SIZE);
	return count;
}
