/*
 * virtio-console (virtio 1.2, 5.3) with one port and no MULTIPORT: Linux's hvc0. What the driver sends
 * is taken as it comes; what is for it waits outside until it offers buffers.
 */
#include "vmm/virtio/virtio_devices.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/virtio/virtio.h"

#define CONSOLE_CLASS 0x078000 /* simple communication controller, other */
#define QUEUE_SIZE    64

enum { RECEIVEQ, TRANSMITQ, QUEUES }; /* as the driver sees it */

struct console {
	struct virtio_device vdev;
	struct virtio_console_params params;
	struct virtio_console_config config;
	/* Of the chain in hand. Not on the stack: that is cleared each time, and Linux sends 16 bytes a time. */
	struct iovec iov[VQ_MAX_SIZE];
};

static struct console *to_console(struct virtio_device *vdev)
{
	return (struct console *)((char *)vdev - offsetof(struct console, vdev));
}

/*
 * A turn ends when the queue was gone round once: others live on this thread, too. The doorbell is
 * asked for before the answer is shown, since the next buffer comes at once: without a doorbell its
 * driver would spin, perhaps on the very CPU that this thread needs.
 */
static void transmit(struct console *console, struct virtio_queue *queue)
{
	struct iovec *iov = console->iov;
	struct vq_chain chain;
	unsigned int turn;

	for (turn = 0; turn < QUEUE_SIZE; turn++) {
		int r = vq_pop(&queue->vq, &chain, iov);

		if (r < 0 || (r == 0 && !vq_notify_on(&queue->vq)))
			break;
		if (r == 0)
			continue;
		for (unsigned int i = 0; i < chain.out_count; i++)
			console->params.transmit(console->params.ctx, iov[i].iov_base,
						 iov[i].iov_len);
		vq_push(&queue->vq, chain.head, 0);
	}
	if (turn == QUEUE_SIZE)
		virtio_kick_again(queue);
	virtio_publish(queue);
}

static void console_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct console *console = to_console(vdev);

	if (queue->index == TRANSMITQ)
		transmit(console, queue);
	else
		console->params.receive_ready(console->params.ctx);
}

/* Fills the writable part of a chain; returns how much of N went in. */
static size_t fill(const struct iovec *iov, unsigned int count, const uint8_t *buf, size_t n)
{
	size_t filled = 0;

	for (unsigned int i = 0; i < count && filled < n; i++) {
		size_t part = n - filled < iov[i].iov_len ? n - filled : iov[i].iov_len;

		memcpy(iov[i].iov_base, buf + filled, part);
		filled += part;
	}
	return filled;
}

static size_t receive(struct console *console, struct virtio_queue *queue, const uint8_t *buf,
		      size_t n)
{
	struct iovec *iov = console->iov;
	struct vq_chain chain;
	size_t taken = 0;
	unsigned int turn;

	for (turn = 0; turn < QUEUE_SIZE && taken < n; turn++) {
		size_t filled;
		int r = vq_pop(&queue->vq, &chain, iov);

		/* None: the driver's next one rings, unless it came just now. */
		if (r < 0 || (r == 0 && !vq_notify_on(&queue->vq)))
			break;
		if (r == 0)
			continue;
		filled = fill(iov + chain.out_count, chain.in_count, buf + taken, n - taken);
		vq_push(&queue->vq, chain.head, (uint32_t)filled);
		taken += filled;
	}
	if (turn == QUEUE_SIZE && taken < n)
		virtio_kick_again(queue); /* a driver that offers nothing, over and over */
	virtio_publish(queue);
	return taken;
}

size_t virtio_console_receive(struct pci_device *dev, const uint8_t *buf, size_t n)
{
	struct console *console = to_console((struct virtio_device *)dev); /* its first member */
	struct virtio_queue *queue = &console->vdev.queues[RECEIVEQ];

	if (!console->vdev.live || !queue->started || !atomic_load(&console->vdev.bus_master))
		return 0;
	return receive(console, queue, buf, n);
}

static void console_destroy(struct virtio_device *vdev)
{
	free(to_console(vdev));
}

static const struct virtio_device_ops console_ops = {
	.kick = console_kick,
	.destroy = console_destroy,
};

int virtio_console_create(const struct virtio_env *env, const struct virtio_console_params *params,
			  struct pci_device **ret_dev)
{
	struct console *console = calloc(1, sizeof(*console));
	struct virtio_params virtio = {
		.name = "console",
		.type = VIRTIO_ID_CONSOLE,
		.class_code = CONSOLE_CLASS,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_len = sizeof(console->config),
	};
	int rc;

	if (!console)
		return -ENOMEM;
	console->params = *params;
	console->config.max_nr_ports = 1;
	virtio.config = &console->config;
	rc = virtio_device_init(&console->vdev, &console_ops, &virtio, env);
	if (rc < 0) {
		free(console);
		return rc;
	}
	console->vdev.queues[RECEIVEQ].waits_for_others = true;
	/* Linux's driver waits so for each buffer with interrupts off, and sends 16 bytes at a time. */
	console->vdev.queues[TRANSMITQ].driver_spins = true;
	*ret_dev = &console->vdev.pci;
	return 0;
}
