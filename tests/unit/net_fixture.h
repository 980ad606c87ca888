/*
 * A virtio-net over ports of the test's: each is one end of a socketpair that keeps packets apart, the test has the
 * other end. And the driver's side of several queues.
 */
#ifndef VMB_TESTS_UNIT_NET_FIXTURE_H
#define VMB_TESTS_UNIT_NET_FIXTURE_H

#include "virtio_driver.h"

#include <linux/virtio_net.h>
#include <sys/socket.h>

#include "vmm/virtio/net.h"

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

#define F(bit)	  (1ULL << (bit))
#define EVENT_IDX F(VIRTIO_RING_F_EVENT_IDX)
#define MERGE	  F(VIRTIO_NET_F_MRG_RXBUF)
#define MQ	  F(VIRTIO_NET_F_MQ)
#define CTRL	  F(VIRTIO_NET_F_CTRL_VQ)

#define ALL_OFFLOADS                                                                          \
	(NET_OFFLOAD_CSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_ECN | \
	 NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6)

#define QUEUE_RINGS(index) (0x10000ULL + 0x4000ULL * (index)) /* its descriptors, +0x2000 available, +0x3000 used */
#define QUEUE_SIZE	   8
#define BUFFERS(index)	   (GPA_DATA + 0x20000ULL * (index))

struct fake_port {
	struct net_port port;
	int outside; /* the test's end */
	_Atomic unsigned int offloads;
	_Atomic int attached;
	_Atomic int offload_error, receive_error, send_error;
	_Atomic int *destroyed;
};

static inline ssize_t fake_receive(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	struct fake_port *f = (struct fake_port *)port;
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count};
	ssize_t n;

	if (f->receive_error)
		return f->receive_error;
	n = recvmsg(port->fd, &msg, MSG_DONTWAIT);
	return n < 0 ? -errno : n;
}

static inline int fake_send(struct net_port *port, const struct iovec *iov, unsigned int count)
{
	struct fake_port *f = (struct fake_port *)port;
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count};

	if (f->send_error)
		return f->send_error;
	return sendmsg(port->fd, &msg, MSG_DONTWAIT) < 0 ? -errno : 0;
}

static inline int fake_set_offloads(struct net_port *port, unsigned int offloads)
{
	struct fake_port *f = (struct fake_port *)port;

	assert_int_equal(offloads & ~port->offloads, 0);
	if (f->offload_error)
		return f->offload_error;
	f->offloads = offloads;
	return 0;
}

static inline int fake_set_attached(struct net_port *port, bool attached)
{
	((struct fake_port *)port)->attached = attached;
	return 0;
}

static inline void fake_port_destroy(struct net_port *port)
{
	struct fake_port *f = (struct fake_port *)port;

	(*f->destroyed)++;
	close(port->fd);
	free(f);
}

static const struct net_port_ops fake_port_ops = {
	.receive = fake_receive,
	.send = fake_send,
	.set_offloads = fake_set_offloads,
	.set_attached = fake_set_attached,
	.destroy = fake_port_destroy,
};

/* The driver's side of a queue. */
struct drv_queue {
	unsigned int index;
	uint16_t avail_idx;
	uint16_t used_seen;
};

struct fixture {
	struct test_machine m;
	unsigned int pairs;
	struct ring *rings[VIRTIO_NET_MAX_PAIRS];
	struct fake_port *ports[VIRTIO_NET_MAX_PAIRS];
	int outside[VIRTIO_NET_MAX_PAIRS];
	struct pci_device *dev; /* owned by the machine's bus */
	struct drv_queue q[VIRTIO_MAX_QUEUES];
	_Atomic int destroyed;
};

