/*
 * The guest's console: its grid fills the screen but for one status row, every key goes to the guest
 * but for the prefix key's commands. The grid itself is ui/console.c.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prefix.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/guest_keys.h"
#include "ui/screen.h"

/* After ^] the menu comes back by itself when no key follows for so long. */
#define PREFIX_WAIT_MS 1500

/* A console that says nothing for so long deserves a word. */
#define SILENT_MS 15000

struct screen_console {
	struct ui *ui;
	struct prefix prefix;
	struct loop_timer *prefix_timer;
	int top, left; /* first grid row and column that is visible */
};

void screen_console_output(void *arg, const uint8_t *buf, size_t n)
{
	struct ui *ui = arg;

	/* In the transparent mode the operator's terminal answers. What was asked long ago had its answer. */
	if (!ui->transparent.active && ui->console_is_live)
		ui_guest_input(ui, buf, n);
}

/* First visible line of SIZE when ROOM are visible and AT must be among them. */
static int follow(int first, int at, int size, int room)
{
	if (at < first)
		first = at;
	if (at >= first + room)
		first = at - room + 1;
	if (first > size - room)
		first = size - room;
	return first < 0 ? 0 : first;
}

static const char *keyboard_owner(const struct ui *ui)
{
	return ui->model.vm.keyboard_name[0] ? ui->model.vm.keyboard_name : "another console";
}

/* What the right end of the row says, for a wide and for a narrow terminal. */
struct bar_note {
	char wide[96], narrow[80];
};

/* Returns BUF. The usual log may be in memory, and have less room than one that an entry names. */
static char *log_text(const struct ui *ui, char *buf, size_t size)
{
	const struct menu_welcome *host = &ui->model.welcome;
	const struct menu_vm *vm = &ui->model.vm;
	bool usual = strcmp(vm->config.log_path, host->log_path) == 0;
	uint64_t max = usual ? host->log_max : VM_LOG_MAX;

	buf[0] = '\0';
	if (vm->log == MENU_VM_LOG_FULL)
		snprintf(buf, size, "log stopped at %u MiB", (unsigned int)(max >> 20));
	else if (vm->log != MENU_VM_LOG_NONE)
		snprintf(buf, size, "log: %s", vm->log == MENU_VM_LOG_ON ? "on" : "off");
	return buf;
}

static void bar_note(const struct ui *ui, const struct screen_console *sc, int grid_rows,
		     struct bar_note *note)
{
	const struct menu_vm *vm = &ui->model.vm;
	int pane = ui->rows - 1;
	char first[48] = "", log[32];

	log_text(ui, log, sizeof(log));
	*note = (struct bar_note){0};
	if (!ui_has_keyboard(ui)) {
		snprintf(note->wide, sizeof(note->wide), "%s has the keyboard - press T to take it",
			 keyboard_owner(ui));
		snprintf(note->narrow, sizeof(note->narrow), "T takes the keyboard");
		return;
	}
	if (ui->console_bytes == 0 && model_vm_run_ms(&ui->model, loop_now_ms()) >= SILENT_MS) {
		snprintf(note->wide, sizeof(note->wide),
			 "no serial output yet - guest may use video only");
		snprintf(note->narrow, sizeof(note->narrow), "no serial output yet");
		return;
	}
	if (grid_rows > pane)
		snprintf(first, sizeof(first), "rows %d-%d of %d  ", sc->top + 1, sc->top + pane,
			 grid_rows);
	else if (vm->resets > 0)
		snprintf(first, sizeof(first), "resets %u  ", vm->resets);
	/* That something is no longer kept is worth the guest's name; how it usually is is not. */
	if (vm->log == MENU_VM_LOG_FULL)
		snprintf(note->wide, sizeof(note->wide), "%s", log);
	snprintf(note->narrow, sizeof(note->narrow), "%s%s", first, log);
}

