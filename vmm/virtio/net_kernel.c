/*
 * The kernel serves a pair of virtio-net's queues (vhost.h) whenever packets may pass at all: both queues work, the
 * link is up, the card is not paused and may write to memory. At all other times, and when the driver has broken a
 * ring, the vmm does, which knows how to drop packets and what to say of the ring. So the two ways look the same
 * to a driver.
 *
 * Interrupts: the kernel writes the vector's own eventfd, which KVM turns into the message. While the vector
 * is masked, or there is none, it writes one of ours instead, and the I/O thread does what it does for its own.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct virtio_queue *queue_of(const struct net_pair *pair, unsigned int index)
{
	return index == 0 ? pair->rx : pair->tx;
}

/* pci.lock held. */
static int call_fd_of(const struct net_pair *pair, unsigned int index)
{
	int direct = msix_direct_fd(&pair->net->vdev.msix, queue_of(pair, index)->vector);

	return direct >= 0 ? direct : pair->calls[index].fd;
}

void net_kernel_update_calls(struct net *net)
{
	for (unsigned int i = 0; i < net->pair_count; i++) {
		struct net_pair *pair = &net->pairs[i];

		for (unsigned int q = 0; pair->has_kernel && q < VHOST_QUEUES; q++)
			vhost_set_call(&pair->vhost, q, call_fd_of(pair, q));
	}
}

static void fill_queues(const struct net_pair *pair, struct vhost_queue *queues)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct virtio_queue *q = queue_of(pair, i);

		queues[i] = (struct vhost_queue){&q->vq, q->watch.fd, call_fd_of(pair, i)};
	}
}

static void watch_doorbells(struct net_pair *pair)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct virtio_queue *q = queue_of(pair, i);

		if (ring_watch(pair->ring, &q->watch) < 0)
			log_error("%s: no memory to watch a doorbell", pair->net->vdev.params.name);
		virtio_kick_again(q);
	}
}

static void enter(struct net_pair *pair)
{
	struct virtio_device *vdev = &pair->net->vdev;
	struct vhost_queue queues[VHOST_QUEUES];
	int rc;

	virtio_publish(pair->rx);
	virtio_publish(pair->tx);
	if (!vdev->live)
		return;
	ring_unwatch(pair->ring, &pair->rx->watch);
	ring_unwatch(pair->ring, &pair->tx->watch);
	pthread_mutex_lock(&vdev->pci.lock);
	fill_queues(pair, queues);
	rc = vhost_start(&pair->vhost, vdev->features, queues, pair->port->fd,
			 pair->kernel_error.fd);
	pair->in_kernel = rc == 0;
	pthread_mutex_unlock(&vdev->pci.lock);
	pair->tx->waits_for_others = pair->in_kernel;
	if (rc < 0) {
		log_guest(&vdev->log_limit,
			  "%s: vhost-net refuses this driver (%s); the vmm moves its packets",
			  vdev->params.name, strerror(-rc));
		pair->kernel_refused = true;
		watch_doorbells(pair);
		return;
	}
	/* What was rung before is the kernel's to answer now. */
	virtio_kick_again(pair->rx);
	virtio_kick_again(pair->tx);
}

static void leave(struct net_pair *pair)
{
	struct virtio_device *vdev = &pair->net->vdev;
	struct vhost_queue queues[VHOST_QUEUES];

	pthread_mutex_lock(&vdev->pci.lock);
	fill_queues(pair, queues);
	vhost_stop(&pair->vhost, queues);
	pair->in_kernel = false;
	pthread_mutex_unlock(&vdev->pci.lock);
	pair->tx->waits_for_others = false;
	watch_doorbells(pair);
}

bool net_kernel_update(struct net_pair *pair, bool may_pass)
{
	bool wanted = pair->has_kernel && !pair->kernel_refused && may_pass &&
		      atomic_load(&pair->net->link_up) && pair->rx->started && pair->tx->started;

	if (wanted && !pair->in_kernel)
		enter(pair);
	else if (!wanted && pair->in_kernel)
		leave(pair);
	return pair->in_kernel;
}

/* The kernel wants the driver interrupted, and cannot do it itself. */
static void call_rung(struct ring_watch *watch, uint64_t value)
{
	(void)value;
	virtio_interrupt(watch->arg);
}

/* A ring is broken, so far as the kernel can tell; the vmm looks and says how. */
static void error_rung(struct ring_watch *watch, uint64_t value)
{
	struct net_pair *pair = watch->arg;

	(void)value;
	pair->kernel_refused = true;
	net_kernel_update(pair, false);
}

static int watch_eventfd(struct net_pair *pair, struct ring_watch *watch,
			 void (*fn)(struct ring_watch *watch, uint64_t value), void *arg)
{
	int rc;

	*watch = (struct ring_watch){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.is_eventfd = true,
		.fn = fn,
		.arg = arg,
	};
	if (watch->fd < 0)
		return -EMFILE;
	rc = ring_watch(pair->ring, watch);
	if (rc < 0) {
		close(watch->fd);
		watch->fd = -1;
	}
	return rc;
}

int net_kernel_init(struct net_pair *pair, int fd)
{
	int rc = vhost_init(&pair->vhost, fd, pair->net->vdev.env.mem);

	for (unsigned int i = 0; i < VHOST_QUEUES && rc == 0; i++)
		rc = watch_eventfd(pair, &pair->calls[i], call_rung, queue_of(pair, i));
	if (rc == 0)
		rc = watch_eventfd(pair, &pair->kernel_error, error_rung, pair);
	if (rc < 0) {
		net_kernel_fini(pair);
		return rc;
	}
	pair->vhost_fd = fd;
	pair->has_kernel = true;
	return 0;
}

static void unwatch_eventfd(struct net_pair *pair, struct ring_watch *watch)
{
	if (!watch->fn || watch->fd < 0)
		return;
	ring_unwatch(pair->ring, watch);
	close(watch->fd);
	watch->fn = NULL;
}

void net_kernel_fini(struct net_pair *pair)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		unwatch_eventfd(pair, &pair->calls[i]);
	unwatch_eventfd(pair, &pair->kernel_error);
	if (pair->has_kernel)
		close(pair->vhost_fd);
	pair->has_kernel = false;
}
