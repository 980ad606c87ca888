/*
 * The menu's core: stack of screens, painting, and the events of the terminal. What is on the screens
 * is theirs; what the daemon says and is told goes through messages.c.
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
#include "prefix.h"
#include "proto.h"
#include "text.h"
#include "ui/draw.h"
#include "ui/messages.h"
#include "ui/screen.h"
#include "ui/screens.h"
#include "ui/shell.h"

static void on_paint(void *arg);

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

bool ui_has_screen(const struct ui *ui, const struct ui_screen *screen)
{
	for (unsigned int i = 0; i < ui->depth; i++)
		if (ui->stack[i].screen == screen)
			return true;
	return false;
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
	if (ui->attach_only && ui->depth == 1)
		ui_quit(ui, 0);
}

void ui_pop_all(struct ui *ui)
{
	while (ui->depth > 1)
		stack_drop(ui);
	if (ui->attach_only)
		ui_quit(ui, 0);
}

/* ---- painting ---- */

void ui_dirty(struct ui *ui)
{
	uint64_t next = ui->painted_ms + screen_paint_interval(), now = loop_now_ms();

	if (ui->paint_timer)
		return;
	loop_add_timer(ui->loop, next > now ? next - now : 0, on_paint, ui, &ui->paint_timer);
}

void ui_paint_now(struct ui *ui)
{
	/* An eighth of the usual distance: a guest that clears without end must not flood the terminal. */
	if (!ui->paint_timer || loop_now_ms() < ui->painted_ms + screen_paint_interval() / 8)
		return;
	ui_paint(ui);
}

