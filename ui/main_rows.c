/* See ui/main_rows.h: the rows; what the preview says is in ui/preview.c. */
#include "ui/main_rows.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/frame.h"

/* What stands right may take this many columns from what stands left, or percent of a wide row. */
#define RIGHT_COLS  24
#define RIGHT_SHARE 30

/* Columns: a disk, what belongs to it, and of an entry's row the firmware, "64G", "16cpu". */
#define DISK_COL    2
#define ENTRY_COL   4
#define MEMORY_COLS 6
#define CPU_COLS    7
#define TITLE_MAX   40
#define BADGE_COLS  15

void main_row_draw_text(const struct ui *ui, int y, int col, bool selected, enum ui_element element,
			const char *left, enum ui_element right_element, const char *right)
{
	int end = ui->cols - 2, right_width = draw_columns(right),
	    right_max = end * RIGHT_SHARE / 100;

	if (selected) {
		element = UI_SELECTED;
		right_element = UI_SELECTED;
		draw_text(y, 0, ui->cols - 1, UI_SELECTED, "");
		draw_glyph(y, 1, UI_SELECTED, GLYPH_MARK);
	}
	if (right_max < RIGHT_COLS)
		right_max = RIGHT_COLS;
	/* The right part may use what the left one leaves. */
	if (right_max < end - col - draw_columns(left) - 2)
		right_max = end - col - draw_columns(left) - 2;
	if (right_width > right_max)
		right_width = right_max;
	draw_text(y, col, end - col - (right_width ? right_width + 2 : 0), element, left);
	draw_text(y, end - right_width, right_width, right_element, right);
}

char *main_row_disk_text(const struct menu_device *disk, char *buf, size_t size)
{
	char bytes[16], serial[72];

	if (disk->size == 0)
		text_copy(bytes, sizeof(bytes), "-");
	else
		text_format_size(disk->size, bytes, sizeof(bytes));
	snprintf(buf, size, "%-6s %-9s %6s  %s%s%s", describe_bus(disk), disk->name, bytes,
		 disk->model[0]			   ? disk->model
		 : disk->kind == MENU_DEVICE_IMAGE ? "image"
						   : "no name",
		 disk->serial[0] ? "  " : "", describe_serial(disk, serial, sizeof(serial)));
	return buf;
}

/* What is to be said of a disk that is not simply there: 0 if nothing. */
static bool disk_trouble(const struct ui *ui, const struct menu_device *disk, char *buf,
			 size_t size, enum ui_element *ret_element)
{
	const struct vm_disk *in_vm = model_vm_disk(&ui->model, disk);

	*ret_element = UI_WARN;
	if (in_vm) {
		snprintf(buf, size, "in the VM, %s", describe_disk_mode(in_vm));
	} else if (disk->state == MENU_DEVICE_FAILED || disk->state == MENU_DEVICE_SKIPPED) {
		*ret_element = disk->state == MENU_DEVICE_FAILED ? UI_BAD : UI_DIM;
		snprintf(buf, size, "%s", disk->note[0] ? disk->note : "skipped");
	} else if (disk->state == MENU_DEVICE_SCANNING && disk->scanning_since) {
		snprintf(buf, size, "scanning (%u s)",
			 (unsigned int)((loop_now_ms() - disk->scanning_since) / 1000));
	} else if (disk->size == 0) {
		*ret_element = UI_DIM;
		snprintf(buf, size, "no medium");
	} else if (disk->failing) {
		*ret_element = UI_BAD;
		text_copy(buf, size, disk->health);
	} else {
		return false;
	}
	return true;
}

