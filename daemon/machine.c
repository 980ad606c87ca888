/* See daemon/machine.h. */
#include "machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon_path.h"
#include "launch.h"
#include "log.h"
#include "text.h"

#define INPUT_MAX 16384

struct machine {
	struct loop *loop;
	const struct machine_events *events;
	void *ctx;
	struct launch *launch; /* NULL: none, or ended */
	struct menu_vm vm;
	uint64_t started_ms;
	bool keeps_vars;	  /* its variables are to be kept */
	bool watchdog_resets;	  /* the reset to come is the watchdog's */
	uint8_t input[INPUT_MAX]; /* waits for the guest */
	size_t input_count;
	bool input_lost;
	struct log_limit event_log_limit;
	uint8_t replay[MACHINE_REPLAY_SIZE]; /* byte at position P lies at P modulo the size */
	uint64_t output_begin;		     /* where this VM's console began */
	uint64_t output_end;
};

int machine_create(struct loop *loop, const struct machine_events *events, void *ctx,
		   struct machine **ret_machine)
{
	struct machine *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->loop = loop;
	m->events = events;
	m->ctx = ctx;
	*ret_machine = m;
	return 0;
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	launch_destroy(m->launch);
	free(m);
}

bool machine_is_active(const struct machine *m)
{
	return m->launch != NULL;
}

void machine_describe(const struct machine *m, struct menu_vm *ret_vm)
{
	*ret_vm = m->vm;
	if (m->launch && m->vm.state == MENU_VM_RUNNING)
		ret_vm->run_ms = loop_now_ms() - m->started_ms;
}

/* ---- console ---- */

uint64_t machine_output_start(const struct machine *m)
{
	if (m->output_end - m->output_begin > MACHINE_REPLAY_SIZE)
		return m->output_end - MACHINE_REPLAY_SIZE;
	return m->output_begin;
}

uint64_t machine_output_end(const struct machine *m)
{
	return m->output_end;
}

size_t machine_read_output(const struct machine *m, uint64_t pos, uint8_t *buf, size_t cap)
{
	size_t n = (size_t)(m->output_end - pos), at = pos % MACHINE_REPLAY_SIZE, first;

	if (n > cap)
		n = cap;
	first = MACHINE_REPLAY_SIZE - at < n ? MACHINE_REPLAY_SIZE - at : n;
	memcpy(buf, m->replay + at, first);
	memcpy(buf + first, m->replay, n - first);
	return n;
}

/* Of the raw log of the console, for menus. */
static uint8_t log_state(const struct machine *m)
{
	static const uint8_t states[] = {
		[LAUNCH_LOG_NONE] = MENU_VM_LOG_NONE,
		[LAUNCH_LOG_ON] = MENU_VM_LOG_ON,
		[LAUNCH_LOG_PAUSED] = MENU_VM_LOG_PAUSED,
		[LAUNCH_LOG_FULL] = MENU_VM_LOG_FULL,
	};

	return states[launch_log_state(m->launch)];
}

/* Tells when the raw log is full, or could not be written any more. */
static void log_changed(struct machine *m)
{
	uint8_t state = log_state(m);

	if (m->vm.log == state)
		return;
	m->vm.log = state;
	if (state == MENU_VM_LOG_FULL)
		log_warn("the log of the guest's console stopped at %u MiB: %s",
			 (unsigned int)(launch_log_max(m->launch) >> 20), m->vm.config.log_path);
	m->events->changed(m->ctx);
}

static void on_console(void *ctx, const uint8_t *buf, size_t n)
{
	struct machine *m = ctx;

	for (size_t done = 0; done < n;) {
		size_t at = m->output_end % MACHINE_REPLAY_SIZE;
		size_t part =
			MACHINE_REPLAY_SIZE - at < n - done ? MACHINE_REPLAY_SIZE - at : n - done;

		memcpy(m->replay + at, buf + done, part);
		m->output_end += part;
		done += part;
	}
	m->events->output(m->ctx);
	if (m->launch)
		log_changed(m);
}

static void send_input(struct machine *m)
{
	size_t taken;

	if (!m->launch || m->input_count == 0)
		return;
	taken = launch_input(m->launch, m->input, m->input_count);
	m->input_count -= taken;
	memmove(m->input, m->input + taken, m->input_count);
	if (m->input_count == 0)
		m->input_lost = false;
}

void machine_input(struct machine *m, const uint8_t *buf, size_t n)
{
	size_t room = INPUT_MAX - m->input_count;

	if (!m->launch)
		return;
	if (n > room) {
		if (!m->input_lost)
			log_warn("the guest does not read its serial line; input is lost");
		m->input_lost = true;
		n = room;
	}
	memcpy(m->input + m->input_count, buf, n);
	m->input_count += n;
	send_input(m);
}

