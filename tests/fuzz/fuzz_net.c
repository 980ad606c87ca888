/*
 * A hostile driver against virtio-net: rings of anything, headers of anything, commands, packets that come meanwhile,
 * a cable that is pulled out, pauses and resets. Promise: no access outside RAM; nothing is written but what
 * was offered to be; what is sent is a packet of a sane length whose header says only what was negotiated; a port
 * that is asked for offloads is asked for what it can; nothing moves after a reset.
 */
#include "machine.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/virtio/virtio_devices.h"

#define NOTIFY	     0x3000ULL
#define NET_BAR MACHINE_BAR_OF(MACHINE_NET)
#define QUEUE	     16
#define QUEUES	     3
#define RINGS(q)     (0x1000ULL + 0x1000ULL * (q)) /* descriptors, +0x400 available, +0x600 used */
#define INDIR	     0x8000ULL
#define DATA	     0x10000ULL
#define KEPT	     0x1F000ULL /* no descriptor points there */
#define KEPT_BYTES   0x1000
#define ALL_OFFLOADS 0x6F

static struct {
	struct net_port port;
	int outside;
	uint64_t features;
	bool full;	   /* takes no packet now */
	unsigned int sent; /* packets */
} cable;

static ssize_t port_receive(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	ssize_t n = readv(port->fd, iov, (int)count);

	return n < 0 ? -errno : n;
}

static bool negotiated(unsigned int bit)
{
	return cable.features >> bit & 1;
}

static int port_send(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len = 0;

	(void)port;
	must(count >= 1 && iov[0].iov_len >= sizeof(hdr));
	if (cable.full)
		return -EAGAIN;
	memcpy(&hdr, iov[0].iov_base, sizeof(hdr));
	for (unsigned int i = 0; i < count; i++) {
		volatile uint8_t last;

		len += iov[i].iov_len;
		/* The sanitizer tells when it is no memory of ours. */
		if (iov[i].iov_len)
			last = ((uint8_t *)iov[i].iov_base)[iov[i].iov_len - 1];
		(void)last;
	}
	len -= sizeof(hdr);
	must(len >= 14 && len <= NET_PACKET_MAX);
	must((hdr.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0);
	if (hdr.flags)
		must(negotiated(VIRTIO_NET_F_CSUM) && hdr.csum_start + hdr.csum_offset + 2u <= len);
	if (hdr.gso_type)
		must(hdr.flags && hdr.gso_size && hdr.hdr_len <= len);
	if ((hdr.gso_type & 0x7F) == VIRTIO_NET_HDR_GSO_TCPV4)
		must(negotiated(VIRTIO_NET_F_HOST_TSO4));
	if ((hdr.gso_type & 0x7F) == VIRTIO_NET_HDR_GSO_TCPV6)
		must(negotiated(VIRTIO_NET_F_HOST_TSO6));
	if (hdr.gso_type & 0x80)
		must(negotiated(VIRTIO_NET_F_HOST_ECN));
	cable.sent++;
	return 0;
}

static int port_set_offloads(struct net_port *port, unsigned int offloads)
{
	must((offloads & ~port->offloads) == 0);
	return 0;
}

static int port_set_attached(struct net_port *port, bool attached)
{
	(void)port;
	(void)attached;
	must(false); /* there is one pair only */
	return 0;
}

static void port_destroy(struct net_port *port)
{
	close(port->fd);
	close(cable.outside);
}

static const struct net_port_ops port_ops = {port_receive, port_send, port_set_offloads,
					     port_set_attached, port_destroy};

static struct net_port *make_port(void)
{
	int sv[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) == 0);
	cable.port = (struct net_port){.ops = &port_ops, .fd = sv[0], .offloads = ALL_OFFLOADS};
	cable.outside = sv[1];
	return &cable.port;
}

static void common(struct machine *m, unsigned int reg, unsigned int size, uint64_t value)
{
	bus_write(m->mmio, NET_BAR + reg, size, value);
}

