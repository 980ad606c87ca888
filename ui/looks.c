/* How the menu looks: theme and glyphs, from the command line, the settings, and while they are tried on. */
#include "ui/ui.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/screen.h"
#include "ui/screens.h"

static bool colours_wanted(void)
{
	const char *no_color = getenv("NO_COLOR");

	return !(no_color && no_color[0]);
}

/* 0, or what theme_load() says; then the default theme is used. */
static int apply(struct ui *ui, const char *theme, bool ascii, struct vmb_err *err)
{
	int rc = theme_load(theme && theme[0] ? theme : NULL, ui->theme_dir, &ui->theme, err);

	draw_start(ascii ? DRAW_ASCII : ui->charset, colours_wanted(), &ui->theme);
	return rc;
}

void ui_set_looks(struct ui *ui, const char *theme, bool ascii)
{
	struct vmb_err err = {0};

	if (apply(ui, theme, ascii, &err) < 0)
		ui_say(ui, UI_BAD, "%s", err.text);
	ui_redraw_all(ui);
}

void ui_take_looks(struct ui *ui)
{
	const struct menu_settings *settings = &ui->model.settings;
	const char *theme = ui->named_theme ? ui->named_theme : settings->theme;
	struct vmb_err err = {0};

	if (apply(ui, theme, ui->named_ascii || settings->ascii, &err) < 0 &&
	    strcmp(ui->refused_theme, theme) != 0) {
		text_copy(ui->refused_theme, sizeof(ui->refused_theme), theme);
		/* Where there is nothing but a console, a dialog below it would be the end. */
		if (ui->attach_only)
			ui_say(ui, UI_WARN, "%s", err.text);
		else
			dialog_tell(ui, "The default theme is used", err.text);
	}
	ui_redraw_all(ui);
}

void ui_take_line(struct ui *ui)
{
	const struct menu_settings *settings = &ui->model.settings;

	for (unsigned int i = 0; i < settings->console_count && i < MENU_MAX_CONSOLES; i++) {
		const struct menu_console_settings *line = &settings->consoles[i];

		if (strcmp(line->tty, ui->console_name) != 0)
			continue;
		if (line->baud && screen_set_speed(line->baud) < 0)
			ui_say(ui, UI_WARN, "%s cannot run at %u baud.", line->tty, line->baud);
		if (line->rows && line->cols)
			screen_set_size(line->rows, line->cols);
		ui_redraw_all(ui);
	}
}