void ui_paint(struct ui *ui)
{
	loop_remove_timer(ui->paint_timer);
	on_paint(ui);
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
	if (ui->shell || ui->transparent.active)
		return;
	ui->painted_ms = loop_now_ms();
	ui->cursor_shown = false;
	ui->cursor_row = ui->rows - 1;
	ui->cursor_col = 0;
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
	/* The guest has the terminal; what it is told of its size is its own affair. */
	if (ui->transparent.active)
		return;
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

/* ---- keys ---- */

void ui_quit(struct ui *ui, int result)
{
	if (ui->leaving)
		return;
	ui->leaving = true;
	ui->result = result;
	loop_quit(ui->loop, 0);
}

static void leave(struct ui *ui)
{
	ui_quit(ui, 0);
}

/* Asks first if a VM runs, then leaves. */
static void ask_quit(struct ui *ui)
{
	char text[256];

	if (!model_vm_alive(&ui->model)) {
		ui_quit(ui, 0);
		return;
	}
	snprintf(text, sizeof(text),
		 ui->owns_daemon
			 ? "%s is running and ends with this menu, as if its power were cut. "
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
	/* Petitboot's key for it; one letter alone, which a line's noise may be, opens no shell. */
	case 'x':
		dialog_ask(ui, "Shell", "Open a shell? exit returns to the menu.", ui_start_shell);
		return true;
	case '?':
	case 'h':
	case UI_KEY_F1: screen_help_open(ui); return true;
	case 'i': screen_info_open(ui); return true;
	case 'l': screen_log_open(ui); return true;
	case 'P': screen_power_open(ui); return true;
	case 'U': screen_unlock_open(ui); return true;
	case 'q': ask_quit(ui); return true;
	default: return false;
	}
}

/*
 * A key that a person can have pressed stops the countdown, or keeps it stopped: never ^L, and what the
 * decoder does not know never comes here. True if that was all: a letter that comes by chance (line noise,
 * the rest of a script) must not be a command as well. What moves, starts or helps is one, and
 * whoever has opened another screen is there.
 */
static bool autostart_key(struct ui *ui, const struct ui_key *key)
{
	bool was_running = ui->model.countdown.state == MENU_COUNTDOWN_RUNNING;

	if (ui->model.countdown.state == MENU_COUNTDOWN_OFF || key->code == UI_KEY_CTRL('L'))
		return false;
	ui_send(ui, MENU_COUNTDOWN_PAUSE, NULL, 0);
	if (ui->model.countdown.power) {
		ui->model.countdown.state = MENU_COUNTDOWN_OFF;
		ui_say(ui, UI_GOOD, "This machine stays on.");
		return true;
	}
	if (!was_running || ui->depth > 1 || ui_key_is_enter(key) || key->code == '!' ||
	    key->code == '?' || (key->code >= UI_KEY_UP && key->code != UI_KEY_DELETE))
		return false;
	ui->model.countdown.state = MENU_COUNTDOWN_PAUSED;
	return true;
}

/* How long a terminal may take to say its size. Later it is no answer but noise. */
#define SIZE_WAIT_MS 300

static void ask_size(struct ui *ui)
{
	screen_ask_size();
	ui->size_asked_ms = loop_now_ms();
}

static void take_report(struct ui *ui)
{
	int rows, cols;

	if (!keys_take_report(&ui->keys, &rows, &cols) || ui->size_asked_ms == 0)
		return;
	if (loop_now_ms() - ui->size_asked_ms <= SIZE_WAIT_MS && rows >= 10 && cols >= 20) {
		screen_set_size(rows, cols);
		ui_redraw_all(ui);
	}
	ui->size_asked_ms = 0;
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
	/* Also where ^L is the guest's. */
	if (key->code == UI_KEY_CTRL('L') && !key->alt && screen_has_no_size())
		ask_size(ui);
	if (ui->wait.type && key->code == UI_KEY_ESCAPE)
		wait_cancel(ui);
	else if (!autostart_key(ui, key))
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
	if (ui->transparent.active) {
		transparent_keys(ui, buf, (size_t)n);
		return;
	}
	loop_remove_timer(ui->esc_timer);
	ui->esc_timer = NULL;
	for (ssize_t i = 0; i < n && !ui->shell && !ui->leaving; i++) {
		struct ui_key key;

		if (keys_feed(&ui->keys, buf[i], &key))
			dispatch_key(ui, &key);
		else
			take_report(ui);
	}
	if (keys_pending(&ui->keys))
		loop_add_timer(ui->loop, UI_KEYS_WAIT_MS, on_escape_wait, ui, &ui->esc_timer);
}

uint8_t ui_prefix_key(const struct ui *ui)
{
	if (ui->prefix_key)
		return ui->prefix_key;
	return ui->model.settings.prefix_key ? ui->model.settings.prefix_key : PREFIX_KEY;
}

char *ui_prefix_text(const struct ui *ui, const char *text, char *buf, size_t size)
{
	char name[3];

	text_copy(buf, size, text);
	prefix_key_name(ui_prefix_key(ui), name);
	for (char *at = strstr(buf, "^]"); at; at = strstr(at + 2, "^]"))
		memcpy(at, name, 2);
	return buf;
}

/* ---- the shell and signals ---- */

void ui_start_shell(struct ui *ui)
{
	int rc;

	if (ui->model.settings_known && !ui->model.settings.shell_allowed) {
		ui_say(ui, UI_BAD, "shell disabled by policy (shell in vmboot.conf)");
		return;
	}
	if (ui->lock.locked) {
		screen_unlock_open(ui);
		return;
	}
	screen_suspend();
	rc = shell_start(model_vm_alive(&ui->model) ? ui->model.vm.config.title : NULL, &ui->shell);
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

void ui_take_signals(struct ui *ui)
{
	bool had_shell = ui->shell != 0;
	int number;

	while ((number = screen_next_signal()) != 0) {
		if (number == SIGWINCH) {
			if (!ui->shell)
				layout_all(ui);
		} else if (number == SIGCHLD) {
			shell_ended(ui);
		} else if (!(had_shell && (number == SIGINT || number == SIGQUIT))) {
			/* ^C in the shell is the shell's, also when it has just ended. */
			ui_quit(ui, vmb_err_set(ui->err, EINTR, "The menu was ended by %s.",
						strsignal(number)));
		}
	}
}

static void on_signal(void *arg, int fd, short revents)
{
	(void)fd;
	(void)revents;
	ui_take_signals(arg);
}

/* ---- the whole ---- */

static int ui_open(struct ui *ui, int signal_fd)
{
	int rc = -ENOMEM;

	ui->body = malloc(PROTO_MAX_BODY);
	if (!ui->body)
		return rc;
	if (console_create(screen_console_output, ui, &ui->console) < 0 ||
	    loop_create(&ui->loop) < 0 ||
	    loop_add_io(ui->loop, ui->sock, POLLIN, messages_on_socket, ui, &ui->sock_io) < 0 ||
	    loop_add_io(ui->loop, ui->tty_in, POLLIN, on_tty, ui, &ui->tty_io) < 0 ||
	    loop_add_io(ui->loop, signal_fd, POLLIN, on_signal, ui, &ui->signal_io) < 0)
		return rc;
	screen_measure(&ui->rows, &ui->cols);
	rc = ui->attach_only ? screen_attach_open(ui) : screen_main_open(ui);
	if (rc < 0)
		return rc;
	ui_refresh_host(ui);
	return 0;
}

static void ui_close(struct ui *ui)
{
	if (ui->shell)
		kill(ui->shell, SIGHUP);
	transparent_stop(ui);
	while (ui->depth > 0)
		stack_drop(ui);
	outbox_free(&ui->outbox);
	console_destroy(ui->console);
	journal_free(&ui->journal);
	facts_free(&ui->facts);
	model_free(&ui->model);
	plan_free(&ui->plan);
	loop_destroy(ui->loop);
	free(ui->body);
}

int menu_run(int sock, const struct menu_options *options, struct vmb_err *err)
{
	struct vmb_err ignored;
	struct ui ui = {.sock = sock,
			.tty_in = STDIN_FILENO,
			.owns_daemon = options->owns_daemon,
			.attach_only = options->attach_only,
			.prefix_key = options->prefix_key,
			.err = err ? err : &ignored};
	struct terminal terminal;
	int signal_fd, rc;

	outbox_init(&ui.outbox);
	terminal_console_name(ui.console_name, sizeof(ui.console_name));
	terminal_choose(options->ascii, &terminal);
	fcntl(sock, F_SETFL, fcntl(sock, F_GETFL) | O_NONBLOCK);
	rc = screen_start(&terminal, &signal_fd, err);
	if (rc < 0)
		return rc;
	ui.named_theme = options->theme;
	ui.theme_dir = options->theme_dir;
	ui.named_ascii = options->ascii;
	ui.charset = terminal.utf8 ? DRAW_UTF8 : terminal.acs ? DRAW_ACS : DRAW_ASCII;
	rc = ui_open(&ui, signal_fd);
	if (rc == 0) {
		ui_take_looks(&ui);
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
