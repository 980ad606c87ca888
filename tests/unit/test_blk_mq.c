/*
 * virtio-blk with four queues, each on a thread of its own over the same file, with both engines:
 * what one queue wrote the others read, and a reset in the middle of everything stops all of them
 * before the driver is told so. Queues over disks that answer when the test says so, too.
 */
#include "fake_disk.h"
#include "virtio_driver.h"

#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <sys/stat.h>

#define QUEUES	   4
#define SLOTS	   8 /* requests in flight on a queue */
#define QUEUE_SIZE 32
#define BLOCK	   4096
#define BLOCKS	   256

/* Guest memory of queue Q. */
#define AT(q)		(0x200000ULL + (q)*0x10000)
#define AT_DESC(q)	AT(q)
#define AT_AVAIL(q)	(AT(q) + 0x2000)
#define AT_USED(q)	(AT(q) + 0x4000)
#define AT_HEADER(q, s) (AT(q) + 0x6000 + 16 * (s))
#define AT_STATUS(q, s) (AT(q) + 0x7000 + (s))
#define AT_DATA(q, s)	(0x300000ULL + (q)*0x20000 + (s)*BLOCK)

struct mq {
	struct test_machine m; /* its ring is queue 0's */
	struct ring *rings[QUEUES];
	struct fake_disk *fakes[QUEUES];
	_Atomic int destroyed;
	int fd;
	uint16_t avail[QUEUES];
	uint16_t seen[QUEUES];
	uint64_t seed;
};

static uint16_t *word(struct mq *t, uint64_t gpa)
{
	return gm_ptr(t->m.mem, gpa, 2);
}

/* FD -1: fake disks. */
static void mq_open(struct mq *t, enum ring_engine engine, int fd)
{
	struct vmm_disk info = {.size = BLOCKS * BLOCK, .logical_block = 512};
	struct virtio_blk_queue queues[QUEUES];
	struct pci_device *dev;

	memset(t, 0, sizeof(*t));
	t->fd = fd;
	t->seed = 7;
	machine_init(&t->m);
	ring_destroy(t->m.ring);
	for (unsigned int q = 0; q < QUEUES; q++) {
		assert_int_equal(ring_create("test", 64, engine, &t->rings[q], NULL), 0);
		queues[q].ring = t->rings[q];
		if (fd >= 0) {
			assert_int_equal(disk_open_raw(dup(fd), &info, t->rings[q], 64,
						       &queues[q].disk, NULL),
					 0);
			continue;
		}
		t->fakes[q] = fake_disk_new(BLOCKS * BLOCK);
		t->fakes[q]->destroyed = &t->destroyed;
		queues[q].disk = &t->fakes[q]->disk;
	}
	t->m.ring = t->rings[0];
	t->m.env.ring = t->rings[0];
	assert_int_equal(virtio_blk_create(&t->m.env, queues, QUEUES, 0, &dev), 0);
	machine_start(&t->m, dev);
	for (unsigned int q = 1; q < QUEUES; q++)
		assert_int_equal(ring_start(t->rings[q]), 0);
}

static void mq_close(struct mq *t)
{
	machine_fini(&t->m);
	for (unsigned int q = 1; q < QUEUES; q++)
		ring_destroy(t->rings[q]);
	if (t->fd < 0)
		assert_int_equal(t->destroyed, QUEUES);
	else
		close(t->fd);
	free(t);
}

