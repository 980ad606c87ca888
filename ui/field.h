/* A one-line text field: editing only; the screen draws it. */
#ifndef VMB_UI_FIELD_H
#define VMB_UI_FIELD_H

#include <stdbool.h>

#include "ui/keys.h"

#define FIELD_SIZE 32

struct field {
	char text[FIELD_SIZE]; /* printable ASCII */
	int len;
	int cursor; /* 0 to len */
};

void field_set(struct field *field, const char *text);

/*
 * Edits by KEY: printable ASCII is put in, Backspace, Delete, Left, Right, Home, End, ^A, ^E, ^U.
 * True if KEY was one of these, also when it changed nothing: letters are never commands here.
 */
bool field_key(struct field *field, const struct ui_key *key);

#endif
