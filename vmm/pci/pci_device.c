/*
 * One PCI function: configuration space with its write masks, BARs that move, INTA#. Not the bus
 * (pci.c) and not MSI-X (msix.c). PCI Local Bus 3.0, chapter 6; register numbers are the kernel's.
 */
#include "vmm/pci/pci_device.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "log.h"
#include "vmm/layout.h"

#define CAPS_START 0x40
#define BARS_END   (PCI_BASE_ADDRESS_5 + 4)
#define ADDR_4G	   0x100000000ULL
#define ADDR_MAX   (1ULL << 52) /* no x86 addresses more */
#define COMMAND_WMASK                                                                    \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | \
	 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define STATUS_W1C                                                                       \
	(PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT | PCI_STATUS_REC_TARGET_ABORT | \
	 PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY)

static uint64_t bar_bus_read(void *opaque, uint64_t offset, unsigned int size)
{
	struct pci_bar *bar = opaque;
	struct pci_device *dev = bar->dev;

	if (!dev->ops->bar_read)
		return UINT64_MAX;
	return dev->ops->bar_read(dev, bar->index, offset, size);
}

static void bar_bus_write(void *opaque, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pci_bar *bar = opaque;
	struct pci_device *dev = bar->dev;

	if (dev->ops->bar_write)
		dev->ops->bar_write(dev, bar->index, offset, size, value);
}

static const struct bus_ops bar_bus_ops = {
	.read = bar_bus_read,
	.write = bar_bus_write,
};

void pci_device_init(struct pci_device *dev, const struct pci_device_ops *ops,
		     const struct pci_ids *ids)
{
	unsigned int i;

	pthread_mutex_init(&dev->lock, NULL);
	dev->ops = ops;
	dev->cap_end = CAPS_START;
	for (i = 0; i <= PCI_ROM; i++)
		dev->bars[i] = (struct pci_bar){.dev = dev, .index = i, .addr = PCI_UNMAPPED};

	pci_put16(dev->cfg + PCI_VENDOR_ID, ids->vendor);
	pci_put16(dev->cfg + PCI_DEVICE_ID, ids->device);
	pci_put32(dev->cfg + PCI_CLASS_REVISION, ids->class_code << 8 | ids->revision);
	pci_put16(dev->cfg + PCI_SUBSYSTEM_VENDOR_ID, ids->subsystem_vendor);
	pci_put16(dev->cfg + PCI_SUBSYSTEM_ID, ids->subsystem);
	pci_put16(dev->wmask + PCI_COMMAND, COMMAND_WMASK);
	pci_put16(dev->w1c + PCI_STATUS, STATUS_W1C);
	dev->wmask[PCI_CACHE_LINE_SIZE] = 0xFF;
	dev->wmask[PCI_LATENCY_TIMER] = 0xFF;
	if (ids->has_intx) {
		dev->cfg[PCI_INTERRUPT_PIN] = 1;
		dev->cfg[PCI_INTERRUPT_LINE] = 0xFF; /* not known: the ACPI tables say it */
		dev->wmask[PCI_INTERRUPT_LINE] = 0xFF;
	}
}

void pci_device_fini(struct pci_device *dev)
{
	pthread_mutex_destroy(&dev->lock);
}

