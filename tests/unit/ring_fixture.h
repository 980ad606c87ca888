/*
 * What tests of the I/O thread share: rings of both engines, requests and watches that count what happens to them, and
 * the kernel's refusals. pread(2), preadv(2) and io_uring_enter(2) are wrapped at link time.
 */
#ifndef VMB_TESTS_UNIT_RING_FIXTURE_H
#define VMB_TESTS_UNIT_RING_FIXTURE_H

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

static atomic_int gate_closed; /* 1: pread() and preadv() wait */
static atomic_int enter_fault; /* every second wait returns this errno first */
static atomic_uint enter_count;

static inline void wait_at_gate(void)
{
	while (gate_closed)
		usleep(1000);
}

ssize_t __real_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset);
ssize_t __wrap_pread(int fd, void *buf, size_t size, off_t offset)
{
	wait_at_gate();
	return __real_pread(fd, buf, size, offset);
}

ssize_t __real_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset);
ssize_t __wrap_preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	wait_at_gate();
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

static inline struct ring *make_ring(void **state, unsigned int depth)
{
	enum ring_engine engine = *(enum ring_engine *)*state;
	struct vmb_err err = {0};
	struct ring *ring = NULL;

	assert_int_equal(ring_create("test", depth, engine, &ring, &err), 0);
	assert_string_equal(ring_engine_name(ring),
			    engine == RING_THREADS ? "threads" : "io_uring");
	return ring;
}

static inline int temp_file(size_t blocks)
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

static inline void job_submit(struct job *job)
{
	job->submitting = true;
	job->rc = ring_submit(job->ring, &job->req);
	job->submitting = false;
}

static inline void job_done(struct ring_req *req, int64_t result)
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

static inline void job_init(struct job *job, struct ring *ring, enum ring_op op, int fd, uint64_t offset)
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

static inline void do_submit_and_drain(void *arg)
{
	struct job *job = arg;

	job_submit(job);
	assert_int_equal(job->done, 0);
	ring_drain(job->ring);
}

static inline void do_submit(void *arg)
{
	job_submit(arg);
}

static inline void do_nothing(void *arg)
{
	(void)arg;
}

static inline int64_t run_job(struct ring *ring, struct job *job)
{
	ring_call(ring, do_submit_and_drain, job);
	assert_int_equal(job->rc, 0);
	assert_int_equal(job->done, 1);
	return job->result;
}

static inline void wait_until(const atomic_uint *value, unsigned int at_least)
{
	unsigned int i;

	for (i = 0; i < 10000 && *value < at_least; i++)
		usleep(1000);
	assert_true(*value >= at_least);
}

/* ---- watches that count ---- */

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

static inline void counter_event(struct ring_watch *watch, uint64_t value)
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

static inline void counter_init(struct counter *counter, struct ring *ring, int fd, bool is_eventfd)
{
	memset(counter, 0, sizeof(*counter));
	counter->ring = ring;
	counter->watch.fd = fd;
	counter->watch.is_eventfd = is_eventfd;
	counter->watch.fn = counter_event;
}

static inline void do_watch(void *arg)
{
	struct counter *counter = arg;

	counter->rc = ring_watch(counter->ring, &counter->watch);
}

static inline void do_unwatch(void *arg)
{
	struct counter *counter = arg;

	ring_unwatch(counter->ring, &counter->watch);
}

static inline void ring_bell(int fd, uint64_t value)
{
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
}

/* ---- both engines ---- */

static enum ring_engine by_io_uring = RING_IO_URING, by_threads = RING_THREADS;

#define BOTH(f)                                          \
	{#f " (io_uring)", f, NULL, NULL, &by_io_uring},    \
	{                                                \
#f " (threads)", f, NULL, NULL, &by_threads \
	}

#endif