static void draw_disk(const struct ui *ui, const struct menu_device *disk, int y, bool selected)
{
	enum plan_attach attach = plan_attach_of(&ui->plan, &ui->model, disk);
	const char *use = model_device_use(&ui->model, disk);
	enum ui_element element;
	char left[256], text[224], right[192];

	snprintf(left, sizeof(left), "[%s]", main_row_disk_text(disk, text, sizeof(text)));
	if (disk_trouble(ui, disk, right, sizeof(right), &element)) {
		;
	} else if (use) {
		element = attach == PLAN_OFF ? UI_BAD : UI_GOOD;
		snprintf(right, sizeof(right), "%s%s",
			 attach == PLAN_READ_ONLY ? "read-only, "
			 : attach == PLAN_OVERLAY ? "overlay, "
						  : "in use: ",
			 use);
	} else if (rows_disk_has_entry(&ui->model, disk) && attach == PLAN_OFF) {
		right[0] = '\0'; /* its entries say how they have it */
	} else {
		element = attach == PLAN_READ_WRITE ? UI_WARN
			  : attach == PLAN_OFF	    ? UI_DIM
						    : UI_GOOD;
		snprintf(right, sizeof(right), "%s", plan_attach_name(attach));
	}
	main_row_draw_text(ui, y, DISK_COL, selected, UI_HEADING, left, element, right);
}

/* "next start", "default", "failed 2x", and what is more important first. */
static enum ui_element entry_badges(const struct menu_entry *entry, char *buf, size_t size)
{
	enum ui_element element = entry->is_default ? UI_GOOD : UI_DIM;
	int n = 0;

	if (entry->failed) {
		n = snprintf(buf, size, "failed %ux", entry->failed);
		element = UI_BAD;
	}
	if (entry->is_once)
		snprintf(buf + n, size - (size_t)n, "%snext start", n ? ", " : "");
	else if (entry->is_default)
		snprintf(buf + n, size - (size_t)n, "%sdefault", n ? ", " : "");
	else if (entry->changed && n == 0)
		snprintf(buf, size, "not saved");
	if (entry->is_once && !entry->failed)
		element = UI_WARN;
	return element;
}

static const char *short_firmware(const struct vm_config *config, char *buf, size_t size)
{
	const char *path = config->kernel_path[0] ? config->kernel_path : config->firmware_path;
	size_t n;

	text_copy(buf, size, path[0] ? describe_basename(path) : "-");
	n = strlen(buf);
	if (n > 3 && strcmp(buf + n - 3, ".fd") == 0)
		buf[n - 3] = '\0';
	return buf;
}

/*
 * TITLE, then in columns what it starts with. A narrow screen has less room for the firmware's name and
 * none for the number of devices or cards.
 */
static void draw_columns_row(const struct ui *ui, int y, bool selected, enum ui_element element,
			     const char *title, const struct vm_config *config,
			     enum ui_element badge_element, const char *badge)
{
	int end = ui->cols - 2, firmware_cols = ui->cols >= 100 ? 20 : ui->cols >= 76 ? 12 : 9;
	int nets_cols = ui->cols >= 76 ? 6 : 0;
	int tail = firmware_cols + MEMORY_COLS + CPU_COLS + nets_cols + BADGE_COLS;
	int width = end - ENTRY_COL - tail < TITLE_MAX ? end - ENTRY_COL - tail : TITLE_MAX;
	int col = ENTRY_COL + width + 1;
	enum ui_element plain = selected ? UI_SELECTED : UI_NORMAL;
	char text[VM_PATH_SIZE], size[16];

	main_row_draw_text(ui, y, ENTRY_COL, selected, element, "", badge_element, badge);
	draw_text(y, ENTRY_COL, width, selected ? UI_SELECTED : element, title);
	draw_text(y, col, firmware_cols - 1, plain, short_firmware(config, text, sizeof(text)));
	col += firmware_cols - 1;
	draw_right(y, col, MEMORY_COLS - 1, plain,
		   text_format_size(config->memory, size, sizeof(size)));
	snprintf(text, sizeof(text), "%ucpu", config->cpus);
	draw_right(y, col + MEMORY_COLS - 1, CPU_COLS - 1, plain, text);
	col += MEMORY_COLS + CPU_COLS - 2;
	/* There is room for one of the two: the host has no use of its devices meanwhile. */
	if (config->vfio_count)
		snprintf(text, sizeof(text), "%u pci", config->vfio_count);
	else
		snprintf(text, sizeof(text), "%u net", config->net_count);
	if (nets_cols && (config->vfio_count || config->net_count))
		draw_right(y, col, nets_cols, plain, text);
}

