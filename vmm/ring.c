/*
 * The I/O thread: its life, its lists, and the order in which callbacks run. What talks to the
 * kernel is in ring_uring.c and ring_threads.c, behind struct ring_engine_ops.
 *
 * One round: callbacks of watches that fired, done() of what completed, the batch hook; wake
 * those who wait in ring_call(); then one wait() of the engine, which also submits.
 */
#include "vmm/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"
#include "vmm/ring_engine.h"
#include "vmm/sandbox.h"

#define RING_MAX_DEPTH 4096

/* Only touched pages cost memory; sanitizers need far more of it. */
#ifdef __SANITIZE_ADDRESS__
#define RING_STACK (1024 * 1024)
#else
#define RING_STACK (128 * 1024)
#endif

/* Lives on the stack of the thread that waits in ring_call(). */
struct ring_call {
	void (*fn)(void *arg);
	void *arg;
	bool done; /* under ring->lock */
	struct ring_call *next;
};

int ring_spawn(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return -rc;
	pthread_attr_setstacksize(&attr, RING_STACK);
	/* The new thread inherits the mask: signals are for vCPUs and the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(ret_thread, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

/* Takes WATCH out of LIST if it is there. */
static void ring_watch_list_remove(struct ring_watch_list *list, struct ring_watch *watch)
{
	struct ring_watch **at = &list->first;

	while (*at && *at != watch)
		at = &(*at)->queue;
	if (!*at)
		return;
	*at = watch->queue;
	if (!*at)
		list->end = at;
	watch->queue = NULL;
}

/* ---- requests ---- */

/* One buffer is cheaper without an array, which the kernel copies and checks. */
static ssize_t do_transfer(const struct ring_req *req)
{
	const struct iovec *iov = req->iov;
	off_t offset = (off_t)req->offset;

	if (req->iov_count == 1 && req->op == RING_READV)
		return pread(req->fd, iov->iov_base, iov->iov_len, offset);
	if (req->iov_count == 1)
		return pwrite(req->fd, iov->iov_base, iov->iov_len, offset);
	return req->op == RING_READV ? preadv(req->fd, iov, (int)req->iov_count, offset)
				     : pwritev(req->fd, iov, (int)req->iov_count, offset);
}

int64_t ring_do(const struct ring_req *req)
{
	uint64_t range[2] = {req->offset, req->length};
	ssize_t n = -1;

	switch (req->op) {
	case RING_READV:
	case RING_WRITEV: n = do_transfer(req); break;
	case RING_FSYNC_DATA: n = fdatasync(req->fd); break;
	case RING_FALLOCATE:
		n = fallocate(req->fd, req->mode, (off_t)req->offset, (off_t)req->length);
		break;
	case RING_DISCARD: n = ioctl(req->fd, BLKDISCARD, range); break;
	}
	return n < 0 ? -errno : n;
}

int ring_submit(struct ring *ring, struct ring_req *req)
{
	if (ring->stopping)
		return -ECANCELED;
	ring->in_flight++;
	if (req->at_once) {
		req->result = ring_do(req);
		ring_req_list_add(&ring->completed, req);
	} else {
		ring_req_list_add(&ring->pending, req);
	}
	return 0;
}

/* One turn: what done() submits, and is done at once, waits for the next, so that others have theirs. */
static void ring_deliver_requests(struct ring *ring)
{
	struct ring_req **last = ring->completed.end;
	struct ring_req *req;
	bool more = ring->completed.first;

	while (more && (req = ring_req_list_take(&ring->completed))) {
		more = &req->next != last;
		ring->in_flight--;
		req->done(req, req->result);
	}
}

/* What never reached the engine needs no waiting for. */
static void ring_cancel_pending(struct ring *ring)
{
	struct ring_req *req;

	while ((req = ring_req_list_take(&ring->pending))) {
		req->result = -ECANCELED;
		ring_req_list_add(&ring->completed, req);
	}
}

void ring_drain(struct ring *ring)
{
	if (!ring->started)
		ring_cancel_pending(ring);
	ring_deliver_requests(ring);
	while (ring->in_flight) {
		ring->ops->wait(ring, !ring->completed.first);
		ring_deliver_requests(ring);
	}
}

/* ---- watches ---- */

int ring_watch(struct ring *ring, struct ring_watch *watch)
{
	int rc;

	if (watch->state != RING_WATCH_NONE)
		return -EBUSY;
	if (ring->ops->reserve_watches) {
		rc = ring->ops->reserve_watches(ring, ring->watch_count + 1);
		if (rc)
			return rc;
	}
	watch->by_poll = !watch->is_eventfd || watch->uncounted;
	watch->next = ring->watches;
	ring->watches = watch;
	ring->watch_count++;
	ring_rearm(ring, watch);
	return 0;
}

void ring_unwatch(struct ring *ring, struct ring_watch *watch)
{
	struct ring_watch **at = &ring->watches;

	while (*at && *at != watch)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = watch->next;
	ring->watch_count--;

	if (watch->state == RING_WATCH_ARMED || watch->standing)
		ring->ops->disarm(ring, watch);
	if (watch->state == RING_WATCH_IDLE) {
		ring_watch_list_remove(&ring->to_arm, watch);
	} else if (watch->state == RING_WATCH_FIRED) {
		ring_watch_list_remove(&ring->fired, watch);
		/* The count was taken but nobody was told: whoever watches next shall see it. */
		if (watch->is_eventfd && !watch->uncounted &&
		    write(watch->fd, &watch->value, sizeof(watch->value)) < 0)
			log_debug("ring %s: eventfd count not put back: %m", ring->name);
	}
	watch->state = RING_WATCH_NONE;
	watch->next = NULL;
	watch->value = 0;
}

static void ring_deliver_watches(struct ring *ring)
{
	struct ring_watch *watch;

	while ((watch = ring_watch_list_take(&ring->fired))) {
		/* Back in order before the call: the callback may unwatch it, and free it then. */
		ring_go_on(ring, watch);
		watch->fn(watch, watch->value);
	}
}

/* ---- calls from other threads ---- */

static void ring_run_calls(struct ring_watch *watch, uint64_t value)
{
	struct ring *ring = watch->arg;
	struct ring_call *call, *next, **at;

	(void)value;
	pthread_mutex_lock(&ring->lock);
	call = ring->calls;
	ring->calls = NULL;
	pthread_mutex_unlock(&ring->lock);

	for (at = &ring->calls_run; *at; at = &(*at)->next)
		;
	for (; call; call = next) {
		next = call->next;
		call->next = NULL;
		call->fn(call->arg);
		*at = call;
		at = &call->next;
	}
}

/* Lets the waiters go. CALL is gone as soon as its waiter has seen done, so next is read before. */
static void ring_finish_calls(struct ring *ring)
{
	struct ring_call *call, *next;

	if (!ring->calls_run)
		return;
	pthread_mutex_lock(&ring->lock);
	for (call = ring->calls_run; call; call = next) {
		next = call->next;
		call->done = true;
	}
	ring->calls_run = NULL;
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
}

void ring_call(struct ring *ring, void (*fn)(void *arg), void *arg)
{
	struct ring_call call = {.fn = fn, .arg = arg};
	struct ring_call **at;
	const uint64_t one = 1;

	if (!ring->started || pthread_equal(pthread_self(), ring->thread)) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&ring->lock);
	for (at = &ring->calls; *at; at = &(*at)->next)
		;
	*at = &call;
	/* Cannot fail: the thread reads the counter long before it could overflow. */
	while (write(ring->call_watch.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	while (!call.done)
		pthread_cond_wait(&ring->changed, &ring->lock);
	pthread_mutex_unlock(&ring->lock);
}

/* ---- the thread ---- */

static void ring_wind_up(struct ring *ring)
{
	ring_cancel_pending(ring);
	if (ring->in_flight)
		ring->ops->cancel_requests(ring);
	ring_drain(ring);
	while (ring->watches)
		ring_unwatch(ring, ring->watches);
}

static void *ring_main(void *arg)
{
	struct ring *ring = arg;
	int rc;

	prctl(PR_SET_NAME, ring->name);
	rc = ring->ops->begin(ring);
	if (!rc)
		rc = sandbox_filter(ring->sandbox, ring->sandbox_kind);
	pthread_mutex_lock(&ring->lock);
	ring->begin_result = rc;
	pthread_cond_broadcast(&ring->changed);
	pthread_mutex_unlock(&ring->lock);
	if (rc)
		return NULL;

	for (;;) {
		/* In this order: what a watch has done at once belongs to the same batch. */
		ring_deliver_watches(ring);
		ring_deliver_requests(ring);
		if (ring->hook)
			ring->hook(ring->hook_arg);
		ring_finish_calls(ring);
		if (ring->stopping)
			break;
		ring->ops->wait(ring, !ring->completed.first && !ring->fired.first);
	}
	ring_wind_up(ring);
	return NULL;
}

static void ring_stop(void *arg)
{
	struct ring *ring = arg;

	ring->stopping = true;
}

void ring_confine(struct ring *ring, const struct sandbox *sandbox, unsigned int kind)
{
	ring->sandbox = sandbox;
	ring->sandbox_kind = kind;
}

int ring_start(struct ring *ring)
{
	int rc;

	ring->begin_result = 1;
	ring->started = true;
	rc = ring_spawn(&ring->thread, ring_main, ring);
	if (rc) {
		ring->started = false;
		return rc;
	}
	pthread_mutex_lock(&ring->lock);
	while (ring->begin_result > 0)
		pthread_cond_wait(&ring->changed, &ring->lock);
	rc = ring->begin_result;
	pthread_mutex_unlock(&ring->lock);
	if (rc) {
		pthread_join(ring->thread, NULL);
		ring->started = false;
	}
	return rc;
}

/* ---- making and ending ---- */

static int ring_open_engine(struct ring *ring, enum ring_engine engine, struct vmb_err *err)
{
	struct vmb_err refused = {0};
	int rc;

	if (engine != RING_THREADS) {
		ring->ops = &ring_uring_ops;
		rc = ring->ops->open(ring, &refused);
		if (rc && engine == RING_IO_URING)
			return vmb_err_set(err, -rc, "%s", refused.text);
		if (!rc)
			return 0;
		log_info("ring %s: %s Using threads.", ring->name, refused.text);
	}
	ring->ops = &ring_threads_ops;
	return ring->ops->open(ring, err);
}

int ring_create(const char *name, unsigned int depth, enum ring_engine engine,
		struct ring **ret_ring, struct vmb_err *err)
{
	struct ring *ring;
	int rc;

	if (!depth || depth > RING_MAX_DEPTH)
		return vmb_err_set(err, EINVAL, "An I/O thread cannot have %u requests at once.",
				   depth);
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return vmb_err_set(err, ENOMEM, "Out of memory for I/O thread %s.", name);
	strncpy(ring->name, name, sizeof(ring->name) - 1);
	ring->depth = depth;
	ring_req_list_init(&ring->pending);
	ring_req_list_init(&ring->completed);
	ring_watch_list_init(&ring->to_arm);
	ring_watch_list_init(&ring->fired);
	pthread_mutex_init(&ring->lock, NULL);
	pthread_cond_init(&ring->changed, NULL);
	ring->call_watch = (struct ring_watch){
		.fd = eventfd(0, EFD_CLOEXEC),
		.is_eventfd = true,
		.fn = ring_run_calls,
		.arg = ring,
	};
	if (ring->call_watch.fd < 0) {
		rc = vmb_err_set(err, errno, "No eventfd for I/O thread %s: %m.", name);
		goto err_free;
	}
	rc = ring_open_engine(ring, engine, err);
	if (rc)
		goto err_close_eventfd;
	rc = ring_watch(ring, &ring->call_watch);
	if (rc) {
		vmb_err_set(err, -rc, "Out of memory for I/O thread %s.", name);
		goto err_close_engine;
	}
	*ret_ring = ring;
	return 0;

err_close_engine:
	ring->ops->close(ring);
err_close_eventfd:
	close(ring->call_watch.fd);
err_free:
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
	return rc;
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->started) {
		ring_call(ring, ring_stop, ring);
		pthread_join(ring->thread, NULL);
		ring->started = false;
	} else {
		ring->stopping = true;
		ring_wind_up(ring);
	}
	ring->ops->close(ring);
	close(ring->call_watch.fd);
	pthread_cond_destroy(&ring->changed);
	pthread_mutex_destroy(&ring->lock);
	free(ring);
}

const char *ring_engine_name(const struct ring *ring)
{
	return ring->ops->name;
}

void ring_set_batch_hook(struct ring *ring, void (*fn)(void *arg), void *arg)
{
	ring->hook = fn;
	ring->hook_arg = arg;
}
