/*
 * A running VM: the vmm's messages, the guest's serial console in both directions, the raw log.
 * What comes from the vmm is checked: it runs a guest that may have taken it over.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launch_internal.h"
#include "log.h"
#include "proto.h"
#include "text.h"

#define CONSOLE_CHUNK	16384
#define MESSAGES_A_TURN 8

void launch_warn(struct launch *launch, const char *text)
{
	log_warn("%s", text);
	if (!launch->warning[0])
		text_copy(launch->warning, sizeof(launch->warning), text);
}

enum launch_log launch_log_state(const struct launch *launch)
{
	if (launch->log < 0)
		return LAUNCH_LOG_NONE;
	if (launch->log_bytes >= launch->log_max)
		return LAUNCH_LOG_FULL;
	return launch->log_paused ? LAUNCH_LOG_PAUSED : LAUNCH_LOG_ON;
}

uint64_t launch_log_max(const struct launch *launch)
{
	return launch->log_max;
}

void launch_log_pause(struct launch *launch, bool pause)
{
	launch->log_paused = pause;
}

static void write_log(struct launch *launch, const uint8_t *buf, size_t n)
{
	if (launch->log_paused)
		return;
	if (n > launch->log_max - launch->log_bytes)
		n = (size_t)(launch->log_max - launch->log_bytes);
	while (launch->log >= 0 && n > 0) {
		ssize_t put = write(launch->log, buf, n);
		char text[480];

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EAGAIN)
			return; /* a terminal that is stopped loses bytes, the guest no time */
		if (put < 0) {
			snprintf(text, sizeof(text), "The console's log %s ended early: %s.",
				 launch->config.log_path, strerror(errno));
			launch_warn(launch, text);
			close(launch->log);
			launch->log = -1;
			return;
		}
		buf += put;
		n -= (size_t)put;
		launch->log_bytes += (uint64_t)put;
	}
}

/* Reads one chunk. 1 if there may be more, 0 if not now, or -EPIPE at its end. */
static int read_console(struct launch *launch)
{
	uint8_t buf[CONSOLE_CHUNK];
	ssize_t n = read(launch->console, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR ? 1 : errno == EAGAIN ? 0 : -EPIPE;
	if (n == 0)
		return -EPIPE;
	write_log(launch, buf, (size_t)n);
	if (launch->events->console)
		launch->events->console(launch->ctx, buf, (size_t)n);
	return 1;
}

static void end_console(struct launch *launch)
{
	loop_remove_io(launch->console_io);
	launch->console_io = NULL;
	launch->console_ended = true;
}

static void on_console(void *arg, int fd, short revents)
{
	struct launch *launch = arg;

	(void)fd;
	if (revents & (POLLIN | POLLHUP | POLLERR) && read_console(launch) == -EPIPE) {
		end_console(launch);
		return;
	}
	if (revents & POLLOUT) {
		loop_set_events(launch->console_io, POLLIN);
		if (launch->input_blocked) {
			launch->input_blocked = false;
			if (launch->events->input_ready)
				launch->events->input_ready(launch->ctx);
		}
	}
}

size_t launch_input(struct launch *launch, const uint8_t *buf, size_t n)
{
	size_t taken = 0;

	if (launch->phase != LAUNCH_RUNNING || launch->console_ended)
		return n; /* nobody is there to read it, now or later */
	while (taken < n) {
		ssize_t put = send(launch->console, buf + taken, n - taken, MSG_NOSIGNAL);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno != EAGAIN)
			return n;
		if (put < 0) {
			launch->input_blocked = true;
			loop_set_events(launch->console_io, POLLIN | POLLOUT);
			break;
		}
		taken += (size_t)put;
	}
	return taken;
}

static void save_good_vars(struct launch *launch)
{
	struct vmb_err err = {0};

	launch->vars_due = false;
	launch->vars_rest = true;
	/* Not the end yet: what fails now is tried again then, and told then. */
	if (vars_file_save(&launch->vars, launch->variables, VARS_GOOD, &err) < 0)
		log_warn("%s", err.text);
}

/* A guest that does nothing but change them and reset neither wears the disk out nor keeps us from everybody else. */
static void on_vars_changed(struct launch *launch)
{
	if (launch->vars_rest && launch->vars_timer)
		launch->vars_due = true;
	else
		save_good_vars(launch);
}

static void on_vars_timer(void *arg)
{
	struct launch *launch = arg;
	struct vmb_err err = {0};

	launch->vars_timer = NULL;
	launch->vars_rest = false;
	if (launch->vars_due)
		save_good_vars(launch);
	else if (vars_file_save_quiet(&launch->vars, launch->variables, &err) < 0)
		log_warn("%s", err.text);
	launch_watch_vars(launch);
}

void launch_watch_vars(struct launch *launch)
{
	if (launch->variables < 0 || !launch->vars.path[0])
		return;
	if (loop_add_timer(launch->loop, LAUNCH_VARS_MS, on_vars_timer, launch,
			   &launch->vars_timer) < 0)
		log_warn("not enough memory: UEFI variables are written at the guest's reset and "
			 "end only");
}

static void on_exited(struct launch *launch, const struct vmm_exited *exited)
{
	struct vmm_exited safe = *exited;

	if (safe.reason < VMM_EXIT_POWER_OFF || safe.reason > VMM_EXIT_ERROR)
		safe.reason = VMM_EXIT_ERROR;
	text_escape(safe.text, sizeof(safe.text), exited->text,
		    strnlen(exited->text, sizeof(exited->text)));
	launch->exited = safe;
	/* It said its last word; now it has to go. */
	launch_kill_later(launch, LAUNCH_STOP_MS);
}

