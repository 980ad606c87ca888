/*
 * The main screen: disks, what is on them, the firmware that can be started, and a preview of exactly
 * what Enter does.
 */
#include "ui/screens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/main_rows.h"
#include "ui/rows.h"

struct screen_main {
	struct rows rows;
	struct list list;
	char key[ROWS_KEY_SIZE]; /* of the row under the cursor, to find it again */
	bool touched;		 /* the operator has moved the cursor */
	bool vm_seen;		 /* a VM was in the list the last time */
	char before_vm[ROWS_KEY_SIZE]; /* the row under the cursor before it was */
};

static const struct row *main_row(const struct screen_main *sm)
{
	return sm->list.cursor < (int)sm->rows.count ? &sm->rows.row[sm->list.cursor] : NULL;
}

static void remember_row(const struct ui *ui, struct screen_main *sm)
{
	if (main_row(sm))
		rows_key(&ui->model, main_row(sm), sm->key);
}

/* From a row where the cursor may not stand to the next one, first in direction STEP. */
static void settle_cursor(struct screen_main *sm, int step)
{
	int count = (int)sm->rows.count;

	for (int turn = 0; turn < 2; turn++, step = -step)
		for (int i = sm->list.cursor; i >= 0 && i < count; i += step)
			if (rows_selectable(&sm->rows.row[i])) {
				sm->list.cursor = i;
				list_fit(&sm->list, count, sm->list.height);
				return;
			}
}

/*
 * After the list was built anew: back to the same row, wherever it is now; if it is gone, the same
 * place. Until the operator has touched the cursor it waits on the first firmware.
 */
static void restore_cursor(const struct ui *ui, struct screen_main *sm)
{
	const struct row *row = main_row(sm);
	bool found = false;

	for (unsigned int i = 0; i < sm->rows.count && !found; i++) {
		char key[ROWS_KEY_SIZE];

		rows_key(&ui->model, &sm->rows.row[i], key);
		if (rows_selectable(&sm->rows.row[i]) && strcmp(key, sm->key) == 0) {
			sm->list.cursor = (int)i;
			found = true;
		}
	}
	row = main_row(sm);
	if (!sm->touched && !(found && row && rows_startable(&ui->model, row))) {
		for (unsigned int i = 0; i < sm->rows.count; i++)
			if (rows_startable(&ui->model, &sm->rows.row[i])) {
				sm->list.cursor = (int)i;
				break;
			}
	}
	list_fit(&sm->list, (int)sm->rows.count, frame_body_rows(ui->rows));
	settle_cursor(sm, 1);
	remember_row(ui, sm);
}

static void main_layout(struct ui *ui, void *data, int rows, int cols)
{
	struct screen_main *sm = data;

	(void)ui;
	(void)cols;
	list_fit(&sm->list, (int)sm->rows.count, frame_body_rows(rows));
}

/* A new VM draws the cursor to its row (Enter goes there); when it is forgotten, back again. */
static void follow_vm(const struct ui *ui, struct screen_main *sm)
{
	bool vm = ui->model.vm.state != MENU_VM_NONE;

	if (vm && !sm->vm_seen) {
		text_copy(sm->before_vm, sizeof(sm->before_vm), sm->key);
		text_copy(sm->key, sizeof(sm->key), ROWS_KEY_VM);
	} else if (!vm && sm->vm_seen && strcmp(sm->key, ROWS_KEY_VM) == 0) {
		text_copy(sm->key, sizeof(sm->key), sm->before_vm);
	}
	sm->vm_seen = vm;
}

static void main_changed(struct ui *ui, void *data, int what)
{
	struct screen_main *sm = data;

	(void)what;
	follow_vm(ui, sm);
	if (rows_build(&sm->rows, &ui->model) < 0)
		ui_say(ui, UI_BAD, "There is not enough memory to show the list.");
	restore_cursor(ui, sm);
}

