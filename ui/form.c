/* See ui/form.h. */
#include "ui/form.h"

#include <stdio.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/wrap.h"

#define LABEL_COL 3
#define VALUE_COL 20

/* Narrower than this the help does not fit beside the values. */
#define HELP_BESIDE_COLS 76

static void describe(struct ui *ui, const struct form *form, int index, struct form_row *row)
{
	*row = (struct form_row){.element = UI_FIELD, .check_element = UI_NORMAL};
	form->ops->row(ui, form->data, index, row);
}

static bool help_is_beside(const struct ui *ui)
{
	return ui->cols >= HELP_BESIDE_COLS;
}

/* First column of the right third, where the help is. */
static int help_col(const struct ui *ui)
{
	return ui->cols - ui->cols / 3;
}

void form_fit(struct ui *ui, struct form *form)
{
	list_fit(&form->list, form->ops->count(ui, form->data), frame_body_rows(ui->rows));
}

/* VALUE, and dots for the screen behind it, which a long value does not push away. */
static void draw_pick(int y, int width, enum ui_element element, const char *value)
{
	static const char dots[] = " ...";
	int room = width - (int)sizeof(dots) + 1, columns = draw_columns(value);

	if (columns > room)
		columns = room;
	draw_text(y, VALUE_COL, columns, element, value);
	draw_text(y, VALUE_COL + columns, (int)sizeof(dots) - 1, element, dots);
}

static void draw_value(struct ui *ui, int y, int width, bool focus, const struct form_row *row)
{
	bool bad = row->check[0] && row->check_element == UI_BAD;
	enum ui_element element = focus ? UI_FIELD_FOCUS : bad ? UI_BAD : row->element;
	char text[sizeof(row->value) + 8];
	int columns;

	if (row->kind == FORM_TEXT) {
		field_draw(ui, y, VALUE_COL + 1, width - 2, element, row->field, focus);
		draw_text(y, VALUE_COL, 1, UI_NORMAL, "[");
		draw_text(y, VALUE_COL + width - 1, 1, UI_NORMAL, "]");
		return;
	}
	if (row->kind == FORM_PICK) {
		draw_pick(y, width, element, row->value);
		return;
	}
	snprintf(text, sizeof(text), row->kind == FORM_CHOICE ? "< %s >" : "[ %s ]", row->value);
	columns = draw_columns(text);
	draw_text(y, VALUE_COL, columns < width ? columns : width, element, text);
}

static void draw_row(struct ui *ui, const struct form *form, int index, int y)
{
	int end = help_is_beside(ui) ? help_col(ui) - 2 : ui->cols - 2;
	bool focus = index == form->list.cursor;
	struct form_row row;

	describe(ui, form, index, &row);
	if (focus)
		draw_glyph(y, 1, UI_KEY, GLYPH_MARK);
	else if (row.check[0] && row.check_element == UI_BAD)
		draw_text(y, 1, 1, UI_BAD, "!");
	draw_text(y, LABEL_COL, VALUE_COL - LABEL_COL - 2, focus ? UI_STRONG : UI_NORMAL,
		  row.label);
	if (row.changed)
		draw_text(y, VALUE_COL - 2, 1, UI_WARN, "*");
	draw_value(ui, y, end - VALUE_COL, focus, &row);
}

static void draw_help_beside(struct ui *ui, const struct form_row *row)
{
	int col = help_col(ui), height = frame_body_rows(ui->rows), y = FRAME_BODY_ROW;

	for (int i = 0; i < height; i++)
		draw_glyph(FRAME_BODY_ROW + i, col - 1, UI_RULE, GLYPH_VLINE);
	y += wrap_draw(y, col + 1, ui->cols - col - 2, height, UI_DIM, row->help);
	y += row->check[0] ? 1 : 0;
	wrap_draw(y, col + 1, ui->cols - col - 2, FRAME_BODY_ROW + height - y, row->check_element,
		  row->check);
}

