/*
 * The functions of the board itself. Firmware tells the platform by the host bridge's id, and nothing works
 * with one it does not know: Cloud Hypervisor's, or the i440FX of a PC (Intel 290549), of which OVMF uses
 * what is here: the PIIX3's ISA bridge (290550), which the serial port is found behind, and the PIIX4's
 * power management (290562), which says where its ports are.
 *
 * Not here: PAM and SMRAM, which no firmware without a BIOS inside writes, and the routing of INTx to the
 * PIC: its registers remember what OVMF writes, operating systems go by _PRT.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>

#include "vmm/layout.h"
#include "vmm/pci/pci_device.h"

#define MULTI_FUNCTION 0x80 /* of the header type */

/* PIIX3, 4.1.11 (PIRQRC[A:D]) */
#define ISA_PIRQ  0x60
#define ISA_PIRQS 4
/* PIIX4, 7.1.21 (PMBA) and 7.1.31 (PMREGMISC) */
#define PM_BASE	       0x40
#define PM_BASE_IO     0x01
#define PM_MISC	       0x80
#define PM_MISC_ENABLE 0x01

static const struct pci_ids cloud_hypervisor_bridge = {
	.vendor = 0x8086,
	.device = 0x0d57,
	.class_code = 0x060000,
};

static const struct pci_ids i440fx_bridge = {
	.vendor = 0x8086,
	.device = 0x1237,
	.revision = 0x02,
	.class_code = 0x060000,
};

static const struct pci_ids piix3_isa = {
	.vendor = 0x8086,
	.device = 0x7000,
	.class_code = 0x060100,
};

static const struct pci_ids piix4_pm = {
	.vendor = 0x8086,
	.device = 0x7113,
	.revision = 0x03,
	.class_code = 0x068000,
};

static void destroy(struct pci_device *dev)
{
	pci_device_fini(dev);
	free(dev);
}

static const struct pci_device_ops chipset_ops = {.destroy = destroy};

static struct pci_device *make(const struct pci_ids *ids)
{
	struct pci_device *dev = calloc(1, sizeof(*dev));

	if (dev)
		pci_device_init(dev, &chipset_ops, ids);
	return dev;
}

static int add(struct pci_bus *bus, unsigned int slot, unsigned int function,
	       struct pci_device *dev)
{
	return dev ? pci_bus_add_function(bus, slot, function, dev) : -ENOMEM;
}

static int add_piix(struct pci_bus *bus)
{
	struct pci_device *isa = make(&piix3_isa), *pm;
	int rc;

	if (isa) {
		isa->cfg[PCI_HEADER_TYPE] = MULTI_FUNCTION;
		for (unsigned int i = ISA_PIRQ; i < ISA_PIRQ + ISA_PIRQS; i++) {
			isa->cfg[i] = 0x80; /* not routed */
			isa->wmask[i] = 0x8F;
		}
	}
	rc = add(bus, LAYOUT_SLOT_PIIX, 0, isa);
	if (rc < 0)
		return rc;
	pm = make(&piix4_pm);
	if (pm) {
		pci_put32(pm->cfg + PM_BASE, LAYOUT_PORT_PIIX4 | PM_BASE_IO);
		pm->cfg[PM_MISC] = PM_MISC_ENABLE;
	}
	return add(bus, LAYOUT_SLOT_PIIX, LAYOUT_FUNCTION_PIIX4, pm);
}

int pci_chipset_add(struct pci_bus *bus, bool i440fx)
{
	int rc = add(bus, 0, 0, make(i440fx ? &i440fx_bridge : &cloud_hypervisor_bridge));

	return rc == 0 && i440fx ? add_piix(bus) : rc;
}
