/* The consoles' rows of the settings: two for each, its speed and its size. Draws nothing. */
#ifndef VMB_UI_CONSOLE_ROWS_H
#define VMB_UI_CONSOLE_ROWS_H

#include "ui/form.h"

/* How many rows the consoles of SETTINGS have. */
int console_rows_count(const struct menu_settings *settings);

/*
 * Row INDEX (from 0): kind, help and VALUE of ROW as NOW has it, CHANGED if SAVED, which has the same consoles, says
 * something else. LABEL (SIZE bytes) is the caller's and becomes ROW's label.
 */
void console_rows_describe(const struct menu_settings *now, const struct menu_settings *saved,
			   int index, struct form_row *row, char *label, size_t size);

/* To the next (STEP 1) or the one before (-1) of the usual speeds or sizes. */
void console_rows_change(struct menu_settings *now, int index, int step);

/*
 * Adds console TTY, with nothing set, unless it is there already, is no line of the machine ("tty1", "pts/2 (ssh)"), or
 * there is no room.
 */
void console_rows_add(struct menu_settings *settings, const char *tty);

/* Takes consoles away of which nothing is set. */
void console_rows_pack(struct menu_settings *settings);

#endif