static void on_bad_message(struct launch *launch)
{
	struct vmm_exited bad = {.reason = VMM_EXIT_ERROR};

	snprintf(bad.text, sizeof(bad.text),
		 "The virtual machine's process sent a message that makes "
		 "no sense and was ended; its guest may have attacked it.");
	loop_remove_io(launch->control_io);
	launch->control_io = NULL;
	if (launch->exited.reason == 0)
		launch->exited = bad;
	child_kill(&launch->child);
}

static bool is_plausible(const struct launch *launch, const struct vmm_status *status)
{
	return status->cpu_count == launch->config.cpus &&
	       status->disk_count == launch->config.disk_count &&
	       status->net_count == launch->config.net_count && status->paused <= 1 &&
	       status->balloon.driven <= 1 &&
	       memchr(status->engine, '\0', sizeof(status->engine)) &&
	       strspn(status->engine, "abcdefghijklmnopqrstuvwxyz_") == strlen(status->engine);
}

/* Handles one message. 1 if there may be more, 0 if not. */
static int read_control(struct launch *launch)
{
	union {
		struct vmm_exited exited;
		struct vmm_status status;
		uint32_t number;
	} body;
	uint32_t type;
	int n = proto_recv(launch->control, &type, &body, sizeof(body), NULL, 0, NULL);

	if (n == -EAGAIN)
		return 0;
	if (n == -EPIPE) {
		/* The process ends, or closed its last means of saying so. */
		loop_remove_io(launch->control_io);
		launch->control_io = NULL;
		launch_kill_later(launch, LAUNCH_STOP_MS);
		return 0;
	}
	if (n == 0 && type == VMM_STARTED) {
		if (launch->events->started)
			launch->events->started(launch->ctx);
	} else if (n == 0 && type == VMM_WAS_RESET) {
		if (launch->events->was_reset)
			launch->events->was_reset(launch->ctx);
	} else if (n == 0 && (type == VMM_PAUSED || type == VMM_RESUMED)) {
		if (launch->events->paused)
			launch->events->paused(launch->ctx, type == VMM_PAUSED);
	} else if (n == 0 && type == VMM_VARS_CHANGED) {
		on_vars_changed(launch);
	} else if (n == (int)sizeof(body.number) && type == VMM_PROGRESS &&
		   vmm_stage_name(body.number)[0]) {
		if (launch->events->progress)
			launch->events->progress(launch->ctx, body.number);
	} else if (n == (int)sizeof(body.number) && type == VMM_GUEST_EVENT &&
		   vmm_guest_event_text(body.number)[0]) {
		if (launch->events->guest_event)
			launch->events->guest_event(launch->ctx, body.number);
	} else if (n == (int)sizeof(body.status) && type == VMM_STATUS &&
		   is_plausible(launch, &body.status)) {
		if (launch->events->status)
			launch->events->status(launch->ctx, &body.status);
	} else if (n == (int)sizeof(body.exited) && type == VMM_EXITED) {
		on_exited(launch, &body.exited);
	} else {
		on_bad_message(launch);
		return 0;
	}
	return 1;
}

static void on_control(void *arg, int fd, short revents)
{
	struct launch *launch = arg;

	(void)fd;
	(void)revents;
	for (int i = 0; i < MESSAGES_A_TURN && launch->control_io && read_control(launch) > 0; i++)
		;
}

int launch_watch_vmm(struct launch *launch)
{
	int rc = loop_add_io(launch->loop, launch->child.pidfd, POLLIN, launch_on_child, launch,
			     &launch->child_io);

	if (rc == 0)
		rc = loop_add_io(launch->loop, launch->control, POLLIN, on_control, launch,
				 &launch->control_io);
	if (rc == 0)
		rc = loop_add_io(launch->loop, launch->console, POLLIN, on_console, launch,
				 &launch->console_io);
	return rc;
}

void launch_drain(struct launch *launch)
{
	/* A dead process adds nothing, and the sockets' buffers are small: this ends. */
	while (launch->control_io && read_control(launch) > 0)
		;
	while (launch->console_io && read_console(launch) > 0)
		;
}

/* ---- what the vmm is told while it runs ---- */

void launch_tell(struct launch *launch, uint32_t type, const void *body, size_t size)
{
	if (launch->phase != LAUNCH_RUNNING || !launch->control_io)
		return;
	if (proto_send(launch->control, type, body, size, NULL, 0) < 0)
		log_warn("the virtual machine's process does not take message %u", type);
}

void launch_reset(struct launch *launch)
{
	launch_tell(launch, VMM_RESET, NULL, 0);
}

void launch_break(struct launch *launch)
{
	launch_tell(launch, VMM_BREAK, NULL, 0);
}

void launch_power_button(struct launch *launch)
{
	launch_tell(launch, VMM_POWER_BUTTON, NULL, 0);
}

void launch_pause(struct launch *launch)
{
	launch_tell(launch, VMM_PAUSE, NULL, 0);
}

void launch_resume(struct launch *launch)
{
	launch_tell(launch, VMM_RESUME, NULL, 0);
}

void launch_set_link(struct launch *launch, unsigned int net, bool up)
{
	const struct vmm_set_link link = {.net = net, .up = up};

	launch_tell(launch, VMM_SET_LINK, &link, sizeof(link));
}

void launch_get_status(struct launch *launch)
{
	launch_tell(launch, VMM_GET_STATUS, NULL, 0);
}

void launch_grow_disk(struct launch *launch, uint32_t disk)
{
	launch_tell(launch, VMM_GROW_DISK, &disk, sizeof(disk));
}

void launch_set_balloon(struct launch *launch, uint64_t bytes)
{
	launch_tell(launch, VMM_SET_BALLOON, &bytes, sizeof(bytes));
}
