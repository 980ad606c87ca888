/*
 * virtio-net (virtio 1.2, 5.1), the device: what it offers, its life, its link. Its packets are
 * net_packets.c's, its control queue net_control.c's; where the packets go is the port's business
 * (vmm/net/net.h).
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/counter.h"
#include "vmm/lazy.h"

#define NET_CLASS  0x020000 /* Ethernet controller */
#define CONFIG_LEN offsetof(struct virtio_net_config, speed)

static struct net *to_net(struct virtio_device *vdev)
{
	return (struct net *)((char *)vdev - offsetof(struct net, vdev));
}

static struct net *dev_to_net(struct pci_device *dev)
{
	return to_net((struct virtio_device *)dev); /* its first member */
}

/* ---- offloads ---- */

static const struct {
	unsigned int offload;
	unsigned int guest_feature; /* the driver takes packets that need it */
} offload_table[] = {
	{NET_OFFLOAD_CSUM, VIRTIO_NET_F_GUEST_CSUM}, {NET_OFFLOAD_TSO4, VIRTIO_NET_F_GUEST_TSO4},
	{NET_OFFLOAD_TSO6, VIRTIO_NET_F_GUEST_TSO6}, {NET_OFFLOAD_ECN, VIRTIO_NET_F_GUEST_ECN},
	{NET_OFFLOAD_USO4, VIRTIO_NET_F_GUEST_USO4}, {NET_OFFLOAD_USO6, VIRTIO_NET_F_GUEST_USO6},
};
#define OFFLOAD_COUNT (sizeof(offload_table) / sizeof(offload_table[0]))

unsigned int net_offloads_of(uint64_t features)
{
	unsigned int offloads = 0;

	for (size_t i = 0; i < OFFLOAD_COUNT; i++)
		if (features >> offload_table[i].guest_feature & 1)
			offloads |= offload_table[i].offload;
	return offloads;
}

static uint64_t offload_features(unsigned int offloads)
{
	uint64_t features = 0;

	for (size_t i = 0; i < OFFLOAD_COUNT; i++)
		if (offloads & offload_table[i].offload)
			features |= 1ULL << offload_table[i].guest_feature;
	if (offloads & NET_OFFLOAD_CSUM)
		features |= 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	if (offloads & NET_OFFLOAD_TSO4)
		features |= 1ULL << VIRTIO_NET_F_HOST_TSO4;
	if (offloads & NET_OFFLOAD_TSO6)
		features |= 1ULL << VIRTIO_NET_F_HOST_TSO6;
	if (offloads & NET_OFFLOAD_ECN)
		features |= 1ULL << VIRTIO_NET_F_HOST_ECN;
	if (offloads & NET_OFFLOAD_USO4)
		features |= 1ULL << VIRTIO_NET_F_HOST_USO;
	return features;
}

/* ---- pairs ---- */

static void use_pair(struct net_pair *pair, bool active)
{
	struct net *net = pair->net;
	int rc = 0;

	/* The first one always takes part: some interfaces have but one queue. */
	if (pair != net->pairs)
		rc = pair->port->ops->set_attached(pair->port, active);
	if (rc < 0)
		log_guest(&net->vdev.log_limit,
			  "%s: a queue of the host's interface cannot be switched: %s",
			  net->vdev.params.name, strerror(-rc));
	pair->active = active;
	net_pair_update(pair);
	if (!active)
		net_pair_stop(pair);
}

static void use_pair_on_thread(void *arg)
{
	use_pair(arg, true);
}

static void leave_pair_on_thread(void *arg)
{
	use_pair(arg, false);
}

void net_use_pairs(struct net *net, unsigned int count)
{
	for (unsigned int i = 0; i < net->pair_count; i++)
		ring_call(net->pairs[i].ring, i < count ? use_pair_on_thread : leave_pair_on_thread,
			  &net->pairs[i]);
}

/* ---- the device ---- */

/* Behind the pairs that may be used: without MQ, behind the first (5.1.2). */
static bool is_control(const struct net *net, const struct virtio_queue *queue)
{
	bool mq = virtio_has_feature(&net->vdev, VIRTIO_NET_F_MQ);

	return queue->index == (mq ? 2 * net->pair_count : 2);
}

