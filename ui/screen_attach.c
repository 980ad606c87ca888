/* The bottom of `vmboot attach`: nothing but the running VM's console, which opens as soon as it is known. */
#include "ui/screens.h"

#include <errno.h>

#include "ui/draw.h"

static void attach_draw(struct ui *ui, void *data)
{
	(void)data;
	draw_text(0, 0, ui->cols, UI_NORMAL, "Waiting for the daemon ... q leaves.");
}

static void attach_key(struct ui *ui, void *data, const struct ui_key *key)
{
	(void)data;
	if (key->code == 'q' || key->code == UI_KEY_CTRL('C'))
		ui_quit(ui, 0);
}

static void attach_changed(struct ui *ui, void *data, int what)
{
	const struct menu_vm *vm = &ui->model.vm;

	(void)data;
	if (!(what & MODEL_VM))
		return;
	if (model_vm_alive(&ui->model)) {
		if (ui->depth == 1)
			screen_console_open(ui);
	} else if (vm->state == MENU_VM_ENDED) {
		ui_quit(ui, vmb_err_set(ui->err, ESHUTDOWN, "%s ended: %s", vm->config.title,
					vm->text));
	} else {
		ui_quit(ui, vmb_err_set(ui->err, ENOENT,
					"No virtual machine is running: there is no "
					"console to attach to."));
	}
}

static const struct ui_screen screen_attach_ops = {
	.name = "attach",
	.draw = attach_draw,
	.key = attach_key,
	.changed = attach_changed,
};

int screen_attach_open(struct ui *ui)
{
	return ui_push(ui, &screen_attach_ops, NULL);
}
