/* See daemon/autoboot.h. */
#include "autoboot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"
#include "vmm_proto.h"

#define TICK_MS	   1000
#define SUCCESS_MS (5 * 60 * 1000) /* of any running */
#define SETTLE_MS  (30 * 1000)	   /* of an operating system */
/* Before another start after one that failed, however short the countdown is. */
#define RETRY_SECONDS 5
/* For an operator who wants to see the menu again, and for the settings on a disk that the guest had. */
#define POWER_SECONDS 5

struct autoboot {
	struct loop *loop;
	struct entries *entries;
	struct settings *settings;
	const struct autoboot_events *events;
	void *ctx;
	enum menu_countdown_state state;
	uint32_t left; /* seconds, while RUNNING */
	bool retrying; /* after a failure: never at once */
	bool waiting;  /* it is time, and a disk may still appear */
	bool over;     /* cancelled, or an operator took over */
	uint64_t rearm_at_ms;
	struct loop_timer *timer; /* of the countdown, or of its pause */
	uint32_t power; /* enum menu_power: what is counted down to instead of a start; 0: none */
	char text[MENU_TEXT_SIZE];
	char title[64]; /* of the guest that has switched itself off */
	/* the machine that runs */
	char vm_id[MENU_ID_SIZE];
	bool vm_alive, vm_by_itself, vm_succeeded;
	bool vm_well; /* its operating system runs */
	struct loop_timer *success_timer;
};

static void on_tick(void *arg);

int autoboot_create(struct loop *loop, struct entries *entries, struct settings *settings,
		    const struct autoboot_events *events, void *ctx, struct autoboot **ret_autoboot)
{
	struct autoboot *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct autoboot){.loop = loop,
			       .entries = entries,
			       .settings = settings,
			       .events = events,
			       .ctx = ctx};
	*ret_autoboot = a;
	return 0;
}

void autoboot_destroy(struct autoboot *a)
{
	if (!a)
		return;
	loop_remove_timer(a->timer);
	loop_remove_timer(a->success_timer);
	free(a);
}

static void changed(struct autoboot *a)
{
	a->events->changed(a->ctx);
}

static void stop_timer(struct autoboot *a)
{
	loop_remove_timer(a->timer);
	a->timer = NULL;
}

static void turn_off(struct autoboot *a, const char *text)
{
	stop_timer(a);
	a->state = MENU_COUNTDOWN_OFF;
	a->waiting = false;
	a->power = 0;
	text_copy(a->text, sizeof(a->text), text ? text : "");
	changed(a);
}

static void tick_in(struct autoboot *a, uint64_t ms)
{
	stop_timer(a);
	if (loop_add_timer(a->loop, ms, on_tick, a, &a->timer) < 0)
		turn_off(a, "Not enough memory for the countdown.");
}

/* Counts down for what is next, or says why nothing is. */
static void count_down(struct autoboot *a)
{
	int32_t timeout = settings_timeout(a->settings);
	char reason[MENU_TEXT_SIZE];

	if (a->over || a->vm_alive)
		return;
	if (!entries_next(a->entries, reason)) {
		if (reason[0])
			log_warn("%s", reason);
		turn_off(a, reason);
		return;
	}
	if (timeout < 0) {
		turn_off(a, NULL);
		return;
	}
	a->left = (uint32_t)timeout;
	if (a->retrying && a->left < RETRY_SECONDS)
		a->left = RETRY_SECONDS;
	a->state = MENU_COUNTDOWN_RUNNING;
	a->waiting = false;
	a->text[0] = '\0';
	tick_in(a, a->left == 0 ? 0 : TICK_MS);
	changed(a);
}

/* ---- starting ---- */

