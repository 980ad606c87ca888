/*
 * One PCI function, for the authors of devices: they embed struct pci_device, fill its identity,
 * capabilities and BARs once, and get the callbacks of struct pci_device_ops. Type 0 header of PCI
 * Local Bus 3.0, chapter 6. Users of a finished device need only pci.h.
 */
#ifndef VMB_VMM_PCI_PCI_DEVICE_H
#define VMB_VMM_PCI_PCI_DEVICE_H

#include <pthread.h>

#include "log.h"
#include "vmm/pci/pci.h"

struct pci_bar {
	struct pci_device *dev;
	unsigned int index;
	uint64_t size; /* 0: no such BAR */
	bool is_64bit;
	bool is_io;    /* ports, not memory */
	bool waiting;  /* decode is on but its place was taken: retried when something moves */
	uint64_t addr; /* where it is decoded now, or PCI_UNMAPPED */
};

struct pci_device {
	const struct pci_device_ops *ops;
	/*
	 * The function's lock: all below. Taken by vCPU threads and, to raise interrupts, by I/O
	 * threads; so nobody may wait for an I/O thread while holding it.
	 */
	pthread_mutex_t lock;
	uint8_t cfg[PCI_CFG_SIZE];
	uint8_t power_on[PCI_CFG_SIZE]; /* what a reset brings back */
	uint8_t wmask[PCI_CFG_SIZE];	/* bits the guest may write */
	uint8_t w1c[PCI_CFG_SIZE];	/* bits that writing a one clears */
	uint8_t last_cap;		/* offset of the last capability, 0: none */
	uint8_t cap_end;		/* first byte free for the next one */
	struct pci_bar bars[PCI_BARS + 1]; /* the last one is PCI_ROM */
	bool intx_level;     /* what the device wants, before INTX_DISABLE */
	struct pci_bus *bus; /* NULL until pci_bus_add() */
	struct irq_pin intx;
	struct log_limit log_limit;
};

struct pci_ids {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint8_t revision;
	uint32_t class_code; /* 24 bits: class, subclass, programming interface */
	bool has_intx;	     /* wired to INTA# */
};

/* Makes DEV (zeroed by the caller, usually embedded) a function with an empty type 0 header. */
void pci_device_init(struct pci_device *dev, const struct pci_device_ops *ops,
		     const struct pci_ids *ids);

/* Releases what pci_device_init() made; from OPS->destroy. */
void pci_device_fini(struct pci_device *dev);

/*
 * Declares memory BAR INDEX of SIZE bytes (a power of two, at least 16). A 64-bit one uses INDEX +
 * 1 too. Before pci_bus_add().
 */
void pci_device_add_bar(struct pci_device *dev, unsigned int index, uint64_t size, bool is_64bit,
			bool prefetchable);

/* The same for a BAR of SIZE ports (a power of two, 4 to 256; PCI Local Bus 3.0, 6.2.5.1). */
void pci_device_add_io_bar(struct pci_device *dev, unsigned int index, uint64_t size);

/*
 * Declares an expansion ROM of SIZE bytes (a power of two, at least 2 KiB; PCI Local Bus 3.0, 6.2.5.2), which the
 * guest sees as long as it has it switched on. It is read and written like a BAR. Before pci_bus_add().
 */
void pci_device_add_rom(struct pci_device *dev, uint64_t size);

/*
 * Appends a capability of LEN bytes (with its two-byte head); the body is zero and read-only until
 * the caller fills CFG and WMASK. Returns its offset. Space for all of a device's capabilities is
 * the author's to count: 192 bytes. Before pci_bus_add().
 */
unsigned int pci_device_add_cap(struct pci_device *dev, uint8_t id, unsigned int len);

/* Configuration space by the guest, 1, 2, 4 or 8 bytes inside its 256. */
uint64_t pci_device_cfg_read(struct pci_device *dev, unsigned int offset, unsigned int size);
void pci_device_cfg_write(struct pci_device *dev, unsigned int offset, unsigned int size,
			  uint64_t value);

/* Drives INTA# (Status.INTx follows; the wire only unless INTX_DISABLE). Function's lock held. */
void pci_device_set_intx(struct pci_device *dev, bool level);

/* Is the function allowed to read and write memory (Command.BUS_MASTER)? Function's lock held. */
bool pci_device_is_bus_master(const struct pci_device *dev);

/* Little-endian fields of CFG and the masks. */
static inline uint16_t pci_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t pci_get32(const uint8_t *p)
{
	return pci_get16(p) | (uint32_t)pci_get16(p + 2) << 16;
}

static inline void pci_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void pci_put32(uint8_t *p, uint32_t v)
{
	pci_put16(p, (uint16_t)v);
	pci_put16(p + 2, (uint16_t)(v >> 16));
}

/* ---- between pci.c, pci_device.c and chipset.c ---- */

/*
 * Decodes what the header says now; no longer at all when OFF. Returns whether a place became free.
 */
bool pci_device_update_bars(struct pci_device *dev, bool off);

/* A place on the bus became free, or may have: gives it to a BAR that waits. No lock held. */
void pci_bus_retry_bars(struct pci_bus *bus);

/* Called where a BAR starts or stops waiting. */
void pci_bus_count_waiting(struct pci_bus *bus, int change);

/* Puts DEV (taken over on success), a part of the chipset, into SLOT as FUNCTION. 0 or -EEXIST. */
int pci_bus_add_function(struct pci_bus *bus, unsigned int slot, unsigned int function,
			 struct pci_device *dev);

/* chipset.c: makes the host bridge, with I440FX an ISA bridge and its power management, too. 0 or -ENOMEM. */
int pci_chipset_add(struct pci_bus *bus, bool i440fx);

/* Where memory BARs below 4 GiB begin. */
uint64_t pci_bus_pci32_base(const struct pci_bus *bus);

/* The buses BARs are decoded on. */
struct bus *pci_bus_mmio(const struct pci_bus *bus);
struct bus *pci_bus_ports(const struct pci_bus *bus);

/* Takes the function back to power-on: configuration space, BARs, INTx. vCPUs stand still. */
void pci_device_power_on(struct pci_device *dev);

#endif
