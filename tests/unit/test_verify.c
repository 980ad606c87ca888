/*
 * Data under load: virtio-blk over a real file with 64 requests in flight, of four kinds of work at once.
 * What each sector must hold is kept as a CRC-32C; everything read is compared, and the file at the end.
 */
#define TEST_RAM (8ULL << 20)
#include "virtio_driver.h"

#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <sched.h>
#include <sys/stat.h>

#include "reliability.h"

#define SLOTS	    64
#define QUEUE	    256
#define REGION	    2048U /* sectors that belong to one slot: no two requests meet */
#define MOST	    128U  /* sectors of one request */
#define SECTOR	    512U
#define DISK_BYTES  ((uint64_t)SLOTS * REGION * SECTOR)
#define UNKNOWN	    0 /* the CRC of a sector that was discarded */
#define QUICK_BYTES (128ULL << 20)
#define FULL_BYTES  (8ULL << 30)

/* Headers, status bytes and data of slot I in guest memory. */
#define HEADER(i) (GPA_HEADER + 16ULL * (i))
#define RANGE(i)  (GPA_INDIRECT + 16ULL * (i))
#define STATUS(i) (GPA_STATUS + (uint64_t)(i))
#define BUFFER(i) (GPA_DATA + (uint64_t)(i)*MOST * SECTOR)

struct slot {
	uint32_t type;
	unsigned int sector, count;
	unsigned int cursor; /* of the sequential ones */
};

struct load {
	struct test_machine m;
	int fd;
	uint64_t seed, bytes, requests, zero_crc;
	uint64_t wanted;
	struct slot slots[SLOTS];
	uint32_t crcs[SLOTS * REGION];
};

__attribute__((target("sse4.2"))) static uint32_t crc32c(const uint8_t *p)
{
	uint64_t crc = UINT32_MAX, word;

	for (unsigned int i = 0; i < SECTOR; i += 8) {
		memcpy(&word, p + i, 8);
		crc = __builtin_ia32_crc32di(crc, word);
	}
	return (uint32_t)crc | 1; /* 0 means unknown */
}

static void fill(struct load *l, uint8_t *p)
{
	for (unsigned int i = 0; i < SECTOR; i += 8) {
		uint64_t word = reliability_random(&l->seed);

		memcpy(p + i, &word, 8);
	}
}

static void start(struct load *l, enum ring_engine engine)
{
	const struct vmm_disk info = {.size = DISK_BYTES, .logical_block = SECTOR};
	const uint64_t features = 1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_BLK_F_FLUSH |
				  1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	static const uint8_t zeroes[SECTOR];
	char path[] = "/tmp/vmboot-verify-XXXXXX";
	struct pci_device *dev;
	struct disk *disk;

	l->seed = 42;
	l->fd = mkstemp(path);
	assert_true(l->fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(l->fd, (off_t)DISK_BYTES), 0);
	machine_init(&l->m);
	ring_destroy(l->m.ring);
	assert_int_equal(ring_create("test", SLOTS, engine, &l->m.ring, NULL), 0);
	l->m.env.ring = l->m.ring;
	assert_int_equal(disk_open_raw(dup(l->fd), &info, l->m.ring, SLOTS, &disk, NULL), 0);
	assert_int_equal(create_blk(&l->m.env, disk, &dev), 0);
	machine_start(&l->m, dev);
	driver_map_bar(&l->m, TEST_BAR);
	driver_find(&l->m, TEST_BAR);
	driver_start(&l->m, features & (features_read(&l->m) | 1ULL << VIRTIO_RING_F_EVENT_IDX),
		     QUEUE);
	l->zero_crc = crc32c(zeroes);
	for (unsigned int i = 0; i < SLOTS * REGION; i++)
		l->crcs[i] = (uint32_t)l->zero_crc;
}

/* Where and how much: the four kinds of work. */
static void choose(struct load *l, unsigned int index)
{
	static const uint32_t mixed[] = {VIRTIO_BLK_T_IN,      VIRTIO_BLK_T_IN,
					 VIRTIO_BLK_T_OUT,     VIRTIO_BLK_T_OUT,
					 VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
					 VIRTIO_BLK_T_FLUSH,   VIRTIO_BLK_T_IN};
	uint64_t r = reliability_random(&l->seed);
	struct slot *slot = &l->slots[index];

	slot->type = r & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT;
	switch (index % 4) {
	case 0: /* 64 KiB, one after the other */
		slot->count = MOST;
		slot->sector = slot->cursor;
		if (slot->type == VIRTIO_BLK_T_IN)
			slot->cursor = (slot->cursor + MOST) % REGION;
		break;
	case 1: /* 4 KiB anywhere */
		slot->count = 8;
		slot->sector = (unsigned int)(r >> 8) % (REGION / 8) * 8;
		break;
	default: /* any size; the last kind gives space back, zeroes and flushes as well */
		slot->count = (unsigned int)(r >> 8) % MOST + 1;
		slot->sector = (unsigned int)(r >> 32) % (REGION - slot->count + 1);
		if (index % 4 == 3)
			slot->type = mixed[r >> 16 & 7];
		break;
	}
}

/* What the disk will hold, and the buffer for it; a buffer to read into must not hold it yet. */
static void prepare(struct load *l, unsigned int index)
{
	const struct slot *slot = &l->slots[index];
	uint32_t *crcs = &l->crcs[index * REGION + slot->sector];
	uint8_t *buffer = gm_ptr(l->m.mem, BUFFER(index), MOST * SECTOR);

	for (unsigned int i = 0; i < slot->count; i++) {
		uint8_t *sector = buffer + i * SECTOR;

		switch (slot->type) {
		case VIRTIO_BLK_T_IN: sector[i % SECTOR] ^= 0xFF; break;
		case VIRTIO_BLK_T_OUT:
			fill(l, sector);
			crcs[i] = crc32c(sector);
			break;
		case VIRTIO_BLK_T_WRITE_ZEROES: crcs[i] = (uint32_t)l->zero_crc; break;
		case VIRTIO_BLK_T_DISCARD: crcs[i] = UNKNOWN; break;
		}
	}
}

