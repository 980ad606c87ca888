/* All firmware images that were found: what each is, and why one cannot be started. */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "text.h"
#include "ui/describe.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/main_rows.h"
#include "ui/row_list.h"
#include "ui/wrap.h"

/* Digits of a hash that tell two images apart at a glance. */
#define SHORT_HASH 12

struct screen_firmware {
	struct row_list list; /* the first, see row_list_on_layout() */
	void (*picked)(struct ui *ui, void *arg, const struct menu_firmware *firmware);
	void *arg;
};

static void draw_detail(struct ui *ui, const struct menu_firmware *firmware, int y)
{
	int width = ui->cols - 2;
	char size[16], text[512];

	draw_printf(y, 1, width, UI_NORMAL, "%s%s%s", firmware->path,
		    firmware->device[0] ? " of " : "", firmware->device);
	draw_printf(y + 1, 1, width, UI_NORMAL, "%s  %llu bytes (%s)  %s%s", firmware->kind,
		    (unsigned long long)firmware->size,
		    text_format_size(firmware->size, size, sizeof(size)),
		    firmware->version[0] ? "version " : "no version in it", firmware->version);
	if (firmware->usable) {
		draw_printf(y + 2, 1, width, UI_NORMAL, "sha256 %.*s  variables: %s", SHORT_HASH,
			    firmware->sha256[0] ? firmware->sha256 : "not known",
			    describe_vars(&ui->model, time(NULL), text, sizeof(text)));
		return;
	}
	snprintf(text, sizeof(text), "Cannot be started: %s", firmware->reason);
	wrap_draw(y + 1, 1, width, 2, UI_BAD, text);
}

/* All that is known of it, as a dialog; the hash in two words, so that it is broken between them on a narrow screen. */
static void tell_detail(struct ui *ui, const struct menu_firmware *firmware)
{
	const struct menu_welcome *host = &ui->model.welcome;
	char vars[64], where[VM_PATH_SIZE + 80], text[1024];

	snprintf(where, sizeof(where), "%s%s%s", firmware->path, firmware->device[0] ? " of " : "",
		 firmware->device);
	describe_vars(&ui->model, time(NULL), vars, sizeof(vars));
	if (firmware->usable)
		snprintf(text, sizeof(text),
			 "%s: %s, %llu bytes. SHA-256 %.32s %s. UEFI variables of a start without "
			 "an "
			 "entry: %s%s%s.",
			 where, firmware->kind, (unsigned long long)firmware->size,
			 firmware->sha256[0] ? firmware->sha256 : "not known",
			 firmware->sha256[0] ? firmware->sha256 + 32 : "", vars,
			 host->vars_path[0] ? ", " : "", host->vars_path);
	else
		snprintf(text, sizeof(text), "%s: %s, %llu bytes. Cannot be started: %s", where,
			 firmware->kind, (unsigned long long)firmware->size, firmware->reason);
	dialog_tell(ui, describe_basename(firmware->path), text);
}

static void firmware_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Enter", "edit with it", false},
		{"v", "view", true},
		{"/", "filter", true},
		{"r", "rescan", true},
		{"?", "help", false},
		{"q", "back", false},
		{NULL, NULL, false},
	};
	static const struct frame_hint pick_hints[] = {
		{"Enter", "take it", false}, {"v", "view", true},  {"/", "filter", true},
		{"r", "rescan", true},	     {"?", "help", false}, {"q", "back", false},
		{NULL, NULL, false},
	};
	struct screen_firmware *sf = data;
	const struct row *row = row_list_current(&sf->list);
	char idle[64];

	snprintf(idle, sizeof(idle), "%u firmware image%s", ui->model.firmware_count,
		 ui->model.firmware_count == 1 ? "" : "s");
	if (ui->model.scanning)
		snprintf(idle, sizeof(idle), "%c still scanning", wait_mark(loop_now_ms()));
	/* An empty list has nothing for the first two keys to be about. */
	frame_draw(ui, sf->picked ? "Choose firmware" : "Firmware",
		   (sf->picked ? pick_hints : hints) + (row ? 0 : 2), idle);
	row_list_draw(ui, &sf->list, main_row_draw, NULL);
	if (row)
		draw_detail(ui, &ui->model.firmwares[row->index], frame_preview_row(ui->rows));
}

static void edit_with(struct ui *ui, const struct menu_firmware *firmware)
{
	struct vm_config config;
	struct vmb_err err = {0};

	if (plan_config(&ui->plan, &ui->model, firmware, NULL, &config, &err) < 0)
		ui_say(ui, UI_BAD, "%s", err.text);
	else
		screen_edit_open(ui, "", &config);
}

/* SF is gone afterwards if one was picked. */
static void pick(struct ui *ui, struct screen_firmware *sf, const struct menu_firmware *firmware)
{
	struct screen_firmware copy = *sf;
	char text[512];

	if (!firmware->usable) {
		snprintf(text, sizeof(text), "%s cannot be started: %s",
			 describe_basename(firmware->path), firmware->reason);
		dialog_tell(ui, "Not this one", text);
		return;
	}
	if (copy.picked) {
		ui_pop(ui);
		copy.picked(ui, copy.arg, firmware);
	} else {
		edit_with(ui, firmware);
	}
}

static void firmware_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_firmware *sf = data;
	const struct row *row;

	if (row_list_key(ui, &sf->list, key) || key->alt)
		return;
	row = row_list_current(&sf->list);
	if (row && (ui_key_is_enter(key) || key->code == 'e')) {
		pick(ui, sf, &ui->model.firmwares[row->index]);
	} else if (row && key->code == 'v') {
		tell_detail(ui, &ui->model.firmwares[row->index]);
	} else if (key->code == 'r') {
		ui_send(ui, MENU_RESCAN, NULL, 0);
		ui_say(ui, UI_NORMAL, "Looking at all disks again ...");
	} else if (key->code == 'q' || key->code == UI_KEY_ESCAPE || key->code == UI_KEY_LEFT) {
		ui_pop(ui);
	} else {
		ui_common_key(ui, key);
	}
}

static const struct ui_screen screen_firmware_ops = {
	.name = "firmware",
	.layout = row_list_on_layout,
	.draw = firmware_draw,
	.key = firmware_key,
	.changed = row_list_on_changed,
	.close = row_list_on_close,
};

void screen_firmware_open(struct ui *ui,
			  void (*picked)(struct ui *ui, void *arg,
					 const struct menu_firmware *firmware),
			  void *arg)
{
	struct screen_firmware *sf = calloc(1, sizeof(*sf));

	if (!sf) {
		ui_say(ui, UI_BAD, "There is not enough memory for the list of firmware.");
		return;
	}
	sf->list.build = rows_build_firmware;
	sf->picked = picked;
	sf->arg = arg;
	ui_push(ui, &screen_firmware_ops, sf);
	/* The variable file may be another one since. */
	ui_refresh_host(ui);
}
