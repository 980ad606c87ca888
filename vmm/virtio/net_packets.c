/*
 * The packets of virtio-net (virtio 1.2, 5.1.6): from the transmit queue to the port, from the port
 * to the receive queue. All of it on the pair's thread; net.c publishes once per batch.
 *
 * A received packet comes into one buffer of ours first: how many of the driver's it needs shows only
 * then, and until it has them the packet waits there and nothing more is read. So the host's own queue,
 * which is bounded, is the only one.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>

#include "vmm/counter.h"

/* How many packets are received before other work of the thread has its turn. */
#define RECEIVE_BATCH 64

#define ETHERNET_HEADER 14

static bool device_works(const struct net_pair *pair)
{
	const struct virtio_device *vdev = &pair->net->vdev;

	return vdev->live && atomic_load(&vdev->bus_master) && !atomic_load(&pair->net->paused);
}

/* ---- watching the port ---- */

static void stop_reading(struct net_pair *pair)
{
	if (pair->reading)
		ring_unwatch(pair->ring, &pair->readable);
	pair->reading = false;
}

static void start_reading(struct net_pair *pair)
{
	if (!pair->reading && !pair->gone)
		pair->reading = ring_watch(pair->ring, &pair->readable) == 0;
}

static void stop_writing(struct net_pair *pair)
{
	if (pair->writing)
		ring_unwatch(pair->ring, &pair->writable);
	pair->writing = false;
}

static void port_readable(struct ring_watch *watch, uint64_t events)
{
	(void)events;
	net_receive(watch->arg);
}

static void port_writable(struct ring_watch *watch, uint64_t events)
{
	struct net_pair *pair = watch->arg;

	(void)events;
	stop_writing(pair);
	net_send(pair);
}

void net_pair_init(struct net_pair *pair)
{
	pair->readable = (struct ring_watch){
		.fd = pair->port->fd,
		.fn = port_readable,
		.arg = pair,
	};
	pair->writable = (struct ring_watch){
		.fd = pair->port->fd,
		.events = POLLOUT,
		.fn = port_writable,
		.arg = pair,
	};
}

void net_pair_update(struct net_pair *pair)
{
	bool may_pass = device_works(pair) && pair->active;

	if (net_kernel_update(pair, may_pass)) {
		net_pair_stop(pair);
	} else if (may_pass) {
		net_send(pair);
		net_receive(pair);
	}
}

void net_pair_stop(struct net_pair *pair)
{
	stop_reading(pair);
	stop_writing(pair);
	pair->waiting = 0;
}

/* The interface was removed while the guest ran: to the guest, somebody pulled the cable. */
static void port_lost(struct net_pair *pair, int error)
{
	struct net *net = pair->net;

	stop_reading(pair);
	pair->gone = true;
	log_guest(&net->vdev.log_limit, "%s: the host's network interface is gone: %s",
		  net->vdev.params.name, strerror(error));
	net_set_link(net, false);
}

/* ---- sending ---- */

static bool gso_allowed(const struct virtio_device *vdev, uint8_t type)
{
	if ((type & VIRTIO_NET_HDR_GSO_ECN) && !virtio_has_feature(vdev, VIRTIO_NET_F_HOST_ECN))
		return false;
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4: return virtio_has_feature(vdev, VIRTIO_NET_F_HOST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6: return virtio_has_feature(vdev, VIRTIO_NET_F_HOST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP_L4: return virtio_has_feature(vdev, VIRTIO_NET_F_HOST_USO);
	default: return false;
	}
}

/*
 * Is HDR, of a packet of LEN bytes, what was negotiated (5.1.6.2.1)? Leaves of it what the host's
 * kernel is meant to see: flags that the device does not know are to be ignored.
 */
static bool header_ok(const struct virtio_device *vdev, struct virtio_net_hdr_v1 *hdr, uint64_t len)
{
	hdr->flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->num_buffers = 0;
	if (hdr->flags && (!virtio_has_feature(vdev, VIRTIO_NET_F_CSUM) ||
			   (uint64_t)hdr->csum_start + hdr->csum_offset + 2 > len))
		return false;
	if (hdr->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		hdr->gso_size = 0;
		hdr->hdr_len = 0;
		return true;
	}
	return hdr->flags && gso_allowed(vdev, hdr->gso_type) && hdr->gso_size > 0 &&
	       hdr->hdr_len <= len;
}

/*
 * Copies the header out of IOV, once, and leaves the packet behind it in IOV from *RET_FIRST on. The
 * chain is known to be long enough.
 */
static struct virtio_net_hdr_v1 take_header(struct iovec *iov, unsigned int *ret_first)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned int i = 0;
	size_t at = 0, n;

	while (at < sizeof(hdr)) {
		n = iov[i].iov_len < sizeof(hdr) - at ? iov[i].iov_len : sizeof(hdr) - at;
		memcpy((char *)&hdr + at, iov[i].iov_base, n);
		at += n;
		iov[i].iov_base = (char *)iov[i].iov_base + n;
		iov[i].iov_len -= n;
		if (iov[i].iov_len == 0)
			i++;
	}
	/* From here on only the copy counts, whatever the guest does to the original. */
	__asm__ volatile("" : "+m"(hdr) : : "memory");
	*ret_first = i;
	return hdr;
}

