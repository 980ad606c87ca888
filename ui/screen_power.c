/* The host's power: off or restart, each asked once more. */
#include "ui/screens.h"

#include <stdio.h>

#include "ui/draw.h"

#define POWER_WIDTH 44

static void power_draw(struct ui *ui, void *data)
{
	static const char *const lines[] = {
		"o   switch this machine off",
		"r   restart this machine",
		"",
		"q   back",
	};
	int count = (int)(sizeof(lines) / sizeof(lines[0]));
	int top = (ui->rows - count - 2) / 2, left = (ui->cols - POWER_WIDTH) / 2;

	(void)data;
	draw_box(top, left, count + 2, POWER_WIDTH, "Power");
	for (int i = 0; i < count; i++)
		draw_text(top + 1 + i, left + 2, POWER_WIDTH - 4, UI_DIALOG, lines[i]);
	ui->cursor_shown = false;
}

static void send_power(struct ui *ui, enum menu_power what)
{
	uint32_t body = what;

	ui_send(ui, MENU_POWER, &body, sizeof(body));
	ui_say(ui, UI_WARN,
	       what == MENU_POWER_OFF ? "The machine switches itself off ..."
				      : "The machine restarts ...");
}

static void power_off(struct ui *ui)
{
	send_power(ui, MENU_POWER_OFF);
}

static void power_reboot(struct ui *ui)
{
	send_power(ui, MENU_POWER_REBOOT);
}

static void ask(struct ui *ui, const char *what, void (*yes)(struct ui *ui))
{
	char text[256];

	if (model_vm_alive(&ui->model))
		snprintf(text, sizeof(text),
			 "%s is running and is ended first, as if its power were cut: what it has "
			 "not "
			 "written to its disks is lost. %s this machine?",
			 ui->model.vm.config.title, what);
	else
		snprintf(text, sizeof(text), "%s this machine? Every console goes with it.", what);
	ui_pop(ui);
	dialog_ask(ui, "Power", text, yes);
}

static void power_key(struct ui *ui, void *data, const struct ui_key *key)
{
	(void)data;
	if (key->alt)
		return;
	switch (key->code) {
	case 'o': ask(ui, "Switch off", power_off); break;
	case 'r': ask(ui, "Restart", power_reboot); break;
	case 'q':
	case '\r':
	case UI_KEY_ESCAPE:
	case UI_KEY_LEFT: ui_pop(ui); break;
	case UI_KEY_CTRL('L'): ui_redraw_all(ui); break;
	case '!': ui_start_shell(ui); break;
	default: break;
	}
}

static const struct ui_screen screen_power_ops = {
	.name = "power",
	.overlay = true,
	.draw = power_draw,
	.key = power_key,
};

void screen_power_open(struct ui *ui)
{
	if (!ui_has_screen(ui, &screen_power_ops))
		ui_push(ui, &screen_power_ops, NULL);
}
