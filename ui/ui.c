/*
 * The menu's core: stack of screens, painting, and the events of terminal, daemon and clock. What is
 * on the screens is theirs; what the daemon said is model.c's.
 */
#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "menu.h"
#include "proto.h"
#include "text.h"
#include "ui/draw.h"
#include "ui/screen.h"
#include "ui/screens.h"
#include "ui/shell.h"

/* Messages taken in one turn before keys get theirs. */
#define SOCK_BURST 64

/* An incomplete character at the end of the guest's output is shown after this. */
#define OUTPUT_IDLE_MS 200

static void on_paint(void *arg);
static void on_tick(void *arg);

/* ---- the stack ---- */

int ui_push(struct ui *ui, const struct ui_screen *screen, void *data)
{
	if (ui->depth == UI_MAX_DEPTH) {
		if (screen->close)
			screen->close(ui, data);
		return -ENOSPC;
	}
	ui->stack[ui->depth++] = (struct ui_layer){.screen = screen, .data = data};
	if (screen->layout)
		screen->layout(ui, data, ui->rows, ui->cols);
	ui_dirty(ui);
	return 0;
}

static void stack_drop(struct ui *ui)
{
	struct ui_layer layer = ui->stack[--ui->depth];

	if (layer.screen->close)
		layer.screen->close(ui, layer.data);
	ui_dirty(ui);
}

void ui_pop(struct ui *ui)
{
	if (ui->depth > 1)
		stack_drop(ui);
}

void ui_pop_all(struct ui *ui)
{
	while (ui->depth > 1)
		stack_drop(ui);
}

/* ---- painting ---- */

void ui_dirty(struct ui *ui)
{
	uint64_t next = ui->painted_ms + screen_paint_interval(), now = loop_now_ms();

	if (ui->paint_timer)
		return;
	loop_add_timer(ui->loop, next > now ? next - now : 0, on_paint, ui, &ui->paint_timer);
}

static bool too_small(const struct ui *ui)
{
	return ui->rows < UI_MIN_ROWS || ui->cols < UI_MIN_COLS;
}

static void draw_too_small(const struct ui *ui)
{
	char text[96];
	int row = ui->rows / 2 - (ui->rows > 2 ? 1 : 0);

	snprintf(text, sizeof(text), "terminal too small, %d x %d needed, is %d x %d", UI_MIN_COLS,
		 UI_MIN_ROWS, ui->cols, ui->rows);
	draw_text(row, 0, ui->cols, UI_BAD, text);
	draw_text(row + 1, 0, ui->cols, UI_NORMAL,
		  model_vm_alive(&ui->model) ? "The VM goes on. Make the terminal larger."
					     : "Make it larger; q quits.");
}

static void on_paint(void *arg)
{
	struct ui *ui = arg;
	unsigned int base = ui->depth - 1;

	ui->paint_timer = NULL;
	if (ui->shell)
		return;
	ui->painted_ms = loop_now_ms();
	ui->cursor_shown = false;
	screen_begin();
	if (too_small(ui)) {
		draw_too_small(ui);
	} else {
		while (base > 0 && ui->stack[base].screen->overlay)
			base--;
		for (; base < ui->depth; base++)
			ui->stack[base].screen->draw(ui, ui->stack[base].data);
	}
	screen_end(ui->cursor_shown, ui->cursor_row, ui->cursor_col);
}

static void layout_all(struct ui *ui)
{
	screen_measure(&ui->rows, &ui->cols);
	for (unsigned int i = 0; i < ui->depth; i++)
		if (ui->stack[i].screen->layout)
			ui->stack[i].screen->layout(ui, ui->stack[i].data, ui->rows, ui->cols);
	ui_dirty(ui);
}

void ui_redraw_all(struct ui *ui)
{
	screen_spoil();
	layout_all(ui);
}

void ui_say(struct ui *ui, enum ui_element element, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ui->status, sizeof(ui->status), fmt, ap);
	va_end(ap);
	ui->status_element = element;
	ui_dirty(ui);
}

/* ---- the clock: runs only while something on the screen counts time ---- */

