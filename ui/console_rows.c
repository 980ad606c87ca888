/* See ui/console_rows.h. */
#include "ui/console_rows.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

#define ROWS_EACH 2 /* speed, size */

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static const uint32_t speeds[] = {0,	  9600,	  19200,  38400,  57600,
				  115200, 230400, 460800, 921600, 1500000};

/* The sizes of EDK2's console and of usual terminals. */
static const struct {
	uint16_t cols, rows;
} sizes[] = {{0, 0}, {80, 24}, {80, 25}, {80, 50}, {100, 31}, {128, 40}, {132, 43}, {160, 42}};

int console_rows_count(const struct menu_settings *settings)
{
	return (int)settings->console_count * ROWS_EACH;
}

static void value_text(const struct menu_console_settings *c, bool size_row, char *buf, size_t size)
{
	if (!size_row && c->baud)
		snprintf(buf, size, "%u baud", c->baud);
	else if (!size_row)
		text_copy(buf, size, "as it is");
	else if (c->rows && c->cols)
		snprintf(buf, size, "%u x %u", c->cols, c->rows);
	else
		text_copy(buf, size, "as it says");
}

void console_rows_describe(const struct menu_settings *now, const struct menu_settings *saved,
			   int index, struct form_row *row, char *label, size_t size)
{
	const struct menu_console_settings *c = &now->consoles[index / ROWS_EACH];
	bool size_row = index % ROWS_EACH != 0;
	char before[sizeof(row->value)];

	snprintf(label, size, "%s %s", c->tty, size_row ? "size" : "speed");
	row->label = label;
	row->kind = FORM_CHOICE;
	row->help = size_row
			    ? "Columns and rows of a terminal on a line that tells none; ^L asks "
			      "the terminal once."
			    : "Of the serial line. It changes when this is saved: set the terminal "
			      "at its other end to the same.";
	value_text(c, size_row, row->value, sizeof(row->value));
	value_text(&saved->consoles[index / ROWS_EACH], size_row, before, sizeof(before));
	row->changed = strcmp(row->value, before) != 0;
}

static int turn(int at, int count, int step)
{
	return (at + step + count) % count;
}

void console_rows_change(struct menu_settings *now, int index, int step)
{
	struct menu_console_settings *c = &now->consoles[index / ROWS_EACH];
	int at = 0;

	if (index % ROWS_EACH == 0) {
		while (at < COUNT(speeds) - 1 && speeds[at] < c->baud)
			at++;
		c->baud = speeds[turn(at, COUNT(speeds), step)];
		return;
	}
	for (int i = 0; i < COUNT(sizes); i++)
		if (sizes[i].cols == c->cols && sizes[i].rows == c->rows)
			at = i;
	at = turn(at, COUNT(sizes), step);
	c->cols = sizes[at].cols;
	c->rows = sizes[at].rows;
}

/* Screens of this machine know their size, and have no speed. */
static bool is_virtual_terminal(const char *tty)
{
	return strncmp(tty, "tty", 3) == 0 && (tty[3] == '\0' || (tty[3] >= '0' && tty[3] <= '9'));
}

void console_rows_add(struct menu_settings *settings, const char *tty)
{
	struct menu_console_settings *c = &settings->consoles[settings->console_count];

	for (uint32_t i = 0; i < settings->console_count; i++)
		if (strcmp(settings->consoles[i].tty, tty) == 0)
			return;
	if (settings->console_count == MENU_MAX_CONSOLES || !tty[0] || strpbrk(tty, "/, ;") ||
	    is_virtual_terminal(tty) || strlen(tty) >= sizeof(c->tty))
		return;
	*c = (struct menu_console_settings){.baud = 0};
	text_copy(c->tty, sizeof(c->tty), tty);
	settings->console_count++;
}

void console_rows_pack(struct menu_settings *settings)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < settings->console_count; i++) {
		const struct menu_console_settings *c = &settings->consoles[i];

		if (c->baud || (c->rows && c->cols))
			settings->consoles[kept++] = *c;
	}
	settings->console_count = kept;
}
