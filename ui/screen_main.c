/*
 * The main screen: disks, below each its entries and the firmware found there, and a preview of exactly
 * what Enter does.
 */
#include "ui/screens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/main_rows.h"
#include "ui/row_list.h"

#define TITLE_SIZE 64 /* of struct vm_config */

struct screen_main {
	struct row_list list;	       /* the first, see row_list_on_layout() */
	bool vm_seen;		       /* a VM was in the list the last time */
	char before_vm[ROWS_KEY_SIZE]; /* the row under the cursor before it was */
};

/* A new VM draws the cursor to its row (Enter goes there); when it is forgotten, back again. */
static void follow_vm(const struct ui *ui, struct screen_main *sm)
{
	bool vm = ui->model.vm.state != MENU_VM_NONE;

	if (vm && !sm->vm_seen) {
		text_copy(sm->before_vm, sizeof(sm->before_vm), sm->list.key);
		text_copy(sm->list.key, sizeof(sm->list.key), ROWS_KEY_VM);
	} else if (!vm && sm->vm_seen && strcmp(sm->list.key, ROWS_KEY_VM) == 0) {
		text_copy(sm->list.key, sizeof(sm->list.key), sm->before_vm);
	}
	sm->vm_seen = vm;
}

static void main_changed(struct ui *ui, void *data, int what)
{
	struct screen_main *sm = data;

	(void)what;
	follow_vm(ui, sm);
	row_list_refresh(ui, &sm->list);
}

/* ---- drawing ---- */

/* "still scanning sdc (4 s), sdd (1 s)" */
static void scan_status(const struct ui *ui, char *buf, size_t size)
{
	const struct model *model = &ui->model;
	uint64_t now = loop_now_ms(), since = ui->scan_since_ms;
	bool named = false;
	size_t at = (size_t)snprintf(buf, size, "%c still scanning", wait_mark(now));

	for (unsigned int i = 0; i < model->device_count && at < size - 1 && at < 60; i++) {
		const struct menu_device *device = &model->devices[i];

		if (device->state != MENU_DEVICE_SCANNING || !device->scanning_since)
			continue;
		at += (size_t)snprintf(buf + at, size - at, "%s %s (%u s)", named ? "," : "",
				       device->name,
				       (unsigned int)((now - device->scanning_since) / 1000));
		named = true;
	}
	if (!named && at < size)
		at += (size_t)snprintf(buf + at, size - at, " (%u s)",
				       since ? (unsigned int)((now - since) / 1000) : 0);
	if (at < size)
		snprintf(buf + at, size - at, "   Esc ends the scan");
}

static void count_status(const struct ui *ui, char *buf, size_t size)
{
	const struct model *model = &ui->model;
	unsigned int disks = 0, entries = model->entry_count;
	char entry_text[32] = "";

	for (unsigned int i = 0; i < model->device_count; i++)
		disks += model->devices[i].parent[0] == '\0' && !model->devices[i].empty;
	if (entries)
		snprintf(entry_text, sizeof(entry_text), ", %u entr%s", entries,
			 entries == 1 ? "y" : "ies");
	snprintf(buf, size, "%u disk%s, %u firmware image%s%s%s", disks, disks == 1 ? "" : "s",
		 model->firmware_count, model->firmware_count == 1 ? "" : "s", entry_text,
		 model->live ? "" : "   (r looks for disks that were plugged in)");
}

static void idle_status(const struct ui *ui, char *buf, size_t size)
{
	const struct model *model = &ui->model;
	unsigned int left = model_countdown_left(model, loop_now_ms());
	const char *why = model->countdown.text;

	if (!model->devices_known)
		snprintf(buf, size, "Waiting for the daemon ...");
	else if (model->countdown.state == MENU_COUNTDOWN_PAUSED && left)
		snprintf(buf, size, "%s waits: it starts by itself after %u s without a key%s%s%s",
			 model->countdown.title, left, why[0] ? "   (" : "", why,
			 why[0] ? ")" : "");
	else if (model->countdown.state == MENU_COUNTDOWN_PAUSED)
		snprintf(buf, size, "%s waits for Enter%s%s%s", model->countdown.title,
			 why[0] ? "   (" : "", why, why[0] ? ")" : "");
	else if (model->scanning)
		scan_status(ui, buf, size);
	else if (model->countdown.text[0])
		text_copy(buf, size, model->countdown.text);
	else
		count_status(ui, buf, size);
}

static const char *kvm_title(const struct model *model)
{
	if (!model->welcomed)
		return "connecting ...";
	if (!model->welcome.kvm_ok)
		return "no KVM!";
	return model->welcome.firmware_ok ? "x86-64 KVM ok" : "KVM cannot run firmware!";
}