static void submit(struct load *l, unsigned int index)
{
	const struct slot *slot = &l->slots[index];
	uint64_t sector = (uint64_t)index * REGION + slot->sector;
	bool has_range =
		slot->type == VIRTIO_BLK_T_DISCARD || slot->type == VIRTIO_BLK_T_WRITE_ZEROES;
	const struct virtio_blk_outhdr hdr = {
		.type = slot->type,
		.sector = has_range || slot->type == VIRTIO_BLK_T_FLUSH ? 0 : sector,
	};
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = sector,
		.num_sectors = slot->count,
		.flags = slot->type == VIRTIO_BLK_T_WRITE_ZEROES ? slot->count & 1 : 0,
	};
	uint16_t head = (uint16_t)(3 * index), last = (uint16_t)(head + 2);

	assert_int_equal(gm_write(l->m.mem, HEADER(index), &hdr, sizeof(hdr)), 0);
	assert_int_equal(gm_write(l->m.mem, RANGE(index), &range, sizeof(range)), 0);
	*ram(&l->m, STATUS(index)) = 0xEE;
	set_desc(&l->m, head, HEADER(index), 16, VRING_DESC_F_NEXT,
		 slot->type == VIRTIO_BLK_T_FLUSH ? last : head + 1);
	set_desc(&l->m, head + 1u, has_range ? RANGE(index) : BUFFER(index),
		 has_range ? sizeof(range) : slot->count * SECTOR,
		 (uint16_t)(VRING_DESC_F_NEXT |
			    (slot->type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0)),
		 last);
	set_desc(&l->m, last, STATUS(index), 1, VRING_DESC_F_WRITE, 0);
	make_available(&l->m, head);
}

static void check(struct load *l, unsigned int index)
{
	const struct slot *slot = &l->slots[index];
	const uint32_t *crcs = &l->crcs[index * REGION + slot->sector];
	const uint8_t *buffer = gm_ptr(l->m.mem, BUFFER(index), MOST * SECTOR);

	assert_int_equal(*ram(&l->m, STATUS(index)), VIRTIO_BLK_S_OK);
	l->requests++;
	if (slot->type == VIRTIO_BLK_T_IN || slot->type == VIRTIO_BLK_T_OUT)
		l->bytes += (uint64_t)slot->count * SECTOR;
	if (slot->type != VIRTIO_BLK_T_IN)
		return;
	for (unsigned int i = 0; i < slot->count; i++)
		if (crcs[i] != UNKNOWN && crc32c(buffer + i * SECTOR) != crcs[i])
			fail_msg("sector %u, after %llu bytes: not what was written",
				 index * REGION + slot->sector + i, (unsigned long long)l->bytes);
}

static void next_request(struct load *l, unsigned int index)
{
	choose(l, index);
	prepare(l, index);
	submit(l, index);
}

/* The file itself, as the host has it. */
static void check_file(struct load *l)
{
	static uint8_t sectors[REGION * SECTOR];

	for (unsigned int region = 0; region < SLOTS; region++) {
		assert_int_equal(
			pread(l->fd, sectors, sizeof(sectors), (off_t)(region * sizeof(sectors))),
			sizeof(sectors));
		for (unsigned int i = 0; i < REGION; i++) {
			uint32_t want = l->crcs[region * REGION + i];

			if (want != UNKNOWN && crc32c(sectors + i * SECTOR) != want)
				fail_msg("sector %u of the file is not what was written",
					 region * REGION + i);
		}
	}
}

static void run(enum ring_engine engine, uint64_t wanted, const char *figure)
{
	struct load *l = calloc(1, sizeof(*l));
	unsigned int in_flight = SLOTS;

	assert_non_null(l);
	start(l, engine);
	for (unsigned int i = 0; i < SLOTS; i++)
		next_request(l, i);
	kick(&l->m);
	while (in_flight > 0) {
		bool more = false;

		if (used_idx(&l->m) == l->m.used_seen) {
			sched_yield();
			continue;
		}
		while (used_idx(&l->m) != l->m.used_seen) {
			uint32_t id = used_ring(&l->m)->ring[l->m.used_seen++ % QUEUE].id;

			check(l, id / 3);
			if (l->bytes < wanted) {
				next_request(l, id / 3);
				more = true;
			} else {
				in_flight--;
			}
		}
		if (more)
			kick(&l->m);
	}
	check_file(l);
	print_message("%s %llu bytes\n", figure, (unsigned long long)l->bytes);
	machine_fini(&l->m);
	close(l->fd);
	free(l);
}

static void data_is_right_with_io_uring(void **state)
{
	struct ring *ring;

	(void)state;
	if (ring_create("test", 4, RING_IO_URING, &ring, NULL) < 0)
		skip();
	ring_destroy(ring);
	run(RING_IO_URING, reliability_count(QUICK_BYTES, FULL_BYTES), "reliability_verified_data");
}

static void data_is_right_with_threads(void **state)
{
	(void)state;
	run(RING_THREADS, reliability_count(QUICK_BYTES, FULL_BYTES / 8),
	    "reliability_verified_data_threads");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_is_right_with_io_uring),
		cmocka_unit_test(data_is_right_with_threads),
	};

	return cmocka_run_group_tests_name("verified data", tests, NULL, NULL);
}
