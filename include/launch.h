/*
 * The launcher: everything about a VM that needs paths and rights. It opens and locks what a
 * vm_config names, spawns the vmm process (the same binary, role "vmm") with the descriptors, and
 * keeps the variable file. Used by the daemon and by `vmboot run`; lives in one struct loop.
 */
#ifndef VMB_INCLUDE_LAUNCH_H
#define VMB_INCLUDE_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "trust.h"
#include "vm_config.h"
#include "vmm_proto.h"

struct launch;
struct vars_place; /* daemon/vars_place.h */

#define LAUNCH_MAX_KEYS 8

enum launch_policy {
	LAUNCH_TRUST_OFF,
	LAUNCH_TRUST_WARN,    /* what is not signed starts, and ended() and the log say so */
	LAUNCH_TRUST_REQUIRE, /* it does not start */
};

/* Firmware, kernel and initrd are to be signed (FILE.minisig or FILE.sig beside them) by one of KEYS. */
struct launch_trust {
	enum launch_policy policy;
	unsigned int count;
	struct trust_key keys[LAUNCH_MAX_KEYS];
};

struct launch_events {
	void (*started)(void *ctx);
	void (*was_reset)(void *ctx);
	/* The guest stands still, or goes on (PAUSED false). */
	void (*paused)(void *ctx, bool paused);
	/* enum vmm_stage: how far the guest has come; after each start and reset, then as it comes. */
	void (*progress)(void *ctx, uint32_t stage);
	/* enum vmm_guest_event: the guest panicked, or its watchdog resets it. */
	void (*guest_event)(void *ctx, uint32_t event);
	/* Answers launch_get_status(); every number in it is checked against the configuration. */
	void (*status)(void *ctx, const struct vmm_status *status);
	/* Bytes from the guest's serial console, as they came. */
	void (*console)(void *ctx, const uint8_t *buf, size_t n);
	/* There is room again after launch_input() took less than it was given. */
	void (*input_ready)(void *ctx);
	/*
	 * The VM ended and its process is reaped; the variable file has been written. REASON 0 in EXITED: the process
	 * died without a word, TEXT says by which signal. WARNING is NULL or a sentence (variables not saved, a PCI
	 * device not given back, because ...). The launch is destroyed by the callee with launch_destroy(), now or
	 * later.
	 */
	void (*ended)(void *ctx, const struct vmm_exited *exited, const char *warning);
};

/*
 * Starts CONFIG's VM. TRUST (NULL: off) is copied; what is verified is the sealed memory that boots. Its variables are
 * those at PLACE (copied; NULL, or without a name: in CONFIG's file). 0, or -errno with the sentence in ERR: what is
 * missing, in use, damaged, too big. Nothing is left open or running on failure. EVENTS and CTX are borrowed until
 * launch_destroy().
 */
int launch_start(struct loop *loop, const struct vm_config *config,
		 const struct vars_place *place, const struct launch_trust *trust,
		 const struct launch_events *events, void *ctx, struct launch **ret_launch,
		 struct vmb_err *err);

/* Bytes for the guest's serial console; returns how many were taken (the rest when input_ready()). */
size_t launch_input(struct launch *launch, const uint8_t *buf, size_t n);

/*
 * Orders to the vmm. None waits: what comes of them is told by an event. One that comes before started() or after the end
 * has no effect.
 */
void launch_reset(struct launch *launch);
void launch_power_button(struct launch *launch);
void launch_break(struct launch *launch); /* on the guest's serial line */
/* paused() follows, also when nothing changes. A reset while paused leaves it paused. */
void launch_pause(struct launch *launch);
void launch_resume(struct launch *launch);
/* Plugs the cable of network card NET in, or pulls it out. */
void launch_set_link(struct launch *launch, unsigned int net, bool up);
/* status() follows, if the vmm runs and answers. */
void launch_get_status(struct launch *launch);
/* Disk number DISK of the configuration may have become bigger; launch_get_status() tells its size. */
void launch_grow_disk(struct launch *launch, uint32_t disk);
/* The guest is asked to give back so many bytes of its memory; launch_get_status() tells what came of it. */
void launch_set_balloon(struct launch *launch, uint64_t bytes);

/*
 * The raw log of the guest's console: one that reached launch_log_max() bytes stops, so that a guest cannot fill
 * the disk. launch_log_pause() lets bytes pass it by, or no longer.
 */
enum launch_log { LAUNCH_LOG_NONE, LAUNCH_LOG_ON, LAUNCH_LOG_PAUSED, LAUNCH_LOG_FULL };
enum launch_log launch_log_state(const struct launch *launch);
uint64_t launch_log_max(const struct launch *launch);
void launch_log_pause(struct launch *launch, bool pause);

/* Asks the vmm to end; kills it when it has not within two seconds. ended() follows. */
void launch_stop(struct launch *launch);

/* Kills the vmm if it still runs (variables are saved all the same), closes everything. NULL is fine. */
void launch_destroy(struct launch *launch);

#endif