/* ---- life ---- */

static void on_started(void *ctx)
{
	struct machine *m = ctx;

	m->vm.state = MENU_VM_RUNNING;
	m->started_ms = loop_now_ms();
	m->events->changed(m->ctx);
}

static void on_reset(void *ctx)
{
	struct machine *m = ctx;

	m->vm.resets++;
	if (!m->watchdog_resets)
		m->vm.guest_event = 0;
	m->watchdog_resets = false;
	m->events->changed(m->ctx);
}

static void on_paused(void *ctx, bool paused)
{
	struct machine *m = ctx;

	m->vm.paused = paused;
	m->events->changed(m->ctx);
}

static void on_progress(void *ctx, uint32_t stage)
{
	struct machine *m = ctx;

	m->vm.stage = stage;
	m->events->changed(m->ctx);
}

static void on_guest_event(void *ctx, uint32_t event)
{
	struct machine *m = ctx;

	if (log_limit_ok(&m->event_log_limit))
		log_info("%s", vmm_guest_event_text(event));
	m->vm.guest_event = (uint8_t)event;
	m->watchdog_resets = event == VMM_GUEST_WATCHDOG;
	m->events->changed(m->ctx);
}

static void on_status(void *ctx, const struct vmm_status *status)
{
	struct machine *m = ctx;

	m->events->status(m->ctx, status);
}

static void on_input_ready(void *ctx)
{
	send_input(ctx);
}

static void on_ended(void *ctx, const struct vmm_exited *exited, const char *warning)
{
	struct machine *m = ctx;
	size_t n;

	m->vm.state = MENU_VM_ENDED;
	m->vm.paused = false;
	m->vm.reason = exited->reason;
	m->vm.run_ms = exited->run_ms;
	if (exited->run_ms == 0 && m->started_ms != 0)
		m->vm.run_ms = loop_now_ms() - m->started_ms;
	if (exited->resets > m->vm.resets)
		m->vm.resets = exited->resets;
	m->vm.vars_saved = m->keeps_vars && !warning;
	/* What was said at the start (variables are not kept, because ...) stays true. */
	n = strlen(m->vm.text);
	if (n > 0) {
		char before[sizeof(m->vm.text)];

		text_copy(before, sizeof(before), m->vm.text);
		snprintf(m->vm.text, sizeof(m->vm.text), "%.230s %.230s", exited->text, before);
	} else if (warning) {
		snprintf(m->vm.text, sizeof(m->vm.text), "%.230s %.230s", exited->text, warning);
	} else {
		text_copy(m->vm.text, sizeof(m->vm.text), exited->text);
	}
	launch_destroy(m->launch);
	m->launch = NULL;
	m->input_count = 0;
	log_info("the virtual machine ended: %s", m->vm.text);
	m->events->changed(m->ctx);
}

void machine_add_report(struct machine *m, const char *path)
{
	size_t n = strlen(m->vm.text);

	if (m->vm.state == MENU_VM_ENDED)
		snprintf(m->vm.text + n, sizeof(m->vm.text) - n, " Report saved: %s", path);
}

static const struct launch_events launch_events = {
	.started = on_started,
	.was_reset = on_reset,
	.paused = on_paused,
	.progress = on_progress,
	.guest_event = on_guest_event,
	.status = on_status,
	.console = on_console,
	.input_ready = on_input_ready,
	.ended = on_ended,
};

/* Makes the directory of PATH if it is missing; 0 if it can be written to. */
static int make_directory_of(const char *path)
{
	char dir[VM_PATH_SIZE];
	int rc = daemon_path_make_parents(path);

	if (rc < 0)
		return rc;
	text_copy(dir, sizeof(dir), path);
	*strrchr(dir, '/') = '\0';
	return access(dir, W_OK) < 0 ? -errno : 0;
}

/* Where no log was named, the usual one; the last VM's is kept beside it as .1. */
static void prepare_log(struct vm_config *config)
{
	char usual[VM_PATH_SIZE], before[VM_PATH_SIZE + 2];
	int rc;

	if (config->log_path[0] || daemon_path_log(usual, sizeof(usual)) < 0)
		return;
	rc = make_directory_of(usual);
	if (rc < 0) {
		log_warn("the guest's console is not logged: %s cannot be written (%s)", usual,
			 strerror(-rc));
		return;
	}
	snprintf(before, sizeof(before), "%s.1", usual);
	rename(usual, before);
	text_copy(config->log_path, sizeof(config->log_path), usual);
}