static void draw_entry(const struct ui *ui, const struct menu_entry *entry, int y, bool selected)
{
	char badges[64] = "", trouble[MENU_TEXT_SIZE], problem[MENU_TEXT_SIZE + 8];
	enum ui_element element = entry_badges(entry, badges, sizeof(badges));

	/* What runs has its disks, which is no trouble. */
	if (!model_vm_alive(&ui->model) &&
	    describe_trouble(&ui->model, entry, trouble, sizeof(trouble))) {
		snprintf(problem, sizeof(problem), "-- %s --", trouble);
		main_row_draw_text(ui, y, ENTRY_COL, selected, UI_DIM, entry->config.title, UI_BAD,
				   problem);
		return;
	}
	draw_columns_row(ui, y, selected, UI_STRONG, entry->config.title, &entry->config, element,
			 badges);
}

/* What a disk holds, which is started without an entry. */
static void draw_plain(const struct ui *ui, const struct menu_device *disk, int y, bool selected)
{
	const struct menu_firmware *firmware = NULL;
	struct vm_config config = {.memory = plan_memory(&ui->model), .cpus = 1};
	unsigned int count = plan_firmwares(&ui->model, &firmware);

	if (count == 1)
		text_copy(config.firmware_path, sizeof(config.firmware_path), firmware->path);
	else if (count > 1)
		snprintf(config.firmware_path, sizeof(config.firmware_path), "%u images", count);
	draw_columns_row(ui, y, selected, UI_STRONG, disk->holds, &config, UI_DIM, "no entry");
}

static void draw_firmware(const struct ui *ui, const struct menu_firmware *firmware, int y,
			  bool selected)
{
	char left[384], dir[VM_PATH_SIZE + 72], size[16];
	const char *name = describe_basename(firmware->path);

	snprintf(left, sizeof(left), "%-15s %5s  %s  %s", name,
		 text_format_size(firmware->size, size, sizeof(size)), firmware->kind,
		 firmware->version);
	snprintf(dir, sizeof(dir), "%s%s%.*s", describe_basename(firmware->device),
		 firmware->device[0] ? ":" : "", (int)(name - firmware->path), firmware->path);
	if (firmware->usable)
		main_row_draw_text(ui, y, ENTRY_COL, selected, UI_STRONG, left, UI_DIM, dir);
	else
		main_row_draw_text(ui, y, ENTRY_COL, selected, UI_DIM, left, UI_BAD,
				   "cannot be started");
}

static void draw_vm(const struct ui *ui, int y, bool selected)
{
	const struct menu_vm *vm = &ui->model.vm;
	const char *stage = vmm_stage_name(vm->stage);
	char left[192], time[32];

	frame_format_time(model_vm_run_ms(&ui->model, loop_now_ms()), time, sizeof(time));
	if (vm->state == MENU_VM_ENDED)
		snprintf(left, sizeof(left), "%s  ended after %s - Enter: why", vm->config.title,
			 time);
	else if (vm->state == MENU_VM_STARTING)
		snprintf(left, sizeof(left), "%s  starting - Enter: console", vm->config.title);
	else
		snprintf(left, sizeof(left), "%s  %s %s%s%s - Enter: console", vm->config.title,
			 model_vm_verb(&ui->model), time, stage[0] ? ", " : "", stage);
	main_row_draw_text(ui, y, DISK_COL, selected, UI_WARN, left, UI_NORMAL, "");
}

void main_row_draw(struct ui *ui, void *data, const struct row *row, int y, bool selected)
{
	const struct model *model = &ui->model;

	(void)data;
	switch (row->kind) {
	case ROW_VM: draw_vm(ui, y, selected); break;
	case ROW_DISK: draw_disk(ui, &model->devices[row->index], y, selected); break;
	case ROW_ENTRY: draw_entry(ui, &model->entries[row->index], y, selected); break;
	case ROW_PLAIN: draw_plain(ui, &model->devices[row->index], y, selected); break;
	case ROW_FIRMWARE: draw_firmware(ui, &model->firmwares[row->index], y, selected); break;
	case ROW_HEADING:
		main_row_draw_text(ui, y, DISK_COL, false, UI_HEADING, row->text, UI_NORMAL, "");
		break;
	default:
		main_row_draw_text(ui, y, DISK_COL, false, UI_NORMAL, row->text, UI_NORMAL, "");
		break;
	}
}
