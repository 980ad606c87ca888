/* See ui/messages.h. */
#include "ui/messages.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "prefix.h"
#include "proto.h"
#include "text.h"
#include "ui/screens.h"

/* Messages taken in one turn before keys get theirs. */
#define SOCK_BURST 64

/* The turning mark of what lasts takes its next form after this. */
#define TURN_MS 250

/* An incomplete character at the end of the guest's output is shown after this. */
#define OUTPUT_IDLE_MS 200

/* ---- the clock: runs only while something on the screen counts time ---- */

static void on_tick(void *arg);

static void tick_update(struct ui *ui)
{
	bool turning = ui->model.scanning || ui->wait.type;
	bool wanted = turning || model_vm_alive(&ui->model) ||
		      (ui->model.countdown.state != MENU_COUNTDOWN_OFF &&
		       ui->model.countdown.seconds > 0);

	if (wanted && !ui->tick_timer) {
		loop_add_timer(ui->loop, turning ? TURN_MS : 1000, on_tick, ui, &ui->tick_timer);
	} else if (!wanted && ui->tick_timer) {
		loop_remove_timer(ui->tick_timer);
		ui->tick_timer = NULL;
	}
}

static void on_tick(void *arg)
{
	struct ui *ui = arg;

	ui->tick_timer = NULL;
	tick_update(ui);
	ui_dirty(ui);
}

void ui_tick(struct ui *ui)
{
	loop_remove_timer(ui->tick_timer);
	ui->tick_timer = NULL;
	tick_update(ui);
}

/* ---- sending ---- */

static void daemon_lost(struct ui *ui, int rc)
{
	/* Where the machine ends the menus are told before the daemon is: then that is why. */
	ui_take_signals(ui);
	if (ui->leaving)
		return;
	if (rc == -EPROTO)
		vmb_err_set(ui->err, EPROTO,
			    "The daemon is of another version than this menu. End the "
			    "one that runs, or use the same vmboot for both.");
	else if (rc == -EBADMSG)
		vmb_err_set(ui->err, EBADMSG,
			    "The daemon sent a message that makes no sense, so the "
			    "menu left. Start vmboot again.");
	else
		vmb_err_set(ui->err, EPIPE, "The daemon is gone%s. Start vmboot again.",
			    model_vm_alive(&ui->model) ? ", and the VM with it" : "");
	ui_quit(ui, rc == -EPROTO || rc == -EBADMSG ? rc : -EPIPE);
}

static void sock_events(struct ui *ui)
{
	loop_set_events(ui->sock_io, (short)(POLLIN | (outbox_empty(&ui->outbox) ? 0 : POLLOUT)));
}

void ui_send(struct ui *ui, uint32_t type, const void *body, size_t size)
{
	int rc = outbox_send(&ui->outbox, ui->sock, type, body, size);

	if (rc == -ENOBUFS || rc == -ENOMEM)
		ui_say(ui, UI_BAD, "The daemon does not answer; what you typed is lost.");
	else if (rc < 0)
		daemon_lost(ui, rc);
	sock_events(ui);
}

void ui_refresh_host(struct ui *ui)
{
	struct menu_hello hello = {.version = MENU_PROTO_VERSION};

	text_copy(hello.name, sizeof(hello.name), ui->console_name);
	ui_send(ui, MENU_HELLO, &hello, sizeof(hello));
}

bool ui_has_keyboard(const struct ui *ui)
{
	uint64_t owner = ui->model.vm.keyboard;

	return owner == 0 || owner == ui->model.welcome.client;
}

void ui_guest_input(struct ui *ui, const uint8_t *buf, size_t n)
{
	uint8_t out[256];
	size_t count = 0;

	if (!model_vm_alive(&ui->model) || !ui_has_keyboard(ui))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!prefix_would_reset(&ui->reset_seen, buf[i]))
			out[count++] = buf[i];
		if (count > 0 && (count == sizeof(out) || i + 1 == n)) {
			ui_send(ui, MENU_INPUT, out, count);
			count = 0;
		}
	}
}

/* The entry's word on how its guest takes keys: false if it has none. */
static bool hinted_profile(const struct menu_entry *entry, enum guest_profile *ret_profile)
{
	static const char *const names[GUEST_PROFILES] = {
		[GUEST_VTUTF8] = "vt-utf8", [GUEST_XTERM] = "xterm", [GUEST_PCANSI] = "pc-ansi",
		[GUEST_TTYTERM] = "tty",
	};

	for (int i = 0; entry && i < GUEST_PROFILES; i++)
		if (strcmp(entry->console.keys, names[i]) == 0) {
			*ret_profile = (enum guest_profile)i;
			return true;
		}
	return false;
}

