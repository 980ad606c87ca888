/* Passthrough of PCI devices. */
#include "ui/screens.h"

void screen_pci_open(struct ui *ui)
{
	dialog_tell(ui, "PCI devices",
		    "No device of this host is passed to a guest: vmboot cannot do that "
		    "yet.");
}
