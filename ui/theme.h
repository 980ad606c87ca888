/*
 * Colours: what an element of the menu means, and how a theme shows it. A theme is a file (themes/, the
 * format is told in each); the ones of the project are inside the program.
 */
#ifndef VMB_UI_THEME_H
#define VMB_UI_THEME_H

#include <stddef.h>

#include "err.h"

enum ui_element {
	UI_NORMAL,
	UI_TITLE, /* first row */
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
	short fg, bg;	    /* -1: the terminal's own; else 0-255 of xterm's palette */
	unsigned int attrs; /* curses attributes */
};

enum theme_kind {
	THEME_COLOUR, /* for a terminal with colours */
	THEME_MONO,   /* for one without, or with NO_COLOR set: fg and bg are -1 */
	THEME_KINDS,
};

struct theme {
	struct theme_style styles[THEME_KINDS][UI_ELEMENT_COUNT];
};

/*
 * Loads the theme WANTED: a file if it contains a '/', else a name: DIR/WANTED.theme if there is such a
 * file, else the project's own. NULL for WANTED is "default", NULL for DIR: there are no files. What a file
 * leaves out is as in the default theme. On any error *ret_theme is the project's default theme, and
 * ERR says what is wrong: -EINVAL a bad line (file:line: ...), -ENOENT no such theme, or what reading
 * the file gave.
 */
int theme_load(const char *wanted, const char *dir, struct theme *ret_theme, struct vmb_err *err);

#define THEME_NAME_SIZE 64
#define THEME_NAMES_MAX 64

/* The themes there are by name: those of the program, then the files in DIR (NULL: none). Returns how many. */
int theme_list(const char *dir, char names[THEME_NAMES_MAX][THEME_NAME_SIZE]);

/*
 * Reads the N bytes of TEXT into THEME, which keeps what they do not say. SOURCE is their name for ERR.
 * 0, or -EINVAL with "SOURCE:line: what is wrong" in ERR; THEME is then changed in part.
 */
int theme_parse(const char *source, const char *text, size_t n, struct theme *theme,
		struct vmb_err *err);

/* The name of ELEMENT in a theme's file. */
const char *theme_element_name(enum ui_element element);

#endif