static void choose_charset(struct ui *ui)
{
	const struct menu_entry *entry = model_entry(&ui->model, ui->model.vm.id);

	if (entry && strcmp(entry->console.charset, "utf-8") == 0)
		console_set_charset(ui->console, CHARSET_UTF8);
	else if (entry && strcmp(entry->console.charset, "cp437") == 0)
		console_set_charset(ui->console, CHARSET_CP437);
}

/*
 * Firmware and an operating system take keys in different forms: as the entry says, else by the guest's stage; until
 * the operator chooses one.
 */
static void choose_profile(struct ui *ui)
{
	const struct menu_vm *vm = &ui->model.vm;

	if (ui->profile_by_hand ||
	    hinted_profile(model_entry(&ui->model, vm->id), &ui->guest_profile))
		return;
	ui->guest_profile =
		vm->config.kernel_path[0] || vm->stage == VMM_STAGE_OS ? GUEST_XTERM : GUEST_VTUTF8;
}

/* The console is kept up to date whether a screen shows it or not: a result needs its last lines. */
static void output_open(struct ui *ui)
{
	if (ui->console_is_open)
		return;
	ui->console_is_open = true;
	ui->console_is_live = false;
	console_reset(ui->console);
	ui->console_bytes = 0;
	ui->profile_by_hand = false;
	ui->reset_seen = 0;
	choose_charset(ui);
	ui_send(ui, MENU_CONSOLE_OPEN, NULL, 0);
}

static void output_close(struct ui *ui)
{
	if (ui->console_is_open)
		ui_send(ui, MENU_CONSOLE_CLOSE, NULL, 0);
	ui->console_is_open = false;
}

/* What is asked before any start. False if there can be none now; the operator knows why. */
static bool start_prepare(struct ui *ui)
{
	if (model_vm_alive(&ui->model)) {
		ui_say(ui, UI_BAD,
		       "%s is running: one VM at a time. End it first (Enter on its "
		       "line, then ^] k).",
		       ui->model.vm.config.title);
		return false;
	}
	if (ui->start_pending)
		return false;
	if (ui->model.vm.state == MENU_VM_ENDED) {
		output_close(ui);
		ui_send(ui, MENU_VM_FORGET, NULL, 0);
	}
	ui->start_pending = true;
	return true;
}

void ui_start_vm(struct ui *ui, const struct vm_config *config)
{
	if (!start_prepare(ui))
		return;
	ui_send(ui, MENU_START, config, sizeof(*config));
	wait_begin(ui, MENU_START, "Starting %s: %s is read", config->title,
		   config->kernel_path[0] ? "its kernel" : "its firmware");
}

void ui_start_entry(struct ui *ui, const char *id, const char *title)
{
	struct menu_entry_id entry = {{0}};

	if (!start_prepare(ui))
		return;
	text_copy(entry.id, sizeof(entry.id), id);
	ui_send(ui, MENU_ENTRY_START, &entry, sizeof(entry));
	wait_begin(ui, MENU_START, "Starting %s: its firmware is read", title);
}

void ui_show_vm(struct ui *ui)
{
	ui_pop_all(ui);
	if (ui->model.vm.state == MENU_VM_ENDED)
		screen_result_open(ui);
	else if (ui->model.vm.state != MENU_VM_NONE)
		screen_console_open(ui);
}

static void vm_changed(struct ui *ui, uint32_t was_state)
{
	const struct menu_vm *vm = &ui->model.vm;
	bool alive = model_vm_alive(&ui->model);
	bool was_alive = was_state == MENU_VM_STARTING || was_state == MENU_VM_RUNNING;
	bool ended = vm->state == MENU_VM_ENDED && was_state != MENU_VM_ENDED;

	/* Each VM's console is opened anew, so that its replay and its output never overlap. */
	if (vm->state == MENU_VM_NONE || (alive && !was_alive))
		output_close(ui);
	if (vm->state != MENU_VM_NONE)
		output_open(ui);
	choose_profile(ui);
	if (was_alive != alive)
		ui_refresh_host(ui);
	if (ui->start_pending && (alive || ended)) {
		ui->start_pending = false;
		wait_end(ui, MENU_START);
		ui->status[0] = '\0';
		ui_show_vm(ui);
		/* A running VM has a text when it has to do without something. */
		if (alive && vm->text[0])
			ui_say(ui, UI_WARN, "%s", vm->text);
	} else if (was_alive && ended) {
		ui_say(ui, UI_WARN, "%s ended: %s", vm->config.title, vm->text);
	}
}

