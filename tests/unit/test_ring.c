/*
 * The I/O thread, every test with both engines: requests, watches, calls, drain, teardown, and
 * what the kernel may answer instead of doing it. preadv(2) and io_uring_enter(2) are wrapped at link time.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/ring.h"

#define BLOCK 4096

/* ---- what the kernel may do to us ---- */

static atomic_int gate_closed; /* 1: preadv() waits */
static atomic_int enter_fault; /* every second wait returns this errno first */
static atomic_uint enter_count;

ssize_t __real_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	while (gate_closed)
		usleep(1000);
	return __real_preadv(fd, iov, count, offset);
}

int __real_io_uring_submit_and_wait(struct io_uring *io, unsigned int count);
int __wrap_io_uring_submit_and_wait(struct io_uring *io, unsigned int count);
int __wrap_io_uring_submit_and_wait(struct io_uring *io, unsigned int count)
{
	enter_count++;
	if (enter_fault && enter_count % 2 == 0)
		return -enter_fault;
	return __real_io_uring_submit_and_wait(io, count);
}

/* ---- helpers ---- */

static struct ring *make_ring(void **state, unsigned int depth)
{
	enum ring_engine engine = *(enum ring_engine *)*state;
	struct vmb_err err = {0};
	struct ring *ring = NULL;

	assert_int_equal(ring_create("test", depth, engine, &ring, &err), 0);
	assert_string_equal(ring_engine_name(ring),
			    engine == RING_THREADS ? "threads" : "io_uring");
	return ring;
}

static int temp_file(size_t blocks)
{
	char path[] = "/tmp/vmboot-test-ring-XXXXXX";
	uint8_t buf[BLOCK];
	int fd = mkstemp(path);
	size_t i;

	assert_true(fd >= 0);
	unlink(path);
	for (i = 0; i < blocks; i++) {
		memset(buf, (int)(i * 7 + 1), sizeof(buf));
		assert_int_equal(pwrite(fd, buf, sizeof(buf), (off_t)(i * BLOCK)), sizeof(buf));
	}
	return fd;
}

/* One request with all that belongs to it. */
struct job {
	struct ring_req req; /* first: done() gets from here to the job */
	struct iovec iov;
	uint8_t buf[BLOCK];
	struct ring *ring;
	pthread_t thread;
	bool submitting;
	unsigned int done;
	int64_t result;
	int rc;
	unsigned int again; /* how often done() submits it anew */
	atomic_uint *total;
};

static void job_submit(struct job *job)
{
	job->submitting = true;
	job->rc = ring_submit(job->ring, &job->req);
	job->submitting = false;
}

static void job_done(struct ring_req *req, int64_t result)
{
	struct job *job = (struct job *)req;

	assert_false(job->submitting);
	job->done++;
	job->result = result;
	job->thread = pthread_self();
	if (job->again) {
		job->again--;
		job_submit(job);
	}
	if (job->total)
		atomic_fetch_add(job->total, 1);
}

static void job_init(struct job *job, struct ring *ring, enum ring_op op, int fd, uint64_t offset)
{
	memset(job, 0, sizeof(*job));
	job->iov = (struct iovec){job->buf, sizeof(job->buf)};
	job->ring = ring;
	job->req = (struct ring_req){
		.op = op,
		.fd = fd,
		.iov = op == RING_FSYNC_DATA ? NULL : &job->iov,
		.iov_count = op == RING_FSYNC_DATA ? 0 : 1,
		.offset = offset,
		.done = job_done,
	};
}

static void do_submit_and_drain(void *arg)
{
	struct job *job = arg;

	job_submit(job);
	assert_int_equal(job->done, 0);
	ring_drain(job->ring);
}

static void do_submit(void *arg)
{
	job_submit(arg);
}

static void do_nothing(void *arg)
{
	(void)arg;
}

static int64_t run_job(struct ring *ring, struct job *job)
{
	ring_call(ring, do_submit_and_drain, job);
	assert_int_equal(job->rc, 0);
	assert_int_equal(job->done, 1);
	return job->result;
}

static void wait_until(const atomic_uint *value, unsigned int at_least)
{
	unsigned int i;

	for (i = 0; i < 10000 && *value < at_least; i++)
		usleep(1000);
	assert_true(*value >= at_least);
}

/* ---- requests ---- */

