/* How the main screen draws one row of its list, and what the preview says of it. */
#ifndef VMB_UI_MAIN_ROWS_H
#define VMB_UI_MAIN_ROWS_H

#include "ui/rows.h"
#include "ui/ui.h"

void main_row_draw(struct ui *ui, const struct row *row, int y, bool selected);

/* Three rows from Y on. */
void main_row_preview(struct ui *ui, const struct row *row, int y);

/* Joins the disks that would be attached ("nvme0n1 read-write, sda read-only, 3 more") into BUF. */
void main_disks_text(const struct ui *ui, char *buf, size_t size, int columns);

#endif
