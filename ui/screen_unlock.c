/* The password of a menu that is locked: typed unseen, judged by the daemon. */
#include "ui/screens.h"

#include <stdlib.h>

#include "ui/draw.h"
#include "ui/field.h"

#define UNLOCK_WIDTH 50

static void unlock_draw(struct ui *ui, void *data)
{
	const struct field *field = data;
	int top = (ui->rows - 6) / 2, left = (ui->cols - UNLOCK_WIDTH) / 2;

	draw_box(top, left, 6, UNLOCK_WIDTH, "Locked");
	draw_text(top + 1, left + 2, UNLOCK_WIDTH - 4, UI_DIALOG,
		  ui->status[0] ? ui->status
				: "Only the default entry starts without the password.");
	draw_text(top + 2, left + 2, 10, UI_DIALOG, "Password:");
	draw_text(top + 4, left + 2, UNLOCK_WIDTH - 4, UI_DIALOG, "Enter unlock   Esc back");
	field_draw_hidden(ui, top + 2, left + 12, UNLOCK_WIDTH - 14, field, true);
}

static void unlock_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct field *field = data;

	if (key->code == UI_KEY_ESCAPE) {
		ui_pop(ui);
	} else if (ui_key_is_enter(key) && field->len > 0) {
		ui_send(ui, MENU_UNLOCK, field->text, (size_t)field->len);
		field_wipe(field);
	} else {
		field_key(field, key);
	}
}

static void unlock_changed(struct ui *ui, void *data, int what)
{
	(void)data;
	if (!(what & MODEL_LOCK) || ui->lock.locked)
		return;
	ui_pop(ui);
	ui_say(ui, UI_GOOD, "Unlocked on this console; U locks it again.");
}

static void unlock_close(struct ui *ui, void *data)
{
	(void)ui;
	field_wipe(data);
	free(data);
}

static const struct ui_screen screen_unlock_ops = {
	.name = "unlock",
	.overlay = true,
	.draw = unlock_draw,
	.key = unlock_key,
	.changed = unlock_changed,
	.close = unlock_close,
};

void screen_unlock_open(struct ui *ui)
{
	struct field *field;

	if (ui_has_screen(ui, &screen_unlock_ops))
		return;
	if (!ui->lock.locked) {
		if (ui->lock.has_password)
			ui_send(ui, MENU_LOCK, NULL, 0);
		ui_say(ui, UI_NORMAL,
		       ui->lock.has_password
			       ? "Locked."
			       : "There is no password; the settings (c) can set one.");
		return;
	}
	field = calloc(1, sizeof(*field));
	if (!field) {
		ui_say(ui, UI_BAD, "There is not enough memory for this.");
		return;
	}
	field->max = MENU_MAX_PASSWORD;
	ui_push(ui, &screen_unlock_ops, field);
}