/* Counts and starts entry ID. 0, or -errno with the sentence. */
static int start_counted(struct autoboot *a, const char *id, struct vmb_err *err)
{
	struct vmb_err kept = {0};
	int rc = entries_count_start(a->entries, id, &kept);

	if (rc != 0)
		log_warn("the start of %s is not counted on the disk: %s", id, kept.text);
	rc = a->events->start(a->ctx, id, err);
	if (rc < 0)
		log_warn("%s did not start by itself: %s", id, err->text);
	return rc;
}

/* What cannot be started is left out until the daemon starts again: the next one has its turn. */
static void start_next(struct autoboot *a)
{
	char id[MENU_ID_SIZE], text[MENU_TEXT_SIZE];
	const struct menu_entry *next;
	struct vmb_err err = {0};

	a->waiting = false;
	while ((next = entries_next(a->entries, text)) != NULL) {
		if (next->problem[0] && a->events->scanning(a->ctx)) {
			a->waiting = true;
			changed(a);
			return;
		}
		text_copy(id, sizeof(id), next->id);
		if (start_counted(a, id, &err) == 0)
			return;
		entries_skip(a->entries, id);
	}
	if (err.code)
		snprintf(text, sizeof(text), "%s did not start by itself: %.380s", id, err.text);
	turn_off(a, text);
}

static void on_tick(void *arg)
{
	struct autoboot *a = arg;

	a->timer = NULL;
	if (a->state == MENU_COUNTDOWN_PAUSED) {
		count_down(a);
		return;
	}
	if (a->left > 0)
		a->left--;
	if (a->left > 0) {
		tick_in(a, TICK_MS);
		changed(a);
	} else if (a->power) {
		uint32_t how = a->power;

		turn_off(a, NULL);
		a->events->power(a->ctx, how);
	} else {
		start_next(a);
	}
}

/* ---- what others tell ---- */

void autoboot_begin(struct autoboot *a)
{
	if (a->state == MENU_COUNTDOWN_OFF)
		count_down(a);
}

void autoboot_entries_changed(struct autoboot *a)
{
	char reason[MENU_TEXT_SIZE];

	if (a->state == MENU_COUNTDOWN_OFF || a->power)
		return;
	if (!entries_next(a->entries, reason))
		turn_off(a, reason);
	else if (a->waiting)
		start_next(a);
	else
		changed(a); /* the title may be another one */
}

void autoboot_pause(struct autoboot *a)
{
	uint32_t rearm = settings_get(a->settings)->values.rearm_s;
	bool was_running = a->state == MENU_COUNTDOWN_RUNNING;

	if (a->state == MENU_COUNTDOWN_OFF)
		return;
	if (a->power) {
		log_info("a key was pressed: the machine stays on");
		turn_off(a, NULL);
		return;
	}
	stop_timer(a);
	a->state = MENU_COUNTDOWN_PAUSED;
	a->waiting = false;
	a->rearm_at_ms = rearm ? loop_now_ms() + rearm * 1000ULL : 0;
	if (rearm)
		tick_in(a, rearm * 1000ULL);
	/* Each menu shows when it goes on, which each key puts off. */
	if (was_running || rearm)
		changed(a);
}

void autoboot_cancel(struct autoboot *a, const char *text)
{
	a->over = true;
	turn_off(a, text);
}

static void succeed(struct autoboot *a)
{
	struct vmb_err err = {0};

	if (!a->vm_alive || a->vm_succeeded)
		return;
	a->vm_succeeded = true;
	loop_remove_timer(a->success_timer);
	a->success_timer = NULL;
	if (a->vm_id[0] && entries_count_success(a->entries, a->vm_id, &err) != 0)
		log_info("that %s started well is written later: %s", a->vm_id, err.text);
}

static void on_success_timer(void *arg)
{
	struct autoboot *a = arg;

	a->success_timer = NULL;
	succeed(a);
}

static void succeed_in(struct autoboot *a, uint64_t ms)
{
	loop_remove_timer(a->success_timer);
	a->success_timer = NULL;
	loop_add_timer(a->loop, ms, on_success_timer, a, &a->success_timer);
}

