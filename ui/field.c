/* See ui/field.h. */
#include "ui/field.h"

#include <string.h>

#include "text.h"

void field_set(struct field *field, const char *text)
{
	text_copy(field->text, sizeof(field->text), text);
	field->len = (int)strlen(field->text);
	field->cursor = field->len;
}

static void field_insert(struct field *field, char c)
{
	if (field->len >= FIELD_SIZE - 1)
		return;
	memmove(field->text + field->cursor + 1, field->text + field->cursor,
		(size_t)(field->len - field->cursor) + 1);
	field->text[field->cursor++] = c;
	field->len++;
}

/* Takes the character at AT out. */
static void field_remove(struct field *field, int at)
{
	if (at < 0 || at >= field->len)
		return;
	memmove(field->text + at, field->text + at + 1, (size_t)(field->len - at));
	field->len--;
	if (field->cursor > at)
		field->cursor--;
}

bool field_key(struct field *field, const struct ui_key *key)
{
	if (key->alt)
		return false;
	if (ui_key_is_backspace(key)) {
		field_remove(field, field->cursor - 1);
		return true;
	}
	switch (key->code) {
	case UI_KEY_LEFT:
		if (field->cursor > 0)
			field->cursor--;
		return true;
	case UI_KEY_RIGHT:
		if (field->cursor < field->len)
			field->cursor++;
		return true;
	case UI_KEY_HOME:
	case UI_KEY_CTRL('A'): field->cursor = 0; return true;
	case UI_KEY_END:
	case UI_KEY_CTRL('E'): field->cursor = field->len; return true;
	case UI_KEY_DELETE: field_remove(field, field->cursor); return true;
	case UI_KEY_CTRL('U'): field_set(field, ""); return true;
	default: break;
	}
	if (key->code < 0x20 || key->code > 0x7E)
		return false;
	field_insert(field, (char)key->code);
	return true;
}
