/* See ui/main_rows.h. */
#include "ui/main_rows.h"

#include <stdio.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/wrap.h"

/* What stands right may take this many columns from what stands left, or percent of a wide row. */
#define RIGHT_COLS  26
#define RIGHT_SHARE 40

/*
 * One row: LEFT from column COL in ELEMENT, RIGHT at the end in RIGHT_ELEMENT. The row under the
 * cursor is all in one element, with a mark for terminals that show neither colour nor reverse.
 */
static void draw_row(const struct ui *ui, int y, int col, bool selected, enum ui_element element,
		     const char *left, enum ui_element right_element, const char *right)
{
	int end = ui->cols - 2, right_width = draw_columns(right), right_max = end * RIGHT_SHARE / 100;

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

static const char *bus_name(const struct menu_device *disk)
{
	static const char *const names[][2] = {
		{"nvme", "NVMe"}, {"sata", "SATA"},	 {"usb", "USB"}, {"scsi", "SCSI"},
		{"mmc", "MMC"},	  {"virtio", "virtio"}, {"sas", "SAS"}, {"ata", "ATA"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(disk->transport, names[i][0]) == 0)
			return names[i][1];
	return disk->transport[0] ? disk->transport : "disk";
}

/* The last characters of a serial number are the ones on the label. */
static const char *serial_tail(const char *serial, char *buf, size_t size)
{
	size_t n = strlen(serial);

	if (n > 6)
		snprintf(buf, size, "..%s", serial + n - 4);
	else
		text_copy(buf, size, serial);
	return buf;
}

static const char *vm_disk_mode(const struct vm_disk *disk)
{
	return disk->overlay ? "overlay" : disk->read_only ? "read-only" : "read-write";
}

static void draw_disk(const struct ui *ui, const struct menu_device *disk, int y, bool selected)
{
	enum plan_attach attach = plan_attach_of(&ui->plan, &ui->model, disk);
	const struct vm_disk *in_vm = model_vm_disk(&ui->model, disk);
	const char *use = model_device_use(&ui->model, disk);
	enum ui_element element = attach == PLAN_READ_WRITE ? UI_WARN
				  : attach == PLAN_OFF	    ? UI_DIM
							    : UI_GOOD;
	char left[256], right[192], size[16], serial[72];

	if (disk->size == 0)
		text_copy(size, sizeof(size), "-");
	else
		text_format_size(disk->size, size, sizeof(size));
	snprintf(left, sizeof(left), "[%-6s %-9s %6s  %s%s%s]", bus_name(disk), disk->name, size,
		 disk->model[0] ? disk->model : "no name", disk->serial[0] ? "  " : "",
		 serial_tail(disk->serial, serial, sizeof(serial)));
	if (in_vm) {
		element = UI_WARN;
		snprintf(right, sizeof(right), "in the VM, %s", vm_disk_mode(in_vm));
	} else if (disk->state == MENU_DEVICE_FAILED || disk->state == MENU_DEVICE_SKIPPED) {
		element = disk->state == MENU_DEVICE_FAILED ? UI_BAD : UI_DIM;
		snprintf(right, sizeof(right), "%s", disk->note[0] ? disk->note : "skipped");
	} else if (use) {
		element = attach == PLAN_OFF ? UI_BAD : element;
		snprintf(right, sizeof(right), "%s%s", attach == PLAN_READ_ONLY ? "read-only, "
						       : attach == PLAN_OVERLAY	? "overlay, "
										: "in use: ",
			 use);
	} else {
		snprintf(right, sizeof(right), "%s", disk->size == 0 ? "no medium"
								     : plan_attach_name(attach));
	}
	draw_row(ui, y, 3, selected, UI_HEADING, left, element, right);
}

static void draw_part(const struct ui *ui, const struct menu_device *part, int y, bool selected)
{
	const char *label = part->label[0] ? part->label : part->part_label, *right = part->note;
	const struct menu_device *disk = model_device(&ui->model, part->parent);
	enum ui_element element = UI_DIM;
	char left[256], use[112], size[16];

	snprintf(left, sizeof(left), "%-12s %6s  %-11s  %s", part->name,
		 text_format_size(part->size, size, sizeof(size)),
		 part->fstype[0]			? part->fstype
		 : part->state == MENU_DEVICE_SCANNING ? "scanning"
							: "-",
		 label);
	if (disk && model_vm_disk(&ui->model, disk)) {
		right = ""; /* its disk's row says it */
	} else if (part->in_use) {
		snprintf(use, sizeof(use), "in use: %s", part->use);
		right = use;
		element = UI_BAD;
	} else if (part->state == MENU_DEVICE_FAILED) {
		element = UI_BAD;
	} else if (part->holds[0]) {
		right = part->holds;
		element = UI_NORMAL;
	}
	draw_row(ui, y, 5, selected, UI_NORMAL, left, element, right);
}

static void draw_firmware(const struct ui *ui, const struct menu_firmware *firmware, int y,
			  bool selected)
{
	char left[384], dir[VM_PATH_SIZE], size[16];
	const char *name = plan_basename(firmware->path);

	snprintf(left, sizeof(left), "%-15s %5s  %s  %s", name,
		 text_format_size(firmware->size, size, sizeof(size)), firmware->kind,
		 firmware->version);
	snprintf(dir, sizeof(dir), "%.*s", (int)(name - firmware->path), firmware->path);
	if (firmware->usable)
		draw_row(ui, y, 7, selected, UI_STRONG, left, UI_DIM, dir);
	else
		draw_row(ui, y, 7, selected, UI_DIM, left, UI_BAD, "cannot be started");
}

static void draw_vm(const struct ui *ui, int y, bool selected)
{
	const struct menu_vm *vm = &ui->model.vm;
	const char *stage = vmm_stage_name(vm->stage);
	char left[192], time[32];

	frame_format_time(model_vm_run_ms(&ui->model, loop_now_ms()), time, sizeof(time));
	if (vm->state == MENU_VM_ENDED)
		snprintf(left, sizeof(left), "%s  ended after %s - Enter: why", vm->config.title, time);
	else if (vm->state == MENU_VM_STARTING)
		snprintf(left, sizeof(left), "%s  starting - Enter: console", vm->config.title);
	else
		snprintf(left, sizeof(left), "%s  %s %s%s%s - Enter: console", vm->config.title,
			 model_vm_verb(&ui->model), time, stage[0] ? ", " : "", stage);
	draw_row(ui, y, 3, selected, UI_WARN, left, UI_NORMAL, "");
}

void main_row_draw(struct ui *ui, const struct row *row, int y, bool selected)
{
	const struct model *model = &ui->model;

	switch (row->kind) {
	case ROW_VM: draw_vm(ui, y, selected); break;
	case ROW_DISK: draw_disk(ui, &model->devices[row->index], y, selected); break;
	case ROW_PART: draw_part(ui, &model->devices[row->index], y, selected); break;
	case ROW_FIRMWARE: draw_firmware(ui, &model->firmwares[row->index], y, selected); break;
	case ROW_HEADING: draw_row(ui, y, 3, false, UI_HEADING, row->text, UI_NORMAL, ""); break;
	default: draw_row(ui, y, 3, false, UI_NORMAL, row->text, UI_NORMAL, ""); break;
	}
}

void main_disks_text(const struct ui *ui, char *buf, size_t size, int columns)
{
	unsigned int more = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < ui->model.device_count; i++) {
		const struct menu_device *disk = &ui->model.devices[i];
		enum plan_attach attach;
		char one[96];

		if (disk->parent[0] || disk->empty)
			continue;
		attach = plan_attach_of(&ui->plan, &ui->model, disk);
		if (attach == PLAN_OFF)
			continue;
		snprintf(one, sizeof(one), "%s%s %s", buf[0] ? ", " : "", disk->name,
			 plan_attach_name(attach));
		/* Ten columns for ", 12 more". */
		if (more || strlen(buf) + strlen(one) + 10 > (size_t)columns ||
		    strlen(buf) + strlen(one) + 10 > size)
			more++;
		else
			strcat(buf, one);
	}
	if (more)
		snprintf(buf + strlen(buf), size - strlen(buf), "%s%u more", buf[0] ? ", " : "", more);
	if (buf[0] == '\0')
		text_copy(buf, size, "none: the guest sees no disk");
}

static void preview_firmware(struct ui *ui, const struct menu_firmware *firmware, int y)
{
	const struct menu_welcome *host = &ui->model.welcome;
	int width = ui->cols - 2;
	char disks[512], memory[16], room[16];

	if (!firmware->usable) {
		draw_printf(y, 1, width, UI_NORMAL, "%s", firmware->path);
		snprintf(disks, sizeof(disks), "Cannot be started: %s", firmware->reason);
		wrap_draw(y + 1, 1, width, 2, UI_BAD, disks);
		return;
	}
	if (model_vm_alive(&ui->model)) {
		draw_printf(y, 1, width, UI_NORMAL, "%s%s%s", firmware->path,
			    firmware->device[0] ? " of " : "", firmware->device);
		draw_printf(y + 1, 1, width, UI_WARN, "%s is running: one VM at a time.",
			    ui->model.vm.config.title);
		draw_text(y + 2, 1, width, UI_NORMAL,
			  "End it first: Enter on its line, then ^] p or ^] k.");
		return;
	}
	draw_printf(y, 1, width, UI_NORMAL, "Enter starts %s%s%s", firmware->path,
		    firmware->device[0] ? " of " : "", firmware->device);
	if (ui->model.welcomed && !(host->kvm_ok && host->firmware_ok)) {
		wrap_draw(y + 1, 1, width, 2, UI_BAD, host->kvm_text);
		return;
	}
	main_disks_text(ui, disks, sizeof(disks), width - 7);
	draw_printf(y + 1, 1, width, UI_NORMAL, "disks: %s", disks);
	draw_printf(y + 2, 1, width, UI_NORMAL, "%s of %s free memory   %u of %u CPUs   variables %s",
		    text_format_size(plan_memory(&ui->plan, &ui->model), memory, sizeof(memory)),
		    text_format_size(host->host_memory_free, room, sizeof(room)),
		    plan_cpus(&ui->plan), host->host_cpus,
		    ui->plan.vars == PLAN_VARS_KEEP    ? "kept"
		    : ui->plan.vars == PLAN_VARS_FRESH ? "start fresh"
						       : "not kept");
}

static void preview_disk(struct ui *ui, const struct menu_device *disk, int y)
{
	enum plan_attach attach = plan_attach_of(&ui->plan, &ui->model, disk);
	const char *use = model_device_use(&ui->model, disk), *why = NULL;
	const struct vm_disk *in_vm = model_vm_disk(&ui->model, disk);
	int width = ui->cols - 2;

	draw_printf(y, 1, width, UI_NORMAL, "%s  %s%s%s  %s%s", disk->path, disk->model,
		    disk->serial[0] ? "  serial " : "", disk->serial, disk->transport,
		    disk->read_only ? "  read-only" : "");
	if (in_vm) {
		draw_printf(y + 1, 1, width, UI_WARN, "The VM that runs has it, %s.",
			    vm_disk_mode(in_vm));
		return;
	}
	if (attach == PLAN_READ_WRITE)
		draw_printf(y + 1, 1, width, UI_WARN, "read-write: the guest can change this disk");
	else if (attach == PLAN_READ_ONLY)
		draw_printf(y + 1, 1, width, UI_GOOD, "read-only: the guest sees it, writes fail");
	else if (attach == PLAN_OVERLAY)
		draw_printf(y + 1, 1, width, UI_GOOD,
			    "overlay: the guest's writes stay in memory, the disk is not written");
	else
		draw_printf(y + 1, 1, width, UI_NORMAL, "off: the guest does not see it");
	if (!plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why))
		draw_printf(y + 2, 1, width, UI_BAD, "Cannot be attached: %s", why);
	else if (use)
		draw_printf(y + 2, 1, width, UI_BAD, "This host uses it: %s. Not read-write.", use);
	else
		draw_printf(y + 2, 1, width, UI_NORMAL, "Space: %s   other ways: e on a firmware",
			    attach == PLAN_OFF ? "attach" : "leave out");
}

