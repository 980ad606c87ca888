/* The register bus: who gets an access, what nobody gets, and change under traffic. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "vmm/bus.h"

/* Remembers the last access; reads give what it is told to. */
struct probe {
	uint64_t offset, value, answer;
	unsigned int size;
	int reads, writes;
};

static uint64_t probe_read(void *dev, uint64_t offset, unsigned int size)
{
	struct probe *p = dev;

	p->offset = offset;
	p->size = size;
	p->reads++;
	return p->answer;
}

static void probe_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct probe *p = dev;

	p->offset = offset;
	p->size = size;
	p->value = value;
	p->writes++;
}

static const struct bus_ops probe_ops = {.read = probe_read, .write = probe_write};

static int setup(void **state)
{
	return bus_create((struct bus **)state);
}

static int teardown(void **state)
{
	bus_destroy(*state);
	return 0;
}

static int add(struct bus *bus, uint64_t base, uint64_t len, struct probe *p)
{
	return bus_add(bus, &(struct bus_range){base, len, &probe_ops, p});
}

static void nobody_reads_all_ones(void **state)
{
	struct bus *bus = *state;

	assert_int_equal(bus_read(bus, 0x80, 1), 0xFF);
	assert_int_equal(bus_read(bus, 0x80, 2), 0xFFFF);
	assert_int_equal(bus_read(bus, 0x80, 4), 0xFFFFFFFF);
	assert_true(bus_read(bus, UINT64_MAX, 8) == UINT64_MAX);
	bus_write(bus, 0x80, 1, 0);
	assert_int_equal(bus_unclaimed(bus), 5);
}

static void access_reaches_its_device(void **state)
{
	struct probe a = {.answer = UINT64_MAX}, b = {.answer = 0x1122334455667788};
	struct bus *bus = *state;

	assert_int_equal(add(bus, 0x2000, 0x10, &b), 0);
	assert_int_equal(add(bus, 0x1000, 0x10, &a), 0);
	/* Offset counts from the base; the answer is cut to the access. */
	assert_int_equal(bus_read(bus, 0x2008, 4), 0x55667788);
	assert_int_equal(b.offset, 8);
	assert_int_equal(b.size, 4);
	assert_int_equal(bus_read(bus, 0x100F, 1), 0xFF);
	bus_write(bus, 0x1004, 2, 0x12345678);
	assert_int_equal(a.offset, 4);
	assert_int_equal(a.size, 2);
	assert_int_equal(a.value, 0x5678);
	assert_int_equal(bus_unclaimed(bus), 0);
}

static void access_over_an_end_is_nobodys(void **state)
{
	struct bus *bus = *state;
	struct probe a = {0};

	assert_int_equal(add(bus, 0x1000, 0x10, &a), 0);
	assert_int_equal(bus_read(bus, 0x100E, 4), 0xFFFFFFFF);
	assert_int_equal(bus_read(bus, 0xFFE, 4), 0xFFFFFFFF);
	bus_write(bus, 0x100F, 2, 0);
	assert_int_equal(a.reads + a.writes, 0);
	assert_int_equal(bus_unclaimed(bus), 3);
}

