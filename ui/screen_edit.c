/*
 * The entry editor: the form over a draft. What is changed counts for this boot (F10, ^X) until it is saved
 * (^S).
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draft.h"
#include "ui/draw.h"
#include "ui/form.h"
#include "ui/frame.h"
#include "ui/main_rows.h"

struct screen_edit {
	struct form form;
	struct draft draft;
	bool saving;
};

static enum draft_row row_at(const struct screen_edit *se, int index)
{
	enum draft_row rows[DRAFT_ROWS];
	int count = draft_rows(&se->draft, rows);

	return rows[index < count ? index : count - 1];
}

/* ---- the form's rows ---- */

static int edit_count(struct ui *ui, void *data)
{
	enum draft_row rows[DRAFT_ROWS];

	(void)ui;
	return draft_rows(&((struct screen_edit *)data)->draft, rows);
}

static void edit_describe(struct ui *ui, void *data, int index, struct form_row *row)
{
	struct screen_edit *se = data;

	draft_describe(&se->draft, &ui->model, row_at(se, index), row);
}

static void edit_change(struct ui *ui, void *data, int index, int step)
{
	struct screen_edit *se = data;

	draft_change(&se->draft, row_at(se, index), step);
	form_fit(ui, &se->form);
}

/* ---- starting and saving ---- */

static void go_to_row(struct ui *ui, struct screen_edit *se, enum draft_row row)
{
	enum draft_row rows[DRAFT_ROWS];
	int count = draft_rows(&se->draft, rows);

	(void)ui;
	for (int i = 0; i < count; i++)
		if (rows[i] == row)
			form_go_to(&se->form, i);
}

/* The configuration; false if it cannot be used like that, then the cursor is where it is wrong. */
static bool edit_config(struct ui *ui, struct screen_edit *se, const char *what,
			struct vm_config *ret_config)
{
	struct vmb_err err = {0};
	enum draft_row bad;

	if (draft_config(&se->draft, &ui->model, ret_config, &bad, &err) == 0)
		return true;
	go_to_row(ui, se, bad);
	ui_say(ui, UI_BAD, "%s: %s", what, err.text);
	return false;
}

static void edit_start(struct ui *ui, struct screen_edit *se)
{
	struct vm_config config;

	if (!edit_config(ui, se, "Not started", &config))
		return;
	screen_preflight_start(ui, draft_is_changed(&se->draft) ? "" : se->draft.id, &config, true);
}

static void edit_save(struct ui *ui, struct screen_edit *se)
{
	struct menu_entry_save *save;
	struct vm_config config;

	/* One save at a time, unless that was refused or given up. */
	if (ui->wait.type == MENU_ENTRY_SAVE || !edit_config(ui, se, "Not saved", &config))
		return;
	save = malloc(sizeof(*save));
	if (!save) {
		ui_say(ui, UI_BAD, "There is not enough memory to save it.");
		return;
	}
	draft_save(&se->draft, &config, save);
	ui_send(ui, MENU_ENTRY_SAVE, save, sizeof(*save));
	free(save);
	se->saving = true;
	wait_begin(ui, MENU_ENTRY_SAVE, "Saving %s", config.title);
}

static void firmware_picked(struct ui *ui, void *arg, const struct menu_firmware *firmware)
{
	struct vm_config *config = &((struct screen_edit *)arg)->draft.now.config;

	(void)ui;
	text_copy(config->firmware_device, sizeof(config->firmware_device), firmware->device);
	text_copy(config->firmware_path, sizeof(config->firmware_path), firmware->path);
}

static void edit_enter(struct ui *ui, void *data, int index)
{
	struct screen_edit *se = data;
	struct vm_config *config = &se->draft.now.config;

	switch (row_at(se, index)) {
	case DRAFT_START: edit_start(ui, se); break;
	case DRAFT_SAVE: edit_save(ui, se); break;
	case DRAFT_FIRMWARE: screen_firmware_open(ui, firmware_picked, se); break;
	case DRAFT_DISKS: screen_disks_open(ui, config); break;
	case DRAFT_NETS: screen_nics_open(ui, config); break;
	case DRAFT_PCI: screen_pci_open(ui, config); break;
	default: break;
	}
}

static const struct form_ops edit_form_ops = {
	.count = edit_count,
	.row = edit_describe,
	.change = edit_change,
	.enter = edit_enter,
};

/* ---- the screen ---- */

