/*
 * PCI bus 0: slots, and the two ways to configuration space. Firmware makes some
 * 100,000 accesses through CF8/CFC before it boots, so that path is short: one atomic load, one
 * uncontended lock. Functions are pci_device.c. PCI Local Bus 3.0, 3.2.2.3.2; PCI Firmware 3.0,
 * 4.1.
 */
#include "vmm/pci/pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"
#include "vmm/pci/pci_device.h"

#define PORT_LEN	8 /* CF8..CFF */
#define CONFIG_ENABLE	0x80000000u
#define CONFIG_WRITABLE 0x80FFFFFCu /* the rest is reserved and reads zero */
#define PORT_CF9	1	    /* offset of the reset control register */
#define PORT_DATA	4	    /* offset of CONFIG_DATA */

struct pci_bus {
	struct pci_bus_params params;
	_Atomic uint32_t config_address;
	_Atomic int bars_waiting;
	/* By slot << 3 | function; filled before vCPUs run, constant after. */
	struct pci_device *functions[PCI_SLOTS * PCI_FUNCTIONS];
};

static uint64_t all_ones(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (1ULL << (8 * size)) - 1;
}

/*
 * The function that configuration address BUS << 16 | DEVICE << 11 | FUNCTION << 8 names, or NULL.
 */
static struct pci_device *find_function(struct pci_bus *bus, uint32_t bdf)
{
	if (bdf & 0xFF0000)
		return NULL; /* one bus */
	return bus->functions[bdf >> 8 & 0xFF];
}

/* ---- CF8/CFC ---- */

static struct pci_device *addressed_function(struct pci_bus *bus, uint64_t port,
					     unsigned int *ret_reg)
{
	uint32_t address = atomic_load_explicit(&bus->config_address, memory_order_relaxed);

	if (!(address & CONFIG_ENABLE))
		return NULL;
	*ret_reg = (address & 0xFC) + (unsigned int)(port - PORT_DATA);
	return find_function(bus, address & 0xFFFF00);
}

static uint64_t ports_read(void *opaque, uint64_t port, unsigned int size)
{
	struct pci_bus *bus = opaque;
	const struct bus_ops *cf9 = bus->params.cf9_ops;
	struct pci_device *dev;
	unsigned int reg;

	if (port >= PORT_DATA) {
		dev = addressed_function(bus, port, &reg);
		return dev ? pci_device_cfg_read(dev, reg, size) : all_ones(size);
	}
	if (port == 0 && size == 4)
		return atomic_load_explicit(&bus->config_address, memory_order_relaxed);
	if (port == PORT_CF9 && size == 1 && cf9)
		return cf9->read(bus->params.cf9_dev, 0, 1);
	return all_ones(size);
}

static void ports_write(void *opaque, uint64_t port, unsigned int size, uint64_t value)
{
	struct pci_bus *bus = opaque;
	const struct bus_ops *cf9 = bus->params.cf9_ops;
	struct pci_device *dev;
	unsigned int reg;

	if (port >= PORT_DATA) {
		dev = addressed_function(bus, port, &reg);
		if (dev)
			pci_device_cfg_write(dev, reg, size, value);
	} else if (port == 0 && size == 4) {
		atomic_store_explicit(&bus->config_address, (uint32_t)value & CONFIG_WRITABLE,
				      memory_order_relaxed);
	} else if (port == PORT_CF9 && size == 1 && cf9) {
		cf9->write(bus->params.cf9_dev, 0, 1, value);
	}
}

static const struct bus_ops ports_ops = {
	.read = ports_read,
	.write = ports_write,
};

/* ---- ECAM: bus << 20 | device << 15 | function << 12 | register ---- */

static struct pci_device *ecam_function(struct pci_bus *bus, uint64_t offset, unsigned int size,
					unsigned int *ret_reg)
{
	*ret_reg = offset & 0xFFF;
	if (*ret_reg + size > PCI_CFG_SIZE)
		return NULL; /* no extended configuration space */
	return find_function(bus, (uint32_t)(offset >> 4) & 0xFFFF00);
}

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned int size)
{
	unsigned int reg;
	struct pci_device *dev = ecam_function(opaque, offset, size, &reg);

	return dev ? pci_device_cfg_read(dev, reg, size) : all_ones(size);
}

