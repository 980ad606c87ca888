/*
 * Lines that have left a guest's console: text only, oldest dropped first, in memory whose size never
 * changes. Lines are numbered from 0 on and keep their numbers.
 */
#ifndef VMB_UI_SCROLLBACK_H
#define VMB_UI_SCROLLBACK_H

#include <stddef.h>
#include <stdint.h>

#define SCROLLBACK_LINES 8192
#define SCROLLBACK_BYTES (1024 * 1024)

struct scrollback;

/* 0 or -ENOMEM. The caller owns it. */
int scrollback_create(struct scrollback **ret_scrollback);
void scrollback_destroy(struct scrollback *scrollback); /* NULL is fine */

/* Forgets all lines; the next one has number 0. */
void scrollback_clear(struct scrollback *scrollback);

/* Adds TEXT (less than SCROLLBACK_BYTES) as a line. */
void scrollback_push(struct scrollback *scrollback, const char *text);

/* Number of the oldest line kept, and of the one that will be pushed next. */
uint64_t scrollback_first(const struct scrollback *scrollback);
uint64_t scrollback_next(const struct scrollback *scrollback);

/* Copies line NUMBER to OUT of SIZE bytes, cut where it does not fit; empty if it is not kept. */
void scrollback_line(const struct scrollback *scrollback, uint64_t number, char *out, size_t size);

#endif
