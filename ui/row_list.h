/*
 * A list of rows on the screen: cursor, filter, and the cursor's row kept by what it is, so that a disk
 * that comes or goes never moves the operator to another row.
 */
#ifndef VMB_UI_ROW_LIST_H
#define VMB_UI_ROW_LIST_H

#include "ui/list.h"
#include "ui/rows.h"
#include "ui/ui.h"

struct row_list {
	rows_build_fn build;
	struct rows rows;
	struct list list;
	struct filter filter;
	char key[ROWS_KEY_SIZE]; /* of the row under the cursor, to find it again */
	bool touched;		 /* the operator has moved the cursor */
	bool settled;		 /* it has stood where it belongs */
};

/* LIST starts zeroed but for BUILD. Builds it anew: when the model, the filter or the size changed. */
void row_list_refresh(struct ui *ui, struct row_list *list);

/* The row under the cursor, NULL if there is none on which it may stand. */
const struct row *row_list_current(const struct row_list *list);

/*
 * Moves (list_key(), Tab to the next row that can be started, 1-9 to the n-th one: nothing is started by
 * a digit) and filters. True if KEY was one of these.
 */
bool row_list_key(struct ui *ui, struct row_list *list, const struct ui_key *key);

/* Draws the body by DRAW, and the words of the filter. Called after frame_draw(). */
void row_list_draw(struct ui *ui, struct row_list *list,
		   void (*draw)(struct ui *ui, void *data, const struct row *row, int y,
				bool selected),
		   void *data);

/*
 * What struct ui_screen asks of a screen that is one list: DATA begins with its struct row_list, and is freed when the
 * screen is closed.
 */
void row_list_on_layout(struct ui *ui, void *data, int rows, int cols);
void row_list_on_changed(struct ui *ui, void *data, int what);
void row_list_on_close(struct ui *ui, void *data);

#endif
