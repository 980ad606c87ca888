/* A line asked for over whatever screen is there; see dialog_prompt() in ui/screens.h. */
#include "ui/screens.h"

#include <stdlib.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/field.h"

#define PROMPT_WIDTH  60
#define PROMPT_HEIGHT 6

struct prompt {
	char title[64];
	char label[80];
	struct field field;
	void (*done)(struct ui *ui, const char *about, const char *line);
	char about[VM_PATH_SIZE];
};

static void prompt_draw(struct ui *ui, void *data)
{
	const struct prompt *prompt = data;
	int width = ui->cols - 6 < PROMPT_WIDTH ? ui->cols - 6 : PROMPT_WIDTH;
	int left = (ui->cols - width) / 2, top = (ui->rows - PROMPT_HEIGHT) / 2;

	draw_box(top, left, PROMPT_HEIGHT, width, prompt->title);
	draw_text(top + 1, left + 2, width - 4, UI_DIALOG, prompt->label);
	field_draw(ui, top + 2, left + 2, width - 4, UI_FIELD_FOCUS, &prompt->field, true);
	draw_text(top + 4, left + 2, width - 4, UI_DIALOG, "Enter ok    Esc back");
}

static void prompt_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct prompt *prompt = data, copy = *prompt;
	char line[FIELD_SIZE];

	if (key->alt)
		return;
	if (key->code == UI_KEY_ESCAPE) {
		ui_pop(ui);
	} else if (key->code == UI_KEY_CTRL('L')) {
		ui_redraw_all(ui);
	} else if (!ui_key_is_enter(key)) {
		field_key(&prompt->field, key);
	} else if (field_value(&copy.field, line, sizeof(line))[0]) {
		ui_pop(ui);
		copy.done(ui, copy.about, line);
	}
}

static void prompt_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_prompt = {
	.name = "prompt",
	.overlay = true,
	.draw = prompt_draw,
	.key = prompt_key,
	.close = prompt_close,
};

void dialog_prompt(struct ui *ui, const char *title, const char *label, const char *initial,
		   int max, void (*done)(struct ui *ui, const char *about, const char *line),
		   const char *about)
{
	struct prompt *prompt = calloc(1, sizeof(*prompt));

	if (!prompt) {
		ui_say(ui, UI_BAD, "There is not enough memory to ask for it.");
		return;
	}
	text_copy(prompt->title, sizeof(prompt->title), title);
	text_copy(prompt->label, sizeof(prompt->label), label);
	text_copy(prompt->about, sizeof(prompt->about), about);
	prompt->field.max = max;
	field_set(&prompt->field, initial);
	prompt->done = done;
	ui_push(ui, &screen_prompt, prompt);
}
