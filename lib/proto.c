/* See include/proto.h. */
#include "proto.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	char buf[CMSG_SPACE(sizeof(int) * PROTO_MAX_FDS)];
	struct cmsghdr align;
};

int proto_send(int sock, uint32_t type, const void *body, size_t size, const int *fds,
	       unsigned int nfds)
{
	struct proto_header header = {.type = type, .size = (uint32_t)size};
	struct iovec iov[2] = {{&header, sizeof(header)}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = size > 0 ? 2 : 1};
	union control control;
	ssize_t n;

	if (size > PROTO_MAX_BODY || nfds > PROTO_MAX_FDS)
		return -EMSGSIZE;
	/* struct iovec has no const form; sendmsg() does not write through it. */
	memcpy(&iov[1].iov_base, &body, sizeof(body));
	iov[1].iov_len = size;
	if (nfds > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == ECONNRESET || errno == ENOTCONN)
		return -EPIPE;
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

static void close_all(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

/* Collects the descriptors of MSG into GOT (PROTO_MAX_FDS of room); returns how many. */
static unsigned int take_fds(struct msghdr *msg, int *got)
{
	unsigned int n = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		unsigned int count;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (unsigned int)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (count > PROTO_MAX_FDS - n)
			count = PROTO_MAX_FDS - n;
		memcpy(got + n, CMSG_DATA(cmsg), count * sizeof(int));
		n += count;
	}
	return n;
}

int proto_recv(int sock, uint32_t *ret_type, void *body, size_t cap, int *fds,
	       unsigned int max_fds, unsigned int *ret_nfds)
{
	struct proto_header header;
	struct iovec iov[2] = {{&header, sizeof(header)}, {body, cap}};
	union control control;
	struct msghdr msg = {.msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	int got[PROTO_MAX_FDS];
	unsigned int ngot;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno == ECONNRESET)
			return -EPIPE;
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	}
	ngot = take_fds(&msg, got);
	if (n == 0 && ngot == 0)
		return -EPIPE;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof(header) ||
	    header.size != (size_t)n - sizeof(header) || ngot > max_fds) {
		close_all(got, ngot);
		return -EBADMSG;
	}
	if (ngot > 0)
		memcpy(fds, got, ngot * sizeof(int));
	if (ret_nfds)
		*ret_nfds = ngot;
	*ret_type = header.type;
	return (int)header.size;
}
