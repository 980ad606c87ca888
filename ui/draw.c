/* See ui/draw.h. Part of the curses singleton: its state is the screen's. */
#include "ui/draw.h"

#include <curses.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

#define TEXT_MAX      512
#define CONSOLE_PAIRS 192

static struct {
	bool utf8;
	bool acs;
	bool colours;
	const struct theme_style *styles; /* the theme's part for this terminal */
	/* Colour pairs given out to console cells, after those of the elements. */
	struct {
		int16_t fg, bg;
	} pairs[CONSOLE_PAIRS];
	int pair_count;
} draw;

static const uint32_t glyphs[2][GLYPH_COUNT] = {
	{'-', '|', '+', '+', '+', '+', '>', '^', 'v'},
	{0x2500, 0x2502, 0x250C, 0x2510, 0x2514, 0x2518, 0x25BA, 0x25B2, 0x25BC},
};

/* Bring a colour of xterm's 256 to one this terminal has. */
static int16_t fit_colour(int16_t colour, bool *ret_bold)
{
	int cube, r, g, b;

	if (colour < 0 || colour < COLORS)
		return colour;
	if (colour < 16) {
		*ret_bold = true;
		return (int16_t)(colour - 8);
	}
	if (colour >= 232)
		return colour >= 244 ? COLOR_WHITE : COLOR_BLACK;
	cube = colour - 16;
	r = cube / 36 >= 3;
	g = cube / 6 % 6 >= 3;
	b = cube % 6 >= 3;
	return (int16_t)(r | g << 1 | b << 2);
}

void draw_start(enum draw_charset charset, bool colours, const struct theme *theme)
{
	bool ignored;

	memset(&draw, 0, sizeof(draw));
	draw.utf8 = charset == DRAW_UTF8;
	draw.acs = charset == DRAW_ACS;
	draw.colours = colours && has_colors() && start_color() == OK &&
		       COLOR_PAIRS > UI_ELEMENT_COUNT + 1;
	draw.styles = theme->styles[draw.colours ? THEME_COLOUR : THEME_MONO];
	if (!draw.colours)
		return;
	use_default_colors();
	for (int i = 0; i < UI_ELEMENT_COUNT; i++)
		init_pair((short)(i + 1), fit_colour(draw.styles[i].fg, &ignored),
			  fit_colour(draw.styles[i].bg, &ignored));
	/* What no screen draws on has the theme's background too. */
	if (draw.styles[UI_NORMAL].fg >= 0 || draw.styles[UI_NORMAL].bg >= 0)
		bkgdset(' ' | COLOR_PAIR(UI_NORMAL + 1));
	else
		bkgdset(' ');
}

bool draw_has_utf8(void)
{
	return draw.utf8;
}

static void set_element(enum ui_element element)
{
	bool bold = false;
	attr_t attrs = draw.styles[element].attrs;

	if (draw.colours)
		fit_colour(draw.styles[element].fg, &bold);
	attr_set(bold ? attrs | A_BOLD : attrs, draw.colours ? (short)(element + 1) : 0, NULL);
}

/* Light shades and blocks, arrows and lines of code page 437 as ASCII. */
static uint32_t ascii_like(uint32_t ch)
{
	if (ch >= 0x2500 && ch <= 0x257F) {
		static const uint16_t horizontal[] = {0x2500, 0x2501, 0x2504, 0x2505,
						      0x2508, 0x2509, 0x2550};
		static const uint16_t vertical[] = {0x2502, 0x2503, 0x2506, 0x2507,
						    0x250A, 0x250B, 0x2551};

		for (size_t i = 0; i < sizeof(horizontal) / sizeof(horizontal[0]); i++) {
			if (ch == horizontal[i])
				return ch == 0x2550 ? '=' : '-';
			if (ch == vertical[i])
				return '|';
		}
		return '+';
	}
	if (ch >= 0x2580 && ch <= 0x259F)
		return '#';
	switch (ch) {
	case 0x2191:
	case 0x25B2: return '^';
	case 0x2193:
	case 0x25BC: return 'v';
	case 0x2190:
	case 0x25C4: return '<';
	case 0x2192:
	case 0x25BA: return '>';
	case 0x00A0: return ' ';
	default: return '?';
	}
}

