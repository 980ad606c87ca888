/*
 * virtio-balloon (virtio 1.2, 5.5) with free page reporting (5.5.6.7) and statistics (5.5.6.3). Pages in
 * the balloon, and pages that the driver reports to be free, are given back to the host; the guest
 * finds zeroes when it touches them again, so deflating needs nothing done.
 *
 * What a page is worth giving back is decided by mem.h: page numbers are the guest's, and hostile.
 */
#include "vmm/virtio/virtio_devices.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/counter.h"
#include "vmm/virtio/virtio.h"

#define BALLOON_CLASS 0xFF0000 /* no class fits */
#define QUEUE_SIZE    128
#define PAGE	      (1ULL << VIRTIO_BALLOON_PFN_SHIFT)
#define PFNS_AT_ONCE  256
/* Linux lists 256 pages at once, Windows 1024. A list that is longer is no driver's. */
#define LIST_MAX (4096 * sizeof(uint32_t))

/*
 * 5.5.2 numbers them with gaps where a feature is not negotiated; every driver and device there is
 * counts without gaps, and so does this one: the reporting queue is 3, or 2 without statistics.
 */
enum { INFLATEQ, DEFLATEQ, STATSQ, REPORTINGQ, QUEUES };

struct balloon {
	struct virtio_device vdev;
	struct virtio_balloon_config config; /* num_pages: pci.lock; actual: the driver's */
	/* The I/O thread. */
	bool has_stats_buffer; /* the driver waits for it: giving it back asks for new statistics */
	uint16_t stats_head;
	_Atomic bool stats_wanted; /* somebody asked for the status */
	/* Written by the I/O thread. */
	_Atomic uint64_t reported;
	_Atomic uint64_t stats[VIRTIO_BALLOON_S_NR]; /* by tag; bytes or counts */
};

static struct balloon *to_balloon(struct virtio_device *vdev)
{
	return (struct balloon *)((char *)vdev - offsetof(struct balloon, vdev));
}

/* ---- inflating ---- */

/* COUNT pages from FIRST on: one call to the host for each run of neighbours. */
static void give_back(struct balloon *balloon, uint32_t first, uint32_t count)
{
	struct guest_mem *mem = balloon->vdev.env.mem;
	void *at = gm_ptr(mem, (uint64_t)first * PAGE, count * PAGE);

	if (!at || gm_discard(mem, at, count * PAGE) < 0)
		log_guest(&balloon->vdev.log_limit,
			  "balloon: page %#x is none that the guest could give back", first);
}

static void give_back_list(struct balloon *balloon, const uint32_t *pfns, unsigned int count)
{
	unsigned int begin = 0;

	for (unsigned int i = 1; i <= count; i++) {
		if (i < count && pfns[i] == pfns[begin] + (i - begin))
			continue;
		give_back(balloon, pfns[begin], i - begin);
		begin = i;
	}
}

/* Copies up to SIZE bytes at OFFSET of the readable pieces; a number may lie across two of them. */
static size_t copy_out(const struct iovec *iov, unsigned int count, uint64_t offset, void *buf,
		       size_t size)
{
	size_t copied = 0;

	for (unsigned int i = 0; i < count && copied < size; i++) {
		size_t part;

		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - offset;
		if (part > size - copied)
			part = size - copied;
		memcpy((char *)buf + copied, (const char *)iov[i].iov_base + offset, part);
		copied += part;
		offset = 0;
	}
	return copied;
}

static void inflate(struct balloon *balloon, const struct vq_chain *chain, const struct iovec *iov)
{
	uint32_t pfns[PFNS_AT_ONCE];
	uint64_t at = 0;
	size_t n;

	do {
		n = copy_out(iov, chain->out_count, at, pfns, sizeof(pfns));
		give_back_list(balloon, pfns, (unsigned int)(n / sizeof(pfns[0])));
		at += n;
	} while (n == sizeof(pfns));
}

/* ---- free page reporting ---- */

static void take_report(struct balloon *balloon, const struct iovec *iov, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (gm_discard(balloon->vdev.env.mem, iov[i].iov_base, iov[i].iov_len) == 0)
			counter_add(&balloon->reported, iov[i].iov_len);
		else
			log_guest(&balloon->vdev.log_limit,
				  "balloon: reported pages are none that could be given back");
	}
}

/* ---- statistics ---- */

static void take_stats(struct balloon *balloon, const struct vq_chain *chain,
		       const struct iovec *iov)
{
	struct virtio_balloon_stat stat;

	for (unsigned int i = 0; i < 4 * VIRTIO_BALLOON_S_NR; i++) {
		if (copy_out(iov, chain->out_count, i * sizeof(stat), &stat, sizeof(stat)) <
		    sizeof(stat))
			break;
		if (stat.tag < VIRTIO_BALLOON_S_NR)
			atomic_store_explicit(&balloon->stats[stat.tag], stat.val,
					      memory_order_relaxed);
	}
}

/* Where the driver has the buffer still, it is about to tell anyway. */
static void ask_for_stats(struct balloon *balloon, struct virtio_queue *queue)
{
	if (!atomic_exchange(&balloon->stats_wanted, false) || !balloon->has_stats_buffer)
		return;
	balloon->has_stats_buffer = false;
	vq_push(&queue->vq, balloon->stats_head, 0);
}

/* ---- queues ---- */

static unsigned int role_of(const struct balloon *balloon, const struct virtio_queue *queue)
{
	if (queue->index == STATSQ &&
	    !virtio_has_feature(&balloon->vdev, VIRTIO_BALLOON_F_STATS_VQ))
		return REPORTINGQ;
	return queue->index;
}

