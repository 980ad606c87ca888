/* What is plugged into a USB controller, and goes where that goes. */
#ifndef VMB_DAEMON_PCI_USB_H
#define VMB_DAEMON_PCI_USB_H

#include <stddef.h>

#include "vm_config.h"

/*
 * The names of the USB devices below function ADDRESS of ROOT, but for hubs, in BUF: "USB Keyboard, 0951:1666", as far as
 * they fit; safe on a terminal. Empty: there are none, or ADDRESS is no USB controller.
 */
void pci_usb_describe(const char *root, const char *address, char *buf, size_t size);

#endif
