/* See daemon/hotplug.h. */
#include "hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define SETTLE_MS     50
#define SETTLE_MAX_MS 1000

/* Messages read in a row before the others on the loop have their turn. */
#define MESSAGES_A_TURN 256

/* Files that poll(2) tells changes of, as POLLPRI; they need not be read for that. */
static const char *const watched_files[] = {"/proc/self/mountinfo", "/proc/swaps"};

#define WATCHED (sizeof(watched_files) / sizeof(watched_files[0]))

struct watch {
	int fd; /* -1: there is none */
	struct loop_io *io;
};

struct hotplug {
	struct loop *loop;
	int fd;
	hotplug_fn fn;
	void *ctx;
	struct loop_io *io; /* NULL: the socket failed */
	struct watch watches[WATCHED];
	struct loop_timer *timer;
	uint64_t told_ms;   /* when FN was called last */
	uint64_t settle_ms; /* grows while changes do not stop */
	struct hotplug_changes changes;
};

const struct storage_uevent *hotplug_find(const struct hotplug_changes *changes, const char *name)
{
	for (unsigned int i = 0; i < changes->count; i++)
		if (strcmp(changes->events[i].name, name) == 0)
			return &changes->events[i];
	return NULL;
}

static void remember(struct hotplug_changes *changes, const struct storage_uevent *event)
{
	for (unsigned int i = 0; i < changes->count; i++) {
		struct storage_uevent *known = &changes->events[i];

		if (strcmp(known->name, event->name) != 0)
			continue;
		/* What was added is new, whatever is told of it after that. */
		if (!(known->action == STORAGE_ADDED && event->action == STORAGE_CHANGED))
			*known = *event;
		return;
	}
	if (changes->count == HOTPLUG_MAX_NAMES)
		changes->all = true;
	else
		changes->events[changes->count++] = *event;
}

static void on_settled(void *arg)
{
	struct hotplug *h = arg;
	struct hotplug_changes changes = h->changes;

	h->timer = NULL;
	h->changes.all = false;
	h->changes.count = 0;
	h->told_ms = loop_now_ms();
	h->fn(h->ctx, &changes);
}

static void start_settling(struct hotplug *h)
{
	if (h->timer)
		return;
	if (loop_now_ms() - h->told_ms > 2 * SETTLE_MAX_MS)
		h->settle_ms = SETTLE_MS;
	else if (h->settle_ms < SETTLE_MAX_MS / 2)
		h->settle_ms *= 2;
	else
		h->settle_ms = SETTLE_MAX_MS;
	/* Without memory for a timer the next message tries again. */
	loop_add_timer(h->loop, h->settle_ms, on_settled, h, &h->timer);
}

static void on_message(void *arg, int fd, short revents)
{
	struct hotplug *h = arg;

	(void)revents;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		struct storage_uevent event;
		int rc = storage_uevent_read(fd, &event);

		if (rc == -EAGAIN)
			return;
		if (rc == 0)
			continue;
		if (rc == -ENOBUFS) {
			if (!h->changes.all)
				log_info("messages of the kernel about disks were lost; looking "
					 "at all");
			h->changes.all = true;
		} else if (rc < 0) {
			log_warn("the kernel's messages about disks cannot be read: %s",
				 strerror(-rc));
			loop_remove_io(h->io);
			h->io = NULL;
			h->changes.all = true;
		} else {
			remember(&h->changes, &event);
		}
		start_settling(h);
		if (!h->io)
			return;
	}
}

static void on_file_changed(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	start_settling(arg);
}

/* Where that is not possible, a rescan shows what uses a disk. */
static void watch_file(struct hotplug *h, const char *root, size_t i)
{
	struct watch *watch = &h->watches[i];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, watched_files[i]);
	watch->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (watch->fd >= 0 &&
	    loop_add_io(h->loop, watch->fd, POLLPRI, on_file_changed, h, &watch->io) < 0) {
		close(watch->fd);
		watch->fd = -1;
	}
}

int hotplug_create(struct loop *loop, const char *root, int fd, hotplug_fn fn, void *ctx,
		   struct hotplug **ret_hotplug)
{
	struct hotplug *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct hotplug){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx, .settle_ms = SETTLE_MS};
	if (loop_add_io(loop, fd, POLLIN, on_message, h, &h->io) < 0) {
		free(h);
		return -ENOMEM;
	}
	for (size_t i = 0; i < WATCHED; i++)
		watch_file(h, root, i);
	*ret_hotplug = h;
	return 0;
}

void hotplug_destroy(struct hotplug *hotplug)
{
	if (!hotplug)
		return;
	for (size_t i = 0; i < WATCHED; i++) {
		loop_remove_io(hotplug->watches[i].io);
		if (hotplug->watches[i].fd >= 0)
			close(hotplug->watches[i].fd);
	}
	loop_remove_io(hotplug->io);
	loop_remove_timer(hotplug->timer);
	free(hotplug);
}

bool hotplug_is_live(const struct hotplug *hotplug)
{
	return hotplug->io != NULL;
}
