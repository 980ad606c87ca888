/*
 * An I/O thread. With io_uring: one ring per thread; doorbell eventfds, streams and disk requests
 * wait on it together, one io_uring_enter per wake-up submits and waits. Where io_uring is refused
 * a thread engine (poll(2) + a few workers doing preadv/pwritev) behaves the same.
 *
 * Every callback runs on the I/O thread, one at a time. Functions marked [any] may be called from
 * other threads, all others only from callbacks on the thread, or before ring_start().
 */
#ifndef VMB_VMM_RING_H
#define VMB_VMM_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "err.h"

struct ring;
struct sandbox;

enum ring_engine {
	RING_AUTO,     /* io_uring, else threads */
	RING_IO_URING, /* or fail */
	RING_THREADS,
};

/*
 * Makes an I/O thread named NAME (for ps; 15 characters) that has at most DEPTH requests with the kernel (1 to 4096).
 * Nothing runs until ring_start(), which may fail with -errno when the host has no thread to give; requests and
 * watches handed in before it begin then. 0 or -errno with the sentence in ERR (may be NULL).
 */
int ring_create(const char *name, unsigned int depth, enum ring_engine engine,
		struct ring **ret_ring, struct vmb_err *err);
int ring_start(struct ring *ring);

/*
 * Before ring_start(): the ring's threads go into SANDBOX (borrowed; NULL: none), its own as one of
 * KIND (enum sandbox_thread).
 */
void ring_confine(struct ring *ring, const struct sandbox *sandbox, unsigned int kind);

/*
 * [any, not the thread itself] Cancels what is in flight, waits until the last completion was delivered (done()
 * of what was cancelled gets -ECANCELED), ends the thread. Watches still in it are dropped. NULL is fine.
 */
void ring_destroy(struct ring *ring);

/* "io_uring" or "threads". [any] */
const char *ring_engine_name(const struct ring *ring);

/*
 * [any] Runs FN(ARG) on the thread and returns when it has returned and the batch hook after it has run. Used for
 * pause, reset and teardown. On the thread itself, or before ring_start(), FN simply runs, without the hook.
 */
void ring_call(struct ring *ring, void (*fn)(void *arg), void *arg);

/*
 * A watched descriptor. The struct is the caller's and must live until ring_unwatch() returned.
 * Eventfds: FN is called after the counter was read (VALUE = counter); make them without
 * EFD_NONBLOCK, which costs a system call more per event. Streams: FN is called as long as one of EVENTS (POLLIN when
 * it is 0) is true or the other end hung up (VALUE = poll events); FN reads or writes itself, non-blocking, and
 * unwatches at the end.
 *
 * ring_watch() never fails for a good descriptor but with -ENOMEM; -EBUSY when WATCH is watched already. FN may
 * unwatch any watch, its own included. When ring_unwatch() returns nothing refers to the
 * struct any more, and a count that FN was not told of is back in its eventfd.
 */
struct ring_watch {
	int fd;
	bool is_eventfd;
	/*
	 * An eventfd whose count FN does not need: it may stay unread, VALUE is then 1, and the
	 * ring need not be asked anew for each event.
	 */
	bool uncounted;
	short events; /* of a stream, as for poll(2); 0: POLLIN */
	void (*fn)(struct ring_watch *watch, uint64_t value);
	void *arg;
	/* private to the ring; all zero before ring_watch() and after ring_unwatch() */
	uint64_t value;
	struct ring_watch *next;  /* of all watches */
	struct ring_watch *queue; /* of those to be armed, or of those that fired */
	int state;
	bool by_poll;
	bool standing; /* the kernel tells of each event without being asked again */
};
int ring_watch(struct ring *ring, struct ring_watch *watch);
void ring_unwatch(struct ring *ring, struct ring_watch *watch);

/*
 * A disk request. Filled by the caller; the struct and what IOV points to must live until DONE was
 * called, which happens exactly once, never from inside ring_submit(). RESULT is bytes moved or
 * -errno; short transfers are not resumed here (disk/raw.c does).
 */
enum ring_op {
	RING_READV,
	RING_WRITEV,
	RING_FSYNC_DATA,
	RING_FALLOCATE, /* fallocate(2) with MODE on LENGTH bytes */
	RING_DISCARD, /* of a block device, LENGTH bytes; -EOPNOTSUPP or -EINVAL where it cannot */
};

struct ring_req {
	enum ring_op op;
	int fd;
	const struct iovec *iov;
	unsigned int iov_count;
	uint64_t offset;
	uint64_t length; /* RING_FALLOCATE, RING_DISCARD */
	int mode;	 /* RING_FALLOCATE */
	bool at_once;	 /* a transfer that waits for no device: the I/O thread itself does it */
	void (*done)(struct ring_req *req, int64_t result);
	/* private to ring.c */
	struct ring_req *next;
	int64_t result;
};

/*
 * 0, or -ECANCELED while the ring is being destroyed. Requests submitted in one callback go to the kernel
 * together; those beyond DEPTH wait in the ring, first come first served.
 */
int ring_submit(struct ring *ring, struct ring_req *req);

/*
 * Waits until no disk request of the ring is in flight, calling their done() meanwhile, also for requests that
 * done() submits. No other callback runs inside. For a disk's drain() and a device's reset.
 */
void ring_drain(struct ring *ring);

/*
 * Called on the thread after each batch of callbacks, before it goes to sleep: to publish and notify once per
 * batch. One hook per ring.
 */
void ring_set_batch_hook(struct ring *ring, void (*fn)(void *arg), void *arg);

#endif