/* IOV has room for one piece before those of the chain. 0 when it is done with, sent or not; -EAGAIN, -EIO. */
static int send_chain(struct net_pair *pair, const struct vq_chain *chain, struct iovec *iov)
{
	struct net *net = pair->net;
	struct virtio_net_hdr_v1 hdr;
	unsigned int first;
	uint64_t len;
	int rc;

	if (chain->in_count || chain->out_len < sizeof(hdr))
		return vq_break(&pair->tx->vq,
				"a packet to send without a header, or to be written to");
	len = chain->out_len - sizeof(hdr);
	hdr = take_header(iov + 1, &first);
	if (len < ETHERNET_HEADER || len > NET_PACKET_MAX || !header_ok(&net->vdev, &hdr, len) ||
	    !atomic_load(&net->link_up)) {
		counter_add(&pair->counters.tx_dropped, 1);
		return 0;
	}
	iov[first] = (struct iovec){&hdr, sizeof(hdr)};
	do
		rc = pair->port->ops->send(pair->port, iov + first, chain->out_count - first + 1);
	while (rc == -EINTR);
	if (rc == -EAGAIN)
		return rc;
	counter_add(rc ? &pair->counters.tx_dropped : &pair->counters.tx_packets, 1);
	if (!rc)
		counter_add(&pair->counters.tx_bytes, len);
	return 0;
}

void net_send(struct net_pair *pair)
{
	struct iovec *iov = pair->memory->iov;
	struct vq *vq = &pair->tx->vq;
	struct vq_chain chain;
	int rc = 0;

	if (!device_works(pair) || !pair->tx->started || pair->in_kernel)
		return;
	/* Ends: without a publish in between, the queue holds no more chains than its size. */
	vq_notify_off(vq);
	while (vq_pop(vq, &chain, iov + 1) > 0) {
		rc = send_chain(pair, &chain, iov);
		if (rc < 0)
			break;
		vq_push(vq, chain.head, 0);
	}
	if (rc == -EAGAIN) {
		vq_put_back(vq, chain.head);
		pair->writing = pair->writing || ring_watch(pair->ring, &pair->writable) == 0;
	} else if (vq_notify_on(vq)) {
		virtio_kick_again(pair->tx);
	}
}

/* ---- receiving ---- */

static void put_back(struct vq *vq, struct net_buffers *buffers)
{
	while (buffers->count > 0)
		vq_put_back(vq, buffers->heads[--buffers->count]);
}

/* Fills IOV with at most LEN bytes; returns how many it took. */
static size_t fill(const struct iovec *iov, unsigned int count, const uint8_t *from, size_t len)
{
	size_t done = 0, n;
	unsigned int i;

	for (i = 0; i < count && done < len; i++, done += n) {
		n = iov[i].iov_len < len - done ? iov[i].iov_len : len - done;
		memcpy(iov[i].iov_base, from + done, n);
	}
	return done;
}

static uint8_t *byte_at(const struct iovec *iov, size_t offset)
{
	while (offset >= iov->iov_len) {
		offset -= iov->iov_len;
		iov++;
	}
	return (uint8_t *)iov->iov_base + offset;
}

