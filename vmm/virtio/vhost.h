/*
 * The kernel as the one that serves a pair of virtio-net's queues: vhost-net (linux/vhost.h). One struct vhost for
 * each pair, on that pair's thread but for what says otherwise. While it runs nobody else touches the two queues;
 * stopping it gives them back as if the vmm had served them all the time.
 */
#ifndef VMB_VMM_VIRTIO_VHOST_H
#define VMB_VMM_VIRTIO_VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/mem.h"
#include "vmm/virtio/virtqueue.h"

#define VHOST_QUEUES 2 /* receive, transmit: as vhost-net numbers them */

struct vhost {
	int fd;
	uint64_t features; /* of the driver's, those that the kernel has to know */
	bool running;
	int call_fds[VHOST_QUEUES]; /* what the kernel signals now */
};

/* A queue as vhost_start() takes it. */
struct vhost_queue {
	struct vq *vq;
	int kick_fd; /* eventfd: the doorbell */
	int call_fd; /* eventfd: written for each interrupt */
};

/*
 * Makes VHOST over FD, an open /dev/vhost-net (stays the caller's), with the guest memory MEM. 0; -EOPNOTSUPP when
 * the kernel's lacks what every driver here may negotiate; -errno.
 */
int vhost_init(struct vhost *vhost, int fd, const struct guest_mem *mem);

/*
 * Hands both queues and TAP to the kernel. FEATURES are the negotiated ones, ERROR_FD is an eventfd that is written
 * when a queue breaks. 0, or -errno with everything as it was.
 */
int vhost_start(struct vhost *vhost, uint64_t features, const struct vhost_queue *queues, int tap,
		int error_fd);

/* Takes them back: nothing of the two is in flight any more. */
void vhost_stop(struct vhost *vhost, const struct vhost_queue *queues);

/* The kernel signals CALL_FD for queue INDEX from now on. Any thread that keeps it from being started and stopped. */
void vhost_set_call(struct vhost *vhost, unsigned int index, int call_fd);

#endif