static void test_read_write_sync(void **state)
{
	struct ring *ring = make_ring(state, 8);
	int fd = temp_file(4);
	struct job *job = malloc(sizeof(*job));
	uint8_t want[BLOCK];

	assert_int_equal(ring_start(ring), 0);
	job_init(job, ring, RING_WRITEV, fd, 2 * BLOCK);
	memset(job->buf, 0xA5, sizeof(job->buf));
	assert_int_equal(run_job(ring, job), BLOCK);
	assert_false(pthread_equal(job->thread, pthread_self()));
	job_init(job, ring, RING_FSYNC_DATA, fd, 0);
	assert_int_equal(run_job(ring, job), 0);
	job_init(job, ring, RING_READV, fd, 2 * BLOCK);
	assert_int_equal(run_job(ring, job), BLOCK);
	memset(want, 0xA5, sizeof(want));
	assert_memory_equal(job->buf, want, BLOCK);
	job_init(job, ring, RING_READV, fd, 3 * BLOCK);
	assert_int_equal(run_job(ring, job), BLOCK);
	memset(want, 3 * 7 + 1, sizeof(want));
	assert_memory_equal(job->buf, want, BLOCK);
	/* Half behind the end, all behind it. */
	job_init(job, ring, RING_READV, fd, 3 * BLOCK + 1024);
	assert_int_equal(run_job(ring, job), BLOCK - 1024);
	job_init(job, ring, RING_READV, fd, 64 * BLOCK);
	assert_int_equal(run_job(ring, job), 0);
	ring_destroy(ring);
	free(job);
	close(fd);
}

static void test_errors_are_results(void **state)
{
	struct ring *ring = make_ring(state, 8);
	int ro = open("/dev/zero", O_RDONLY | O_CLOEXEC),
	    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int fd = temp_file(1);
	struct job *job = malloc(sizeof(*job));

	assert_int_equal(ring_start(ring), 0);
	job_init(job, ring, RING_READV, 9999, 0);
	assert_int_equal(run_job(ring, job), -EBADF);
	job_init(job, ring, RING_WRITEV, ro, 0);
	assert_int_equal(run_job(ring, job), -EBADF);
	job_init(job, ring, RING_WRITEV, full, 0);
	assert_int_equal(run_job(ring, job), -ENOSPC);
	job_init(job, ring, RING_READV, fd, 0);
	job->iov.iov_base = (void *)8;
	assert_int_equal(run_job(ring, job), -EFAULT);
	ring_destroy(ring);
	free(job);
	close(ro);
	close(full);
	close(fd);
}

struct storm {
	struct ring *ring;
	struct job *jobs;
	unsigned int count;
};

/* Done by the thread itself, told of as any other, and nobody starves of one that never ends. */
static void test_at_once(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct job job;
	int fd = temp_file(4);

	assert_int_equal(ring_start(ring), 0);
	job_init(&job, ring, RING_READV, fd, BLOCK);
	job.req.at_once = true;
	assert_int_equal(run_job(ring, &job), BLOCK);
	assert_int_equal(job.buf[0], 8);
	job_init(&job, ring, RING_WRITEV, fd, 0);
	job.req.at_once = true;
	memset(job.buf, 0x77, sizeof(job.buf));
	assert_int_equal(run_job(ring, &job), BLOCK);
	job_init(&job, ring, RING_READV, fd, 0);
	assert_int_equal(run_job(ring, &job), BLOCK);
	assert_int_equal(job.buf[BLOCK - 1], 0x77);
	job_init(&job, ring, RING_READV, -1, 0);
	job.req.at_once = true;
	assert_int_equal(run_job(ring, &job), -EBADF);
	job_init(&job, ring, RING_READV, fd, 0);
	job.req.at_once = true;
	job.again = UINT_MAX;
	ring_call(ring, do_submit, &job);
	ring_call(ring, do_nothing, NULL); /* has its turn */
	ring_destroy(ring);
	assert_true(job.done > 0);
	close(fd);
}

static void do_submit_all(void *arg)
{
	struct storm *storm = arg;
	unsigned int i;

	for (i = 0; i < storm->count; i++)
		job_submit(&storm->jobs[i]);
}

static void do_submit_all_and_drain(void *arg)
{
	struct storm *storm = arg;

	do_submit_all(storm);
	ring_drain(storm->ring);
}

