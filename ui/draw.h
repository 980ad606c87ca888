/*
 * Drawing on the curses screen: text measured in columns, clipped, made safe; frame lines; cells of
 * a guest's console. Everything the menu shows goes through here, so nothing untrusted reaches the
 * terminal as a control sequence.
 */
#ifndef VMB_UI_DRAW_H
#define VMB_UI_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "ui/console.h"
#include "ui/theme.h"

enum draw_glyph {
	GLYPH_HLINE,
	GLYPH_VLINE,
	GLYPH_TOP_LEFT,
	GLYPH_TOP_RIGHT,
	GLYPH_BOTTOM_LEFT,
	GLYPH_BOTTOM_RIGHT,
	GLYPH_MARK, /* beside the row under the cursor */
	GLYPH_MORE_ABOVE,
	GLYPH_MORE_BELOW,
	GLYPH_COUNT,
};

/* What a terminal can show beside ASCII. */
enum draw_charset {
	DRAW_ASCII,
	DRAW_ACS, /* lines, by switching to the terminal's line drawing set */
	DRAW_UTF8,
};

/*
 * After curses was started: chooses glyphs and the part of THEME (borrowed until the end) that fits.
 * COLOURS: may be used if the terminal has any. May be called again.
 */
void draw_start(enum draw_charset charset, bool colours, const struct theme *theme);

/* True if characters beyond ASCII are drawn. */
bool draw_has_utf8(void);

/* Columns TEXT (UTF-8) takes when drawn. */
int draw_columns(const char *text);

/*
 * Puts TEXT at ROW, COL in exactly WIDTH columns: padded with blanks, or cut with a mark. Outside
 * the screen nothing happens. Characters that are not printable show as '?'.
 */
void draw_text(int row, int col, int width, enum ui_element element, const char *text);
/* The same of a text that is made here, cut at 1023 bytes. */
void draw_printf(int row, int col, int width, enum ui_element element, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* TEXT so that it ends at column COL + WIDTH; draws nothing to the left of it. Returns its columns. */
int draw_right(int row, int col, int width, enum ui_element element, const char *text);

/* GLYPH in one column, as this terminal shows it. Outside the screen nothing happens. */
void draw_glyph(int row, int col, enum ui_element element, enum draw_glyph glyph);

/* A line across the screen. */
void draw_rule(int row);

/* An empty box with a border and TITLE in it. */
void draw_box(int row, int col, int height, int width, const char *title);

/* One cell of a guest's console. */
void draw_console_cell(int row, int col, const struct console_cell *cell);

/* CH if this terminal can show it, else an ASCII character that looks like it. */
uint32_t draw_safe_char(uint32_t ch, bool utf8);

#endif