static void ecam_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int reg;
	struct pci_device *dev = ecam_function(opaque, offset, size, &reg);

	if (dev)
		pci_device_cfg_write(dev, reg, size, value);
}

static const struct bus_ops ecam_ops = {
	.read = ecam_read,
	.write = ecam_write,
};

/* ---- the bus ---- */

static void destroy_functions(struct pci_bus *bus)
{
	for (unsigned int i = 0; i < PCI_SLOTS * PCI_FUNCTIONS; i++) {
		struct pci_device *dev = bus->functions[i];

		if (!dev)
			continue;
		pthread_mutex_lock(&dev->lock);
		pci_device_update_bars(dev, true);
		pthread_mutex_unlock(&dev->lock);
		pci_device_destroy(dev);
	}
}

int pci_bus_create(const struct pci_bus_params *params, struct pci_bus **ret_bus)
{
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	struct bus_range range;
	int rc;

	if (!bus)
		return -ENOMEM;
	bus->params = *params;
	rc = pci_chipset_add(bus, params->i440fx);
	if (rc < 0)
		goto err_chipset;
	range = (struct bus_range){LAYOUT_PORT_PCI, PORT_LEN, &ports_ops, bus};
	rc = bus_add(params->ports, &range);
	if (rc < 0)
		goto err_chipset;
	range = (struct bus_range){LAYOUT_ECAM, LAYOUT_ECAM_SIZE, &ecam_ops, bus};
	rc = bus_add(params->mmio, &range);
	if (rc < 0)
		goto err_ports;
	*ret_bus = bus;
	return 0;

err_ports:
	bus_remove(params->ports, LAYOUT_PORT_PCI, bus);
err_chipset:
	destroy_functions(bus);
	free(bus);
	return rc;
}

void pci_device_destroy(struct pci_device *dev)
{
	if (dev)
		dev->ops->destroy(dev);
}

void pci_bus_destroy(struct pci_bus *bus)
{
	if (!bus)
		return;
	destroy_functions(bus);
	bus_remove(bus->params.mmio, LAYOUT_ECAM, bus);
	bus_remove(bus->params.ports, LAYOUT_PORT_PCI, bus);
	free(bus);
}

int pci_bus_add(struct pci_bus *bus, unsigned int slot, struct pci_device *dev,
		const struct irq_pin *intx)
{
	if (slot == 0 || slot >= PCI_SLOTS)
		return -EINVAL;
	dev->intx = *intx;
	return pci_bus_add_function(bus, slot, 0, dev);
}

int pci_bus_add_function(struct pci_bus *bus, unsigned int slot, unsigned int function,
			 struct pci_device *dev)
{
	struct pci_device **place = &bus->functions[slot * PCI_FUNCTIONS + function];

	if (*place)
		return -EEXIST;
	dev->bus = bus;
	memcpy(dev->power_on, dev->cfg, sizeof(dev->cfg));
	*place = dev;
	return 0;
}

void pci_bus_reset(struct pci_bus *bus)
{
	unsigned int i;

	for (i = 0; i < PCI_SLOTS * PCI_FUNCTIONS; i++) {
		struct pci_device *dev = bus->functions[i];

		if (!dev)
			continue;
		if (dev->ops->reset)
			dev->ops->reset(dev);
		pci_device_power_on(dev);
	}
	atomic_store(&bus->config_address, 0);
}

uint64_t pci_bus_pci32_base(const struct pci_bus *bus)
{
	return bus->params.pci32_base;
}

struct bus *pci_bus_mmio(const struct pci_bus *bus)
{
	return bus->params.mmio;
}

struct bus *pci_bus_ports(const struct pci_bus *bus)
{
	return bus->params.ports;
}

void pci_bus_count_waiting(struct pci_bus *bus, int change)
{
	atomic_fetch_add(&bus->bars_waiting, change);
}

/* One lock at a time: two functions' locks are never held together. */
void pci_bus_retry_bars(struct pci_bus *bus)
{
	unsigned int i;

	for (i = 0; i < PCI_SLOTS * PCI_FUNCTIONS && atomic_load(&bus->bars_waiting) > 0; i++) {
		struct pci_device *dev = bus->functions[i];

		if (!dev)
			continue;
		pthread_mutex_lock(&dev->lock);
		pci_device_update_bars(dev, false);
		pthread_mutex_unlock(&dev->lock);
	}
}
