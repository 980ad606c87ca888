/* See init/buttons.h. */
#include "buttons.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"

#define MAX_BUTTONS 16
#define BITS_SIZE   (KEY_CNT / 8)

struct button {
	struct buttons *all;
	int fd; /* -1: free */
	struct loop_io *io;
	char name[32];
};

struct buttons {
	struct loop *loop;
	const char *root;
	void (*pressed)(void *ctx);
	void *ctx;
	struct button table[MAX_BUTTONS];
};

int buttons_create(struct loop *loop, const char *root, void (*pressed)(void *ctx), void *ctx,
		   struct buttons **ret_buttons)
{
	struct buttons *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->loop = loop;
	b->root = root;
	b->pressed = pressed;
	b->ctx = ctx;
	for (unsigned int i = 0; i < MAX_BUTTONS; i++)
		b->table[i] = (struct button){.all = b, .fd = -1};
	*ret_buttons = b;
	return 0;
}

static void drop(struct button *button)
{
	loop_remove_io(button->io);
	close(button->fd);
	button->io = NULL;
	button->fd = -1;
}

static void on_event(void *arg, int fd, short revents)
{
	struct button *button = arg;
	struct buttons *b = button->all;
	struct input_event event;
	ssize_t n;

	(void)revents;
	while ((n = read(fd, &event, sizeof(event))) == (ssize_t)sizeof(event))
		if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
			b->pressed(b->ctx);
	/* Unplugged. */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(button);
}

static void set_bit(uint8_t *bits, unsigned int bit)
{
	bits[bit / 8] |= (uint8_t)(1u << bit % 8);
}

/* A keyboard with such a key must not wake us for each letter. */
static void only_power_key(int fd)
{
	uint8_t keys[BITS_SIZE] = {0}, none[BITS_SIZE] = {0};
	struct input_mask mask = {.type = EV_KEY, .codes_size = sizeof(keys)};

	set_bit(keys, KEY_POWER);
	mask.codes_ptr = (uintptr_t)keys;
	ioctl(fd, EVIOCSMASK, &mask);
	mask.type = EV_MSC;
	mask.codes_ptr = (uintptr_t)none;
	ioctl(fd, EVIOCSMASK, &mask);
}

static void take(struct buttons *b, const char *name)
{
	uint8_t keys[BITS_SIZE] = {0};
	struct button *button = NULL;
	char path[256];
	int fd;

	for (unsigned int i = 0; i < MAX_BUTTONS; i++) {
		if (b->table[i].fd >= 0 && strcmp(b->table[i].name, name) == 0)
			return;
		if (b->table[i].fd < 0 && !button)
			button = &b->table[i];
	}
	snprintf(path, sizeof(path), "%s/dev/input/%.31s", b->root, name);
	fd = button ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) < 0 ||
	    !(keys[KEY_POWER / 8] >> KEY_POWER % 8 & 1) ||
	    loop_add_io(b->loop, fd, POLLIN, on_event, button, &button->io) < 0) {
		close(fd);
		return;
	}
	only_power_key(fd);
	button->fd = fd;
	snprintf(button->name, sizeof(button->name), "%.31s", name);
	log_info("power button: %s", path);
}

void buttons_look(struct buttons *b)
{
	char path[256];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/dev/input", b->root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, "event", 5) == 0)
			take(b, entry->d_name);
	if (dir)
		closedir(dir);
}
