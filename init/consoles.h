/* The kernel's consoles, and what is shown on each. */
#ifndef VMB_INIT_CONSOLES_H
#define VMB_INIT_CONSOLES_H

#include <stdbool.h>
#include <sys/types.h>

#define CONSOLES_MAX 8

/*
 * Which terminals the kernel's consoles are, by names below /dev without doubles, in its order: from ROOT's
 * /proc/consoles (proc(5)), else from sysfs. Consoles that are off, and those that are no terminal (netconsole), are
 * left out; "tty0", which is whatever is shown, is the virtual terminal shown now. Returns how many.
 */
unsigned int consoles_list(const char *root, char names[CONSOLES_MAX][16]);

/* What TERM is on console NAME, as long as nobody says otherwise: "linux" or "vt220". */
const char *consoles_term(const char *name);

enum console_what {
	CONSOLE_MENU,  /* the program as a menu */
	CONSOLE_SHELL, /* the recovery shell */
	CONSOLE_OFFER, /* asks whether it should be a shell; ends with 0 when not */
	CONSOLE_WORDS, /* only NOTICE */
};

struct console_start {
	const char *path; /* of the terminal */
	bool or_stdin; /* when that cannot be opened, standard input is it; else the process fails after DELAY_MS */
	const char *term;
	const char *notice;    /* printed first; safe on a terminal; NULL: nothing */
	unsigned int delay_ms; /* then nothing happens for so long */
	unsigned int speed;    /* of a serial line, in bits a second; 0: as it is */
	enum console_what what;
	const char *program; /* for CONSOLE_MENU */
	const char *socket;  /* of the daemon; NULL: the menu starts one of its own */
	const char *config;  /* with the settings there; NULL: the usual ones */
};

/*
 * Starts a process of a session of its own whose controlling terminal is PATH, set to what a person at a
 * terminal expects whatever the last process left. All that could wait for a terminal waits there, never here. 0 and
 * the process, or -errno.
 */
int console_start(const struct console_start *start, pid_t *ret_pid);

#endif
