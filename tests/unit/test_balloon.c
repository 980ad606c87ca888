/* virtio-balloon as drivers see it, good and hostile ones. virtio 1.2, 5.5. */
#include "virtio_driver.h"

#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <unistd.h>

#define WRITE VRING_DESC_F_WRITE
#define NEXT  VRING_DESC_F_NEXT
#define PAGE  4096

#define INFLATEQ   0
#define DEFLATEQ   1
#define STATSQ	   2
#define REPORTINGQ 3 /* 2 without statistics */

#define F_STATS	    (1ULL << VIRTIO_BALLOON_F_STATS_VQ)
#define F_REPORTING (1ULL << VIRTIO_BALLOON_F_REPORTING)
#define F_ALL	    (F_STATS | F_REPORTING | 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM)

#define PFN_DATA ((uint32_t)(GPA_DATA / PAGE))

struct fixture {
	struct test_machine m;
	struct pci_device *dev;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	machine_init(&f->m);
	assert_int_equal(virtio_balloon_create(&f->m.env, &f->dev), 0);
	machine_start(&f->m, f->dev);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	machine_fini(&f->m);
	free(f);
	return 0;
}

static void up(struct fixture *f, uint64_t features)
{
	driver_map_bar(&f->m, TEST_BAR);
	driver_find(&f->m, TEST_BAR);
	driver_start_queues(&f->m, features, 8, features & F_STATS ? 4 : 3);
}

/* Fills COUNT pages from GPA on, so that they are there. */
static void touch(struct fixture *f, uint64_t gpa, unsigned int count)
{
	memset(gm_ptr(f->m.mem, gpa, (uint64_t)count * PAGE), 0x5A, (size_t)count * PAGE);
}

/* How many of these pages the host keeps memory for. */
static unsigned int resident(struct fixture *f, uint64_t gpa, unsigned int count)
{
	unsigned char vec[1024];
	unsigned int n = 0;

	assert_true(count <= sizeof(vec));
	assert_int_equal(
		mincore(gm_ptr(f->m.mem, gpa, (uint64_t)count * PAGE), (size_t)count * PAGE, vec),
		0);
	for (unsigned int i = 0; i < count; i++)
		n += vec[i] & 1;
	return n;
}

static void put_pfns(struct fixture *f, const uint32_t *pfns, unsigned int count)
{
	assert_int_equal(gm_write(f->m.mem, GPA_HEADER, pfns, count * sizeof(*pfns)), 0);
	set_desc(&f->m, 0, GPA_HEADER, count * (uint32_t)sizeof(*pfns), 0, 0);
}

static void submit(struct fixture *f, unsigned int queue)
{
	use_queue(&f->m, queue);
	make_available(&f->m, 0);
	kick(&f->m);
	assert_int_equal(wait_used(&f->m).id, 0);
}

static void inflate(struct fixture *f, const uint32_t *pfns, unsigned int count)
{
	use_queue(&f->m, INFLATEQ);
	put_pfns(f, pfns, count);
	submit(f, INFLATEQ);
}

