/*
 * The device side of a split virtqueue against rings that the test writes by hand: what a driver
 * may do, and a table of what a hostile one does. virtio 1.2, 2.7.
 */
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

static struct vring_desc *desc(struct fixture *f, uint64_t table, unsigned int i)
{
	return (struct vring_desc *)gm_ptr(f->mem, table, 0x1000) + i;
}

static void set(struct fixture *f, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t next)
{
	*desc(f, DESC, i) = (struct vring_desc){addr, len, flags, next};
}

static struct vring_avail *avail(struct fixture *f)
{
	return gm_ptr(f->mem, AVAIL, 0x1000);
}

static struct vring_used *used(struct fixture *f)
{
	return gm_ptr(f->mem, USED, 0x1000);
}

static void offer(struct fixture *f, uint16_t head)
{
	avail(f)->ring[f->avail_idx % f->vq.size] = head;
	avail(f)->idx = ++f->avail_idx;
}

static int pop(struct fixture *f)
{
	return vq_pop(&f->vq, &f->chain, f->iov);
}

static void bring_up(struct fixture *f, uint16_t size, bool event_idx, bool indirect)
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

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(gm_create(RAM, &f->mem), 0);
	bring_up(f, SIZE, false, true);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gm_destroy(f->mem);
	free(f);
	return 0;
}

/* ---- registers ---- */

static void size_register(void **state)
{
	struct vq vq;
	static const struct {
		uint16_t write, read;
	} cases[] = {{1, 1},   {2, 2},	  {128, 128},	{64, 64},     {0, 64},	{3, 64},
		     {65, 64}, {256, 64}, {0x8000, 64}, {0xFFFF, 64}, {100, 64}};

	(void)state;
	vq_reset(&vq, 128);
	assert_int_equal(vq.size, 128);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vq_write_size(&vq, cases[i].write);
		assert_int_equal(vq.size, cases[i].read);
	}
}

static void registers_freeze_when_enabled(void **state)
{
	struct fixture *f = *state;

	vq_write_size(&f->vq, 4);
	vq_write_addr(&f->vq, &f->vq.desc_addr, 0, 0x1000);
	vq_write_addr(&f->vq, &f->vq.used_addr, 32, 1);
	assert_int_equal(f->vq.size, SIZE);
	assert_int_equal(f->vq.desc_addr, DESC);
	assert_int_equal(f->vq.used_addr, USED);
	vq_reset(&f->vq, 16);
	vq_write_addr(&f->vq, &f->vq.used_addr, 32, 0xABCD);
	vq_write_addr(&f->vq, &f->vq.used_addr, 0, 0x1234);
	assert_int_equal(f->vq.used_addr, 0xABCD00001234ULL);
}

/* Whole rings in RAM and aligned, or the queue is broken from the start. */
static void rings_must_be_in_ram(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint64_t desc, avail, used;
		int rc;
	} cases[] = {
		{DESC, AVAIL, USED, 0},
		{RAM - 16 * SIZE, AVAIL, USED, 0},
		{DESC, RAM - (6 + 2 * SIZE), USED, 0},
		{RAM - 16 * SIZE + 16, AVAIL, USED, -EINVAL},
		{DESC, RAM - (6 + 2 * SIZE) + 2, USED, -EINVAL},
		{DESC, AVAIL, RAM - (6 + 8 * SIZE) + 2, -EINVAL},
		{DESC + 8, AVAIL, USED, -EINVAL},
		{DESC, AVAIL + 1, USED, -EINVAL},
		{DESC, AVAIL, USED + 2, -EINVAL},
		{RAM, AVAIL, USED, -EINVAL},
		{0xC0000000ULL, AVAIL, USED, -EINVAL}, /* a BAR */
		{0xFEE00000ULL, AVAIL, USED, -EINVAL},
		{DESC, AVAIL, 0xFFFFFFFFFFFFFFFCULL, -EINVAL},
		{0xFFFFFFFFFFFFFFF0ULL, AVAIL, USED, -EINVAL},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vq_reset(&f->vq, SIZE);
		f->vq.desc_addr = cases[i].desc;
		f->vq.avail_addr = cases[i].avail;
		f->vq.used_addr = cases[i].used;
		assert_int_equal(vq_enable(&f->vq, f->mem), cases[i].rc);
		assert_int_equal(f->vq.error != NULL, cases[i].rc != 0);
		if (cases[i].rc) {
			/* Broken is broken: nothing below touches memory that was not found. */
			assert_int_equal(pop(f), -EIO);
			vq_push(&f->vq, 0, 0);
			assert_false(vq_publish(&f->vq));
			vq_notify_off(&f->vq);
			assert_false(vq_notify_on(&f->vq));
			(void)vq_driver_polls(&f->vq);
		}
	}
}

