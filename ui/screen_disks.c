/*
 * All disks and what is on them. Space changes how a disk is attached: to what starts without an entry,
 * or, opened by the editor, to the entry that is edited.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/main_rows.h"
#include "ui/row_list.h"

#define MODE_COL 3
#define DISK_COL 15
#define PART_COL 17

struct screen_disks {
	struct row_list list;	  /* the first, see row_list_on_layout() */
	struct vm_config *config; /* borrowed; NULL: the plan is changed */
};

/* ---- how a disk is attached ---- */

static struct vm_disk *config_disk(struct vm_config *config, const char *path)
{
	for (unsigned int i = 0; i < config->disk_count; i++)
		if (strcmp(config->disks[i].path, path) == 0)
			return &config->disks[i];
	return NULL;
}

static enum plan_attach attach_of(const struct ui *ui, const struct screen_disks *sd,
				  const struct menu_device *device)
{
	const struct vm_disk *disk;

	if (!sd->config)
		return plan_attach_of(&ui->plan, &ui->model, device);
	disk = config_disk(sd->config, device->path);
	if (!disk)
		return PLAN_OFF;
	return disk->overlay ? PLAN_OVERLAY : disk->read_only ? PLAN_READ_ONLY : PLAN_READ_WRITE;
}

static void config_remove(struct vm_config *config, const struct vm_disk *disk)
{
	unsigned int at = (unsigned int)(disk - config->disks);

	memmove(&config->disks[at], &config->disks[at + 1],
		(config->disk_count - at - 1) * sizeof(config->disks[0]));
	config->disk_count--;
	memset(&config->disks[config->disk_count], 0, sizeof(config->disks[0]));
}

static void config_attach(struct ui *ui, struct vm_config *config, const struct menu_device *device,
			  enum plan_attach attach)
{
	struct vm_disk *disk = config_disk(config, device->path);

	if (attach == PLAN_OFF) {
		if (disk)
			config_remove(config, disk);
		return;
	}
	if (!disk && config->disk_count == VM_MAX_DISKS) {
		ui_say(ui, UI_BAD, "%d disks are attached, which is the limit.", VM_MAX_DISKS);
		return;
	}
	if (!disk) {
		disk = &config->disks[config->disk_count++];
		memset(disk, 0, sizeof(*disk));
		text_copy(disk->path, sizeof(disk->path), device->path);
	}
	disk->read_only = attach == PLAN_READ_ONLY;
	disk->overlay = attach == PLAN_OVERLAY;
}

static void attach_next(struct ui *ui, struct screen_disks *sd, const struct menu_device *device)
{
	enum plan_attach attach = attach_of(ui, sd, device), next;
	const char *why = NULL;

	next = plan_next(&ui->model, device, attach, 1);
	if (next == attach) {
		plan_attach_allowed(&ui->model, device, PLAN_READ_ONLY, &why);
		ui_say(ui, UI_BAD, "%s cannot be attached: %s.", device->name, why);
	} else if (sd->config) {
		config_attach(ui, sd->config, device, next);
	} else if (plan_choose(&ui->plan, device, next) < 0) {
		ui_say(ui, UI_BAD, "There is not enough memory to remember this.");
	}
}

/* The first disk of the entry that is not connected; NULL if all are. */
static const struct vm_disk *missing_disk(const struct ui *ui, const struct screen_disks *sd)
{
	for (unsigned int i = 0; sd->config && i < sd->config->disk_count; i++) {
		const char *path = sd->config->disks[i].path;

		if (!model_device(&ui->model, path) &&
		    (path[0] != '/' || strncmp(path, "/dev/", 5) == 0))
			return &sd->config->disks[i];
	}
	return NULL;
}

/* ---- drawing ---- */

static bool has_parts(const struct model *model, const struct menu_device *disk)
{
	for (unsigned int i = 0; i < model->device_count; i++)
		if (model_is_part_of(&model->devices[i], disk))
			return true;
	return false;
}

static bool is_luks(const struct menu_device *device)
{
	return strcmp(device->fstype, "crypto_LUKS") == 0;
}

