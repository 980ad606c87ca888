/* See ui/transparent.h. */
#include "ui/transparent.h"

#include "ui/screen.h"
#include "ui/screens.h"

/* As in the console view: after ^] the menu comes by itself when no key follows for so long. */
#define PREFIX_WAIT_MS 1500

void transparent_start(struct ui *ui)
{
	ui->transparent = (struct transparent){.active = true,
					      .prefix = {.key = ui_prefix_key(ui), .view = true}};
}

static void prefix_timer_stop(struct ui *ui)
{
	loop_remove_timer(ui->transparent.prefix_timer);
	ui->transparent.prefix_timer = NULL;
}

void transparent_stop(struct ui *ui)
{
	if (!ui->transparent.active)
		return;
	prefix_timer_stop(ui);
	ui->transparent.active = false;
	screen_repair();
	ui_redraw_all(ui);
}

void transparent_output(const struct ui *ui, const uint8_t *buf, size_t n)
{
	(void)ui;
	screen_write(buf, n);
}

static void on_prefix_wait(void *arg)
{
	struct ui *ui = arg;

	ui->transparent.prefix_timer = NULL;
	transparent_stop(ui);
	ui_pop_all(ui);
}

void transparent_keys(struct ui *ui, const uint8_t *buf, size_t n)
{
	uint8_t out[256];
	size_t count = 0;

	for (size_t i = 0; i < n && ui->transparent.active; i++) {
		uint8_t byte;
		enum prefix_action action = prefix_feed(&ui->transparent.prefix, buf[i], &byte);

		if (action == PREFIX_PASS) {
			out[count++] = byte;
		} else if (action == PREFIX_WAIT) {
			loop_add_timer(ui->loop, PREFIX_WAIT_MS, on_prefix_wait, ui,
				       &ui->transparent.prefix_timer);
			continue;
		}
		prefix_timer_stop(ui);
		if (count > 0 && (action != PREFIX_PASS || count == sizeof(out) || i + 1 == n)) {
			ui_guest_input(ui, out, count);
			count = 0;
		}
		/* The rest of what was typed is for the screen that the command leaves behind. */
		if (action != PREFIX_PASS)
			screen_console_command(ui, action, byte);
	}
	if (count > 0)
		ui_guest_input(ui, out, count);
}