static void overlaps_and_nonsense_are_refused(void **state)
{
	static const struct {
		uint64_t base, len;
		int error;
	} cases[] = {
		{0x1000, 0, -EINVAL},	  {UINT64_MAX, 2, -EINVAL}, {1, UINT64_MAX, -EEXIST},
		{0, UINT64_MAX, -EEXIST}, {0x1000, 0x100, -EEXIST}, {0x1080, 1, -EEXIST},
		{0xFFF, 2, -EEXIST},	  {0x10FF, 2, -EEXIST},	    {0x800, 0x1000, -EEXIST},
		{0xF00, 0x100, 0},	  {0x1100, 0x100, 0},	    {UINT64_MAX, 1, 0},
	};
	struct bus *bus = *state;
	struct probe a = {0};

	assert_int_equal(add(bus, 0x1000, 0x100, &a), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (add(bus, cases[i].base, cases[i].len, &a) != cases[i].error)
			fail_msg("case %zu", i);
}

static void removal_takes_exactly_one(void **state)
{
	struct bus *bus = *state;
	struct probe a = {.answer = 1}, b = {.answer = 2};

	assert_int_equal(add(bus, 0x1000, 8, &a), 0);
	assert_int_equal(add(bus, 0x2000, 8, &b), 0);
	assert_int_equal(bus_remove(bus, 0x1000, &b), -ENOENT);
	assert_int_equal(bus_remove(bus, 0x1001, &a), -ENOENT);
	assert_int_equal(bus_remove(bus, 0x1000, &a), 0);
	assert_int_equal(bus_remove(bus, 0x1000, &a), -ENOENT);
	assert_int_equal(bus_read(bus, 0x1000, 1), 0xFF);
	assert_int_equal(bus_read(bus, 0x2000, 1), 2);
	/* The place is free again. */
	assert_int_equal(add(bus, 0x1000, 8, &b), 0);
	assert_int_equal(bus_read(bus, 0x1000, 1), 2);
}

static void full_bus_says_so(void **state)
{
	struct bus *bus = *state;
	struct probe a = {0};
	uint64_t n = 0;
	int r;

	while ((r = add(bus, n * 16, 8, &a)) == 0 && n < 100000)
		n++;
	assert_int_equal(r, -ENOSPC);
	/* Room for every BAR of every slot. */
	assert_in_range(n, 32 * 6, 100000);
	assert_int_equal(bus_remove(bus, 0, &a), 0);
	assert_int_equal(add(bus, n * 16, 8, &a), 0);
}

/* A device that moves itself inside its own handler, as a BAR does. */
struct mover {
	struct bus *bus;
	uint64_t at;
};

static void mover_write(void *dev, uint64_t offset, unsigned int size, uint64_t value);
static const struct bus_ops mover_ops = {.write = mover_write};

static void mover_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct mover *m = dev;

	(void)offset;
	(void)size;
	assert_int_equal(bus_remove(m->bus, m->at, m), 0);
	m->at = value;
	assert_int_equal(bus_add(m->bus, &(struct bus_range){value, 16, &mover_ops, m}), 0);
}

static void handler_may_change_the_bus(void **state)
{
	struct mover m = {.bus = *state, .at = 0x1000};

	assert_int_equal(bus_add(m.bus, &(struct bus_range){0x1000, 16, &mover_ops, &m}), 0);
	bus_write(m.bus, 0x1000, 4, 0x5000);
	bus_write(m.bus, 0x1000, 4, 0x6000); /* no longer there */
	assert_int_equal(m.at, 0x5000);
	/* A device without a read handler reads as nobody does. */
	assert_int_equal(bus_read(m.bus, 0x5000, 2), 0xFFFF);
}

struct traffic {
	struct bus *bus;
	_Atomic bool stop;
};

static void *readers_thread(void *arg)
{
	struct traffic *t = arg;
	uint64_t wrong = 0;

	while (!atomic_load(&t->stop))
		wrong += bus_read(t->bus, 0x8000, 1) != 0x42;
	return (void *)(uintptr_t)wrong;
}

static void changes_elsewhere_do_not_disturb_readers(void **state)
{
	struct traffic t = {.bus = *state};
	struct probe fixed = {.answer = 0x42}, moving = {0};
	pthread_t thread;
	void *wrong;

	assert_int_equal(add(t.bus, 0x8000, 16, &fixed), 0);
	assert_int_equal(pthread_create(&thread, NULL, readers_thread, &t), 0);
	for (int i = 0; i < 20000; i++) {
		uint64_t at = i % 2 ? 0x100 : 0x9000;

		assert_int_equal(add(t.bus, at, 16, &moving), 0);
		assert_int_equal(bus_remove(t.bus, at, &moving), 0);
	}
	atomic_store(&t.stop, true);
	pthread_join(thread, &wrong);
	assert_int_equal((uintptr_t)wrong, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_reads_all_ones),	     TEST(access_reaches_its_device),
		TEST(access_over_an_end_is_nobodys), TEST(overlaps_and_nonsense_are_refused),
		TEST(removal_takes_exactly_one),     TEST(full_bus_says_so),
		TEST(handler_may_change_the_bus),    TEST(changes_elsewhere_do_not_disturb_readers),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