/* What stands right of a disk or a partition: the trouble with it, else what it holds, once. */
static enum ui_element device_remark(const struct ui *ui, const struct menu_device *device,
				     char *buf, size_t size)
{
	const char *use = device->parent[0] ? (device->in_use ? device->use : NULL)
					    : model_device_use(&ui->model, device);

	if (device->state == MENU_DEVICE_SCANNING) {
		snprintf(buf, size, "scanning");
		if (device->scanning_since)
			snprintf(buf, size, "scanning (%u s)",
				 (unsigned int)((loop_now_ms() - device->scanning_since) / 1000));
		return UI_WARN;
	}
	if (device->state == MENU_DEVICE_FAILED || device->state == MENU_DEVICE_SKIPPED) {
		snprintf(buf, size, "%s", device->note[0] ? device->note : "skipped");
		return device->state == MENU_DEVICE_FAILED ? UI_BAD : UI_DIM;
	}
	if (device->failing) {
		text_copy(buf, size, device->health);
		return UI_BAD;
	}
	if (use) {
		snprintf(buf, size, "in use: %s", use);
		return UI_BAD;
	}
	if (!device->parent[0] && device->size == 0)
		snprintf(buf, size, "no medium");
	else if (is_luks(device))
		snprintf(buf, size, "LUKS - can be passed to the guest as is");
	else if (has_parts(&ui->model, device) || !device->holds[0])
		text_copy(buf, size, device->note);
	else
		text_copy(buf, size, device->holds);
	/* A partition's label stands left of this. */
	if (!device->parent[0] && !buf[0] && !has_parts(&ui->model, device))
		describe_contents(device, buf, size);
	return UI_NORMAL;
}

static void draw_disk(struct ui *ui, const struct screen_disks *sd, const struct menu_device *disk,
		      int y, bool selected)
{
	enum plan_attach attach = attach_of(ui, sd, disk);
	enum ui_element element = attach == PLAN_READ_WRITE ? UI_WARN
				  : attach == PLAN_OFF	    ? UI_DIM
							    : UI_GOOD;
	char left[224], right[192];
	enum ui_element right_element = device_remark(ui, disk, right, sizeof(right));

	main_row_draw_text(ui, y, DISK_COL, selected, UI_HEADING,
			   main_row_disk_text(disk, left, sizeof(left)), right_element, right);
	draw_text(y, MODE_COL, DISK_COL - MODE_COL - 1, selected ? UI_SELECTED : element,
		  plan_attach_name(attach));
}

static void draw_part(struct ui *ui, const struct menu_device *part, int y, bool selected)
{
	const char *label = part->label[0] ? part->label : part->part_label;
	char left[256], right[192], size[16];
	enum ui_element element = device_remark(ui, part, right, sizeof(right));

	snprintf(left, sizeof(left), "%-10s %6s  %-6s  %s", part->name,
		 text_format_size(part->size, size, sizeof(size)),
		 part->fstype[0] ? part->fstype : "-", label);
	main_row_draw_text(ui, y, PART_COL, selected, UI_NORMAL, left, element, right);
}

static void disks_draw_row(struct ui *ui, void *data, const struct row *row, int y, bool selected)
{
	if (row->kind == ROW_DISK)
		draw_disk(ui, data, &ui->model.devices[row->index], y, selected);
	else if (row->kind == ROW_PART)
		draw_part(ui, &ui->model.devices[row->index], y, selected);
	else
		main_row_draw(ui, data, row, y, selected);
}

