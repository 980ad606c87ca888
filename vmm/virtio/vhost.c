/* See vhost.h. The order of the ioctls is the kernel's: owner and memory, then queues, then what they are joined to. */
#include "vmm/virtio/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/ioctl.h>

#include "log.h"

/* What changes the format or the meaning of the rings; the rest of the features is between driver and tap. */
#define RING_FEATURES                                                  \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MRG_RXBUF | \
	 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC)

#define MAX_REGIONS 8

static int vhost_ioctl(const struct vhost *vhost, unsigned long request, void *arg)
{
	return ioctl(vhost->fd, request, arg) < 0 ? -errno : 0;
}

static int set_memory(const struct vhost *vhost, const struct guest_mem *mem)
{
	union {
		struct vhost_memory head;
		uint8_t bytes[sizeof(struct vhost_memory) +
			      MAX_REGIONS * sizeof(struct vhost_memory_region)];
	} table = {.head = {.nregions = 0}};
	const struct gm_region *regions;
	unsigned int count = gm_regions(mem, &regions);

	if (count > MAX_REGIONS)
		return -E2BIG;
	table.head.nregions = count;
	for (unsigned int i = 0; i < count; i++) {
		const struct vhost_memory_region region = {
			.guest_phys_addr = regions[i].gpa,
			.memory_size = regions[i].size,
			.userspace_addr = (uintptr_t)regions[i].host,
		};

		memcpy(table.bytes + sizeof(table.head) + i * sizeof(region), &region,
		       sizeof(region));
	}
	return vhost_ioctl(vhost, VHOST_SET_MEM_TABLE, &table);
}

int vhost_init(struct vhost *vhost, int fd, const struct guest_mem *mem)
{
	struct vhost v = {.fd = fd, .call_fds = {-1, -1}};
	uint64_t features = 0;
	int rc = vhost_ioctl(&v, VHOST_GET_FEATURES, &features);

	if (rc == 0 && (features & RING_FEATURES) != RING_FEATURES)
		return -EOPNOTSUPP;
	if (rc == 0)
		rc = vhost_ioctl(&v, VHOST_SET_OWNER, NULL);
	if (rc == 0)
		rc = set_memory(&v, mem);
	if (rc == 0)
		*vhost = v;
	return rc;
}

static int set_fd(const struct vhost *vhost, unsigned long request, unsigned int index, int fd)
{
	struct vhost_vring_file file = {.index = index, .fd = fd};

	return vhost_ioctl(vhost, request, &file);
}

static int set_queue(struct vhost *vhost, unsigned int index, const struct vhost_queue *q,
		     int error_fd)
{
	struct vhost_vring_state state = {.index = index, .num = q->vq->size};
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)q->vq->desc,
		.used_user_addr = (uintptr_t)q->vq->used,
		.avail_user_addr = (uintptr_t)q->vq->avail,
	};
	int rc = vhost_ioctl(vhost, VHOST_SET_VRING_NUM, &state);

	state.num = q->vq->last_avail;
	if (rc == 0)
		rc = vhost_ioctl(vhost, VHOST_SET_VRING_BASE, &state);
	if (rc == 0)
		rc = vhost_ioctl(vhost, VHOST_SET_VRING_ADDR, &addr);
	if (rc == 0)
		rc = set_fd(vhost, VHOST_SET_VRING_ERR, index, error_fd);
	if (rc == 0)
		rc = set_fd(vhost, VHOST_SET_VRING_CALL, index, q->call_fd);
	if (rc == 0)
		rc = set_fd(vhost, VHOST_SET_VRING_KICK, index, q->kick_fd);
	vhost->call_fds[index] = rc == 0 ? q->call_fd : -1;
	return rc;
}

/* Both queues are joined to nothing, and nothing is in flight, when this returns. */
static void detach(struct vhost *vhost)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		(void)set_fd(vhost, VHOST_NET_SET_BACKEND, i, -1);
		(void)set_fd(vhost, VHOST_SET_VRING_KICK, i, -1);
		(void)set_fd(vhost, VHOST_SET_VRING_CALL, i, -1);
		vhost->call_fds[i] = -1;
	}
	vhost->running = false;
}

int vhost_start(struct vhost *vhost, uint64_t features, const struct vhost_queue *queues, int tap,
		int error_fd)
{
	int rc;

	features &= RING_FEATURES;
	rc = vhost_ioctl(vhost, VHOST_SET_FEATURES, &features);
	for (unsigned int i = 0; i < VHOST_QUEUES && rc == 0; i++)
		rc = set_queue(vhost, i, &queues[i], error_fd);
	for (unsigned int i = 0; i < VHOST_QUEUES && rc == 0; i++)
		rc = set_fd(vhost, VHOST_NET_SET_BACKEND, i, tap);
	if (rc == 0)
		vhost->running = true;
	else
		detach(vhost);
	return rc;
}

void vhost_stop(struct vhost *vhost, const struct vhost_queue *queues)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		(void)set_fd(vhost, VHOST_NET_SET_BACKEND, i, -1);
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_vring_state state = {.index = i};

		if (vhost_ioctl(vhost, VHOST_GET_VRING_BASE, &state) == 0)
			vq_go_on_at(queues[i].vq, (uint16_t)state.num);
	}
	detach(vhost);
}

void vhost_set_call(struct vhost *vhost, unsigned int index, int call_fd)
{
	if (!vhost->running || vhost->call_fds[index] == call_fd)
		return;
	if (set_fd(vhost, VHOST_SET_VRING_CALL, index, call_fd) == 0)
		vhost->call_fds[index] = call_fd;
	else
		log_warn("vhost-net: interrupts of queue %u cannot be moved", index);
}