/* The way back to the menu is always there; the note goes before the title, the title before the time. */
static void draw_bar_facts(const struct ui *ui, const struct bar_note *note)
{
	const struct menu_vm *vm = &ui->model.vm;
	const char *stage = vmm_stage_name(vm->stage), *right = note->wide;
	int row = ui->rows - 1, room = ui->cols - 3, chosen = 0;
	char left[3][256], time[32], menu[16];
	const char *way_back = ui->attach_only ? "^] . leaves" : "^] menu";

	ui_prefix_text(ui, way_back, menu, sizeof(menu));
	frame_format_time(model_vm_run_ms(&ui->model, loop_now_ms()), time, sizeof(time));
	snprintf(left[0], sizeof(left[0]), "%.40s  %s %s  %s%s%s", vm->config.title,
		 model_vm_verb(&ui->model), time, stage, stage[0] ? "  " : "", menu);
	snprintf(left[1], sizeof(left[1]), "%.20s  %s", vm->config.title, menu);
	snprintf(left[2], sizeof(left[2]), "%s", menu);
	while (right[0] && chosen < 2 &&
	       draw_columns(left[chosen]) + draw_columns(right) + 2 > room)
		chosen++;
	if (draw_columns(left[chosen]) + draw_columns(right) + 2 > room || !right[0])
		right = note->narrow;
	draw_text(row, 1, room, UI_CONSOLE_BAR, left[chosen]);
	if (draw_columns(left[chosen]) + draw_columns(right) + 2 <= room)
		draw_right(row, 1, room, UI_CONSOLE_BAR, right);
}

static void draw_bar(const struct ui *ui, const struct screen_console *sc, int grid_rows)
{
	int row = ui->rows - 1;
	struct bar_note note;
	char text[128];

	if (ui->console_full && !sc->prefix.pending && !ui->status[0] && ui_has_keyboard(ui))
		return;
	draw_text(row, 0, ui->cols - 1, UI_CONSOLE_BAR, "");
	if (sc->prefix.pending) {
		const char *keys =
			ui->cols < 80 ? "^]: . menu  ? help  k kill  r reset  p power  ^] literal"
				      : "^]: . menu  ? help  k kill  r reset  p power  [ scroll  "
					"f full  t transparent";

		draw_text(row, 1, ui->cols - 3, UI_CONSOLE_BAR,
			  ui_prefix_text(ui, keys, text, sizeof(text)));
	} else if (ui->status[0]) {
		draw_text(row, 1, ui->cols - 3, UI_CONSOLE_BAR, ui->status);
	} else {
		bar_note(ui, sc, grid_rows, &note);
		draw_bar_facts(ui, &note);
	}
}

static void console_draw(struct ui *ui, void *data)
{
	struct screen_console *sc = data;
	int pane = ui->console_full ? ui->rows : ui->rows - 1, rows, cols, cur_row, cur_col;
	bool visible;

	console_size(ui->console, &rows, &cols);
	console_cursor(ui->console, &cur_row, &cur_col, &visible);
	sc->top = follow(sc->top, cur_row, rows, pane);
	sc->left = follow(sc->left, cur_col, cols, ui->cols);
	for (int y = 0; y < pane && sc->top + y < rows; y++)
		for (int x = 0; x < ui->cols && sc->left + x < cols; x++) {
			struct console_cell cell;

			console_cell(ui->console, sc->top + y, sc->left + x, &cell);
			draw_console_cell(y, x, &cell);
		}
	draw_bar(ui, sc, rows);
	if (visible && !sc->prefix.pending) {
		ui->cursor_shown = true;
		ui->cursor_row = cur_row - sc->top;
		ui->cursor_col = cur_col - sc->left;
	}
}

static void prefix_end(struct screen_console *sc)
{
	sc->prefix.pending = false;
	loop_remove_timer(sc->prefix_timer);
	sc->prefix_timer = NULL;
}

static void on_prefix_wait(void *arg)
{
	struct screen_console *sc = arg;

	sc->prefix_timer = NULL;
	sc->prefix.pending = false;
	ui_pop_all(sc->ui);
}

static void vm_kill(struct ui *ui)
{
	ui_send(ui, MENU_VM_KILL, NULL, 0);
	ui_say(ui, UI_WARN, "Killing the VM ...");
}

static void vm_reset(struct ui *ui)
{
	ui_send(ui, MENU_VM_RESET, NULL, 0);
	ui_say(ui, UI_WARN, "Reset.");
}

