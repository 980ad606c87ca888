/* See ui/wait.h. */
#include "ui/wait.h"

#include <stdarg.h>
#include <stdio.h>

#include "ui/ui.h"

void wait_begin(struct ui *ui, uint32_t type, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ui->wait.text, sizeof(ui->wait.text), fmt, ap);
	va_end(ap);
	ui->wait.type = type;
	ui->wait.since_ms = loop_now_ms();
	ui_tick(ui);
	ui_dirty(ui);
}

void wait_end(struct ui *ui, uint32_t type)
{
	if (ui->wait.type == type)
		ui->wait.type = 0;
}

void wait_cancel(struct ui *ui)
{
	uint32_t type = ui->wait.type;

	ui->wait.type = 0;
	if (type == MENU_START) {
		ui->start_pending = false;
		ui_send(ui, MENU_VM_KILL, NULL, 0);
		ui_say(ui, UI_WARN, "The start was cancelled.");
	} else {
		ui_say(ui, UI_WARN,
		       "Not waited for any longer; the daemon may do it all the same.");
	}
}

char *wait_text(const struct ui *ui, char *buf, size_t size)
{
	uint64_t now = loop_now_ms();

	buf[0] = '\0';
	if (ui->wait.type)
		snprintf(buf, size, "%c %s (%u s)   Esc cancels", wait_mark(now), ui->wait.text,
			 (unsigned int)((now - ui->wait.since_ms) / 1000));
	return buf;
}

char wait_mark(uint64_t now_ms)
{
	return "|/-\\"[now_ms / 250 % 4];
}
