/* The host's network interfaces; Space joins a card of the guest to one. */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/main_rows.h"
#include "ui/row_list.h"

#define NIC_COL 9

struct screen_nics {
	struct row_list list;	  /* the first, see row_list_on_layout() */
	struct vm_config *config; /* borrowed */
};

static const char *kind_name(uint8_t kind)
{
	static const char *const names[] = {"physical", "wireless", "bridge", "tap", "other"};

	return kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "other";
}

static int config_net(const struct vm_config *config, const char *name)
{
	for (unsigned int i = 0; i < config->net_count; i++)
		if (strcmp(config->nets[i].name, name) == 0)
			return (int)i;
	return -1;
}

static enum vm_net_kind net_kind(const struct menu_nic *nic)
{
	return nic->kind == MENU_NIC_BRIDGE ? VM_NET_BRIDGE
	       : nic->kind == MENU_NIC_TAP  ? VM_NET_TAP
					    : VM_NET_MACVTAP;
}

/* How a card that is joined to NIC reaches the network. */
static const char *join_text(const struct menu_nic *nic)
{
	switch (net_kind(nic)) {
	case VM_NET_BRIDGE: return "joined by a tap of its own, which goes with the VM";
	case VM_NET_TAP: return "this tap becomes the guest's; nothing else may use it";
	default: return "by a macvtap: the network sees the guest, this host does not";
	}
}

static void toggle_nic(struct ui *ui, struct screen_nics *sn, const struct menu_nic *nic)
{
	struct vm_config *config = sn->config;
	int at = config_net(config, nic->name);
	struct vm_net *net;

	if (at >= 0) {
		memmove(&config->nets[at], &config->nets[at + 1],
			(config->net_count - (unsigned int)at - 1) * sizeof(config->nets[0]));
		config->net_count--;
		memset(&config->nets[config->net_count], 0, sizeof(config->nets[0]));
	} else if (nic->kind == MENU_NIC_WIRELESS) {
		ui_say(ui, UI_BAD,
		       "%s is wireless: its access point takes frames of one address only.",
		       nic->name);
	} else if (config->net_count == VM_MAX_NETS) {
		ui_say(ui, UI_BAD, "%d network cards are the limit.", VM_MAX_NETS);
	} else {
		net = &config->nets[config->net_count++];
		memset(net, 0, sizeof(*net));
		net->kind = net_kind(nic);
		text_copy(net->name, sizeof(net->name), nic->name);
	}
}

static void draw_nic(const struct ui *ui, const struct screen_nics *sn, const struct menu_nic *nic,
		     int y, bool selected)
{
	bool joined = config_net(sn->config, nic->name) >= 0;
	char left[192], right[96];

	snprintf(left, sizeof(left), "%-15s %-9s %-12s %s", nic->name, kind_name(nic->kind),
		 nic->driver, nic->address);
	if (!nic->up || !nic->link)
		snprintf(right, sizeof(right), "%s", nic->up ? "no link" : "down");
	else if (nic->speed)
		snprintf(right, sizeof(right), "%u Mbit/s", nic->speed);
	else
		text_copy(right, sizeof(right), "link");
	main_row_draw_text(ui, y, NIC_COL, selected, UI_STRONG, left,
			   nic->up && nic->link ? UI_GOOD : UI_WARN, right);
	draw_text(y, 3, 5,
		  selected ? UI_SELECTED
		  : joined ? UI_GOOD
			   : UI_DIM,
		  joined ? "card" : "-");
}

static void nics_draw_row(struct ui *ui, void *data, const struct row *row, int y, bool selected)
{
	if (row->kind == ROW_NIC)
		draw_nic(ui, data, &ui->model.nics[row->index], y, selected);
	else
		main_row_draw(ui, data, row, y, selected);
}

static void draw_detail(struct ui *ui, const struct menu_nic *nic, int y)
{
	int width = ui->cols - 2;

	draw_printf(y, 1, width, UI_NORMAL, "%s  %s  %s%s%s", nic->name, kind_name(nic->kind),
		    nic->mac, nic->master[0] ? "  part of " : "", nic->master);
	draw_printf(y + 1, 1, width, UI_NORMAL, "A card of the guest: %s.", join_text(nic));
	if (nic->master[0])
		draw_printf(y + 2, 1, width, UI_WARN, "It belongs to %s: take that instead.",
			    nic->master);
}

static void nics_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Space", "card or none", false},
		{"Enter", "done", true},
		{"/", "filter", true},
		{"r", "ask again", true},
		{"?", "help", false},
		{"q", "back", false},
		{NULL, NULL, false},
	};
	struct screen_nics *sn = data;
	const struct row *row = row_list_current(&sn->list);
	char title[96], idle[VM_NET_NAME_SIZE + 64] = "";

	snprintf(title, sizeof(title), "Network of %s", sn->config->title);
	for (unsigned int i = 0; i < sn->config->net_count && ui->model.nics_known; i++)
		if (!model_nic(&ui->model, sn->config->nets[i].name))
			snprintf(idle, sizeof(idle),
				 "This host has no interface %s: x takes it out",
				 sn->config->nets[i].name);
	frame_draw(ui, title, hints, idle);
	row_list_draw(ui, &sn->list, nics_draw_row, sn);
	if (row)
		draw_detail(ui, &ui->model.nics[row->index], frame_preview_row(ui->rows));
}

/* Takes the cards out that are joined to nothing this host has. */
static void drop_missing(struct ui *ui, struct vm_config *config)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < config->net_count; i++)
		if (model_nic(&ui->model, config->nets[i].name))
			config->nets[kept++] = config->nets[i];
	memset(&config->nets[kept], 0, (config->net_count - kept) * sizeof(config->nets[0]));
	config->net_count = kept;
}

static void nics_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_nics *sn = data;
	const struct row *row;

	if (row_list_key(ui, &sn->list, key) || key->alt)
		return;
	row = row_list_current(&sn->list);
	if (row && key->code == ' ')
		toggle_nic(ui, sn, &ui->model.nics[row->index]);
	else if (key->code == 'x' && ui->model.nics_known)
		drop_missing(ui, sn->config);
	else if (key->code == 'r')
		ui_send(ui, MENU_NICS_GET, NULL, 0);
	else if (ui_key_is_enter(key) || key->code == 'q' || key->code == UI_KEY_ESCAPE ||
		 key->code == UI_KEY_LEFT)
		ui_pop(ui);
	else
		ui_common_key(ui, key);
}

static const struct ui_screen screen_nics_ops = {
	.name = "nics",
	.layout = row_list_on_layout,
	.draw = nics_draw,
	.key = nics_key,
	.changed = row_list_on_changed,
	.close = row_list_on_close,
};

void screen_nics_open(struct ui *ui, struct vm_config *config)
{
	struct screen_nics *sn = calloc(1, sizeof(*sn));

	if (!sn) {
		ui_say(ui, UI_BAD, "There is not enough memory for the list of interfaces.");
		return;
	}
	sn->list.build = rows_build_nics;
	sn->config = config;
	ui_send(ui, MENU_NICS_GET, NULL, 0);
	ui_push(ui, &screen_nics_ops, sn);
}