/* Far more than DEPTH: they wait in the ring and keep their order as far as order exists. */
static void test_more_than_depth(void **state)
{
	enum { N = 100 };
	struct ring *ring = make_ring(state, 1);
	int fd = temp_file(1);
	struct storm storm = {ring, calloc(N, sizeof(struct job)), N};
	uint8_t want[BLOCK];
	unsigned int i;

	/* With one at a time the last write wins. */
	for (i = 0; i < N; i++) {
		job_init(&storm.jobs[i], ring, i == N - 1 ? RING_READV : RING_WRITEV, fd, 0);
		memset(storm.jobs[i].buf, (int)i, BLOCK);
	}
	assert_int_equal(ring_start(ring), 0);
	ring_call(ring, do_submit_all_and_drain, &storm);
	for (i = 0; i < N; i++) {
		assert_int_equal(storm.jobs[i].done, 1);
		assert_int_equal(storm.jobs[i].result, BLOCK);
	}
	memset(want, N - 2, BLOCK);
	assert_memory_equal(storm.jobs[N - 1].buf, want, BLOCK);
	ring_destroy(ring);
	free(storm.jobs);
	close(fd);
}

/* More at once than the submission queue has room for, each submitted anew from its done(). */
static void test_storm(void **state)
{
	enum { N = 400, AGAIN = 20 };
	struct ring *ring = make_ring(state, N);
	int fd = temp_file(N);
	struct storm storm = {ring, calloc(N, sizeof(struct job)), N};
	uint8_t want[BLOCK];
	unsigned int i;

	for (i = 0; i < N; i++) {
		job_init(&storm.jobs[i], ring, RING_READV, fd, i * BLOCK);
		storm.jobs[i].again = AGAIN;
	}
	assert_int_equal(ring_start(ring), 0);
	ring_call(ring, do_submit_all_and_drain, &storm);
	for (i = 0; i < N; i++) {
		assert_int_equal(storm.jobs[i].done, AGAIN + 1);
		assert_int_equal(storm.jobs[i].result, BLOCK);
		memset(want, (int)(i * 7 + 1), sizeof(want));
		assert_memory_equal(storm.jobs[i].buf, want, BLOCK);
	}
	ring_destroy(ring);
	free(storm.jobs);
	close(fd);
}

/* The same while the kernel keeps saying "interrupted", "no memory now", "completions first". */
static void test_storm_of_refusals(void **state)
{
	static const int faults[] = {EINTR, EAGAIN, EBUSY};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		enter_fault = faults[i];
		test_storm(state);
		enter_fault = 0;
	}
}

/* ---- watches ---- */

struct counter {
	struct ring_watch watch; /* first */
	struct ring *ring;
	atomic_uint calls;
	atomic_ullong sum;
	bool unwatch_itself;
	struct counter *unwatch_other;
	atomic_uint *freed; /* frees itself and counts here */
	int rc;
};

static void counter_event(struct ring_watch *watch, uint64_t value)
{
	struct counter *counter = (struct counter *)watch;
	char byte;

	if (!watch->is_eventfd && read(watch->fd, &byte, 1) == 1)
		value = (uint8_t)byte;
	atomic_fetch_add(&counter->sum, value);
	if (counter->unwatch_other)
		ring_unwatch(counter->ring, &counter->unwatch_other->watch);
	if (counter->unwatch_itself)
		ring_unwatch(counter->ring, watch);
	atomic_fetch_add(&counter->calls, 1);
	if (counter->freed) {
		atomic_uint *freed = counter->freed;

		free(counter);
		atomic_fetch_add(freed, 1);
	}
}

static void counter_init(struct counter *counter, struct ring *ring, int fd, bool is_eventfd)
{
	memset(counter, 0, sizeof(*counter));
	counter->ring = ring;
	counter->watch.fd = fd;
	counter->watch.is_eventfd = is_eventfd;
	counter->watch.fn = counter_event;
}

static void do_watch(void *arg)
{
	struct counter *counter = arg;

	counter->rc = ring_watch(counter->ring, &counter->watch);
}

static void do_unwatch(void *arg)
{
	struct counter *counter = arg;

	ring_unwatch(counter->ring, &counter->watch);
}

static void ring_bell(int fd, uint64_t value)
{
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
}

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

/* ---- calls, hook, drain ---- */

struct calls {
	struct ring *ring;
	unsigned int inside; /* only on the I/O thread */
	unsigned int hooks;
	atomic_uint seen;
	bool nested;
};

static void do_count(void *arg)
{
	struct calls *calls = arg;

	calls->inside++;
	if (calls->nested) {
		calls->nested = false;
		ring_call(calls->ring, do_count, calls); /* from the thread itself */
	}
}

