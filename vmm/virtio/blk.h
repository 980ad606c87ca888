/*
 * Shared by blk.c (the device) and blk_request.c (its requests). Nobody else includes this.
 *
 * A request lives in the slot of its head descriptor, so a head has at most one request (the queue
 * refuses a head in flight) and nothing is allocated while the guest runs. Slots that no head was
 * used of are memory that was never touched.
 */
#ifndef VMB_VMM_VIRTIO_BLK_H
#define VMB_VMM_VIRTIO_BLK_H

#include <linux/virtio_blk.h>

#include "vmm/virtio/virtio.h"

#define BLK_QUEUE_SIZE 256
#define BLK_SECTOR     512

/* How many ranges a discard may have; zeroes, whose ranges take long, only one. */
#define BLK_DISCARD_RANGES 64
#define BLK_ZERO_RANGES	   1

/* The longest range, in sectors. So that no request of a sane host holds up a reset for long. */
#define BLK_DISCARD_SECTORS (1U << 22) /* 2 GiB */
#define BLK_ZERO_SECTORS    (1U << 18) /* 128 MiB */

/* As many buffers a request has room for in its slot. */
#define BLK_FEW 4

struct blk_queue;

struct blk_slot {
	struct disk_req req;
	struct blk_queue *queue;
	uint32_t generation; /* of the queue when the request was submitted */
	uint16_t head;
	bool flush_after; /* a write that must be on the medium before it is complete */
	uint16_t range;	  /* of a discard or of zeroes: the one being done, of RANGE_COUNT */
	uint16_t range_count;
	uint32_t written; /* data bytes in guest memory once the request succeeded */
	uint8_t *status;
	struct iovec few[BLK_FEW];
};

/* What a slot keeps of a request that has more than a few buffers, or has ranges: a page for each, if it is ever touched. */
union blk_pieces {
	struct iovec iov[BLK_QUEUE_SIZE];
	struct virtio_blk_discard_write_zeroes ranges[BLK_QUEUE_SIZE];
};

/* Of a queue since it was made; its I/O thread writes, anybody reads. */
struct blk_counters {
	_Atomic uint64_t reads;
	_Atomic uint64_t writes;
	_Atomic uint64_t others;
	_Atomic uint64_t read_bytes;
	_Atomic uint64_t written_bytes;
	_Atomic uint64_t errors;
};

struct blk_memory {
	struct blk_slot slots[BLK_QUEUE_SIZE];
	union blk_pieces pieces[BLK_QUEUE_SIZE]; /* of each slot */
	struct iovec chain[VQ_MAX_SIZE];	 /* of the chain in hand */
};

struct blk_queue {
	struct blk *blk;
	struct virtio_queue *vqueue;
	struct disk *disk;
	uint32_t generation;	   /* counts resets */
	struct blk_memory *memory; /* lazy_alloc() */
	struct blk_counters counters;
};

struct blk {
	struct virtio_device vdev;
	struct virtio_blk_config config;
	struct blk_queue queues[VIRTIO_BLK_MAX_QUEUES];
};

/*
 * Takes the chain apart whose buffers are in IOV and starts it; it is pushed when it is done, maybe
 * before this returns. What is no disk request breaks the queue (virtio 1.2, 5.2.6).
 */
void blk_handle_chain(struct blk_queue *queue, const struct vq_chain *chain, struct iovec *iov);

#endif
