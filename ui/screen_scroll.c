/*
 * What scrolled away on the guest's console: a pager with search over ui/console.c's lines. It stays
 * on the lines it shows while the guest goes on writing.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/search.h"

#define SHIFT 16 /* columns that Left and Right move by */

struct screen_scroll {
	uint64_t top;	/* number of the first visible line */
	uint64_t found; /* number of the line the last search stopped at */
	int left;	/* columns hidden on the left */
	struct search search;
};

static int pane_rows(const struct ui *ui)
{
	return ui->rows - 1;
}

/* Brings the first visible line into range. Returns the lines there are in all. */
static uint64_t scroll_fit(const struct ui *ui, struct screen_scroll *ss)
{
	uint64_t first, end, pane = (uint64_t)pane_rows(ui), last;

	console_lines(ui->console, &first, &end);
	last = end - first > pane ? end - pane : first;
	if (ss->top > last)
		ss->top = last;
	if (ss->top < first)
		ss->top = first;
	return end - first;
}

/* TEXT from column LEFT on; what is hidden counts one column a character. */
static const char *skip_columns(const char *text, int left)
{
	for (; left > 0 && *text; left--) {
		size_t n = text_utf8_len(text, strnlen(text, 4));

		text += n ? n : 1;
	}
	return text;
}

static void draw_line(const struct ui *ui, const struct screen_scroll *ss, int row,
		      const char *line)
{
	const char *text = skip_columns(line, ss->left);
	const char *hit = search_find(&ss->search, text);
	char part[CONSOLE_TEXT_SIZE];
	int col;

	draw_text(row, 0, ui->cols, UI_NORMAL, text);
	if (!hit)
		return;
	snprintf(part, sizeof(part), "%.*s", (int)(hit - text), text);
	col = draw_columns(part);
	snprintf(part, sizeof(part), "%.*s", (int)strlen(ss->search.wanted), hit);
	draw_text(row, col, draw_columns(part), UI_SELECTED, part);
}

static void draw_bar(struct ui *ui, const struct screen_scroll *ss, uint64_t count)
{
	int row = ui->rows - 1, pane = pane_rows(ui);
	uint64_t first, end, above;
	char text[160];

	draw_text(row, 0, ui->cols - 1, UI_CONSOLE_BAR, "");
	if (search_draw(ui, &ss->search, row, UI_CONSOLE_BAR))
		return;
	if (ui->status[0]) {
		draw_text(row, 1, ui->cols - 3, UI_CONSOLE_BAR, ui->status);
		return;
	}
	console_lines(ui->console, &first, &end);
	above = ss->top - first;
	snprintf(text, sizeof(text),
		 "lines %llu-%llu of %llu  PgUp PgDn  / search  n N next  q back",
		 (unsigned long long)(count ? above + 1 : 0),
		 (unsigned long long)(above + (uint64_t)pane < count ? above + (uint64_t)pane
								     : count),
		 (unsigned long long)count);
	draw_text(row, 1, ui->cols - 3, UI_CONSOLE_BAR, text);
}

static void scroll_draw(struct ui *ui, void *data)
{
	struct screen_scroll *ss = data;
	uint64_t count = scroll_fit(ui, ss);

	for (int row = 0; row < pane_rows(ui); row++) {
		char line[CONSOLE_TEXT_SIZE];

		console_line(ui->console, ss->top + (uint64_t)row, line);
		draw_line(ui, ss, row, line);
	}
	draw_bar(ui, ss, count);
}

/* Looks for the words from line FROM on, upwards or down; shows the line in the middle. */
static void search(struct ui *ui, struct screen_scroll *ss, uint64_t from, bool up)
{
	uint64_t first, end, middle = (uint64_t)pane_rows(ui) / 2;
	char line[CONSOLE_TEXT_SIZE];

	console_lines(ui->console, &first, &end);
	/* One below the first line wraps to far beyond the end. */
	for (uint64_t at = from; at >= first && at < end; at = up ? at - 1 : at + 1) {
		console_line(ui->console, at, line);
		if (!search_find(&ss->search, line))
			continue;
		ss->found = at;
		ss->top = at - first > middle ? at - middle : first;
		scroll_fit(ui, ss);
		return;
	}
	search_say_none(ui, &ss->search, up);
}

/* Upwards from the last visible line. */
static void search_new(struct ui *ui, struct screen_scroll *ss)
{
	uint64_t first, end;

	console_lines(ui->console, &first, &end);
	if (end > ss->top + (uint64_t)pane_rows(ui))
		end = ss->top + (uint64_t)pane_rows(ui);
	search(ui, ss, end - 1, true);
}

/* Moves by LINES, up if negative; never below 0. */
static void scroll_by(struct ui *ui, struct screen_scroll *ss, int lines)
{
	if (lines < 0 && ss->top < (uint64_t)-lines)
		ss->top = 0;
	else
		ss->top += (uint64_t)(int64_t)lines;
	scroll_fit(ui, ss);
}

static void command_key(struct ui *ui, struct screen_scroll *ss, const struct ui_key *key)
{
	switch (key->code) {
	case UI_KEY_UP:
	case 'k': scroll_by(ui, ss, -1); break;
	case UI_KEY_DOWN:
	case 'j': scroll_by(ui, ss, 1); break;
	case UI_KEY_PAGE_UP: scroll_by(ui, ss, 1 - pane_rows(ui)); break;
	case ' ':
	case UI_KEY_PAGE_DOWN: scroll_by(ui, ss, pane_rows(ui) - 1); break;
	case UI_KEY_HOME:
	case UI_KEY_END:
		ss->top = key->code == UI_KEY_HOME ? 0 : UINT64_MAX;
		scroll_fit(ui, ss);
		break;
	case UI_KEY_RIGHT: ss->left += ss->left < 300 ? SHIFT : 0; break;
	case UI_KEY_LEFT: ss->left -= ss->left > 0 ? SHIFT : 0; break;
	case UI_KEY_CTRL('L'): ui_redraw_all(ui); break;
	case '!': ui_start_shell(ui); break;
	case UI_KEY_ESCAPE:
	case 'q': ui_pop(ui); break;
	default: break;
	}
}

static void scroll_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_scroll *ss = data;

	if (key->alt)
		return;
	/* The guest may have gone on writing since the last picture. */
	scroll_fit(ui, ss);
	switch (search_key(ui, &ss->search, key)) {
	case SEARCH_NEW: search_new(ui, ss); break;
	case SEARCH_UP: search(ui, ss, ss->found - 1, true); break;
	case SEARCH_DOWN: search(ui, ss, ss->found + 1, false); break;
	case SEARCH_NOTHING: command_key(ui, ss, key); break;
	default: break;
	}
}

static void scroll_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_scroll_ops = {
	.name = "scroll",
	.draw = scroll_draw,
	.key = scroll_key,
	.close = scroll_close,
};

void screen_scroll_open(struct ui *ui)
{
	struct screen_scroll *ss = calloc(1, sizeof(*ss));

	if (!ss) {
		ui_say(ui, UI_BAD, "There is not enough memory to scroll.");
		return;
	}
	ss->top = UINT64_MAX;
	scroll_fit(ui, ss);
	ui_push(ui, &screen_scroll_ops, ss);
}