static void preview_part(struct ui *ui, const struct menu_device *part, int y)
{
	int width = ui->cols - 2;

	draw_printf(y, 1, width, UI_NORMAL, "%s  %s  %s%s%s", part->path,
		    part->fstype[0] ? part->fstype : "nothing known on it",
		    part->label[0] ? part->label : part->part_label, part->uuid[0] ? "  UUID " : "",
		    part->uuid);
	if (part->in_use)
		draw_printf(y + 1, 1, width, UI_BAD, "This host uses it: %s", part->use);
	else
		draw_printf(y + 1, 1, width, UI_NORMAL, "%s", part->note);
	draw_printf(y + 2, 1, width, UI_NORMAL, "Whole disks are attached: Space on %s", part->parent);
}

static void preview_vm(struct ui *ui, int y)
{
	const struct menu_vm *vm = &ui->model.vm;
	char memory[16];

	draw_printf(y, 1, ui->cols - 2, UI_NORMAL, "%s  %s  %u CPU%s  %u disk%s", vm->config.title,
		    text_format_size(vm->config.memory, memory, sizeof(memory)), vm->config.cpus,
		    vm->config.cpus == 1 ? "" : "s", vm->config.disk_count,
		    vm->config.disk_count == 1 ? "" : "s");
	draw_printf(y + 1, 1, ui->cols - 2, UI_NORMAL, "%s%s%s", vm->config.firmware_path,
		    vm->config.firmware_device[0] ? " of " : "", vm->config.firmware_device);
	draw_text(y + 2, 1, ui->cols - 2, UI_WARN, vm->text);
}

void main_row_preview(struct ui *ui, const struct row *row, int y)
{
	const struct model *model = &ui->model;

	switch (row->kind) {
	case ROW_VM: preview_vm(ui, y); break;
	case ROW_DISK: preview_disk(ui, &model->devices[row->index], y); break;
	case ROW_PART: preview_part(ui, &model->devices[row->index], y); break;
	case ROW_FIRMWARE: preview_firmware(ui, &model->firmwares[row->index], y); break;
	default: break;
	}
}
