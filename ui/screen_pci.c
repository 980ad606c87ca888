/*
 * The host's PCI functions by IOMMU group, and what it uses them for; Space gives those of a group to the guest, or
 * takes them away again.
 */
#include "ui/screens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pci_group.h"
#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/main_rows.h"
#include "ui/row_list.h"
#include "ui/wrap.h"

#define GROUP_COL 2
#define PCI_COL	  10

struct screen_pci {
	struct row_list list;	  /* the first, see row_list_on_layout() */
	struct vm_config *config; /* borrowed; NULL: only to look at */
};

static const struct ui_screen screen_pci_ops;

/* ---- marking ---- */

static struct vm_vfio *config_pci(struct vm_config *config, const char *address)
{
	for (unsigned int i = 0; config && i < config->vfio_count; i++)
		if (strcmp(config->vfio[i].address, address) == 0)
			return &config->vfio[i];
	return NULL;
}

/* What CONFIG has of PCI itself; not of another one that was at its address. */
static struct vm_vfio *given_pci(struct vm_config *config, const struct menu_pci *pci)
{
	struct vm_vfio *vfio = config_pci(config, pci->address);

	return vfio && pci_group_is_meant(pci, vfio) ? vfio : NULL;
}

static void take_out(struct vm_config *config, const struct vm_vfio *vfio)
{
	size_t at = (size_t)(vfio - config->vfio);

	memmove(&config->vfio[at], &config->vfio[at + 1],
		(config->vfio_count - at - 1) * sizeof(config->vfio[0]));
	config->vfio_count--;
	memset(&config->vfio[config->vfio_count], 0, sizeof(config->vfio[0]));
}

static void give(struct vm_config *config, const struct menu_pci *pci)
{
	struct vm_vfio *vfio = config_pci(config, pci->address);

	if (!vfio && config->vfio_count < VM_MAX_VFIO)
		vfio = &config->vfio[config->vfio_count++];
	if (vfio)
		pci_group_pick(pci, vfio);
}

/* The whole group of function INDEX: into the guest or out of it. Says what else moves. */
static void move_group(struct ui *ui, struct vm_config *config, unsigned int index, bool in)
{
	const struct menu_pci *self = &ui->model.pcis[index];
	char text[256];

	for (unsigned int i = 0; i < ui->model.pci_count; i++) {
		const struct menu_pci *pci = &ui->model.pcis[i];
		struct vm_vfio *vfio = given_pci(config, pci);

		if ((i != index && !pci_group_together(self, pci)) || in == (vfio != NULL))
			continue;
		if (vfio)
			take_out(config, vfio);
		else
			give(config, pci);
	}
	pci_group_describe(ui->model.pcis, ui->model.pci_count, index, text, sizeof(text));
	ui_say(ui, UI_NORMAL, "%s", text);
}

/* Says why the group of SELF cannot go to the guest; false if it can, with the first of it that is asked about. */
static bool is_refused(struct ui *ui, const struct vm_config *config, const struct menu_pci *self,
		       const struct menu_pci **ret_ask)
{
	unsigned int more = 0;

	*ret_ask = NULL;
	for (unsigned int i = 0; i < ui->model.pci_count; i++) {
		const struct menu_pci *pci = &ui->model.pcis[i];

		if (!pci_group_together(self, pci))
			continue;
		more++;
		if (pci->verdict == MENU_PCI_REFUSED) {
			ui_say(ui, UI_BAD, "%s cannot be passed through: %s",
			       pci_group_short(pci->address), pci->use);
			return true;
		}
		if (pci->verdict == MENU_PCI_ASK && !*ret_ask)
			*ret_ask = pci;
	}
	if (!ui->model.pci_state.usable)
		ui_say(ui, UI_BAD, "%s", ui->model.pci_state.text);
	else if (more == 0)
		ui_say(ui, UI_BAD, "%s is %s.", pci_group_short(self->address),
		       self->group < 0 ? "in no IOMMU group, so it cannot be passed through"
				       : "a bridge: it stays with the host");
	else if (config->vfio_count + more > VM_MAX_VFIO)
		ui_say(ui, UI_BAD, "%d PCI devices are the limit.", VM_MAX_VFIO);
	else
		return false;
	return true;
}

/* The operator has been told what is lost by it. */
static void take_all_the_same(struct ui *ui, const char *address)
{
	struct ui_layer top = ui->stack[ui->depth - 1];
	const struct menu_pci *pci = model_pci(&ui->model, address);

	if (top.screen == &screen_pci_ops && pci)
		move_group(ui, ((struct screen_pci *)top.data)->config,
			   (unsigned int)(pci - ui->model.pcis), true);
}

