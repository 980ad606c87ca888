/* Why the VM ended, how long it ran, and the last thing its console said. */
#include "ui/screens.h"

#include <stdio.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/wrap.h"
#include "vmm_proto.h"

#define RESULT_LINES	 32
#define RESULT_TEXT_ROWS 6

static enum ui_element reason_element(uint32_t reason)
{
	switch (reason) {
	case VMM_EXIT_POWER_OFF: return UI_GOOD;
	case VMM_EXIT_STOPPED: return UI_WARN;
	default: return UI_BAD;
	}
}

static void draw_tail(struct ui *ui, int y, int room)
{
	char lines[RESULT_LINES][CONSOLE_LINE_SIZE];
	unsigned int max = (unsigned int)(room - 1 < RESULT_LINES ? room - 1 : RESULT_LINES);
	unsigned int count = room > 1 ? console_tail(ui->console, lines, max) : 0;

	if (count == 0) {
		draw_text(y, 3, ui->cols - 5, UI_DIM, "Its console said nothing.");
		return;
	}
	draw_text(y, 3, ui->cols - 5, UI_HEADING, "Last lines of its console:");
	for (unsigned int i = 0; i < count; i++)
		draw_text(y + 1 + (int)i, 3, ui->cols - 5, UI_NORMAL, lines[i]);
}

static void draw_restart(struct ui *ui)
{
	const struct vm_config *config = &ui->model.vm.config;
	int y = frame_preview_row(ui->rows);
	char memory[16], line[256];
	size_t at;

	draw_printf(y, 1, ui->cols - 2, UI_NORMAL, "Enter starts it again: %s%s%s",
		    config->firmware_path, config->firmware_device[0] ? " of " : "",
		    config->firmware_device);
	at = (size_t)snprintf(line, sizeof(line), "disks:");
	for (unsigned int i = 0; i < config->disk_count && at < sizeof(line) - 80; i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s %.40s %s", i ? "," : "",
				       describe_basename(config->disks[i].path),
				       config->disks[i].overlay	    ? "overlay"
				       : config->disks[i].read_only ? "read-only"
								    : "read-write");
	if (config->disk_count == 0)
		snprintf(line + at, sizeof(line) - at, " none");
	draw_text(y + 1, 1, ui->cols - 2, UI_NORMAL, line);
	draw_printf(y + 2, 1, ui->cols - 2, UI_NORMAL, "%s memory   %u CPU%s",
		    text_format_size(config->memory, memory, sizeof(memory)), config->cpus,
		    config->cpus == 1 ? "" : "s");
}

static void result_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Enter", "start again", false}, {"m", "menu", false}, {"!", "shell", false},
		{"[", "scroll", false},		 {"?", "help", true},  {NULL, NULL, false},
	};
	const struct menu_vm *vm = &ui->model.vm;
	int y = FRAME_BODY_ROW, end = FRAME_BODY_ROW + frame_body_rows(ui->rows);
	char time[32];

	(void)data;
	frame_draw(ui, "The VM ended", hints, "");
	frame_format_time(vm->run_ms, time, sizeof(time));
	draw_printf(y++, 3, ui->cols - 5, UI_STRONG, "%s ended after %s", vm->config.title, time);
	y += wrap_draw(y, 3, ui->cols - 5, RESULT_TEXT_ROWS, reason_element(vm->reason), vm->text);
	draw_printf(y++, 3, ui->cols - 5, UI_NORMAL, "resets %u   variables %s", vm->resets,
		    !vm->config.vars_path[0] ? "not kept"
		    : vm->vars_saved	     ? "saved"
					     : "NOT saved");
	draw_tail(ui, y + 1, end - y - 1);
	draw_restart(ui);
}

static void result_leave(struct ui *ui)
{
	ui_send(ui, MENU_VM_FORGET, NULL, 0);
	ui_pop(ui);
}

static void result_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct vm_config config = ui->model.vm.config;

	(void)data;
	if (key->alt)
		return;
	if (ui_key_is_enter(key)) {
		/* A fresh variable store was wanted once, not every time. */
		config.fresh_vars = 0;
		ui_start_vm(ui, &config);
	} else if (key->code == 'm' || key->code == 'q' || key->code == UI_KEY_ESCAPE ||
		   key->code == UI_KEY_LEFT) {
		result_leave(ui);
	} else if (key->code == '[') {
		screen_scroll_open(ui);
	} else {
		ui_common_key(ui, key);
	}
}

/* Somebody else forgot or restarted it. */
static void result_changed(struct ui *ui, void *data, int what)
{
	(void)data;
	if ((what & MODEL_VM) && ui->model.vm.state != MENU_VM_ENDED)
		ui_pop_all(ui);
}

static const struct ui_screen screen_result_ops = {
	.name = "result",
	.draw = result_draw,
	.key = result_key,
	.changed = result_changed,
};

void screen_result_open(struct ui *ui)
{
	ui->status[0] = '\0';
	ui_push(ui, &screen_result_ops, NULL);
}
