/*
 * A watchdog timer for the board, described to operating systems by the WDAT table (Microsoft,
 * "Hardware Watchdog Timers Design Specification"; acpi.c writes it, Linux's driver is wdat_wdt):
 *
 *   0  control: bit 0, the countdown runs
 *   1  status: bit 0, the watchdog reset the machine; stays until a write with bit 0 set clears it
 *   2  any write begins the countdown anew; reads zero
 *   4  16 bits: where the countdown begins, in units of 100 ms; a write takes effect with the next beginning
 *   6  16 bits: what is left of it, read-only
 *
 * The timer is the host's. While the machine is paused it stands still.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CONTROL	  0
#define STATUS	  1
#define RESTART	  2
#define COUNTDOWN 4
#define LEFT	  6

#define RUNS	       0x01
#define FIRED	       0x01
#define POWER_ON_UNITS 600
#define UNIT_NS	       (WATCHDOG_UNIT_MS * 1000000ULL)
#define NS_PER_SEC     1000000000ULL

struct watchdog {
	struct watchdog_params params;
	struct ring_watch watch; /* the timer */
	pthread_mutex_t lock;	 /* everything below */
	bool runs;
	bool fired;
	bool paused;
	uint16_t countdown;
	uint64_t left_ns; /* while PAUSED */
};

/* LOCK held, as in all below that say nothing. NS 0: never. */
static void set_timer(struct watchdog *watchdog, uint64_t ns)
{
	const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ns / NS_PER_SEC),
						     .tv_nsec = (long)(ns % NS_PER_SEC)}};

	if (watchdog->paused)
		watchdog->left_ns = ns;
	else
		(void)timerfd_settime(watchdog->watch.fd, 0, &when, NULL);
}

static uint64_t left_ns(const struct watchdog *watchdog)
{
	struct itimerspec when;

	if (watchdog->paused)
		return watchdog->left_ns;
	if (timerfd_gettime(watchdog->watch.fd, &when) < 0)
		return 0;
	return (uint64_t)when.it_value.tv_sec * NS_PER_SEC + (uint64_t)when.it_value.tv_nsec;
}

static void restart(struct watchdog *watchdog)
{
	/* A countdown from zero would never end by the timer's rules; it ends at once. */
	uint64_t units = watchdog->countdown ? watchdog->countdown : 1;

	set_timer(watchdog, watchdog->runs ? units * UNIT_NS : 0);
}

static uint64_t watchdog_read(void *dev, uint64_t offset, unsigned int size)
{
	struct watchdog *watchdog = dev;
	uint64_t value = 0;

	pthread_mutex_lock(&watchdog->lock);
	if (offset == CONTROL && size == 1)
		value = watchdog->runs ? RUNS : 0;
	else if (offset == STATUS && size == 1)
		value = watchdog->fired ? FIRED : 0;
	else if (offset == COUNTDOWN && size == 2)
		value = watchdog->countdown;
	else if (offset == LEFT && size == 2)
		value = (left_ns(watchdog) + UNIT_NS - 1) / UNIT_NS;
	pthread_mutex_unlock(&watchdog->lock);
	return value;
}

static void write_control(struct watchdog *watchdog, bool runs)
{
	if (runs == watchdog->runs)
		return;
	watchdog->runs = runs;
	restart(watchdog);
}

static void watchdog_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct watchdog *watchdog = dev;

	pthread_mutex_lock(&watchdog->lock);
	if (offset == CONTROL && size == 1)
		write_control(watchdog, value & RUNS);
	else if (offset == STATUS && size == 1 && (value & FIRED))
		watchdog->fired = false;
	else if (offset == RESTART && size == 1)
		restart(watchdog);
	else if (offset == COUNTDOWN && size == 2)
		watchdog->countdown = (uint16_t)value;
	pthread_mutex_unlock(&watchdog->lock);
}

const struct bus_ops watchdog_bus_ops = {
	.read = watchdog_read,
	.write = watchdog_write,
};

/* The I/O thread. The guest may have begun anew meanwhile: then there is nothing to read any more. */
static void timer_ended(struct ring_watch *watch, uint64_t events)
{
	struct watchdog *watchdog = watch->arg;
	uint64_t times;
	bool expired;

	(void)events;
	pthread_mutex_lock(&watchdog->lock);
	expired = read(watch->fd, &times, sizeof(times)) == sizeof(times) && watchdog->runs;
	if (expired) {
		watchdog->runs = false;
		watchdog->fired = true;
	}
	pthread_mutex_unlock(&watchdog->lock);
	if (expired)
		watchdog->params.expired(watchdog->params.ctx);
}

void watchdog_pause(struct watchdog *watchdog)
{
	uint64_t left;

	pthread_mutex_lock(&watchdog->lock);
	left = left_ns(watchdog);
	if (watchdog->runs && left == 0)
		left = 1; /* ended, but not told yet */
	set_timer(watchdog, 0);
	watchdog->paused = true;
	watchdog->left_ns = left;
	pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_resume(struct watchdog *watchdog)
{
	pthread_mutex_lock(&watchdog->lock);
	/* Of one that was not paused, what was left at an earlier pause says nothing. */
	if (watchdog->paused) {
		watchdog->paused = false;
		set_timer(watchdog, watchdog->left_ns);
	}
	pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_reset(struct watchdog *watchdog)
{
	pthread_mutex_lock(&watchdog->lock);
	watchdog->runs = false;
	watchdog->countdown = POWER_ON_UNITS;
	set_timer(watchdog, 0);
	pthread_mutex_unlock(&watchdog->lock);
}

int watchdog_create(const struct watchdog_params *params, struct watchdog **ret_watchdog)
{
	struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
	int r;

	if (!watchdog)
		return -ENOMEM;
	watchdog->params = *params;
	watchdog->watch = (struct ring_watch){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.fn = timer_ended,
		.arg = watchdog,
	};
	pthread_mutex_init(&watchdog->lock, NULL);
	r = watchdog->watch.fd < 0 ? -errno : ring_watch(params->ring, &watchdog->watch);
	if (r < 0) {
		watchdog_destroy(watchdog);
		return r;
	}
	watchdog_reset(watchdog);
	*ret_watchdog = watchdog;
	return 0;
}

void watchdog_destroy(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	if (watchdog->watch.fd >= 0)
		close(watchdog->watch.fd);
	pthread_mutex_destroy(&watchdog->lock);
	free(watchdog);
}
