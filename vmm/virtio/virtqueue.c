/*
 * Split virtqueues, virtio 1.2 section 2.7. The host is x86, so little-endian like the rings.
 * Memory order against a driver that runs at the same time is by the four barriers below, each
 * naming its pair in the driver (virtio 1.2, 2.7.13 and 2.7.14).
 */
#include "vmm/virtio/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

/* Index, in 16-bit words, of the parts of the available and the used ring. */
#define RING_FLAGS 0
#define RING_IDX   1
#define RING_START 2

#define AVAIL_BYTES(size) (6ULL + 2ULL * (size))
#define USED_BYTES(size)  (6ULL + 8ULL * (size))
#define DESC_BYTES	  sizeof(struct vring_desc)

int vq_break(struct vq *vq, const char *why)
{
	if (!vq->error)
		vq->error = why;
	return -EIO;
}

/* ---- registers ---- */

void vq_reset(struct vq *vq, uint16_t max_size)
{
	*vq = (struct vq){.max_size = max_size, .size = max_size};
}

void vq_write_size(struct vq *vq, uint16_t size)
{
	bool power_of_two = size && (size & (size - 1)) == 0;

	if (!vq->enabled && power_of_two && size <= vq->max_size)
		vq->size = size;
}

void vq_write_addr(const struct vq *vq, uint64_t *reg, unsigned int shift, uint32_t value)
{
	if (!vq->enabled)
		*reg = (*reg & ~(0xFFFFFFFFULL << shift)) | (uint64_t)value << shift;
}

int vq_enable(struct vq *vq, struct guest_mem *mem)
{
	if (vq->enabled)
		return vq->error ? -EINVAL : 0;
	vq->enabled = true;
	vq->mem = mem;
	if (vq->desc_addr % VRING_DESC_ALIGN_SIZE || vq->avail_addr % VRING_AVAIL_ALIGN_SIZE ||
	    vq->used_addr % VRING_USED_ALIGN_SIZE) {
		vq->error = "a ring is not aligned";
		return -EINVAL;
	}
	vq->desc = gm_ptr(mem, vq->desc_addr, DESC_BYTES * vq->size);
	vq->avail = gm_ptr(mem, vq->avail_addr, AVAIL_BYTES(vq->size));
	vq->used = gm_ptr(mem, vq->used_addr, USED_BYTES(vq->size));
	if (!vq->desc || !vq->avail || !vq->used) {
		vq->error = "a ring is not in RAM";
		return -EINVAL;
	}
	return 0;
}

/* ---- shared words: each is read or written exactly once per use ---- */