static void count_hook(void *arg)
{
	struct calls *calls = arg;

	calls->hooks++;
	calls->seen = calls->inside;
}

static void *call_1000(void *arg)
{
	struct calls *calls = arg;
	unsigned int i;

	for (i = 0; i < 1000; i++)
		ring_call(calls->ring, do_count, calls);
	return NULL;
}

static void test_calls_from_several_threads(void **state)
{
	struct calls calls = {.ring = make_ring(state, 4)};
	pthread_t threads[4];
	unsigned int i;

	ring_set_batch_hook(calls.ring, count_hook, &calls);
	ring_call(calls.ring, do_count, &calls); /* before the start */
	assert_int_equal(calls.inside, 1);
	assert_int_equal(ring_start(calls.ring), 0);
	calls.nested = true;
	ring_call(calls.ring, do_count, &calls);
	/* The hook has run before ring_call() returns. */
	assert_int_equal(calls.seen, 3);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_1000, &calls), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(calls.seen, 4003);
	ring_destroy(calls.ring);
}

struct drain_scene {
	struct storm storm;
	struct counter *bell;
	unsigned int bells_inside;
};

static void do_drain_with_bell(void *arg)
{
	struct drain_scene *scene = arg;

	do_submit_all(&scene->storm);
	ring_bell(scene->bell->watch.fd, 1);
	ring_drain(scene->storm.ring);
	scene->bells_inside = scene->bell->calls;
}

static void test_drain_runs_no_other_callback(void **state)
{
	enum { N = 64 };
	struct ring *ring = make_ring(state, N);
	int fd = temp_file(N);
	struct drain_scene scene = {.storm = {ring, calloc(N, sizeof(struct job)), N}};
	struct counter bell;
	unsigned int i, done = 0;

	counter_init(&bell, ring, eventfd(0, EFD_CLOEXEC), true);
	scene.bell = &bell;
	for (i = 0; i < N; i++)
		job_init(&scene.storm.jobs[i], ring, RING_READV, fd, i * BLOCK);
	assert_int_equal(ring_watch(ring, &bell.watch), 0);
	assert_int_equal(ring_start(ring), 0);
	ring_call(ring, do_drain_with_bell, &scene);
	assert_int_equal(scene.bells_inside, 0);
	for (i = 0; i < N; i++)
		done += scene.storm.jobs[i].done;
	assert_int_equal(done, N);
	wait_until(&bell.calls, 1);
	ring_destroy(ring);
	free(scene.storm.jobs);
	close(bell.watch.fd);
	close(fd);
}

/* ---- teardown ---- */

static void test_destroy_without_start(void **state)
{
	struct ring *ring = make_ring(state, 4);
	struct job *job = malloc(sizeof(*job));
	struct counter bell;
	int fd = temp_file(1);

	counter_init(&bell, ring, eventfd(1, EFD_CLOEXEC), true);
	assert_int_equal(ring_watch(ring, &bell.watch), 0);
	job_init(job, ring, RING_READV, fd, 0);
	job_submit(job);
	assert_int_equal(job->rc, 0);
	ring_destroy(ring);
	assert_int_equal(job->done, 1);
	assert_int_equal(job->result, -ECANCELED);
	assert_int_equal(bell.calls, 0);
	ring_destroy(NULL);
	free(job);
	close(bell.watch.fd);
	close(fd);
}

static void *open_gate_later(void *arg)
{
	(void)arg;
	usleep(50000);
	gate_closed = 0;
	return NULL;
}

/* Every request ends exactly once, and nothing touches its memory after ring_destroy(). */
static void test_destroy_under_load(void **state)
{
	enum { N = 64 };
	unsigned int round, i, canceled = 0;

	for (round = 0; round < 20; round++) {
		struct ring *ring = make_ring(state, N);
		struct storm storm = {ring, calloc(N, sizeof(struct job)), N};
		int fd = temp_file(N);
		pthread_t helper;

		for (i = 0; i < N; i++) {
			job_init(&storm.jobs[i], ring, i % 3 ? RING_READV : RING_WRITEV, fd,
				 i * BLOCK);
			storm.jobs[i].again = round % 2 ? 1000000 : 0;
		}
		assert_int_equal(ring_start(ring), 0);
		gate_closed = round == 0;
		ring_call(ring, do_submit_all, &storm);
		if (gate_closed)
			assert_int_equal(pthread_create(&helper, NULL, open_gate_later, NULL), 0);
		usleep(round * 100);
		ring_destroy(ring);
		if (round == 0)
			pthread_join(helper, NULL);
		for (i = 0; i < N; i++) {
			assert_true(storm.jobs[i].done >= 1);
			if (!(round % 2))
				assert_int_equal(storm.jobs[i].done, 1);
			if (storm.jobs[i].result == -ECANCELED)
				canceled += round == 0;
			else
				assert_int_equal(storm.jobs[i].result, BLOCK);
		}
		free(storm.jobs);
		close(fd);
	}
	/* Four workers stood at the gate; what was queued behind them never began. */
	if (*(enum ring_engine *)*state == RING_THREADS)
		assert_true(canceled >= N / 2);
}

