/* What the I/O thread watches, with both engines: eventfds, streams, watches that end while they fire. */
#include "ring_fixture.h"

static void check_eventfd(void **state, int flags)
{
	struct ring *ring = make_ring(state, 4);
	struct counter counter;
	unsigned int i;
	int fd = eventfd(5, EFD_CLOEXEC | flags);

	counter_init(&counter, ring, fd, true);
	assert_int_equal(ring_watch(ring, &counter.watch), 0); /* before the start: allowed */
	assert_int_equal(ring_watch(ring, &counter.watch), -EBUSY);
	assert_int_equal(ring_start(ring), 0);
	wait_until(&counter.calls, 1);
	assert_int_equal(counter.sum, 5);
	for (i = 0; i < 100; i++) {
		ring_bell(fd, 3);
		wait_until(&counter.calls, i + 2);
	}
	assert_int_equal(counter.sum, 305);
	/* With nothing to do it sleeps. */
	usleep(20000);
	i = enter_count;
	usleep(50000);
	assert_int_equal(enter_count, i);
	ring_destroy(ring);
	close(fd);
}

static void test_eventfd(void **state)
{
	check_eventfd(state, 0);
}

static void test_eventfd_nonblocking(void **state)
{
	check_eventfd(state, EFD_NONBLOCK);
}

static void test_eventfd_that_is_none(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct counter bad, good;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd = eventfd(0, EFD_CLOEXEC);

	counter_init(&bad, ring, null, true);
	counter_init(&good, ring, fd, true);
	assert_int_equal(ring_watch(ring, &bad.watch), 0);
	assert_int_equal(ring_watch(ring, &good.watch), 0);
	assert_int_equal(ring_start(ring), 0);
	ring_bell(fd, 1);
	wait_until(&good.calls, 1);
	assert_int_equal(bad.calls, 0);
	ring_call(ring, do_unwatch, &bad);
	ring_destroy(ring);
	close(null);
	close(fd);
}

static void do_arm_self_destruction(void *arg)
{
	struct counter *counter = arg;

	counter->unwatch_itself = true;
	counter->freed = counter->watch.arg;
}

static void test_stream(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct counter *counter = malloc(sizeof(*counter));
	atomic_uint freed = 0;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	counter_init(counter, ring, sv[0], false);
	assert_int_equal(ring_start(ring), 0);
	ring_call(ring, do_watch, counter);
	assert_int_equal(counter->rc, 0);
	/* Five bytes at once, one read per call: it is called as long as there is something. */
	assert_int_equal(write(sv[1], "\1\2\3\4\5", 5), 5);
	wait_until(&counter->calls, 5);
	assert_int_equal(counter->sum, 15);
	/* Hang-up is told too; the callback takes itself out and frees itself. */
	counter->watch.arg = &freed;
	ring_call(ring, do_arm_self_destruction, counter);
	close(sv[1]);
	wait_until(&freed, 1);
	ring_destroy(ring);
	close(sv[0]);
}

struct writer {
	struct ring_watch watch;
	struct ring *ring;
	atomic_uint calls;
	atomic_uint events;
};

static void writer_called(struct ring_watch *watch, uint64_t value)
{
	struct writer *writer = watch->arg;

	writer->events = (unsigned int)value;
	writer->calls++;
	ring_unwatch(writer->ring, watch);
}

static void do_watch_writer(void *arg)
{
	struct writer *writer = arg;

	assert_int_equal(ring_watch(writer->ring, &writer->watch), 0);
}

/* A stream that takes nothing now is told of when it does again, and not before. */
static void test_stream_to_write(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct writer writer = {.ring = ring};
	uint8_t buf[4096] = {0};
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv), 0);
	while (write(sv[0], buf, sizeof(buf)) > 0)
		;
	writer.watch = (struct ring_watch){
		.fd = sv[0],
		.events = POLLOUT,
		.fn = writer_called,
		.arg = &writer,
	};
	assert_int_equal(ring_start(ring), 0);
	ring_call(ring, do_watch_writer, &writer);
	/* What waits to be read is none of its business. */
	assert_int_equal(write(sv[1], "x", 1), 1);
	usleep(20000);
	assert_int_equal(writer.calls, 0);
	while (read(sv[1], buf, sizeof(buf)) > 0)
		;
	wait_until(&writer.calls, 1);
	assert_true(writer.events & POLLOUT);
	ring_destroy(ring);
	assert_int_equal(writer.calls, 1);
	close(sv[0]);
	close(sv[1]);
}

static void do_fire_both(void *arg)
{
	struct counter *counter = arg;

	ring_bell(counter->watch.fd, 1);
	ring_bell(counter->unwatch_other->watch.fd, 1);
}

