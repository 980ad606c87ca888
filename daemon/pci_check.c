/* Whether the devices of a configuration can be passed to a guest: see include/host_pci.h. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host_pci.h"
#include "pci_group.h"
#include "pci_use.h"

struct checker {
	const char *root;
	const struct vm_config *config;
	const struct menu_pci *pcis;
	size_t count;
};

static bool is_asked_for(const struct vm_config *config, const char *address)
{
	for (unsigned int i = 0; i < config->vfio_count; i++)
		if (strcmp(config->vfio[i].address, address) == 0)
			return true;
	return false;
}

/* Drivers that do not touch their devices: VFIO takes a group in which the rest has one of them, or none. */
static bool is_harmless(const char *driver)
{
	return driver[0] == '\0' || strcmp(driver, "vfio-pci") == 0 ||
	       strcmp(driver, "pci-stub") == 0;
}

/* The kernel's own rule leaves PCI-PCI bridges where they are, and no other bridge. */
static bool is_pci_bridge(const struct menu_pci *pci)
{
	return pci->class_code >> 8 == 0x0604;
}

static int check_group(const struct checker *checker, const struct menu_pci *pci,
		       struct vmb_err *err)
{
	for (size_t i = 0; i < checker->count; i++) {
		const struct menu_pci *other = &checker->pcis[i];

		if (other->group != pci->group || is_harmless(other->driver) ||
		    is_pci_bridge(other) || is_asked_for(checker->config, other->address))
			continue;
		return vmb_err_set(
			err, EPERM,
			"PCI device %s cannot be passed through alone: IOMMU group %d also holds "
			"%s "
			"(%s), which the driver %s has. A group goes as a whole: %s.",
			pci->address, pci->group, other->address, other->class_name, other->driver,
			other->verdict == MENU_PCI_BRIDGE ? "take that one from its driver first"
							  : "pass that one through, too");
	}
	return 0;
}

/* The disks of CONFIG that lie behind a device that goes away. */
static int check_disks(const struct checker *checker, const char *address, struct vmb_err *err)
{
	char node[PATH_MAX];

	for (unsigned int i = 0; i < checker->config->disk_count; i++) {
		const char *path = checker->config->disks[i].path;
		const char *name =
			realpath(path, node) ? strrchr(node, '/') + 1 : strrchr(path, '/') + 1;

		if (path[0] == '/' && pci_use_makes(checker->root, address, name))
			return vmb_err_set(
				err, EBUSY,
				"The disk %s belongs to PCI device %s, which is to be passed "
				"through: the guest has it by that. Leave one of the two out.",
				path, address);
	}
	return 0;
}

static int check_device(const struct checker *checker, const struct vm_vfio *vfio,
			struct vmb_err *err)
{
	const char *address = vfio->address;
	const struct menu_pci *pci;
	char text[256];
	int rc;

	pci = pci_group_find(checker->pcis, checker->count, vfio, text, sizeof(text));
	if (!pci)
		return vmb_err_set(err, ENODEV, "%s `vmboot list --pci` shows those it has.", text);
	if (pci->group < 0)
		return vmb_err_set(err, ENODEV,
				   "PCI device %s cannot be passed through: it is in no IOMMU "
				   "group.",
				   address);
	if (pci->verdict == MENU_PCI_BRIDGE)
		return vmb_err_set(
			err, EINVAL,
			"PCI device %s is a bridge (%s): a guest can have what is behind "
			"it, not the bridge.",
			address, pci->class_name);
	if (pci->verdict == MENU_PCI_REFUSED)
		return vmb_err_set(err, EBUSY,
				   "PCI device %s (%s) cannot be passed through: %s. Free that "
				   "first.",
				   address, pci->class_name, pci->use);
	rc = check_disks(checker, address, err);
	return rc < 0 ? rc : check_group(checker, pci, err);
}

int host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err)
{
	struct checker checker = {.root = root, .config = config};
	struct menu_pci_state state;
	struct menu_pci *pcis;
	int rc;

	host_pci_gather_state(root, &state);
	if (!state.usable)
		return vmb_err_set(err, ENODEV, "%s", state.text);
	rc = host_pci_gather(root, &pcis, &checker.count);
	if (rc < 0)
		return vmb_err_set(err, -rc, "The PCI devices cannot be listed: %s.",
				   strerror(-rc));
	checker.pcis = pcis;
	for (unsigned int i = 0; i < config->vfio_count && rc == 0; i++)
		rc = check_device(&checker, &config->vfio[i], err);
	free(pcis);
	return rc;
}