/* A checklist before a start has to know what there is for an entry that has devices. */
static void ask_for_devices(struct ui *ui)
{
	for (unsigned int i = 0; i < ui->model.entry_count; i++)
		if (ui->model.entries[i].config.vfio_count > 0) {
			ui_send(ui, MENU_PCI_GET, NULL, 0);
			return;
		}
}

static void model_changed(struct ui *ui, int what)
{
	if (!ui->model.scanning)
		ui->scan_since_ms = 0;
	else if (!ui->scan_since_ms)
		ui->scan_since_ms = loop_now_ms();
	/* A screen may take itself away in its callback, or be replaced by another. */
	for (unsigned int i = ui->depth; i-- > 0;)
		if (i < ui->depth && ui->stack[i].screen->changed)
			ui->stack[i].screen->changed(ui, ui->stack[i].data, what);
	tick_update(ui);
	ui_dirty(ui);
}

/* The text of MENU_REFUSED or MENU_NOTICE in TEXT; returns the type it is about, 0 if there is none. */
static uint32_t answer_text(const uint8_t *body, size_t size, char *text, size_t text_size)
{
	uint32_t type;

	if (size < sizeof(type))
		return 0;
	memcpy(&type, body, sizeof(type));
	text_escape(text, text_size, (const char *)body + sizeof(type),
		    strnlen((const char *)body + sizeof(type), size - sizeof(type)));
	return type;
}

static void take_refused(struct ui *ui, const uint8_t *body, size_t size)
{
	char text[480];
	uint32_t type = answer_text(body, size, text, sizeof(text));

	wait_end(ui, type);
	switch (type) {
	case 0: break;
	case MENU_START:
	case MENU_ENTRY_START:
		wait_end(ui, MENU_START);
		ui->start_pending = false;
		ui->status[0] = '\0';
		dialog_tell(ui, "Not started", text);
		break;
	case MENU_ENTRY_SAVE:
	case MENU_PASSWORD:
	case MENU_SETTINGS_SAVE: dialog_tell(ui, "Not saved", text); break;
	default: ui_say(ui, UI_BAD, "%s", text); break;
	}
}

/* It was done, but not all of it: a save that is kept for this boot only. */
static void take_notice(struct ui *ui, const uint8_t *body, size_t size)
{
	char text[480];

	if (answer_text(body, size, text, sizeof(text)))
		dialog_tell(ui, "Done, but", text);
}

static int take_saved(struct ui *ui, const uint8_t *body, size_t size)
{
	struct menu_entry_id saved;

	if (size != sizeof(saved))
		return -EBADMSG;
	memcpy(&saved, body, size);
	saved.id[sizeof(saved.id) - 1] = '\0';
	text_copy(ui->saved_id, sizeof(ui->saved_id), saved.id);
	wait_end(ui, MENU_ENTRY_SAVE);
	model_changed(ui, MODEL_SAVED);
	return 0;
}

static void on_output_idle(void *arg)
{
	struct ui *ui = arg;

	ui->output_timer = NULL;
	console_idle(ui->console);
	ui_dirty(ui);
}

/*
 * Firmware says why it boots what ("BdsDxe: ..."), and clears the screen a moment later. What stands
 * there is painted before the clear, so that it is seen on the way.
 */
static void feed_output(struct ui *ui, const uint8_t *buf, size_t n)
{
	static const char clear[] = "\033[2J";
	size_t fed = 0;

	for (size_t i = 0; i < n; i++) {
		if (buf[i] == (uint8_t)clear[ui->clear_match])
			ui->clear_match++;
		else
			ui->clear_match = buf[i] == (uint8_t)clear[0];
		if (ui->clear_match < sizeof(clear) - 1)
			continue;
		/* All but the J, which clears. */
		ui->clear_match = 0;
		console_feed(ui->console, buf + fed, i - fed);
		fed = i;
		ui_dirty(ui);
		ui_paint_now(ui);
	}
	console_feed(ui->console, buf + fed, n - fed);
}

static void take_output(struct ui *ui, size_t size)
{
	if (ui->transparent.active)
		transparent_output(ui, ui->body, size);
	feed_output(ui, ui->body, size);
	ui->console_bytes += size;
	loop_remove_timer(ui->output_timer);
	ui->output_timer = NULL;
	loop_add_timer(ui->loop, OUTPUT_IDLE_MS, on_output_idle, ui, &ui->output_timer);
	ui_dirty(ui);
}