/* Fills one chain with what comes AT bytes into the packet. Bytes, or -EIO. */
static int64_t fill_chain(struct net_pair *pair, const struct vq_chain *chain,
			  const struct iovec *iov, size_t at)
{
	struct net_buffers *buffers = &pair->memory->buffers;
	const struct iovec *in = iov + chain->out_count;
	size_t n;

	if (chain->in_len < (at ? 1 : NET_HDR_LEN))
		return vq_break(&pair->rx->vq, "a receive buffer that cannot take a header");
	if (at == 0)
		for (unsigned int i = 0; i < 2; i++)
			buffers->num_buffers[i] =
				byte_at(in, offsetof(struct virtio_net_hdr_v1, num_buffers) + i);
	n = fill(in, chain->in_count, pair->memory->packet + at, pair->waiting - at);
	buffers->heads[buffers->count] = chain->head;
	buffers->lens[buffers->count++] = (uint32_t)n;
	return (int64_t)n;
}

/*
 * Takes buffers until the waiting packet is in them. 1: it is; 0: there are not enough now, the driver
 * was asked to kick with the next; -EMSGSIZE: it never fits; -EIO. What was taken is in the pair's BUFFERS.
 */
static int take_buffers(struct net_pair *pair)
{
	struct net_buffers *buffers = &pair->memory->buffers;
	bool merge = virtio_has_feature(&pair->net->vdev, VIRTIO_NET_F_MRG_RXBUF);
	struct vq *vq = &pair->rx->vq;
	struct iovec *iov = pair->memory->iov;
	struct vq_chain chain;
	size_t at = 0;
	int64_t n;
	int rc;

	buffers->count = 0;
	while (at < pair->waiting) {
		if (buffers->count == vq->size || (at && !merge))
			return -EMSGSIZE;
		rc = vq_pop(vq, &chain, iov);
		/* Asked at the very end of the queue, so that the next buffer comes with a kick. */
		if (rc == 0 && vq_notify_on(vq))
			continue;
		if (rc <= 0)
			return rc;
		n = fill_chain(pair, &chain, iov, at);
		if (n < 0)
			return (int)n;
		at += (size_t)n;
	}
	return 1;
}

/* The waiting packet to the driver. 1: it waits no more, 0: it waits for buffers, -EIO. */
static int deliver(struct net_pair *pair)
{
	struct net_buffers *buffers = &pair->memory->buffers;
	struct vq *vq = &pair->rx->vq;
	int rc = take_buffers(pair);

	if (rc == 0 || rc == -EIO) {
		put_back(vq, buffers);
		return rc;
	}
	if (rc == -EMSGSIZE) {
		put_back(vq, buffers);
		counter_add(&pair->counters.rx_dropped, 1);
	} else {
		*buffers->num_buffers[0] = (uint8_t)buffers->count;
		*buffers->num_buffers[1] = (uint8_t)(buffers->count >> 8);
		for (unsigned int i = 0; i < buffers->count; i++)
			vq_push(vq, buffers->heads[i], buffers->lens[i]);
		counter_add(&pair->counters.rx_packets, 1);
		counter_add(&pair->counters.rx_bytes, pair->waiting - NET_HDR_LEN);
	}
	pair->waiting = 0;
	return 1;
}

/* Reads the next packet. 1, or 0 when there is none for now. */
static int read_packet(struct net_pair *pair)
{
	uint8_t *packet = pair->memory->packet;
	const struct iovec iov = {packet, sizeof(pair->memory->packet)};
	ssize_t n;

	do
		n = pair->port->ops->receive(pair->port, &iov, 1);
	while (n == -EINTR);
	if (n == -EAGAIN)
		return 0;
	if (n < 0) {
		port_lost(pair, (int)-n);
		return 0;
	}
	/* A driver that did not ask for checksums left undone finds no word of them (5.1.6.4.1). */
	if (!virtio_has_feature(&pair->net->vdev, VIRTIO_NET_F_GUEST_CSUM))
		packet[offsetof(struct virtio_net_hdr_v1, flags)] = 0;
	/* Nobody is there to get it: the cable is out. */
	if ((size_t)n <= NET_HDR_LEN || !atomic_load(&pair->net->link_up))
		counter_add(&pair->counters.rx_dropped, 1);
	else
		pair->waiting = (size_t)n;
	return 1;
}

void net_receive(struct net_pair *pair)
{
	if (!device_works(pair) || !pair->rx->started || !pair->active || pair->in_kernel) {
		stop_reading(pair);
		return;
	}
	vq_notify_off(&pair->rx->vq);
	for (unsigned int i = 0; i < RECEIVE_BATCH; i++) {
		if (!pair->waiting && !read_packet(pair))
			break;
		if (pair->waiting && deliver(pair) <= 0) {
			stop_reading(pair);
			return;
		}
	}
	start_reading(pair);
}
