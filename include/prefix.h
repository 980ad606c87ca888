/*
 * The prefix key (^]) on a guest's console: splits what the operator types into bytes for the guest and
 * commands for us. Used by `vmboot run` and the menu's console view.
 */
#ifndef VMB_INCLUDE_PREFIX_H
#define VMB_INCLUDE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#define PREFIX_KEY 0x1D /* ^] */

struct prefix {
	bool pending; /* the prefix key was the last byte */
};

enum prefix_action {
	PREFIX_PASS,	/* *ret_byte goes to the guest */
	PREFIX_WAIT,	/* prefix seen, next byte decides: nothing for the guest */
	PREFIX_HELP,	/* ? */
	PREFIX_MENU,	/* . or d: back to the menu, VM goes on */
	PREFIX_KILL,	/* k */
	PREFIX_RESET,	/* r */
	PREFIX_POWER,	/* p */
	PREFIX_UNKNOWN, /* any other: nothing happens, say that ^] ? lists */
};

/* Feeds one byte. ^] ^] passes one literal ^]. */
enum prefix_action prefix_feed(struct prefix *prefix, uint8_t byte, uint8_t *ret_byte);

/* One line per command, for ^] ?; lines end in CR LF. Static. */
const char *prefix_help(void);

#endif
