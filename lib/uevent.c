/*
 * See include/uevent.h. The kernel's own form is made in its lib/kobject_uevent.c. udev's daemon sends its messages
 * on the same family; only the kernel's are believed.
 */
#include "uevent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define KERNEL_GROUP 1 /* 2 is udev's */

/* For bursts; a longer one ends in ENOBUFS and a rescan. */
#define RECEIVE_BUFFER (1 << 20)

/* Inode of the first user namespace (linux/proc_ns.h, PROC_USER_INIT_INO; not exported). */
#define FIRST_USER_NS 0xEFFFFFFDu

/*
 * The kernel sends these messages only to network namespaces that the first user namespace owns, and
 * says nothing of it to the others: their socket just stays silent.
 */
static bool is_silent_here(void)
{
	int net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), owner;
	struct stat st;
	bool silent = false;

	if (net < 0)
		return false;
	owner = ioctl(net, NS_GET_USERNS);
	if (owner >= 0) {
		silent = fstat(owner, &st) == 0 && st.st_ino != FIRST_USER_NS;
		close(owner);
	}
	close(net);
	return silent;
}

int uevent_open(int *ret_fd)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	const int on = 1, size = RECEIVE_BUFFER;
	int fd, rc;

	if (is_silent_here())
		return -ENOTSUP;
	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	/* Beyond the system's limit where that is allowed. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	*ret_fd = fd;
	return 0;
}

const char *uevent_value(const char *message, size_t size, const char *key)
{
	size_t n = strlen(key);

	for (size_t at = 0; at < size; at += strlen(message + at) + 1)
		if (strncmp(message + at, key, n) == 0)
			return message + at + n;
	return NULL;
}

/* Any process may send to our socket; only the kernel's port is 0, and it is nobody's process. */
static bool is_from_kernel(const struct sockaddr_nl *from, struct msghdr *msg)
{
	struct ucred cred;

	if (from->nl_family == AF_NETLINK && from->nl_pid != 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
		    c->cmsg_len != CMSG_LEN(sizeof(cred)))
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		if (cred.uid != 0 || cred.pid != 0)
			return false;
	}
	return true;
}

ssize_t uevent_read(int fd, char *buf)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = UEVENT_SIZE};
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE; /* no datagram of the kernel is empty */
	if ((msg.msg_flags & MSG_TRUNC) || buf[n - 1] != '\0' || !is_from_kernel(&from, &msg))
		return 0;
	return n;
}
