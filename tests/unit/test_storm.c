/*
 * Two storms over virtio-blk with its real I/O thread. Descriptors that change while they are read, by a
 * second thread that does nothing else: the device reads each once, and never leaves guest memory. Resets
 * in any state of requests that a slow disk answers in any order: nothing is answered after a reset or
 * twice, and nothing lands where it was not sent.
 */
#include "blk_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "log.h"
#include "reliability.h"

#define QUEUE	 64
#define FEATURES (F_EVENT_IDX | F_INDIRECT | F_FLUSH)

/* ---- flips ---- */

#define QUICK_FLIPS 10000000
#define FULL_FLIPS  100000000
#define FLIP_BATCH  64

/* At least one chain is to be answered for so many flips: the flipper is much quicker. */
#define FLIPS_A_CHAIN 10000

struct flipper {
	struct test_machine *m;
	_Atomic uint64_t flips;
	_Atomic bool end;
};

#define HEADS (QUEUE / 3)

/* Most changes are from one good value to another, so that chains are walked to their end. */
static const uint64_t good_addrs[] = {GPA_DATA, GPA_DATA + 0x8000, GPA_HEADER, TEST_RAM - 4096};
static const uint64_t bad_addrs[] = {TEST_RAM - 1, TEST_RAM, UINT64_MAX - 8, TEST_BAR};
static const uint32_t good_lens[] = {512, 1024, 4096, 2048};
static const uint32_t bad_lens[] = {0, 513, 0x400000, UINT32_MAX};

/*
 * Guest memory belongs to the guest: that it is written to at the same time is the point, and no finding
 * of the thread sanitizer, which therefore does not see these writes.
 */
#define UNSEEN __attribute__((no_sanitize("thread")))

UNSEEN static void put16(__u16 *at, uint64_t value)
{
	*(volatile __u16 *)at = (__u16)value;
}

UNSEEN static void put32(__u32 *at, uint64_t value)
{
	*(volatile __u32 *)at = (__u32)value;
}

UNSEEN static void put64(__u64 *at, uint64_t value)
{
	*(volatile __u64 *)at = value;
}

static void flip_data(struct vring_desc *d, uint64_t r, bool bad)
{
	if (r & 1)
		put64(&d->addr, (bad ? bad_addrs : good_addrs)[r >> 1 & 3]);
	else if (r & 2)
		put32(&d->len, (bad ? bad_lens : good_lens)[r >> 2 & 3]);
	else
		put16(&d->flags, bad ? r >> 2 & 7 : NEXT | (r >> 2 & WRITE));
}

static void *flip(void *arg)
{
	struct flipper *f = arg;
	struct vring_desc *desc = gm_ptr(f->m->mem, GPA_DESC, QUEUE * 16);
	struct virtio_blk_outhdr *hdr = gm_ptr(f->m->mem, GPA_HEADER, 0x1000);
	uint64_t seed = 0x9E3779B97F4A7C15;

	while (!atomic_load_explicit(&f->end, memory_order_relaxed)) {
		for (unsigned int i = 0; i < FLIP_BATCH; i++) {
			uint64_t r = reliability_random(&seed);
			unsigned int head = (unsigned int)(r >> 48) % HEADS;
			bool bad = (r >> 32 & 0xFFFF) == 0;

			if (r % 4)
				flip_data(&desc[3 * head + 1], r >> 8, bad);
			else if (bad)
				put16(&desc[3 * head].next, r >> 8);
			else if (r & 4)
				put32(&hdr[head].type, r >> 8 & 1);
			else
				put64(&hdr[head].sector, r >> 8 & 4095);
		}
		atomic_fetch_add_explicit(&f->flips, FLIP_BATCH, memory_order_relaxed);
	}
	return NULL;
}

static void put_good_chains(struct test_machine *m)
{
	for (unsigned int i = 0; i < HEADS; i++) {
		put_header(m, GPA_HEADER + 16 * i, VIRTIO_BLK_T_IN, i);
		set_desc(m, 3 * i, GPA_HEADER + 16 * i, 16, NEXT, (uint16_t)(3 * i + 1));
		set_desc(m, 3 * i + 1, GPA_DATA, 512, NEXT | WRITE, (uint16_t)(3 * i + 2));
		set_desc(m, 3 * i + 2, GPA_STATUS + i, 1, WRITE, 0);
	}
}

static void descriptors_change_while_they_are_read(void **state)
{
	const uint64_t wanted = reliability_count(QUICK_FLIPS, FULL_FLIPS);
	struct fixture *f = *state;
	struct flipper flipper = {.m = &f->m};
	uint64_t broken = 0, answered = 0;
	pthread_t thread;
	uint32_t len;

	driver_up(&f->m, F_EVENT_IDX | F_FLUSH, QUEUE);
	put_good_chains(&f->m);
	assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
	while (atomic_load(&flipper.flips) < wanted || answered < wanted / FLIPS_A_CHAIN) {
		uint16_t before = used_idx(&f->m);

		for (unsigned int i = 0; i < HEADS; i++)
			make_available(&f->m, (uint16_t)(3 * i));
		kick(&f->m);
		settle(&f->m);
		answered += (uint16_t)(used_idx(&f->m) - before);
		if (!(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET))
			continue;
		broken++;
		driver_start(&f->m, F_EVENT_IDX | F_FLUSH, QUEUE);
		put_good_chains(&f->m);
	}
	atomic_store(&flipper.end, true);
	pthread_join(thread, NULL);
	print_message("reliability_descriptor_flips %llu count\n",
		      (unsigned long long)atomic_load(&flipper.flips));
	print_message("reliability_flipped_chains_answered %llu count\n",
		      (unsigned long long)answered);
	print_message("reliability_flipped_chains_refused %llu count\n",
		      (unsigned long long)broken);
	assert_true(broken > 0);
	/* And it works still. */
	driver_start(&f->m, F_FLUSH, QUEUE);
	assert_int_equal(do_request(&f->m, VIRTIO_BLK_T_IN, 1, 512, WRITE, &len), VIRTIO_BLK_S_OK);
	assert_int_equal(len, 513);
}

