/*
 * See console.h. An epoll instance stands between the descriptor and the ring, because a ring's
 * watch only knows "readable": the epoll instance is readable whenever the descriptor is what we
 * wait for at the moment (room to write, bytes to read).
 */
#include "vmm/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "vmm/lazy.h"

#define INPUT_CHUNK 256

struct vm_console {
	struct vm_console_params params;
	int epoll_fd;
	struct ring_watch ready;  /* the epoll instance */
	struct ring_watch wakeup; /* eventfd: output came, or the receiver has room */

	pthread_mutex_t lock;
	pthread_cond_t drained;
	uint64_t head; /* bytes ever put in; under LOCK like all of these */
	uint64_t tail; /* bytes ever written */
	uint64_t dropped;
	bool dropping; /* since the buffer was empty last */
	struct log_limit drop_limit;
	bool gone; /* the other end closed */
	uint8_t buffer[CONSOLE_BUFFER];

	/* Ring thread only. */
	uint32_t waiting_for; /* epoll events the descriptor is registered for */
	bool output_blocked;
	size_t input_at, input_end; /* what the receiver has not taken yet */
	uint8_t input[INPUT_CHUNK];
};

static void wake(struct vm_console *console)
{
	eventfd_write(console->wakeup.fd, 1);
}

/* LOCK held, and there is room for N bytes. */
static void append(struct vm_console *console, const uint8_t *buf, size_t n)
{
	size_t at = console->head % CONSOLE_BUFFER;
	size_t first = n < CONSOLE_BUFFER - at ? n : CONSOLE_BUFFER - at;

	memcpy(console->buffer + at, buf, first);
	memcpy(console->buffer, buf + first, n - first);
	console->head += n;
}

void vm_console_write(struct vm_console *console, const uint8_t *buf, size_t n)
{
	bool was_empty = false, begins_dropping = false;
	size_t room, fits;

	pthread_mutex_lock(&console->lock);
	room = console->gone ? 0 : CONSOLE_BUFFER - (size_t)(console->head - console->tail);
	fits = n < room ? n : room;
	if (fits) {
		was_empty = console->head == console->tail;
		if (was_empty)
			console->dropping = false;
		append(console, buf, fits);
	}
	if (fits < n) {
		console->dropped += n - fits;
		begins_dropping = !console->gone && !console->dropping;
		console->dropping = true;
	}
	pthread_mutex_unlock(&console->lock);
	if (was_empty)
		wake(console);
	if (begins_dropping)
		log_guest(&console->drop_limit,
			  "console: nobody reads it, output of the guest is dropped");
}

void vm_console_input_ready(struct vm_console *console)
{
	wake(console);
}

uint64_t vm_console_dropped(struct vm_console *console)
{
	uint64_t n;

	pthread_mutex_lock(&console->lock);
	n = console->dropped;
	pthread_mutex_unlock(&console->lock);
	return n;
}

static void other_end_gone(struct vm_console *console)
{
	(void)epoll_ctl(console->epoll_fd, EPOLL_CTL_DEL, console->params.fd, NULL);
	console->waiting_for = 0;
	pthread_mutex_lock(&console->lock);
	console->gone = true;
	console->tail = console->head;
	pthread_cond_broadcast(&console->drained);
	pthread_mutex_unlock(&console->lock);
	log_info("console: the other end closed it");
}

/*
 * Writes what is there. The bytes are written from the buffer without the lock: transmit only adds
 * behind HEAD, and only this thread moves TAIL.
 */
static void write_output(struct vm_console *console)
{
	console->output_blocked = false;
	for (;;) {
		uint64_t head, at;
		ssize_t n;

		pthread_mutex_lock(&console->lock);
		head = console->head;
		at = console->tail % CONSOLE_BUFFER;
		n = (ssize_t)(head - console->tail);
		if (n == 0)
			pthread_cond_broadcast(&console->drained);
		pthread_mutex_unlock(&console->lock);
		if (n == 0)
			return;
		if (n > (ssize_t)(CONSOLE_BUFFER - at))
			n = (ssize_t)(CONSOLE_BUFFER - at);
		n = send(console->params.fd, console->buffer + at, (size_t)n,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			console->output_blocked = true;
			return;
		}
		if (n < 0) {
			other_end_gone(console);
			return;
		}
		pthread_mutex_lock(&console->lock);
		console->tail += (uint64_t)n;
		pthread_mutex_unlock(&console->lock);
	}
}

