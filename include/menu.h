/* The menu role as cmd/ starts it. */
#ifndef VMB_INCLUDE_MENU_H
#define VMB_INCLUDE_MENU_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct menu_options {
	bool ascii;	  /* no UTF-8, whatever the terminal says of itself */
	const char *theme;     /* a theme's name or file; NULL: "default" */
	const char *theme_dir; /* where names are looked for first; NULL: nowhere */
	uint8_t prefix_key;    /* on a guest's console; 0: as the settings say */
	bool attach_only;      /* nothing but the running VM's console; ends when the operator leaves it */
	bool owns_daemon; /* the daemon on the socket was started for this menu and ends with it */
};

/*
 * Runs the menu on standard input and output (which must be a terminal) with the daemon on SOCK (SOCK_SEQPACKET;
 * borrowed, made non-blocking) until the operator leaves. 0, or -errno with the sentence in ERR: -EPIPE the daemon is
 * gone, -EPROTO it is of another version, -EINTR a signal ended the menu, -EIO the terminal is gone; with ATTACH_ONLY
 * -ENOENT no VM runs, -ESHUTDOWN it ended. The terminal is as it was before on every return.
 */
int menu_run(int sock, const struct menu_options *options, struct vmb_err *err);

#endif
