/* Where a report is written: this machine, or a file system on a removable disk. */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/list.h"

#define REPORT_MAX   16
#define REPORT_WIDTH 58

struct screen_report {
	struct list list;
	unsigned int count;
	char path[REPORT_MAX][64]; /* a block device; empty: this machine */
	char text[REPORT_MAX][160];
};

static void report_add(struct screen_report *sr, const char *path, const char *text)
{
	if (sr->count == REPORT_MAX)
		return;
	text_copy(sr->path[sr->count], sizeof(sr->path[0]), path);
	text_copy(sr->text[sr->count], sizeof(sr->text[0]), text);
	sr->count++;
}

/* True if DEVICE, or the disk it is on, is one that an operator plugs in to take something away. */
static bool is_removable(const struct model *model, const struct menu_device *device)
{
	const struct menu_device *disk =
		device->parent[0] ? model_device(model, device->parent) : device;

	return disk && (disk->removable || strcmp(disk->transport, "usb") == 0);
}

/* File systems that hold files and that this kernel can be expected to write. */
static bool is_writable_fs(const char *fstype)
{
	static const char *const names[] = {"vfat", "exfat", "ext2", "ext3",
					    "ext4", "xfs",   "btrfs"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(fstype, names[i]) == 0)
			return true;
	return false;
}

static void report_build(const struct ui *ui, struct screen_report *sr)
{
	sr->count = 0;
	for (unsigned int i = 0; i < ui->model.device_count; i++) {
		const struct menu_device *device = &ui->model.devices[i];
		char text[160], size[16];

		if (!is_removable(&ui->model, device) || !is_writable_fs(device->fstype) ||
		    device->read_only || device->in_use || model_vm_disk(&ui->model, device))
			continue;
		snprintf(text, sizeof(text), "%.40s  %s  %.16s  %.60s", device->path,
			 text_format_size(device->size, size, sizeof(size)), device->fstype,
			 device->label);
		report_add(sr, device->path, text);
	}
	report_add(sr, "", "this machine (/var/lib/vmboot, else /tmp)");
	list_fit(&sr->list, (int)sr->count, REPORT_MAX);
}

static void report_layout(struct ui *ui, void *data, int rows, int cols)
{
	(void)rows;
	(void)cols;
	report_build(ui, data);
}

static void report_draw(struct ui *ui, void *data)
{
	const struct screen_report *sr = data;
	int count = (int)sr->count, height = count + 5;
	int top = (ui->rows - height) / 2, left = (ui->cols - REPORT_WIDTH) / 2;

	draw_box(top, left, height, REPORT_WIDTH, "Save a report: log, devices, settings");
	for (int i = 0; i < count; i++)
		draw_text(top + 1 + i, left + 2, REPORT_WIDTH - 4,
			  i == sr->list.cursor ? UI_SELECTED : UI_DIALOG, sr->text[i]);
	draw_text(top + count + 2, left + 2, REPORT_WIDTH - 4, UI_DIALOG,
		  count == 1 ? "A USB disk that is plugged in now appears here." : "");
	draw_text(top + count + 3, left + 2, REPORT_WIDTH - 4, UI_DIALOG, "Enter save   Esc back");
	ui->cursor_shown = false;
}

static void report_send(struct ui *ui)
{
	struct menu_report_to to = {{0}};

	text_copy(to.target, sizeof(to.target), ui->report_target);
	ui_send(ui, MENU_REPORT, &to, sizeof(to));
	ui_say(ui, UI_WARN, "The report is written ...");
}

static void report_choose(struct ui *ui, const struct screen_report *sr)
{
	char text[256];

	text_copy(ui->report_target, sizeof(ui->report_target), sr->path[sr->list.cursor]);
	ui_pop(ui);
	if (!ui->report_target[0]) {
		report_send(ui);
		return;
	}
	snprintf(text, sizeof(text),
		 "%.90s is mounted writable for as long as it takes to write a new directory to "
		 "it, and "
		 "unmounted. Nothing that is there is changed. Write the report?",
		 ui->report_target);
	dialog_ask(ui, "Save a report", text, report_send);
}

static void report_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_report *sr = data;

	if (key->alt)
		return;
	if (ui_key_is_enter(key))
		report_choose(ui, sr);
	else if (key->code == 'q' || key->code == UI_KEY_ESCAPE || key->code == UI_KEY_LEFT)
		ui_pop(ui);
	else if (key->code == UI_KEY_CTRL('L'))
		ui_redraw_all(ui);
	else if (key->code == '!')
		ui_start_shell(ui);
	else
		list_key(&sr->list, key);
}

/* The disk under the cursor may be gone: the cursor goes to another, but nothing is written unasked. */
static void report_changed(struct ui *ui, void *data, int what)
{
	(void)what;
	report_build(ui, data);
}

static void report_close(struct ui *ui, void *data)
{
	(void)ui;
	free(data);
}

static const struct ui_screen screen_report_ops = {
	.name = "report",
	.overlay = true,
	.layout = report_layout,
	.draw = report_draw,
	.key = report_key,
	.changed = report_changed,
	.close = report_close,
};

void screen_report_open(struct ui *ui)
{
	struct screen_report *sr = calloc(1, sizeof(*sr));

	if (!sr) {
		ui_say(ui, UI_BAD, "There is not enough memory for this.");
		return;
	}
	ui_push(ui, &screen_report_ops, sr);
}