/* The pair whose queue QUEUE is; NULL: none. */
static struct net_pair *pair_of(struct net *net, const struct virtio_queue *queue)
{
	unsigned int pair = queue->index / 2;

	return pair < net->pair_count && !is_control(net, queue) ? &net->pairs[pair] : NULL;
}

/* With multiqueue, too, the driver begins with one pair (5.1.6.5.5). */
static void net_start(struct virtio_device *vdev)
{
	struct net *net = to_net(vdev);
	struct net_port *port = net->pairs[0].port;
	int rc = port->ops->set_offloads(port, net_offloads_of(vdev->features));

	if (rc < 0)
		log_guest(&vdev->log_limit, "%s: the host's interface refuses offloads: %s",
			  vdev->params.name, strerror(-rc));
	for (unsigned int i = 0; i < net->pair_count; i++)
		net->pairs[i].kernel_refused = false;
	net_use_pairs(net, 1);
}

static void net_queue_started(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct net_pair *pair = pair_of(to_net(vdev), queue);

	if (pair)
		net_pair_update(pair);
}

static void net_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct net *net = to_net(vdev);
	struct net_pair *pair = pair_of(net, queue);

	if (is_control(net, queue))
		net_control(net, queue);
	else if (pair && queue == pair->rx)
		net_receive(pair);
	else if (pair)
		net_send(pair);
}

static void net_stop(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct net *net = to_net(vdev);
	unsigned int pair = queue->index / 2;

	/* Not pair_of(): whatever queue it was while it worked. */
	if (pair >= net->pair_count)
		return;
	net_kernel_update(&net->pairs[pair], false);
	net_pair_stop(&net->pairs[pair]);
}

static void update_pair_on_thread(void *arg)
{
	net_pair_update(arg);
}

static void update_pairs(struct net *net)
{
	for (unsigned int i = 0; i < net->pair_count; i++)
		ring_call(net->pairs[i].ring, update_pair_on_thread, &net->pairs[i]);
}

static void net_bus_master(struct virtio_device *vdev)
{
	update_pairs(to_net(vdev));
}

static void net_vectors_changed(struct virtio_device *vdev)
{
	net_kernel_update_calls(to_net(vdev));
}

static void net_batch_done(void *arg)
{
	struct net_pair *pair = arg;

	virtio_publish(pair->rx);
	virtio_publish(pair->tx);
}

static void close_port(void *arg)
{
	struct net_pair *pair = arg;

	ring_set_batch_hook(pair->ring, NULL, NULL);
	net_kernel_fini(pair);
	pair->port->ops->destroy(pair->port);
}

static void free_net(struct net *net)
{
	for (unsigned int i = 0; i < VIRTIO_NET_MAX_PAIRS; i++)
		lazy_free(net->pairs[i].memory, sizeof(struct net_memory));
	free(net);
}

static void net_destroy(struct virtio_device *vdev)
{
	struct net *net = to_net(vdev);

	for (unsigned int i = 0; i < net->pair_count; i++)
		ring_call(net->pairs[i].ring, close_port, &net->pairs[i]);
	free_net(net);
}

static const struct virtio_device_ops net_ops = {
	.start = net_start,
	.queue_started = net_queue_started,
	.kick = net_kick,
	.stop = net_stop,
	.bus_master = net_bus_master,
	.vectors_changed = net_vectors_changed,
	.destroy = net_destroy,
};

/* ---- from outside ---- */

void net_set_link(struct net *net, bool up)
{
	uint16_t status = up ? VIRTIO_NET_S_LINK_UP : 0;

	if (atomic_exchange(&net->link_up, up) != up)
		virtio_change_config(&net->vdev, &net->config.status, &status, sizeof(status));
}

void virtio_net_set_link(struct pci_device *dev, bool up)
{
	struct net *net = dev_to_net(dev);

	net_set_link(net, up);
	update_pairs(net);
}

void virtio_net_set_paused(struct pci_device *dev, bool paused)
{
	struct net *net = dev_to_net(dev);

	atomic_store(&net->paused, paused);
	update_pairs(net);
}