/* A read that would wait for ever (a pipe nobody writes to) is ended by ring_destroy(). */
static void test_destroy_ends_a_hanging_read(void **state)
{
	struct job *job = malloc(sizeof(*job));
	struct ring *ring;
	int pipefd[2];

	if (*(enum ring_engine *)*state == RING_THREADS)
		skip(); /* preadv(2) has no pipes */
	ring = make_ring(state, 4);
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	job_init(job, ring, RING_READV, pipefd[0], 0);
	assert_int_equal(ring_start(ring), 0);
	{
		struct storm storm = {ring, job, 1};

		ring_call(ring, do_submit_all, &storm);
	}
	ring_destroy(ring);
	assert_int_equal(job->done, 1);
	assert_int_equal(job->result, -ECANCELED);
	free(job);
	close(pipefd[0]);
	close(pipefd[1]);
}

/* ---- where io_uring is refused ---- */

static void refuse_io_uring(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(9);
}

/* In a child with a filter: 0 when all is as it should be, else the number of the step. */
static int check_refused(int code, const char *word)
{
	struct vmb_err err = {0};
	struct ring *ring = NULL;
	struct job *job = malloc(sizeof(*job));
	int fd = temp_file(1), rc = 0;

	refuse_io_uring(code);
	if (ring_create("test", 4, RING_IO_URING, &ring, &err) != -code || ring)
		rc = 1;
	else if (err.code != code || !strstr(err.text, word))
		rc = 2;
	else if (ring_create("test", 4, RING_AUTO, &ring, NULL) ||
		 strcmp(ring_engine_name(ring), "threads") != 0)
		rc = 3;
	else if (ring_start(ring))
		rc = 4;
	else {
		job_init(job, ring, RING_READV, fd, 0);
		if (run_job(ring, job) != BLOCK)
			rc = 5;
	}
	ring_destroy(ring);
	free(job);
	close(fd);
	return rc;
}

static void test_refused(void **state)
{
	static const struct {
		int code;
		const char *word;
	} cases[] = {
		{ENOSYS, "built without"},
		{EPERM, "io_uring_disabled"},
		{ENOMEM, "ulimit"},
	};
	unsigned int i;
	int status;
	pid_t pid;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			_exit(check_refused(cases[i].code, cases[i].word));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void test_bad_depth(void **state)
{
	struct vmb_err err = {0};
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(ring_create("test", 0, RING_AUTO, &ring, &err), -EINVAL);
	assert_int_equal(ring_create("test", 100000, RING_AUTO, &ring, &err), -EINVAL);
	assert_null(ring);
}

static enum ring_engine io_uring = RING_IO_URING, threads = RING_THREADS;

#define BOTH(f)                                          \
	{#f " (io_uring)", f, NULL, NULL, &io_uring},    \
	{                                                \
#f " (threads)", f, NULL, NULL, &threads \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_read_write_sync),
		BOTH(test_at_once),
		BOTH(test_errors_are_results),
		BOTH(test_more_than_depth),
		BOTH(test_storm),
		{"test_storm_of_refusals", test_storm_of_refusals, NULL, NULL, &io_uring},
		BOTH(test_eventfd),
		BOTH(test_eventfd_nonblocking),
		BOTH(test_eventfd_that_is_none),
		BOTH(test_stream),
		BOTH(test_stream_to_write),
		BOTH(test_unwatch_of_one_that_fired),
		BOTH(test_no_bell_is_lost),
		BOTH(test_uncounted),
		BOTH(test_many_watches),
		BOTH(test_calls_from_several_threads),
		BOTH(test_drain_runs_no_other_callback),
		BOTH(test_destroy_without_start),
		BOTH(test_destroy_under_load),
		{"test_destroy_ends_a_hanging_read", test_destroy_ends_a_hanging_read, NULL, NULL,
		 &io_uring},
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_depth),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
