/*
 * System information: what the daemon says of the machine, and what this menu knows of its terminal. A
 * line that cannot be known says why; the others are there all the same.
 */
#include "ui/screens.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/screen.h"
#include "ui/wrap.h"

#define NAME_COL  3
#define VALUE_COL 22

/* A group's heading, or a line of it. */
struct info_row {
	const char *group; /* not NULL: a heading */
	struct menu_fact fact;
};

struct screen_info {
	struct list list;
	struct info_row *rows;
	unsigned int count, cap;
};

/* The row to fill; NULL when there is no memory: the page is then shorter. */
static struct info_row *info_add(struct screen_info *si)
{
	if (si->count == si->cap) {
		unsigned int cap = si->cap ? si->cap * 2 : 64;
		struct info_row *grown = realloc(si->rows, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		si->rows = grown;
		si->cap = cap;
	}
	memset(&si->rows[si->count], 0, sizeof(si->rows[0]));
	return &si->rows[si->count++];
}

/* GROUP must live as long as the rows. */
static void info_add_heading(struct screen_info *si, const char *group)
{
	struct info_row *row = info_add(si);

	if (row)
		row->group = group;
}

static __attribute__((format(printf, 3, 4))) void
info_add_own(struct screen_info *si, const char *name, const char *fmt, ...)
{
	struct info_row *row = info_add(si);
	va_list ap;

	if (!row)
		return;
	text_copy(row->fact.name, sizeof(row->fact.name), name);
	va_start(ap, fmt);
	vsnprintf(row->fact.value, sizeof(row->fact.value), fmt, ap);
	va_end(ap);
}

/* The daemon's probe has asked the disk; the other facts are the kernel's. */
static void add_health(const struct model *model, struct menu_fact *fact)
{
	const struct menu_device *disk =
		strcmp(fact->group, "Disks") == 0 ? model_device(model, fact->name) : NULL;
	size_t n = strlen(fact->value);

	if (!disk || !disk->health[0])
		return;
	snprintf(fact->value + n, sizeof(fact->value) - n, ", %s", disk->health);
	fact->bad = fact->bad || disk->failing;
}

static void info_build(struct ui *ui, struct screen_info *si)
{
	const struct menu_welcome *welcome = &ui->model.welcome;
	const char *group = "";
	char term[64], size[16];

	si->count = 0;
	for (unsigned int i = 0; i < ui->facts.count; i++) {
		const struct menu_fact *fact = &ui->facts.fact[i];
		struct info_row *row;

		if (strcmp(fact->group, group) != 0)
			info_add_heading(si, fact->group);
		group = fact->group;
		row = info_add(si);
		if (row) {
			row->fact = *fact;
			add_health(&ui->model, &row->fact);
		}
	}
	info_add_heading(si, "This menu");
	info_add_own(si, "version", "vmboot %s", VMBOOT_VERSION);
	info_add_own(si, "console", "%s", ui->console_name[0] ? ui->console_name : "not known");
	info_add_own(si, "terminal", "%s, %d rows, %d columns, %s",
		     text_escape(term, sizeof(term), screen_terminal_name(),
				 strlen(screen_terminal_name())),
		     ui->rows, ui->cols, draw_has_utf8() ? "UTF-8" : "ASCII");
	info_add_own(si, "free for a VM", "%s memory, %u CPU%s",
		     text_format_size(welcome->host_memory_free, size, sizeof(size)),
		     welcome->host_cpus, welcome->host_cpus == 1 ? "" : "s");
	list_fit(&si->list, (int)si->count, frame_body_rows(ui->rows));
}

static void info_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	info_build(ui, data);
}

static enum ui_element fact_element(const struct menu_fact *fact)
{
	if (fact->bad)
		return UI_BAD;
	return fact->missing ? UI_DIM : UI_NORMAL;
}

static void draw_row(struct ui *ui, const struct info_row *row, int y, bool selected)
{
	enum ui_element element = selected ? UI_SELECTED : fact_element(&row->fact);

	draw_text(y, 0, ui->cols - 1, selected ? UI_SELECTED : UI_NORMAL, "");
	if (row->group) {
		draw_text(y, 1, ui->cols - 3, selected ? UI_SELECTED : UI_HEADING, row->group);
		return;
	}
	draw_text(y, NAME_COL, VALUE_COL - NAME_COL - 1, element, row->fact.name);
	draw_text(y, VALUE_COL, ui->cols - VALUE_COL - 1, element, row->fact.value);
}

/* What does not fit into the row under the cursor. */
static void draw_preview(struct ui *ui, const struct screen_info *si)
{
	const struct info_row *row = &si->rows[si->list.cursor];
	char text[sizeof(row->fact.name) + sizeof(row->fact.value) + 2];

	if (si->count == 0 || row->group)
		return;
	snprintf(text, sizeof(text), "%s: %s", row->fact.name, row->fact.value);
	wrap_draw(frame_preview_row(ui->rows), 1, ui->cols - 2, FRAME_PREVIEW_ROWS,
		  fact_element(&row->fact), text);
}

static void info_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Up/Down", "scroll", false}, {"Enter", "whole line", true},
		{"r", "look again", false},   {"l", "log", true},
		{"?", "help", true},	      {"q", "back", false},
		{NULL, NULL, false},
	};
	struct screen_info *si = data;

	frame_draw(ui, "System information", hints,
		   ui->facts.known ? "" : "The daemon is looking at the machine ...");
	for (int y = 0; y < si->list.height && si->list.top + y < (int)si->count; y++)
		draw_row(ui, &si->rows[si->list.top + y], FRAME_BODY_ROW + y,
			 si->list.top + y == si->list.cursor);
	draw_preview(ui, si);
}

/* On a small screen some facts fit nowhere else. */
static void tell_fact(struct ui *ui, const struct screen_info *si)
{
	const struct info_row *row = &si->rows[si->list.cursor];

	if (si->count > 0 && !row->group)
		dialog_tell(ui, row->fact.name, row->fact.value);
}

static void info_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_info *si = data;

	if (key->alt)
		return;
	switch (key->code) {
	case 'r':
		ui_send(ui, MENU_FACTS_GET, NULL, 0);
		ui_refresh_host(ui);
		break;
	case 'q':
	case UI_KEY_ESCAPE:
	case UI_KEY_LEFT: ui_pop(ui); break;
	default:
		if (ui_key_is_enter(key))
			tell_fact(ui, si);
		else if (!list_key(&si->list, key))
			ui_common_key(ui, key);
		break;
	}
}

static void info_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	info_build(ui, data);
}

static void info_close(struct ui *ui, void *data)
{
	struct screen_info *si = data;

	(void)ui;
	free(si->rows);
	free(si);
}

static const struct ui_screen screen_info_ops = {
	.name = "info",
	.layout = info_layout,
	.draw = info_draw,
	.key = info_key,
	.changed = info_changed,
	.close = info_close,
};

void screen_info_open(struct ui *ui)
{
	struct screen_info *si;

	if (ui_has_screen(ui, &screen_info_ops))
		return;
	si = calloc(1, sizeof(*si));
	if (!si) {
		ui_say(ui, UI_BAD, "There is not enough memory for the system information.");
		return;
	}
	ui_send(ui, MENU_FACTS_GET, NULL, 0);
	ui_refresh_host(ui);
	ui_push(ui, &screen_info_ops, si);
}
