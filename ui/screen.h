/*
 * The terminal the menu runs on: curses start and stop, its size, signals, and giving it back in
 * order on every way out. One per process (curses is a singleton).
 */
#ifndef VMB_UI_SCREEN_H
#define VMB_UI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ui/terminal.h"

/*
 * Takes the terminal on standard input and output over. From here on a crash or a fatal signal
 * gives it back. *ret_signal_fd becomes readable for screen_next_signal(). 0, or -errno with the
 * sentence in ERR.
 */
int screen_start(const struct terminal *terminal, int *ret_signal_fd, struct vmb_err *err);

/* Gives the terminal back: cursor, colours, character set, line settings. Twice is harmless. */
void screen_stop(void);

/* The next signal that came (SIGWINCH, SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT), 0 if none. */
int screen_next_signal(void);

/* Gives the terminal to another program, and takes it back with everything to be painted anew. */
void screen_suspend(void);
void screen_resume(void);

/* In a child that will exec: signals as they were before screen_start(). */
void screen_child_signals(void);

/*
 * A picture begins with an empty screen and ends with the cursor's place. A cursor that is not to be
 * shown goes there too: not every terminal can hide it, and a braille display follows it.
 */
void screen_begin(void);
void screen_end(bool cursor_shown, int row, int col);

/*
 * For the transparent mode: bytes straight to the terminal, after the picture that stands there; and the
 * end of that, which undoes what such bytes can have changed of the terminal's modes. The next picture
 * is then sent whole.
 */
void screen_write(const uint8_t *buf, size_t n);
void screen_repair(void);

/* The next picture is sent whole: something else may have written on the terminal. */
void screen_spoil(void);

/* Milliseconds between two pictures: 33, on a slow serial line 200. */
unsigned int screen_paint_interval(void);

/* The name of the terminal's description in use. */
const char *screen_terminal_name(void);

/* True if the line knows no size, as a serial one before somebody told it. */
bool screen_has_no_size(void);

/*
 * Asks a terminal behind such a line: its cursor goes to the far corner, and it is to say where that is.
 * The answer comes as input, if one comes; then screen_set_size() tells the line.
 */
void screen_ask_size(void);
void screen_set_size(int rows, int cols);

/* The line's speed in baud, also for when the terminal is given back. 0 or -errno: no line has such a speed. */
int screen_set_speed(unsigned int baud);

/* Asks the terminal for its size and tells curses. A line that knows none counts as 24 x 80. */
void screen_measure(int *ret_rows, int *ret_cols);

#endif
