/* See ui/frame.h. */
#include "ui/frame.h"

#include <stdio.h>

#include "ui/draw.h"

int frame_body_rows(int rows)
{
	return rows - FRAME_BODY_ROW - FRAME_PREVIEW_ROWS - 4;
}

int frame_preview_row(int rows)
{
	return rows - 3 - FRAME_PREVIEW_ROWS;
}

static void draw_title(const struct ui *ui, const char *title)
{
	char host[80];
	int left = draw_columns(" vmboot " VMBOOT_VERSION) + 2, right, room;

	draw_text(0, 0, ui->cols, UI_TITLE, " vmboot " VMBOOT_VERSION);
	snprintf(host, sizeof(host), "host: %s ", ui->model.welcome.host_name);
	if (!ui->model.welcome.host_name[0])
		host[0] = '\0';
	right = draw_right(0, ui->cols / 2, ui->cols - ui->cols / 2, UI_TITLE, host);
	if (ui->lock.locked)
		right += 1 + draw_right(0, ui->cols / 2, ui->cols - ui->cols / 2 - right - 1,
					UI_TITLE, "locked: U");
	/* Warnings and errors that nobody has read here. */
	if (journal_unseen(&ui->journal) > 0) {
		snprintf(host, sizeof(host), "[!%u]", journal_unseen(&ui->journal));
		right += 1 + draw_right(0, ui->cols / 2, ui->cols - ui->cols / 2 - right - 1,
					UI_BAD, host);
	}
	room = ui->cols - right - 2 - left;
	if (room > draw_columns(title))
		left += (room - draw_columns(title)) / 2;
	else
		room = room > 0 ? room : 0;
	draw_text(0, left, draw_columns(title) < room ? draw_columns(title) : room, UI_TITLE,
		  title);
}

static int hint_width(const struct frame_hint *hint)
{
	return draw_columns(hint->key) + 1 + draw_columns(hint->label) + 2;
}

/* How many of the optional hints fit beside the others. */
static int optional_room(const struct ui *ui, const struct frame_hint *hints)
{
	int width = 0, count = 0;

	for (const struct frame_hint *hint = hints; hint->key; hint++)
		width += hint->optional ? 0 : hint_width(hint);
	for (; hints->key; hints++) {
		if (!hints->optional)
			continue;
		width += hint_width(hints);
		if (width > ui->cols)
			break;
		count++;
	}
	return count;
}

static void draw_hints(const struct ui *ui, int row, const struct frame_hint *hints)
{
	int optional = optional_room(ui, hints), col = 1;

	for (; hints->key; hints++) {
		int key = draw_columns(hints->key), label = draw_columns(hints->label);

		if (hints->optional && optional-- <= 0)
			continue;
		if (col + key + 1 + label >= ui->cols)
			break;
		draw_text(row, col, key, UI_KEY, hints->key);
		draw_text(row, col + key + 1, label, UI_NORMAL, hints->label);
		col += key + 1 + label + 2;
	}
}

void frame_draw_more(const struct ui *ui, const struct list *list)
{
	if (list->top > 0)
		draw_glyph(FRAME_BODY_ROW, ui->cols - 1, UI_DIM, GLYPH_MORE_ABOVE);
	if (list->top + list->height < list->count)
		draw_glyph(FRAME_BODY_ROW + list->height - 1, ui->cols - 1, UI_DIM,
			   GLYPH_MORE_BELOW);
}

char *frame_countdown(const struct ui *ui, const char *why, char *buf, size_t size)
{
	const struct menu_countdown *c = &ui->model.countdown;
	unsigned int left = model_countdown_left(&ui->model, loop_now_ms());

	if (c->power)
		snprintf(buf, size, "%s in %u s - any key to stay on   (%s has ended)",
			 c->power == MENU_POWER_OFF ? "Switching off" : "Restarting", left,
			 c->title);
	else
		snprintf(buf, size, "Starting %s in %u s - any key %s%s%s%s", c->title, left, why,
			 c->text[0] ? "   (" : "", c->text, c->text[0] ? ")" : "");
	return buf;
}

void frame_draw(struct ui *ui, const char *title, const struct frame_hint *hints, const char *idle)
{
	bool counting = ui->model.countdown.state == MENU_COUNTDOWN_RUNNING;
	int rows = ui->rows;
	char wait[256];

	draw_title(ui, title);
	draw_rule(1);
	draw_rule(frame_preview_row(rows) - 1);
	draw_rule(rows - 3);
	draw_hints(ui, rows - 2, hints);
	/* The last cell of the last row stays empty: some terminals scroll when it is written. */
	if (ui->status[0] && !(counting && ui->model.countdown.power))
		draw_text(rows - 1, 1, ui->cols - 2, ui->status_element, ui->status);
	else if (wait_text(ui, wait, sizeof(wait))[0])
		draw_text(rows - 1, 1, ui->cols - 2, UI_WARN, wait);
	else if (counting)
		draw_text(rows - 1, 1, ui->cols - 2, UI_WARN,
			  frame_countdown(ui, "to wait", wait, sizeof(wait)));
	else
		draw_text(rows - 1, 1, ui->cols - 2, UI_STATUS, idle);
}

char *frame_format_time(uint64_t ms, char *buf, size_t size)
{
	uint64_t s = ms / 1000;
	unsigned int days = (unsigned int)(s / 86400);

	if (days > 0)
		snprintf(buf, size, "%ud %02u:%02u:%02u", days, (unsigned int)(s / 3600 % 24),
			 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	else
		snprintf(buf, size, "%02u:%02u:%02u", (unsigned int)(s / 3600),
			 (unsigned int)(s / 60 % 60), (unsigned int)(s % 60));
	return buf;
}
