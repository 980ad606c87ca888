/*
 * What ring.c and its two engines share; nobody else includes this. ring.c owns the lists and
 * calls every callback; an engine moves requests and watches between those lists and the kernel
 * and never calls a callback itself. All of it belongs to the I/O thread but what says otherwise.
 */
#ifndef VMB_VMM_RING_ENGINE_H
#define VMB_VMM_RING_ENGINE_H

#include <poll.h>
#include <pthread.h>

#include "vmm/ring.h"

enum ring_watch_state {
	RING_WATCH_NONE,  /* not watched */
	RING_WATCH_IDLE,  /* on the to-be-armed list */
	RING_WATCH_ARMED, /* with the engine */
	RING_WATCH_FIRED, /* on the fired list, VALUE set */
	RING_WATCH_DEAD,  /* its descriptor cannot be watched; on no list but the one of all */
};

struct ring_req_list {
	struct ring_req *first;
	struct ring_req **end; /* where the next one is linked in */
};

struct ring_watch_list {
	struct ring_watch *first;
	struct ring_watch **end;
};

struct ring_call;

struct ring_engine_ops {
	const char *name;

	/* 0 or -errno with the sentence in ERR. close() frees everything; no thread of the engine is left. */
	int (*open)(struct ring *ring, struct vmb_err *err);
	void (*close)(struct ring *ring);

	/* First act on the I/O thread. 0 or -errno. */
	int (*begin)(struct ring *ring);

	/* COUNT watches will be there. 0 or -ENOMEM. May be NULL. */
	int (*reserve_watches)(struct ring *ring, unsigned int count);

	/*
	 * Takes requests with ring_take_pending() and watches from ring->to_arm as far as there is room, waits for something
	 * to happen (BLOCK; otherwise only looks), and moves what happened to ring->completed and
	 * ring->fired. May return without anything having happened.
	 */
	void (*wait)(struct ring *ring, bool block);

	/*
	 * WATCH is armed, or standing: makes it idle or fired, on the list of those, and no longer standing. Does not
	 * return before that.
	 */
	void (*disarm)(struct ring *ring, struct ring_watch *watch);

	/* Tries to end the requests in flight early; their completions still come through wait(). */
	void (*cancel_requests)(struct ring *ring);
};

struct ring {
	char name[16];
	unsigned int depth;
	unsigned int in_flight; /* submitted and done() not called yet */
	unsigned int issued;	/* of those, taken by the engine and not completed: at most DEPTH */
	const struct ring_engine_ops *ops;
	void *engine; /* the engine's own */

	const struct sandbox *sandbox; /* of its threads, may be NULL */
	unsigned int sandbox_kind;     /* enum sandbox_thread */
	pthread_t thread;
	bool started;
	bool stopping;

	struct ring_req_list pending;	/* submitted, not yet with the engine */
	struct ring_req_list completed; /* result known, done() not called yet */
	struct ring_watch *watches;
	unsigned int watch_count;
	struct ring_watch_list to_arm;
	struct ring_watch_list fired;

	void (*hook)(void *arg);
	void *hook_arg;

	/* Between threads, under LOCK. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct ring_call *calls; /* to be run, oldest first */
	int begin_result;	 /* 1 until the thread knows */

	struct ring_call *calls_run; /* waiting for the batch hook; the thread's own */
	struct ring_watch call_watch;
};

extern const struct ring_engine_ops ring_uring_ops;
extern const struct ring_engine_ops ring_threads_ops;

/* Queues of requests, linked by NEXT; take() gives the oldest, or NULL. */
static inline void ring_req_list_init(struct ring_req_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void ring_req_list_add(struct ring_req_list *list, struct ring_req *req)
{
	req->next = NULL;
	*list->end = req;
	list->end = &req->next;
}

static inline struct ring_req *ring_req_list_take(struct ring_req_list *list)
{
	struct ring_req *req = list->first;

	if (req) {
		list->first = req->next;
		if (!list->first)
			list->end = &list->first;
		req->next = NULL;
	}
	return req;
}

/* The same of watches, linked by QUEUE. */
static inline void ring_watch_list_init(struct ring_watch_list *list)
{
	list->first = NULL;
	list->end = &list->first;
}

static inline void ring_watch_list_add(struct ring_watch_list *list, struct ring_watch *watch)
{
	watch->queue = NULL;
	*list->end = watch;
	list->end = &watch->queue;
}

static inline struct ring_watch *ring_watch_list_take(struct ring_watch_list *list)
{
	struct ring_watch *watch = list->first;

	if (watch) {
		list->first = watch->queue;
		if (!list->first)
			list->end = &list->first;
		watch->queue = NULL;
	}
	return watch;
}

/* For engines: whether there is a request that may begin now. */
static inline bool ring_has_pending(const struct ring *ring)
{
	return ring->pending.first && ring->issued < ring->depth;
}

/* For engines: takes it. */
static inline struct ring_req *ring_take_pending(struct ring *ring)
{
	ring->issued++;
	return ring_req_list_take(&ring->pending);
}

/* For engines: REQ, which was taken, ended with RESULT. */
static inline void ring_complete(struct ring *ring, struct ring_req *req, int64_t result)
{
	ring->issued--;
	req->result = result;
	ring_req_list_add(&ring->completed, req);
}

/* For engines: WATCH, which was armed, has VALUE for its callback. */
static inline void ring_fire(struct ring *ring, struct ring_watch *watch, uint64_t value)
{
	watch->value = value;
	watch->state = RING_WATCH_FIRED;
	ring_watch_list_add(&ring->fired, watch);
}

/* For engines: what poll(2) is to wait for. */
static inline short ring_poll_events(const struct ring_watch *watch)
{
	return watch->is_eventfd || !watch->events ? POLLIN : watch->events;
}

/* Does REQ here and now, by system calls that may block. Bytes moved or -errno. */
int64_t ring_do(const struct ring_req *req);

/* For engines: WATCH is to be armed (again). */
static inline void ring_rearm(struct ring *ring, struct ring_watch *watch)
{
	watch->state = RING_WATCH_IDLE;
	ring_watch_list_add(&ring->to_arm, watch);
}

/* For engines: WATCH, which fired, is about to be told of; it waits for its next event again. */
static inline void ring_go_on(struct ring *ring, struct ring_watch *watch)
{
	if (watch->standing)
		watch->state = RING_WATCH_ARMED;
	else
		ring_rearm(ring, watch);
}

/*
 * For engines: starts a thread with every signal blocked and a stack of the size our I/O threads
 * need. 0 or -errno.
 */
int ring_spawn(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg);

#endif
