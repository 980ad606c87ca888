/*
 * PCI bus 0: configuration space by CF8/CFC and ECAM, type 0 headers, capabilities, BARs that the
 * guest sizes, moves and switches at run time. PCI Local Bus 3.0, PCI Firmware 3.0 (ECAM). No
 * bridges, no hotplug. The host bridge sits in slot 0: 8086:0d57, or that of an i440FX, which has an ISA
 * bridge in slot 1, too.
 */
#ifndef VMB_VMM_PCI_PCI_H
#define VMB_VMM_PCI_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/irq.h"

#define PCI_SLOTS    32
#define PCI_FUNCTIONS 8 /* of a slot */
#define PCI_BARS     6
#define PCI_ROM	     6 /* the number of the expansion ROM among the BARs */
#define PCI_CFG_SIZE 256 /* all of it: extended configuration space is declared absent */
#define PCI_UNMAPPED UINT64_MAX

struct pci_bus;
struct pci_device;

/*
 * What a function does. All but DESTROY may be NULL. Any vCPU thread; the function's lock is held
 * only where said.
 */
struct pci_device_ops {
	/* Access to a memory BAR that is decoded now. No lock held. */
	uint64_t (*bar_read)(struct pci_device *dev, unsigned int bar, uint64_t offset,
			     unsigned int size);
	void (*bar_write)(struct pci_device *dev, unsigned int bar, uint64_t offset,
			  unsigned int size, uint64_t value);
	/* BAR is decoded at ADDR from now on, or no longer (PCI_UNMAPPED). Function's lock held. */
	void (*bar_mapped)(struct pci_device *dev, unsigned int bar, uint64_t addr);
	/*
	 * Before a write is stored: for bytes of configuration space that are not ours, which neither WMASK nor
	 * W1C has. No lock held.
	 */
	void (*cfg_writing)(struct pci_device *dev, unsigned int offset, unsigned int size,
			    uint64_t value);
	/*
	 * After a write of SIZE bytes at OFFSET was stored. No lock held, so two may run at once:
	 * act on what configuration space says now, not on what was written.
	 */
	void (*cfg_written)(struct pci_device *dev, unsigned int offset, unsigned int size);
	/* Before a read: bring the bytes of configuration space up to date. No lock held. */
	void (*cfg_reading)(struct pci_device *dev, unsigned int offset, unsigned int size);
	/*
	 * Power-on state: vCPUs stand still; returns when no I/O of the device is in flight. No
	 * lock held.
	 */
	void (*reset)(struct pci_device *dev);
	void (*destroy)(struct pci_device *dev);
};

struct pci_bus_params {
	struct bus *ports; /* CF8..CFF is claimed here */
	struct bus *mmio;  /* the ECAM and decoded BARs go here */
	/* Port 0xCF9 lies inside the range that the bus claims: byte accesses to it go here. */
	const struct bus_ops *cf9_ops;
	void *cf9_dev;
	uint64_t pci32_base; /* memory BARs below 4 GiB are decoded from here to LAYOUT_PCI32_END */
	bool i440fx;	     /* the chipset is what OVMF calls so, not Cloud Hypervisor's */
};

/* Makes bus 0 with its chipset. 0 or -errno. */
int pci_bus_create(const struct pci_bus_params *params, struct pci_bus **ret_bus);

/* Destroys the bus and every device on it. vCPUs no longer run. NULL is fine. */
void pci_bus_destroy(struct pci_bus *bus);

/*
 * Puts DEV (taken over on success) into SLOT (1..31) as its only function, INTX is its interrupt wire (INTA#). 0,
 * -EEXIST or -EINVAL.
 */
int pci_bus_add(struct pci_bus *bus, unsigned int slot, struct pci_device *dev,
		const struct irq_pin *intx);

/* Destroys a device that no bus took over. NULL is fine. */
void pci_device_destroy(struct pci_device *dev);

/* Every function and the bus itself as after power-on. vCPUs stand still. */
void pci_bus_reset(struct pci_bus *bus);

#endif
