/*
 * The form before a start: memory, CPUs, variables, and how each disk is attached. What is valid goes
 * into the plan at once, so the main screen's preview shows it when the operator goes back.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/field.h"
#include "ui/frame.h"
#include "ui/list.h"
#include "ui/main_rows.h"

/* The first row is no text field: letters are commands when the form opens. */
enum form_row { FORM_START, FORM_MEMORY, FORM_CPUS, FORM_VARS, FORM_DISKS };

#define FORM_LABEL_COL 3
#define FORM_VALUE_COL 16
#define FORM_NOTE_COL  32

struct screen_form {
	struct menu_firmware firmware;
	struct list list;
	struct field memory, cpus;
};

/* The N-th whole disk, NULL if there are fewer. */
static const struct menu_device *form_disk(const struct ui *ui, int n)
{
	for (unsigned int i = 0; i < ui->model.device_count; i++)
		if (ui->model.devices[i].parent[0] == '\0' && !ui->model.devices[i].empty &&
		    n-- == 0)
			return &ui->model.devices[i];
	return NULL;
}

static int form_rows(const struct ui *ui)
{
	int count = FORM_DISKS;

	while (form_disk(ui, count - FORM_DISKS))
		count++;
	return count;
}

static struct field *form_field(struct screen_form *form)
{
	if (form->list.cursor == FORM_MEMORY)
		return &form->memory;
	return form->list.cursor == FORM_CPUS ? &form->cpus : NULL;
}

/* Checks both text fields; takes valid values over into the plan. Returns the bad row, or -1. */
static int form_check(struct ui *ui, struct screen_form *form, struct vmb_err *err)
{
	struct vmb_err memory_err = {0}, cpus_err = {0};
	int bad = -1;

	if (plan_parse_cpus(&ui->model, form->cpus.text, &ui->plan.cpus, &cpus_err) < 0) {
		bad = FORM_CPUS;
		*err = cpus_err;
	}
	if (plan_parse_memory(&ui->model, form->memory.text, &ui->plan.memory, &memory_err) < 0) {
		bad = FORM_MEMORY;
		*err = memory_err;
	}
	return bad;
}

static void form_layout(struct ui *ui, void *data, int rows, int cols)
{
	struct screen_form *form = data;

	(void)cols;
	list_fit(&form->list, form_rows(ui), frame_body_rows(rows));
}

static void form_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	form_layout(ui, data, ui->rows, ui->cols);
}

static const char *vars_name(enum plan_vars vars)
{
	static const char *const names[] = {"kept", "start fresh", "not kept"};

	return names[vars];
}

static void draw_label(int y, bool focus, const char *label)
{
	if (focus)
		draw_glyph(y, 1, UI_KEY, GLYPH_MARK);
	draw_text(y, FORM_LABEL_COL, FORM_VALUE_COL - FORM_LABEL_COL - 1,
		  focus ? UI_STRONG : UI_NORMAL, label);
}

static void draw_field(struct ui *ui, int y, bool focus, const struct field *field, bool bad)
{
	enum ui_element element = focus ? UI_FIELD_FOCUS : bad ? UI_BAD : UI_FIELD;

	draw_text(y, FORM_VALUE_COL, 1, UI_NORMAL, "[");
	/* Twelve columns show any sensible value; the cursor's end of a longer one is what is seen. */
	draw_text(y, FORM_VALUE_COL + 1, 12, element,
		  field->text + (field->cursor > 11 ? field->cursor - 11 : 0));
	draw_text(y, FORM_VALUE_COL + 13, 1, UI_NORMAL, "]");
	if (focus) {
		ui->cursor_shown = true;
		ui->cursor_row = y;
		ui->cursor_col = FORM_VALUE_COL + 1 + (field->cursor > 11 ? 11 : field->cursor);
	}
}

static void draw_choice(int y, bool focus, enum ui_element element, const char *value)
{
	char text[32];

	snprintf(text, sizeof(text), "< %s >", value);
	draw_text(y, FORM_VALUE_COL, draw_columns(text), focus ? UI_FIELD_FOCUS : element, text);
}

static void draw_disk_row(struct ui *ui, int y, bool focus, const struct menu_device *disk)
{
	enum plan_attach attach = plan_attach_of(&ui->plan, &ui->model, disk);
	const char *use = model_device_use(&ui->model, disk), *why = NULL;
	int note_width = ui->cols - FORM_NOTE_COL - 2;
	char size[16];

	draw_label(y, focus, disk->name);
	draw_choice(y, focus, attach == PLAN_READ_WRITE ? UI_WARN : UI_FIELD,
		    plan_attach_name(attach));
	if (!plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why))
		draw_printf(y, FORM_NOTE_COL, note_width, UI_BAD, "%s", why);
	else if (use)
		draw_printf(y, FORM_NOTE_COL, note_width, UI_BAD, "in use: %s", use);
	else
		draw_printf(y, FORM_NOTE_COL, note_width, UI_DIM, "%s %s",
			    text_format_size(disk->size, size, sizeof(size)), disk->model);
}

