/*
 * The frame every screen but the console shares: title row, rule, body, rule, three rows of preview,
 * rule, key row, status row. It never moves.
 */
#ifndef VMB_UI_FRAME_H
#define VMB_UI_FRAME_H

#include "ui/list.h"
#include "ui/ui.h"

#define FRAME_BODY_ROW	   2
#define FRAME_PREVIEW_ROWS 3

/* One "key what-it-does" of the key row; OPTIONAL ones are left out, the last first, until all fit. */
struct frame_hint {
	const char *key, *label;
	bool optional;
};

/* Rows of the body on a screen of ROWS rows. */
int frame_body_rows(int rows);

/* First row of the preview. */
int frame_preview_row(int rows);

/*
 * Draws all but body and preview. TITLE stands in the middle of the first row; IDLE is the status line
 * when nothing was said. HINTS ends with a NULL key.
 */
void frame_draw(struct ui *ui, const char *title, const struct frame_hint *hints, const char *idle);

/* What the countdown that runs counts to, into BUF; WHY ends "any key ..." when that is a start. Returns BUF. */
char *frame_countdown(const struct ui *ui, const char *why, char *buf, size_t size);

/* Marks at the body's right edge if LIST goes on above or below what is seen of it. */
void frame_draw_more(const struct ui *ui, const struct list *list);

/* "00:03:12" (or "3d 00:03:12") from milliseconds. */
char *frame_format_time(uint64_t ms, char *buf, size_t size);

#endif
