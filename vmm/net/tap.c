/*
 * A tap or macvtap as a port of virtio-net (Linux: Documentation/networking/tuntap.rst). A read or
 * write moves one packet and never waits, so the I/O thread does it itself: handing it to the ring
 * would cost a turn of the ring and, with the ring's workers, the order of the packets.
 */
#include "vmm/net/net.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OFFLOADS_BASIC (NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN)
#define OFFLOADS_USO   (NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6)

struct tap {
	struct net_port port;
	bool attached;
};

static ssize_t tap_receive(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	ssize_t n = readv(port->fd, iov, (int)count);

	return n < 0 ? -errno : n;
}

static int tap_send(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	return writev(port->fd, iov, (int)count) < 0 ? -errno : 0;
}

static int tap_set_offloads(struct net_port *port, unsigned int offloads)
{
	return ioctl(port->fd, TUNSETOFFLOAD, (unsigned long)offloads) < 0 ? -errno : 0;
}

static int tap_set_attached(struct net_port *port, bool attached)
{
	struct tap *tap = (struct tap *)port;
	struct ifreq ifr = {.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

	if (tap->attached == attached)
		return 0;
	if (ioctl(port->fd, TUNSETQUEUE, &ifr) < 0)
		return -errno;
	tap->attached = attached;
	return 0;
}

static void tap_destroy(struct net_port *port)
{
	close(port->fd);
	free(port);
}

static const struct net_port_ops tap_ops = {
	.receive = tap_receive,
	.send = tap_send,
	.set_offloads = tap_set_offloads,
	.set_attached = tap_set_attached,
	.destroy = tap_destroy,
};

/* Tries what this kernel and this interface can; ends with none of it. */
static unsigned int probe_offloads(int fd)
{
	static const unsigned int best_first[] = {
		OFFLOADS_BASIC | OFFLOADS_USO,
		OFFLOADS_BASIC,
		NET_OFFLOAD_CSUM,
	};
	unsigned int can = 0;

	for (size_t i = 0; i < sizeof(best_first) / sizeof(best_first[0]) && !can; i++)
		if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)best_first[i]) == 0)
			can = best_first[i];
	(void)ioctl(fd, TUNSETOFFLOAD, 0UL);
	return can;
}

int net_open_tap(int fd, struct net_port **ret_port, struct vmb_err *err)
{
	int size = NET_HDR_SIZE, rc;
	struct tap *tap;

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0) {
		rc = vmb_err_set(err, errno,
				 "The network interface does not take packets with virtio's header "
				 "(%s): it is no tap or macvtap.",
				 strerror(errno));
		close(fd);
		return rc;
	}
	tap = calloc(1, sizeof(*tap));
	if (!tap) {
		close(fd);
		return vmb_err_set(err, ENOMEM, "Not enough memory for a network card.");
	}
	*tap = (struct tap){
		.port = {.ops = &tap_ops, .fd = fd, .offloads = probe_offloads(fd)},
		.attached = true,
	};
	*ret_port = &tap->port;
	return 0;
}
