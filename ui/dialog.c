/* Questions and sentences over whatever screen is there; see ui/screens.h. */
#include "ui/screens.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"

#define DIALOG_LINES 12
#define DIALOG_WIDTH 66

struct dialog {
	char title[64];
	char text[512];
	void (*yes)(struct ui *ui); /* NULL: nothing is asked */
};

/* Bytes of TEXT that fit WIDTH columns, cut at a blank where there is one. */
static size_t line_length(const char *text, int width)
{
	size_t fit = 0, blank = 0, at = 0;
	char part[512];

	while (text[at]) {
		size_t len = text_utf8_len(text + at, strnlen(text + at, 4));

		if (len == 0)
			len = 1;
		memcpy(part, text, at + len);
		part[at + len] = '\0';
		if (draw_columns(part) > width)
			return blank > 0 ? blank : fit;
		if (text[at] == ' ')
			blank = at;
		at += len;
		fit = at;
	}
	return fit;
}

static void dialog_draw(struct ui *ui, void *data)
{
	const struct dialog *dialog = data;
	const char *at = dialog->text, *keys = dialog->yes ? "y yes    n no" : "Enter back";
	int width = ui->cols - 6 < DIALOG_WIDTH ? ui->cols - 6 : DIALOG_WIDTH, lines = 0, top;
	char line[DIALOG_LINES][512];

	while (*at && lines < DIALOG_LINES && lines + 6 < ui->rows) {
		size_t n = line_length(at, width - 4);

		if (n == 0)
			break;
		memcpy(line[lines], at, n);
		line[lines++][n] = '\0';
		for (at += n; *at == ' '; at++)
			;
	}
	top = (ui->rows - lines - 5) / 2;
	draw_box(top, (ui->cols - width) / 2, lines + 5, width, dialog->title);
	for (int i = 0; i < lines; i++)
		draw_text(top + 1 + i, (ui->cols - width) / 2 + 2, width - 4, UI_DIALOG, line[i]);
	draw_text(top + lines + 3, (ui->cols - width) / 2 + 2, width - 4, UI_DIALOG, keys);
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