/* Does the driver have CHAIN back when this is done? */
static bool handle(struct balloon *balloon, struct virtio_queue *queue, struct vq_chain *chain,
		   const struct iovec *iov)
{
	switch (role_of(balloon, queue)) {
	case INFLATEQ: inflate(balloon, chain, iov); break;
	case STATSQ:
		take_stats(balloon, chain, iov);
		if (balloon->has_stats_buffer)
			break; /* one is enough */
		balloon->has_stats_buffer = true;
		balloon->stats_head = chain->head;
		return false;
	case REPORTINGQ: take_report(balloon, iov + chain->out_count, chain->in_count); break;
	default: break;
	}
	return true;
}

static void balloon_kick(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct balloon *balloon = to_balloon(vdev);
	struct iovec iov[VQ_MAX_SIZE];
	struct vq_chain chain;

	vq_notify_off(&queue->vq);
	/* One at a time: a list of pages may take a while, and others live on this thread. */
	if (vq_pop(&queue->vq, &chain, iov) > 0) {
		if (chain.out_len > LIST_MAX)
			(void)vq_break(&queue->vq,
				       "a list of pages that is longer than any driver's");
		else if (handle(balloon, queue, &chain, iov))
			vq_push(&queue->vq, chain.head, 0);
	}
	if (role_of(balloon, queue) == STATSQ && !queue->vq.error)
		ask_for_stats(balloon, queue);
	virtio_publish(queue);
	if (!queue->vq.error && vq_notify_on(&queue->vq))
		virtio_kick_again(queue);
}

static void balloon_stop(struct virtio_device *vdev, struct virtio_queue *queue)
{
	struct balloon *balloon = to_balloon(vdev);

	if (queue->index == STATSQ) {
		balloon->has_stats_buffer = false;
		atomic_store(&balloon->stats_wanted, false);
	}
	if (queue->index != INFLATEQ)
		return;
	pthread_mutex_lock(&vdev->pci.lock);
	balloon->config.actual = 0; /* a driver begins with an empty balloon */
	pthread_mutex_unlock(&vdev->pci.lock);
}

/* The driver says how many pages are in the balloon (5.5.6). */
static void balloon_write_config(struct virtio_device *vdev, uint64_t offset, unsigned int size,
				 uint64_t value)
{
	struct balloon *balloon = to_balloon(vdev);

	if (offset == offsetof(struct virtio_balloon_config, actual) && size == 4)
		balloon->config.actual = (uint32_t)value;
}

static void balloon_destroy(struct virtio_device *vdev)
{
	free(to_balloon(vdev));
}

static const struct virtio_device_ops balloon_ops = {
	.kick = balloon_kick,
	.stop = balloon_stop,
	.write_config = balloon_write_config,
	.destroy = balloon_destroy,
};

/* ---- for the operator ---- */

void virtio_balloon_set_target(struct pci_device *dev, uint64_t bytes)
{
	struct balloon *balloon = to_balloon((struct virtio_device *)dev); /* its first member */
	uint32_t pages = (uint32_t)(bytes / PAGE < UINT32_MAX ? bytes / PAGE : UINT32_MAX);

	virtio_change_config(&balloon->vdev, &balloon->config.num_pages, &pages, sizeof(pages));
}

static uint64_t stat(const struct balloon *balloon, unsigned int tag)
{
	return atomic_load_explicit(&balloon->stats[tag], memory_order_relaxed);
}

void virtio_balloon_get_status(struct pci_device *dev, struct vmm_balloon_status *ret_status)
{
	struct balloon *balloon = to_balloon((struct virtio_device *)dev);

	pthread_mutex_lock(&dev->lock);
	*ret_status = (struct vmm_balloon_status){
		.target = balloon->config.num_pages * PAGE,
		.actual = balloon->config.actual * PAGE,
	};
	pthread_mutex_unlock(&dev->lock);
	ret_status->driven = balloon->vdev.live;
	ret_status->reported = counter_get(&balloon->reported);
	ret_status->total = stat(balloon, VIRTIO_BALLOON_S_MEMTOT);
	ret_status->free = stat(balloon, VIRTIO_BALLOON_S_MEMFREE);
	ret_status->available = stat(balloon, VIRTIO_BALLOON_S_AVAIL);
	/* Not by a call of the thread: that may be waiting for a disk, and nobody shall wait with it. */
	atomic_store(&balloon->stats_wanted, true);
	virtio_kick_again(&balloon->vdev.queues[STATSQ]);
}

int virtio_balloon_create(const struct virtio_env *env, struct pci_device **ret_dev)
{
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	struct virtio_params params = {
		.name = "balloon",
		.type = VIRTIO_ID_BALLOON,
		.class_code = BALLOON_CLASS,
		.features = 1ULL << VIRTIO_BALLOON_F_STATS_VQ |
			    1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
			    1ULL << VIRTIO_BALLOON_F_REPORTING,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		/* Up to what belongs to features that are not offered. */
		.config_len = offsetof(struct virtio_balloon_config, free_page_hint_cmd_id),
	};
	int rc;

	if (!balloon)
		return -ENOMEM;
	params.config = &balloon->config;
	rc = virtio_device_init(&balloon->vdev, &balloon_ops, &params, env);
	if (rc < 0) {
		free(balloon);
		return rc;
	}
	balloon->vdev.queues[STATSQ].waits_for_others = true;
	*ret_dev = &balloon->vdev.pci;
	return 0;
}
