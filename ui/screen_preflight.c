/* The checklist before a start, shown only if something on it is not ok. */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/main_rows.h"
#include "ui/preflight.h"
#include "ui/wrap.h"

#define TEXT_COL 24

struct screen_preflight {
	struct vm_config config;
	char id[MENU_ID_SIZE]; /* the entry; empty: none, or a changed one */
	bool from_editor;      /* which is the screen below */
	struct preflight_item items[PREFLIGHT_ITEMS];
	enum preflight_level worst;
	struct list list;
};

static const char *entry_problem(const struct ui *ui, const char *id)
{
	const struct menu_entry *entry = id[0] ? model_entry(&ui->model, id) : NULL;

	return entry ? entry->problem : "";
}

/* What is in the way may go while the operator reads. */
static void preflight_refresh(struct ui *ui, struct screen_preflight *sp)
{
	unsigned int count = preflight_check(&ui->model, &sp->config, entry_problem(ui, sp->id),
					     sp->items, &sp->worst);

	list_fit(&sp->list, (int)count, frame_body_rows(ui->rows));
}

static void preflight_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	preflight_refresh(ui, data);
}

static void preflight_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	preflight_refresh(ui, data);
}

static void draw_item(const struct ui *ui, const struct preflight_item *item, int y, bool selected)
{
	static const char *const marks[] = {"ok", "--", "!!", "!!", "!!"};
	static const enum ui_element elements[] = {UI_GOOD, UI_DIM, UI_WARN, UI_WARN, UI_BAD};

	if (selected) {
		draw_text(y, 0, ui->cols - 1, UI_SELECTED, "");
		draw_glyph(y, 1, UI_SELECTED, GLYPH_MARK);
	}
	draw_text(y, 3, 2, selected ? UI_SELECTED : elements[item->level], marks[item->level]);
	draw_text(y, 7, TEXT_COL - 8, selected ? UI_SELECTED : UI_STRONG, item->subject);
	draw_text(y, TEXT_COL, ui->cols - TEXT_COL - 2,
		  selected			 ? UI_SELECTED
		  : item->level > PREFLIGHT_NONE ? elements[item->level]
						 : UI_NORMAL,
		  item->text);
}

/* Is the line under the cursor longer than the preview? */
static bool is_cut(const struct ui *ui, const struct screen_preflight *sp)
{
	return wrap_rows(sp->items[sp->list.cursor].text, ui->cols - 2, FRAME_PREVIEW_ROWS + 1) >
	       FRAME_PREVIEW_ROWS;
}

static const char *verdict_text(const struct ui *ui, const struct screen_preflight *sp)
{
	switch (sp->worst) {
	case PREFLIGHT_BAD:
		return is_cut(ui, sp) ? "It will not start like this. Enter shows the whole line."
				      : "It will not start like this.";
	case PREFLIGHT_FIX: return "It will not start like this; it will with o or r.";
	case PREFLIGHT_WARN: return "It starts like this, but see what is marked !!.";
	default: return "Nothing is in the way any more.";
	}
}

static void preflight_draw(struct ui *ui, void *data)
{
	static const struct frame_hint ok_hints[] = {
		{"Enter", "start", false}, {"e", "edit", false}, {"q", "back", false},
		{"?", "help", true},	   {NULL, NULL, false},
	};
	static const struct frame_hint fix_hints[] = {
		{"o", "start with overlay", false},
		{"r", "start read-only", false},
		{"e", "edit", false},
		{"q", "back", false},
		{"?", "help", true},
		{NULL, NULL, false},
	};
	static const struct frame_hint bad_hints[] = {
		{"e", "edit", false}, {"!", "shell", false}, {"q", "back", false},
		{"?", "help", true},  {NULL, NULL, false},
	};
	struct screen_preflight *sp = data;
	int y = frame_preview_row(ui->rows);
	char title[96];

	snprintf(title, sizeof(title), "Before %s starts", sp->config.title);
	frame_draw(ui, title,
		   sp->worst == PREFLIGHT_BAD	? bad_hints
		   : sp->worst == PREFLIGHT_FIX ? fix_hints
						: ok_hints,
		   verdict_text(ui, sp));
	ui->cursor_row = FRAME_BODY_ROW + sp->list.cursor - sp->list.top;
	ui->cursor_col = 1;
	for (int i = 0; i < sp->list.height && sp->list.top + i < sp->list.count; i++)
		draw_item(ui, &sp->items[sp->list.top + i], FRAME_BODY_ROW + i,
			  sp->list.top + i == sp->list.cursor);
	frame_draw_more(ui, &sp->list);
	wrap_draw(y, 1, ui->cols - 2, FRAME_PREVIEW_ROWS, UI_NORMAL,
		  sp->items[sp->list.cursor].text);
}

