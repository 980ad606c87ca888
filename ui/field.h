/* A one-line text field: editing, and showing the part around the cursor. */
#ifndef VMB_UI_FIELD_H
#define VMB_UI_FIELD_H

#include <stdbool.h>

#include "ui/keys.h"
#include "ui/ui.h"

/* Room for a kernel's command line, the longest text there is. */
#define FIELD_SIZE VM_CMDLINE_SIZE

struct field {
	char text[FIELD_SIZE]; /* UTF-8 */
	int len;
	int cursor; /* 0 to len, at a character's first byte */
	int max;    /* bytes it may hold without the NUL; 0: FIELD_SIZE - 1 */
};

/* TEXT (UTF-8, copied) with the cursor behind it. */
void field_set(struct field *field, const char *text);

/* Its text without the blanks around it, which nobody sees, in BUF of SIZE bytes, which is returned. */
char *field_value(const struct field *field, char *buf, size_t size);

/*
 * Edits by KEY: printable characters are put in, Backspace, Delete, Left, Right, Home, End, ^A, ^E, ^U.
 * True if KEY was one of these, also when it changed nothing: letters are never commands here.
 */
bool field_key(struct field *field, const struct ui_key *key);

/* Draws it in WIDTH columns, scrolled so that the cursor is seen; with FOCUS the cursor goes there. */
void field_draw(struct ui *ui, int row, int col, int width, enum ui_element element,
		const struct field *field, bool focus);

/* The same for what nobody may see, not even how long it is. */
void field_draw_hidden(struct ui *ui, int row, int col, int width, const struct field *field,
		       bool focus);

/* Empties it, and leaves nothing of it in memory. */
void field_wipe(struct field *field);

#endif