static void bring_up(struct machine *m)
{
	machine_cfg_write(m, MACHINE_NET, PCI_BASE_ADDRESS_0, 4, (uint32_t)NET_BAR);
	machine_cfg_write(m, MACHINE_NET, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	common(m, VIRTIO_PCI_COMMON_STATUS, 1, 3);
	for (unsigned int half = 0; half < 2; half++) {
		common(m, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		common(m, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(cable.features >> (32 * half)));
	}
	common(m, VIRTIO_PCI_COMMON_STATUS, 1, 3 | VIRTIO_CONFIG_S_FEATURES_OK);
	must(bus_read(m->mmio, NET_BAR + VIRTIO_PCI_COMMON_STATUS, 1) &
	     VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned int q = 0; q < QUEUES; q++) {
		memset(gm_ptr(m->mem, RINGS(q) + 0x400, 0xC00), 0, 0xC00);
		common(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		common(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, QUEUE);
		common(m, VIRTIO_PCI_COMMON_Q_DESCLO, 4, RINGS(q));
		common(m, VIRTIO_PCI_COMMON_Q_AVAILLO, 4, RINGS(q) + 0x400);
		common(m, VIRTIO_PCI_COMMON_Q_USEDLO, 4, RINGS(q) + 0x600);
		common(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
	common(m, VIRTIO_PCI_COMMON_STATUS, 1, 0xF);
}

static struct vring_desc *desc(struct machine *m, unsigned int queue, unsigned int i)
{
	return (struct vring_desc *)gm_ptr(m->mem, RINGS(queue), 0x400) + i % QUEUE;
}

static struct vring_avail *avail(struct machine *m, unsigned int queue)
{
	return gm_ptr(m->mem, RINGS(queue) + 0x400, 0x100);
}

static uint16_t used_idx(struct machine *m, unsigned int queue)
{
	return *(uint16_t *)gm_ptr(m->mem, RINGS(queue) + 0x602, 2);
}

static void put_desc(struct input *in, struct machine *m, bool indirect)
{
	static const uint64_t addrs[] = {DATA,
					 DATA + 0x7FF,
					 MACHINE_RAM - 16,
					 MACHINE_RAM - 1,
					 MACHINE_BAR,
					 UINT64_MAX - 15,
					 INDIR,
					 DATA + 0x4000};
	static const uint32_t lens[] = {12, 1, 0, 64, 1526, 11, 0x6000, UINT32_MAX};
	unsigned int at = (unsigned int)take(in, 1);
	struct vring_desc *d =
		indirect ? (struct vring_desc *)gm_ptr(m->mem, INDIR, 0x400) + at % QUEUE
			 : desc(m, at >> 4 & 3 ? at >> 4 & 1 : 2, at);
	uint8_t how = (uint8_t)take(in, 1);

	d->addr = addrs[how & 7];
	d->len = lens[how >> 3 & 7];
	d->flags = (uint16_t)(take(in, 1) & 7);
	d->next = (uint16_t)(take(in, 1) & 0x1F);
}

static void offer(struct machine *m, unsigned int queue, uint16_t head)
{
	avail(m, queue)->ring[avail(m, queue)->idx % QUEUE] = head;
	avail(m, queue)->idx++;
}

/* Good ones, so that the fuzzer gets deep without luck: a buffer, a packet, a command. */
static void put_good(struct input *in, struct machine *m)
{
	uint8_t how = (uint8_t)take(in, 1);
	uint16_t head = how & 7;
	uint8_t bytes[12];

	switch (how >> 6) {
	case 0:
	case 1:
		*desc(m, 0, head) = (struct vring_desc){
			DATA + 0x1000ULL * head, 40 + (how & 0x38) * 20u, VRING_DESC_F_WRITE, 0};
		offer(m, 0, head);
		break;
	case 2:
		for (unsigned int i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)take(in, 1);
		must(gm_write(m->mem, DATA + 0x9000, bytes, sizeof(bytes)) == 0);
		*desc(m, 1, head) =
			(struct vring_desc){DATA + 0x9000, 12 + (how & 0x38) * 4u, 0, 0};
		offer(m, 1, head);
		break;
	default:
		for (unsigned int i = 0; i < 10; i++)
			bytes[i] = (uint8_t)take(in, 1);
		must(gm_write(m->mem, DATA + 0xA000, bytes, 10) == 0);
		*desc(m, 2, 0) =
			(struct vring_desc){DATA + 0xA000, 2 + (how & 0xF), VRING_DESC_F_NEXT, 1};
		*desc(m, 2, 1) = (struct vring_desc){DATA + 0xB000, 1, VRING_DESC_F_WRITE, 0};
		offer(m, 2, 0);
		break;
	}
}

/* Something comes from outside; most of it is zero. */
static void packet_comes(struct input *in)
{
	static uint8_t packet[NET_HDR_SIZE + 2000];
	size_t len = (size_t)take(in, 2) % sizeof(packet) + 1;

	packet[0] = (uint8_t)take(in, 1);
	(void)!write(cable.outside, packet, len);
}

static void reset_device(struct machine *m)
{
	uint16_t before[QUEUES];
	unsigned int sent;

	common(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	sent = cable.sent;
	for (unsigned int q = 0; q < QUEUES; q++)
		before[q] = used_idx(m, q);
	(void)!write(cable.outside, "0123456789abcdefghijklmnopq", 27);
	for (unsigned int q = 0; q < QUEUES; q++)
		bus_write(m->mmio, NET_BAR + NOTIFY + 4 * q, 2, q);
	machine_pump();
	for (unsigned int q = 0; q < QUEUES; q++)
		must(used_idx(m, q) == before[q]);
	must(cable.sent == sent);
	bring_up(m);
}

static void one_step(struct input *in, struct machine *m)
{
	uint8_t op = (uint8_t)take(in, 1), queue = (uint8_t)(op >> 4) % QUEUES;

	switch (op % 16) {
	case 0: put_desc(in, m, false); break;
	case 1: put_desc(in, m, true); break;
	case 2:
	case 3:
	case 4: put_good(in, m); break;
	case 5: offer(m, queue, (uint16_t)take(in, 1) & 0x1F); break;
	case 6: avail(m, queue)->idx = (uint16_t)take(in, 1); break;
	case 7:
	case 8: bus_write(m->mmio, NET_BAR + NOTIFY + 4 * queue, 2, queue); break;
	case 9:
	case 10: packet_comes(in); break;
	case 11: machine_pump(); break;
	case 12: cable.full = op >> 7; break;
	case 13: virtio_net_set_link(m->net, op >> 7); break;
	case 14: virtio_net_set_paused(m->net, op >> 7); break;
	default: reset_device(m); break;
	}
}

static void start(struct machine *m, uint8_t how)
{
	uint8_t byte[64];

	while (read(cable.port.fd, byte, sizeof(byte)) > 0)
		;
	cable.full = false;
	virtio_net_set_link(m->net, true);
	virtio_net_set_paused(m->net, false);
	cable.features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_CTRL_VQ |
			 1ULL << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	if (how & 1)
		cable.features |= 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	if (how & 2)
		cable.features |= 1ULL << VIRTIO_RING_F_EVENT_IDX;
	if (how & 4)
		cable.features |= 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	if (how & 8)
		cable.features |= 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 |
				  1ULL << VIRTIO_NET_F_HOST_ECN;
	if (how & 16)
		cable.features |= 1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4;
	memset(gm_ptr(m->mem, KEPT, KEPT_BYTES), 0x5A, KEPT_BYTES);
	bring_up(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	const uint8_t *kept;
	struct machine *m;

	machine_make_port = make_port;
	m = machine_new();
	start(m, (uint8_t)take(&in, 1));
	while (in.left)
		one_step(&in, m);
	machine_pump();
	kept = gm_ptr(m->mem, KEPT, KEPT_BYTES);
	for (unsigned int i = 0; i < KEPT_BYTES; i++)
		must(kept[i] == 0x5A);
	machine_release(m);
	return 0;
}
