/* The event loop: callbacks may do anything to the loop they run in. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop.h"

struct fixture {
	struct loop *loop;
	struct loop_io *a, *b;
	struct loop_timer *timer;
	int pipe_a[2], pipe_b[2];
	int calls_a, calls_b, fired;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	*state = &f;
	return loop_create(&f.loop) || pipe(f.pipe_a) || pipe(f.pipe_b);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_destroy(f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->pipe_a[i]);
		close(f->pipe_b[i]);
	}
	return 0;
}

static void quit_timer(void *arg)
{
	struct fixture *f = arg;

	f->fired++;
	loop_quit(f->loop, 5);
}

static void read_and_remove_other(void *arg, int fd, short revents)
{
	struct fixture *f = arg;

	assert_int_equal(revents, POLLIN);
	f->calls_a += fd == f->pipe_a[0];
	f->calls_b += fd == f->pipe_b[0];
	/* Whichever runs first takes both away: the second must not be called any more. */
	loop_remove_io(f->a);
	loop_remove_io(f->b);
	f->a = f->b = NULL;
}

static void callback_may_remove_itself_and_others(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		loop_add_io(f->loop, f->pipe_a[0], POLLIN, read_and_remove_other, f, &f->a), 0);
	assert_int_equal(
		loop_add_io(f->loop, f->pipe_b[0], POLLIN, read_and_remove_other, f, &f->b), 0);
	assert_int_equal(loop_add_timer(f->loop, 20, quit_timer, f, &f->timer), 0);
	assert_int_equal(write(f->pipe_a[1], "x", 1), 1);
	assert_int_equal(write(f->pipe_b[1], "x", 1), 1);
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->calls_a + f->calls_b, 1);
	assert_int_equal(f->fired, 1);
}

static void count_and_stop(void *arg, int fd, short revents)
{
	struct fixture *f = arg;
	char c;

	(void)revents;
	assert_int_equal(read(fd, &c, 1), 1);
	if (++f->calls_b == 40)
		loop_quit(f->loop, 1);
}

static void add_many(void *arg, int fd, short revents)
{
	struct fixture *f = arg;
	struct loop_io *io;
	char c;

	(void)revents;
	assert_int_equal(read(fd, &c, 1), 1);
	/* More than the first poll set holds: it has to grow below our feet. */
	for (int i = 0; i < 40; i++)
		assert_int_equal(
			loop_add_io(f->loop, f->pipe_b[0], i ? 0 : POLLIN, count_and_stop, f, &io),
			0);
	for (int i = 0; i < 40; i++)
		assert_int_equal(write(f->pipe_b[1], "x", 1), 1);
}

static void callback_may_add(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_io(f->loop, f->pipe_a[0], POLLIN, add_many, f, &f->a), 0);
	assert_int_equal(write(f->pipe_a[1], "x", 1), 1);
	assert_int_equal(loop_run(f->loop), 1);
	assert_int_equal(f->calls_b, 40);
}

static void never(void *arg)
{
	struct fixture *f = arg;

	f->fired += 100;
}

static void timers_fire_in_time_and_once(void **state)
{
	struct fixture *f = *state;
	uint64_t start = loop_now_ms();
	struct loop_timer *cancelled;

	assert_int_equal(loop_add_timer(f->loop, 10, never, f, &cancelled), 0);
	loop_remove_timer(cancelled);
	assert_int_equal(loop_add_timer(f->loop, 30, quit_timer, f, &f->timer), 0);
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->fired, 1);
	assert_true(loop_now_ms() - start >= 30);
	/* It can run again; the old timer is gone. */
	assert_int_equal(loop_add_timer(f->loop, 1, quit_timer, f, &f->timer), 0);
	assert_int_equal(loop_run(f->loop), 5);
	assert_int_equal(f->fired, 2);
}

static void hangup(void *arg, int fd, short revents)
{
	struct fixture *f = arg;

	(void)fd;
	if (revents & POLLHUP)
		loop_quit(f->loop, 9);
}

static void hangup_is_told_without_asking(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(loop_add_io(f->loop, f->pipe_a[0], 0, hangup, f, &f->a), 0);
	close(f->pipe_a[1]);
	assert_int_equal(loop_run(f->loop), 9);
	assert_int_equal(pipe(f->pipe_a), 0);
}

/* What nobody is left to take care of goes with the loop. */
static void what_the_loop_owns_goes_with_it(void **state)
{
	struct fixture *f = *state;
	struct loop *loop;
	struct loop_io *io;
	int fds[2];

	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_add_io(loop, fds[0], POLLIN, hangup, malloc(1), &io), 0);
	loop_own(io);
	/* One that was removed before is its callback's affair, freed or not. */
	assert_int_equal(loop_add_io(loop, fds[1], POLLIN, hangup, f, &io), 0);
	loop_own(io);
	loop_remove_io(io);
	loop_destroy(loop);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(close(fds[1]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(callback_may_remove_itself_and_others, setup,
						teardown),
		cmocka_unit_test_setup_teardown(callback_may_add, setup, teardown),
		cmocka_unit_test_setup_teardown(timers_fire_in_time_and_once, setup, teardown),
		cmocka_unit_test_setup_teardown(hangup_is_told_without_asking, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_loop_owns_goes_with_it, setup, teardown),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
