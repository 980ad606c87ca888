/* See ui/scrollback.h: a ring of text, and a ring of where each line begins in it. */
#include "ui/scrollback.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scrollback {
	uint64_t first, next;		 /* line numbers */
	uint64_t end;			 /* of the text, counted from the first byte ever */
	uint64_t start[SCROLLBACK_LINES]; /* of each line, by number modulo the size */
	char text[SCROLLBACK_BYTES];	 /* by position modulo the size */
};

int scrollback_create(struct scrollback **ret_scrollback)
{
	struct scrollback *scrollback = calloc(1, sizeof(*scrollback));

	if (!scrollback)
		return -ENOMEM;
	*ret_scrollback = scrollback;
	return 0;
}

void scrollback_destroy(struct scrollback *scrollback)
{
	free(scrollback);
}

void scrollback_clear(struct scrollback *scrollback)
{
	scrollback->first = 0;
	scrollback->next = 0;
	scrollback->end = 0;
}

uint64_t scrollback_first(const struct scrollback *scrollback)
{
	return scrollback->first;
}

uint64_t scrollback_next(const struct scrollback *scrollback)
{
	return scrollback->next;
}

void scrollback_push(struct scrollback *scrollback, const char *text)
{
	size_t n = strlen(text), at, part;

	if (n >= SCROLLBACK_BYTES)
		return;
	while (scrollback->first < scrollback->next &&
	       (scrollback->next - scrollback->first == SCROLLBACK_LINES ||
		scrollback->end + n - scrollback->start[scrollback->first % SCROLLBACK_LINES] >
			SCROLLBACK_BYTES))
		scrollback->first++;
	scrollback->start[scrollback->next % SCROLLBACK_LINES] = scrollback->end;
	at = scrollback->end % SCROLLBACK_BYTES;
	part = n < SCROLLBACK_BYTES - at ? n : SCROLLBACK_BYTES - at;
	memcpy(scrollback->text + at, text, part);
	memcpy(scrollback->text, text + part, n - part);
	scrollback->end += n;
	scrollback->next++;
}

void scrollback_line(const struct scrollback *scrollback, uint64_t number, char *out, size_t size)
{
	uint64_t start, end;
	size_t n, at, part;

	out[0] = '\0';
	if (number < scrollback->first || number >= scrollback->next)
		return;
	start = scrollback->start[number % SCROLLBACK_LINES];
	end = number + 1 < scrollback->next ? scrollback->start[(number + 1) % SCROLLBACK_LINES]
					    : scrollback->end;
	n = (size_t)(end - start) < size - 1 ? (size_t)(end - start) : size - 1;
	at = start % SCROLLBACK_BYTES;
	part = n < SCROLLBACK_BYTES - at ? n : SCROLLBACK_BYTES - at;
	memcpy(out, scrollback->text + at, part);
	memcpy(out + part, scrollback->text, n - part);
	out[n] = '\0';
}
