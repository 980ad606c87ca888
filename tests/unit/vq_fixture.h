/*
 * A virtqueue whose rings the test writes by hand, as a driver would.
 */
#ifndef VMB_TESTS_UNIT_VQ_FIXTURE_H
#define VMB_TESTS_UNIT_VQ_FIXTURE_H

#include "test.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "vmm/virtio/virtqueue.h"

#define RAM	 (32ULL << 20)
#define DESC	 0x10000ULL
#define AVAIL	 0x20000ULL
#define USED	 0x30000ULL
#define INDIR	 0x40000ULL
#define INDIR2	 0x50000ULL
#define BUF	 0x60000ULL
#define SIZE	 8
#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

struct fixture {
	struct guest_mem *mem;
	struct vq vq;
	uint16_t avail_idx;
	struct iovec iov[VQ_MAX_SIZE];
	struct vq_chain chain;
};

static inline struct vring_desc *desc(struct fixture *f, uint64_t table, unsigned int i)
{
	return (struct vring_desc *)gm_ptr(f->mem, table, 0x1000) + i;
}

static inline void set(struct fixture *f, unsigned int i, uint64_t addr, uint32_t len,
		       uint16_t flags, uint16_t next)
{
	*desc(f, DESC, i) = (struct vring_desc){addr, len, flags, next};
}

static inline struct vring_avail *avail(struct fixture *f)
{
	return gm_ptr(f->mem, AVAIL, 0x1000);
}

static inline struct vring_used *used(struct fixture *f)
{
	return gm_ptr(f->mem, USED, 0x1000);
}

static inline void offer(struct fixture *f, uint16_t head)
{
	avail(f)->ring[f->avail_idx % f->vq.size] = head;
	avail(f)->idx = ++f->avail_idx;
}

static inline int pop(struct fixture *f)
{
	return vq_pop(&f->vq, &f->chain, f->iov);
}

static inline void bring_up(struct fixture *f, uint16_t size, bool event_idx, bool indirect)
{
	memset(gm_ptr(f->mem, 0, BUF), 0, BUF);
	f->avail_idx = 0;
	vq_reset(&f->vq, VQ_MAX_SIZE);
	vq_write_size(&f->vq, size);
	vq_write_addr(&f->vq, &f->vq.desc_addr, 0, DESC);
	vq_write_addr(&f->vq, &f->vq.avail_addr, 0, AVAIL);
	vq_write_addr(&f->vq, &f->vq.used_addr, 0, USED);
	assert_int_equal(vq_enable(&f->vq, f->mem), 0);
	vq_start(&f->vq, event_idx, indirect);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(gm_create(RAM, &f->mem), 0);
	bring_up(f, SIZE, false, true);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	gm_destroy(f->mem);
	free(f);
	return 0;
}

#endif
