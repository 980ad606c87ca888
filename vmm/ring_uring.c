/*
 * The io_uring engine of ring.c, over liburing 2.3: one io_uring_enter(2) per wake-up submits and
 * waits. Eventfds are watched by a READ that stays in the ring, streams by a one-shot POLL_ADD.
 *
 * user_data is the address of the request or watch with a tag in its low bits; both are aligned
 * to 8. Nothing is allocated after open().
 *
 * Files are not registered: a ring gives them up only some time after its process has ended, and the
 * next machine would find its disk locked. Nor is the guest's memory, all of which would be pinned.
 */
#include "vmm/ring_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define URING_SQ_MAX 128 /* a batch larger than this is submitted in pieces */

/* Completions that are not requests: watches, and the cancellations of both. */
#define URING_CQ_SPARE 64

/* How many kernel threads io_uring may start for what would block, for files and for the rest. */
#define URING_FILE_WORKERS  8
#define URING_OTHER_WORKERS 4

enum uring_tag { URING_TAG_REQ, URING_TAG_WATCH, URING_TAG_CANCEL, URING_TAG_MASK = 7 };

struct uring {
	struct io_uring io;
	bool broken_said;  /* that io_uring_enter() fails was logged */
	bool no_multishot; /* before Linux 5.13 */
};

static uint64_t uring_data(const void *object, enum uring_tag tag)
{
	return (uint64_t)(uintptr_t)object | tag;
}

/* ---- opening ---- */

static const char *uring_refusal(int code)
{
	switch (code) {
	case ENOSYS: return "this kernel is built without it";
	case EPERM:
	case EACCES:
		return "it is switched off here (sysctl kernel.io_uring_disabled, or a seccomp "
		       "filter)";
	case ENOMEM: return "not enough memory may be locked (ulimit -l)";
	case EOPNOTSUPP: return "this kernel's is too old (Linux 5.7 is the first that will do)";
	default: return strerror(code);
	}
}

static int uring_setup(struct uring *uring, unsigned int depth)
{
	/* Best first; a kernel that does not know a flag says EINVAL. */
	static const unsigned int flags[] = {
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, /* Linux 6.1 */
		IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,	 /* 5.19 */
		0,
	};
	const unsigned int needed =
		IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL;
	unsigned int sq = depth + 8 < URING_SQ_MAX ? depth + 8 : URING_SQ_MAX;
	struct io_uring_params params;
	unsigned int i;
	int rc = -EINVAL;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]) && rc == -EINVAL; i++) {
		memset(&params, 0, sizeof(params));
		params.flags = flags[i] | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
			       IORING_SETUP_CLAMP;
		params.cq_entries = depth + URING_CQ_SPARE;
		rc = io_uring_queue_init_params(sq, &uring->io, &params);
	}
	if (rc)
		return rc;
	if ((params.features & needed) != needed) {
		io_uring_queue_exit(&uring->io);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int uring_open(struct ring *ring, struct vmb_err *err)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	int rc;

	if (!uring)
		return vmb_err_set(err, ENOMEM, "Out of memory for I/O thread %s.", ring->name);
	rc = uring_setup(uring, ring->depth);
	if (rc) {
		free(uring);
		return vmb_err_set(err, -rc, "io_uring is not available: %s.", uring_refusal(-rc));
	}
	ring->engine = uring;
	return 0;
}

static void uring_close(struct ring *ring)
{
	struct uring *uring = ring->engine;

	io_uring_queue_exit(&uring->io);
	free(uring);
}

/*
 * What is asked of the kernel through the ring passes no system call filter: so the ring itself is
 * limited to what this file uses. Nothing in it opens a path or makes a socket. Registering is over
 * but for what uring_begin() and io_uring_queue_exit() do.
 */
static int uring_restrict(struct uring *uring)
{
#define SQE_OP(op)                                                  \
	{                                                           \
		.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = (op) \
	}
#define REGISTER_OP(op)                                                       \
	{                                                                     \
		.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = (op) \
	}
	struct io_uring_restriction allowed[] = {
		SQE_OP(IORING_OP_READ), SQE_OP(IORING_OP_WRITE), SQE_OP(IORING_OP_READV),
		SQE_OP(IORING_OP_WRITEV), SQE_OP(IORING_OP_FSYNC), SQE_OP(IORING_OP_FALLOCATE),
		SQE_OP(IORING_OP_POLL_ADD), SQE_OP(IORING_OP_ASYNC_CANCEL),
		/* Newer than the ring needs, in the order in which kernels learnt them. */
		REGISTER_OP(IORING_REGISTER_IOWQ_MAX_WORKERS), /* Linux 5.15 */
		REGISTER_OP(IORING_REGISTER_RING_FDS),	       /* 5.18 */
		REGISTER_OP(IORING_UNREGISTER_RING_FDS), SQE_OP(IORING_OP_URING_CMD), /* 5.19 */
	};
#undef SQE_OP
#undef REGISTER_OP
	unsigned int count = sizeof(allowed) / sizeof(allowed[0]);
	int rc;

	/* A kernel refuses a list with something that it does not know. */
	do
		rc = io_uring_register((unsigned int)uring->io.ring_fd,
				       IORING_REGISTER_RESTRICTIONS, allowed, count);
	while (rc == -EINVAL && --count > 0);
	return rc;
}