static void toggle(struct ui *ui, struct screen_pci *sp, unsigned int index)
{
	const struct menu_pci *self = &ui->model.pcis[index], *ask;
	char text[384];

	if (!sp->config) {
		ui_say(ui, UI_NORMAL,
		       "An entry gives devices to its guest: e on it, then PCI devices.");
	} else if (given_pci(sp->config, self)) {
		move_group(ui, sp->config, index, false);
	} else if (!is_refused(ui, sp->config, self, &ask)) {
		if (!ask) {
			move_group(ui, sp->config, index, true);
			return;
		}
		snprintf(text, sizeof(text), "%s %s: %s. Give it to the guest all the same?",
			 pci_group_short(ask->address), ask->class_name, ask->use);
		dialog_ask_about(ui, "The host uses it", text, take_all_the_same, self->address);
	}
}

static void toggle_rom(struct ui *ui, struct screen_pci *sp, const struct menu_pci *pci)
{
	struct vm_vfio *vfio = given_pci(sp->config, pci);

	if (!vfio)
		ui_say(ui, UI_NORMAL, "Space gives it to the guest first.");
	else
		vfio->no_rom = !vfio->no_rom;
}

/* The last device of the entry that this machine does not have, or where another one is; NULL: there is none. */
static struct vm_vfio *find_missing(const struct ui *ui, struct vm_config *config)
{
	const struct model *model = &ui->model;
	char text[256];

	for (unsigned int i = config->vfio_count; model->pcis_known && i-- > 0;)
		if (!pci_group_find(model->pcis, model->pci_count, &config->vfio[i], text,
				    sizeof(text)))
			return &config->vfio[i];
	return NULL;
}

/* Takes all of these out. */
static void drop_missing(struct ui *ui, struct vm_config *config)
{
	struct vm_vfio *vfio;

	while ((vfio = find_missing(ui, config)) != NULL)
		take_out(config, vfio);
}

/* ---- drawing ---- */

static void draw_function(const struct ui *ui, const struct screen_pci *sp,
			  const struct menu_pci *pci, int y, bool selected)
{
	const struct vm_vfio *vfio = given_pci(sp->config, pci);
	bool used = pci->verdict == MENU_PCI_REFUSED || pci->verdict == MENU_PCI_ASK;
	char left[192];

	snprintf(left, sizeof(left), "%s %s  %s", pci_group_short(pci->address), pci->class_name,
		 pci->name);
	main_row_draw_text(ui, y, PCI_COL, selected,
			   pci->verdict == MENU_PCI_BRIDGE ? UI_DIM : UI_STRONG, left,
			   used ? UI_WARN : UI_DIM, used ? "in use" : pci->driver);
	draw_text(y, 4, 5, selected ? UI_SELECTED : vfio ? UI_GOOD : UI_DIM, vfio ? "guest" : "-");
}

static void pci_draw_row(struct ui *ui, void *data, const struct row *row, int y, bool selected)
{
	const struct menu_pci *pci = &ui->model.pcis[row->index];
	char text[48];

	if (row->kind == ROW_PCI) {
		draw_function(ui, data, pci, y, selected);
	} else if (row->kind == ROW_GROUP) {
		snprintf(text, sizeof(text), "IOMMU group %d", pci->group);
		main_row_draw_text(ui, y, GROUP_COL, false, UI_HEADING,
				   pci->group < 0 ? "In no IOMMU group" : text, UI_NORMAL, "");
	} else {
		main_row_draw(ui, data, row, y, selected);
	}
}