static void next_charset(struct ui *ui)
{
	static const char *const names[CHARSET_MODES] = {
		[CHARSET_AUTO] = "automatic",
		[CHARSET_UTF8] = "UTF-8",
		[CHARSET_CP437] = "CP437",
	};
	enum charset_mode mode = (console_get_charset(ui->console) + 1) % CHARSET_MODES;

	console_set_charset(ui->console, mode);
	ui_say(ui, UI_NORMAL, "Character set: %s, for what comes from now on.", names[mode]);
}

/* A key for the guest, if it lives. */
static void send_key(struct ui *ui, const struct ui_key *key)
{
	uint8_t bytes[GUEST_KEY_MAX];
	char name[3];
	size_t n = guest_key_encode(ui->guest_profile, key, bytes);

	if (!ui_has_keyboard(ui) && model_vm_alive(&ui->model)) {
		/* The status row says so all the time. */
		if (key->code == 'T' && !key->alt)
			ui_send(ui, MENU_KEYBOARD_TAKE, NULL, 0);
	} else if (n > 0) {
		ui_guest_input(ui, bytes, n);
	} else if (key->code >= UI_KEY_F1) {
		ui_say(ui, UI_NORMAL, "%s terminals have no such key: %s m takes another.",
		       guest_profile_name(ui->guest_profile),
		       ui_prefix_text(ui, "^]", name, sizeof(name)));
	}
}

static void send_fkey(struct ui *ui, uint8_t digit)
{
	send_key(ui, &(struct ui_key){.code = UI_KEY_F1 + (uint32_t)(digit - '0' + 9) % 10});
}

/* The picture without our row, which the guest then goes on with. */
static void begin_transparent(struct ui *ui)
{
	bool full = ui->console_full;

	ui->console_full = true;
	ui->status[0] = '\0';
	screen_spoil();
	ui_paint(ui);
	ui->console_full = full;
	transparent_start(ui);
}

static void ask_transparent(struct ui *ui)
{
	char text[256];

	dialog_ask(ui, "Transparent mode",
		   ui_prefix_text(
			   ui,
			   "The guest gets this terminal as it is: what it writes is not checked "
			   "any more, and this terminal answers its questions. ^] t or ^] . "
			   "takes it back. Give it to the guest?",
			   text, sizeof(text)),
		   begin_transparent);
}

static void toggle_log(struct ui *ui)
{
	const struct menu_vm *vm = &ui->model.vm;
	uint8_t on = vm->log == MENU_VM_LOG_PAUSED;
	char text[32];

	switch (vm->log) {
	case MENU_VM_LOG_NONE: ui_say(ui, UI_WARN, "This VM's console has no log."); return;
	case MENU_VM_LOG_FULL:
		ui_say(ui, UI_WARN, "%s: %s", log_text(ui, text, sizeof(text)),
		       vm->config.log_path);
		return;
	default: break;
	}
	ui_send(ui, MENU_VM_LOG, &on, sizeof(on));
	ui_say(ui, UI_NORMAL,
	       on ? "The console is logged again: %s" : "The console is not logged for now: %s",
	       vm->config.log_path);
}

static void tell_keys(struct ui *ui)
{
	char title[32], text[768];

	dialog_tell(ui, ui_prefix_text(ui, "Keys after ^]", title, sizeof(title)),
		    ui_prefix_text(ui,
				   ". d    the menu; the VM goes on (a pause, too)\n"
				   "[      what scrolled away; / searches in it\n"
				   "1-9 0  F1 to F10\n"
				   "m      if F10 or Delete do nothing: other key codes\n"
				   "u      if lines look wrong: another character set\n"
				   "f      without the status row, or with it\n"
				   "t      this terminal itself becomes the guest's\n"
				   "l b    the raw log, off or on; a break\n"
				   "p r k  its power button; reset it; kill it\n"
				   "! ^]   a shell; one ^] for the guest",
				   text, sizeof(text)));
}