static int uring_begin(struct ring *ring)
{
	struct uring *uring = ring->engine;
	unsigned int workers[2] = {URING_FILE_WORKERS, URING_OTHER_WORKERS};
	int rc;

	rc = uring_restrict(uring);
	if (rc)
		return rc;
	/*
	 * SINGLE_ISSUER: the ring belongs to the thread that enables it. Not io_uring_enable_rings():
	 * liburing 2.3 as a shared library, which the tests use, does not export it.
	 */
	rc = io_uring_register((unsigned int)uring->io.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
			       0);
	if (rc)
		return rc;
	/* Both only make it cheaper, and older kernels have neither. */
	io_uring_register_ring_fd(&uring->io);
	io_uring_register_iowq_max_workers(&uring->io, workers);
	return 0;
}

/* ---- completions ---- */

/*
 * An event of a poll that stays armed: the eventfd's count was not read, and its next event comes by
 * itself, also when it happens before this one is handled.
 */
static void uring_standing_event(struct ring *ring, struct ring_watch *watch, int res, bool more)
{
	watch->standing = more;
	if (res == -EINVAL)
		((struct uring *)ring->engine)->no_multishot = true;
	if (watch->state == RING_WATCH_FIRED)
		return; /* what is about to be called for the last event sees this one, too */
	if (res > 0)
		ring_fire(ring, watch, 1);
	else if (!more)
		ring_rearm(ring, watch);
}

static void uring_watch_event(struct ring *ring, struct ring_watch *watch, int res)
{
	ssize_t n;

	if (res == -EINTR || res == -ECANCELED) {
		ring_rearm(ring, watch);
		return;
	}
	if (!watch->is_eventfd) {
		ring_fire(ring, watch, res < 0 ? POLLERR : (uint64_t)res);
		return;
	}
	if (!watch->by_poll && res == sizeof(watch->value)) {
		ring_fire(ring, watch, watch->value);
		return;
	}
	if (!watch->by_poll && res == -EAGAIN) {
		/* A non-blocking eventfd: the ring will not wait in a read of it. */
		watch->by_poll = true;
		ring_rearm(ring, watch);
		return;
	}
	if (watch->by_poll && res > 0) {
		n = read(watch->fd, &watch->value, sizeof(watch->value));
		if (n == sizeof(watch->value)) {
			ring_fire(ring, watch, watch->value);
			return;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			ring_rearm(ring, watch);
			return;
		}
	}
	log_error("ring %s: descriptor %d cannot be watched as an eventfd (%d)", ring->name,
		  watch->fd, res);
	watch->state = RING_WATCH_DEAD;
}

static void uring_watch_cqe(struct ring *ring, struct ring_watch *watch,
			    const struct io_uring_cqe *cqe)
{
	if (watch->standing)
		uring_standing_event(ring, watch, cqe->res, cqe->flags & IORING_CQE_F_MORE);
	else
		uring_watch_event(ring, watch, cqe->res);
}

static void uring_reap(struct ring *ring)
{
	struct uring *uring = ring->engine;
	struct io_uring_cqe *cqe;
	unsigned int head, count = 0;
	void *object;

	io_uring_for_each_cqe(&uring->io, head, cqe)
	{
		object = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)URING_TAG_MASK);
		switch (cqe->user_data & URING_TAG_MASK) {
		case URING_TAG_REQ: ring_complete(ring, object, cqe->res); break;
		case URING_TAG_WATCH: uring_watch_cqe(ring, object, cqe); break;
		default: break; /* a cancellation's own result tells nothing that is needed */
		}
		count++;
	}
	io_uring_cq_advance(&uring->io, count);
}

/* ---- submission ---- */

/*
 * Submits, and with BLOCK waits for a completion. What goes wrong here passes: the kernel is short
 * of memory, its completion queue overflowed, a signal came. What was not taken stays in the queue.
 */
static void uring_enter(struct ring *ring, bool block)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct uring *uring = ring->engine;
	int rc;

	if (block)
		rc = io_uring_submit_and_wait(&uring->io, 1);
	else
		rc = io_uring_submit_and_get_events(&uring->io);
	if (rc >= 0 || rc == -EINTR)
		return;
	if (rc != -EAGAIN && rc != -EBUSY && !uring->broken_said) {
		uring->broken_said = true;
		log_error("ring %s: io_uring_enter: %s", ring->name, strerror(-rc));
	}
	/* Completions make room; when there are none, give the kernel a moment. */
	if (!io_uring_cq_ready(&uring->io))
		nanosleep(&pause, NULL);
}