void machine_vars_unsaved(struct machine *m)
{
	size_t n = strlen(m->vm.text);

	if (m->vm.state != MENU_VM_ENDED || !m->vm.vars_saved)
		return;
	m->vm.vars_saved = 0;
	snprintf(m->vm.text + n, sizeof(m->vm.text) - n,
		 " Its UEFI variables last until this machine is switched off: see the log.");
}

int machine_start(struct machine *m, const struct vm_config *config,
		  const struct machine_options *options, struct vmb_err *err)
{
	struct vm_config ours = *config;
	int rc;

	if (m->launch)
		return vmb_err_set(err, EBUSY,
				   "A virtual machine is running already. End it first.");
	prepare_log(&ours);
	rc = launch_start(m->loop, &ours, options->place, options->trust, &launch_events, m,
			  &m->launch, err);
	if (rc < 0) {
		m->launch = NULL;
		return rc;
	}
	memset(&m->vm, 0, sizeof(m->vm));
	m->vm.state = MENU_VM_STARTING;
	m->vm.config = ours;
	m->keeps_vars = ours.vars_path[0] != '\0';
	/* As it was asked for, so that the next start finds their place anew. */
	if (options->usual_vars)
		text_copy(m->vm.config.vars_path, sizeof(m->vm.config.vars_path), VM_VARS_USUAL);
	m->vm.by_itself = options->by_itself;
	m->vm.log = log_state(m);
	text_copy(m->vm.id, sizeof(m->vm.id), options->id);
	text_copy(m->vm.text, sizeof(m->vm.text), options->note);
	m->started_ms = 0;
	m->input_count = 0;
	m->input_lost = false;
	m->output_begin = m->output_end;
	m->events->changed(m->ctx);
	return 0;
}

void machine_reset(struct machine *m)
{
	if (m->launch)
		launch_reset(m->launch);
}

void machine_power_button(struct machine *m)
{
	if (m->launch)
		launch_power_button(m->launch);
}

void machine_break(struct machine *m)
{
	if (m->launch)
		launch_break(m->launch);
}

void machine_log(struct machine *m, bool on)
{
	if (!m->launch)
		return;
	launch_log_pause(m->launch, !on);
	log_changed(m);
}

void machine_pause(struct machine *m)
{
	if (m->launch)
		launch_pause(m->launch);
}

void machine_resume(struct machine *m)
{
	if (m->launch)
		launch_resume(m->launch);
}

int machine_set_link(struct machine *m, unsigned int net, bool up, struct vmb_err *err)
{
	unsigned int count = m->vm.config.net_count;

	if (net >= count)
		return vmb_err_set(
			err, ENODEV,
			"There is no network card %u: the virtual machine has %u of them, "
			"counted from 0.",
			net, count);
	if (m->launch)
		launch_set_link(m->launch, net, up);
	return 0;
}

void machine_get_status(struct machine *m)
{
	if (m->launch)
		launch_get_status(m->launch);
}

int machine_grow_disk(struct machine *m, uint32_t disk, struct vmb_err *err)
{
	if (disk >= m->vm.config.disk_count)
		return vmb_err_set(err, ERANGE,
				   "The virtual machine has no disk %u: it has %u, and they are "
				   "counted from 0.",
				   disk, m->vm.config.disk_count);
	if (m->launch)
		launch_grow_disk(m->launch, disk);
	return 0;
}

int machine_set_balloon(struct machine *m, uint64_t bytes, struct vmb_err *err)
{
	uint64_t memory = m->vm.config.memory;
	char asked[16], has[16], least[16];

	if (m->vm.config.vfio_count > 0 && bytes > 0)
		return vmb_err_set(
			err, ENOTSUP,
			"The guest cannot give back memory: a PCI device is passed through to it, "
			"which may write to any page, so all of its memory is locked.");
	if (bytes > memory - VM_MIN_MEMORY)
		return vmb_err_set(
			err, ERANGE,
			"The guest cannot give back %s: it has %s and needs %s of it. Ask "
			"for less.",
			text_format_size(bytes, asked, sizeof(asked)),
			text_format_size(memory, has, sizeof(has)),
			text_format_size(VM_MIN_MEMORY, least, sizeof(least)));
	m->vm.balloon = bytes;
	if (m->launch)
		launch_set_balloon(m->launch, bytes);
	m->events->changed(m->ctx);
	return 0;
}

void machine_stop(struct machine *m)
{
	if (m->launch)
		launch_stop(m->launch);
}

void machine_forget(struct machine *m)
{
	if (m->launch || m->vm.state == MENU_VM_NONE)
		return;
	memset(&m->vm, 0, sizeof(m->vm));
	m->events->changed(m->ctx);
}
