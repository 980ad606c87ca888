/* See ui/wrap.h. */
#include "ui/wrap.h"

#include <string.h>

#include "text.h"
#include "ui/draw.h"

#define WRAP_MAX 512

size_t wrap_line(const char *text, int width)
{
	size_t fit = 0, blank = 0, at = 0;
	char part[WRAP_MAX];

	while (text[at] && text[at] != '\n' && at < sizeof(part) - 5) {
		size_t len = text_utf8_len(text + at, strnlen(text + at, 4));

		if (len == 0)
			len = 1;
		memcpy(part, text, at + len);
		part[at + len] = '\0';
		if (fit > 0 && draw_columns(part) > width)
			return blank > 0 && text[at] != ' ' ? blank : fit;
		if (text[at] == ' ')
			blank = at;
		at += len;
		fit = at;
	}
	return fit;
}

/* Where the row after the first N bytes of TEXT begins. */
static const char *next_line(const char *text, size_t n)
{
	text += n;
	while (*text == ' ')
		text++;
	return *text == '\n' ? text + 1 : text;
}

int wrap_rows(const char *text, int width, int max)
{
	int rows = 0;

	while (*text && rows < max) {
		text = next_line(text, wrap_line(text, width));
		rows++;
	}
	return rows;
}

int wrap_draw(int row, int col, int width, int max, enum ui_element element, const char *text)
{
	int used = 0;

	while (*text && used < max) {
		size_t n = wrap_line(text, width);
		char line[WRAP_MAX];

		/* What does not fit shows that it goes on. */
		if (used == max - 1)
			n = strnlen(text, sizeof(line) - 1);
		memcpy(line, text, n);
		line[n] = '\0';
		draw_text(row + used++, col, width, element, line);
		text = next_line(text, n);
	}
	return used;
}
