/*
 * See include/loop.h. Entries live in lists; a removed one is only marked while callbacks run and
 * freed afterwards, so that a callback may remove anything.
 */
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct loop_io {
	struct loop_io *next;
	struct loop *loop;
	int fd;
	short events;
	bool removed;
	bool polled; /* has a slot in the current poll set */
	bool owned;  /* FD and ARG go with it when the loop is destroyed */
	loop_io_fn fn;
	void *arg;
};

struct loop_timer {
	struct loop_timer *next;
	struct loop *loop;
	uint64_t at_ms;
	bool removed;
	loop_timer_fn fn;
	void *arg;
};

struct loop {
	struct loop_io *ios;
	struct loop_timer *timers;
	struct pollfd *polls;
	unsigned int io_count, poll_cap;
	bool quit;
	int result;
};

uint64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int loop_create(struct loop **ret_loop)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return -ENOMEM;
	*ret_loop = loop;
	return 0;
}

/* Frees what was removed; with ALL everything. */
static void loop_sweep(struct loop *loop, bool all)
{
	for (struct loop_io **at = &loop->ios; *at;) {
		struct loop_io *io = *at;

		if (!all && !io->removed) {
			at = &io->next;
			continue;
		}
		*at = io->next;
		loop->io_count--;
		if (io->owned && !io->removed) {
			close(io->fd);
			free(io->arg);
		}
		free(io);
	}
	for (struct loop_timer **at = &loop->timers; *at;) {
		struct loop_timer *timer = *at;

		if (!all && !timer->removed) {
			at = &timer->next;
			continue;
		}
		*at = timer->next;
		free(timer);
	}
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	loop_sweep(loop, true);
	free(loop->polls);
	free(loop);
}

int loop_add_io(struct loop *loop, int fd, short events, loop_io_fn fn, void *arg,
		struct loop_io **ret_io)
{
	struct loop_io *io = calloc(1, sizeof(*io));

	if (!io)
		return -ENOMEM;
	if (loop->io_count + 1 > loop->poll_cap) {
		unsigned int cap = loop->poll_cap ? loop->poll_cap * 2 : 16;
		struct pollfd *polls = realloc(loop->polls, cap * sizeof(*polls));

		if (!polls) {
			free(io);
			return -ENOMEM;
		}
		loop->polls = polls;
		loop->poll_cap = cap;
	}
	*io = (struct loop_io){.next = loop->ios, .loop = loop, .fd = fd, .events = events,
			       .fn = fn, .arg = arg};
	loop->ios = io;
	loop->io_count++;
	*ret_io = io;
	return 0;
}

void loop_set_events(struct loop_io *io, short events)
{
	io->events = events;
}

void loop_own(struct loop_io *io)
{
	io->owned = true;
}

void loop_remove_io(struct loop_io *io)
{
	if (io)
		io->removed = true;
}

int loop_add_timer(struct loop *loop, uint64_t msec, loop_timer_fn fn, void *arg,
		   struct loop_timer **ret_timer)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	*timer = (struct loop_timer){.next = loop->timers, .loop = loop,
				     .at_ms = loop_now_ms() + msec, .fn = fn, .arg = arg};
	loop->timers = timer;
	*ret_timer = timer;
	return 0;
}

void loop_remove_timer(struct loop_timer *timer)
{
	if (timer)
		timer->removed = true;
}

/* Milliseconds until the next timer, -1 if there is none. */
static int loop_timeout(const struct loop *loop)
{
	uint64_t now = loop_now_ms(), best = UINT64_MAX;

	for (const struct loop_timer *timer = loop->timers; timer; timer = timer->next)
		if (!timer->removed && timer->at_ms < best)
			best = timer->at_ms;
	if (best == UINT64_MAX)
		return -1;
	if (best <= now)
		return 0;
	return best - now > 3600000 ? 3600000 : (int)(best - now);
}

static void loop_fire_timers(struct loop *loop)
{
	uint64_t now = loop_now_ms();

	for (struct loop_timer *timer = loop->timers; timer && !loop->quit; timer = timer->next) {
		if (timer->removed || timer->at_ms > now)
			continue;
		timer->removed = true;
		timer->fn(timer->arg);
	}
}

/* Callbacks add at the head of the list, where this walk has been already. */
static void loop_fire_ios(struct loop *loop)
{
	unsigned int i = 0;

	for (struct loop_io *io = loop->ios; io && !loop->quit; io = io->next) {
		short revents;

		if (!io->polled)
			continue;
		revents = loop->polls[i++].revents;
		if (revents && !io->removed)
			io->fn(io->arg, io->fd, revents);
	}
}

int loop_run(struct loop *loop)
{
	loop->quit = false;
	while (!loop->quit) {
		unsigned int n = 0;

		loop_sweep(loop, false);
		for (struct loop_io *io = loop->ios; io; io = io->next) {
			loop->polls[n++] = (struct pollfd){.fd = io->fd, .events = io->events};
			io->polled = true;
		}
		/* After EINTR no revents are set: only timers can be due. */
		if (poll(loop->polls, n, loop_timeout(loop)) < 0 && errno != EINTR)
			return -errno;
		loop_fire_ios(loop);
		loop_fire_timers(loop);
	}
	loop_sweep(loop, false);
	return loop->result;
}

void loop_quit(struct loop *loop, int value)
{
	loop->quit = true;
	loop->result = value;
}
