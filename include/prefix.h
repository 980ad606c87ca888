/*
 * The prefix key (^]) on a guest's console: splits what the operator types into bytes for the guest and
 * commands for us. Used by `vmboot run` and the menu's console view.
 */
#ifndef VMB_INCLUDE_PREFIX_H
#define VMB_INCLUDE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#define PREFIX_KEY 0x1D /* ^], where no other is set */

struct prefix {
	uint8_t key;  /* the prefix key; 0: PREFIX_KEY */
	bool pending; /* the prefix key was the last byte */
	bool view;    /* the commands of the menu's console view are known too */
};

enum prefix_action {
	PREFIX_PASS,	/* *ret_byte goes to the guest */
	PREFIX_WAIT,	/* prefix seen, next byte decides: nothing for the guest */
	PREFIX_HELP,	/* ? */
	PREFIX_MENU,	/* . or d: back to the menu, VM goes on */
	PREFIX_KILL,	/* k */
	PREFIX_RESET,	/* r */
	PREFIX_POWER,	/* p */
	/* only with prefix->view: */
	PREFIX_SCROLL,	/* [: look at what scrolled away */
	PREFIX_KEYMAP,	/* m: the next of the key profiles */
	PREFIX_CHARSET, /* u: the next way to read bytes beyond ASCII */
	PREFIX_FKEY,	/* 1 to 9: F1 to F9, 0: F10; *ret_byte is the digit */
	PREFIX_FULL,	/* f: no status row, or again one */
	PREFIX_TRANSPARENT, /* t: the terminal itself gets the guest's bytes, or no longer */
	PREFIX_LOG,	/* l: the raw log goes on, or stops */
	PREFIX_BREAK,	/* b: a break on the guest's serial line */
	PREFIX_SHELL,	/* !: a shell on this terminal, the VM goes on */
	PREFIX_UNKNOWN, /* any other: nothing happens, say that ^] ? lists */
};

/*
 * Parses "^A" to "^_" (letters of either case). 0, or -EINVAL for anything else and for what no terminal
 * can do without: ^H ^I ^J ^M ^[.
 */
int prefix_parse_key(const char *text, uint8_t *ret_key);

/* "^]" for KEY, 0 meaning PREFIX_KEY; in BUF, which is returned. */
char *prefix_key_name(uint8_t key, char buf[3]);

/* Feeds one byte. ^] ^] passes one literal ^]. */
enum prefix_action prefix_feed(struct prefix *prefix, uint8_t byte, uint8_t *ret_byte);

/*
 * EDK2's terminal driver resets the machine on ESC R ESC r ESC R, which a pasted file or line noise may
 * hold. True if BYTE, the next one for the guest, would complete that: leave it out. STATE starts 0.
 */
bool prefix_would_reset(unsigned int *state, uint8_t byte);

/* One line per command but those of the view, for ^] ?; lines end in CR LF. Static. */
const char *prefix_help(void);

#endif
