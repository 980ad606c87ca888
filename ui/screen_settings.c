/*
 * The settings: what the menu does by itself, how it looks, who may do what. A theme shows at once; ^S keeps
 * all of it, through the daemon.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/console_rows.h"
#include "ui/draw.h"
#include "ui/form.h"
#include "ui/frame.h"

enum settings_row {
	SETTINGS_SAVE,
	SETTINGS_THEME,
	SETTINGS_ASCII,
	SETTINGS_COUNTDOWN,
	SETTINGS_REARM,
	SETTINGS_HIDDEN,
	SETTINGS_PREFIX,
	SETTINGS_POWER,
	SETTINGS_SHELL,
	SETTINGS_PASSWORD,
	SETTINGS_TRUST,
	SETTINGS_IMAGES,
	SETTINGS_ROWS, /* then those of the consoles */
};

/* What a countdown may be set to; more is an editor's matter. */
static const int32_t countdowns[] = {-1, 0, 3, 5, 10, 20, 30, 60, 120};
static const uint32_t rearms[] = {0, 10, 30, 60, 120, 300};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct screen_settings {
	struct form form;
	struct menu_settings now, saved;
	struct field images;
	char label[32]; /* of the console's row that was asked for last */
	bool saving;
};

/* ---- values ---- */

static const char *countdown_text(int32_t seconds, char *buf, size_t size)
{
	if (seconds < 0)
		text_copy(buf, size, "none");
	else if (seconds == 0)
		text_copy(buf, size, "at once");
	else
		snprintf(buf, size, "%d s", (int)seconds);
	return buf;
}

static void row_value(const struct screen_settings *ss, const struct menu_settings *from, int row,
		      char *buf, size_t size)
{
	static const char *const power[] = {"back to the menu", "switch this machine off"};
	static const char *const trust[] = {"off", "warn", "require"};

	switch (row) {
	case SETTINGS_SAVE: text_copy(buf, size, "Save"); break;
	case SETTINGS_THEME: text_copy(buf, size, from->theme[0] ? from->theme : "default"); break;
	case SETTINGS_ASCII:
		text_copy(buf, size, from->ascii ? "ASCII" : "as the terminal can");
		break;
	case SETTINGS_COUNTDOWN: countdown_text(from->timeout_s, buf, size); break;
	case SETTINGS_REARM:
		if (from->rearm_s)
			snprintf(buf, size, "after %u s without a key", from->rearm_s);
		else
			text_copy(buf, size, "never");
		break;
	case SETTINGS_HIDDEN:
		text_copy(buf, size, from->hidden_menu ? "countdown only" : "shown");
		break;
	case SETTINGS_PREFIX: snprintf(buf, size, "^%c", from->prefix_key | 0x40); break;
	case SETTINGS_POWER: text_copy(buf, size, power[from->guest_power ? 1 : 0]); break;
	case SETTINGS_SHELL:
		text_copy(buf, size, from->shell_allowed ? "allowed" : "forbidden");
		break;
	case SETTINGS_PASSWORD:
		text_copy(buf, size, from->has_password ? "Change" : "Set");
		break;
	case SETTINGS_TRUST: text_copy(buf, size, trust[from->trust % 3]); break;
	default: text_copy(buf, size, from == &ss->now ? ss->images.text : from->images); break;
	}
}

static bool is_changed(const struct screen_settings *ss, int row)
{
	char now[VM_PATH_SIZE], saved[VM_PATH_SIZE];

	row_value(ss, &ss->now, row, now, sizeof(now));
	row_value(ss, &ss->saved, row, saved, sizeof(saved));
	return strcmp(now, saved) != 0;
}

static bool any_changed(const struct screen_settings *ss)
{
	for (int row = 0; row < SETTINGS_ROWS; row++)
		if (is_changed(ss, row))
			return true;
	return memcmp(ss->now.consoles, ss->saved.consoles, sizeof(ss->now.consoles)) != 0;
}