/* An entry as it is is the daemon's to start: it counts the tries. */
static void start(struct ui *ui, const char *id, const struct vm_config *config)
{
	if (id[0])
		ui_start_entry(ui, id, config->title);
	else
		ui_start_vm(ui, config);
}

/* Takes the screen away and starts; SP is gone afterwards. */
static void preflight_start(struct ui *ui, struct screen_preflight *sp, bool as_it_is)
{
	struct vm_config config = sp->config;
	char id[MENU_ID_SIZE] = "";

	if (as_it_is)
		text_copy(id, sizeof(id), sp->id);
	ui_pop(ui);
	start(ui, id, &config);
}

/* To the editor; SP is gone afterwards. */
static void preflight_edit(struct ui *ui, struct screen_preflight *sp)
{
	struct vm_config config = sp->config;
	bool from_editor = sp->from_editor;
	char id[MENU_ID_SIZE];

	text_copy(id, sizeof(id), sp->id);
	ui_pop(ui);
	if (!from_editor)
		screen_edit_open(ui, id, &config);
}

static void preflight_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_preflight *sp = data;

	if (key->alt || list_key(&sp->list, key))
		return;
	if (ui_key_is_enter(key) && sp->worst <= PREFLIGHT_WARN) {
		preflight_start(ui, sp, true);
	} else if ((key->code == 'o' || key->code == 'r') && sp->worst == PREFLIGHT_FIX) {
		preflight_fix(&ui->model, &sp->config, key->code == 'o');
		preflight_start(ui, sp, false);
	} else if (ui_key_is_enter(key) && is_cut(ui, sp)) {
		dialog_tell(ui, "It will not start like this", sp->items[sp->list.cursor].text);
	} else if (ui_key_is_enter(key)) {
		ui_say(ui, UI_BAD, "It will not start like this: see the lines with !!.");
	} else if (key->code == 'e') {
		preflight_edit(ui, sp);
	} else if (key->code == 'q' || key->code == UI_KEY_ESCAPE || key->code == UI_KEY_LEFT) {
		ui_pop(ui);
	} else {
		ui_common_key(ui, key);
	}
}

static void preflight_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_preflight_ops = {
	.name = "preflight",
	.layout = preflight_layout,
	.draw = preflight_draw,
	.key = preflight_key,
	.changed = preflight_changed,
	.close = preflight_close,
};

void screen_preflight_start(struct ui *ui, const char *id, const struct vm_config *config,
			    bool from_editor)
{
	struct screen_preflight *sp;

	if (model_vm_alive(&ui->model)) {
		ui_start_vm(ui, config); /* which says why not */
		return;
	}
	sp = calloc(1, sizeof(*sp));
	if (!sp) {
		ui_say(ui, UI_BAD, "There is not enough memory to look at it first.");
		return;
	}
	sp->config = *config;
	text_copy(sp->id, sizeof(sp->id), id);
	sp->from_editor = from_editor;
	/* What is known of them may be old. */
	if (config->vfio_count > 0)
		ui_send(ui, MENU_PCI_GET, NULL, 0);
	preflight_refresh(ui, sp);
	if (sp->worst > PREFLIGHT_NONE) {
		/* The cursor goes to what is in the way, and the preview says it in full. */
		while (sp->items[sp->list.cursor].level != sp->worst)
			sp->list.cursor++;
		ui_push(ui, &screen_preflight_ops, sp);
		return;
	}
	free(sp);
	start(ui, id, config);
}