void virtio_net_get_status(struct pci_device *dev, struct vmm_net_status *ret_status)
{
	struct net *net = dev_to_net(dev);
	struct vmm_net_status sum = {
		.link_up = atomic_load(&net->link_up),
		.vhost = net->pairs[0].in_kernel,
	};

	for (unsigned int i = 0; i < net->pair_count; i++) {
		const struct net_counters *c = &net->pairs[i].counters;

		sum.rx_packets += counter_get(&c->rx_packets);
		sum.rx_bytes += counter_get(&c->rx_bytes);
		sum.rx_dropped += counter_get(&c->rx_dropped);
		sum.tx_packets += counter_get(&c->tx_packets);
		sum.tx_bytes += counter_get(&c->tx_bytes);
		sum.tx_dropped += counter_get(&c->tx_dropped);
	}
	*ret_status = sum;
}

/* ---- making it ---- */

static void fill_params(struct net *net, const struct virtio_net_params *params,
			const struct virtio_net_pair *pairs, struct virtio_params *ret_params)
{
	unsigned int count = net->pair_count;

	memcpy(net->config.mac, params->mac, sizeof(net->config.mac));
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = (uint16_t)count;
	net->config.mtu = params->mtu;
	*ret_params = (struct virtio_params){
		.type = VIRTIO_ID_NET,
		.class_code = NET_CLASS,
		.features = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
			    1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_NET_F_CTRL_VQ |
			    offload_features(pairs[0].port->offloads),
		.queues = 2 * count + 1,
		.queue_size = NET_QUEUE_SIZE,
		.config = &net->config,
		.config_len = CONFIG_LEN,
	};
	if (params->mtu)
		ret_params->features |= 1ULL << VIRTIO_NET_F_MTU;
	if (count > 1)
		ret_params->features |= 1ULL << VIRTIO_NET_F_MQ;
	for (unsigned int i = 0; i < 2 * count; i++)
		ret_params->rings[i] = pairs[i / 2].ring;
	ret_params->rings[2 * count] = pairs[0].ring;
	snprintf(ret_params->name, sizeof(ret_params->name), "net%u", params->instance);
}

/* -ENOMEM leaves what free_net() takes. */
static int init_pair(struct net *net, unsigned int index, const struct virtio_net_pair *from)
{
	struct net_pair *pair = &net->pairs[index];

	pair->net = net;
	pair->rx = &net->vdev.queues[2 * index];
	pair->tx = &net->vdev.queues[2 * index + 1];
	pair->rx->waits_for_others = true;
	pair->ring = from->ring;
	pair->port = from->port;
	net_pair_init(pair);
	pair->memory = lazy_alloc(sizeof(*pair->memory));
	return pair->memory ? 0 : -ENOMEM;
}

/* Without the kernel's help a card works as well, so that is no failure. */
static void join_kernel(struct net_pair *pair, int fd)
{
	int rc = fd < 0 ? 0 : net_kernel_init(pair, fd);

	if (rc == 0)
		return;
	log_warn("%s: vhost-net cannot be used (%s); the vmm moves its packets",
		 pair->net->vdev.params.name, strerror(-rc));
	close(fd);
}

int virtio_net_create(const struct virtio_env *env, const struct virtio_net_params *params,
		      const struct virtio_net_pair *pairs, unsigned int count,
		      struct pci_device **ret_dev)
{
	struct net *net = calloc(1, sizeof(*net));
	struct virtio_params vparams;
	unsigned int i;
	int rc = net ? 0 : -ENOMEM;

	if (rc)
		goto err_ports;
	net->pair_count = count;
	net->link_up = true;
	for (i = 0; i < count && !rc; i++)
		rc = init_pair(net, i, &pairs[i]);
	if (rc)
		goto err_free;
	fill_params(net, params, pairs, &vparams);
	rc = virtio_device_init(&net->vdev, &net_ops, &vparams, env);
	if (rc < 0)
		goto err_free;
	for (i = 0; i < count; i++) {
		ring_set_batch_hook(pairs[i].ring, net_batch_done, &net->pairs[i]);
		join_kernel(&net->pairs[i], pairs[i].vhost);
	}
	*ret_dev = &net->vdev.pci;
	return 0;

err_free:
	free_net(net);
err_ports:
	for (i = 0; i < count; i++) {
		pairs[i].port->ops->destroy(pairs[i].port);
		if (pairs[i].vhost >= 0)
			close(pairs[i].vhost);
	}
	return rc;
}