static const struct frame_hint *hints_for(const struct row *row)
{
	static const struct frame_hint vm[] = {
		{"Enter", "show it", false}, {"i", "info", true},  {"l", "log", true},
		{"c", "setup", true},	     {"P", "power", true}, {"!", "shell", true},
		{"?", "help", false},	     {"q", "quit", false}, {NULL, NULL, false},
	};
	static const struct frame_hint entry[] = {
		{"Enter", "start", false}, {"e", "edit", false}, {"d", "default", true},
		{"i", "info", true},	   {"l", "log", true},	 {"p", "pci", true},
		{"c", "setup", false},	   {"s", "disks", true}, {"o", "next start", true},
		{"/", "filter", true},	   {"P", "power", true}, {"!", "shell", true},
		{"?", "help", false},	   {"q", "quit", false}, {NULL, NULL, false},
	};
	static const struct frame_hint disk[] = {
		{"Enter", "start", false}, {"Space", "attach", false}, {"e", "edit", false},
		{"s", "disks", true},	   {"l", "log", true},	       {"i", "info", true},
		{"c", "setup", false},	   {"/", "filter", true},      {"n", "new", true},
		{"r", "rescan", true},	   {"P", "power", true},       {"!", "shell", true},
		{"?", "help", false},	   {"q", "quit", false},       {NULL, NULL, false},
	};

	static const struct frame_hint firmware[] = {
		{"Enter", "start", false}, {"e", "edit", false},  {"f", "firmware", true},
		{"s", "disks", true},	   {"l", "log", true},	  {"i", "info", true},
		{"c", "setup", false},	   {"/", "filter", true}, {"n", "new", true},
		{"P", "power", true},	   {"!", "shell", true},  {"?", "help", false},
		{"q", "quit", false},	   {NULL, NULL, false},
	};
	static const struct frame_hint nothing[] = {
		{"r", "rescan", false}, {"!", "shell", false}, {"i", "info", false},
		{"l", "log", true},	{"s", "disks", true},  {"c", "setup", false},
		{"P", "power", true},	{"?", "help", false},  {"q", "quit", false},
		{NULL, NULL, false},
	};

	if (!row)
		return nothing;
	switch (row->kind) {
	case ROW_VM: return vm;
	case ROW_ENTRY: return entry;
	case ROW_FIRMWARE: return firmware;
	default: return disk;
	}
}

/* Nothing but the countdown, until a key is pressed. */
static bool is_hidden(const struct ui *ui)
{
	return ui->model.settings.hidden_menu &&
	       ui->model.countdown.state == MENU_COUNTDOWN_RUNNING;
}

static void draw_hidden(struct ui *ui)
{
	char text[160];
	int columns;

	frame_countdown(ui, "for the menu", text, sizeof(text));
	columns = draw_columns(text);
	draw_text(ui->rows / 2, columns < ui->cols ? (ui->cols - columns) / 2 : 0,
		  columns < ui->cols ? columns : ui->cols, UI_NORMAL, text);
}

static void main_draw(struct ui *ui, void *data)
{
	struct screen_main *sm = data;
	const struct row *row = row_list_current(&sm->list);
	char idle[MENU_TEXT_SIZE + 160];

	if (is_hidden(ui)) {
		draw_hidden(ui);
		return;
	}
	idle_status(ui, idle, sizeof(idle));
	frame_draw(ui, kvm_title(&ui->model), hints_for(row), idle);
	row_list_draw(ui, &sm->list, main_row_draw, NULL);
	if (row)
		preview_row(ui, row, frame_preview_row(ui->rows));
}

/* ---- starting ---- */

static void start_with(struct ui *ui, const struct menu_firmware *firmware,
		       const struct menu_device *disk)
{
	struct vm_config config;
	struct vmb_err err = {0};

	if (plan_config(&ui->plan, &ui->model, firmware, disk, &config, &err) < 0)
		dialog_tell(ui, "Not started", err.text);
	else
		screen_preflight_start(ui, "", &config, false);
}

/* The firmware for the disk under the cursor of the main screen, which is ARG, was chosen. */
static void firmware_picked(struct ui *ui, void *arg, const struct menu_firmware *firmware)
{
	const struct screen_main *sm = arg;
	const struct row *row = row_list_current(&sm->list);

	if (row && (row->kind == ROW_PLAIN || row->kind == ROW_DISK))
		start_with(ui, firmware, &ui->model.devices[row->index]);
}

