/* See ui/filter.h. */
#include "ui/filter.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"

#define FILTER_LENGTH 60

bool filter_key(struct filter *filter, const struct ui_key *key)
{
	if (key->alt)
		return false;
	if (!filter->typing) {
		if (key->code == UI_KEY_ESCAPE && filter_is_on(filter)) {
			field_set(&filter->field, "");
			return true;
		}
		if (key->code != '/')
			return false;
		filter->field.max = FILTER_LENGTH;
		filter->typing = true;
		return true;
	}
	if (key->code == UI_KEY_UP || key->code == UI_KEY_DOWN || key->code == UI_KEY_CTRL('L'))
		return false;
	if (key->code == UI_KEY_ESCAPE)
		field_set(&filter->field, "");
	if (key->code == UI_KEY_ESCAPE || ui_key_is_enter(key))
		filter->typing = false;
	else
		field_key(&filter->field, key);
	return true;
}

bool filter_matches(const struct filter *filter, const char *text)
{
	char words[FILTER_LENGTH + 1], *save = NULL;

	text_copy(words, sizeof(words), filter->field.text);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		if (!strcasestr(text, word))
			return false;
	return true;
}

bool filter_is_on(const struct filter *filter)
{
	return filter->field.text[0] != '\0';
}

void filter_draw(struct ui *ui, const struct filter *filter)
{
	static const char label[] = "Only rows with: ";
	int row = ui->rows - 1, col = 1 + (int)sizeof(label) - 1;

	if (filter->typing) {
		draw_text(row, 0, ui->cols - 1, UI_STATUS, "");
		draw_text(row, 1, col - 1, UI_KEY, label);
		field_draw(ui, row, col, ui->cols - 1 - col - 20, UI_FIELD, &filter->field, true);
		draw_text(row, ui->cols - 20, 19, UI_STATUS, "Enter keep  Esc all");
	} else if (filter_is_on(filter) && !ui->status[0]) {
		draw_printf(row, 1, ui->cols - 2, UI_WARN, "Only rows with: %s   (Esc shows all)",
			    filter->field.text);
	}
}