static void prefix_command(struct ui *ui, enum prefix_action action)
{
	char name[3];

	switch (action) {
	case PREFIX_HELP: tell_keys(ui); break;
	case PREFIX_SCROLL: screen_scroll_open(ui); break;
	case PREFIX_FULL: ui->console_full = !ui->console_full; break;
	case PREFIX_TRANSPARENT: ask_transparent(ui); break;
	case PREFIX_KEYMAP:
		ui->guest_profile = (ui->guest_profile + 1) % GUEST_PROFILES;
		ui->profile_by_hand = true;
		ui_say(ui, UI_NORMAL, "Keys are sent as %s.",
		       guest_profile_name(ui->guest_profile));
		break;
	case PREFIX_CHARSET: next_charset(ui); break;
	case PREFIX_MENU: ui_pop_all(ui); break;
	case PREFIX_KILL:
		dialog_ask(
			ui, "Kill the VM",
			"It ends at once, as if its power were cut: what it has not written to its "
			"disks is lost. Kill it?",
			vm_kill);
		break;
	case PREFIX_RESET:
		dialog_ask(ui, "Reset the VM",
			   "It starts anew at once: what it has not written to its disks is lost. "
			   "Reset it?",
			   vm_reset);
		break;
	case PREFIX_POWER:
		ui_send(ui, MENU_VM_POWER, NULL, 0);
		ui_say(ui, UI_NORMAL, "The power button was pressed; the guest decides.");
		break;
	case PREFIX_BREAK:
		ui_send(ui, MENU_VM_BREAK, NULL, 0);
		ui_say(ui, UI_NORMAL, "A break was sent on the serial line.");
		break;
	case PREFIX_LOG: toggle_log(ui); break;
	case PREFIX_SHELL: ui_start_shell(ui); break;
	case PREFIX_UNKNOWN:
		ui_say(ui, UI_NORMAL, "No such command: %s ? lists them.",
		       ui_prefix_text(ui, "^]", name, sizeof(name)));
		break;
	default: break;
	}
}

/* A key after ^]: one that is no character ends the prompt. */
static void prefix_key(struct ui *ui, struct screen_console *sc, const struct ui_key *key)
{
	uint8_t byte = key->code < 0x80 ? (uint8_t)key->code : 0, passed;
	enum prefix_action action = prefix_feed(&sc->prefix, byte, &passed);

	prefix_end(sc);
	if (action == PREFIX_PASS)
		ui_guest_input(ui, &passed, 1);
	else if (action == PREFIX_FKEY)
		send_fkey(ui, passed);
	else if (key->code != UI_KEY_ESCAPE)
		prefix_command(ui, action);
}

void screen_console_command(struct ui *ui, enum prefix_action action, uint8_t byte)
{
	if (action == PREFIX_FKEY) {
		send_fkey(ui, byte);
	} else if (action == PREFIX_TRANSPARENT) {
		transparent_stop(ui);
	} else if (action != PREFIX_UNKNOWN) {
		transparent_stop(ui);
		prefix_command(ui, action);
	}
}

static void console_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_console *sc = data;
	uint8_t prefix = ui_prefix_key(ui), ignored;

	if (sc->prefix.pending) {
		prefix_key(ui, sc, key);
		return;
	}
	if (key->code == prefix && !key->alt) {
		sc->prefix.key = prefix;
		prefix_feed(&sc->prefix, prefix, &ignored);
		loop_add_timer(ui->loop, PREFIX_WAIT_MS, on_prefix_wait, sc, &sc->prefix_timer);
		return;
	}
	send_key(ui, key);
}

static void console_changed(struct ui *ui, void *data, int what)
{
	(void)data;
	/* Where there is nothing below it, the screen there says how it ended. */
	if (!(what & MODEL_VM) || ui->attach_only)
		return;
	if (ui->model.vm.state == MENU_VM_ENDED)
		ui_show_vm(ui);
	else if (ui->model.vm.state == MENU_VM_NONE)
		ui_pop_all(ui);
}

static void console_close(struct ui *ui, void *data)
{
	struct screen_console *sc = data;

	transparent_stop(ui);
	loop_remove_timer(sc->prefix_timer);
	free(sc);
}

static const struct ui_screen screen_console_ops = {
	.name = "console",
	.draw = console_draw,
	.key = console_key,
	.changed = console_changed,
	.close = console_close,
};

void screen_console_open(struct ui *ui)
{
	struct screen_console *sc = calloc(1, sizeof(*sc));

	if (!sc) {
		ui_say(ui, UI_BAD, "There is not enough memory for the console.");
		return;
	}
	sc->ui = ui;
	sc->prefix.view = true;
	ui_push(ui, &screen_console_ops, sc);
}
