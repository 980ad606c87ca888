/*
 * The engine of ring.c for where io_uring is refused: the I/O thread sits in poll(2), a few
 * workers do preadv(2), pwritev(2), fdatasync(2) and the like. What callers see is the same.
 */
#include "vmm/ring_engine.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "vmm/sandbox.h"

#define THREADS_MAX_WORKERS 4

struct threads {
	struct pollfd *fds; /* 0: WAKE; then the armed watches */
	struct ring_watch **fd_watches;
	unsigned int fds_room;
	int wake; /* eventfd: FINISHED is no longer empty */

	pthread_t workers[THREADS_MAX_WORKERS];
	unsigned int worker_count;
	const struct ring *ring; /* its name and sandbox are the workers' */

	/* Between the I/O thread and the workers. */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct ring_req_list queue;
	struct ring_req_list finished;
	bool quit;
};

/* ---- workers ---- */

static void threads_wake(int fd)
{
	const uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *threads_worker(void *arg)
{
	struct threads *threads = arg;
	struct ring_req *req;
	bool first;
	int rc;

	prctl(PR_SET_NAME, threads->ring->name);
	rc = sandbox_filter(threads->ring->sandbox, SANDBOX_WORKER);
	pthread_mutex_lock(&threads->lock);
	for (;;) {
		while (!threads->quit && !threads->queue.first)
			pthread_cond_wait(&threads->work, &threads->lock);
		if (threads->quit)
			break;
		req = ring_req_list_take(&threads->queue);
		pthread_mutex_unlock(&threads->lock);

		req->result = rc ? rc : ring_do(req);

		pthread_mutex_lock(&threads->lock);
		first = !threads->finished.first;
		ring_req_list_add(&threads->finished, req);
		if (first)
			threads_wake(threads->wake);
	}
	pthread_mutex_unlock(&threads->lock);
	return NULL;
}

/* ---- opening ---- */

static int threads_reserve_watches(struct ring *ring, unsigned int count)
{
	struct threads *threads = ring->engine;
	unsigned int room = (count + 8) & ~7U;
	struct ring_watch **watches;
	struct pollfd *fds;

	if (count + 1 <= threads->fds_room)
		return 0;
	fds = realloc(threads->fds, room * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	threads->fds = fds;
	watches = realloc(threads->fd_watches, room * sizeof(struct ring_watch *));
	if (!watches)
		return -ENOMEM;
	threads->fd_watches = watches;
	threads->fds_room = room;
	return 0;
}

static int threads_open(struct ring *ring, struct vmb_err *err)
{
	struct threads *threads = calloc(1, sizeof(*threads));
	int rc;

	if (!threads)
		return vmb_err_set(err, ENOMEM, "Out of memory for I/O thread %s.", ring->name);
	threads->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (threads->wake < 0) {
		rc = vmb_err_set(err, errno, "No eventfd for I/O thread %s: %m.", ring->name);
		free(threads);
		return rc;
	}
	threads->ring = ring;
	pthread_mutex_init(&threads->lock, NULL);
	pthread_cond_init(&threads->work, NULL);
	ring_req_list_init(&threads->queue);
	ring_req_list_init(&threads->finished);
	ring->engine = threads;
	return 0;
}

static void threads_close(struct ring *ring)
{
	struct threads *threads = ring->engine;
	unsigned int i;

	pthread_mutex_lock(&threads->lock);
	threads->quit = true;
	pthread_cond_broadcast(&threads->work);
	pthread_mutex_unlock(&threads->lock);
	for (i = 0; i < threads->worker_count; i++)
		pthread_join(threads->workers[i], NULL);
	pthread_cond_destroy(&threads->work);
	pthread_mutex_destroy(&threads->lock);
	close(threads->wake);
	free(threads->fds);
	free(threads->fd_watches);
	free(threads);
}

static int threads_begin(struct ring *ring)
{
	struct threads *threads = ring->engine;
	unsigned int count = ring->depth < THREADS_MAX_WORKERS ? ring->depth : THREADS_MAX_WORKERS;
	int rc = 0;

	while (threads->worker_count < count) {
		rc = ring_spawn(&threads->workers[threads->worker_count], threads_worker, threads);
		if (rc)
			break;
		threads->worker_count++;
	}
	/* Fewer will do, none will not. */
	return threads->worker_count ? 0 : rc;
}

/* ---- waiting ---- */

static void threads_queue_requests(struct ring *ring)
{
	struct threads *threads = ring->engine;
	struct ring_req *req;

	if (!ring->pending.first)
		return;
	pthread_mutex_lock(&threads->lock);
	while (ring_has_pending(ring)) {
		req = ring_take_pending(ring);
		ring_req_list_add(&threads->queue, req);
		pthread_cond_signal(&threads->work);
	}
	pthread_mutex_unlock(&threads->lock);
}

static void threads_take_finished(struct ring *ring)
{
	struct threads *threads = ring->engine;
	struct ring_req *req;
	uint64_t count;

	/* Emptied before the list is looked at: a later finish writes it again. */
	if (read(threads->wake, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
		log_error("ring %s: wake-up eventfd: %m", ring->name);
	pthread_mutex_lock(&threads->lock);
	while ((req = ring_req_list_take(&threads->finished)))
		ring_complete(ring, req, req->result);
	pthread_mutex_unlock(&threads->lock);
}

/* Fills the poll array; returns how many entries it has. */
static unsigned int threads_collect(struct ring *ring)
{
	struct threads *threads = ring->engine;
	struct ring_watch *watch;
	unsigned int n = 1;

	while ((watch = ring_watch_list_take(&ring->to_arm)))
		watch->state = RING_WATCH_ARMED;
	threads->fds[0] = (struct pollfd){.fd = threads->wake, .events = POLLIN};
	for (watch = ring->watches; watch; watch = watch->next) {
		if (watch->state != RING_WATCH_ARMED)
			continue;
		threads->fds[n] = (struct pollfd){.fd = watch->fd, .events = ring_poll_events(watch)};
		threads->fd_watches[n++] = watch;
	}
	return n;
}

static void threads_watch_event(struct ring *ring, struct ring_watch *watch, short revents)
{
	uint64_t value;
	ssize_t n;

	if (!watch->is_eventfd) {
		ring_fire(ring, watch, revents & POLLNVAL ? POLLERR : (uint64_t)revents);
		return;
	}
	n = read(watch->fd, &value, sizeof(value));
	if (n == sizeof(value)) {
		ring_fire(ring, watch, value);
	} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		log_error("ring %s: descriptor %d cannot be watched as an eventfd", ring->name,
			  watch->fd);
		watch->state = RING_WATCH_DEAD;
	}
}

static void threads_wait(struct ring *ring, bool block)
{
	struct threads *threads = ring->engine;
	unsigned int n, i;
	int rc;

	threads_queue_requests(ring);
	n = threads_collect(ring);
	rc = poll(threads->fds, n, block ? -1 : 0);
	if (rc < 0) {
		if (errno != EINTR && errno != EAGAIN)
			log_error("ring %s: poll: %m", ring->name);
		return;
	}
	if (threads->fds[0].revents)
		threads_take_finished(ring);
	for (i = 1; i < n; i++)
		if (threads->fds[i].revents)
			threads_watch_event(ring, threads->fd_watches[i], threads->fds[i].revents);
}

/* ---- cancelling ---- */

static void threads_disarm(struct ring *ring, struct ring_watch *watch)
{
	ring_rearm(ring, watch); /* armed is only a word here: nothing is with the kernel */
}

static void threads_cancel_requests(struct ring *ring)
{
	struct threads *threads = ring->engine;
	struct ring_req *req;

	pthread_mutex_lock(&threads->lock);
	while ((req = ring_req_list_take(&threads->queue)))
		ring_complete(ring, req, -ECANCELED);
	pthread_mutex_unlock(&threads->lock);
}

const struct ring_engine_ops ring_threads_ops = {
	.name = "threads",
	.open = threads_open,
	.close = threads_close,
	.begin = threads_begin,
	.reserve_watches = threads_reserve_watches,
	.wait = threads_wait,
	.disarm = threads_disarm,
	.cancel_requests = threads_cancel_requests,
};
