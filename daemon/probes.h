/*
 * Probe processes on the daemon's loop: one is started, what it says is checked and handed on, and
 * it is killed when it takes too long. One that cannot be killed (a disk that never answers holds it in the
 * kernel) is kept on a list and nobody waits for it.
 */
#ifndef VMB_DAEMON_PROBES_H
#define VMB_DAEMON_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "storage.h"

struct probe;
struct probe_pool;

enum probe_kind {
	PROBE_OF_DEVICE, /* the target is its path */
	PROBE_OF_IMAGES, /* the target is a directory */
	PROBE_OF_SYSTEM, /* no target: "" */
};

struct probe_events {
	/* Lengths and terminations were checked; the texts are raw. */
	void (*identity)(void *ctx, const struct storage_identity *identity);
	void (*system)(void *ctx, const struct storage_system *system);
	void (*image)(void *ctx, const struct storage_image *image);
	void (*firmware)(void *ctx, const struct storage_firmware *firmware);
	void (*health)(void *ctx, const struct storage_health *health);
	/* The end: CODE 0 or a positive errno; TEXT is a sentence or "". The probe is gone after that. */
	void (*done)(void *ctx, int code, const char *text);
};

/* REAPED(CTX) is called whenever a process was collected, so another may have room. 0 or -ENOMEM. */
int probe_pool_create(struct loop *loop, void (*reaped)(void *ctx), void *ctx,
		      struct probe_pool **ret_pool);
/* Kills them all, waits for each a moment. NULL is fine. */
void probe_pool_destroy(struct probe_pool *pool);

/*
 * Starts a probe of TARGET that has DEADLINE_MS. EVENTS is borrowed. 0 or -errno with the sentence.
 */
int probe_start(struct probe_pool *pool, enum probe_kind kind, const char *target,
		uint32_t deadline_ms, const struct probe_events *events, void *ctx,
		struct probe **ret_probe, struct vmb_err *err);

/* Kills it; none of its events is called any more. */
void probe_abandon(struct probe *probe);

/* Is there still a process at work on TARGET, an abandoned one included? */
bool probe_pool_busy(const struct probe_pool *pool, enum probe_kind kind, const char *target);

/* Waits up to MSEC in all for abandoned and finished processes to be gone. */
void probe_pool_settle(struct probe_pool *pool, int msec);

#endif
