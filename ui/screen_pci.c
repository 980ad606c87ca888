/* PCI devices for guests: what this machine has of what that takes. */
#include "ui/screens.h"

#include <string.h>

#include "ui/draw.h"
#include "ui/frame.h"
#include "ui/wrap.h"

#define NAME_COL  5
#define VALUE_COL 25

static bool is_iommu(const struct menu_fact *fact)
{
	return strcmp(fact->group, "IOMMU") == 0;
}

/* The first line about the IOMMU; NULL as long as nothing is known. */
static const struct menu_fact *iommu_fact(const struct ui *ui)
{
	for (unsigned int i = 0; i < ui->facts.count; i++)
		if (is_iommu(&ui->facts.fact[i]))
			return &ui->facts.fact[i];
	return NULL;
}

static void pci_draw(struct ui *ui, void *data)
{
	static const struct frame_hint hints[] = {
		{"i", "info", true},  {"!", "shell", true}, {"?", "help", false},
		{"q", "back", false}, {NULL, NULL, false},
	};
	const struct menu_fact *iommu = iommu_fact(ui);
	int y = FRAME_BODY_ROW, end = FRAME_BODY_ROW + frame_body_rows(ui->rows),
	    width = ui->cols - 5;

	(void)data;
	frame_draw(ui, "PCI devices", hints, "");
	ui->cursor_row = y;
	ui->cursor_col = 3;
	if (!iommu) {
		draw_text(y, 3, width, UI_NORMAL, "Asking for what this machine has ...");
		return;
	}
	if (iommu->missing || iommu->bad)
		y += wrap_draw(y, 3, width, 2, UI_BAD,
			       "No IOMMU (check VT-d/AMD-Vi in firmware, intel_iommu=on): "
			       "passthrough off");
	else
		y += wrap_draw(y, 3, width, 2, UI_GOOD, "The IOMMU is on.");
	y += wrap_draw(y, 3, width, 2, UI_NORMAL,
		       "No device is passed to a guest: this vmboot has no passthrough yet.");
	for (unsigned int i = 0; i < ui->facts.count && y + 1 < end; i++) {
		if (!is_iommu(&ui->facts.fact[i]))
			continue;
		y++;
		draw_text(y, NAME_COL, VALUE_COL - NAME_COL - 1, UI_DIM, ui->facts.fact[i].name);
		draw_text(y, VALUE_COL, ui->cols - VALUE_COL - 2, UI_NORMAL,
			  ui->facts.fact[i].value);
	}
}

static void pci_key(struct ui *ui, void *data, const struct ui_key *key)
{
	(void)data;
	if (key->alt)
		return;
	if (key->code == 'q' || key->code == UI_KEY_ESCAPE || key->code == UI_KEY_LEFT ||
	    ui_key_is_enter(key))
		ui_pop(ui);
	else
		ui_common_key(ui, key);
}

static const struct ui_screen screen_pci_ops = {
	.name = "pci",
	.draw = pci_draw,
	.key = pci_key,
};

void screen_pci_open(struct ui *ui)
{
	ui_send(ui, MENU_FACTS_GET, NULL, 0);
	ui_push(ui, &screen_pci_ops, NULL);
}