static void edit_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	form_fit(ui, &((struct screen_edit *)data)->form);
}

static void edit_changed(struct ui *ui, void *data, int what)
{
	struct screen_edit *se = data;

	if (se->saving && (what & MODEL_SAVED)) {
		se->saving = false;
		draft_saved(&se->draft, ui->saved_id);
		ui_say(ui, UI_GOOD, "Saved as %s.", se->draft.id);
	}
	/* Refused, or given up. */
	if (se->saving && ui->wait.type != MENU_ENTRY_SAVE)
		se->saving = false;
	form_fit(ui, &se->form);
}

static void draw_preview(struct ui *ui, struct screen_edit *se, int rows)
{
	const struct menu_entry *entry = model_entry(&ui->model, se->draft.id);
	int y = frame_preview_row(ui->rows), width = ui->cols - 2;
	char check[256], boot[2 * VM_PATH_SIZE + 16];
	struct vm_config config;
	struct vmb_err err = {0};
	enum draft_row bad;

	if (draft_config(&se->draft, &ui->model, &config, &bad, &err) < 0) {
		text_copy(check, sizeof(check), err.text);
		draw_text(y + (rows > 1 ? 1 : 0), 1, width, UI_BAD, check);
		if (rows > 1)
			draw_text(y, 1, width, UI_NORMAL,
				  "It cannot be started or saved like this:");
		return;
	}
	if (rows < FRAME_PREVIEW_ROWS) {
		draw_printf(y, 1, width, UI_NORMAL, "F10 starts %s",
			    describe_boot(&config, boot, sizeof(boot)));
		return;
	}
	preview_config(ui, &config, "F10 starts", config.title, y);
	/* What was changed may be just what was wrong: that the checklist tells. */
	if (entry && !draft_is_changed(&se->draft))
		preview_trouble(ui, entry, y);
}

static void edit_draw(struct ui *ui, void *data)
{
	struct frame_hint hints[FORM_HINTS];
	struct screen_edit *se = data;
	bool changed = draft_is_changed(&se->draft);
	char title[128];

	snprintf(title, sizeof(title), "%s%.64s%s", se->draft.id[0] ? "Entry " : "New: ",
		 se->draft.id[0] ? se->draft.id : se->draft.title.text, changed ? " *" : "");
	form_hints(ui, &se->form, true, hints);
	frame_draw(ui, title, hints,
		   changed	     ? "* not saved: F10 starts it like this once, ^S keeps it"
		   : se->draft.id[0] ? "saved"
				     : "not an entry yet: ^S makes it one");
	draw_preview(ui, se, form_draw(ui, &se->form));
}

static void leave(struct ui *ui)
{
	ui_pop(ui);
}

static void edit_leave(struct ui *ui, struct screen_edit *se)
{
	if (draft_is_changed(&se->draft))
		dialog_ask(ui, "Not saved",
			   "What was changed is not saved. Leave the editor and forget it?", leave);
	else
		ui_pop(ui);
}

static void edit_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_edit *se = data;
	bool in_text = form_in_text(ui, &se->form);

	if (key->alt)
		return;
	if (key->code == UI_KEY_F1 + 9 || key->code == UI_KEY_CTRL('X'))
		edit_start(ui, se);
	else if (key->code == UI_KEY_CTRL('S'))
		edit_save(ui, se);
	else if (key->code == UI_KEY_ESCAPE)
		edit_leave(ui, se);
	else if (form_key(ui, &se->form, key))
		return;
	else if (key->code == 'q' || key->code == UI_KEY_LEFT)
		edit_leave(ui, se);
	else if (!in_text || key->code == UI_KEY_CTRL('L'))
		ui_common_key(ui, key);
}

static void edit_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_edit_ops = {
	.name = "edit",
	.layout = edit_layout,
	.draw = edit_draw,
	.key = edit_key,
	.changed = edit_changed,
	.close = edit_close,
};

void screen_edit_open(struct ui *ui, const char *id, const struct vm_config *config)
{
	struct screen_edit *se = calloc(1, sizeof(*se));

	if (!se) {
		ui_say(ui, UI_BAD, "There is not enough memory for the editor.");
		return;
	}
	se->form.ops = &edit_form_ops;
	se->form.data = se;
	draft_begin(&se->draft, config, id[0] ? model_entry(&ui->model, id) : NULL);
	draft_saved(&se->draft, NULL);
	ui_refresh_host(ui);
	ui_push(ui, &screen_edit_ops, se);
}
