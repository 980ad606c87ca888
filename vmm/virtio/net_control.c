/*
 * The control queue of virtio-net (virtio 1.2, 5.1.6.5): how many pairs the driver uses, and which
 * offloads it takes now. What else a control queue may offer (filters, VLANs) a tap has no use for, so it
 * is not offered.
 */
#include "vmm/virtio/net.h"

#include <string.h>

/* The longest command of those that are known: its header and 8 bytes. */
#define COMMAND_MAX 10

struct command {
	struct virtio_net_ctrl_hdr hdr;
	uint8_t data[COMMAND_MAX - sizeof(struct virtio_net_ctrl_hdr)];
} __attribute__((packed));

static uint8_t set_pairs(struct net *net, const struct command *cmd, size_t len)
{
	uint16_t count;

	if (cmd->hdr.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || len != sizeof(count) ||
	    !virtio_has_feature(&net->vdev, VIRTIO_NET_F_MQ))
		return VIRTIO_NET_ERR;
	memcpy(&count, cmd->data, sizeof(count));
	if (count == 0 || count > net->pair_count)
		return VIRTIO_NET_ERR;
	net_use_pairs(net, count);
	return VIRTIO_NET_OK;
}

/* Only what was negotiated can be switched on again (5.1.6.5.6.2). */
static uint8_t set_offloads(struct net *net, const struct command *cmd, size_t len)
{
	const uint64_t switchable =
		1ULL << VIRTIO_NET_F_GUEST_CSUM | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |
		1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN |
		1ULL << VIRTIO_NET_F_GUEST_USO4 | 1ULL << VIRTIO_NET_F_GUEST_USO6;
	struct net_port *port = net->pairs[0].port;
	uint64_t wanted;

	if (cmd->hdr.cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || len != sizeof(wanted) ||
	    !virtio_has_feature(&net->vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return VIRTIO_NET_ERR;
	memcpy(&wanted, cmd->data, sizeof(wanted));
	if (wanted & ~(switchable & net->vdev.features))
		return VIRTIO_NET_ERR;
	return port->ops->set_offloads(port, net_offloads_of(wanted)) < 0 ? VIRTIO_NET_ERR
									  : VIRTIO_NET_OK;
}

static uint8_t do_command(struct net *net, const struct command *cmd, size_t len)
{
	switch (cmd->hdr.class) {
	case VIRTIO_NET_CTRL_MQ: return set_pairs(net, cmd, len);
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS: return set_offloads(net, cmd, len);
	default: return VIRTIO_NET_ERR;
	}
}

/* Copies the command out, once. Returns its length, as far as it fits. */
static size_t take_command(struct command *cmd, const struct iovec *iov, unsigned int count)
{
	size_t at = 0, n;

	for (unsigned int i = 0; i < count && at < sizeof(*cmd); i++, at += n) {
		n = iov[i].iov_len < sizeof(*cmd) - at ? iov[i].iov_len : sizeof(*cmd) - at;
		memcpy((char *)cmd + at, iov[i].iov_base, n);
	}
	__asm__ volatile("" : "+m"(*cmd) : : "memory");
	return at;
}

void net_control(struct net *net, struct virtio_queue *queue)
{
	struct iovec iov[VQ_MAX_SIZE];
	struct vq *vq = &queue->vq;
	struct vq_chain chain;

	vq_notify_off(vq);
	while (vq_pop(vq, &chain, iov) > 0) {
		struct command cmd = {0};
		uint8_t ack = VIRTIO_NET_ERR;

		if (chain.out_len < sizeof(cmd.hdr) || chain.in_len < sizeof(ack)) {
			vq_break(vq, "a command without a header, or without room for the answer");
			break;
		}
		take_command(&cmd, iov, chain.out_count);
		if (chain.out_len <= sizeof(cmd))
			ack = do_command(net, &cmd, chain.out_len - sizeof(cmd.hdr));
		*(uint8_t *)iov[chain.out_count].iov_base = ack;
		vq_push(vq, chain.head, sizeof(ack));
	}
	virtio_publish(queue);
	if (vq_notify_on(vq))
		virtio_kick_again(queue);
}