void autoboot_vm_started(struct autoboot *a, const char *id, bool by_itself)
{
	text_copy(a->vm_id, sizeof(a->vm_id), id);
	a->vm_alive = true;
	a->vm_by_itself = by_itself;
	a->vm_succeeded = a->vm_well = false;
	/* An operator who starts something has taken over. */
	a->over = a->over || !by_itself;
	succeed_in(a, SUCCESS_MS);
	turn_off(a, NULL);
}

void autoboot_vm_progress(struct autoboot *a, uint32_t stage, bool panicked)
{
	bool well = stage == VMM_STAGE_OS && !panicked;

	if (!a->vm_alive || a->vm_succeeded || well == a->vm_well)
		return;
	a->vm_well = well;
	succeed_in(a, well ? SETTLE_MS : SUCCESS_MS);
}

void autoboot_vm_ended(struct autoboot *a, uint32_t reason)
{
	const struct menu_entry *entry;
	bool failed;

	if (!a->vm_alive)
		return;
	if (reason == VMM_EXIT_POWER_OFF)
		succeed(a);
	loop_remove_timer(a->success_timer);
	a->success_timer = NULL;
	a->vm_alive = false;
	/* Somebody who ends it wants no other one. */
	failed = !a->vm_succeeded && reason != VMM_EXIT_STOPPED;
	if (!a->vm_by_itself || !failed)
		return;
	entry = entries_find(a->entries, a->vm_id);
	log_warn("%s failed%s", a->vm_id, entry && entry->tries ? "; the next start follows" : "");
	/* Without a limit of tries it is not repeated: nobody said how often. */
	if (entry && entry->tries == 0 && entries_next(a->entries, NULL) == entry)
		return;
	a->retrying = true;
	count_down(a);
}

void autoboot_follow(struct autoboot *a, uint32_t how, const char *title)
{
	text_copy(a->title, sizeof(a->title), title);
	a->power = how;
	a->left = POWER_SECONDS;
	a->state = MENU_COUNTDOWN_RUNNING;
	a->text[0] = '\0';
	tick_in(a, TICK_MS);
	changed(a);
}

/* NEXT has a problem: says so, and names what starts instead, while there is time to do something about it. */
static void describe_problem(const struct autoboot *a, const struct menu_entry *next,
			     struct menu_countdown *ret)
{
	const struct menu_entry *able = entries_next_able(a->entries);

	snprintf(ret->text, sizeof(ret->text), "%s cannot start: %.380s", next->config.title,
		 next->problem);
	text_drop_full_stop(ret->text);
	if (!able)
		return;
	text_copy(ret->id, sizeof(ret->id), able->id);
	text_copy(ret->title, sizeof(ret->title), able->config.title);
}

void autoboot_describe(const struct autoboot *a, struct menu_countdown *ret)
{
	const struct menu_entry *next = entries_next(a->entries, NULL);
	uint64_t now = loop_now_ms();

	*ret = (struct menu_countdown){.state = a->state};
	text_copy(ret->text, sizeof(ret->text), a->text);
	if (a->power) {
		ret->power = a->power;
		ret->seconds = a->left;
		text_copy(ret->title, sizeof(ret->title), a->title);
		return;
	}
	if (a->state == MENU_COUNTDOWN_OFF || !next)
		return;
	text_copy(ret->id, sizeof(ret->id), next->id);
	text_copy(ret->title, sizeof(ret->title), next->config.title);
	if (a->state == MENU_COUNTDOWN_RUNNING)
		ret->seconds = a->left;
	else if (a->rearm_at_ms > now)
		ret->seconds = (uint32_t)((a->rearm_at_ms - now + 999) / 1000);
	if (a->waiting)
		text_copy(ret->text, sizeof(ret->text),
			  "waiting for a disk while the others are looked at");
	else if (next->problem[0] && !a->events->scanning(a->ctx))
		describe_problem(a, next, ret);
}
