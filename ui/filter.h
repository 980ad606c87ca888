/* Narrowing a long list down: / asks for words, and rows without them are left out until Esc. */
#ifndef VMB_UI_FILTER_H
#define VMB_UI_FILTER_H

#include "ui/field.h"

struct filter {
	struct field field;
	bool typing; /* the words are being typed, on the status row */
};

/*
 * Takes KEY if it is the filter's: / where a list has the keys; while the words are typed all of them,
 * Up and Down apart, until Enter (keep) or Esc (forget). Esc forgets words that are kept, too. True if
 * KEY was taken; the list is then to be built anew.
 */
bool filter_key(struct filter *filter, const struct ui_key *key);

/* True if TEXT has every word of the filter in it, in letters of any case. */
bool filter_matches(const struct filter *filter, const char *text);

/* True if rows are left out. */
bool filter_is_on(const struct filter *filter);

/* The status row of a list with a filter: the words, and how to be rid of them. Draws nothing without. */
void filter_draw(struct ui *ui, const struct filter *filter);

#endif
