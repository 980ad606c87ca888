/*
 * A split virtqueue, device side (virtio 1.2, 2.7). Everything in guest memory is hostile: each
 * descriptor is copied once and checked, and what is wrong breaks the queue, never the VMM.
 *
 * Three separate acts: vq_pop() takes a chain, vq_push() writes its used element, vq_publish()
 * shows all pushed elements to the driver at once and says whether it wants an interrupt.
 *
 * Threads: the registers are the transport's; everything else belongs to one I/O thread.
 */
#ifndef VMB_VMM_VIRTIO_VIRTQUEUE_H
#define VMB_VMM_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/mem.h"

#define VQ_MAX_SIZE 256

struct vring_desc;

struct vq {
	/* What the driver wrote; frozen while ENABLED. */
	uint16_t max_size;
	uint16_t size;
	bool enabled;
	uint64_t desc_addr;
	uint64_t avail_addr;
	uint64_t used_addr;

	/* Resolved by vq_enable(). The driver may change what they point to at any time. */
	struct guest_mem *mem;
	const uint8_t *desc;
	uint16_t *avail; /* flags, idx, ring[size], used_event */
	uint16_t *used;	 /* flags, idx, ring[size] of id and len, avail_event */

	bool event_idx;
	bool indirect;
	bool notify_off;		      /* NO_NOTIFY is set in used.flags */
	uint16_t last_avail;		      /* next available entry to take */
	uint16_t next_used;		      /* next used element to write */
	uint16_t published;		      /* used.idx as the driver sees it */
	uint64_t in_flight[VQ_MAX_SIZE / 64]; /* heads that were popped and not pushed yet */
	const char *error;		      /* why the queue is broken, NULL while it is not */
};

/*
 * A descriptor chain, checked: OUT_COUNT readable pieces, then IN_COUNT writable ones, all in guest
 * RAM.
 */
struct vq_chain {
	uint16_t head;
	unsigned int out_count;
	unsigned int in_count;
	uint64_t out_len;
	uint64_t in_len;
};

/* Reset state, with MAX_SIZE (a power of two, at most VQ_MAX_SIZE) offered. */
void vq_reset(struct vq *vq, uint16_t max_size);

/*
 * The driver writes a register. What is not allowed (bad size, queue already enabled) is ignored.
 */
void vq_write_size(struct vq *vq, uint16_t size);
void vq_write_addr(const struct vq *vq, uint64_t *reg, unsigned int shift, uint32_t value);

/*
 * The driver enables the queue: freezes the registers and finds the rings in MEM (borrowed). 0, or
 * -EINVAL with ERROR set when a ring is misaligned or not wholly in RAM.
 */
int vq_enable(struct vq *vq, struct guest_mem *mem);

/* Begins operation with what was negotiated; asks for a kick with the first chain. */
void vq_start(struct vq *vq, bool event_idx, bool indirect);

/*
 * Takes the next available chain. IOV has room for VQ_MAX_SIZE pieces. 1 with *ret_chain and IOV
 * filled, 0 when there is none, -EIO when the driver broke the rules (ERROR says which); then the
 * queue stays broken until vq_reset().
 */
int vq_pop(struct vq *vq, struct vq_chain *ret_chain, struct iovec *iov);

/*
 * Undoes the last vq_pop(), which gave HEAD, as if it had not been: the chain waits in the queue again.
 * Several are put back in the opposite order.
 */
void vq_put_back(struct vq *vq, uint16_t head);

/*
 * What the driver put into a chain breaks the rules of the device. WHY is a constant string.
 * Returns -EIO; nothing is popped, pushed or published any more.
 */
int vq_break(struct vq *vq, const char *why);

/* Gives back the chain that began at HEAD; LEN bytes of its writable part were written. */
void vq_push(struct vq *vq, uint16_t head, uint32_t len);

/*
 * Somebody else has served the queue up to INDEX, chains taken and given back alike, and told the driver; it is served
 * here from there on.
 */
void vq_go_on_at(struct vq *vq, uint16_t index);

/* Shows everything pushed to the driver. True: it wants an interrupt for it. */
bool vq_publish(struct vq *vq);

/* Asks the driver for silence while the queue is being worked on. A hint: kicks may still come. */
void vq_notify_off(struct vq *vq);

/* Asks for a kick with the next available chain. True: there is one already, look again. */
bool vq_notify_on(struct vq *vq);

/*
 * Has the driver said that it does not wait for an interrupt but looks itself? Any thread that
 * keeps the queue from being enabled and reset meanwhile.
 */
bool vq_driver_polls(const struct vq *vq);

#endif
