/*
 * A form in the frame's body: rows of label and value, help for the one under the cursor, and what is
 * wrong with a value, as it is typed. The owner says what the rows are each time they are drawn, so a
 * form holds nothing but its cursor.
 *
 * The first row is never a text field: letters are commands when a form opens.
 */
#ifndef VMB_UI_FORM_H
#define VMB_UI_FORM_H

#include "ui/field.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/ui.h"

enum form_kind {
	FORM_ACTION, /* Enter does it */
	FORM_TEXT,   /* FIELD is edited in place */
	FORM_CHOICE, /* Left, Right and Space change it */
	FORM_PICK,   /* Enter, Right and Space open a screen to choose on */
};

struct form_row {
	enum form_kind kind;
	const char *label;	       /* static, or valid until the next row is asked for */
	const char *help;	       /* static: what it means, what it takes */
	char value[256];	       /* of every kind but FORM_TEXT */
	struct field *field;	       /* of FORM_TEXT */
	enum ui_element element;       /* of the value: UI_WARN for what the guest may change */
	char check[256];	       /* what is wrong with it or worth knowing; empty: nothing */
	bool changed;		       /* it is not what it was: marked */
	enum ui_element check_element; /* UI_BAD: the form cannot be used like that */
};

struct form_ops {
	int (*count)(struct ui *ui, void *data);
	/* Describes row INDEX; ROW comes zeroed with UI_FIELD as its element. */
	void (*row)(struct ui *ui, void *data, int index, struct form_row *row);
	void (*change)(struct ui *ui, void *data, int index, int step);
	void (*enter)(struct ui *ui, void *data, int index);
};

struct form {
	struct list list;
	const struct form_ops *ops;
	void *data; /* given to OPS */
};

/* The size or the number of rows may have changed. */
void form_fit(struct ui *ui, struct form *form);

/*
 * Draws the body, and in the preview what does not fit beside it: on a narrow screen help and check.
 * Returns how many rows of the preview are the owner's, from its first row on.
 */
int form_draw(struct ui *ui, struct form *form);

/* Moves, edits, changes, enters. True if KEY was for the form; a text field takes every letter. */
bool form_key(struct ui *ui, struct form *form, const struct ui_key *key);

/* Room for form_hints(). */
#define FORM_HINTS 8

/* The keys for the row under the cursor as HINTS for frame_draw(); START: F10 starts what is edited. */
void form_hints(struct ui *ui, const struct form *form, bool start,
		struct frame_hint hints[FORM_HINTS]);

/* True if the cursor is in a text field. */
bool form_in_text(struct ui *ui, const struct form *form);

/* The first row that cannot be used, its sentence in CHECK; -1 if all can. */
int form_bad_row(struct ui *ui, const struct form *form, char *check, size_t size);

/* Puts the cursor on row INDEX. */
void form_go_to(struct form *form, int index);

#endif
