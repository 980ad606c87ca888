/*
 * A guest's serial console as a grid of characters: libvterm behind our own character-set
 * conversion and our rule for the grid's size. Knows no screen; ui/screen_console.c draws it. The
 * only user of libvterm.
 */
#ifndef VMB_UI_CONSOLE_H
#define VMB_UI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ui/charset.h"

#define CONSOLE_ROWS	  25
#define CONSOLE_COLS	  80
#define CONSOLE_LINE_SIZE 256
#define CONSOLE_TEXT_SIZE 1536 /* a whole line of the widest grid */

struct console;

struct console_cell {
	uint32_t ch;   /* a printable Unicode character; a space where nothing was written */
	uint8_t width; /* columns: 1 or 2; 0 for the right half of a wide character */
	int16_t fg, bg; /* -1 default, 0-255 of xterm's palette */
	bool bold, underline, blink, reverse;
};

/* Answers of the terminal (cursor position reports and the like), for the guest's input. */
typedef void (*console_output_fn)(void *arg, const uint8_t *buf, size_t n);

/* 0 or -ENOMEM. The caller owns the console. */
int console_create(console_output_fn output, void *arg, struct console **ret_console);
void console_destroy(struct console *console); /* NULL is fine */

/* A new machine was plugged in: 25 x 80, empty, nothing remembered. */
void console_reset(struct console *console);

/* N bytes as the guest wrote them, anything at all. */
void console_feed(struct console *console, const uint8_t *buf, size_t n);

/* How bytes from 0x80 on are read from now on; a new machine starts with CHARSET_AUTO. */
void console_set_charset(struct console *console, enum charset_mode mode);
enum charset_mode console_get_charset(const struct console *console);

/*
 * Adds what was drawn since the last one to the lines that scrolled away. Happens by itself before
 * the guest clears the screen or resets the terminal; for a reset of the machine the caller does it.
 */
void console_snapshot(struct console *console);

/*
 * The lines that can be looked at: those that scrolled away (the oldest are dropped) and, after them,
 * the grid's up to the last that is not blank. *ret_first is the number of the first, *ret_end of the
 * one after the last. A line keeps its number when it scrolls away.
 */
void console_lines(const struct console *console, uint64_t *ret_first, uint64_t *ret_end);

/* Line NUMBER as UTF-8 without controls and blanks at its end; empty if there is no such line. */
void console_line(const struct console *console, uint64_t number, char out[CONSOLE_TEXT_SIZE]);

/* Nothing came for a while: shows an incomplete sequence at the end as what its bytes mean alone. */
void console_idle(struct console *console);

/* The grid, and where in it the cursor stands, both counted from 0. */
void console_size(const struct console *console, int *ret_rows, int *ret_cols);
void console_cursor(const struct console *console, int *ret_row, int *ret_col, bool *ret_visible);

/* The cell at ROW, COL; outside the grid a blank one. */
void console_cell(const struct console *console, int row, int col, struct console_cell *ret_cell);

/*
 * The last lines that are not blank, oldest first, up to MAX, including some that have scrolled
 * away. UTF-8 without controls, cut at CONSOLE_LINE_SIZE - 1 bytes. Returns how many.
 */
unsigned int console_tail(const struct console *console, char (*lines)[CONSOLE_LINE_SIZE],
			  unsigned int max);

#endif
