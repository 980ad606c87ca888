/*
 * virtio-blk over a real file through both engines of the I/O thread: 16 requests in flight, random
 * places, every byte checked against a model; device resets in the middle of it.
 */
#include "virtio_driver.h"

#include <fcntl.h>
#include <linux/virtio_blk.h>

#define BLOCK	   4096
#define BLOCKS	   256
#define SLOTS	   16
#define QUEUE_SIZE 64

struct slot {
	bool busy;
	bool write;
	unsigned int block;
	uint8_t fill;
};

struct load {
	struct test_machine m;
	int fd;
	struct slot slots[SLOTS];
	uint8_t model[BLOCKS]; /* the byte that fills the block */
	bool unknown[BLOCKS];  /* a reset hit a write to it */
	bool in_use[BLOCKS];   /* by a slot: no two at once, so that there is one right answer */
	uint64_t seed;
	unsigned int answers;
};

static void start(struct load *l, enum ring_engine engine)
{
	struct vmm_disk info = {.size = BLOCKS * BLOCK, .logical_block = 512};
	char path[] = "/tmp/vmboot-test-XXXXXX";
	struct pci_device *dev;
	struct disk *disk;

	memset(l, 0, sizeof(*l));
	l->seed = 42;
	l->fd = mkstemp(path);
	assert_true(l->fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(l->fd, BLOCKS * BLOCK), 0);
	machine_init(&l->m);
	ring_destroy(l->m.ring);
	assert_int_equal(ring_create("test", 64, engine, &l->m.ring, NULL), 0);
	l->m.env.ring = l->m.ring;
	assert_int_equal(disk_open_raw(dup(l->fd), &info, l->m.ring, 64, &disk, NULL), 0);
	assert_int_equal(create_blk(&l->m.env, disk, &dev), 0);
	machine_start(&l->m, dev);
	driver_up(&l->m, 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_BLK_F_FLUSH, QUEUE_SIZE);
}

static uint32_t next_random(struct load *l)
{
	l->seed = l->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(l->seed >> 33);
}

static uint64_t data_of(unsigned int slot)
{
	return GPA_DATA + slot * BLOCK;
}

static void submit(struct load *l, unsigned int slot)
{
	struct test_machine *m = &l->m;
	struct slot *s = &l->slots[slot];
	struct virtio_blk_outhdr hdr = {0};
	uint16_t head = (uint16_t)(slot * 3);

	do {
		s->block = next_random(l) % BLOCKS;
	} while (l->in_use[s->block]);
	s->write = next_random(l) % 2;
	s->fill = (uint8_t)next_random(l);
	s->busy = true;
	l->in_use[s->block] = true;
	hdr.type = s->write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
	hdr.sector = s->block * (BLOCK / 512);
	gm_write(m->mem, GPA_HEADER + 16 * slot, &hdr, sizeof(hdr));
	memset(ram(m, data_of(slot)), s->write ? s->fill : 0xEE, BLOCK);
	*ram(m, GPA_STATUS + slot) = 0xEE;
	set_desc(m, head, GPA_HEADER + 16 * slot, 16, VRING_DESC_F_NEXT, head + 1);
	set_desc(m, head + 1, data_of(slot), BLOCK,
		 VRING_DESC_F_NEXT | (s->write ? 0 : VRING_DESC_F_WRITE), head + 2);
	set_desc(m, head + 2, GPA_STATUS + slot, 1, VRING_DESC_F_WRITE, 0);
	make_available(m, head);
}

static void check_answer(struct load *l)
{
	struct vring_used_elem e = wait_used(&l->m);
	unsigned int slot = e.id / 3;
	struct slot *s = &l->slots[slot];
	const uint8_t *p = ram(&l->m, data_of(slot));

	assert_true(slot < SLOTS && s->busy);
	assert_int_equal(*ram(&l->m, GPA_STATUS + slot), VIRTIO_BLK_S_OK);
	assert_int_equal(e.len, s->write ? 1 : BLOCK + 1);
	if (s->write) {
		l->model[s->block] = s->fill;
		l->unknown[s->block] = false;
	} else if (!l->unknown[s->block]) {
		for (unsigned int i = 0; i < BLOCK; i++)
			if (p[i] != l->model[s->block])
				fail_msg("block %u byte %u is %#x", s->block, i, p[i]);
	}
	s->busy = false;
	l->in_use[s->block] = false;
	l->answers++;
}