static void draw_attach_preview(struct ui *ui, const struct screen_disks *sd,
				const struct menu_device *disk, int y)
{
	static const char *const says[] = {
		"off: the guest does not see it",
		"read-write: the guest can change this disk",
		"read-only: the guest sees it, writes fail",
		"overlay: the guest's writes stay in memory, the disk is not written",
	};
	enum plan_attach attach = attach_of(ui, sd, disk);
	const char *use = model_device_use(&ui->model, disk), *why = NULL;
	int width = ui->cols - 2;
	char contents[256];

	draw_printf(y, 1, width, UI_NORMAL, "%s  %s%s%s  %s%s", disk->path, disk->model,
		    disk->serial[0] ? "  serial " : "", disk->serial, disk->transport,
		    disk->read_only ? "  read-only" : "");
	draw_text(y + 1, 1, width, attach == PLAN_READ_WRITE ? UI_WARN : UI_NORMAL, says[attach]);
	if (!plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why))
		draw_printf(y + 2, 1, width, UI_BAD, "Cannot be attached: %s", why);
	else if (use && attach == PLAN_READ_WRITE)
		draw_printf(y + 2, 1, width, UI_BAD, "This host uses it: %s. It will not start so.",
			    use);
	else if (use)
		draw_printf(y + 2, 1, width, UI_BAD, "This host uses it: %s. Not read-write.", use);
	else if (disk->failing)
		draw_printf(y + 2, 1, width, UI_BAD, "The disk says of itself: %s", disk->health);
	else
		draw_printf(y + 2, 1, width, UI_NORMAL, "%s%s",
			    describe_contents(disk, contents, sizeof(contents)),
			    is_luks(disk) ? ": can be passed to the guest as is" : "");
}

static void disks_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Space", "attach", false}, {"Enter", "done", true}, {"/", "filter", true},
		{"r", "rescan", true},	    {"!", "shell", true},    {"?", "help", false},
		{"q", "back", false},	    {NULL, NULL, false},
	};
	struct screen_disks *sd = data;
	const struct row *row = row_list_current(&sd->list);
	const struct vm_disk *missing = missing_disk(ui, sd);
	int y = frame_preview_row(ui->rows);
	char idle[VM_PATH_SIZE + 64] = "", title[96] = "Disks for starts without an entry";

	if (sd->config)
		snprintf(title, sizeof(title), "Disks of %s", sd->config->title);
	if (missing)
		snprintf(idle, sizeof(idle), "%s is not connected: x takes it out", missing->path);
	else if (ui->model.scanning)
		snprintf(idle, sizeof(idle), "%c still scanning", wait_mark(loop_now_ms()));
	frame_draw(ui, title, hints, idle);
	row_list_draw(ui, &sd->list, disks_draw_row, sd);
	if (row && row->kind == ROW_DISK)
		draw_attach_preview(ui, sd, &ui->model.devices[row->index], y);
	else if (row)
		preview_row(ui, row, y);
}

/* ---- keys ---- */

static void mark_row(struct ui *ui, struct screen_disks *sd, const struct row *row)
{
	if (row->kind == ROW_DISK)
		attach_next(ui, sd, &ui->model.devices[row->index]);
	else
		ui_say(ui, UI_NORMAL, "Whole disks are attached: Space on the disk's line.");
}

static void disks_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_disks *sd = data;
	const struct row *row;
	const struct vm_disk *missing;

	if (row_list_key(ui, &sd->list, key) || key->alt)
		return;
	row = row_list_current(&sd->list);
	missing = missing_disk(ui, sd);
	if (row && key->code == ' ') {
		mark_row(ui, sd, row);
	} else if (missing && key->code == 'x') {
		config_remove(sd->config, missing);
	} else if (key->code == 'r') {
		ui_send(ui, MENU_RESCAN, NULL, 0);
		ui_say(ui, UI_NORMAL, "Looking at all disks again ...");
	} else if (ui_key_is_enter(key) || key->code == 'q' || key->code == UI_KEY_ESCAPE ||
		   key->code == UI_KEY_LEFT) {
		ui_pop(ui);
	} else {
		ui_common_key(ui, key);
	}
}

static const struct ui_screen screen_disks_ops = {
	.name = "disks",
	.layout = row_list_on_layout,
	.draw = disks_draw,
	.key = disks_key,
	.changed = row_list_on_changed,
	.close = row_list_on_close,
};

void screen_disks_open(struct ui *ui, struct vm_config *config)
{
	struct screen_disks *sd = calloc(1, sizeof(*sd));

	if (!sd) {
		ui_say(ui, UI_BAD, "There is not enough memory for the list of disks.");
		return;
	}
	sd->list.build = rows_build_disks;
	sd->config = config;
	ui_push(ui, &screen_disks_ops, sd);
}