static uint16_t load_relaxed(const uint16_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store_relaxed(uint16_t *word, uint16_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint16_t *used_event(const struct vq *vq)
{
	return &vq->avail[RING_START + vq->size];
}

static uint16_t *avail_event(const struct vq *vq)
{
	return &vq->used[RING_START + 4 * vq->size];
}

/* ---- taking chains ---- */

/*
 * A private copy of descriptor INDEX of TABLE; the barrier keeps the compiler from reading twice.
 */
static struct vring_desc copy_desc(const uint8_t *table, unsigned int index)
{
	struct vring_desc desc;

	memcpy(&desc, table + DESC_BYTES * index, DESC_BYTES);
	__asm__ volatile("" : "+m"(desc) : : "memory");
	return desc;
}

/* A table of descriptors, the queue's own or an indirect one. */
struct desc_table {
	const uint8_t *base;
	unsigned int count;
	bool indirect;
};

/* Virtio 1.2, 2.7.5.3. The write flag of DESC means nothing here. */
static int enter_indirect(struct vq *vq, const struct vring_desc *desc, struct desc_table *table)
{
	if (!vq->indirect)
		return vq_break(vq, "an indirect descriptor was not negotiated");
	if (table->indirect)
		return vq_break(vq, "an indirect table inside an indirect table");
	if (desc->flags & VRING_DESC_F_NEXT)
		return vq_break(vq, "an indirect descriptor with a next one");
	if (desc->len == 0 || desc->len % DESC_BYTES || desc->len / DESC_BYTES > vq->size)
		return vq_break(vq, "an indirect table of a wrong length");
	table->base = gm_ptr(vq->mem, desc->addr, desc->len);
	if (!table->base)
		return vq_break(vq, "an indirect table outside RAM");
	table->count = desc->len / DESC_BYTES;
	table->indirect = true;
	return 0;
}

static int add_piece(struct vq *vq, const struct vring_desc *desc, struct vq_chain *chain,
		     struct iovec *iov)
{
	unsigned int at = chain->out_count + chain->in_count;
	bool writable = desc->flags & VRING_DESC_F_WRITE;

	/*
	 * Also what ends a loop: a chain has at most as many descriptors as its queue (2.7.5.3.1).
	 */
	if (at >= vq->size)
		return vq_break(vq, "a chain longer than the queue, or a loop");
	if (!writable && chain->in_count)
		return vq_break(vq, "a readable descriptor after a writable one");
	if (chain->out_len + chain->in_len + desc->len > UINT32_MAX)
		return vq_break(vq, "a chain longer than 4 GiB");
	iov[at].iov_base = gm_ptr(vq->mem, desc->addr, desc->len);
	iov[at].iov_len = desc->len;
	if (!iov[at].iov_base)
		return vq_break(vq, desc->len ? "a buffer outside RAM" : "a buffer of no length");
	if (writable) {
		chain->in_count++;
		chain->in_len += desc->len;
	} else {
		chain->out_count++;
		chain->out_len += desc->len;
	}
	return 0;
}

static int walk_chain(struct vq *vq, struct vq_chain *chain, struct iovec *iov)
{
	struct desc_table table = {.base = vq->desc, .count = vq->size};
	unsigned int index = chain->head;
	struct vring_desc desc;
	int rc;

	for (;;) {
		if (index >= table.count)
			return vq_break(vq, "a descriptor index outside its table");
		desc = copy_desc(table.base, index);
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			rc = enter_indirect(vq, &desc, &table);
			if (rc < 0)
				return rc;
			index = 0;
			continue;
		}
		rc = add_piece(vq, &desc, chain, iov);
		if (rc < 0)
			return rc;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return 0;
		index = desc.next;
	}
}

int vq_pop(struct vq *vq, struct vq_chain *ret_chain, struct iovec *iov)
{
	struct vq_chain chain = {0};
	uint16_t idx;
	uint64_t bit;
	int rc;

	if (vq->error)
		return -EIO;
	/* Pairs with the driver's write barrier between filling the entry and storing avail.idx. */
	idx = __atomic_load_n(&vq->avail[RING_IDX], __ATOMIC_ACQUIRE);
	if (idx == vq->last_avail)
		return 0;
	/*
	 * A driver cannot have more chains out than descriptors; it owns none back before we
	 * publish.
	 */
	if ((uint16_t)(idx - vq->published) > vq->size ||
	    (uint16_t)(idx - vq->last_avail) > vq->size)
		return vq_break(vq, "the available index jumped");

	chain.head = load_relaxed(&vq->avail[RING_START + vq->last_avail % vq->size]);
	if (chain.head >= vq->size)
		return vq_break(vq, "a head outside the descriptor table");
	bit = 1ULL << (chain.head % 64);
	if (vq->in_flight[chain.head / 64] & bit)
		return vq_break(vq, "a head that is in flight already");
	rc = walk_chain(vq, &chain, iov);
	if (rc < 0)
		return rc;
	vq->in_flight[chain.head / 64] |= bit;
	vq->last_avail++;
	*ret_chain = chain;
	return 1;
}

void vq_put_back(struct vq *vq, uint16_t head)
{
	vq->in_flight[head / 64] &= ~(1ULL << (head % 64));
	vq->last_avail--;
}

/* ---- giving chains back ---- */

void vq_push(struct vq *vq, uint16_t head, uint32_t len)
{
	struct vring_used_elem elem = {.id = head, .len = len};
	unsigned int slot = vq->next_used % vq->size;

	if (vq->error)
		return;
	memcpy(&vq->used[RING_START + 4 * slot], &elem, sizeof(elem));
	vq->next_used++;
	vq->in_flight[head / 64] &= ~(1ULL << (head % 64));
}

bool vq_publish(struct vq *vq)
{
	uint16_t old = vq->published;

	if (vq->error || old == vq->next_used)
		return false;
	/*
	 * Pairs with the driver's read barrier between loading used.idx and reading the elements.
	 */
	__atomic_store_n(&vq->used[RING_IDX], vq->next_used, __ATOMIC_RELEASE);
	vq->published = vq->next_used;
	/*
	 * Pairs with the driver's full barrier between storing used_event (or clearing
	 * NO_INTERRUPT) and loading used.idx: one of the two sees the other's store.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vq->event_idx)
		return vring_need_event(load_relaxed(used_event(vq)), vq->published, old);
	return !(load_relaxed(&vq->avail[RING_FLAGS]) & VRING_AVAIL_F_NO_INTERRUPT);
}

void vq_go_on_at(struct vq *vq, uint16_t index)
{
	vq->last_avail = index;
	vq->next_used = index;
	vq->published = index;
}

/* ---- asking for kicks ---- */

void vq_notify_off(struct vq *vq)
{
	/*
	 * With EVENT_IDX, avail_event simply stays where it was passed: no kick until it is moved.
	 */
	if (vq->error || vq->event_idx || vq->notify_off)
		return;
	store_relaxed(&vq->used[RING_FLAGS], VRING_USED_F_NO_NOTIFY);
	vq->notify_off = true;
}

bool vq_notify_on(struct vq *vq)
{
	if (vq->error)
		return false;
	if (vq->event_idx) {
		store_relaxed(avail_event(vq), vq->last_avail);
	} else {
		store_relaxed(&vq->used[RING_FLAGS], 0);
		vq->notify_off = false;
	}
	/*
	 * Pairs with the driver's full barrier between storing avail.idx and loading avail_event
	 * (or NO_NOTIFY): either it kicks, or we see its new chain here.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load_relaxed(&vq->avail[RING_IDX]) != vq->last_avail;
}

bool vq_driver_polls(const struct vq *vq)
{
	return vq->avail && !vq->event_idx &&
	       (load_relaxed(&vq->avail[RING_FLAGS]) & VRING_AVAIL_F_NO_INTERRUPT);
}

void vq_start(struct vq *vq, bool event_idx, bool indirect)
{
	vq->event_idx = event_idx;
	vq->indirect = indirect;
	/* Whatever an earlier driver left in this memory must not keep this one from ringing. */
	(void)vq_notify_on(vq);
}