/* What was being written may be old, new or mixed; nothing else may have changed. */
static void reset_in_the_middle(struct load *l)
{
	for (unsigned int i = 0; i < SLOTS; i++) {
		if (l->slots[i].busy && l->slots[i].write)
			l->unknown[l->slots[i].block] = true;
		l->in_use[l->slots[i].block] = false;
		l->slots[i].busy = false;
	}
	driver_start(&l->m, 1ULL << VIRTIO_BLK_F_FLUSH, QUEUE_SIZE);
}

static void run(enum ring_engine engine)
{
	struct load *l = calloc(1, sizeof(*l));
	uint8_t block[BLOCK];
	unsigned int busy = 0;

	start(l, engine);
	for (unsigned int round = 0; round < 3000; round++) {
		while (busy < SLOTS && next_random(l) % 4) {
			unsigned int slot = 0;

			while (l->slots[slot].busy)
				slot++;
			submit(l, slot);
			busy++;
		}
		kick(&l->m);
		if (next_random(l) % 100 == 0) {
			reset_in_the_middle(l);
			busy = 0;
		}
		while (busy && next_random(l) % 3) {
			check_answer(l);
			busy--;
		}
	}
	while (busy--)
		check_answer(l);
	assert_true(l->answers > 2000);
	machine_fini(&l->m);
	/* The file itself says the same. */
	for (unsigned int i = 0; i < BLOCKS; i++) {
		assert_int_equal(pread(l->fd, block, BLOCK, i * BLOCK), BLOCK);
		if (!l->unknown[i])
			for (unsigned int n = 0; n < BLOCK; n++)
				assert_int_equal(block[n], l->model[i]);
	}
	close(l->fd);
	free(l);
}

/* What the guest sees of a full overlay: I/O errors for new blocks, and a disk that goes on. */
static void full_overlay(void **state)
{
	enum { ROOM = 4 };
	struct vmm_disk info = {.size = BLOCKS * BLOCK, .logical_block = 512, .read_only = 1};
	char path[] = "/tmp/vmboot-test-XXXXXX";
	struct load *l = calloc(1, sizeof(*l));
	struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_OUT};
	struct test_machine *m = &l->m;
	struct pci_device *dev;
	struct disk *disk;

	(void)state;
	l->fd = mkstemp(path);
	assert_true(l->fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(l->fd, BLOCKS * BLOCK), 0);
	machine_init(m);
	assert_int_equal(disk_open_raw(dup(l->fd), &info, m->ring, 64, &disk, NULL), 0);
	assert_int_equal(disk_open_overlay(disk, ROOM * BLOCK, &disk), 0);
	assert_int_equal(create_blk(&m->env, disk, &dev), 0);
	machine_start(m, dev);
	driver_up(m, 1ULL << VIRTIO_BLK_F_FLUSH, QUEUE_SIZE);
	set_desc(m, 0, GPA_HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(m, 2, GPA_STATUS, 1, VRING_DESC_F_WRITE, 0);
	/* Round 0 writes six blocks, of which four find room; round 1 writes these again; 2 reads. */
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int i = 0; i < (round == 1 ? ROOM : ROOM + 2); i++) {
			uint8_t fill = (uint8_t)(round * 16 + i + 1);
			bool fits = round || i < ROOM;

			hdr.type = round < 2 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN;
			hdr.sector = i * (BLOCK / 512);
			gm_write(m->mem, GPA_HEADER, &hdr, sizeof(hdr));
			memset(ram(m, GPA_DATA), fill, BLOCK);
			set_desc(m, 1, GPA_DATA, BLOCK,
				 VRING_DESC_F_NEXT | (round < 2 ? 0 : VRING_DESC_F_WRITE), 2);
			make_available(m, 0);
			kick(m);
			wait_used(m);
			assert_int_equal(*ram(m, GPA_STATUS),
					 fits ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
			if (round == 2)
				assert_int_equal(*ram(m, GPA_DATA + BLOCK - 1),
						 i < ROOM ? 16 + i + 1 : 0);
		}
	}
	machine_fini(m);
	close(l->fd);
	free(l);
}

static void by_threads(void **state)
{
	(void)state;
	run(RING_THREADS);
}

static void by_io_uring(void **state)
{
	struct ring *ring;

	(void)state;
	if (ring_create("probe", 1, RING_IO_URING, &ring, NULL) < 0)
		skip(); /* not every kernel lets us */
	ring_destroy(ring);
	run(RING_IO_URING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_overlay),
		cmocka_unit_test(by_threads),
		cmocka_unit_test(by_io_uring),
	};

	return cmocka_run_group_tests_name("blk_raw", tests, NULL, NULL);
}