static void tick_update(struct ui *ui)
{
	bool wanted = model_vm_alive(&ui->model) || ui->model.scanning;

	if (wanted && !ui->tick_timer) {
		loop_add_timer(ui->loop, 1000, on_tick, ui, &ui->tick_timer);
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

/* ---- the daemon ---- */

void ui_quit(struct ui *ui, int result)
{
	if (ui->leaving)
		return;
	ui->leaving = true;
	ui->result = result;
	loop_quit(ui->loop, 0);
}

static void daemon_lost(struct ui *ui, int rc)
{
	if (rc == -EPROTO)
		vmb_err_set(ui->err, EPROTO, "The daemon is of another version than this menu. End the "
			    "one that runs, or use the same vmboot for both.");
	else if (rc == -EBADMSG)
		vmb_err_set(ui->err, EBADMSG, "The daemon sent a message that makes no sense, so the "
			    "menu left. Start vmboot again.");
	else
		vmb_err_set(ui->err, EPIPE, "The daemon is gone%s. Start vmboot again.",
			    model_vm_alive(&ui->model) ? ", and the VM with it" : "");
	ui_quit(ui, rc == -EPROTO || rc == -EBADMSG ? rc : -EPIPE);
}

static void sock_events(struct ui *ui)
{
	loop_set_events(ui->sock_io,
			(short)(POLLIN | (outbox_empty(&ui->outbox) ? 0 : POLLOUT)));
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

/* The console is kept up to date whether a screen shows it or not: a result needs its last lines. */
static void output_open(struct ui *ui)
{
	if (ui->console_is_open)
		return;
	ui->console_is_open = true;
	console_reset(ui->console);
	ui->console_bytes = 0;
	ui_send(ui, MENU_CONSOLE_OPEN, NULL, 0);
}

static void output_close(struct ui *ui)
{
	if (ui->console_is_open)
		ui_send(ui, MENU_CONSOLE_CLOSE, NULL, 0);
	ui->console_is_open = false;
}

void ui_start_vm(struct ui *ui, const struct vm_config *config)
{
	if (model_vm_alive(&ui->model)) {
		ui_say(ui, UI_BAD, "%s is running: one VM at a time. End it first (Enter on its "
		       "line, then ^] k).", ui->model.vm.config.title);
		return;
	}
	if (ui->start_pending)
		return;
	if (ui->model.vm.state == MENU_VM_ENDED) {
		output_close(ui);
		ui_send(ui, MENU_VM_FORGET, NULL, 0);
	}
	ui->start_pending = true;
	ui_send(ui, MENU_START, config, sizeof(*config));
	ui_say(ui, UI_WARN, "Starting %s ...", config->title);
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
	if (ui->start_pending && (alive || ended)) {
		ui->start_pending = false;
		ui->status[0] = '\0';
		ui_show_vm(ui);
	} else if (was_alive && ended) {
		ui_say(ui, UI_WARN, "%s ended: %s", vm->config.title, vm->text);
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

static void take_refused(struct ui *ui, const uint8_t *body, size_t size)
{
	char text[480];
	uint32_t type;

	if (size < sizeof(type))
		return;
	memcpy(&type, body, sizeof(type));
	text_escape(text, sizeof(text), (const char *)body + sizeof(type),
		    strnlen((const char *)body + sizeof(type), size - sizeof(type)));
	if (type == MENU_START) {
		ui->start_pending = false;
		ui->status[0] = '\0';
		dialog_tell(ui, "Not started", text);
	} else {
		ui_say(ui, UI_BAD, "%s", text);
	}
}

static void on_output_idle(void *arg)
{
	struct ui *ui = arg;

	ui->output_timer = NULL;
	console_idle(ui->console);
	ui_dirty(ui);
}

static void take_output(struct ui *ui, size_t size)
{
	console_feed(ui->console, ui->body, size);
	ui->console_bytes += size;
	loop_remove_timer(ui->output_timer);
	ui->output_timer = NULL;
	loop_add_timer(ui->loop, OUTPUT_IDLE_MS, on_output_idle, ui, &ui->output_timer);
	ui_dirty(ui);
}

static int take_message(struct ui *ui, uint32_t type, size_t size)
{
	uint32_t was_state = ui->model.vm.state;
	uint64_t lost;
	int what;

	switch (type) {
	case MENU_CONSOLE: take_output(ui, size); return 0;
	case MENU_CONSOLE_LOST:
		if (size != sizeof(lost))
			return -EBADMSG;
		memcpy(&lost, ui->body, sizeof(lost));
		ui_say(ui, UI_WARN, "%llu bytes of the console were left out: this terminal is too slow.",
		       (unsigned long long)lost);
		return 0;
	case MENU_REFUSED: take_refused(ui, ui->body, size); return 0;
	default: break;
	}
	what = model_take(&ui->model, type, ui->body, size, loop_now_ms());
	if (what < 0)
		return what;
	if (what & MODEL_VM)
		vm_changed(ui, was_state);
	if (what != MODEL_NOTHING)
		model_changed(ui, what);
	return 0;
}

static void on_sock(void *arg, int fd, short revents)
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

/* ---- keys ---- */

static void leave(struct ui *ui)
{
	ui_quit(ui, 0);
}

void ui_ask_quit(struct ui *ui)
{
	char text[256];

	if (!model_vm_alive(&ui->model)) {
		ui_quit(ui, 0);
		return;
	}
	snprintf(text, sizeof(text),
		 ui->owns_daemon ? "%s is running and ends with this menu, as if its power were cut. "
				   "Leave all the same?"
				 : "%s is running. It goes on without this menu. Leave?",
		 ui->model.vm.config.title);
	dialog_ask(ui, "Leave vmboot", text, leave);
}

bool ui_common_key(struct ui *ui, const struct ui_key *key)
{
	if (key->alt)
		return false;
	switch (key->code) {
	case UI_KEY_CTRL('L'): ui_redraw_all(ui); return true;
	case '!': ui_start_shell(ui); return true;
	case '?':
	case 'h':
	case UI_KEY_F1: screen_help_open(ui); return true;
	case 'q': ui_ask_quit(ui); return true;
	default: return false;
	}
}

static void dispatch_key(struct ui *ui, const struct ui_key *key)
{
	struct ui_layer top = ui->stack[ui->depth - 1];

	if (too_small(ui)) {
		/* Nothing is visible, so nothing may be started or answered. */
		if (key->code == 'q' && !key->alt && !model_vm_alive(&ui->model))
			ui_quit(ui, 0);
		if (key->code == UI_KEY_CTRL('L'))
			ui_redraw_all(ui);
		return;
	}
	ui->status[0] = '\0';
	top.screen->key(ui, top.data, key);
	ui_dirty(ui);
}

static void on_escape_wait(void *arg)
{
	struct ui *ui = arg;
	struct ui_key key;

	ui->esc_timer = NULL;
	if (keys_timeout(&ui->keys, &key))
		dispatch_key(ui, &key);
}

static void on_tty(void *arg, int fd, short revents)
{
	struct ui *ui = arg;
	uint8_t buf[256];
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)revents;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		ui_quit(ui, vmb_err_set(ui->err, EIO, "The terminal is gone."));
		return;
	}
	loop_remove_timer(ui->esc_timer);
	ui->esc_timer = NULL;
	for (ssize_t i = 0; i < n && !ui->shell && !ui->leaving; i++) {
		struct ui_key key;

		if (keys_feed(&ui->keys, buf[i], &key))
			dispatch_key(ui, &key);
	}
	if (keys_pending(&ui->keys))
		loop_add_timer(ui->loop, UI_KEYS_WAIT_MS, on_escape_wait, ui, &ui->esc_timer);
}

/* ---- the shell and signals ---- */

void ui_start_shell(struct ui *ui)
{
	int rc;

	screen_suspend();
	rc = shell_start(&ui->shell);
	if (rc < 0) {
		screen_resume();
		ui_say(ui, UI_BAD, "No shell could be started: %s.", strerror(-rc));
		return;
	}
	loop_remove_io(ui->tty_io);
	ui->tty_io = NULL;
}

static void shell_ended(struct ui *ui)
{
	int status, code;

	if (!ui->shell || waitpid(ui->shell, &status, WNOHANG) != ui->shell)
		return;
	if (!WIFEXITED(status) && !WIFSIGNALED(status))
		return;
	ui->shell = 0;
	screen_resume();
	ui->keys = (struct keys){0};
	loop_add_io(ui->loop, ui->tty_in, POLLIN, on_tty, ui, &ui->tty_io);
	ui_redraw_all(ui);
	ui_send(ui, MENU_RESCAN, NULL, 0);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (code == SHELL_NOT_FOUND)
		ui_say(ui, UI_BAD, "There is no shell: neither $SHELL nor /bin/sh can be run.");
	else
		ui_say(ui, UI_NORMAL, "returned from shell (exit %d)", code);
}

static void on_signal(void *arg, int fd, short revents)
{
	struct ui *ui = arg;
	int number;

	(void)fd;
	(void)revents;
	while ((number = screen_next_signal()) != 0) {
		if (number == SIGWINCH) {
			if (!ui->shell)
				layout_all(ui);
		} else if (number == SIGCHLD) {
			shell_ended(ui);
		} else if (!(ui->shell && (number == SIGINT || number == SIGQUIT))) {
			/* ^C in the shell is the shell's. */
			ui_quit(ui, vmb_err_set(ui->err, EINTR, "The menu was ended by %s.",
						strsignal(number)));
		}
	}
}

/* ---- the whole ---- */

static int ui_open(struct ui *ui, int signal_fd)
{
	struct menu_hello hello = {.version = MENU_PROTO_VERSION};
	int rc = -ENOMEM;

	ui->body = malloc(PROTO_MAX_BODY);
	if (!ui->body)
		return rc;
	if (console_create(screen_console_output, ui, &ui->console) < 0 ||
	    loop_create(&ui->loop) < 0 ||
	    loop_add_io(ui->loop, ui->sock, POLLIN, on_sock, ui, &ui->sock_io) < 0 ||
	    loop_add_io(ui->loop, ui->tty_in, POLLIN, on_tty, ui, &ui->tty_io) < 0 ||
	    loop_add_io(ui->loop, signal_fd, POLLIN, on_signal, ui, &ui->signal_io) < 0)
		return rc;
	screen_measure(&ui->rows, &ui->cols);
	rc = screen_main_open(ui);
	if (rc < 0)
		return rc;
	ui_send(ui, MENU_HELLO, &hello, sizeof(hello));
	return 0;
}

static void ui_close(struct ui *ui)
{
	if (ui->shell)
		kill(ui->shell, SIGHUP);
	while (ui->depth > 0)
		stack_drop(ui);
	outbox_free(&ui->outbox);
	console_destroy(ui->console);
	model_free(&ui->model);
	plan_free(&ui->plan);
	loop_destroy(ui->loop);
	free(ui->body);
}

int menu_run(int sock, const struct menu_options *options, struct vmb_err *err)
{
	struct vmb_err ignored;
	struct ui ui = {.sock = sock, .tty_in = STDIN_FILENO, .owns_daemon = options->owns_daemon,
			.err = err ? err : &ignored};
	struct terminal terminal;
	int signal_fd, rc;

	outbox_init(&ui.outbox);
	terminal_choose(options->ascii, &terminal);
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	rc = screen_start(&terminal, &signal_fd, err);
	if (rc < 0)
		return rc;
	draw_start(terminal.utf8, !(getenv("NO_COLOR") && getenv("NO_COLOR")[0]));
	rc = ui_open(&ui, signal_fd);
	if (rc == 0) {
		if (terminal.note[0])
			ui_say(&ui, UI_WARN, "%s", terminal.note);
		rc = loop_run(ui.loop);
		if (rc == 0)
			rc = ui.result;
	} else {
		vmb_err_set(err, -rc, "There is not enough memory for the menu.");
	}
	ui_close(&ui);
	screen_stop();
	return rc;
}
