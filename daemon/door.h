/*
 * The socket on which a daemon listens for menus, and the lock beside it, which tells a running daemon from
 * what one left behind.
 */
#ifndef VMB_DAEMON_DOOR_H
#define VMB_DAEMON_DOOR_H

#include <sys/un.h>

#include "err.h"

struct door {
	int socket, lock; /* -1: closed */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/*
 * Listens on PATH, whose directory is made for its owner only if it is missing. 0, or -errno with the sentence, -EADDRINUSE
 * where another daemon listens; DOOR has to be closed in either case.
 */
int door_open(struct door *door, const char *path, struct vmb_err *err);

/* Also of a door that is {-1, -1}. */
void door_close(struct door *door);

#endif
