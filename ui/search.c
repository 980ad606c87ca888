/* See ui/search.h. */
#include "ui/search.h"

#include <string.h>

#include "text.h"
#include "ui/draw.h"

static const char label[] = "Search upwards: ";

static enum search_result typing_key(struct search *search, const struct ui_key *key)
{
	if (key->code == UI_KEY_ESCAPE) {
		search->typing = false;
	} else if (ui_key_is_enter(key)) {
		search->typing = false;
		/* Nothing typed: the words of before. */
		if (search->field.text[0])
			text_copy(search->wanted, sizeof(search->wanted), search->field.text);
		return search->wanted[0] ? SEARCH_NEW : SEARCH_TAKEN;
	} else {
		field_key(&search->field, key);
	}
	return SEARCH_TAKEN;
}

enum search_result search_key(struct ui *ui, struct search *search, const struct ui_key *key)
{
	if (search->typing)
		return typing_key(search, key);
	if (key->alt)
		return SEARCH_NOTHING;
	if (key->code == '/') {
		search->field.max = SEARCH_SIZE - 1;
		field_set(&search->field, "");
		search->typing = true;
		return SEARCH_TAKEN;
	}
	if (key->code != 'n' && key->code != 'N')
		return SEARCH_NOTHING;
	if (!search->wanted[0]) {
		ui_say(ui, UI_NORMAL, "Nothing was searched for yet: / asks for it.");
		return SEARCH_TAKEN;
	}
	return key->code == 'n' ? SEARCH_UP : SEARCH_DOWN;
}

bool search_draw(struct ui *ui, const struct search *search, int row, enum ui_element element)
{
	if (!search->typing)
		return false;
	draw_text(row, 1, ui->cols - 3, element, label);
	field_draw(ui, row, 1 + (int)strlen(label), ui->cols - 3 - (int)strlen(label), element,
		   &search->field, true);
	return true;
}

void search_say_none(struct ui *ui, const struct search *search, bool up)
{
	ui_say(ui, UI_WARN, "\"%s\" is not %s.", search->wanted,
	       up ? "further up" : "further down");
}

const char *search_find(const struct search *search, const char *text)
{
	return search->wanted[0] ? strcasestr(text, search->wanted) : NULL;
}
