/* The three rows below a list: exactly what Enter does on the row under the cursor. See ui/main_rows.h. */
#include "ui/main_rows.h"

#include <stdio.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/wrap.h"

/* Of the first reason why nothing at all can be started now; NULL if there is none. */
static const char *host_trouble(const struct ui *ui, bool firmware)
{
	const struct menu_welcome *host = &ui->model.welcome;

	if (!ui->model.welcomed || (host->kvm_ok && (host->firmware_ok || !firmware)))
		return NULL;
	return host->kvm_text[0] ? host->kvm_text : "This host's KVM cannot run it.";
}

static void draw_running(struct ui *ui, int y)
{
	draw_printf(y + 1, 1, ui->cols - 2, UI_WARN, "%s is running: one VM at a time.",
		    ui->model.vm.config.title);
	draw_text(y + 2, 1, ui->cols - 2, UI_NORMAL,
		  "End it first: Enter on its line, then ^] p or ^] k.");
}

/* WHAT, TITLE and what boots in one line of WIDTH columns; on a narrow screen without directories and title. */
static void boot_line(const struct vm_config *config, const char *what, const char *title,
		      const char *ok, char *buf, size_t size, int width)
{
	const char *path = config->kernel_path[0] ? config->kernel_path : config->firmware_path;
	char boot[2 * VM_PATH_SIZE + 16];

	snprintf(buf, size, "%s%s%s%s %s%s", what, title ? " " : "", title ? title : "",
		 title ? ":" : "", describe_boot(config, boot, sizeof(boot)), ok);
	if (draw_columns(buf) > width)
		snprintf(buf, size, "%s %s%s%s%s", what, describe_basename(path),
			 config->firmware_device[0] ? " of " : "",
			 describe_basename(config->firmware_device), ok);
}

void preview_config(struct ui *ui, const struct vm_config *config, const char *what,
		    const char *title, int y)
{
	const struct menu_firmware *firmware = describe_firmware(&ui->model, config);
	const char *trouble = host_trouble(ui, !config->kernel_path[0]), *ok = "";
	struct vmb_err no_room = {0};
	int width = ui->cols - 2;
	char text[1024];

	if (firmware)
		ok = firmware->usable ? " (ok)" : " (cannot be started)";
	plan_memory_fits(&ui->model, config->memory, &no_room);
	if (trouble || no_room.code || (firmware && !firmware->usable))
		what = "It will not start:";
	boot_line(config, what, title, ok, text, sizeof(text), width);
	draw_text(y, 1, width, firmware && !firmware->usable ? UI_BAD : UI_NORMAL, text);
	if (trouble) {
		wrap_draw(y + 1, 1, width, 2, UI_BAD, trouble);
		return;
	}
	describe_disks(config, text, sizeof(text), width - 7);
	draw_printf(y + 1, 1, width, UI_NORMAL, "disks: %s", text);
	describe_machine(&ui->model, config, text, sizeof(text), width);
	draw_text(y + 2, 1, width, no_room.code ? UI_BAD : UI_NORMAL,
		  no_room.code ? no_room.text : text);
}

void preview_trouble(struct ui *ui, const struct menu_entry *entry, int y)
{
	char trouble[MENU_TEXT_SIZE];

	if (!host_trouble(ui, !entry->config.kernel_path[0]) &&
	    describe_trouble(&ui->model, entry, trouble, sizeof(trouble)))
		draw_printf(y + 2, 1, ui->cols - 2, UI_BAD, "It will not start: %s.%s", trouble,
			    entry->problem[0] ? "" : " Enter says what helps.");
}

static void preview_entry(struct ui *ui, const struct menu_entry *entry, int y)
{
	if (model_vm_alive(&ui->model)) {
		draw_text(y, 1, ui->cols - 2, UI_NORMAL, entry->config.title);
		draw_running(ui, y);
		return;
	}
	preview_config(ui, &entry->config, "Enter starts", entry->config.title, y);
	preview_trouble(ui, entry, y);
}

static void preview_firmware(struct ui *ui, const struct menu_firmware *firmware, int y)
{
	int width = ui->cols - 2;
	struct vm_config config;
	struct vmb_err err = {0};
	char text[512];

	if (!firmware->usable) {
		draw_printf(y, 1, width, UI_NORMAL, "%s", firmware->path);
		snprintf(text, sizeof(text), "Cannot be started: %s", firmware->reason);
		wrap_draw(y + 1, 1, width, 2, UI_BAD, text);
	} else if (model_vm_alive(&ui->model)) {
		draw_printf(y, 1, width, UI_NORMAL, "%s%s%s", firmware->path,
			    firmware->device[0] ? " of " : "", firmware->device);
		draw_running(ui, y);
	} else if (plan_config(&ui->plan, &ui->model, firmware, NULL, &config, &err) < 0) {
		wrap_draw(y, 1, width, 3, UI_BAD, err.text);
	} else {
		preview_config(ui, &config, "Enter starts", NULL, y);
	}
}

