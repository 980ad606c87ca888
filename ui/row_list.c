/* See ui/row_list.h. */
#include "ui/row_list.h"

#include <stdlib.h>

#include "ui/frame.h"

static void remember_row(const struct ui *ui, struct row_list *list)
{
	if (row_list_current(list))
		rows_key(&ui->model, row_list_current(list), list->key);
}

/* From a row where the cursor may not stand to the next one, first in direction STEP. */
static void settle_cursor(struct row_list *list, int step)
{
	int count = (int)list->rows.count;

	for (int turn = 0; turn < 2; turn++, step = -step)
		for (int i = list->list.cursor; i >= 0 && i < count; i += step)
			if (rows_selectable(&list->rows.row[i])) {
				list->list.cursor = i;
				list_fit(&list->list, count, list->list.height);
				return;
			}
}

/* True for the entry that a cursor waits on even if it comes after the first picture. */
static bool is_chosen_entry(const struct ui *ui, const struct row *row)
{
	return row->kind == ROW_ENTRY &&
	       (ui->model.entries[row->index].is_next || ui->model.entries[row->index].is_default);
}

/*
 * Back to the same row, wherever it is now; if it is gone, the same place. Until the operator has
 * touched the cursor it goes to the row where it belongs, once.
 */
static void restore_cursor(const struct ui *ui, struct row_list *list)
{
	int found = rows_find(&list->rows, &ui->model, list->key);
	int preferred = rows_preferred(&list->rows, &ui->model);

	if (found >= 0)
		list->list.cursor = found;
	if (!list->touched && preferred >= 0) {
		const struct row *row = &list->rows.row[preferred];
		bool chosen = is_chosen_entry(ui, row);

		if (found < 0 || !rows_startable(&ui->model, &list->rows.row[found]) ||
		    (chosen && !list->settled))
			list->list.cursor = preferred;
		list->settled = list->settled || chosen;
	}
	list_fit(&list->list, (int)list->rows.count, frame_body_rows(ui->rows));
	settle_cursor(list, 1);
	remember_row(ui, list);
	/* The heading of the first row is worth seeing, too. */
	if (list->list.top > 0 && !rows_selectable(&list->rows.row[list->list.top - 1]) &&
	    list->list.cursor == list->list.top)
		list->list.top--;
}

void row_list_refresh(struct ui *ui, struct row_list *list)
{
	if (list->build(&list->rows, &ui->model, &list->filter) < 0)
		ui_say(ui, UI_BAD, "There is not enough memory to show the list.");
	restore_cursor(ui, list);
}

const struct row *row_list_current(const struct row_list *list)
{
	const struct row *row = list->list.cursor < (int)list->rows.count
					? &list->rows.row[list->list.cursor]
					: NULL;

	return row && rows_selectable(row) ? row : NULL;
}

static void next_startable(const struct ui *ui, struct row_list *list, int step)
{
	int count = (int)list->rows.count;

	for (int i = 1; i <= count; i++) {
		int at = ((list->list.cursor + i * step) % count + count) % count;

		if (rows_startable(&ui->model, &list->rows.row[at])) {
			list->list.cursor = at;
			break;
		}
	}
	list_fit(&list->list, count, list->list.height);
}

static void nth_startable(const struct ui *ui, struct row_list *list, unsigned int n)
{
	for (unsigned int i = 0; i < list->rows.count; i++)
		if (rows_startable(&ui->model, &list->rows.row[i]) && --n == 0)
			list->list.cursor = (int)i;
	list_fit(&list->list, (int)list->rows.count, list->list.height);
}

bool row_list_key(struct ui *ui, struct row_list *list, const struct ui_key *key)
{
	int before = list->list.cursor;

	if (key->alt)
		return false;
	if (filter_key(&list->filter, key)) {
		row_list_refresh(ui, list);
		return true;
	}
	if (list_key(&list->list, key))
		settle_cursor(list, list->list.cursor < before ? -1 : 1);
	else if (key->code == '\t')
		next_startable(ui, list, 1);
	else if (key->code == UI_KEY_BACKTAB)
		next_startable(ui, list, -1);
	else if (key->code >= '1' && key->code <= '9')
		nth_startable(ui, list, key->code - '0');
	else
		return false;
	list->touched = true;
	remember_row(ui, list);
	return true;
}

void row_list_draw(struct ui *ui, struct row_list *list,
		   void (*draw)(struct ui *ui, void *data, const struct row *row, int y,
				bool selected),
		   void *data)
{
	const struct list *at = &list->list;

	ui->cursor_row = FRAME_BODY_ROW + at->cursor - at->top;
	ui->cursor_col = 1;
	for (int i = 0; i < at->height && at->top + i < (int)list->rows.count; i++)
		draw(ui, data, &list->rows.row[at->top + i], FRAME_BODY_ROW + i,
		     at->top + i == at->cursor && row_list_current(list));
	frame_draw_more(ui, at);
	filter_draw(ui, &list->filter);
}

void row_list_on_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	row_list_refresh(ui, data);
}

void row_list_on_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	row_list_refresh(ui, data);
}

void row_list_on_close(struct ui *ui, void *data)
{
	struct row_list *list = data;

	(void)ui;
	rows_free(&list->rows);
	free(data);
}