static int take_journal(struct ui *ui, uint32_t type, size_t size)
{
	int rc = type == MENU_LOG ? journal_take_lines(&ui->journal, ui->body, size)
				  : journal_take_state(&ui->journal, ui->body, size);

	if (rc == 0)
		model_changed(ui, MODEL_LOG);
	return rc;
}

static int take_facts(struct ui *ui, size_t size)
{
	int rc = facts_take(&ui->facts, ui->body, size);

	if (rc > 0)
		model_changed(ui, MODEL_FACTS);
	return rc < 0 ? rc : 0;
}

static int take_lock(struct ui *ui, size_t size)
{
	if (size != sizeof(ui->lock))
		return -EBADMSG;
	memcpy(&ui->lock, ui->body, size);
	model_changed(ui, MODEL_LOCK);
	return 0;
}

static void take_reported(struct ui *ui, size_t size)
{
	char path[VM_PATH_SIZE];

	text_escape(path, sizeof(path), (const char *)ui->body,
		    strnlen((const char *)ui->body, size));
	ui_say(ui, UI_GOOD, "The report is in %s.", path);
}

static int take_message(struct ui *ui, uint32_t type, size_t size)
{
	uint32_t was_state = ui->model.vm.state, was_resets = ui->model.vm.resets;
	uint8_t was_event = ui->model.vm.guest_event;
	uint64_t lost;
	int what;

	switch (type) {
	case MENU_CONSOLE: take_output(ui, size); return 0;
	case MENU_CONSOLE_LIVE: ui->console_is_live = true; return 0;
	case MENU_CONSOLE_LOST:
		if (size != sizeof(lost))
			return -EBADMSG;
		memcpy(&lost, ui->body, sizeof(lost));
		ui_say(ui, UI_WARN,
		       "%llu bytes of the console were left out: this terminal is too slow.",
		       (unsigned long long)lost);
		return 0;
	case MENU_REFUSED: take_refused(ui, ui->body, size); return 0;
	case MENU_NOTICE: take_notice(ui, ui->body, size); return 0;
	case MENU_ENTRY_SAVED: return take_saved(ui, ui->body, size);
	case MENU_LOG:
	case MENU_LOG_STATE: return take_journal(ui, type, size);
	case MENU_FACTS: return take_facts(ui, size);
	case MENU_LOCK_STATE: return take_lock(ui, size);
	case MENU_REPORTED: take_reported(ui, size); return 0;
	default: break;
	}
	what = model_take(&ui->model, type, ui->body, size, loop_now_ms());
	if (what < 0)
		return what;
	/* What a machine said before its reset must not be lost to what it draws after it. */
	if ((what & MODEL_VM) && ui->model.vm.resets > was_resets)
		console_snapshot(ui->console);
	if (what & MODEL_VM)
		vm_changed(ui, was_state);
	/* A menu that comes late hears of the VM first. */
	if ((what & MODEL_ENTRIES) && ui->model.vm.state != MENU_VM_NONE) {
		choose_profile(ui);
		if (console_get_charset(ui->console) == CHARSET_AUTO)
			choose_charset(ui);
	}
	if (what & MODEL_ENTRIES)
		ask_for_devices(ui);
	if (what & MODEL_SETTINGS) {
		wait_end(ui, MENU_SETTINGS_SAVE);
		wait_end(ui, MENU_PASSWORD);
		ui_take_looks(ui);
		ui_take_line(ui);
	}
	if (model_vm_alive(&ui->model) && ui->model.vm.guest_event &&
	    ui->model.vm.guest_event != was_event)
		ui_say(ui, UI_WARN, "%s", vmm_guest_event_text(ui->model.vm.guest_event));
	if (what != MODEL_NOTHING)
		model_changed(ui, what);
	return 0;
}

void messages_on_socket(void *arg, int fd, short revents)
{
	struct ui *ui = arg;
	int rc = 0;

	if (revents & POLLOUT)
		rc = outbox_flush(&ui->outbox, ui->sock);
	for (int i = 0; i < SOCK_BURST && rc == 0; i++) {
		uint32_t type;
		int size = proto_recv(fd, &type, ui->body, PROTO_MAX_BODY, NULL, 0, NULL);

		if (size == -EAGAIN)
			break;
		rc = size < 0 ? size : take_message(ui, type, (size_t)size);
	}
	if (rc < 0)
		daemon_lost(ui, rc);
	else
		sock_events(ui);
}