static void start_disk(struct ui *ui, struct screen_main *sm, const struct menu_device *disk)
{
	const struct menu_firmware *firmware = NULL;
	unsigned int count = plan_firmwares(&ui->model, &firmware);

	if (count == 0 && model_is_looking(&ui->model))
		dialog_tell(
			ui, "Not started yet",
			"No firmware to start it by was found so far, but other disks are still "
			"being looked at. Wait for the last line to say that it is done; Esc ends "
			"the scan.");
	else if (count == 0)
		dialog_tell(ui, "Not started",
			    "No firmware that can be started was found. f lists what "
			    "was found and why it is refused; put CLOUDHV.fd on a disk, then r "
			    "rescans.");
	else if (count == 1)
		start_with(ui, firmware, disk);
	else
		screen_firmware_open(ui, firmware_picked, sm);
}

static void start_entry(struct ui *ui, const struct menu_entry *entry)
{
	screen_preflight_start(ui, entry->id, &entry->config, false);
}

static void start_row(struct ui *ui, struct screen_main *sm, const struct row *row)
{
	switch (row->kind) {
	case ROW_VM: ui_show_vm(ui); break;
	case ROW_ENTRY: start_entry(ui, &ui->model.entries[row->index]); break;
	case ROW_FIRMWARE: start_with(ui, &ui->model.firmwares[row->index], NULL); break;
	default: start_disk(ui, sm, &ui->model.devices[row->index]); break;
	}
}

/* Space is about disks, and what one holds without an entry stands for it. */
static void toggle_row(struct ui *ui, const struct row *row)
{
	const struct menu_device *disk;
	const char *why = NULL;
	enum plan_attach attach;

	if (row->kind != ROW_DISK && row->kind != ROW_PLAIN) {
		ui_say(ui, UI_NORMAL, "Space attaches a disk, or not, on the disk's line.");
		return;
	}
	disk = &ui->model.devices[row->index];
	attach = plan_toggle(&ui->plan, &ui->model, disk);
	if (attach == PLAN_OFF && plan_attach_of(&ui->plan, &ui->model, disk) == PLAN_OFF) {
		plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why);
		ui_say(ui, UI_BAD, "%s cannot be attached: %s.", disk->name, why);
		return;
	}
	if (plan_choose(&ui->plan, disk, attach) < 0)
		ui_say(ui, UI_BAD, "There is not enough memory to remember this.");
}

/* ---- entries ---- */

static void edit_new(struct ui *ui, const struct menu_firmware *firmware,
		     const struct menu_device *disk)
{
	struct vm_config config;
	struct vmb_err err = {0};
	int rc;

	if (disk || !firmware) {
		rc = plan_draft(&ui->plan, &ui->model, firmware, disk, &config, &err);
	} else {
		rc = plan_config(&ui->plan, &ui->model, firmware, NULL, &config, &err);
		if (rc < 0) {
			ui_say(ui, UI_BAD, "%s", err.text);
			return;
		}
	}
	screen_edit_open(ui, "", &config);
	if (rc < 0)
		ui_say(ui, UI_BAD, "%s", err.text);
}

static void edit_row(struct ui *ui, const struct row *row)
{
	const struct menu_firmware *firmware = NULL;

	if (row->kind == ROW_ENTRY) {
		screen_edit_open(ui, ui->model.entries[row->index].id,
				 &ui->model.entries[row->index].config);
	} else if (row->kind == ROW_FIRMWARE) {
		edit_new(ui, &ui->model.firmwares[row->index], NULL);
	} else if (row->kind == ROW_DISK || row->kind == ROW_PLAIN) {
		plan_firmwares(&ui->model, &firmware);
		edit_new(ui, firmware, &ui->model.devices[row->index]);
	} else {
		ui_say(ui, UI_NORMAL,
		       "Select an entry, a disk or a firmware image first: e changes what "
		       "it starts with.");
	}
}

static void send_id(struct ui *ui, uint32_t type, const char *id)
{
	struct menu_entry_id body = {{0}};

	text_copy(body.id, sizeof(body.id), id);
	ui_send(ui, type, &body, sizeof(body));
}

static void send_name(struct ui *ui, uint32_t type, const char *id, const char *title)
{
	struct menu_entry_name body = {{0}, {0}};

	text_copy(body.id, sizeof(body.id), id);
	text_copy(body.title, sizeof(body.title), title);
	ui_send(ui, type, &body, sizeof(body));
}

static void entry_delete(struct ui *ui, const char *id)
{
	send_id(ui, MENU_ENTRY_DELETE, id);
}

static void entry_copy(struct ui *ui, const char *id, const char *title)
{
	send_name(ui, MENU_ENTRY_COPY, id, title);
}