/* What the function is, what the host loses, what moves with it: as much as there is room for. */
static void draw_detail(const struct ui *ui, const struct screen_pci *sp, unsigned int index, int y)
{
	const struct menu_pci *pci = &ui->model.pcis[index];
	const struct vm_vfio *vfio = config_pci(sp->config, pci->address);
	const struct model *model = &ui->model;
	const int width = ui->cols - 2, end = y + FRAME_PREVIEW_ROWS;
	char numa[24] = "", text[256];

	if (pci->numa >= 0)
		snprintf(numa, sizeof(numa), "  NUMA node %d", pci->numa);
	draw_printf(y++, 1, width, UI_NORMAL, "%04x:%04x  driver %s%s%s%s%s%s%s%s  %s", pci->vendor,
		    pci->device, pci->driver[0] ? pci->driver : "none", pci->link[0] ? "  " : "",
		    pci->link, numa, pci->rom ? "  ROM" : "", vfio && vfio->no_rom ? " hidden" : "",
		    pci->physfn[0] ? "  of " : "", pci_group_short(pci->physfn), pci->makes);
	if (!ui->model.pci_state.usable)
		y += wrap_draw(y, 1, width, end - y, UI_BAD, ui->model.pci_state.text);
	if (vfio && y < end &&
	    !pci_group_find(model->pcis, model->pci_count, vfio, text, sizeof(text)))
		y += wrap_draw(y, 1, width, end - y, UI_BAD, text);
	if (pci->use[0] && y < end)
		y += wrap_draw(y, 1, width, end - y,
			       pci->verdict == MENU_PCI_REFUSED ? UI_BAD : UI_WARN, pci->use);
	pci_group_describe(ui->model.pcis, ui->model.pci_count, index, text, sizeof(text));
	if (text[0] && y < end)
		y += wrap_draw(y, 1, width, end - y, UI_NORMAL, text);
	if (pci->usb[0] && y < end)
		draw_printf(y++, 1, width, UI_NORMAL, "on it: %s", pci->usb);
	if (ui->model.pci_state.usable && ui->model.pci_state.text[0] && y < end)
		y += wrap_draw(y, 1, width, end - y, UI_WARN, ui->model.pci_state.text);
	/* In the list it may be cut. */
	if (y < end)
		draw_printf(y, 1, width, UI_DIM, "%s%s%s", pci->name,
			    pci->serial[0] ? "  serial number " : "", pci->serial);
}

static void pci_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"Space", "to the guest or back", false},
		{"o", "ROM", true},
		{"Enter", "done", true},
		{"/", "filter", true},
		{"r", "ask again", true},
		{"?", "help", false},
		{"q", "back", false},
		{NULL, NULL, false},
	};
	struct screen_pci *sp = data;
	const struct row *row = row_list_current(&sp->list);
	const struct vm_vfio *missing = sp->config ? find_missing(ui, sp->config) : NULL;
	char title[96], idle[96] = "";

	snprintf(title, sizeof(title), "PCI devices%s%s", sp->config ? " of " : "",
		 sp->config ? sp->config->title : "");
	if (missing)
		snprintf(idle, sizeof(idle),
			 model_pci(&ui->model, missing->address)
				 ? "%s is not the one that was chosen: x takes it out"
				 : "This machine has no %s: x takes it out",
			 pci_group_short(missing->address));
	frame_draw(ui, title, sp->config ? hints : hints + 3, idle);
	row_list_draw(ui, &sp->list, pci_draw_row, sp);
	if (row)
		draw_detail(ui, sp, row->index, frame_preview_row(ui->rows));
}

/* ---- the screen ---- */

static void pci_key(struct ui *ui, void *data, const struct ui_key *key)
{
	struct screen_pci *sp = data;
	const struct row *row;

	if (row_list_key(ui, &sp->list, key) || key->alt)
		return;
	row = row_list_current(&sp->list);
	if (row && key->code == ' ')
		toggle(ui, sp, row->index);
	else if (row && key->code == 'o' && sp->config)
		toggle_rom(ui, sp, &ui->model.pcis[row->index]);
	else if (key->code == 'x' && sp->config)
		drop_missing(ui, sp->config);
	else if (key->code == 'r')
		ui_send(ui, MENU_PCI_GET, NULL, 0);
	else if (ui_key_is_enter(key) || key->code == 'q' || key->code == UI_KEY_ESCAPE ||
		 key->code == UI_KEY_LEFT)
		ui_pop(ui);
	else
		ui_common_key(ui, key);
}

static const struct ui_screen screen_pci_ops = {
	.name = "pci",
	.layout = row_list_on_layout,
	.draw = pci_draw,
	.key = pci_key,
	.changed = row_list_on_changed,
	.close = row_list_on_close,
};

void screen_pci_open(struct ui *ui, struct vm_config *config)
{
	struct screen_pci *sp = calloc(1, sizeof(*sp));

	if (!sp) {
		ui_say(ui, UI_BAD, "There is not enough memory for the list of devices.");
		return;
	}
	sp->list.build = rows_build_pci;
	sp->config = config;
	ui_send(ui, MENU_PCI_GET, NULL, 0);
	ui_push(ui, &screen_pci_ops, sp);
}