static void draw_form_row(struct ui *ui, struct screen_form *form, int row, int y, int bad)
{
	bool focus = row == form->list.cursor;
	int note_width = ui->cols - FORM_NOTE_COL - 2;
	char room[16], all[16];

	switch (row) {
	case FORM_START:
		draw_label(y, focus, "");
		draw_text(y, FORM_VALUE_COL, 9, focus ? UI_FIELD_FOCUS : UI_FIELD, "[ Start ]");
		break;
	case FORM_MEMORY:
		draw_label(y, focus, "Memory");
		draw_field(ui, y, focus, &form->memory, bad == FORM_MEMORY);
		draw_printf(y, FORM_NOTE_COL, note_width, UI_DIM, "%s of %s free",
			    text_format_size(ui->model.welcome.host_memory_free, room, sizeof(room)),
			    text_format_size(ui->model.welcome.host_memory, all, sizeof(all)));
		break;
	case FORM_CPUS:
		draw_label(y, focus, "CPUs");
		draw_field(ui, y, focus, &form->cpus, bad == FORM_CPUS);
		draw_printf(y, FORM_NOTE_COL, note_width, UI_DIM, "this host has %u",
			    ui->model.welcome.host_cpus);
		break;
	case FORM_VARS:
		draw_label(y, focus, "Variables");
		draw_choice(y, focus, UI_FIELD, vars_name(ui->plan.vars));
		draw_text(y, FORM_NOTE_COL, note_width, UI_DIM, "UEFI settings of this machine");
		break;
	default: draw_disk_row(ui, y, focus, form_disk(ui, row - FORM_DISKS)); break;
	}
}

/* Help for the row under the cursor: what it takes, what a choice means. */
static void form_help(struct ui *ui, const struct screen_form *form, char *buf, size_t size)
{
	static const char *const attach_help[] = {
		"off: the guest does not see this disk",
		"read-write: the guest can change this disk",
		"read-only: the guest sees it, writes fail",
		"overlay: writes stay in memory, the disk is not written",
	};
	static const char *const vars_help[] = {
		"kept: boot order and settings last from start to start",
		"start fresh: forget the kept ones (a damaged file stays as .bad)",
		"not kept: forgotten when the VM ends",
	};
	const struct menu_device *disk = form_disk(ui, form->list.cursor - FORM_DISKS);

	switch (form->list.cursor) {
	case FORM_START:
		snprintf(buf, size, "Enter starts %s%s%s", form->firmware.path,
			 form->firmware.device[0] ? " of " : "", form->firmware.device);
		break;
	case FORM_MEMORY: snprintf(buf, size, "Memory of the VM: 512M, 2G, 1.5G; at least 64M"); break;
	case FORM_CPUS:
		snprintf(buf, size, "Processors of the VM: 1 to %u", ui->model.welcome.host_cpus);
		break;
	case FORM_VARS: text_copy(buf, size, vars_help[ui->plan.vars]); break;
	default:
		text_copy(buf, size, disk ? attach_help[plan_attach_of(&ui->plan, &ui->model, disk)]
					  : "");
		break;
	}
}

static void form_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Enter", "start", false}, {"Left/Right", "change", false}, {"Up/Down", "move", false},
		{"?", "help", true},	   {"q", "back", false},	    {NULL, NULL, false},
	};
	static const struct frame_hint text_hints[] = {
		{"Enter", "start", false}, {"Up/Down", "move", false}, {"^U", "clear", false},
		{"Esc", "back", false},	   {NULL, NULL, false},
	};
	struct screen_form *form = data;
	int height = frame_body_rows(ui->rows), y = frame_preview_row(ui->rows);
	struct vmb_err err = {0};
	int bad = form_check(ui, form, &err);
	char title[96], text[512];

	snprintf(title, sizeof(title), "Start %s with ...", plan_basename(form->firmware.path));
	frame_draw(ui, title, form_field(form) ? text_hints : hints, "");
	ui->cursor_row = FRAME_BODY_ROW + form->list.cursor - form->list.top;
	ui->cursor_col = 1;
	for (int i = 0; i < height && form->list.top + i < form->list.count; i++)
		draw_form_row(ui, form, form->list.top + i, FRAME_BODY_ROW + i, bad);
	if (form->list.top > 0)
		draw_glyph(FRAME_BODY_ROW, ui->cols - 1, UI_DIM, GLYPH_MORE_ABOVE);
	if (form->list.top + height < form->list.count)
		draw_glyph(FRAME_BODY_ROW + height - 1, ui->cols - 1, UI_DIM, GLYPH_MORE_BELOW);
	form_help(ui, form, text, sizeof(text));
	draw_text(y, 1, ui->cols - 2, UI_NORMAL, text);
	main_disks_text(ui, text, sizeof(text), ui->cols - 9);
	draw_printf(y + 1, 1, ui->cols - 2, UI_NORMAL, "disks: %s", text);
	if (bad >= 0)
		draw_text(y + 2, 1, ui->cols - 2, UI_BAD, err.text);
}