static void expect_broken(struct fixture *f)
{
	for (int i = 0; i < 50000 && !(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET); i++)
		usleep(100);
	assert_true(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static uint32_t config_read(struct fixture *f, unsigned int offset)
{
	return (uint32_t)bus_read(f->m.mmio, f->m.config + offset, 4);
}

/* ---- what it offers ---- */

static void identity(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cfg_read(&f->m, PCI_DEVICE_ID, 2), 0x1045);
	up(f, 0);
	assert_int_equal(common_read(&f->m, VIRTIO_PCI_COMMON_NUMQ, 2), 4);
	/* Neither MUST_TELL_HOST nor FREE_PAGE_HINT nor PAGE_POISON. */
	assert_int_equal(features_read(&f->m) & 0x3F, F_ALL);
	assert_int_equal(config_read(f, 0), 0);
	assert_int_equal(config_read(f, 4), 0);
}

static void target_is_told_with_an_interrupt(void **state)
{
	struct fixture *f = *state;
	uint8_t generation;

	up(f, F_ALL);
	generation = (uint8_t)common_read(&f->m, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	virtio_balloon_set_target(f->dev, 3 * PAGE + 100);
	assert_int_equal(config_read(f, 0), 3);
	assert_int_not_equal(common_read(&f->m, VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
	assert_int_equal(wait_level(&f->m, 1), 1);
	assert_int_equal(bus_read(f->m.mmio, f->m.isr, 1) & 2, 2);
}

static void actual_is_the_drivers_to_write(void **state)
{
	struct fixture *f = *state;
	struct vmm_balloon_status status;

	up(f, F_ALL);
	virtio_balloon_set_target(f->dev, 8 * PAGE);
	bus_write(f->m.mmio, f->m.config + 4, 4, 5);
	bus_write(f->m.mmio, f->m.config, 4, 77);     /* the target is not */
	bus_write(f->m.mmio, f->m.config + 4, 1, 99); /* nor a quarter of it */
	bus_write(f->m.mmio, f->m.config + 8, 4, 99);
	assert_int_equal(config_read(f, 0), 8);
	assert_int_equal(config_read(f, 4), 5);
	virtio_balloon_get_status(f->dev, &status);
	assert_int_equal(status.target, 8 * PAGE);
	assert_int_equal(status.actual, 5 * PAGE);
	assert_int_equal(status.driven, 1);
	/* A driver that begins anew begins with an empty balloon, and the same target. */
	common_write(&f->m, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	virtio_balloon_get_status(f->dev, &status);
	assert_int_equal(status.actual, 0);
	assert_int_equal(status.target, 8 * PAGE);
	assert_int_equal(status.driven, 0);
}

/* ---- pages ---- */

static void inflated_pages_are_the_hosts(void **state)
{
	struct fixture *f = *state;
	/* A run upwards, one alone, a run downwards: in whatever order. */
	static const uint32_t pfns[] = {PFN_DATA,     PFN_DATA + 1, PFN_DATA + 2,
					PFN_DATA + 7, PFN_DATA + 6, PFN_DATA + 12};

	up(f, F_ALL);
	touch(f, GPA_DATA, 16);
	inflate(f, pfns, 6);
	assert_int_equal(resident(f, GPA_DATA, 3), 0);
	assert_int_equal(resident(f, GPA_DATA + 3 * PAGE, 3), 3);
	assert_int_equal(resident(f, GPA_DATA + 6 * PAGE, 2), 0);
	assert_int_equal(resident(f, GPA_DATA + 8 * PAGE, 4), 4);
	assert_int_equal(resident(f, GPA_DATA + 12 * PAGE, 1), 0);
	/* Deflated and touched, they are there again and zero. */
	use_queue(&f->m, DEFLATEQ);
	put_pfns(f, pfns, 6);
	submit(f, DEFLATEQ);
	assert_int_equal(*ram(&f->m, GPA_DATA), 0);
	assert_int_equal(*ram(&f->m, GPA_DATA + 3 * PAGE), 0x5A);
}

static void long_lists_in_odd_pieces(void **state)
{
	struct fixture *f = *state;
	uint32_t pfns[700];

	for (unsigned int i = 0; i < 700; i++)
		pfns[i] = PFN_DATA + i;
	up(f, F_ALL);
	touch(f, GPA_DATA, 701);
	use_queue(&f->m, INFLATEQ);
	put_pfns(f, pfns, 700);
	/* A page number lies across two pieces. */
	set_desc(&f->m, 0, GPA_HEADER, 1026, NEXT, 1);
	set_desc(&f->m, 1, GPA_HEADER + 1026, 3, NEXT, 2);
	set_desc(&f->m, 2, GPA_HEADER + 1029, 2800 - 1029, 0, 0);
	submit(f, INFLATEQ);
	assert_int_equal(resident(f, GPA_DATA, 700), 0);
	assert_int_equal(resident(f, GPA_DATA + 700 * PAGE, 1), 1);
}

static void report(struct fixture *f, unsigned int queue, uint64_t gpa, uint32_t len)
{
	use_queue(&f->m, queue);
	set_desc(&f->m, 0, gpa, len, WRITE, 0);
	submit(f, queue);
}

static void reported_pages_are_the_hosts(void **state)
{
	struct fixture *f = *state;
	struct vmm_balloon_status status;

	up(f, F_ALL);
	touch(f, 0x200000, 256);
	use_queue(&f->m, REPORTINGQ);
	set_desc(&f->m, 0, 0x200000, 64 * PAGE, WRITE | NEXT, 1);
	set_desc(&f->m, 1, 0x200000 + 128 * PAGE, 64 * PAGE, WRITE, 0);
	submit(f, REPORTINGQ);
	assert_int_equal(resident(f, 0x200000, 64), 0);
	assert_int_equal(resident(f, 0x200000 + 64 * PAGE, 64), 64);
	assert_int_equal(resident(f, 0x200000 + 128 * PAGE, 64), 0);
	assert_int_equal(resident(f, 0x200000 + 192 * PAGE, 64), 64);
	virtio_balloon_get_status(f->dev, &status);
	assert_int_equal(status.reported, 128 * PAGE);
}

/* Linux, and every other device, leaves no gap for a queue that was not negotiated. */
static void reporting_without_statistics_is_queue_2(void **state)
{
	struct fixture *f = *state;

	up(f, F_REPORTING);
	touch(f, 0x200000, 64);
	report(f, 2, 0x200000, 64 * PAGE);
	assert_int_equal(resident(f, 0x200000, 64), 0);
}

/* ---- statistics ---- */

static void put_stats(struct fixture *f, uint64_t total, uint64_t available)
{
	const struct virtio_balloon_stat stats[] = {
		{VIRTIO_BALLOON_S_MEMTOT, total},
		{0xFFFF, 1}, /* of a driver that knows more than we */
		{VIRTIO_BALLOON_S_AVAIL, available},
	};

	assert_int_equal(gm_write(f->m.mem, GPA_HEADER, stats, sizeof(stats)), 0);
	use_queue(&f->m, STATSQ);
	set_desc(&f->m, 0, GPA_HEADER, sizeof(stats), 0, 0);
	make_available(&f->m, 0);
	kick(&f->m);
}

static void statistics_are_kept_and_asked_for(void **state)
{
	struct fixture *f = *state;
	struct vmm_balloon_status status = {0};

	up(f, F_ALL);
	put_stats(f, 1 << 30, 1 << 20);
	settle(&f->m);
	assert_int_equal(used_idx(&f->m), 0); /* the buffer stays until there is a question */
	virtio_balloon_get_status(f->dev, &status);
	assert_int_equal(status.total, 1 << 30);
	assert_int_equal(status.available, 1 << 20);
	assert_int_equal(wait_used(&f->m).len, 0); /* which was one */
	put_stats(f, 1 << 30, 2 << 20);
	settle(&f->m);
	virtio_balloon_get_status(f->dev, &status);
	assert_int_equal(status.available, 2 << 20);
}

/* More buffers than one come back at once; a reset forgets the one that was kept. */
static void one_statistics_buffer_is_kept(void **state)
{
	struct fixture *f = *state;
	struct vmm_balloon_status status;

	up(f, F_ALL);
	put_stats(f, 1, 1);
	settle(&f->m);
	set_desc(&f->m, 1, GPA_HEADER, 10, 0, 0);
	make_available(&f->m, 1);
	kick(&f->m);
	assert_int_equal(wait_used(&f->m).id, 1);
	driver_start_queues(&f->m, F_ALL, 8, 4);
	virtio_balloon_get_status(f->dev, &status);
	settle(&f->m);
	use_queue(&f->m, STATSQ);
	assert_int_equal(used_idx(&f->m), 0);
}

/* ---- a thread that waits ---- */

struct stall {
	struct ring *ring;
	pthread_t thread;
	sem_t begun, end;
};

static void wait_for_end(void *arg)
{
	struct stall *stall = arg;

	sem_post(&stall->begun);
	sem_wait(&stall->end);
}

static void *stall_thread(void *arg)
{
	struct stall *stall = arg;

	ring_call(stall->ring, wait_for_end, stall);
	return NULL;
}

/* As it does with a disk that hangs. The statistics are asked for when it goes on. */
static void status_is_told_while_the_io_thread_waits(void **state)
{
	struct fixture *f = *state;
	struct stall stall = {.ring = f->m.env.ring};
	struct vmm_balloon_status status = {0};

	up(f, F_ALL);
	put_stats(f, 1 << 30, 1 << 20);
	settle(&f->m);
	sem_init(&stall.begun, 0, 0);
	sem_init(&stall.end, 0, 0);
	assert_int_equal(pthread_create(&stall.thread, NULL, stall_thread, &stall), 0);
	sem_wait(&stall.begun);
	alarm(60); /* it would wait for ever */
	virtio_balloon_get_status(f->dev, &status);
	alarm(0);
	assert_int_equal(status.total, 1 << 30);
	sem_post(&stall.end);
	pthread_join(stall.thread, NULL);
	use_queue(&f->m, STATSQ);
	assert_int_equal(wait_used(&f->m).len, 0);
}

/* ---- hostile ---- */

static const struct {
	const char *what;
	uint32_t pfn;
} bad_pfns[] = {
	{"behind the end of memory", (uint32_t)(TEST_RAM / PAGE)},
	{"far behind it", 0xFFFFFFFF},
	{"the local APIC", 0xFEE00},
	{"the PCI window", 0xC0000},
	{"the ACPI tables", GM_TABLES / PAGE},
	{"the end of the ACPI tables", GM_TABLES_END / PAGE - 1},
	{"the SMBIOS tables", GM_SMBIOS / PAGE},
	{"the last page under 1 MiB", 0xFF},
};

static void pages_that_are_not_to_be_had(void **state)
{
	struct fixture *f = *state;

	up(f, F_ALL);
	for (size_t i = 0; i < sizeof(bad_pfns) / sizeof(bad_pfns[0]); i++) {
		uint32_t pfns[] = {bad_pfns[i].pfn, PFN_DATA + 4};
		uint64_t gpa = (uint64_t)bad_pfns[i].pfn * PAGE;

		touch(f, GPA_DATA + 4 * PAGE, 1);
		if (gpa < TEST_RAM)
			touch(f, gpa, 1);
		/* It is left alone, and what else is in the list is not. */
		inflate(f, pfns, 2);
		if (gpa < TEST_RAM && resident(f, gpa, 1) != 1)
			fail_msg("%s was given back", bad_pfns[i].what);
		assert_int_equal(resident(f, GPA_DATA + 4 * PAGE, 1), 0);
	}
	assert_int_equal(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

/* A run of good pages that goes on into the tables, or over the end of memory. */
static void runs_into_what_is_not_to_be_had(void **state)
{
	struct fixture *f = *state;
	uint32_t into_tables[] = {GM_TABLES / PAGE - 1, GM_TABLES / PAGE};
	uint32_t over_end[] = {(uint32_t)(TEST_RAM / PAGE) - 1, (uint32_t)(TEST_RAM / PAGE)};
	uint32_t wrap[] = {UINT32_MAX, 0};

	up(f, F_ALL);
	touch(f, GM_TABLES - PAGE, 2);
	inflate(f, into_tables, 2);
	assert_int_equal(resident(f, GM_TABLES, 1), 1);
	inflate(f, over_end, 2);
	inflate(f, wrap, 2);
	assert_int_equal(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

static void variables_cannot_be_given_back(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("vars", MFD_CLOEXEC);
	const uint32_t pfn = 0x300000 / PAGE;

	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	assert_int_equal(gm_map_fd(f->m.mem, 0x300000, 2 * PAGE, fd), 0);
	up(f, F_ALL);
	touch(f, 0x300000 - PAGE, 4);
	inflate(f, (uint32_t[]){pfn, pfn + 1}, 2);
	report(f, REPORTINGQ, 0x300000 - PAGE, 4 * PAGE);
	assert_int_equal(*ram(&f->m, 0x300000), 0x5A);
	assert_int_equal(*ram(&f->m, 0x300000 + 2 * PAGE - 1), 0x5A);
	close(fd);
}

/* Reports of odd places and lengths: a page is never given back for a part of it. */
static void odd_reports(void **state)
{
	struct fixture *f = *state;

	up(f, F_ALL);
	touch(f, 0x200000, 4);
	report(f, REPORTINGQ, 0x200000 + 1, PAGE);
	report(f, REPORTINGQ, 0x200000, PAGE - 1);
	report(f, REPORTINGQ, 0x200000 + 8, 8);
	report(f, REPORTINGQ, GM_TABLES - PAGE, 2 * PAGE);
	assert_int_equal(resident(f, 0x200000, 4), 4);
	assert_int_equal(status_read(&f->m) & VIRTIO_CONFIG_S_NEEDS_RESET, 0);
}

static void endless_lists_break_the_device(void **state)
{
	struct fixture *f = *state;

	up(f, F_ALL);
	use_queue(&f->m, INFLATEQ);
	set_desc(&f->m, 0, 0, TEST_RAM, 0, 0);
	make_available(&f->m, 0);
	kick(&f->m);
	expect_broken(f);
	driver_start_queues(&f->m, F_ALL, 8, 4);
	use_queue(&f->m, REPORTINGQ);
	set_desc(&f->m, 0, TEST_RAM - PAGE, 2 * PAGE, WRITE, 0);
	make_available(&f->m, 0);
	kick(&f->m);
	expect_broken(f);
}

/* Half a number at the end of a list is none. */
static void short_lists(void **state)
{
	struct fixture *f = *state;
	const uint32_t pfn = PFN_DATA;

	up(f, F_ALL);
	touch(f, GPA_DATA, 1);
	use_queue(&f->m, INFLATEQ);
	put_pfns(f, &pfn, 1);
	desc_at(&f->m, 0)->len = 3;
	submit(f, INFLATEQ);
	assert_int_equal(resident(f, GPA_DATA, 1), 1);
	desc_at(&f->m, 0)->flags = WRITE; /* nothing readable at all */
	submit(f, INFLATEQ);
	assert_int_equal(resident(f, GPA_DATA, 1), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(target_is_told_with_an_interrupt),
		TEST(actual_is_the_drivers_to_write),
		TEST(inflated_pages_are_the_hosts),
		TEST(long_lists_in_odd_pieces),
		TEST(reported_pages_are_the_hosts),
		TEST(reporting_without_statistics_is_queue_2),
		TEST(statistics_are_kept_and_asked_for),
		TEST(one_statistics_buffer_is_kept),
		TEST(status_is_told_while_the_io_thread_waits),
		TEST(pages_that_are_not_to_be_had),
		TEST(runs_into_what_is_not_to_be_had),
		TEST(variables_cannot_be_given_back),
		TEST(odd_reports),
		TEST(endless_lists_break_the_device),
		TEST(short_lists),
	};

	return cmocka_run_group_tests_name("balloon", tests, NULL, NULL);
}