static void mq_start(struct mq *t, uint64_t features)
{
	struct test_machine *m = &t->m;

	common_write(m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(m), 0);
	status_add(m, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status_add(m, VIRTIO_CONFIG_S_DRIVER);
	features_write(m, features | 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_BLK_F_MQ |
				  1ULL << VIRTIO_BLK_F_FLUSH);
	status_add(m, VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(status_read(m) & VIRTIO_CONFIG_S_FEATURES_OK);
	for (unsigned int q = 0; q < QUEUES; q++) {
		memset(gm_ptr(m->mem, AT(q), 0x6000), 0, 0x6000);
		t->avail[q] = t->seen[q] = 0;
		common_write(m, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		common_write(m, VIRTIO_PCI_COMMON_Q_SIZE, 2, QUEUE_SIZE);
		write64(m, VIRTIO_PCI_COMMON_Q_DESCLO, AT_DESC(q));
		write64(m, VIRTIO_PCI_COMMON_Q_AVAILLO, AT_AVAIL(q));
		write64(m, VIRTIO_PCI_COMMON_Q_USEDLO, AT_USED(q));
		common_write(m, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
	status_add(m, VIRTIO_CONFIG_S_DRIVER_OK);
}

static struct mq *mq_new(enum ring_engine engine, int fd)
{
	struct mq *t = malloc(sizeof(*t));

	mq_open(t, engine, fd);
	driver_map_bar(&t->m, TEST_BAR);
	driver_find(&t->m, TEST_BAR);
	return t;
}

static void put(struct mq *t, unsigned int q, unsigned int slot, uint32_t type, uint64_t block)
{
	struct virtio_blk_outhdr hdr = {.type = type, .sector = block * (BLOCK / 512)};
	struct vring_desc *desc = gm_ptr(t->m.mem, AT_DESC(q), sizeof(*desc) * QUEUE_SIZE);
	uint16_t head = (uint16_t)(slot * 3);
	bool data = type != VIRTIO_BLK_T_FLUSH;

	gm_write(t->m.mem, AT_HEADER(q, slot), &hdr, sizeof(hdr));
	*ram(&t->m, AT_STATUS(q, slot)) = 0xEE;
	desc[head] = (struct vring_desc){AT_HEADER(q, slot), 16, VRING_DESC_F_NEXT,
					 data ? head + 1 : head + 2};
	desc[head + 1] = (struct vring_desc){
		AT_DATA(q, slot), BLOCK,
		VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0), head + 2};
	desc[head + 2] = (struct vring_desc){AT_STATUS(q, slot), 1, VRING_DESC_F_WRITE, 0};
	*word(t, AT_AVAIL(q) + 4 + 2 * (t->avail[q] % QUEUE_SIZE)) = head;
	t->avail[q]++;
	__atomic_store_n(word(t, AT_AVAIL(q) + 2), t->avail[q], __ATOMIC_SEQ_CST);
}

static void ring_bell(struct mq *t, unsigned int q)
{
	bus_write(t->m.mmio, t->m.notify + q * t->m.notify_multiplier, 2, q);
}

static uint16_t answers(struct mq *t, unsigned int q)
{
	return (uint16_t)(__atomic_load_n(word(t, AT_USED(q) + 2), __ATOMIC_ACQUIRE) - t->seen[q]);
}

/* The slot that was answered next; its status is OK. */
static unsigned int take(struct mq *t, unsigned int q)
{
	const struct vring_used_elem *e;
	unsigned int slot;

	for (int i = 0; i < 50000 && !answers(t, q); i++)
		usleep(100);
	if (!answers(t, q))
		fail_msg("no answer from queue %u", q);
	e = gm_ptr(t->m.mem, AT_USED(q) + 4 + 8 * (t->seen[q]++ % QUEUE_SIZE), 8);
	slot = e->id / 3;
	assert_true(slot < SLOTS);
	assert_int_equal(*ram(&t->m, AT_STATUS(q, slot)), VIRTIO_BLK_S_OK);
	return slot;
}

static unsigned int random_next(struct mq *t)
{
	t->seed = t->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(t->seed >> 33);
}

static int scratch_file(void)
{
	char path[] = "/tmp/vmboot-test-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, BLOCKS * BLOCK), 0);
	return fd;
}

/* A flush of any queue must sync the file that all of them write: it is watched here, with threads. */
static _Atomic ino_t synced;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	synced = st.st_ino;
	return __real_fdatasync(fd);
}

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* ---- tests ---- */

static void offered(void **state)
{
	struct mq *t = mq_new(RING_AUTO, -1);

	(void)state;
	assert_true(features_read(&t->m) >> VIRTIO_BLK_F_MQ & 1);
	assert_int_equal(bus_read(t->m.mmio, t->m.config + 34, 2), QUEUES); /* num_queues */
	assert_int_equal(common_read(&t->m, VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	mq_close(t);
}

/* Every queue writes, all queues read all of it. */
static void one_disk(enum ring_engine engine)
{
	struct mq *t = mq_new(engine, scratch_file());

	mq_start(t, 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		for (unsigned int s = 0; s < SLOTS; s++) {
			memset(ram(&t->m, AT_DATA(q, s)), (int)(q * 16 + s + 1), BLOCK);
			put(t, q, s, VIRTIO_BLK_T_OUT, q * SLOTS + s);
		}
		ring_bell(t, q);
	}
	for (unsigned int q = 0; q < QUEUES; q++)
		for (unsigned int s = 0; s < SLOTS; s++)
			take(t, q);
	for (unsigned int q = 0; q < QUEUES; q++) {
		synced = 0;
		put(t, q, 0, VIRTIO_BLK_T_FLUSH, 0);
		ring_bell(t, q);
		take(t, q);
		if (engine == RING_THREADS)
			assert_true(synced == inode_of(t->fd));
	}
	for (unsigned int by = 0; by < QUEUES; by++)
		for (unsigned int q = 0; q < QUEUES; q++) {
			for (unsigned int s = 0; s < SLOTS; s++)
				put(t, by, s, VIRTIO_BLK_T_IN, q * SLOTS + s);
			ring_bell(t, by);
			for (unsigned int s = 0; s < SLOTS; s++)
				take(t, by);
			for (unsigned int s = 0; s < SLOTS; s++)
				assert_int_equal(*ram(&t->m, AT_DATA(by, s) + BLOCK - 1),
						 q * 16 + s + 1);
		}
	mq_close(t);
}

/* Random requests on all queues; every so often a reset, after which no byte of memory moves. */
static void resets_under_load(enum ring_engine engine)
{
	struct mq *t = mq_new(engine, scratch_file());
	uint8_t *memory = gm_ptr(t->m.mem, AT(0), 0x180000), *before = malloc(0x180000);
	unsigned int done = 0, resets = 0;

	mq_start(t, 0);
	for (unsigned int round = 0; round < 400; round++) {
		for (unsigned int q = 0; q < QUEUES; q++) {
			for (unsigned int s = 0; s < SLOTS; s++)
				put(t, q, s,
				    random_next(t) % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
				    random_next(t) % BLOCKS);
			ring_bell(t, q);
		}
		if (random_next(t) % 4 == 0) {
			usleep(random_next(t) % 300);
			common_write(&t->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
			assert_int_equal(status_read(&t->m), 0);
			memcpy(before, memory, 0x180000);
			usleep(1000);
			assert_memory_equal(memory, before, 0x180000);
			resets++;
			mq_start(t, 0);
			continue;
		}
		for (unsigned int q = 0; q < QUEUES; q++)
			for (unsigned int s = 0; s < SLOTS; s++, done++)
				take(t, q);
	}
	assert_true(resets > 50 && done > 5000);
	free(before);
	mq_close(t);
}

/* A reset waits for every queue's disk, and none of the late answers reaches the guest. */
static void reset_waits_for_every_queue(void **state)
{
	struct mq *t = mq_new(RING_AUTO, -1);

	(void)state;
	mq_start(t, 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		t->fakes[q]->hold = true;
		for (unsigned int s = 0; s < SLOTS; s++)
			put(t, q, s, VIRTIO_BLK_T_IN, s);
		ring_bell(t, q);
	}
	for (unsigned int q = 0; q < QUEUES; q++)
		for (int i = 0; i < 50000 && t->fakes[q]->held_count < SLOTS; i++)
			usleep(100);
	common_write(&t->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(status_read(&t->m), 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		assert_int_equal(t->fakes[q]->held_count, 0);
		assert_true(t->fakes[q]->drained >= 1);
		assert_int_equal(answers(t, q), 0);
		for (unsigned int s = 0; s < SLOTS; s++)
			assert_int_equal(*ram(&t->m, AT_STATUS(q, s)), 0xEE);
		t->fakes[q]->hold = false;
	}
	mq_start(t, 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		put(t, q, 0, VIRTIO_BLK_T_IN, 1);
		ring_bell(t, q);
		take(t, q);
	}
	mq_close(t);
}

/* One queue held up does not hold up another. */
static void queues_are_independent(void **state)
{
	struct mq *t = mq_new(RING_AUTO, -1);

	(void)state;
	mq_start(t, 0);
	t->fakes[1]->hold = true;
	put(t, 1, 0, VIRTIO_BLK_T_IN, 0);
	ring_bell(t, 1);
	for (unsigned int i = 0; i < 20; i++) {
		put(t, 3, 0, VIRTIO_BLK_T_FLUSH, 0);
		ring_bell(t, 3);
		take(t, 3);
	}
	assert_int_equal(t->fakes[3]->flushes, 20);
	assert_int_equal(answers(t, 1), 0);
	fake_disk_release(t->fakes[1], t->rings[1]);
	take(t, 1);
	mq_close(t);
}

/* A driver that breaks the rules on one queue stops the whole device, until it resets it. */
static void one_broken_queue_stops_all(void **state)
{
	struct mq *t = mq_new(RING_AUTO, -1);

	(void)state;
	mq_start(t, 0);
	*word(t, AT_AVAIL(2) + 2) = QUEUE_SIZE + 5;
	ring_bell(t, 2);
	for (int i = 0; i < 50000 && !(status_read(&t->m) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(100);
	assert_true(status_read(&t->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
	put(t, 0, 0, VIRTIO_BLK_T_IN, 0);
	ring_bell(t, 0);
	settle(&t->m);
	assert_int_equal(answers(t, 0), 0);
	assert_int_equal(t->fakes[0]->reads, 0);
	mq_start(t, 0);
	for (unsigned int q = 0; q < QUEUES; q++) {
		put(t, q, 0, VIRTIO_BLK_T_IN, 1);
		ring_bell(t, q);
		take(t, q);
	}
	mq_close(t);
}

/* A driver of one queue, as firmware is: it uses the first and never enables the others. */
static void driver_of_one_queue(void **state)
{
	struct mq *t = mq_new(RING_AUTO, -1);
	struct test_machine *m = &t->m;

	(void)state;
	driver_start(m, 1ULL << VIRTIO_BLK_F_FLUSH, 8);
	for (unsigned int q = 1; q < QUEUES; q++)
		ring_bell(t, q);
	gm_write(m->mem, GPA_HEADER, &(struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_FLUSH}, 16);
	set_desc(m, 0, GPA_HEADER, 16, VRING_DESC_F_NEXT, 1);
	set_desc(m, 1, GPA_STATUS, 1, VRING_DESC_F_WRITE, 0);
	make_available(m, 0);
	kick(m);
	assert_int_equal(wait_used(m).len, 1);
	assert_int_equal(*ram(m, GPA_STATUS), VIRTIO_BLK_S_OK);
	mq_close(t);
}

#define BOTH_ENGINES(f)                                              \
	static void f##_threads(void **state)                        \
	{                                                            \
		(void)state;                                         \
		f(RING_THREADS);                                     \
	}                                                            \
	static void f##_io_uring(void **state)                       \
	{                                                            \
		struct ring *ring;                                   \
                                                                     \
		(void)state;                                         \
		if (ring_create("p", 1, RING_IO_URING, &ring, NULL)) \
			skip();                                      \
		ring_destroy(ring);                                  \
		f(RING_IO_URING);                                    \
	}

BOTH_ENGINES(one_disk)
BOTH_ENGINES(resets_under_load)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offered),
		cmocka_unit_test(one_disk_threads),
		cmocka_unit_test(one_disk_io_uring),
		cmocka_unit_test(resets_under_load_threads),
		cmocka_unit_test(resets_under_load_io_uring),
		cmocka_unit_test(reset_waits_for_every_queue),
		cmocka_unit_test(queues_are_independent),
		cmocka_unit_test(one_broken_queue_stops_all),
		cmocka_unit_test(driver_of_one_queue),
	};

	return cmocka_run_group_tests_name("blk_mq", tests, NULL, NULL);
}