static inline struct fake_port *fake_port_new(struct fixture *f, int *ret_outside)
{
	struct fake_port *p = calloc(1, sizeof(*p));
	int sv[2], size = 1 << 20;

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	for (int i = 0; i < 2; i++)
		(void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	p->port = (struct net_port){.ops = &fake_port_ops, .fd = sv[0], .offloads = ALL_OFFLOADS};
	p->destroyed = &f->destroyed;
	p->attached = 1;
	*ret_outside = sv[1];
	return p;
}

/* VHOST: for the first pair, -1: none. */
static inline struct fixture *fixture_new_vhost(unsigned int pairs, int vhost)
{
	static const struct virtio_net_params params = {
		.mac = {0x02, 1, 2, 3, 4, 5},
		.mtu = 1500,
		.instance = 0,
	};
	struct virtio_net_pair net_pairs[VIRTIO_NET_MAX_PAIRS];
	struct fixture *f = calloc(1, sizeof(*f));
	struct pci_device *dev;

	machine_init(&f->m);
	f->pairs = pairs;
	for (unsigned int i = 0; i < pairs; i++) {
		f->ports[i] = fake_port_new(f, &f->outside[i]);
		f->rings[i] = f->m.ring;
		if (i)
			assert_int_equal(ring_create("net", 8, RING_AUTO, &f->rings[i], NULL), 0);
		net_pairs[i] = (struct virtio_net_pair){f->rings[i], &f->ports[i]->port, i ? -1 : vhost};
	}
	assert_int_equal(virtio_net_create(&f->m.env, &params, net_pairs, pairs, &dev), 0);
	for (unsigned int i = 1; i < pairs; i++)
		assert_int_equal(ring_start(f->rings[i]), 0);
	machine_start(&f->m, dev);
	f->dev = dev;
	return f;
}

static inline struct fixture *fixture_new(unsigned int pairs)
{
	return fixture_new_vhost(pairs, -1);
}

static inline void fixture_free(struct fixture *f)
{
	pci_bus_destroy(f->m.pci);
	f->m.pci = NULL;
	for (unsigned int i = 1; i < f->pairs; i++)
		ring_destroy(f->rings[i]);
	machine_fini(&f->m);
	for (unsigned int i = 0; i < f->pairs; i++)
		close(f->outside[i]);
	assert_int_equal(f->destroyed, (int)f->pairs);
	free(f);
}

/* ---- a driver ---- */

static inline struct vring_desc *net_desc(struct fixture *f, const struct drv_queue *q, unsigned int i)
{
	return (struct vring_desc *)gm_ptr(f->m.mem, QUEUE_RINGS(q->index), 0x1000) + i;
}

static inline struct vring_avail *net_avail(struct fixture *f, const struct drv_queue *q)
{
	return gm_ptr(f->m.mem, QUEUE_RINGS(q->index) + 0x2000, 0x100);
}

static inline struct vring_used *net_used(struct fixture *f, const struct drv_queue *q)
{
	return gm_ptr(f->m.mem, QUEUE_RINGS(q->index) + 0x3000, 0x100);
}

static inline void net_queue_setup(struct fixture *f, unsigned int index)
{
	struct test_machine *m = &f->m;
	uint64_t at = QUEUE_RINGS(index);

	memset(gm_ptr(m->mem, at, 0x4000), 0, 0x4000);
	f->q[index] = (struct drv_queue){.index = index};
	common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, QUEUE_SIZE);
	write64(m, VIRTIO_PCI_COMMON_Q_DESCLO, at);
	write64(m, VIRTIO_PCI_COMMON_Q_AVAILLO, at + 0x2000);
	write64(m, VIRTIO_PCI_COMMON_Q_USEDLO, at + 0x3000);
	common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

/* From reset to DRIVER_OK with FEATURES (beside VERSION_1) and every queue there is with them. */
static inline void net_driver_start(struct fixture *f, uint64_t features)
{
	struct test_machine *m = &f->m;
	unsigned int queues = features & MQ ? 2 * f->pairs + 1 : 3;

	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(m), 0);
	status_add(m, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status_add(m, VIRTIO_CONFIG_S_DRIVER);
	features_write(m, features | 1ULL << VIRTIO_F_VERSION_1);
	status_add(m, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned int i = 0; i < queues; i++)
		net_queue_setup(f, i);
	status_add(m, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_DRIVER_OK);
}

static inline void net_driver_up(struct fixture *f, uint64_t features)
{
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	net_driver_start(f, features);
}

static inline void net_make_available(struct fixture *f, struct drv_queue *q, uint16_t head)
{
	struct vring_avail *a = net_avail(f, q);

	a->ring[q->avail_idx % QUEUE_SIZE] = head;
	q->avail_idx++;
	__atomic_store_n(&a->idx, q->avail_idx, __ATOMIC_SEQ_CST);
}

static inline void net_kick_queue(struct fixture *f, const struct drv_queue *q)
{
	bus_write(f->m.mmio, f->m.notify + f->m.notify_multiplier * q->index, 2, q->index);
}

static inline uint16_t net_used_idx(struct fixture *f, const struct drv_queue *q)
{
	return __atomic_load_n(&net_used(f, q)->idx, __ATOMIC_ACQUIRE);
}

static inline struct vring_used_elem net_wait_used(struct fixture *f, struct drv_queue *q)
{
	for (int i = 0; i < 50000 && net_used_idx(f, q) == q->used_seen; i++)
		usleep(100);
	if (net_used_idx(f, q) == q->used_seen)
		fail_msg("no answer in queue %u; device status %#x", q->index, status_read(&f->m));
	return net_used(f, q)->ring[q->used_seen++ % QUEUE_SIZE];
}

/* Returns when the threads have seen all that was rung or sent so far. */
static inline void net_settle(struct fixture *f)
{
	for (int i = 0; i < 4; i++)
		for (unsigned int p = 0; p < f->pairs; p++)
			ring_call(f->rings[p], nothing, NULL);
}

static inline void wait_status_bit(struct fixture *f, uint8_t bit)
{
	for (int i = 0; i < 50000 && !(status_read(&f->m) & bit); i++)
		usleep(100);
	assert_true(status_read(&f->m) & bit);
}

/* A receive buffer of LEN bytes as descriptor HEAD, at its own place. */
static inline uint64_t net_add_buffer(struct fixture *f, struct drv_queue *q, uint16_t head, uint32_t len)
{
	uint64_t at = BUFFERS(q->index) + 0x3000ULL * head;

	*net_desc(f, q, head) = (struct vring_desc){at, len, WRITE, 0};
	memset(gm_ptr(f->m.mem, at, 0x3000), 0xEE, 0x3000);
	net_make_available(f, q, head);
	return at;
}

/* Puts a packet of LEN bytes behind HDR at the data of queue 1 and sends it as descriptors of the LENS given. */
static inline void send_pieces(struct fixture *f, const struct virtio_net_hdr_v1 *hdr, size_t len, const uint32_t *lens)
{
	struct drv_queue *q = &f->q[1];
	uint64_t at = BUFFERS(1);
	uint8_t *p = gm_ptr(f->m.mem, at, sizeof(*hdr) + len);
	unsigned int i;

	memcpy(p, hdr, sizeof(*hdr));
	for (size_t b = 0; b < len; b++)
		p[sizeof(*hdr) + b] = (uint8_t)(3 + b * 7 + b / 256);
	for (i = 0; lens[i]; at += lens[i], i++)
		*net_desc(f, q, i) = (struct vring_desc){at, lens[i], lens[i + 1] ? NEXT : 0, (uint16_t)(i + 1)};
	net_make_available(f, q, 0);
	net_kick_queue(f, q);
}

static inline void send_packet(struct fixture *f, const struct virtio_net_hdr_v1 *hdr, size_t len)
{
	const uint32_t lens[] = {(uint32_t)(sizeof(*hdr) + len), 0};

	send_pieces(f, hdr, len, lens);
}

/* What came out, or -1: nothing did. */
static inline ssize_t outside_receive(struct fixture *f, unsigned int pair, uint8_t *buf, size_t size)
{
	return recv(f->outside[pair], buf, size, MSG_DONTWAIT);
}

/* What the outside sends: a header with FLAGS and LEN bytes that tell where they are. */
static inline void outside_send(struct fixture *f, unsigned int pair, uint8_t flags, size_t len, uint8_t seed)
{
	static uint8_t packet[NET_HDR_SIZE + 70000];

	memset(packet, 0, NET_HDR_SIZE);
	packet[0] = flags;
	for (size_t i = 0; i < len; i++)
		packet[NET_HDR_SIZE + i] = (uint8_t)(seed + i * 7 + i / 256);
	assert_int_equal(send(f->outside[pair], packet, NET_HDR_SIZE + len, 0), NET_HDR_SIZE + len);
}

static inline void assert_payload(const uint8_t *at, size_t from, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] != (uint8_t)(seed + (from + i) * 7 + (from + i) / 256))
			fail_msg("byte %zu of the packet is wrong", from + i);
}

static inline struct vmm_net_status net_status(struct fixture *f)
{
	struct vmm_net_status status;

	virtio_net_get_status(f->dev, &status);
	return status;
}

static inline int net_setup(void **state)
{
	*state = fixture_new(1);
	return 0;
}

static inline int net_setup_pairs(void **state)
{
	*state = fixture_new(3);
	return 0;
}

static inline int net_teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

#endif
