/*
 * What starts without an operator: the countdown, its pause, and what comes after a start that failed. One for
 * all menus, and also when there is none.
 *
 * A start counts as failed until the guest has run its operating system for half a minute without a panic or a
 * reset, switched itself off, or ran for five minutes; so a power cut while it boots is a failed one.
 */
#ifndef VMB_DAEMON_AUTOBOOT_H
#define VMB_DAEMON_AUTOBOOT_H

#include <stdbool.h>

#include "entries.h"
#include "err.h"
#include "loop.h"
#include "menu_proto.h"
#include "settings.h"

struct autoboot;

struct autoboot_events {
	void (*changed)(void *ctx); /* autoboot_describe() says something new */
	/* Starts entry ID, which was counted. 0, or -errno with the sentence. */
	int (*start)(void *ctx, const char *id, struct vmb_err *err);
	/* Switches the machine off or restarts it: enum menu_power. */
	void (*power)(void *ctx, uint32_t how);
	/* Are there disks that are not known yet? */
	bool (*scanning)(void *ctx);
};

/* All borrowed. 0 or -ENOMEM. */
int autoboot_create(struct loop *loop, struct entries *entries, struct settings *settings,
		    const struct autoboot_events *events, void *ctx,
		    struct autoboot **ret_autoboot);
void autoboot_destroy(struct autoboot *autoboot); /* NULL is fine */

/* The settings are there: the countdown begins, when there is something to start. */
void autoboot_begin(struct autoboot *autoboot);

/* Entries or disks changed. */
void autoboot_entries_changed(struct autoboot *autoboot);

/* A key was pressed: waits; the countdown begins anew after the time without a key that is set. */
void autoboot_pause(struct autoboot *autoboot);
/* No countdown any more; TEXT (may be NULL) says why. */
void autoboot_cancel(struct autoboot *autoboot, const char *text);

/* A machine started: ID is its entry or empty, BY_ITSELF whether start() was called for it. */
void autoboot_vm_started(struct autoboot *autoboot, const char *id, bool by_itself);
/*
 * The guest TITLE has switched itself off and the machine is to follow: HOW (enum menu_power). Counts down, in
 * every menu, for power(); a key keeps the machine on.
 */
void autoboot_follow(struct autoboot *autoboot, uint32_t how, const char *title);
/* How far it has come: enum vmm_stage, and whether its kernel panicked. */
void autoboot_vm_progress(struct autoboot *autoboot, uint32_t stage, bool panicked);
/* It ended: REASON as in struct menu_vm. After a failure of what started by itself the next one is tried. */
void autoboot_vm_ended(struct autoboot *autoboot, uint32_t reason);

/* What menus show of it; the seconds are those left now. */
void autoboot_describe(const struct autoboot *autoboot, struct menu_countdown *ret_countdown);

#endif
