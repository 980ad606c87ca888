/* The daemon's log: time, level, source, text; filtered by level, searched, followed. */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/search.h"
#include "ui/wrap.h"

/* Columns of a line. A time is "23:59:59", and after days "300d 23:59". */
#define TIME_COL   1
#define TIME_COLS  10
#define LEVEL_COL  12
#define SOURCE_COL 18
#define TEXT_COL   26

struct screen_log {
	struct list list;
	struct search search;
	uint32_t level; /* lines up to this one are shown */
	bool follow;	/* the cursor stays on the newest line */
	uint64_t seq;	/* of the line under the cursor, to find it again */
	unsigned int count;
	unsigned short shown[JOURNAL_LINES]; /* indices of the lines that are shown */
};

static const struct menu_log_line *shown_line(const struct ui *ui, const struct screen_log *sl,
					      int row)
{
	return row >= 0 && row < (int)sl->count ? journal_line(&ui->journal, sl->shown[row]) : NULL;
}

/* Chooses the lines anew; the cursor stays on its line, or on the next older one that is shown. */
static void log_refresh(struct ui *ui, struct screen_log *sl)
{
	const struct menu_log_line *line;

	sl->count = 0;
	sl->list.cursor = 0;
	for (unsigned int i = 0; (line = journal_line(&ui->journal, i)); i++) {
		if (line->level > sl->level)
			continue;
		if (line->seq <= sl->seq || sl->follow)
			sl->list.cursor = (int)sl->count;
		sl->shown[sl->count++] = (unsigned short)i;
	}
	list_fit(&sl->list, (int)sl->count, frame_body_rows(ui->rows));
}

static void remember_cursor(const struct ui *ui, struct screen_log *sl)
{
	const struct menu_log_line *line = shown_line(ui, sl, sl->list.cursor);

	if (line)
		sl->seq = line->seq;
}

static void log_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	log_refresh(ui, data);
}

static enum ui_element level_element(uint32_t level)
{
	switch (level) {
	case LOG_LEVEL_ERROR: return UI_BAD;
	case LOG_LEVEL_WARN: return UI_WARN;
	case LOG_LEVEL_INFO: return UI_NORMAL;
	default: return UI_DIM;
	}
}

static void draw_line(struct ui *ui, const struct menu_log_line *line, int y, bool selected)
{
	enum ui_element element = selected ? UI_SELECTED : level_element(line->level);
	char time[32];

	frame_format_time(line->time_ms, time, sizeof(time));
	if (strlen(time) > strlen("23:59:59"))
		*strrchr(time, ':') = '\0';
	draw_text(y, 0, ui->cols, selected ? UI_SELECTED : UI_NORMAL, "");
	draw_text(y, TIME_COL, TIME_COLS, element, time);
	draw_text(y, LEVEL_COL, 5, element, journal_level_name(line->level));
	draw_text(y, SOURCE_COL, 7, element, line->source);
	draw_text(y, TEXT_COL, ui->cols - TEXT_COL - 1, element, line->text);
}

/* The whole text of the line under the cursor. */
static void draw_preview(struct ui *ui, const struct screen_log *sl)
{
	const struct menu_log_line *line = shown_line(ui, sl, sl->list.cursor);

	if (line)
		wrap_draw(frame_preview_row(ui->rows), 1, ui->cols - 2, FRAME_PREVIEW_ROWS,
			  level_element(line->level), line->text);
}

