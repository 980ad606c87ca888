/*
 * What the menu waits for from the daemon: one thing at a time, named on the status row beside a turning
 * mark and the seconds it has taken; Esc gives it up.
 */
#ifndef VMB_UI_WAIT_H
#define VMB_UI_WAIT_H

#include <stddef.h>
#include <stdint.h>

struct ui;

struct ui_wait {
	uint32_t type; /* the message that was sent, enum menu_msg; 0: nothing is waited for */
	uint64_t since_ms;
	char text[160]; /* "Starting Debian: its firmware is read" */
};

/* TYPE was sent: from now on TEXT is what it waits for. */
void wait_begin(struct ui *ui, uint32_t type, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The answer to TYPE has come. Nothing happens if something else is waited for. */
void wait_end(struct ui *ui, uint32_t type);

/* Esc: gives up what is waited for. A VM that starts is ended; a save may be done all the same, and is said so. */
void wait_cancel(struct ui *ui);

/* The status row while something is waited for. Returns BUF, empty if nothing is. */
char *wait_text(const struct ui *ui, char *buf, size_t size);

/* A mark that turns, for anything that lasts. */
char wait_mark(uint64_t now_ms);

#endif