static void form_start(struct ui *ui, struct screen_form *form)
{
	struct vmb_err err = {0};
	struct vm_config config;
	int bad = form_check(ui, form, &err);

	if (bad >= 0) {
		form->list.cursor = bad;
		list_fit(&form->list, form->list.count, form->list.height);
		ui_say(ui, UI_BAD, "Not started: %s", err.text);
		return;
	}
	if (plan_config(&ui->plan, &ui->model, &form->firmware, &config, &err) < 0) {
		dialog_tell(ui, "Not started", err.text);
		return;
	}
	ui_start_vm(ui, &config);
	/* One start only: the next time variables are kept again. */
	if (ui->plan.vars == PLAN_VARS_FRESH)
		ui->plan.vars = PLAN_VARS_KEEP;
}

/* Changes the choice under the cursor by STEP; false if there is none. */
static bool form_choose(struct ui *ui, struct screen_form *form, int step)
{
	const struct menu_device *disk = form_disk(ui, form->list.cursor - FORM_DISKS);

	if (form->list.cursor == FORM_VARS) {
		ui->plan.vars = (enum plan_vars)(((int)ui->plan.vars + step + PLAN_VARS_COUNT) %
						 PLAN_VARS_COUNT);
		return true;
	}
	if (form->list.cursor < FORM_DISKS || !disk)
		return false;
	if (plan_choose(&ui->plan, disk, plan_next(&ui->plan, &ui->model, disk, step)) < 0)
		ui_say(ui, UI_BAD, "There is not enough memory to remember this.");
	return true;
}

static bool form_move(struct screen_form *form, const struct ui_key *key)
{
	struct ui_key down = {.code = UI_KEY_DOWN}, up = {.code = UI_KEY_UP};
	const struct field *field = form_field(form);

	if (key->code == '\t')
		return list_key(&form->list, &down);
	if (key->code == UI_KEY_BACKTAB)
		return list_key(&form->list, &up);
	/* In a text field letters are text, and Home and End move in it. */
	if (field && (key->code == 'j' || key->code == 'k' || key->code == UI_KEY_HOME ||
		      key->code == UI_KEY_END))
		return false;
	return list_key(&form->list, key);
}

static void form_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_form *form = data;
	struct field *field = form_field(form);

	if (key->alt || form_move(form, key))
		return;
	if (ui_key_is_enter(key) || key->code == UI_KEY_F1 + 9 || key->code == UI_KEY_CTRL('X'))
		form_start(ui, form);
	else if (key->code == UI_KEY_ESCAPE)
		ui_pop(ui);
	else if (field && field_key(field, key))
		return;
	else if (field)
		ui_common_key(ui, key->code == UI_KEY_CTRL('L') ? key : &(struct ui_key){0});
	else if ((key->code == ' ' || key->code == UI_KEY_RIGHT) && form_choose(ui, form, 1))
		return;
	else if (key->code == UI_KEY_LEFT && form_choose(ui, form, -1))
		return;
	else if (key->code == 'q' || key->code == UI_KEY_LEFT)
		ui_pop(ui);
	else
		ui_common_key(ui, key);
}

static void form_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_form_ops = {
	.name = "form",
	.layout = form_layout,
	.draw = form_draw,
	.key = form_key,
	.changed = form_changed,
	.close = form_close,
};

void screen_form_open(struct ui *ui, const struct menu_firmware *firmware)
{
	struct screen_form *form = calloc(1, sizeof(*form));
	char text[24];

	if (!form) {
		ui_say(ui, UI_BAD, "There is not enough memory for the form.");
		return;
	}
	form->firmware = *firmware;
	field_set(&form->memory, text_format_size(plan_memory(&ui->plan, &ui->model), text,
						  sizeof(text)));
	snprintf(text, sizeof(text), "%u", plan_cpus(&ui->plan));
	field_set(&form->cpus, text);
	ui_refresh_host(ui);
	ui_push(ui, &screen_form_ops, form);
}
