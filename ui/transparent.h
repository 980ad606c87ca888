/*
 * The console view's transparent mode: the operator's own terminal gets the guest's bytes as they are
 * and the guest what the terminal sends, answers to its questions included. Only the prefix key's
 * commands are ours.
 */
#ifndef VMB_UI_TRANSPARENT_H
#define VMB_UI_TRANSPARENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "prefix.h"

struct ui;

struct transparent {
	bool active; /* the terminal is the guest's: nothing may be painted */
	struct prefix prefix;
	struct loop_timer *prefix_timer;
};

/* Begins with the picture of the guest's grid that stands there now; it must be without a status row. */
void transparent_start(struct ui *ui);

/* Takes the terminal back, whatever the guest did to it; everything is painted anew. Twice is harmless. */
void transparent_stop(struct ui *ui);

/* N bytes from the guest; N bytes that the operator's terminal sent. Only while it is active. */
void transparent_output(const struct ui *ui, const uint8_t *buf, size_t n);
void transparent_keys(struct ui *ui, const uint8_t *buf, size_t n);

#endif
