/* The watchdog timer: it bites who does not serve it, and nobody else. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "vmm/platform/platform.h"

#define CONTROL	  0
#define STATUS	  1
#define RESTART	  2
#define COUNTDOWN 4
#define LEFT	  6

struct fixture {
	struct ring *ring;
	struct watchdog *watchdog;
	_Atomic int bites;
};

static void bite(void *ctx)
{
	atomic_fetch_add(&((struct fixture *)ctx)->bites, 1);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct watchdog_params params = {.expired = bite, .ctx = f};

	*state = f;
	if (!f || ring_create("test", 16, RING_AUTO, &f->ring, NULL))
		return -1;
	params.ring = f->ring;
	return watchdog_create(&params, &f->watchdog) || ring_start(f->ring);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ring_destroy(f->ring);
	watchdog_destroy(f->watchdog);
	free(f);
	return 0;
}

static uint64_t in(struct fixture *f, uint64_t offset, unsigned int size)
{
	return watchdog_bus_ops.read(f->watchdog, offset, size);
}

static void out(struct fixture *f, uint64_t offset, unsigned int size, uint64_t value)
{
	watchdog_bus_ops.write(f->watchdog, offset, size, value);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void wait_for_bite(struct fixture *f)
{
	for (int i = 0; i < 2000 && atomic_load(&f->bites) == 0; i++)
		sleep_ms(5);
	assert_int_equal(atomic_load(&f->bites), 1);
}

static void start(struct fixture *f, uint16_t units)
{
	out(f, COUNTDOWN, 2, units);
	out(f, CONTROL, 1, 1);
}

static void bites_once_and_remembers(void **state)
{
	struct fixture *f = *state;

	start(f, 1);
	wait_for_bite(f);
	assert_int_equal(in(f, CONTROL, 1), 0);
	assert_int_equal(in(f, STATUS, 1), 1);
	watchdog_reset(f->watchdog);
	assert_int_equal(in(f, STATUS, 1), 1); /* so that the next system learns who did it */
	out(f, STATUS, 1, 0);
	assert_int_equal(in(f, STATUS, 1), 1);
	out(f, STATUS, 1, 1);
	assert_int_equal(in(f, STATUS, 1), 0);
	sleep_ms(300);
	assert_int_equal(atomic_load(&f->bites), 1);
}

static void stopped_or_reset_it_does_not_bite(void **state)
{
	struct fixture *f = *state;

	start(f, 1);
	out(f, CONTROL, 1, 0);
	sleep_ms(300);
	assert_int_equal(atomic_load(&f->bites), 0);
	start(f, 1);
	watchdog_reset(f->watchdog);
	sleep_ms(300);
	assert_int_equal(atomic_load(&f->bites), 0);
	/* Restarting what does not run starts nothing. */
	out(f, RESTART, 1, 1);
	sleep_ms(300);
	assert_int_equal(atomic_load(&f->bites), 0);
}

static void new_countdown_takes_effect_with_the_next_beginning(void **state)
{
	struct fixture *f = *state;

	start(f, 6000);
	assert_in_range(in(f, LEFT, 2), 5000, 6000);
	out(f, COUNTDOWN, 2, 1);
	assert_in_range(in(f, LEFT, 2), 5000, 6000);
	/* Setting it going again is no beginning: it runs already. */
	out(f, CONTROL, 1, 1);
	assert_in_range(in(f, LEFT, 2), 5000, 6000);
	out(f, RESTART, 1, 0);
	wait_for_bite(f);
}

static void countdown_from_zero_ends_at_once(void **state)
{
	start(*state, 0);
	wait_for_bite(*state);
}

static void pause_keeps_what_is_left(void **state)
{
	struct fixture *f = *state;
	uint64_t left;

	start(f, 2);
	watchdog_pause(f->watchdog);
	left = in(f, LEFT, 2);
	sleep_ms(500);
	assert_int_equal(in(f, LEFT, 2), left);
	assert_int_equal(atomic_load(&f->bites), 0);
	watchdog_pause(f->watchdog); /* twice is once */
	watchdog_resume(f->watchdog);
	wait_for_bite(f);
}

static void reset_in_a_pause_stops_it(void **state)
{
	struct fixture *f = *state;

	start(f, 1);
	watchdog_pause(f->watchdog);
	watchdog_reset(f->watchdog);
	watchdog_resume(f->watchdog);
	sleep_ms(300);
	assert_int_equal(atomic_load(&f->bites), 0);
	assert_int_equal(in(f, LEFT, 2), 0);
}

static void resuming_what_is_not_paused_starts_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, 6000);
	watchdog_pause(f->watchdog);
	watchdog_resume(f->watchdog);
	out(f, CONTROL, 1, 0);
	watchdog_resume(f->watchdog);
	assert_int_equal(in(f, LEFT, 2), 0);
	start(f, 50);
	watchdog_resume(f->watchdog);
	assert_in_range(in(f, LEFT, 2), 1, 50);
}

/* Every register in every width: what is not a register reads zero and takes nothing. */
static void accesses_of_other_widths_do_nothing(void **state)
{
	struct fixture *f = *state;

	start(f, 6000);
	for (unsigned int size = 1; size <= 4; size *= 2)
		for (uint64_t offset = 0; offset < 8; offset++) {
			if ((size == 1 && offset <= RESTART) || (size == 2 && offset == COUNTDOWN))
				continue;
			out(f, offset, size, 0);
			if (size != 2 || offset != LEFT)
				assert_int_equal(in(f, offset, size), 0);
		}
	assert_int_equal(in(f, CONTROL, 1), 1);
	assert_int_equal(in(f, COUNTDOWN, 2), 6000);
	assert_in_range(in(f, LEFT, 2), 5000, 6000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bites_once_and_remembers),
		T(stopped_or_reset_it_does_not_bite),
		T(new_countdown_takes_effect_with_the_next_beginning),
		T(countdown_from_zero_ends_at_once),
		T(pause_keeps_what_is_left),
		T(reset_in_a_pause_stops_it),
		T(resuming_what_is_not_paused_starts_nothing),
		T(accesses_of_other_widths_do_nothing),
	};

	return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