/* ---- resets ---- */

#define QUICK_RESETS 10000
#define FULL_RESETS  100000
#define IN_FLIGHT    16

struct storm {
	struct fixture *f;
	uint64_t seed;
	uint8_t before
		[DISK_SIZE]; /* what the disk may hold: a sector is this, or its life's pattern */
	bool may_change[SECTORS];
};

static void put_some_requests(struct storm *storm, uint8_t life)
{
	struct test_machine *m = &storm->f->m;
	unsigned int n = (unsigned int)(reliability_random(&storm->seed) % IN_FLIGHT) + 1;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t r = reliability_random(&storm->seed);
		uint64_t sector =
			r % (SECTORS - 3) + 2; /* 0 is never written, and 1 says so, too */
		bool writes = r >> 32 & 1;

		/* The buffers of several requests may be one: all writes of a life have one pattern. */
		memset(ram(m, GPA_DATA), life, 512);
		put_header(m, GPA_HEADER + 16 * i, writes ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
			   sector);
		set_desc(m, 3 * i, GPA_HEADER + 16 * i, 16, NEXT, (uint16_t)(3 * i + 1));
		set_desc(m, 3 * i + 1, writes ? GPA_DATA : GPA_DATA + 0x1000, 512,
			 NEXT | (writes ? 0 : WRITE), (uint16_t)(3 * i + 2));
		set_desc(m, 3 * i + 2, GPA_STATUS + i, 1, WRITE, 0);
		make_available(m, (uint16_t)(3 * i));
		storm->may_change[sector] |= writes;
	}
	kick(m);
}

static void answer_a_few(void *arg)
{
	struct storm *storm = arg;

	for (uint64_t n = reliability_random(&storm->seed) % IN_FLIGHT; n > 0; n--)
		fake_disk_answer_one(storm->f->disk,
				     (unsigned int)reliability_random(&storm->seed));
}

/* Each request that was answered in this life was so once. */
static void check_used(struct test_machine *m)
{
	unsigned int n = used_idx(m);
	bool seen[3 * IN_FLIGHT] = {false};

	assert_in_range(n, 0, m->avail_idx);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t id = used_ring(m)->ring[i % QUEUE].id;

		assert_in_range(id, 0, 3 * IN_FLIGHT - 1);
		assert_false(seen[id]);
		seen[id] = true;
	}
}

static void reset_somehow(struct storm *storm)
{
	struct test_machine *m = &storm->f->m;

	if (reliability_random(&storm->seed) % 2) {
		common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	} else {
		pci_bus_reset(m->pci);
		driver_map_bar(m, TEST_BAR);
	}
}

static void check_disk(const struct storm *storm, uint8_t life)
{
	const uint8_t *bytes = storm->f->disk->bytes;

	for (uint64_t s = 0; s < SECTORS; s++) {
		if (memcmp(bytes + s * 512, storm->before + s * 512, 512) == 0)
			continue;
		if (!storm->may_change[s])
			fail_msg("sector %llu was written in life %u by nobody",
				 (unsigned long long)s, life);
		for (unsigned int i = 1; i < 512; i++)
			assert_int_equal(bytes[s * 512 + i], bytes[s * 512]);
	}
}

static void resets_with_requests_in_flight(void **state)
{
	const uint64_t wanted = reliability_count(QUICK_RESETS, FULL_RESETS);
	struct storm *storm = calloc(1, sizeof(*storm));
	struct fixture *f = *state;
	struct test_machine *m = &f->m;
	uint64_t in_flight = 0;
	unsigned int taken;

	assert_non_null(storm);
	storm->f = f;
	storm->seed = 42;
	memcpy(storm->before, f->disk->bytes, DISK_SIZE);
	driver_map_bar(m, TEST_BAR);
	driver_find(m, TEST_BAR);
	f->disk->hold = true;
	for (uint64_t i = 0; i < wanted; i++) {
		uint16_t answered;

		driver_start(m, i % 2 ? FEATURES : 0, QUEUE);
		put_some_requests(storm, (uint8_t)i);
		if (i % 3)
			ring_call(m->ring, answer_a_few, storm);
		taken = (unsigned int)f->disk->held_count;
		in_flight += taken;
		check_used(m);
		reset_somehow(storm);
		assert_int_equal(f->disk->held_count, 0);
		answered = used_idx(m);
		/* What is in guest memory belongs to the next life now. */
		memset(ram(m, GPA_DATA + 0x1000), 0x5A, 512);
		settle(m);
		assert_int_equal(used_idx(m), answered);
		assert_int_equal(*ram(m, GPA_DATA + 0x1000 + 511), 0x5A);
		if (i % 1000 == 0)
			check_disk(storm, (uint8_t)i);
	}
	check_disk(storm, 0);
	assert_true(in_flight > wanted / 4);
	print_message("reliability_resets_with_io %llu count\n", (unsigned long long)wanted);
	print_message("reliability_requests_cut_off %llu count\n", (unsigned long long)in_flight);
	f->disk->hold = false;
	free(storm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(descriptors_change_while_they_are_read, setup,
						teardown),
		cmocka_unit_test_setup_teardown(resets_with_requests_in_flight, setup, teardown),
	};

	log_init(-1, LOG_LEVEL_ERROR, "storm"); /* of broken devices much could be said */
	return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