/* Two bells in one wake-up, whichever callback runs first takes the other one out. */
static void test_unwatch_of_one_that_fired(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct counter a, b;
	uint64_t value = 0;
	int i;

	for (i = 0; i < 200; i++) {
		counter_init(&a, ring, eventfd(0, EFD_CLOEXEC), true);
		counter_init(&b, ring, eventfd(0, EFD_CLOEXEC), true);
		a.unwatch_other = &b;
		b.unwatch_other = &a;
		if (!i)
			assert_int_equal(ring_start(ring), 0);
		ring_call(ring, do_watch, &a);
		ring_call(ring, do_watch, &b);
		ring_call(ring, do_fire_both, &a);
		while (a.calls + b.calls == 0)
			usleep(100);
		ring_call(ring, do_unwatch, &a);
		ring_call(ring, do_unwatch, &b);
		assert_int_equal(a.calls + b.calls, 1);
		/* The one that was not told has its count back. */
		assert_int_equal(read(a.calls ? b.watch.fd : a.watch.fd, &value, 8), 8);
		assert_int_equal(value, 1);
		close(a.watch.fd);
		close(b.watch.fd);
	}
	ring_destroy(ring);
}

/* Bells are rung while the watch comes and goes: none is lost, none told twice. */
static void test_no_bell_is_lost(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct counter counter;
	uint64_t value, rest = 0;
	unsigned int i;
	int fd = eventfd(0, EFD_CLOEXEC);

	counter_init(&counter, ring, fd, true);
	assert_int_equal(ring_start(ring), 0);
	for (i = 0; i < 2000; i++) {
		ring_call(ring, do_watch, &counter);
		assert_int_equal(counter.rc, 0);
		ring_bell(fd, 1);
		ring_call(ring, do_unwatch, &counter);
	}
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	if (read(fd, &value, sizeof(value)) == sizeof(value))
		rest = value;
	assert_int_equal(counter.sum + rest, 2000);
	ring_destroy(ring);
	close(fd);
}

/* Whose count nobody needs: it may stay unread, but no bell goes unheard, however they come. */
static void test_uncounted(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct counter counter;
	unsigned int i;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	counter_init(&counter, ring, fd, true);
	counter.watch.uncounted = true;
	assert_int_equal(ring_watch(ring, &counter.watch), 0);
	assert_int_equal(ring_start(ring), 0);
	for (i = 0; i < 300; i++) {
		unsigned int calls = counter.calls;

		ring_bell(fd, 1 + i % 3);
		wait_until(&counter.calls, calls + 1);
		if (i % 50 == 49) { /* one rung while nobody watched is heard later */
			ring_call(ring, do_unwatch, &counter);
			assert_int_equal(counter.watch.state, 0);
			calls = counter.calls;
			ring_bell(fd, 1);
			ring_call(ring, do_watch, &counter);
			assert_int_equal(counter.rc, 0);
			wait_until(&counter.calls, calls + 1);
		}
	}
	/* With nothing to do it sleeps, read or not. */
	usleep(20000);
	i = enter_count;
	usleep(50000);
	assert_int_equal(enter_count, i);
	counter.unwatch_itself = true;
	i = counter.calls;
	ring_bell(fd, 1);
	wait_until(&counter.calls, i + 1);
	ring_bell(fd, 1);
	usleep(20000);
	assert_int_equal(counter.calls, i + 1);
	ring_destroy(ring);
	close(fd);
}

static void test_many_watches(void **state)
{
	enum { N = 200 };
	struct ring *ring = make_ring(state, 4);
	struct counter *counters = calloc(N, sizeof(*counters));
	unsigned int i;

	for (i = 0; i < N; i++) {
		counter_init(&counters[i], ring, eventfd(0, EFD_CLOEXEC), true);
		assert_int_equal(ring_watch(ring, &counters[i].watch), 0);
	}
	assert_int_equal(ring_start(ring), 0);
	for (i = 0; i < N; i++)
		ring_bell(counters[i].watch.fd, i + 1);
	for (i = 0; i < N; i++) {
		wait_until(&counters[i].calls, 1);
		assert_int_equal(counters[i].sum, i + 1);
	}
	ring_destroy(ring);
	for (i = 0; i < N; i++)
		close(counters[i].watch.fd);
	free(counters);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_eventfd),
		BOTH(test_eventfd_nonblocking),
		BOTH(test_eventfd_that_is_none),
		BOTH(test_stream),
		BOTH(test_stream_to_write),
		BOTH(test_unwatch_of_one_that_fired),
		BOTH(test_no_bell_is_lost),
		BOTH(test_uncounted),
		BOTH(test_many_watches),
	};

	return cmocka_run_group_tests_name("ring watches", tests, NULL, NULL);
}