/* ---- what honest drivers do ---- */

static void chain_is_described(void **state)
{
	struct fixture *f = *state;

	set(f, 3, BUF, 16, NEXT, 1);
	set(f, 1, BUF + 0x100, 5, NEXT, 7);
	set(f, 7, BUF + 0x200, 512, NEXT | WRITE, 0);
	set(f, 0, BUF + 0x400, 1, WRITE, 5); /* next is ignored without its flag */
	assert_int_equal(pop(f), 0);
	offer(f, 3);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.head, 3);
	assert_int_equal(f->chain.out_count, 2);
	assert_int_equal(f->chain.in_count, 2);
	assert_int_equal(f->chain.out_len, 21);
	assert_int_equal(f->chain.in_len, 513);
	assert_ptr_equal(f->iov[0].iov_base, gm_ptr(f->mem, BUF, 16));
	assert_ptr_equal(f->iov[1].iov_base, gm_ptr(f->mem, BUF + 0x100, 5));
	assert_ptr_equal(f->iov[3].iov_base, gm_ptr(f->mem, BUF + 0x400, 1));
	assert_int_equal(f->iov[2].iov_len, 512);
	assert_int_equal(pop(f), 0);
}

static void indirect_chains(void **state)
{
	struct fixture *f = *state;

	/*
	 * A direct piece first, then the rest in a table; the write flag beside INDIRECT says
	 * nothing.
	 */
	set(f, 0, BUF, 16, NEXT, 1);
	set(f, 1, INDIR, 3 * 16, INDIRECT | WRITE, 0);
	*desc(f, INDIR, 0) = (struct vring_desc){BUF + 0x100, 10, NEXT, 2};
	*desc(f, INDIR, 2) = (struct vring_desc){BUF + 0x200, 20, NEXT | WRITE, 1};
	*desc(f, INDIR, 1) = (struct vring_desc){BUF + 0x300, 1, WRITE, 0};
	offer(f, 0);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.out_count, 2);
	assert_int_equal(f->chain.in_count, 2);
	assert_int_equal(f->chain.in_len, 21);

	/* As many pieces as the queue has descriptors. */
	set(f, 2, INDIR2, SIZE * 16, INDIRECT, 0);
	for (uint16_t i = 0; i < SIZE; i++)
		*desc(f, INDIR2, i) =
			(struct vring_desc){BUF, 1, i < SIZE - 1 ? NEXT : 0, (uint16_t)(i + 1)};
	offer(f, 2);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.out_count, SIZE);
}

static void used_elements_show_up_when_published(void **state)
{
	struct fixture *f = *state;

	for (uint16_t i = 0; i < 3; i++) {
		set(f, i, BUF + i, 1, WRITE, 0);
		offer(f, i);
		assert_int_equal(pop(f), 1);
	}
	vq_push(&f->vq, 2, 100);
	vq_push(&f->vq, 0, 200);
	assert_int_equal(used(f)->idx, 0);
	assert_true(vq_publish(&f->vq));
	assert_int_equal(used(f)->idx, 2);
	assert_int_equal(used(f)->ring[0].id, 2);
	assert_int_equal(used(f)->ring[0].len, 100);
	assert_int_equal(used(f)->ring[1].id, 0);
	assert_int_equal(used(f)->ring[1].len, 200);
	assert_false(vq_publish(&f->vq)); /* nothing new: no interrupt */

	avail(f)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vq_push(&f->vq, 1, 0);
	assert_false(vq_publish(&f->vq));
	assert_int_equal(used(f)->idx, 3);
}