/* A free SQE, NULL when the queue stays full. */
static struct io_uring_sqe *uring_sqe(struct ring *ring)
{
	struct uring *uring = ring->engine;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->io);

	if (!sqe) {
		uring_enter(ring, false);
		sqe = io_uring_get_sqe(&uring->io);
	}
	return sqe;
}

/* Linux 6.12; no header of ours has it yet. BLOCK_URING_CMD_DISCARD is _IO(0x12, 0). */
static void uring_prep_discard(struct io_uring_sqe *sqe, const struct ring_req *req)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, req->fd, NULL, 0, 0);
	sqe->cmd_op = _IO(0x12, 0);
	sqe->addr = req->offset;
	sqe->addr3 = req->length;
}

/* One buffer without an array is cheaper: the kernel need not copy and keep the array. */
static void uring_prep_transfer(struct io_uring_sqe *sqe, const struct ring_req *req)
{
	bool reads = req->op == RING_READV;
	const struct iovec *iov = req->iov;

	if (req->iov_count == 1 && iov->iov_len <= INT_MAX)
		io_uring_prep_rw(reads ? IORING_OP_READ : IORING_OP_WRITE, sqe, req->fd,
				 iov->iov_base, (unsigned int)iov->iov_len, req->offset);
	else
		io_uring_prep_rw(reads ? IORING_OP_READV : IORING_OP_WRITEV, sqe, req->fd, iov,
				 req->iov_count, req->offset);
}

static void uring_put_request(struct io_uring_sqe *sqe, struct ring_req *req)
{
	switch (req->op) {
	case RING_READV:
	case RING_WRITEV: uring_prep_transfer(sqe, req); break;
	case RING_FSYNC_DATA: io_uring_prep_fsync(sqe, req->fd, IORING_FSYNC_DATASYNC); break;
	case RING_FALLOCATE:
		io_uring_prep_fallocate(sqe, req->fd, req->mode, (off_t)req->offset,
					(off_t)req->length);
		break;
	case RING_DISCARD: uring_prep_discard(sqe, req); break;
	}
	io_uring_sqe_set_data64(sqe, uring_data(req, URING_TAG_REQ));
}

static void uring_put_requests(struct ring *ring)
{
	struct io_uring_sqe *sqe;
	struct ring_req *req;

	while (ring_has_pending(ring) && (sqe = uring_sqe(ring))) {
		req = ring_take_pending(ring);
		uring_put_request(sqe, req);
	}
}

static void uring_arm_watches(struct ring *ring)
{
	struct io_uring_sqe *sqe;
	struct ring_watch *watch;

	while (ring->to_arm.first && (sqe = uring_sqe(ring))) {
		watch = ring_watch_list_take(&ring->to_arm);
		watch->standing = watch->uncounted && !((struct uring *)ring->engine)->no_multishot;
		if (watch->standing)
			io_uring_prep_poll_multishot(sqe, watch->fd, POLLIN);
		else if (watch->by_poll)
			io_uring_prep_poll_add(sqe, watch->fd,
					       (unsigned int)ring_poll_events(watch));
		else
			io_uring_prep_read(sqe, watch->fd, &watch->value, sizeof(watch->value), 0);
		io_uring_sqe_set_data64(sqe, uring_data(watch, URING_TAG_WATCH));
		watch->state = RING_WATCH_ARMED;
	}
}

static void uring_wait(struct ring *ring, bool block)
{
	uring_put_requests(ring);
	uring_arm_watches(ring);
	/* A full queue was submitted on the way and may have brought something. */
	uring_enter(ring, block && !io_uring_cq_ready(&((struct uring *)ring->engine)->io));
	uring_reap(ring);
}

/* ---- cancelling ---- */

static void uring_disarm(struct ring *ring, struct ring_watch *watch)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = uring_sqe(ring)))
		uring_reap(ring);
	io_uring_prep_cancel64(sqe, uring_data(watch, URING_TAG_WATCH), 0);
	io_uring_sqe_set_data64(sqe, uring_data(NULL, URING_TAG_CANCEL));
	while (watch->state == RING_WATCH_ARMED || watch->standing) {
		uring_enter(ring, true);
		uring_reap(ring);
	}
}

static void uring_cancel_requests(struct ring *ring)
{
	struct io_uring_sqe *sqe = uring_sqe(ring);

	/*
	 * Linux 5.19; older ones refuse and the requests run to their end. It ends watches, too, which
	 * are armed again and taken out one by one.
	 */
	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
	io_uring_sqe_set_data64(sqe, uring_data(NULL, URING_TAG_CANCEL));
}

const struct ring_engine_ops ring_uring_ops = {
	.name = "io_uring",
	.open = uring_open,
	.close = uring_close,
	.begin = uring_begin,
	.wait = uring_wait,
	.disarm = uring_disarm,
	.cancel_requests = uring_cancel_requests,
};