static void idle_status(const struct ui *ui, char *buf, size_t size)
{
	const struct model *model = &ui->model;
	unsigned int disks = 0;
	size_t at = 0;

	for (unsigned int i = 0; i < model->device_count; i++)
		disks += model->devices[i].parent[0] == '\0';
	if (!model->devices_known) {
		snprintf(buf, size, "Waiting for the daemon ...");
		return;
	}
	if (!model->scanning) {
		snprintf(buf, size, "%u disk%s, %u firmware image%s", disks, disks == 1 ? "" : "s",
			 model->firmware_count, model->firmware_count == 1 ? "" : "s");
		return;
	}
	at = (size_t)snprintf(buf, size, "scanning");
	for (unsigned int i = 0; i < model->device_count && at < 60; i++)
		if (model->devices[i].state == MENU_DEVICE_SCANNING && at < size)
			at += (size_t)snprintf(buf + at, size - at, " %s", model->devices[i].name);
	if (ui->scan_since_ms && at < size)
		snprintf(buf + at, size - at, " (%u s)",
			 (unsigned int)((loop_now_ms() - ui->scan_since_ms) / 1000));
}

static const char *kvm_title(const struct model *model)
{
	if (!model->welcomed)
		return "connecting ...";
	if (!model->welcome.kvm_ok)
		return "no KVM!";
	return model->welcome.firmware_ok ? "x86-64 KVM ok" : "KVM cannot run firmware!";
}

static void main_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Enter", "start", false}, {"Space", "attach", false}, {"e", "edit", false},
		{"r", "rescan", true},	   {"!", "shell", false},      {"?", "help", false},
		{"q", "quit", false},	   {NULL, NULL, false},
	};
	static const struct frame_hint vm_hints[] = {
		{"Enter", "show it", false}, {"r", "rescan", true}, {"!", "shell", false},
		{"?", "help", false},	     {"q", "quit", false},  {NULL, NULL, false},
	};
	struct screen_main *sm = data;
	int height = frame_body_rows(ui->rows);
	bool on_vm = main_row(sm) && main_row(sm)->kind == ROW_VM;
	char idle[160];

	idle_status(ui, idle, sizeof(idle));
	frame_draw(ui, kvm_title(&ui->model), on_vm ? vm_hints : hints, idle);
	for (int i = 0; i < height && sm->list.top + i < (int)sm->rows.count; i++)
		main_row_draw(ui, &sm->rows.row[sm->list.top + i], FRAME_BODY_ROW + i,
			      sm->list.top + i == sm->list.cursor);
	ui->cursor_row = FRAME_BODY_ROW + sm->list.cursor - sm->list.top;
	ui->cursor_col = 1;
	if (sm->list.top > 0)
		draw_glyph(FRAME_BODY_ROW, ui->cols - 1, UI_DIM, GLYPH_MORE_ABOVE);
	if (sm->list.top + height < (int)sm->rows.count)
		draw_glyph(FRAME_BODY_ROW + height - 1, ui->cols - 1, UI_DIM, GLYPH_MORE_BELOW);
	if (main_row(sm))
		main_row_preview(ui, main_row(sm), frame_preview_row(ui->rows));
}

static void start_row(struct ui *ui, const struct row *row)
{
	struct vm_config config;
	struct vmb_err err = {0};

	if (row->kind == ROW_VM) {
		ui_show_vm(ui);
	} else if (row->kind == ROW_FIRMWARE) {
		if (plan_config(&ui->plan, &ui->model, &ui->model.firmwares[row->index], &config,
				&err) < 0)
			dialog_tell(ui, "Not started", err.text);
		else
			ui_start_vm(ui, &config);
	} else {
		ui_say(ui, UI_NORMAL, "A disk is not started: select a firmware image. Space attaches "
				      "the disk to the VM or leaves it out.");
	}
}

