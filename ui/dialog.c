/* Questions and sentences over whatever screen is there; see ui/screens.h. */
#include "ui/screens.h"

#include <stdlib.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/wrap.h"

#define DIALOG_LINES 15
#define DIALOG_WIDTH 66

struct dialog {
	char title[64];
	char text[768];
	void (*yes)(struct ui *ui); /* it or the next one, or nothing is asked */
	void (*yes_about)(struct ui *ui, const char *about);
	char about[VM_PATH_SIZE];
};

static bool is_question(const struct dialog *dialog)
{
	return dialog->yes || dialog->yes_about;
}

static void dialog_draw(struct ui *ui, void *data)
{
	const struct dialog *dialog = data;
	const char *keys = is_question(dialog) ? "y yes    n no" : "Enter back";
	int width = ui->cols - 6 < DIALOG_WIDTH ? ui->cols - 6 : DIALOG_WIDTH;
	int lines = wrap_rows(dialog->text, width - 4, DIALOG_LINES);
	int left = (ui->cols - width) / 2, top;

	top = (ui->rows - lines - 4) / 2;
	draw_box(top, left, lines + 4, width, dialog->title);
	wrap_draw(top + 1, left + 2, width - 4, lines, UI_DIALOG, dialog->text);
	draw_text(top + lines + 2, left + 2, width - 4, UI_DIALOG, keys);
	ui->cursor_shown = false; /* the screen below may have placed it */
}

static void dialog_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct dialog dialog = *(struct dialog *)data;
	bool go_away = ui_key_is_enter(key) || key->code == UI_KEY_ESCAPE ||
		       key->code == UI_KEY_LEFT || key->code == 'q';
	bool asks = is_question(&dialog);

	if (key->alt)
		return;
	if (key->code == UI_KEY_CTRL('L')) {
		ui_redraw_all(ui);
	} else if (asks && (key->code == 'y' || key->code == 'Y')) {
		ui_pop(ui);
		if (dialog.yes)
			dialog.yes(ui);
		else
			dialog.yes_about(ui, dialog.about);
	} else if (go_away || (asks ? key->code == 'n' || key->code == 'N' : key->code == ' ')) {
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

static struct dialog *dialog_open(struct ui *ui, const char *title, const char *text)
{
	struct dialog *dialog = calloc(1, sizeof(*dialog));

	if (!dialog) {
		ui_say(ui, UI_BAD, "%s", text);
		return NULL;
	}
	text_copy(dialog->title, sizeof(dialog->title), title);
	text_copy(dialog->text, sizeof(dialog->text), text);
	return ui_push(ui, &screen_dialog, dialog) < 0 ? NULL : dialog;
}

void dialog_ask(struct ui *ui, const char *title, const char *text, void (*yes)(struct ui *ui))
{
	struct dialog *dialog = dialog_open(ui, title, text);

	if (dialog)
		dialog->yes = yes;
}

void dialog_ask_about(struct ui *ui, const char *title, const char *text,
		      void (*yes)(struct ui *ui, const char *about), const char *about)
{
	struct dialog *dialog = dialog_open(ui, title, text);

	if (!dialog)
		return;
	dialog->yes_about = yes;
	text_copy(dialog->about, sizeof(dialog->about), about);
}

void dialog_tell(struct ui *ui, const char *title, const char *text)
{
	dialog_open(ui, title, text);
}
