/*
 * The debug console of DEBUG firmware builds, port 0x402: reading gives 0xE9 ("I am here"), written
 * bytes are text. Each line goes to the log, escaped. A guest may write for ever, so lines are paid
 * from a bucket that a whole verbose boot fits in and that fills again slowly.
 *
 * Not here: release builds, which never touch the port.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

#define DEBUGCON_PRESENT    0xE9
#define DEBUGCON_LINE	    160
#define DEBUGCON_BURST	    20000 /* lines */
#define DEBUGCON_PER_SECOND 2

struct debugcon {
	pthread_mutex_t lock; /* everything below */
	unsigned int used;
	char line[DEBUGCON_LINE];
	unsigned int credit; /* lines that may still be logged */
	uint64_t dropped;
	time_t filled; /* when CREDIT was last raised, CLOCK_MONOTONIC */
};

/* 1 if a line may be logged. Lock held. */
static int debugcon_pay(struct debugcon *con)
{
	struct timespec now;
	uint64_t earned;

	clock_gettime(CLOCK_MONOTONIC, &now);
	earned = (uint64_t)(now.tv_sec - con->filled) * DEBUGCON_PER_SECOND;
	con->filled = now.tv_sec;
	con->credit = earned > DEBUGCON_BURST - con->credit ? DEBUGCON_BURST
							    : con->credit + (unsigned int)earned;
	if (!con->credit) {
		con->dropped++;
		return 0;
	}
	con->credit--;
	return 1;
}

static void debugcon_flush(struct debugcon *con)
{
	char text[4 * DEBUGCON_LINE + 1];

	if (!con->used)
		return;
	if (debugcon_pay(con)) {
		if (con->dropped)
			log_warn("firmware: %llu lines left out, it wrote too many",
				 (unsigned long long)con->dropped);
		con->dropped = 0;
		log_info("firmware: %s", text_escape(text, sizeof(text), con->line, con->used));
	}
	con->used = 0;
}

static uint64_t debugcon_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)size;
	return offset == 0 ? DEBUGCON_PRESENT : ~0ULL;
}

/* OUTSB on the firmware's side; a wide access is taken byte by byte. */
static void debugcon_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct debugcon *con = dev;
	unsigned int i;

	(void)offset;
	pthread_mutex_lock(&con->lock);
	for (i = 0; i < size; i++, value >>= 8) {
		char c = (char)value;

		if (c == '\n' || con->used == sizeof(con->line))
			debugcon_flush(con);
		if (c != '\n' && c != '\r')
			con->line[con->used++] = c;
	}
	pthread_mutex_unlock(&con->lock);
}

const struct bus_ops debugcon_bus_ops = {
	.read = debugcon_read,
	.write = debugcon_write,
};

int debugcon_create(struct debugcon **ret_debugcon)
{
	struct debugcon *con = calloc(1, sizeof(*con));
	struct timespec now;

	if (!con)
		return -ENOMEM;
	pthread_mutex_init(&con->lock, NULL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	con->filled = now.tv_sec;
	con->credit = DEBUGCON_BURST;
	*ret_debugcon = con;
	return 0;
}

void debugcon_destroy(struct debugcon *con)
{
	if (!con)
		return;
	debugcon_flush(con);
	pthread_mutex_destroy(&con->lock);
	free(con);
}
