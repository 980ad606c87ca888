/* Keys as a terminal sends them, and the way down a form. */
#ifndef VMB_TESTS_MENU_KEYS_H
#define VMB_TESTS_MENU_KEYS_H

#include "menu_session.h"

#define UP     "\033[A"
#define DOWN   "\033[B"
#define RIGHT  "\033[C"
#define LEFT   "\033[D"
#define HOME   "\033[H"
#define END    "\033[F"
#define F10    "\033[21~"
#define CTRL_S "\023"
#define CTRL_U "\025"

/* The editor's rows, from the first on. */
enum edit_row {
	START,
	SAVE,
	TITLE,
	BOOTS,
	FIRMWARE,
	VARS,
	DISKS,
	MEMORY,
	CPUS,
	NETS,
	PCI,
	KEYS,
	CHARSET,
	AUTO,
	TRIES
};

static inline void go_down(struct session *s, int rows)
{
	for (int i = 0; i < rows; i++)
		session_keys(s, DOWN);
}

#endif