static void log_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"e", "errors", false}, {"w", "warnings", false}, {"i", "all", false},
		{"/", "search", true},	{"f", "follow", true},	  {"s", "save", false},
		{"?", "help", true},	{"q", "back", false},	  {NULL, NULL, false},
	};
	struct screen_log *sl = data;
	char idle[128];

	snprintf(idle, sizeof(idle), "%s, %u of %u lines%s   (times since this machine's start)",
		 sl->level == LOG_LEVEL_ERROR  ? "errors"
		 : sl->level == LOG_LEVEL_WARN ? "warnings and errors"
					       : "everything",
		 sl->count, ui->journal.count, sl->follow ? ", following" : "");
	frame_draw(ui, "Log", hints, idle);
	if (sl->count == 0)
		draw_text(FRAME_BODY_ROW + 1, 3, ui->cols - 5, UI_DIM,
			  ui->journal.count == 0 ? "nothing logged yet"
						 : "nothing of this level yet: i shows everything");
	for (int y = 0; y < sl->list.height; y++) {
		const struct menu_log_line *line = shown_line(ui, sl, sl->list.top + y);

		if (!line)
			break;
		draw_line(ui, line, FRAME_BODY_ROW + y, sl->list.top + y == sl->list.cursor);
		journal_mark_seen(&ui->journal, sl->shown[sl->list.top + y]);
	}
	draw_preview(ui, sl);
	search_draw(ui, &sl->search, ui->rows - 1, UI_STATUS);
}

static void search(struct ui *ui, struct screen_log *sl, int from, bool up)
{
	const struct menu_log_line *line;

	for (int row = from; (line = shown_line(ui, sl, row)); row += up ? -1 : 1) {
		if (!search_find(&sl->search, line->text) &&
		    !search_find(&sl->search, line->source))
			continue;
		sl->list.cursor = row;
		list_fit(&sl->list, (int)sl->count, sl->list.height);
		return;
	}
	search_say_none(ui, &sl->search, up);
}

static void set_level(struct ui *ui, struct screen_log *sl, uint32_t level)
{
	sl->level = level;
	log_refresh(ui, sl);
}

static void command_key(struct ui *ui, struct screen_log *sl, const struct ui_key *key)
{
	switch (key->code) {
	case 'e': set_level(ui, sl, LOG_LEVEL_ERROR); break;
	case 'w': set_level(ui, sl, LOG_LEVEL_WARN); break;
	case 'i': set_level(ui, sl, LOG_LEVEL_DEBUG); break;
	case 'f': sl->follow = !sl->follow; break;
	case 's': screen_report_open(ui); break;
	case 'q':
	case UI_KEY_ESCAPE:
	case UI_KEY_LEFT: ui_pop(ui); break;
	default:
		if (list_key(&sl->list, key))
			sl->follow = sl->list.cursor == sl->list.count - 1;
		else
			ui_common_key(ui, key);
		break;
	}
}

static void log_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_log *sl = data;
	unsigned int depth = ui->depth;

	if (key->alt)
		return;
	switch (search_key(ui, &sl->search, key)) {
	case SEARCH_NEW:
		search(ui, sl,
		       sl->list.top + sl->list.height - 1 < (int)sl->count
			       ? sl->list.top + sl->list.height - 1
			       : (int)sl->count - 1,
		       true);
		break;
	case SEARCH_UP: search(ui, sl, sl->list.cursor - 1, true); break;
	case SEARCH_DOWN: search(ui, sl, sl->list.cursor + 1, false); break;
	case SEARCH_NOTHING: command_key(ui, sl, key); break;
	default: break;
	}
	/* The screen may have taken itself away. */
	if (ui->depth < depth)
		return;
	remember_cursor(ui, sl);
	log_refresh(ui, sl);
}

static void log_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	log_refresh(ui, data);
}

static void log_close(struct ui *ui, void *data)
{
	ui_send(ui, MENU_LOG_STOP, NULL, 0);
	free(data);
}

static const struct ui_screen screen_log_ops = {
	.name = "log",
	.layout = log_layout,
	.draw = log_draw,
	.key = log_key,
	.changed = log_changed,
	.close = log_close,
};

void screen_log_open(struct ui *ui)
{
	struct screen_log *sl;
	uint64_t from = ui->journal.next ? ui->journal.next : 1;

	if (ui_has_screen(ui, &screen_log_ops))
		return;
	sl = calloc(1, sizeof(*sl));
	if (!sl) {
		ui_say(ui, UI_BAD, "There is not enough memory for the log.");
		return;
	}
	sl->level = LOG_LEVEL_DEBUG;
	sl->follow = true;
	ui_send(ui, MENU_LOG_FOLLOW, &from, sizeof(from));
	ui_push(ui, &screen_log_ops, sl);
}
