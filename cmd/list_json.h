/* vmboot list [--pci] --json. */
#ifndef VMB_CMD_LIST_JSON_H
#define VMB_CMD_LIST_JSON_H

#include <stdio.h>

#include "discovery.h"

/*
 * Writes what DISCOVERY knows to OUT as one JSON object: "devices" and "firmware", arrays of objects
 * with the fields of struct menu_device and struct menu_firmware; texts that are empty are left out. 0, or
 * -errno with the sentence.
 */
int list_print_json(struct discovery *discovery, FILE *out, struct vmb_err *err);

/*
 * The same with COUNT PCI functions: "passthrough" (whether it is possible at all), "text" about it, and "pci", an array
 * of objects with the fields of struct menu_pci.
 */
int list_print_pci_json(const struct menu_pci_state *state, const struct menu_pci *pcis,
			size_t count, FILE *out, struct vmb_err *err);

#endif