void pci_device_add_bar(struct pci_device *dev, unsigned int index, uint64_t size, bool is_64bit,
			bool prefetchable)
{
	unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * index;
	uint64_t mask = ~(size - 1);

	assert(index + is_64bit < PCI_BARS && size >= 16 && (size & (size - 1)) == 0);
	dev->bars[index].size = size;
	dev->bars[index].is_64bit = is_64bit;
	dev->cfg[offset] = (uint8_t)((is_64bit ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
				     (prefetchable ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0));
	pci_put32(dev->wmask + offset, (uint32_t)mask);
	if (is_64bit)
		pci_put32(dev->wmask + offset + 4, (uint32_t)(mask >> 32));
}

void pci_device_add_io_bar(struct pci_device *dev, unsigned int index, uint64_t size)
{
	unsigned int offset = PCI_BASE_ADDRESS_0 + 4 * index;

	assert(index < PCI_BARS && size >= 4 && size <= 256 && (size & (size - 1)) == 0);
	dev->bars[index].size = size;
	dev->bars[index].is_io = true;
	dev->cfg[offset] = PCI_BASE_ADDRESS_SPACE_IO;
	pci_put32(dev->wmask + offset, (uint32_t) ~(size - 1));
}

void pci_device_add_rom(struct pci_device *dev, uint64_t size)
{
	assert(size >= 0x800 && size <= UINT32_MAX && (size & (size - 1)) == 0);
	dev->bars[PCI_ROM].size = size;
	pci_put32(dev->wmask + PCI_ROM_ADDRESS, (uint32_t) ~(size - 1) | PCI_ROM_ADDRESS_ENABLE);
}

unsigned int pci_device_add_cap(struct pci_device *dev, uint8_t id, unsigned int len)
{
	unsigned int at = dev->cap_end;

	assert(at + len <= PCI_CFG_SIZE - 1);
	dev->cfg[at] = id;
	dev->cfg[dev->last_cap ? dev->last_cap + 1u : PCI_CAPABILITY_LIST] = (uint8_t)at;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->last_cap = (uint8_t)at;
	dev->cap_end = (uint8_t)((at + len + 3) & ~3u);
	return at;
}

/* ---- BARs ---- */

/* As bar_wanted(), for ports. Those of the platform's own devices are below the window. */
static uint64_t io_bar_wanted(const struct pci_device *dev, const struct pci_bar *bar)
{
	const uint8_t *reg = dev->cfg + PCI_BASE_ADDRESS_0 + 4 * bar->index;
	uint32_t port = pci_get32(reg) & (uint32_t)PCI_BASE_ADDRESS_IO_MASK;

	if (!(dev->cfg[PCI_COMMAND] & PCI_COMMAND_IO) || port < LAYOUT_PCI_IO ||
	    port + bar->size > LAYOUT_PCI_IO_END)
		return PCI_UNMAPPED;
	return port;
}

/* As bar_wanted(), for the expansion ROM: it is there while memory decode and its own enable bit are set. */
static uint64_t rom_wanted(const struct pci_device *dev, const struct pci_bar *bar)
{
	uint32_t rom = pci_get32(dev->cfg + PCI_ROM_ADDRESS);
	uint64_t addr = rom & (uint32_t)PCI_ROM_ADDRESS_MASK;

	if (!(dev->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY) || !(rom & PCI_ROM_ADDRESS_ENABLE) ||
	    addr < pci_bus_pci32_base(dev->bus) || addr >= LAYOUT_PCI32_END ||
	    bar->size > LAYOUT_PCI32_END - addr)
		return PCI_UNMAPPED;
	return addr;
}

/*
 * Where the header puts BAR, PCI_UNMAPPED when memory decode is off or it lies outside the windows.
 */
static uint64_t bar_wanted(const struct pci_device *dev, const struct pci_bar *bar)
{
	const uint8_t *reg = dev->cfg + PCI_BASE_ADDRESS_0 + 4 * bar->index;
	uint64_t addr = pci_get32(reg) & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK;

	if (bar->is_io)
		return io_bar_wanted(dev, bar);
	if (bar->index == PCI_ROM)
		return rom_wanted(dev, bar);
	if (!(dev->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY))
		return PCI_UNMAPPED;
	if (bar->is_64bit)
		addr |= (uint64_t)pci_get32(reg + 4) << 32;
	/*
	 * Guest RAM, the interrupt controllers and the firmware's flash keep their addresses,
	 * whatever the guest writes here. While it asks for the size, the register holds such an
	 * address too.
	 */
	if (addr >= pci_bus_pci32_base(dev->bus) && addr < LAYOUT_PCI32_END &&
	    bar->size <= LAYOUT_PCI32_END - addr)
		return addr;
	if (addr >= ADDR_4G && addr < ADDR_MAX && bar->size <= ADDR_MAX - addr)
		return addr;
	return PCI_UNMAPPED;
}

static void bar_set_waiting(struct pci_bar *bar, bool waiting)
{
	if (bar->waiting == waiting)
		return;
	bar->waiting = waiting;
	pci_bus_count_waiting(bar->dev->bus, waiting ? 1 : -1);
}

static struct bus *bar_bus(const struct pci_bar *bar)
{
	struct pci_bus *bus = bar->dev->bus;

	return bar->is_io ? pci_bus_ports(bus) : pci_bus_mmio(bus);
}

static void bar_unmap(struct pci_bar *bar)
{
	struct pci_device *dev = bar->dev;

	bus_remove(bar_bus(bar), bar->addr, bar);
	bar->addr = PCI_UNMAPPED;
	if (dev->ops->bar_mapped)
		dev->ops->bar_mapped(dev, bar->index, PCI_UNMAPPED);
}

static void bar_map(struct pci_bar *bar, uint64_t addr)
{
	struct pci_device *dev = bar->dev;
	const struct bus_range range = {
		.base = addr,
		.len = bar->size,
		.ops = &bar_bus_ops,
		.dev = bar,
	};
	int rc = bus_add(bar_bus(bar), &range);

	if (rc < 0) {
		if (!bar->waiting && log_limit_ok(&dev->log_limit))
			log_debug("pci: BAR %u of %04x:%04x at %#llx is not decoded (%d)",
				  bar->index, pci_get16(dev->cfg), pci_get16(dev->cfg + 2),
				  (unsigned long long)addr, rc);
		bar_set_waiting(bar, true);
		return;
	}
	bar_set_waiting(bar, false);
	bar->addr = addr;
	if (dev->ops->bar_mapped)
		dev->ops->bar_mapped(dev, bar->index, addr);
}

bool pci_device_update_bars(struct pci_device *dev, bool off)
{
	bool freed = false;
	unsigned int i;

	for (i = 0; i <= PCI_ROM; i++) {
		struct pci_bar *bar = &dev->bars[i];
		uint64_t wanted;

		if (!bar->size)
			continue;
		wanted = off ? PCI_UNMAPPED : bar_wanted(dev, bar);
		if (wanted == bar->addr && !bar->waiting)
			continue;
		if (bar->addr != PCI_UNMAPPED) {
			bar_unmap(bar);
			freed = true;
		}
		if (wanted != PCI_UNMAPPED)
			bar_map(bar, wanted);
		else
			bar_set_waiting(bar, false);
	}
	return freed;
}

/* ---- INTA# ---- */

static void update_intx_wire(struct pci_device *dev)
{
	bool disabled = pci_get16(dev->cfg + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;

	irq_pin_set(&dev->intx, dev->intx_level && !disabled);
}

void pci_device_set_intx(struct pci_device *dev, bool level)
{
	if (dev->intx_level == level)
		return;
	dev->intx_level = level;
	if (level)
		dev->cfg[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
	else
		dev->cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_INTERRUPT;
	update_intx_wire(dev);
}

bool pci_device_is_bus_master(const struct pci_device *dev)
{
	return dev->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* ---- configuration space ---- */

static bool touches(unsigned int offset, unsigned int size, unsigned int start, unsigned int end)
{
	return offset < end && offset + size > start;
}

uint64_t pci_device_cfg_read(struct pci_device *dev, unsigned int offset, unsigned int size)
{
	uint64_t value = 0;

	if (dev->ops->cfg_reading)
		dev->ops->cfg_reading(dev, offset, size);
	pthread_mutex_lock(&dev->lock);
	memcpy(&value, dev->cfg + offset, size); /* both little-endian */
	pthread_mutex_unlock(&dev->lock);
	return value;
}

void pci_device_cfg_write(struct pci_device *dev, unsigned int offset, unsigned int size,
			  uint64_t value)
{
	bool freed = false;
	unsigned int i;

	if (dev->ops->cfg_writing)
		dev->ops->cfg_writing(dev, offset, size, value);
	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < size; i++, value >>= 8) {
		unsigned int at = offset + i;
		uint8_t v = (uint8_t)value;
		uint8_t keep = (uint8_t)(dev->cfg[at] & ~(dev->w1c[at] & v) & ~dev->wmask[at]);

		dev->cfg[at] = keep | (v & dev->wmask[at]);
	}
	if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2))
		update_intx_wire(dev);
	if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2) ||
	    touches(offset, size, PCI_BASE_ADDRESS_0, BARS_END) ||
	    touches(offset, size, PCI_ROM_ADDRESS, PCI_ROM_ADDRESS + 4))
		freed = pci_device_update_bars(dev, false);
	pthread_mutex_unlock(&dev->lock);

	if (freed)
		pci_bus_retry_bars(dev->bus);
	if (dev->ops->cfg_written)
		dev->ops->cfg_written(dev, offset, size);
}

void pci_device_power_on(struct pci_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	pci_device_update_bars(dev, true);
	pci_device_set_intx(dev, false);
	memcpy(dev->cfg, dev->power_on, sizeof(dev->cfg));
	pthread_mutex_unlock(&dev->lock);
}
