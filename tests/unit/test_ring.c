/*
 * The I/O thread, every test with both engines: requests, calls, drain, teardown, and what the kernel may answer instead
 * of doing it. Its watches are test_ring_watch.c's.
 */
#include "ring_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_read_write_sync),
		BOTH(test_at_once),
		BOTH(test_errors_are_results),
		BOTH(test_more_than_depth),
		BOTH(test_storm),
		{"test_storm_of_refusals", test_storm_of_refusals, NULL, NULL, &by_io_uring},
		BOTH(test_calls_from_several_threads),
		BOTH(test_drain_runs_no_other_callback),
		BOTH(test_destroy_without_start),
		BOTH(test_destroy_under_load),
		{"test_destroy_ends_a_hanging_read", test_destroy_ends_a_hanging_read, NULL, NULL,
		 &by_io_uring},
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bad_depth),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
