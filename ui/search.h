/* Searching in a screen of lines: / asks for words on the status row, n and N go on. */
#ifndef VMB_UI_SEARCH_H
#define VMB_UI_SEARCH_H

#include <stdbool.h>

#include "ui/field.h"
#include "ui/ui.h"

#define SEARCH_SIZE 64 /* of the words */

struct search {
	bool typing; /* the words are being typed: letters are no commands */
	struct field field;
	char wanted[SEARCH_SIZE]; /* searched for; empty: nothing yet */
};

enum search_result {
	SEARCH_NOTHING, /* the key was not the search's */
	SEARCH_TAKEN,	/* the key was typed */
	SEARCH_NEW,	/* look for the words, upwards from the last visible line */
	SEARCH_UP,	/* n */
	SEARCH_DOWN,	/* N */
};

/* SEARCH starts zeroed. Says so itself when n or N come before any words. */
enum search_result search_key(struct ui *ui, struct search *search, const struct ui_key *key);

/* The status row ROW while words are typed; false if none are. */
bool search_draw(struct ui *ui, const struct search *search, int row, enum ui_element element);

/* Says that the words are not there. */
void search_say_none(struct ui *ui, const struct search *search, bool up);

/* Where the words begin in TEXT, in letters of any case; NULL if they are not there, or nothing is wanted. */
const char *search_find(const struct search *search, const char *text);

#endif
