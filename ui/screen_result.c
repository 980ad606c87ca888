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
#define RESULT_TEXT_ROWS 4

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

/* "resets 1   variables saved   failed 2 of 3 starts" */
static void draw_counts(struct ui *ui, int y)
{
	const struct menu_vm *vm = &ui->model.vm;
	const struct menu_entry *entry = model_entry(&ui->model, vm->id);
	char text[160], tries[64] = "";

	if (entry && entry->tries)
		snprintf(tries, sizeof(tries), "   failed %u of %u tries", entry->failed,
			 entry->tries);
	else if (entry && entry->failed)
		snprintf(tries, sizeof(tries), "   failed %u tries in a row", entry->failed);
	snprintf(text, sizeof(text), "resets %u   variables %s%s", vm->resets,
		 !vm->config.vars_path[0] ? "not kept"
		 : vm->vars_saved	  ? "saved"
					  : "NOT saved",
		 tries);
	draw_text(y, 3, ui->cols - 5, UI_NORMAL, text);
}

/* What Enter does, where other screens say what goes on. */
static char *restart_text(const struct ui *ui, char *buf, size_t size)
{
	const struct vm_config *config = &ui->model.vm.config;
	char boot[160], disks[160];

	describe_boot(config, boot, sizeof(boot));
	if (draw_columns(boot) > ui->cols / 2)
		snprintf(boot, sizeof(boot), "%.60s",
			 describe_basename(config->kernel_path[0] ? config->kernel_path
								  : config->firmware_path));
	if (config->disk_count)
		describe_disks(config, disks, sizeof(disks), ui->cols - 10 - draw_columns(boot));
	else
		text_copy(disks, sizeof(disks), "no disk");
	snprintf(buf, size, "Enter: %.90s, %.120s", boot, disks);
	return buf;
}

/* The preview's rows are the console's, too: fifteen of its lines are worth more than a second summary. */
static void result_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Enter", "start again", false}, {"e", "edit", false},	{"l", "full log", false},
		{"[", "console", false},	 {"m", "menu", false}, {"!", "shell", true},
		{"?", "help", true},		 {NULL, NULL, false},
	};
	const struct menu_vm *vm = &ui->model.vm;
	int y = FRAME_BODY_ROW, end = frame_preview_row(ui->rows) + FRAME_PREVIEW_ROWS;
	char time[32], idle[256];

	(void)data;
	frame_draw(ui, "The VM ended", hints, restart_text(ui, idle, sizeof(idle)));
	for (int row = y; row < end; row++)
		draw_text(row, 0, ui->cols, UI_NORMAL, "");
	frame_format_time(vm->run_ms, time, sizeof(time));
	draw_printf(y++, 3, ui->cols - 5, UI_STRONG, "%s ended after %s", vm->config.title, time);
	y += wrap_draw(y, 3, ui->cols - 5, RESULT_TEXT_ROWS, reason_element(vm->reason), vm->text);
	draw_counts(ui, y++);
	draw_tail(ui, y, end - y);
}

static void result_leave(struct ui *ui)
{
	ui_send(ui, MENU_VM_FORGET, NULL, 0);
	ui_pop(ui);
}

/* As it was started; what is changed is kept by Enter in the editor, or its save. */
static void edit(struct ui *ui)
{
	const struct vm_config config = ui->model.vm.config;
	char id[MENU_ID_SIZE];

	text_copy(id, sizeof(id), ui->model.vm.id);
	result_leave(ui);
	screen_edit_open(ui, id, &config);
}

/* The entry as it is now; or, where there is none, the same machine. */
static void restart(struct ui *ui)
{
	struct vm_config config = ui->model.vm.config;

	if (model_entry(&ui->model, ui->model.vm.id)) {
		ui_start_entry(ui, ui->model.vm.id, config.title);
		return;
	}
	/* A fresh variable store was wanted once, not every time. */
	config.fresh_vars = 0;
	ui_start_vm(ui, &config);
}

static void result_key(struct ui *ui, void *data, const struct ui_key *key)
{
	(void)data;
	if (key->alt)
		return;
	if (ui_key_is_enter(key)) {
		restart(ui);
	} else if (key->code == 'm' || key->code == 'q' || key->code == UI_KEY_ESCAPE ||
		   key->code == UI_KEY_LEFT) {
		result_leave(ui);
	} else if (key->code == '[') {
		screen_scroll_open(ui);
	} else if (key->code == 'e') {
		edit(ui);
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