/* All 16-bit indices wrap; 70,000 chains go round a queue of 8 and one of 1. */
static void indices_wrap(void **state)
{
	struct fixture *f = *state;
	static const uint16_t sizes[] = {1, 8, 256};

	for (unsigned int s = 0; s < 3; s++) {
		bring_up(f, sizes[s], s == 1, false);
		for (unsigned int i = 0; i < 70000; i++) {
			uint16_t head = (uint16_t)(i * 3 % sizes[s]);

			set(f, head, BUF, 4, WRITE, 0);
			offer(f, head);
			assert_int_equal(pop(f), 1);
			assert_int_equal(f->chain.head, head);
			vq_push(&f->vq, head, i);
			vq_publish(&f->vq);
			assert_int_equal(used(f)->idx, (uint16_t)(i + 1));
			assert_int_equal(used(f)->ring[i % sizes[s]].len, i);
			assert_int_equal(pop(f), 0);
		}
	}
}

/* 2.7.7.2, 2.7.10: the driver is told only when used.idx passes used_event. */
static void event_idx_decides_about_interrupts(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint16_t used_event;
		unsigned int batch; /* elements published at once */
		bool interrupt;
	} cases[] = {
		{0, 1, true}, {0, 3, true},  {1, 1, false}, {1, 2, true},
		{2, 3, true}, {3, 3, false}, {7, 3, false}, {0xFFFF, 1, false},
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bring_up(f, SIZE, true, false);
		avail(f)->ring[SIZE] = cases[i].used_event;
		avail(f)->flags = VRING_AVAIL_F_NO_INTERRUPT; /* not looked at with EVENT_IDX */
		for (uint16_t n = 0; n < cases[i].batch; n++) {
			set(f, n, BUF, 1, WRITE, 0);
			offer(f, n);
			assert_int_equal(pop(f), 1);
			vq_push(&f->vq, n, 1);
		}
		assert_int_equal(vq_publish(&f->vq), cases[i].interrupt);
	}
}

static void asking_for_kicks_with_event_idx(void **state)
{
	struct fixture *f = *state;
	uint16_t *avail_event;

	bring_up(f, SIZE, true, false);
	avail_event = (uint16_t *)&used(f)->ring[SIZE];
	set(f, 0, BUF, 1, WRITE, 0);
	offer(f, 0);
	assert_int_equal(pop(f), 1);
	vq_notify_off(&f->vq);
	assert_int_equal(used(f)->flags, 0); /* the flag must stay 0 with EVENT_IDX */
	assert_int_equal(*avail_event, 0);
	assert_false(vq_notify_on(&f->vq));
	assert_int_equal(*avail_event, 1);
	set(f, 1, BUF, 1, WRITE, 0);
	offer(f, 1);
	assert_true(vq_notify_on(&f->vq)); /* came meanwhile: look again */
}

