/*
 * Which terminal description and which character set the menu uses here: from the environment, the
 * system's terminfo, and the descriptions embedded in the program. Starts no curses.
 */
#ifndef VMB_UI_TERMINAL_H
#define VMB_UI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

struct terminal {
	char name[64]; /* for newterm() */
	bool utf8;     /* the locale is set and the terminal takes it */
	bool acs;      /* else: its line drawing set may be used */
	char note[160]; /* a sentence for the status line when TERM was not taken as it is; or empty */
};

/*
 * Chooses. Looks TERM up; falls back to an embedded description of that name or family (then
 * TERMINFO is set in the environment), at last to vt100 with a note. Sets LC_CTYPE. FORCE_ASCII:
 * no UTF-8 whatever the environment says.
 */
void terminal_choose(bool force_ascii, struct terminal *ret_term);

/*
 * Writes which console this is into BUF, for the operators of the others: the terminal's name without
 * /dev, and "(ssh)" where it is one of a network login. Empty if it has none. Safe on a terminal.
 */
void terminal_console_name(char *buf, size_t size);

/* The embedded description of NAME in the form TERMINFO takes ("b64:..."), or NULL. Static. */
const char *terminal_embedded(const char *name);

/* True if the environment (or, where it says nothing, the terminal called NAME) takes UTF-8. */
bool terminal_wants_utf8(const char *name);

#endif