static void toggle_row(struct ui *ui, const struct row *row)
{
	const struct menu_device *disk;
	enum plan_attach attach;
	const char *why = "";

	disk = row->kind == ROW_DISK || row->kind == ROW_PART ? &ui->model.devices[row->index] : NULL;
	if (disk && disk->parent[0]) {
		ui_say(ui, UI_NORMAL, "Whole disks are attached, not partitions: Space on %s.",
		       disk->parent);
		return;
	}
	if (!disk)
		return;
	attach = plan_toggle(&ui->plan, &ui->model, disk);
	if (attach == PLAN_OFF && plan_attach_of(&ui->plan, &ui->model, disk) == PLAN_OFF) {
		plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why);
		ui_say(ui, UI_BAD, "%s cannot be attached: %s.", disk->name, why);
		return;
	}
	if (plan_choose(&ui->plan, disk, attach) < 0)
		ui_say(ui, UI_BAD, "There is not enough memory to remember this.");
}

static void edit_row(struct ui *ui, const struct row *row)
{
	if (row->kind == ROW_FIRMWARE && ui->model.firmwares[row->index].usable)
		screen_form_open(ui, &ui->model.firmwares[row->index]);
	else
		ui_say(ui, UI_NORMAL, "Select a firmware image first: e changes what it starts with.");
}

/* Tab: to the next row that can be started, round and round. */
static void next_startable(const struct ui *ui, struct screen_main *sm, int step)
{
	int count = (int)sm->rows.count;

	for (int i = 1; i <= count; i++) {
		int at = ((sm->list.cursor + i * step) % count + count) % count;

		if (rows_startable(&ui->model, &sm->rows.row[at])) {
			sm->list.cursor = at;
			break;
		}
	}
	list_fit(&sm->list, count, sm->list.height);
}

/* Digits go to the n-th row that can be started, and never start it: stray digits on a serial line. */
static void nth_startable(const struct ui *ui, struct screen_main *sm, unsigned int n)
{
	for (unsigned int i = 0; i < sm->rows.count; i++)
		if (rows_startable(&ui->model, &sm->rows.row[i]) && --n == 0)
			sm->list.cursor = (int)i;
	list_fit(&sm->list, (int)sm->rows.count, sm->list.height);
}

static bool main_move(struct ui *ui, struct screen_main *sm, const struct ui_key *key)
{
	int before = sm->list.cursor;

	if (key->alt)
		return false;
	if (list_key(&sm->list, key))
		settle_cursor(sm, sm->list.cursor < before ? -1 : 1);
	else if (key->code == '\t')
		next_startable(ui, sm, 1);
	else if (key->code == UI_KEY_BACKTAB)
		next_startable(ui, sm, -1);
	else if (key->code >= '1' && key->code <= '9')
		nth_startable(ui, sm, key->code - '0');
	else
		return false;
	sm->touched = true;
	remember_row(ui, sm);
	return true;
}

static void main_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_main *sm = data;
	const struct row *row;

	if (main_move(ui, sm, key) || key->alt)
		return;
	if (key->code == 'r') {
		ui_send(ui, MENU_RESCAN, NULL, 0);
		ui_say(ui, UI_NORMAL, "Looking at all disks again ...");
		return;
	}
	row = main_row(sm);
	if (row && ui_key_is_enter(key))
		start_row(ui, row);
	else if (row && key->code == ' ')
		toggle_row(ui, row);
	else if (row && key->code == 'e')
		edit_row(ui, row);
	else
		ui_common_key(ui, key);
}

static void main_close(struct ui *ui, void *data)
{
	struct screen_main *sm = data;

	(void)ui;
	rows_free(&sm->rows);
	free(sm);
}

static const struct ui_screen screen_main_ops = {
	.name = "main",
	.layout = main_layout,
	.draw = main_draw,
	.key = main_key,
	.changed = main_changed,
	.close = main_close,
};

int screen_main_open(struct ui *ui)
{
	struct screen_main *sm = calloc(1, sizeof(*sm));

	if (!sm)
		return -ENOMEM;
	if (rows_build(&sm->rows, &ui->model) < 0) {
		free(sm);
		return -ENOMEM;
	}
	return ui_push(ui, &screen_main_ops, sm);
}
