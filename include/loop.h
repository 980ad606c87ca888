/*
 * One poll(2) loop for the single-threaded roles (daemon, run, menu). Not for the VMM's I/O
 * threads: those have ring.c.
 */
#ifndef VMB_INCLUDE_LOOP_H
#define VMB_INCLUDE_LOOP_H

#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;

typedef void (*loop_io_fn)(void *arg, int fd, short revents);
typedef void (*loop_timer_fn)(void *arg);

/* 0 or -ENOMEM. The caller owns the loop; destroying it frees every io and timer still in it. */
int loop_create(struct loop **ret_loop);
void loop_destroy(struct loop *loop);

/*
 * Calls FN when FD shows one of EVENTS (POLLIN, POLLOUT; POLLERR and POLLHUP always). FD stays the
 * caller's. Callbacks may add, change and remove any io or timer, their own included.
 */
int loop_add_io(struct loop *loop, int fd, short events, loop_io_fn fn, void *arg,
		struct loop_io **ret_io);
/* IO waits for EVENTS from now on. */
void loop_set_events(struct loop_io *io, short events);
void loop_remove_io(struct loop_io *io); /* NULL is fine */
/* IO's FD, and its ARG, which is from malloc(), are the loop's: they go with it, unless IO is removed before. */
void loop_own(struct loop_io *io);

/* Calls FN once, MSEC milliseconds from now; it is gone after that. */
int loop_add_timer(struct loop *loop, uint64_t msec, loop_timer_fn fn, void *arg,
		   struct loop_timer **ret_timer);
void loop_remove_timer(struct loop_timer *timer); /* NULL is fine; not after it fired */

/* Runs until loop_quit(). Returns the value given there, or -errno when poll itself fails. */
int loop_run(struct loop *loop);
/* From a callback: loop_run() returns VALUE when it is back. */
void loop_quit(struct loop *loop, int value);

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t loop_now_ms(void);

#endif
