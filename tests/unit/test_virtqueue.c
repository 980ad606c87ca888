/*
 * The device side of a split virtqueue against rings that the test writes by hand: what a driver
 * may do, and a table of what a hostile one does. virtio 1.2, 2.7.
 */
#include "vq_fixture.h"

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

/* A driver that did not clear the memory of its rings is heard all the same. */
static void start_asks_for_the_first_kick(void **state)
{
	struct fixture *f = *state;
	uint16_t *avail_event = (uint16_t *)&used(f)->ring[SIZE];

	used(f)->flags = VRING_USED_F_NO_NOTIFY;
	vq_start(&f->vq, false, false);
	assert_int_equal(used(f)->flags, 0);
	*avail_event = 0x1234;
	vq_start(&f->vq, true, false);
	assert_int_equal(*avail_event, 0);
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

/* As if it had never been taken: the same chain comes again, and its head is not in flight. */
static void chains_are_put_back(void **state)
{
	struct fixture *f = *state;

	set(f, 0, BUF, 100, WRITE, 0);
	set(f, 5, BUF + 4096, 200, WRITE, 0);
	offer(f, 5);
	offer(f, 0);
	assert_int_equal(pop(f), 1);
	assert_int_equal(pop(f), 1);
	vq_put_back(&f->vq, 0);
	vq_put_back(&f->vq, 5);
	assert_true(vq_notify_on(&f->vq));
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.head, 5);
	assert_int_equal(f->chain.in_len, 200);
	vq_push(&f->vq, 5, 1);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->chain.head, 0);
	assert_int_equal(pop(f), 0);
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
		cmocka_unit_test_setup_teardown(start_asks_for_the_first_kick, setup, teardown),
		cmocka_unit_test_setup_teardown(whether_the_driver_polls, setup, teardown),
		cmocka_unit_test_setup_teardown(chains_are_put_back, setup, teardown),
	};

	return cmocka_run_group_tests_name("virtqueue", tests, NULL, NULL);
}
