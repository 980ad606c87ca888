/* A cursor in a list that scrolls. Pure arithmetic; the screen draws its rows. */
#ifndef VMB_UI_LIST_H
#define VMB_UI_LIST_H

#include <stdbool.h>

#include "ui/keys.h"

struct list {
	int cursor;
	int top; /* first visible row */
	int count;
	int height; /* visible rows */
};

/* The list has COUNT rows now, HEIGHT of them are visible: brings cursor and top into range. */
void list_fit(struct list *list, int count, int height);

/* Moves by the keys every list knows (arrows, j k, ^N ^P, PgUp PgDn, Home End). True if KEY was one. */
bool list_key(struct list *list, const struct ui_key *key);

#endif
