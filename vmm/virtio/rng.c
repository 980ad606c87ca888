/*
 * virtio-rng (virtio 1.2, 5.4): fills what the driver offers from the host's generator. It needs no
 * disk and never waits, so a chain is answered where it is taken.
 */
#include "vmm/virtio/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/random.h>

#include "vmm/virtio/virtio.h"

#define QUEUE_SIZE 64
#define RNG_CLASS  0xFF0000 /* no class fits */

/* At most so much per chain: the thread serves others, too. The driver asks again for the rest. */
#define BYTES_MAX 4096

struct rng {
	struct virtio_device vdev;
};

static uint32_t fill(const struct iovec *iov, unsigned int count)
{
	uint32_t filled = 0;
	unsigned int i;

	for (i = 0; i < count && filled < BYTES_MAX; i++) {
		uint8_t *at = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		if (left > BYTES_MAX - filled)
			left = BYTES_MAX - filled;
		while (left) {
			ssize_t n = getrandom(at, left, 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return filled;
			at += n;
			left -= (size_t)n;
			filled += (uint32_t)n;
		}
	}
	return filled;
}

static void rng_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct iovec iov[VQ_MAX_SIZE];
	struct vq_chain chain;

	(void)vdev;
	vq_notify_off(&queue->vq);
	while (vq_pop(&queue->vq, &chain, iov) > 0)
		vq_push(&queue->vq, chain.head, fill(iov + chain.out_count, chain.in_count));
	virtio_publish(queue);
	if (vq_notify_on(&queue->vq))
		virtio_kick_again(queue);
}

static void rng_destroy(struct virtio_device *vdev)
{
	free((char *)vdev - offsetof(struct rng, vdev));
}

static const struct virtio_device_ops rng_ops = {
	.kick = rng_kick,
	.destroy = rng_destroy,
};

int virtio_rng_create(const struct virtio_env *env, struct pci_device **ret_dev)
{
	static const struct virtio_params params = {
		.name = "rng",
		.type = VIRTIO_ID_RNG,
		.class_code = RNG_CLASS,
		.queues = 1,
		.queue_size = QUEUE_SIZE,
	};
	struct rng *rng = calloc(1, sizeof(*rng));
	uint8_t byte;
	int rc;

	if (!rng)
		return -ENOMEM;
	/* Early in the host's own boot this waits for its generator; later calls never do. */
	while (getrandom(&byte, 1, 0) < 0 && errno == EINTR)
		;
	rc = virtio_device_init(&rng->vdev, &rng_ops, &params, env);
	if (rc < 0) {
		free(rng);
		return rc;
	}
	*ret_dev = &rng->vdev.pci;
	return 0;
}