int form_draw(struct ui *ui, struct form *form)
{
	int height = frame_body_rows(ui->rows), y = frame_preview_row(ui->rows);
	struct form_row focused;

	form_fit(ui, form);
	ui->cursor_row = FRAME_BODY_ROW + form->list.cursor - form->list.top;
	ui->cursor_col = 1;
	for (int i = 0; i < height && form->list.top + i < form->list.count; i++)
		draw_row(ui, form, form->list.top + i, FRAME_BODY_ROW + i);
	frame_draw_more(ui, &form->list);
	describe(ui, form, form->list.cursor, &focused);
	if (help_is_beside(ui)) {
		draw_help_beside(ui, &focused);
		return FRAME_PREVIEW_ROWS;
	}
	wrap_draw(y + 1, 1, ui->cols - 2, focused.check[0] ? 1 : 2, UI_DIM, focused.help);
	if (focused.check[0])
		draw_text(y + 2, 1, ui->cols - 2, focused.check_element, focused.check);
	return 1;
}

void form_hints(struct ui *ui, const struct form *form, bool start,
		struct frame_hint hints[FORM_HINTS])
{
	static const struct frame_hint of_kind[] = {
		[FORM_ACTION] = {"Enter", "do it", false},
		[FORM_TEXT] = {"^U", "clear", true},
		[FORM_CHOICE] = {"Left/Right", "change", true},
		[FORM_PICK] = {"Enter", "choose", false},
	};
	struct form_row row;
	int n = 0;

	describe(ui, form, form->list.cursor, &row);
	if (start)
		hints[n++] = (struct frame_hint){"F10", "start", false};
	hints[n++] = (struct frame_hint){"^S", "save", false};
	hints[n++] = of_kind[row.kind];
	if (row.kind == FORM_TEXT) {
		hints[n++] = (struct frame_hint){"Up/Down", "move", true};
		hints[n++] = (struct frame_hint){"Esc", "back", false};
	} else {
		hints[n++] = (struct frame_hint){"?", "help", true};
		hints[n++] = (struct frame_hint){"q", "back", false};
	}
	hints[n] = (struct frame_hint){NULL, NULL, false};
}

bool form_in_text(struct ui *ui, const struct form *form)
{
	struct form_row row;

	describe(ui, form, form->list.cursor, &row);
	return row.kind == FORM_TEXT;
}

int form_bad_row(struct ui *ui, const struct form *form, char *check, size_t size)
{
	for (int i = 0; i < form->ops->count(ui, form->data); i++) {
		struct form_row row;

		describe(ui, form, i, &row);
		if (row.check[0] && row.check_element == UI_BAD) {
			text_copy(check, size, row.check);
			return i;
		}
	}
	return -1;
}

void form_go_to(struct form *form, int index)
{
	form->list.cursor = index;
	list_fit(&form->list, form->list.count, form->list.height);
}

static bool move_key(struct form *form, bool in_text, const struct ui_key *key)
{
	const struct ui_key down = {.code = UI_KEY_DOWN}, up = {.code = UI_KEY_UP};

	if (key->code == '\t')
		return list_key(&form->list, &down);
	if (key->code == UI_KEY_BACKTAB)
		return list_key(&form->list, &up);
	/* In a text field letters are text, and Home and End move in it. */
	if (in_text && (key->code == 'j' || key->code == 'k' || key->code == UI_KEY_HOME ||
			key->code == UI_KEY_END))
		return false;
	return list_key(&form->list, key);
}

bool form_key(struct ui *ui, struct form *form, const struct ui_key *key)
{
	int index = form->list.cursor;
	struct form_row row;

	if (key->alt)
		return false;
	describe(ui, form, index, &row);
	if (move_key(form, row.kind == FORM_TEXT, key))
		return true;
	switch (row.kind) {
	case FORM_TEXT:
		/* Enter in a text field goes on to the next row: what it starts must be asked for. */
		if (ui_key_is_enter(key))
			return list_key(&form->list, &(struct ui_key){.code = UI_KEY_DOWN});
		return field_key(row.field, key);
	case FORM_CHOICE:
		if (key->code != UI_KEY_LEFT && key->code != UI_KEY_RIGHT && key->code != ' ' &&
		    !ui_key_is_enter(key))
			return false;
		form->ops->change(ui, form->data, index, key->code == UI_KEY_LEFT ? -1 : 1);
		return true;
	default:
		if (!ui_key_is_enter(key) &&
		    (row.kind == FORM_ACTION || (key->code != ' ' && key->code != UI_KEY_RIGHT)))
			return false;
		form->ops->enter(ui, form->data, index);
		return true;
	}
}