uint32_t draw_safe_char(uint32_t ch, bool utf8)
{
	if (ch >= 0x20 && ch < 0x7F)
		return ch;
	/* Controls, and marks that turn text around. */
	if (ch < 0xA0 || (ch >= 0x200B && ch <= 0x200F) || (ch >= 0x2028 && ch <= 0x202E) ||
	    (ch >= 0x2060 && ch <= 0x206F) || ch == 0xFEFF || ch == 0x00AD || ch > 0x10FFFF)
		return '?';
	if (!utf8)
		return ascii_like(ch);
	return wcwidth((wchar_t)ch) > 0 ? ch : '?';
}

/* Next character of TEXT made showable; 0 at the end. Sets its width and how many bytes it took. */
static uint32_t next_char(const char *text, size_t *ret_len, int *ret_width)
{
	const unsigned char *u = (const unsigned char *)text;
	size_t len = text_utf8_len(text, strnlen(text, 4));
	uint32_t ch = '?';

	*ret_len = len ? len : 1;
	*ret_width = 1;
	if (u[0] == '\0')
		return 0;
	if (len == 1)
		ch = u[0];
	else if (len == 2)
		ch = (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
	else if (len == 3)
		ch = (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
	else if (len == 4)
		ch = (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 |
		     (u[3] & 0x3Fu);
	ch = draw_safe_char(ch, draw.utf8);
	if (ch >= 0x80 && wcwidth((wchar_t)ch) == 2)
		*ret_width = 2;
	return ch;
}

int draw_columns(const char *text)
{
	int columns = 0, width;
	size_t len;

	while (next_char(text, &len, &width) != 0) {
		columns += width;
		text += len;
	}
	return columns;
}

void draw_text(int row, int col, int width, enum ui_element element, const char *text)
{
	wchar_t out[TEXT_MAX];
	int n = 0, used = 0, char_width;
	bool cut = draw_columns(text) > width;
	uint32_t ch;
	size_t len;

	if (row < 0 || row >= LINES || col < 0 || col >= COLS || width <= 0)
		return;
	if (width > COLS - col)
		width = COLS - col;
	if (width > TEXT_MAX - 2)
		width = TEXT_MAX - 2;
	while ((ch = next_char(text, &len, &char_width)) != 0 &&
	       used + char_width <= width - (cut ? 1 : 0)) {
		out[n++] = (wchar_t)ch;
		used += char_width;
		text += len;
	}
	if (cut && used < width) {
		out[n++] = '~';
		used++;
	}
	for (; used < width; used++)
		out[n++] = ' ';
	set_element(element);
	mvaddnwstr(row, col, out, n);
	attr_set(A_NORMAL, 0, NULL);
}

void draw_printf(int row, int col, int width, enum ui_element element, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	draw_text(row, col, width, element, text);
}

int draw_right(int row, int col, int width, enum ui_element element, const char *text)
{
	int columns = draw_columns(text);

	if (columns > width)
		columns = width;
	draw_text(row, col + width - columns, columns, element, text);
	return columns;
}

/*
 * The letter that stands for CH in a VT100's line drawing set if this terminal is to use that and has it,
 * else 0.
 */
static wchar_t acs_letter(uint32_t ch)
{
	static const struct {
		uint16_t ch;
		char letter;
	} lines[] = {
		{0x2500, 'q'}, {0x2502, 'x'}, {0x250C, 'l'}, {0x2510, 'k'}, {0x2514, 'm'}, {0x2518, 'j'},
		{0x251C, 't'}, {0x2524, 'u'}, {0x252C, 'w'}, {0x2534, 'v'}, {0x253C, 'n'},
	};

	for (size_t i = 0; draw.acs && i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i].ch == ch && (acs_map[(int)lines[i].letter] & A_ALTCHARSET))
			return lines[i].letter;
	return 0;
}

void draw_glyph(int row, int col, enum ui_element element, enum draw_glyph glyph)
{
	wchar_t wide = (wchar_t)glyphs[draw.utf8 ? 1 : 0][glyph], letter = acs_letter(glyphs[1][glyph]);

	if (row < 0 || row >= LINES || col < 0 || col >= COLS)
		return;
	set_element(element);
	if (letter)
		attron(A_ALTCHARSET);
	mvaddnwstr(row, col, letter ? &letter : &wide, 1);
	attr_set(A_NORMAL, 0, NULL);
}

void draw_rule(int row)
{
	for (int col = 0; col < COLS; col++)
		draw_glyph(row, col, UI_RULE, GLYPH_HLINE);
}

void draw_box(int row, int col, int height, int width, const char *title)
{
	int columns = draw_columns(title);

	for (int y = 0; y < height; y++)
		draw_text(row + y, col, width, UI_DIALOG, "");
	for (int x = 1; x < width - 1; x++) {
		draw_glyph(row, col + x, UI_DIALOG, GLYPH_HLINE);
		draw_glyph(row + height - 1, col + x, UI_DIALOG, GLYPH_HLINE);
	}
	for (int y = 1; y < height - 1; y++) {
		draw_glyph(row + y, col, UI_DIALOG, GLYPH_VLINE);
		draw_glyph(row + y, col + width - 1, UI_DIALOG, GLYPH_VLINE);
	}
	draw_glyph(row, col, UI_DIALOG, GLYPH_TOP_LEFT);
	draw_glyph(row, col + width - 1, UI_DIALOG, GLYPH_TOP_RIGHT);
	draw_glyph(row + height - 1, col, UI_DIALOG, GLYPH_BOTTOM_LEFT);
	draw_glyph(row + height - 1, col + width - 1, UI_DIALOG, GLYPH_BOTTOM_RIGHT);
	if (columns > width - 6)
		columns = width - 6;
	draw_text(row, col + 3, columns, UI_DIALOG, title);
}

/*
 * A pair for FG on BG; 0 when there are no more. The terminal's own colours have a pair too: where a
 * theme has a background, curses takes 0 for that.
 */
static short console_pair(int16_t fg, int16_t bg)
{
	int first = UI_ELEMENT_COUNT + 1;

	if (fg < 0 && bg < 0 && getbkgd(stdscr) == ' ')
		return 0;
	for (int i = 0; i < draw.pair_count; i++)
		if (draw.pairs[i].fg == fg && draw.pairs[i].bg == bg)
			return (short)(first + i);
	if (draw.pair_count >= CONSOLE_PAIRS || first + draw.pair_count >= COLOR_PAIRS ||
	    init_pair((short)(first + draw.pair_count), fg, bg) == ERR)
		return 0;
	draw.pairs[draw.pair_count].fg = fg;
	draw.pairs[draw.pair_count].bg = bg;
	return (short)(first + draw.pair_count++);
}

/* True for a background that is light: shown in reverse where there are no colours. */
static bool is_light(int16_t colour)
{
	if (colour < 0)
		return false;
	if (colour < 16)
		return colour == 7 || colour > 8;
	return colour >= 244 || (colour < 232 && (colour - 16) / 6 % 6 >= 3);
}

void draw_console_cell(int row, int col, const struct console_cell *cell)
{
	wchar_t letter = acs_letter(cell->ch);
	wchar_t text[2] = {letter ? letter : (wchar_t)draw_safe_char(cell->ch, draw.utf8), 0};
	bool bold = cell->bold, ignored = false, reverse = cell->reverse;
	attr_t attrs = A_NORMAL;
	short pair = 0;
	cchar_t cc;

	if (cell->width == 0 || row < 0 || row >= LINES || col < 0 || col >= COLS)
		return;
	if (draw.colours) {
		int16_t fg = fit_colour(cell->fg, &bold), bg = fit_colour(cell->bg, &ignored);

		pair = console_pair(fg, bg);
	} else if (is_light(cell->bg)) {
		reverse = !reverse;
	}
	if (bold)
		attrs |= A_BOLD;
	if (cell->underline)
		attrs |= A_UNDERLINE;
	if (cell->blink)
		attrs |= A_BLINK;
	if (reverse)
		attrs |= A_REVERSE;
	if (letter)
		attrs |= A_ALTCHARSET;
	if (setcchar(&cc, text, attrs, pair, NULL) == OK)
		mvadd_wch(row, col, &cc);
}