/* ---- the form's rows ---- */

static const struct {
	enum form_kind kind;
	const char *label, *help;
} row_table[SETTINGS_ROWS] = {
	[SETTINGS_SAVE] = {FORM_ACTION, "", "Keeps the settings. ^S does so from every line."},
	[SETTINGS_THEME] =
		{FORM_CHOICE, "Theme",
		 "Colours of the menu; they change at once. Files in themes/ beside the "
		 "settings are themes, too."},
	[SETTINGS_ASCII] = {FORM_CHOICE, "Frames",
			    "ASCII if lines and arrows look wrong on this terminal."},
	[SETTINGS_COUNTDOWN] =
		{FORM_CHOICE, "Countdown",
		 "The default entry starts by itself after so long; any key stops it."},
	[SETTINGS_REARM] = {FORM_CHOICE, "Count again",
			    "So long after the last key the countdown begins again: a key that "
			    "came by chance must not keep a machine in the menu for good."},
	[SETTINGS_HIDDEN] = {FORM_CHOICE, "Menu", "While it counts down. Any key shows the menu."},
	[SETTINGS_PREFIX] =
		{FORM_CHOICE, "Prefix key",
		 "What comes before a command on a guest's console. ^] cannot be typed on "
		 "every keyboard."},
	[SETTINGS_POWER] = {FORM_CHOICE, "Guest power-off",
			    "What follows when a guest switches itself off."},
	[SETTINGS_SHELL] = {FORM_CHOICE, "Shell", "May ! open a shell?"},
	[SETTINGS_PASSWORD] = {FORM_ACTION, "Password",
			       "What everything but the default entry asks for. It counts at once, "
			       "without ^S; an empty one takes it away."},
	[SETTINGS_TRUST] =
		{FORM_CHOICE, "Signatures",
		 "Of firmware and settings. warn: what has none is started, and the log says "
		 "so. require: it is not started."},
	[SETTINGS_IMAGES] = {FORM_TEXT, "Image directory",
			     "ISO and disk images in it are offered as disks; may be empty."},
};

static int settings_count(struct ui *ui, void *data)
{
	(void)ui;
	return SETTINGS_ROWS + console_rows_count(&((struct screen_settings *)data)->now);
}

static void settings_describe(struct ui *ui, void *data, int index, struct form_row *row)
{
	struct screen_settings *ss = data;

	(void)ui;
	if (index >= SETTINGS_ROWS) {
		console_rows_describe(&ss->now, &ss->saved, index - SETTINGS_ROWS, row, ss->label,
				      sizeof(ss->label));
		return;
	}
	row->kind = row_table[index].kind;
	row->label = row_table[index].label;
	row->help = row_table[index].help;
	row->field = &ss->images;
	row->changed = is_changed(ss, index);
	row_value(ss, &ss->now, index, row->value, sizeof(row->value));
	if (index == SETTINGS_IMAGES && ss->images.text[0] && ss->images.text[0] != '/') {
		row->check_element = UI_BAD;
		text_copy(row->check, sizeof(row->check), "Write the whole path, from / on.");
	}
}

static int turn(int at, int count, int step)
{
	return (at + step + count) % count;
}

static void change_countdown(struct menu_settings *now, int step)
{
	int at = 0;

	while (at < COUNT(countdowns) - 1 && countdowns[at] < now->timeout_s)
		at++;
	now->timeout_s = countdowns[turn(at, COUNT(countdowns), step)];
}

static void change_rearm(struct menu_settings *now, int step)
{
	int at = 0;

	while (at < COUNT(rearms) - 1 && rearms[at] < now->rearm_s)
		at++;
	now->rearm_s = rearms[turn(at, COUNT(rearms), step)];
}