/* Hands over input until there is none or the receiver is full. */
static void read_input(struct vm_console *console)
{
	for (;;) {
		ssize_t n;

		if (console->input_at < console->input_end)
			console->input_at += console->params.receive(
				console->params.ctx, console->input + console->input_at,
				console->input_end - console->input_at);
		if (console->input_at < console->input_end)
			return;
		n = recv(console->params.fd, console->input, sizeof(console->input), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			other_end_gone(console);
			return;
		}
		console->input_at = 0;
		console->input_end = (size_t)n;
	}
}

/* Does what can be done now, then waits for exactly what is missing. Ring thread. */
static void serve(struct vm_console *console)
{
	uint32_t events = 0;
	struct epoll_event ev = {0};

	if (!console->gone)
		write_output(console);
	if (!console->gone)
		read_input(console);
	if (console->gone)
		return;
	if (console->output_blocked)
		events |= EPOLLOUT;
	if (console->input_at == console->input_end)
		events |= EPOLLIN;
	if (events == console->waiting_for)
		return;
	ev.events = events;
	if (epoll_ctl(console->epoll_fd, EPOLL_CTL_MOD, console->params.fd, &ev) == 0)
		console->waiting_for = events;
}

static void on_wakeup(struct ring_watch *watch, uint64_t value)
{
	(void)value;
	serve(watch->arg);
}

static void on_ready(struct ring_watch *watch, uint64_t value)
{
	struct vm_console *console = watch->arg;
	struct epoll_event ev;

	(void)value;
	/* With neither wanted only a hang-up remains: the rest of the input is of no use then. */
	if (epoll_wait(console->epoll_fd, &ev, 1, 0) == 1 && console->waiting_for == 0)
		other_end_gone(console);
	else
		serve(console);
}

int vm_console_create(const struct vm_console_params *params, struct vm_console **ret_console)
{
	struct vm_console *console = lazy_alloc(sizeof(*console));
	struct epoll_event ev = {.events = EPOLLIN};
	int r;

	if (!console)
		return -ENOMEM;
	console->params = *params;
	console->waiting_for = EPOLLIN;
	pthread_mutex_init(&console->lock, NULL);
	pthread_cond_init(&console->drained, NULL);
	console->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	console->ready =
		(struct ring_watch){.fd = console->epoll_fd, .fn = on_ready, .arg = console};
	console->wakeup = (struct ring_watch){
		.fd = eventfd(0, EFD_CLOEXEC), .is_eventfd = true, .fn = on_wakeup, .arg = console};
	if (console->epoll_fd < 0 || console->wakeup.fd < 0 ||
	    epoll_ctl(console->epoll_fd, EPOLL_CTL_ADD, params->fd, &ev) < 0) {
		r = -errno;
		goto fail;
	}
	r = ring_watch(params->ring, &console->ready);
	if (r == 0)
		r = ring_watch(params->ring, &console->wakeup);
	if (r < 0)
		goto fail;
	*ret_console = console;
	return 0;

fail:
	vm_console_destroy(console);
	return r;
}

void vm_console_destroy(struct vm_console *console)
{
	if (!console)
		return;
	if (console->dropped)
		log_warn("console: %llu bytes of the guest's output were dropped",
			 (unsigned long long)console->dropped);
	if (console->epoll_fd >= 0)
		close(console->epoll_fd);
	if (console->wakeup.fd >= 0)
		close(console->wakeup.fd);
	pthread_cond_destroy(&console->drained);
	pthread_mutex_destroy(&console->lock);
	lazy_free(console, sizeof(*console));
}

void vm_console_flush(struct vm_console *console, unsigned int msec)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += msec / 1000;
	until.tv_nsec += (long)(msec % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&console->lock);
	while (console->head != console->tail && !console->gone)
		if (pthread_cond_timedwait(&console->drained, &console->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&console->lock);
}
