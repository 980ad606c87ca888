/* What the kernel tells of devices that come, go and change: netlink(7), NETLINK_KOBJECT_UEVENT. */
#ifndef VMB_INCLUDE_UEVENT_H
#define VMB_INCLUDE_UEVENT_H

#include <stddef.h>
#include <sys/types.h>

#define UEVENT_SIZE 8192 /* the kernel makes none longer than 2048 bytes and the header */

/*
 * Opens a socket for these messages: the caller's, non-blocking, close-on-exec. 0 or -errno; -ENOTSUP in a
 * container that the kernel tells nothing.
 */
int uevent_open(int *ret_fd);

/*
 * Reads one message of FD into BUF (UEVENT_SIZE): "ACTION@DEVPATH", then "KEY=VALUE" strings, each ended by NUL.
 * Its size; 0 for one that was cut or is not the kernel's; -EAGAIN when none waits, -ENOBUFS when some were
 * lost, so that everything has to be listed anew; any other -errno: FD is of no use any more.
 */
ssize_t uevent_read(int fd, char *buf);

/* The value of KEY ("SUBSYSTEM=") in MESSAGE, whose last byte is NUL; NULL when there is none. */
const char *uevent_value(const char *message, size_t size, const char *key);

#endif
