/* A new password for the menu: typed twice, never shown. The daemon makes a hash of it and keeps only that. */
#include "ui/screens.h"

#include <stdlib.h>
#include <string.h>

#include "ui/draw.h"
#include "ui/field.h"

#define BOX_WIDTH  56
#define BOX_HEIGHT 7
#define FIELD_COL  16

struct screen_password {
	struct field fields[2]; /* the same, it is hoped */
	int at;
	const char *note; /* static; NULL: none */
};

static void password_draw(struct ui *ui, void *data)
{
	static const char *const labels[] = {"New password:", "Once more:"};
	const struct screen_password *sp = data;
	int top = (ui->rows - BOX_HEIGHT) / 2, left = (ui->cols - BOX_WIDTH) / 2;

	draw_box(top, left, BOX_HEIGHT, BOX_WIDTH, "Password of the menu");
	draw_text(top + 1, left + 2, BOX_WIDTH - 4, UI_DIALOG,
		  sp->note ? sp->note
		  : ui->model.settings.has_password
			  ? "An empty one takes the password away."
			  : "Only the default entry will start without it.");
	for (int i = 0; i < 2; i++) {
		draw_text(top + 2 + i, left + 2, FIELD_COL - 2, UI_DIALOG, labels[i]);
		field_draw_hidden(ui, top + 2 + i, left + FIELD_COL, BOX_WIDTH - FIELD_COL - 2,
				  &sp->fields[i], i == sp->at);
	}
	draw_text(top + 5, left + 2, BOX_WIDTH - 4, UI_DIALOG, "Enter next   Esc back");
}

static void send_password(struct ui *ui, const char *password, int n)
{
	ui_send(ui, MENU_PASSWORD, password, (size_t)n);
	wait_begin(ui, MENU_PASSWORD, "Setting the password");
}

static void take_away(struct ui *ui)
{
	send_password(ui, "", 0);
}

static void start_again(struct screen_password *sp, const char *note)
{
	field_wipe(&sp->fields[0]);
	field_wipe(&sp->fields[1]);
	sp->at = 0;
	sp->note = note;
}

/* SP may be gone afterwards. */
static void password_enter(struct ui *ui, struct screen_password *sp)
{
	const struct field *new = &sp->fields[0];

	if (sp->at == 0 && new->len == 0) {
		bool had = ui->model.settings.has_password;

		ui_pop(ui);
		if (had)
			dialog_ask(ui, "No password",
				   "Without one everybody at a console may start, change and erase "
				   "everything. Take it away?",
				   take_away);
	} else if (sp->at == 0) {
		sp->at = 1;
	} else if (strcmp(new->text, sp->fields[1].text) != 0) {
		start_again(sp, "They were not the same. Once more, both.");
	} else {
		send_password(ui, new->text, new->len);
		ui_pop(ui);
	}
}

static void password_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_password *sp = data;

	if (key->alt)
		return;
	if (key->code == UI_KEY_ESCAPE)
		ui_pop(ui);
	else if (key->code == UI_KEY_CTRL('L'))
		ui_redraw_all(ui);
	else if (ui_key_is_enter(key))
		password_enter(ui, sp);
	else if (field_key(&sp->fields[sp->at], key))
		sp->note = NULL;
}

static void password_close(struct ui *ui, void *data)
{
	struct screen_password *sp = data;

	(void)ui;
	start_again(sp, NULL);
	free(sp);
}

static const struct ui_screen screen_password_ops = {
	.name = "password",
	.overlay = true,
	.draw = password_draw,
	.key = password_key,
	.close = password_close,
};

void screen_password_open(struct ui *ui)
{
	struct screen_password *sp = calloc(1, sizeof(*sp));

	if (!sp) {
		ui_say(ui, UI_BAD, "There is not enough memory for this.");
		return;
	}
	for (int i = 0; i < 2; i++)
		sp->fields[i].max = MENU_MAX_PASSWORD;
	ui_push(ui, &screen_password_ops, sp);
}