/* What Enter does on a disk: starts it, and nothing else, without an entry. */
static void preview_start_disk(struct ui *ui, const struct menu_device *disk, int y)
{
	const struct menu_firmware *firmware = NULL;
	unsigned int count = plan_firmwares(&ui->model, &firmware);
	int width = ui->cols - 2;
	struct vm_config config;
	struct vmb_err err = {0};

	if (model_vm_alive(&ui->model)) {
		draw_printf(y, 1, width, UI_NORMAL, "%s",
			    disk->holds[0] ? disk->holds : disk->path);
		draw_running(ui, y);
	} else if (count == 0 && model_is_looking(&ui->model)) {
		draw_text(y, 1, width, UI_NORMAL,
			  "No firmware to start it by was found yet; other disks are being looked "
			  "at.");
	} else if (count == 0) {
		draw_text(y, 1, width, UI_BAD,
			  "No firmware that can be started was found: f lists what was.");
	} else if (plan_config(&ui->plan, &ui->model, firmware, disk, &config, &err) < 0) {
		wrap_draw(y, 1, width, 3, UI_BAD, err.text);
	} else if (count == 1) {
		preview_config(ui, &config, "Enter starts this disk alone by", NULL, y);
	} else {
		preview_config(ui, &config, "Enter starts this disk alone by", NULL, y);
		draw_printf(y, 1, width, UI_NORMAL,
			    "Enter asks by which of %u firmware images to start this disk alone.",
			    count);
	}
}

/* What Enter and Space do on a disk that may be attached, and what it holds. */
static void draw_disk_keys(const struct ui *ui, const struct menu_device *disk,
			   enum plan_attach attach, int y)
{
	const struct menu_firmware *firmware = NULL;
	bool startable = !model_vm_alive(&ui->model) && plan_firmwares(&ui->model, &firmware) > 0;
	char contents[256];

	describe_contents(disk, contents, sizeof(contents));
	draw_printf(y, 1, ui->cols - 2, UI_NORMAL, "%s%s   s: more%s%s",
		    attach != PLAN_OFF && startable ? "Enter starts it alone   " : "",
		    attach != PLAN_OFF ? "Space: leave out"
		    : startable	       ? "Space: attach, then Enter starts it alone"
				       : "Space: attach",
		    contents[0] ? "   holds " : "", contents);
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
	if (in_vm)
		draw_printf(y + 1, 1, width, UI_WARN, "The VM that runs has it, %s.",
			    describe_disk_mode(in_vm));
	else if (attach == PLAN_READ_WRITE)
		draw_printf(y + 1, 1, width, UI_WARN, "read-write: the guest can change this disk");
	else if (attach == PLAN_READ_ONLY)
		draw_printf(y + 1, 1, width, UI_GOOD, "read-only: the guest sees it, writes fail");
	else if (attach == PLAN_OVERLAY)
		draw_printf(y + 1, 1, width, UI_GOOD,
			    "overlay: the guest's writes stay in memory, the disk is not written");
	else
		draw_printf(y + 1, 1, width, UI_NORMAL, "off: the guest does not see it");
	if (in_vm)
		return;
	if (!plan_attach_allowed(&ui->model, disk, PLAN_READ_ONLY, &why))
		draw_printf(y + 2, 1, width, UI_BAD, "Cannot be attached: %s", why);
	else if (use)
		draw_printf(y + 2, 1, width, UI_BAD, "This host uses it: %s. Not read-write.", use);
	else if (disk->failing)
		draw_printf(y + 2, 1, width, UI_BAD, "The disk says of itself: %s", disk->health);
	else
		draw_disk_keys(ui, disk, attach, y + 2);
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
		draw_printf(y + 1, 1, width, UI_NORMAL, "%s%s%s", part->holds,
			    part->holds[0] && part->note[0] ? "; " : "", part->note);
	draw_printf(y + 2, 1, width, UI_NORMAL, "Whole disks are attached: Space on %s",
		    part->parent);
}

static void preview_vm(struct ui *ui, int y)
{
	const struct menu_vm *vm = &ui->model.vm;
	char memory[16], boot[2 * VM_PATH_SIZE + 16];

	draw_printf(y, 1, ui->cols - 2, UI_NORMAL, "%s  %s  %u CPU%s  %u disk%s", vm->config.title,
		    text_format_size(vm->config.memory, memory, sizeof(memory)), vm->config.cpus,
		    vm->config.cpus == 1 ? "" : "s", vm->config.disk_count,
		    vm->config.disk_count == 1 ? "" : "s");
	draw_text(y + 1, 1, ui->cols - 2, UI_NORMAL,
		  describe_boot(&vm->config, boot, sizeof(boot)));
	draw_text(y + 2, 1, ui->cols - 2, UI_WARN, vm->text);
}

void preview_row(struct ui *ui, const struct row *row, int y)
{
	const struct model *model = &ui->model;

	switch (row->kind) {
	case ROW_VM: preview_vm(ui, y); break;
	case ROW_DISK: preview_disk(ui, &model->devices[row->index], y); break;
	case ROW_PART: preview_part(ui, &model->devices[row->index], y); break;
	case ROW_PLAIN: preview_start_disk(ui, &model->devices[row->index], y); break;
	case ROW_ENTRY: preview_entry(ui, &model->entries[row->index], y); break;
	case ROW_FIRMWARE: preview_firmware(ui, &model->firmwares[row->index], y); break;
	default: break;
	}
}
