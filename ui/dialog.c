/* Questions and sentences over whatever screen is there; see ui/screens.h. */
#include "ui/screens.h"

#include <stdlib.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/wrap.h"

#define DIALOG_LINES 12
#define DIALOG_WIDTH 66

struct dialog {
	char title[64];
	char text[512];
	void (*yes)(struct ui *ui); /* NULL: nothing is asked */
};

static void dialog_draw(struct ui *ui, void *data)
{
	const struct dialog *dialog = data;
	const char *keys = dialog->yes ? "y yes    n no" : "Enter back";
	int width = ui->cols - 6 < DIALOG_WIDTH ? ui->cols - 6 : DIALOG_WIDTH;
	int left = (ui->cols - width) / 2, lines = 0, top;

	for (const char *at = dialog->text; *at && lines < DIALOG_LINES; lines++)
		for (at += wrap_line(at, width - 4); *at == ' '; at++)
			;
	top = (ui->rows - lines - 4) / 2;
	draw_box(top, left, lines + 4, width, dialog->title);
	wrap_draw(top + 1, left + 2, width - 4, lines, UI_DIALOG, dialog->text);
	draw_text(top + lines + 2, left + 2, width - 4, UI_DIALOG, keys);
	ui->cursor_shown = false; /* the screen below may have placed it */
}

static void dialog_key(struct ui *ui, void *data, const struct ui_key *key)
{
	void (*yes)(struct ui *ui) = ((struct dialog *)data)->yes;
	bool go_away = ui_key_is_enter(key) || key->code == UI_KEY_ESCAPE ||
		       key->code == UI_KEY_LEFT || key->code == 'q';

	if (key->alt)
		return;
	if (key->code == UI_KEY_CTRL('L')) {
		ui_redraw_all(ui);
	} else if (yes && (key->code == 'y' || key->code == 'Y')) {
		ui_pop(ui);
		yes(ui);
	} else if (go_away || (yes ? key->code == 'n' || key->code == 'N' : key->code == ' ')) {
		ui_pop(ui);
	}
}

static void dialog_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_dialog = {
	.name = "dialog",
	.overlay = true,
	.draw = dialog_draw,
	.key = dialog_key,
	.close = dialog_close,
};

void dialog_ask(struct ui *ui, const char *title, const char *text, void (*yes)(struct ui *ui))
{
	struct dialog *dialog = calloc(1, sizeof(*dialog));

	if (!dialog) {
		ui_say(ui, UI_BAD, "%s", text);
		return;
	}
	text_copy(dialog->title, sizeof(dialog->title), title);
	text_copy(dialog->text, sizeof(dialog->text), text);
	dialog->yes = yes;
	ui_push(ui, &screen_dialog, dialog);
}

void dialog_tell(struct ui *ui, const char *title, const char *text)
{
	dialog_ask(ui, title, text, NULL);
}