static void asking_for_kicks_by_flag(void **state)
{
	struct fixture *f = *state;

	vq_notify_off(&f->vq);
	assert_int_equal(used(f)->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(vq_notify_on(&f->vq));
	assert_int_equal(used(f)->flags, 0);
	set(f, 0, BUF, 1, WRITE, 0);
	offer(f, 0);
	assert_true(vq_notify_on(&f->vq));
}

static void whether_the_driver_polls(void **state)
{
	struct fixture *f = *state;

	assert_false(vq_driver_polls(&f->vq));
	avail(f)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_true(vq_driver_polls(&f->vq));
	bring_up(f, SIZE, true, false);
	avail(f)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	assert_false(vq_driver_polls(&f->vq));
}

/* ---- what hostile drivers do ---- */

static void head_out_of_range(struct fixture *f)
{
	offer(f, SIZE);
}

/* The biggest queue: one more is outside every array that is indexed by heads. */
static void head_out_of_the_biggest_range(struct fixture *f)
{
	bring_up(f, VQ_MAX_SIZE, false, false);
	offer(f, VQ_MAX_SIZE);
}

static void head_far_out_of_range(struct fixture *f)
{
	offer(f, 0xFFFF);
}

static void next_out_of_range(struct fixture *f)
{
	set(f, 0, BUF, 1, NEXT, SIZE);
	offer(f, 0);
}

static void loop_of_one(struct fixture *f)
{
	set(f, 0, BUF, 1, NEXT, 0);
	offer(f, 0);
}

static void loop_of_two(struct fixture *f)
{
	set(f, 0, BUF, 1, NEXT | WRITE, 1);
	set(f, 1, BUF, 1, NEXT | WRITE, 0);
	offer(f, 0);
}

static void huge_length(struct fixture *f)
{
	set(f, 0, BUF, UINT32_MAX, WRITE, 0);
	offer(f, 0);
}

static void one_byte_past_ram(struct fixture *f)
{
	set(f, 0, RAM - 511, 512, WRITE, 0);
	offer(f, 0);
}

static void address_that_wraps(struct fixture *f)
{
	set(f, 0, UINT64_MAX - 15, 32, WRITE, 0);
	offer(f, 0);
}

static void address_without_ram(struct fixture *f)
{
	set(f, 0, 0xC0000000ULL, 1, WRITE, 0);
	offer(f, 0);
}

static void zero_length(struct fixture *f)
{
	set(f, 0, BUF, 0, WRITE, 0);
	offer(f, 0);
}

static void readable_after_writable(struct fixture *f)
{
	set(f, 0, BUF, 1, NEXT | WRITE, 1);
	set(f, 1, BUF, 1, 0, 0);
	offer(f, 0);
}

static void indirect_in(struct fixture *f, uint64_t addr, uint32_t len, uint16_t more_flags)
{
	set(f, 0, addr, len, INDIRECT | more_flags, 1);
	*desc(f, INDIR, 0) = (struct vring_desc){BUF, 1, 0, 0};
	set(f, 1, BUF, 1, 0, 0);
	offer(f, 0);
}

static void indirect_not_negotiated(struct fixture *f)
{
	f->vq.indirect = false;
	indirect_in(f, INDIR, 16, 0);
}

static void indirect_with_next(struct fixture *f)
{
	indirect_in(f, INDIR, 16, NEXT);
}

static void indirect_empty(struct fixture *f)
{
	indirect_in(f, INDIR, 0, 0);
}

static void indirect_odd_length(struct fixture *f)
{
	indirect_in(f, INDIR, 17, 0);
}

static void indirect_longer_than_queue(struct fixture *f)
{
	indirect_in(f, INDIR, (SIZE + 1) * 16, 0);
}

static void indirect_huge(struct fixture *f)
{
	indirect_in(f, INDIR, 0xFFFFFFF0u, 0);
}

static void indirect_outside_ram(struct fixture *f)
{
	indirect_in(f, RAM - 8, 16, 0);
}

static void indirect_wraps(struct fixture *f)
{
	indirect_in(f, UINT64_MAX - 7, 16, 0);
}

static void indirect_nested(struct fixture *f)
{
	set(f, 0, INDIR, 16, INDIRECT, 0);
	*desc(f, INDIR, 0) = (struct vring_desc){INDIR2, 16, INDIRECT, 0};
	*desc(f, INDIR2, 0) = (struct vring_desc){BUF, 1, 0, 0};
	offer(f, 0);
}

static void indirect_into_itself(struct fixture *f)
{
	set(f, 0, INDIR, 16, INDIRECT, 0);
	*desc(f, INDIR, 0) = (struct vring_desc){INDIR, 16, INDIRECT, 0};
	offer(f, 0);
}

static void indirect_next_out_of_table(struct fixture *f)
{
	set(f, 0, INDIR, 32, INDIRECT, 0);
	*desc(f, INDIR, 0) = (struct vring_desc){BUF, 1, NEXT, 2};
	*desc(f, INDIR, 2) = (struct vring_desc){BUF, 1, 0, 0};
	offer(f, 0);
}

static void indirect_loop(struct fixture *f)
{
	set(f, 0, INDIR, 32, INDIRECT, 0);
	*desc(f, INDIR, 0) = (struct vring_desc){BUF, 1, NEXT, 1};
	*desc(f, INDIR, 1) = (struct vring_desc){BUF, 1, NEXT, 0};
	offer(f, 0);
}

static void direct_and_indirect_longer_than_queue(struct fixture *f)
{
	set(f, 0, BUF, 1, NEXT, 1);
	set(f, 1, INDIR, SIZE * 16, INDIRECT, 0);
	for (uint16_t i = 0; i < SIZE; i++)
		*desc(f, INDIR, i) =
			(struct vring_desc){BUF, 1, i < SIZE - 1 ? NEXT : 0, (uint16_t)(i + 1)};
	offer(f, 0);
}

static void index_jumps_ahead(struct fixture *f)
{
	set(f, 0, BUF, 1, WRITE, 0);
	avail(f)->idx = SIZE + 1;
}

static void index_goes_back(struct fixture *f)
{
	avail(f)->idx = 0xFFFF;
}

/* Back over chains that were taken and not answered yet. */
static void index_goes_back_a_little(struct fixture *f)
{
	for (uint16_t i = 0; i < 3; i++) {
		set(f, i, BUF, 1, WRITE, 0);
		offer(f, i);
		assert_int_equal(pop(f), 1);
	}
	set(f, 5, BUF, 1, WRITE, 0);
	avail(f)->ring[3] = 5; /* nothing wrong with this one, it was just never made available */
	avail(f)->idx = 2;
}

static void index_far_away(struct fixture *f)
{
	avail(f)->idx = 0x8000;
}

/* Each piece is in RAM, all of it; 128 times 32 MiB are more than a chain may have (2.7.5.2). */
static void sum_of_lengths_over_4g(struct fixture *f)
{
	bring_up(f, 256, false, true);
	for (uint16_t i = 0; i < 128; i++)
		set(f, i, 0, RAM, WRITE | (i < 127 ? NEXT : 0), (uint16_t)(i + 1));
	offer(f, 0);
}

static const struct {
	const char *name;
	void (*make)(struct fixture *f);
} hostile[] = {
	{"head out of range", head_out_of_range},
	{"head out of the biggest range", head_out_of_the_biggest_range},
	{"head far out of range", head_far_out_of_range},
	{"next out of range", next_out_of_range},
	{"loop of one", loop_of_one},
	{"loop of two", loop_of_two},
	{"huge length", huge_length},
	{"one byte past RAM", one_byte_past_ram},
	{"address that wraps", address_that_wraps},
	{"address without RAM", address_without_ram},
	{"zero length", zero_length},
	{"readable after writable", readable_after_writable},
	{"indirect not negotiated", indirect_not_negotiated},
	{"indirect with next", indirect_with_next},
	{"indirect empty", indirect_empty},
	{"indirect odd length", indirect_odd_length},
	{"indirect longer than queue", indirect_longer_than_queue},
	{"indirect huge", indirect_huge},
	{"indirect outside RAM", indirect_outside_ram},
	{"indirect wraps", indirect_wraps},
	{"indirect nested", indirect_nested},
	{"indirect into itself", indirect_into_itself},
	{"indirect next out of table", indirect_next_out_of_table},
	{"indirect loop", indirect_loop},
	{"direct and indirect longer than queue", direct_and_indirect_longer_than_queue},
	{"index jumps ahead", index_jumps_ahead},
	{"index goes back", index_goes_back},
	{"index goes back a little", index_goes_back_a_little},
	{"index far away", index_far_away},
	{"sum of lengths over 4 GiB", sum_of_lengths_over_4g},
};

static void hostile_drivers_break_only_their_queue(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		bring_up(f, SIZE, false, true);
		hostile[i].make(f);
		if (pop(f) != -EIO || !f->vq.error)
			fail_msg("not refused: %s", hostile[i].name);
		/* It stays broken, whatever the driver writes now, and shows nothing. */
		avail(f)->idx = 1;
		avail(f)->ring[0] = 0;
		set(f, 0, BUF, 1, WRITE, 0);
		assert_int_equal(pop(f), -EIO);
		vq_push(&f->vq, 0, 1);
		assert_false(vq_publish(&f->vq));
		assert_int_equal(used(f)->idx, 0);
		/* A reset makes it a working queue again. */
		bring_up(f, SIZE, false, true);
		set(f, 0, BUF, 1, WRITE, 0);
		offer(f, 0);
		assert_int_equal(pop(f), 1);
	}
}

