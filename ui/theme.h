/* Colours: what an element of the menu means, and how each theme shows it. */
#ifndef VMB_UI_THEME_H
#define VMB_UI_THEME_H

#include <stdbool.h>

enum ui_element {
	UI_NORMAL,
	UI_TITLE,    /* first row */
	UI_RULE,
	UI_HEADING,  /* a disk's row, a section */
	UI_DIM,	     /* less important */
	UI_STRONG,   /* a firmware image: something that can be started */
	UI_SELECTED, /* the row under the cursor */
	UI_GOOD,     /* ok, read-only */
	UI_WARN,     /* the guest may change it; running */
	UI_BAD,	     /* an error, not usable */
	UI_KEY,	     /* a key's name in the key line */
	UI_STATUS,   /* last row */
	UI_FIELD,    /* a text field or choice */
	UI_FIELD_FOCUS,
	UI_DIALOG,
	UI_CONSOLE_BAR, /* status row below a guest's console */
	UI_ELEMENT_COUNT,
};

struct theme_style {
	short fg, bg; /* curses colours, -1: the terminal's own */
	unsigned int attrs; /* curses attributes */
};

struct theme {
	const char *name;
	struct theme_style styles[UI_ELEMENT_COUNT];
};

/* The theme for a terminal that has colours, or has none (or NO_COLOR is set). Static. */
const struct theme *theme_choose(bool colours);

#endif
