/* See ui/field.h. */
#include "ui/field.h"

#include <string.h>

#include "text.h"
#include "ui/draw.h"

void field_set(struct field *field, const char *text)
{
	text_copy(field->text, sizeof(field->text), text);
	field->len = (int)strlen(field->text);
	field->cursor = field->len;
}

char *field_value(const struct field *field, char *buf, size_t size)
{
	const char *text = field->text + strspn(field->text, " ");
	size_t n;

	text_copy(buf, size, text);
	for (n = strlen(buf); n > 0 && buf[n - 1] == ' '; n--)
		buf[n - 1] = '\0';
	return buf;
}

/* Bytes of the character at AT. */
static int char_length(const struct field *field, int at)
{
	int n = 1;

	while (at + n < field->len && ((unsigned char)field->text[at + n] & 0xC0) == 0x80)
		n++;
	return n;
}

/* Where the character before AT begins. */
static int char_before(const struct field *field, int at)
{
	if (at > 0)
		at--;
	while (at > 0 && ((unsigned char)field->text[at] & 0xC0) == 0x80)
		at--;
	return at;
}

static int encode(uint32_t code, char utf8[4])
{
	if (code < 0x80) {
		utf8[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		utf8[0] = (char)(0xC0 | code >> 6);
		utf8[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		utf8[0] = (char)(0xE0 | code >> 12);
		utf8[1] = (char)(0x80 | (code >> 6 & 0x3F));
		utf8[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	utf8[0] = (char)(0xF0 | code >> 18);
	utf8[1] = (char)(0x80 | (code >> 12 & 0x3F));
	utf8[2] = (char)(0x80 | (code >> 6 & 0x3F));
	utf8[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

static void field_insert(struct field *field, uint32_t code)
{
	int max = field->max && field->max < FIELD_SIZE ? field->max : FIELD_SIZE - 1;
	char utf8[4];
	int n = encode(code, utf8);

	if (field->len + n > max)
		return;
	memmove(field->text + field->cursor + n, field->text + field->cursor,
		(size_t)(field->len - field->cursor) + 1);
	memcpy(field->text + field->cursor, utf8, (size_t)n);
	field->cursor += n;
	field->len += n;
}

/* Takes the character that begins at AT out. */
static void field_remove(struct field *field, int at)
{
	int n;

	if (at < 0 || at >= field->len)
		return;
	n = char_length(field, at);
	memmove(field->text + at, field->text + at + n, (size_t)(field->len - at - n) + 1);
	field->len -= n;
	if (field->cursor > at)
		field->cursor -= n;
}

/* Control characters are not, nor what C1 and the invisible ones of Unicode could do to a terminal. */
static bool is_text(uint32_t code)
{
	return code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF) &&
	       draw_safe_char(code, true) == code;
}

bool field_key(struct field *field, const struct ui_key *key)
{
	if (key->alt)
		return false;
	if (ui_key_is_backspace(key)) {
		if (field->cursor > 0)
			field_remove(field, char_before(field, field->cursor));
		return true;
	}
	switch (key->code) {
	case UI_KEY_LEFT: field->cursor = char_before(field, field->cursor); return true;
	case UI_KEY_RIGHT:
		if (field->cursor < field->len)
			field->cursor += char_length(field, field->cursor);
		return true;
	case UI_KEY_HOME:
	case UI_KEY_CTRL('A'): field->cursor = 0; return true;
	case UI_KEY_END:
	case UI_KEY_CTRL('E'): field->cursor = field->len; return true;
	case UI_KEY_DELETE: field_remove(field, field->cursor); return true;
	case UI_KEY_CTRL('U'): field_set(field, ""); return true;
	default: break;
	}
	if (!is_text(key->code))
		return false;
	field_insert(field, key->code);
	return true;
}

void field_draw(struct ui *ui, int row, int col, int width, enum ui_element element,
		const struct field *field, bool focus)
{
	char before[FIELD_SIZE];
	int first = 0, at;

	/* Characters are left out at the beginning until the cursor, too, has its column. */
	for (;;) {
		text_copy(before, sizeof(before), field->text + first);
		before[field->cursor - first] = '\0';
		at = draw_columns(before);
		if (at < width || first >= field->cursor)
			break;
		first += char_length(field, first);
	}
	draw_text(row, col, width, element, field->text + first);
	if (focus) {
		ui->cursor_shown = true;
		ui->cursor_row = row;
		ui->cursor_col = col + at;
	}
}

void field_draw_hidden(struct ui *ui, int row, int col, int width, const struct field *field,
		       bool focus)
{
	draw_text(row, col, width, focus ? UI_FIELD_FOCUS : UI_DIALOG, field->len ? "***" : "");
	if (focus) {
		ui->cursor_shown = true;
		ui->cursor_row = row;
		ui->cursor_col = col + (field->len ? 3 : 0);
	}
}

void field_wipe(struct field *field)
{
	explicit_bzero(field->text, sizeof(field->text));
	field->len = field->cursor = 0;
}