static void entry_rename(struct ui *ui, const char *id, const char *title)
{
	send_name(ui, MENU_ENTRY_RENAME, id, title);
}

static void ask_delete(struct ui *ui, const struct menu_entry *entry)
{
	char text[MENU_TEXT_SIZE];

	snprintf(text, sizeof(text),
		 "The entry \"%s\" (%.200s) will be gone. The disks and the variables "
		 "stay as they are. Delete it?",
		 entry->config.title, entry->source);
	dialog_ask_about(ui, "Delete an entry", text, entry_delete, entry->id);
}

static void ask_copy(struct ui *ui, const struct menu_entry *entry)
{
	static const char end[] = " (copy)";
	char title[TITLE_SIZE];

	/* No character is cut in its middle. */
	text_escape(title, sizeof(title) - strlen(end), entry->config.title,
		    strlen(entry->config.title));
	strcat(title, end);
	dialog_prompt(ui, "Copy an entry", "Title of the copy:", title, TITLE_SIZE - 1, entry_copy,
		      entry->id);
}

/* The keys that are about the entry under the cursor. False if KEY is none of them. */
static bool entry_key(struct ui *ui, const struct row *row, uint32_t code)
{
	const struct menu_entry *entry;

	if (code != 'y' && code != 'R' && code != 'd' && code != 'o' && code != 'D' &&
	    code != UI_KEY_DELETE)
		return false;
	if (!row || row->kind != ROW_ENTRY) {
		ui_say(ui, UI_NORMAL, "Select an entry first; n makes one.");
		return true;
	}
	entry = &ui->model.entries[row->index];
	switch (code) {
	case 'y': ask_copy(ui, entry); break;
	case 'R':
		dialog_prompt(ui, "Rename an entry", "New title:", entry->config.title,
			      TITLE_SIZE - 1, entry_rename, entry->id);
		break;
	case 'd': send_id(ui, MENU_ENTRY_SET_DEFAULT, entry->is_default ? "" : entry->id); break;
	case 'o': send_id(ui, MENU_ENTRY_SET_ONCE, entry->is_once ? "" : entry->id); break;
	default: ask_delete(ui, entry); break;
	}
	return true;
}

/* ---- keys ---- */

static void new_entry(struct ui *ui, const struct row *row)
{
	const struct menu_firmware *firmware = NULL;
	bool on_disk = row && (row->kind == ROW_DISK || row->kind == ROW_PLAIN);

	plan_firmwares(&ui->model, &firmware);
	if (row && row->kind == ROW_FIRMWARE && ui->model.firmwares[row->index].usable)
		firmware = &ui->model.firmwares[row->index];
	edit_new(ui, firmware, on_disk ? &ui->model.devices[row->index] : NULL);
}

/* The keys that do not care where the cursor is. False if KEY is none of them. */
static bool screen_key(struct ui *ui, const struct row *row, uint32_t code)
{
	switch (code) {
	case 'n': new_entry(ui, row); return true;
	case 's': screen_disks_open(ui, NULL); return true;
	case 'f': screen_firmware_open(ui, NULL, NULL); return true;
	case 'p': screen_pci_open(ui, NULL); return true;
	case 'c':
	case UI_KEY_F1 + 1: screen_settings_open(ui); return true;
	case 'r':
		ui_send(ui, MENU_RESCAN, NULL, 0);
		ui_say(ui, UI_NORMAL, "Looking at all disks again ...");
		return true;
	default: return false;
	}
}

static void main_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_main *sm = data;
	const struct row *row;

	if (row_list_key(ui, &sm->list, key) || key->alt)
		return;
	row = row_list_current(&sm->list);
	if (screen_key(ui, row, key->code) || entry_key(ui, row, key->code))
		return;
	if (row && ui_key_is_enter(key))
		start_row(ui, sm, row);
	else if (row && key->code == ' ')
		toggle_row(ui, row);
	else if (row && key->code == 'e')
		edit_row(ui, row);
	else if (ui->model.scanning && key->code == UI_KEY_ESCAPE)
		ui_send(ui, MENU_SCAN_CANCEL, NULL, 0);
	else
		ui_common_key(ui, key);
}

static const struct ui_screen screen_main_ops = {
	.name = "main",
	.layout = row_list_on_layout,
	.draw = main_draw,
	.key = main_key,
	.changed = main_changed,
	.close = row_list_on_close,
};

int screen_main_open(struct ui *ui)
{
	struct screen_main *sm = calloc(1, sizeof(*sm));

	if (!sm)
		return -ENOMEM;
	sm->list.build = rows_build;
	return ui_push(ui, &screen_main_ops, sm);
}