static void same_head_twice(void **state)
{
	struct fixture *f = *state;

	set(f, 2, BUF, 1, WRITE, 0);
	offer(f, 2);
	offer(f, 2);
	assert_int_equal(pop(f), 1);
	assert_int_equal(pop(f), -EIO);
	/* After its completion the head is free again. */
	bring_up(f, SIZE, false, false);
	set(f, 2, BUF, 1, WRITE, 0);
	for (int i = 0; i < 3; i++) {
		offer(f, 2);
		assert_int_equal(pop(f), 1);
		vq_push(&f->vq, 2, 1);
		vq_publish(&f->vq);
	}
}

/*
 * A driver that reuses heads before it has seen them come back could keep the device busy for ever.
 */
static void more_chains_than_descriptors(void **state)
{
	struct fixture *f = *state;
	int taken = 0;

	set(f, 0, BUF, 1, WRITE, 0);
	for (int i = 0; i < 3 * SIZE; i++) {
		offer(f, 0);
		if (pop(f) != 1)
			break;
		taken++;
		vq_push(&f->vq, 0, 1); /* never published */
	}
	assert_int_equal(taken, SIZE);
	assert_non_null(f->vq.error);
}

/* Changes after the copy has been taken change nothing. */
static void change_after_pop(void **state)
{
	struct fixture *f = *state;
	void *before;

	set(f, 0, BUF, 64, WRITE, 0);
	offer(f, 0);
	assert_int_equal(pop(f), 1);
	before = f->iov[0].iov_base;
	set(f, 0, UINT64_MAX, UINT32_MAX, INDIRECT, 9);
	assert_ptr_equal(f->iov[0].iov_base, before);
	assert_int_equal(f->iov[0].iov_len, 64);
	vq_push(&f->vq, 0, 64);
	assert_true(vq_publish(&f->vq));
}

