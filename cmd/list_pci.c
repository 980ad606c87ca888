/* vmboot list --pci: the PCI functions of this host by IOMMU group, and what it uses them for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/list.h"
#include "cmd/list_json.h"
#include "host_pci.h"

static void print_function(const struct menu_pci *p)
{
	printf("  %s  %s  %s [%04x:%04x]", p->address, p->class_name, p->name, p->vendor,
	       p->device);
	if (p->driver[0])
		printf("  driver %s", p->driver);
	if (p->link[0])
		printf("  %s", p->link);
	if (p->numa >= 0)
		printf("  NUMA node %d", p->numa);
	if (p->rom)
		printf("  ROM");
	if (p->serial[0])
		printf("  serial %s", p->serial);
	if (p->physfn[0])
		printf("  virtual function of %s", p->physfn);
	if (p->makes[0])
		printf("  %s", p->makes);
	printf("\n");
	if (p->usb[0])
		printf("      on it: %s\n", p->usb);
	if (p->use[0])
		printf("      %s: %s\n",
		       p->verdict == MENU_PCI_REFUSED ? "not for a guest" : "think first", p->use);
}

static void print_functions(const struct menu_pci_state *state, const struct menu_pci *pcis,
			    size_t count)
{
	if (state->text[0])
		printf("%s\n\n", state->text);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || pcis[i].group != pcis[i - 1].group) {
			if (pcis[i].group >= 0)
				printf("IOMMU group %d:\n", pcis[i].group);
			else
				printf("In no IOMMU group:\n");
		}
		print_function(&pcis[i]);
	}
	if (count == 0)
		printf("This machine has no PCI devices.\n");
}

int list_pci(const char *root, bool json)
{
	struct menu_pci_state state;
	struct menu_pci *pcis;
	struct vmb_err err;
	size_t count;
	int rc = host_pci_gather(root, &pcis, &count);

	if (rc < 0) {
		fprintf(stderr, "vmboot: The PCI devices cannot be listed: %s.\n", strerror(-rc));
		return 1;
	}
	host_pci_gather_state(root, &state);
	if (json)
		rc = list_print_pci_json(&state, pcis, count, stdout, &err);
	else
		print_functions(&state, pcis, count);
	if (rc < 0)
		fprintf(stderr, "vmboot: %s\n", err.text);
	free(pcis);
	return rc < 0 ? 1 : 0;
}
