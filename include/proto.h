/*
 * Messages between vmboot's own processes, over AF_UNIX SOCK_SEQPACKET: one datagram = one header
 * + one fixed structure (+ text or bytes after it), with file descriptors beside it where the message says so.
 * Both ends are the same binary, yet every length is checked: a peer may be compromised.
 */
#ifndef VMB_INCLUDE_PROTO_H
#define VMB_INCLUDE_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define PROTO_MAX_BODY 65536
#define PROTO_MAX_FDS  128

struct proto_header {
	uint32_t type;
	uint32_t size; /* of what follows */
};

/*
 * Sends one message of TYPE with SIZE bytes of BODY and NFDS descriptors (borrowed). Returns 0,
 * -EAGAIN when the socket is full (nothing was sent), -EPIPE when the peer is gone, -EMSGSIZE.
 * Never raises SIGPIPE.
 */
int proto_send(int sock, uint32_t type, const void *body, size_t size, const int *fds,
	       unsigned int nfds);

/*
 * Receives one message. BODY has room for CAP bytes, FDS for MAX_FDS descriptors, which become the
 * caller's (close-on-exec). Returns the body's size (0 or more) and fills the ret_ values; -EAGAIN
 * when nothing waits on a non-blocking socket, -EPIPE at end of file, -EBADMSG for a malformed
 * message (its descriptors are closed; the caller drops the peer), or -errno. FDS may be NULL if
 * MAX_FDS is 0: descriptors that come anyway are closed and the message is malformed.
 */
int proto_recv(int sock, uint32_t *ret_type, void *body, size_t cap, int *fds,
	       unsigned int max_fds, unsigned int *ret_nfds);

#endif
