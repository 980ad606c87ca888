/* What hostile drivers do to a virtqueue: each is refused, and only that queue stops. virtio 1.2, 2.7. */
#include "vq_fixture.h"

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
		cmocka_unit_test_setup_teardown(hostile_drivers_break_only_their_queue, setup,
						teardown),
		cmocka_unit_test_setup_teardown(same_head_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(more_chains_than_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(change_after_pop, setup, teardown),
		cmocka_unit_test_setup_teardown(descriptors_that_change_while_walked, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("virtqueue_hostile", tests, NULL, NULL);
}