struct flipper {
	struct vring_desc *desc;
	_Atomic bool stop;
};

static void *flip(void *arg)
{
	struct flipper *fl = arg;
	static const struct vring_desc states[] = {
		{BUF, 64, NEXT, 1},
		{BUF, 64, WRITE, 0},
		{0xFFFFFFFFFFFFFF00ULL, 0xFFFFFFFFu, NEXT | WRITE, 0xFFFF},
		{RAM - 16, 4096, WRITE, 0},
		{INDIR, 64, INDIRECT, 0},
	};

	for (unsigned int i = 0; !fl->stop; i++)
		*(volatile struct vring_desc *)&fl->desc[i % 2] = states[i * 7 % 5];
	return NULL;
}

/* Another CPU rewrites descriptors while they are walked: what comes out lies in RAM, always. */
static void descriptors_that_change_while_walked(void **state)
{
	struct fixture *f = *state;
	struct flipper fl = {.desc = desc(f, DESC, 0)};
	const uint8_t *base = gm_ptr(f->mem, 0, RAM);
	unsigned int taken = 0, refused = 0;
	pthread_t thread;

	memset(desc(f, INDIR, 0), 0xFF, 64);
	assert_int_equal(pthread_create(&thread, NULL, flip, &fl), 0);
	for (int i = 0; i < 200000 || ((!taken || !refused) && i < 20000000); i++) {
		f->vq.error = NULL;
		memset(f->vq.in_flight, 0, sizeof(f->vq.in_flight));
		offer(f, 0);
		f->vq.last_avail = (uint16_t)(f->avail_idx - 1);
		f->vq.published = f->vq.last_avail;
		if (pop(f) != 1) {
			refused++;
			continue;
		}
		taken++;
		for (unsigned int n = 0; n < f->chain.out_count + f->chain.in_count; n++) {
			const uint8_t *p = f->iov[n].iov_base;

			assert_true(p >= base && p + f->iov[n].iov_len <= base + RAM);
		}
	}
	fl.stop = true;
	pthread_join(thread, NULL);
	assert_true(taken > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_register),
		cmocka_unit_test_setup_teardown(registers_freeze_when_enabled, setup, teardown),
		cmocka_unit_test_setup_teardown(rings_must_be_in_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(chain_is_described, setup, teardown),
		cmocka_unit_test_setup_teardown(indirect_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(used_elements_show_up_when_published, setup,
						teardown),
		cmocka_unit_test_setup_teardown(indices_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(event_idx_decides_about_interrupts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(asking_for_kicks_with_event_idx, setup, teardown),
		cmocka_unit_test_setup_teardown(asking_for_kicks_by_flag, setup, teardown),
		cmocka_unit_test_setup_teardown(whether_the_driver_polls, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_drivers_break_only_their_queue, setup,
						teardown),
		cmocka_unit_test_setup_teardown(same_head_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(more_chains_than_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(change_after_pop, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_that_change_while_walked, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
