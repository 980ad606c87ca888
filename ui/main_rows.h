/* How a list draws one row, and what the preview says of it. */
#ifndef VMB_UI_MAIN_ROWS_H
#define VMB_UI_MAIN_ROWS_H

#include "ui/rows.h"
#include "ui/ui.h"

/* A row of the main list, or a firmware image in its list. DATA is not used: see row_list_draw(). */
void main_row_draw(struct ui *ui, void *data, const struct row *row, int y, bool selected);

/*
 * One row for any list: LEFT from column COL in ELEMENT, RIGHT at the end in RIGHT_ELEMENT. The row
 * under the cursor is all in one element, with a mark for terminals that show neither colour nor reverse.
 */
void main_row_draw_text(const struct ui *ui, int y, int col, bool selected, enum ui_element element,
			const char *left, enum ui_element right_element, const char *right);

/* "NVMe   nvme0n1   476G  Samsung 980  ..1234" */
char *main_row_disk_text(const struct menu_device *disk, char *buf, size_t size);

/* Three rows from Y on: what Enter does on ROW, exactly. */
void preview_row(struct ui *ui, const struct row *row, int y);

/* The same of CONFIG. WHAT is "Enter starts", say; TITLE, which may be NULL, is left out where it does not fit. */
void preview_config(struct ui *ui, const struct vm_config *config, const char *what,
		    const char *title, int y);

/* Over the third row of those where ENTRY cannot start now, why. */
void preview_trouble(struct ui *ui, const struct menu_entry *entry, int y);

#endif