static void change_theme(struct ui *ui, struct menu_settings *now, int step)
{
	char names[THEME_NAMES_MAX][THEME_NAME_SIZE];
	int count = theme_list(ui->theme_dir, names), at = 0;

	for (int i = 0; i < count; i++)
		if (strcmp(names[i], now->theme[0] ? now->theme : "default") == 0)
			at = i;
	text_copy(now->theme, sizeof(now->theme), names[turn(at, count, step)]);
	ui_set_looks(ui, now->theme, now->ascii);
}

/* Control characters that neither a guest nor the line needs often: ^A to ^_ but Tab, Enter, Esc. */
static void change_prefix(struct menu_settings *now, int step)
{
	static const uint8_t keys[] = {0x1D, 0x01, 0x02, 0x0F, 0x14, 0x18, 0x1C, 0x1E, 0x1F};
	int at = 0;

	for (int i = 0; i < COUNT(keys); i++)
		if (keys[i] == now->prefix_key)
			at = i;
	now->prefix_key = keys[turn(at, COUNT(keys), step)];
}

static void settings_change(struct ui *ui, void *data, int index, int step)
{
	struct menu_settings *now = &((struct screen_settings *)data)->now;

	switch (index) {
	case SETTINGS_THEME: change_theme(ui, now, step); break;
	case SETTINGS_ASCII:
		now->ascii = !now->ascii;
		ui_set_looks(ui, now->theme, now->ascii);
		break;
	case SETTINGS_COUNTDOWN: change_countdown(now, step); break;
	case SETTINGS_REARM: change_rearm(now, step); break;
	case SETTINGS_HIDDEN: now->hidden_menu = !now->hidden_menu; break;
	case SETTINGS_PREFIX: change_prefix(now, step); break;
	case SETTINGS_POWER: now->guest_power = !now->guest_power; break;
	case SETTINGS_SHELL: now->shell_allowed = !now->shell_allowed; break;
	case SETTINGS_TRUST: now->trust = (uint8_t)turn(now->trust % 3, 3, step); break;
	default:
		if (index >= SETTINGS_ROWS)
			console_rows_change(now, index - SETTINGS_ROWS, step);
		break;
	}
}

static void settings_save(struct ui *ui, struct screen_settings *ss)
{
	struct menu_settings wanted;
	char check[256];
	int bad = form_bad_row(ui, &ss->form, check, sizeof(check));

	if (bad >= 0) {
		form_go_to(&ss->form, bad);
		ui_say(ui, UI_BAD, "Not saved: %s", check);
		return;
	}
	text_copy(ss->now.images, sizeof(ss->now.images), ss->images.text);
	wanted = ss->now;
	console_rows_pack(&wanted);
	ui_send(ui, MENU_SETTINGS_SAVE, &wanted, sizeof(wanted));
	ss->saving = true;
	wait_begin(ui, MENU_SETTINGS_SAVE, "Saving the settings");
}

static void settings_enter(struct ui *ui, void *data, int index)
{
	if (index == SETTINGS_PASSWORD)
		screen_password_open(ui);
	else
		settings_save(ui, data);
}

static const struct form_ops settings_form_ops = {
	.count = settings_count,
	.row = settings_describe,
	.change = settings_change,
	.enter = settings_enter,
};

/* ---- the screen ---- */

static void settings_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	form_fit(ui, &((struct screen_settings *)data)->form);
}

static void take(const struct ui *ui, struct screen_settings *ss)
{
	ss->saved = ui->model.settings;
	console_rows_add(&ss->saved, ui->console_name);
	ss->now = ss->saved;
	ss->images.max = VM_PATH_SIZE - 1;
	field_set(&ss->images, ss->saved.images);
}

static void settings_changed(struct ui *ui, void *data, int what)
{
	struct screen_settings *ss = data;

	if (!(what & MODEL_SETTINGS))
		return;
	/* Another menu may have saved meanwhile: what is being changed here is not lost to that. */
	if (ss->saving || !any_changed(ss)) {
		if (ss->saving)
			ui_say(ui, UI_GOOD, "Saved.");
		ss->saving = false;
		take(ui, ss);
	}
	/* The password is no part of what is saved here. */
	ss->now.has_password = ss->saved.has_password = ui->model.settings.has_password;
}

static enum ui_element store_element(const struct menu_settings *settings)
{
	return settings->store_state == MENU_STORE_OK ? UI_NORMAL : UI_WARN;
}

static const char *store_text(const struct menu_settings *settings)
{
	if (settings->store_text[0])
		return settings->store_text;
	switch (settings->store_state) {
	case MENU_STORE_NONE: return "none found, running on defaults";
	case MENU_STORE_WAITING: return "still looking for the partition";
	case MENU_STORE_READ_ONLY: return "read-only: changes are kept for this boot only";
	default: return "";
	}
}

static void settings_draw(struct ui *ui, void *data)
{
	struct frame_hint hints[FORM_HINTS];
	struct screen_settings *ss = data;
	const struct menu_settings *settings = &ui->model.settings;
	int y = frame_preview_row(ui->rows), rows, width = ui->cols - 2;
	bool changed = any_changed(ss);

	form_hints(ui, &ss->form, false, hints);
	frame_draw(ui, changed ? "Settings *" : "Settings", hints,
		   changed ? "* not saved: ^S keeps it" : "");
	rows = form_draw(ui, &ss->form);
	draw_printf(y, 1, width, store_element(settings), "store: %s%s%s", settings->store,
		    settings->store[0] && store_text(settings)[0] ? ", " : "",
		    store_text(settings));
	if (rows < FRAME_PREVIEW_ROWS)
		return;
	draw_printf(y + 1, 1, width, UI_NORMAL, "lock: %s",
		    settings->has_password
			    ? "a password is set; without it only the default entry starts"
			    : "no password is set");
	if (settings->problem_count)
		draw_printf(y + 2, 1, width, UI_BAD,
			    "%u line%s of the settings were not understood: the log "
			    "names them",
			    settings->problem_count, settings->problem_count == 1 ? "" : "s");
}

static void settings_leave(struct ui *ui)
{
	ui_pop(ui);
}

static void ask_leave(struct ui *ui, struct screen_settings *ss)
{
	if (any_changed(ss))
		dialog_ask(ui, "Not saved", "What was changed is not saved. Leave and forget it?",
			   settings_leave);
	else
		ui_pop(ui);
}

static void settings_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_settings *ss = data;
	bool in_text = form_in_text(ui, &ss->form);

	if (key->alt)
		return;
	if (key->code == UI_KEY_CTRL('S'))
		settings_save(ui, ss);
	else if (key->code == UI_KEY_ESCAPE)
		ask_leave(ui, ss);
	else if (form_key(ui, &ss->form, key))
		return;
	else if (key->code == 'q' || key->code == UI_KEY_LEFT)
		ask_leave(ui, ss);
	else if (!in_text || key->code == UI_KEY_CTRL('L'))
		ui_common_key(ui, key);
}

/* What was only tried on is taken off. */
static void settings_close(struct ui *ui, void *data)
{
	ui_take_looks(ui);
	free(data);
}

static const struct ui_screen screen_settings_ops = {
	.name = "settings",
	.layout = settings_layout,
	.draw = settings_draw,
	.key = settings_key,
	.changed = settings_changed,
	.close = settings_close,
};

void screen_settings_open(struct ui *ui)
{
	struct screen_settings *ss;

	if (!ui->model.settings_known) {
		ui_say(ui, UI_NORMAL, "The daemon has not told its settings yet.");
		return;
	}
	ss = calloc(1, sizeof(*ss));
	if (!ss) {
		ui_say(ui, UI_BAD, "There is not enough memory for the settings.");
		return;
	}
	ss->form.ops = &settings_form_ops;
	ss->form.data = ss;
	take(ui, ss);
	ui_push(ui, &screen_settings_ops, ss);
}
