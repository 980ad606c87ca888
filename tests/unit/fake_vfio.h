/*
 * A device of the host's that is only an array, behind struct vfio_host, on a PCI bus as a vCPU reaches it; for the unit
 * test and the fuzz target, which define CHECK(condition) before. It checks what the kernel would refuse: two kinds of
 * interrupts at once, more of them than there are, memory in two places, a connection that is not taken back.
 */
#ifndef VMB_TESTS_UNIT_FAKE_VFIO_H
#define VMB_TESTS_UNIT_FAKE_VFIO_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/bus.h"
#include "vmm/layout.h"
#include "vmm/pci/pci.h"
#include "vmm/vfio/vfio.h"

#define FAKE_SLOT  23
#define FAKE_GSI   19
#define FAKE_BAR0  0x4000ULL /* 64 bits: registers, table at 0x2000, pending bits at 0x3000 */
#define FAKE_TABLE 0x2000U
#define FAKE_PBA   0x3000U
#define FAKE_IO	   0x20ULL /* BAR 2 */
#define FAKE_ROM   0x800ULL
#define FAKE_MSIX  5 /* vectors */
#define FAKE_PM	   0x40
#define FAKE_MSI   0x50 /* 64 bits, masks, 4 messages */
#define FAKE_EXP   0x70
#define FAKE_MSIXC 0xB0
#define FAKE_VNDR  0xC0 /* 16 bytes */
#define FAKE_EA	   0xD0
#define FAKE_FREE  0xE0 /* of no capability */
#define FAKE_MAPS  32
#define FAKE_IRQS  2048

struct fake_map {
	bool used, read_only;
	uint64_t gpa, size;
	void *host;
};

struct fake_connection {
	bool used;
	int eventfd;
	uint64_t addr;
	uint32_t data;
};

struct fake_vfio {
	struct vfio_host host; /* first */
	uint8_t cfg[PCI_CFG_SIZE];
	uint8_t memory[FAKE_BAR0];
	uint8_t rom[FAKE_ROM];
	uint8_t io[FAKE_IO];
	struct bus *ports, *mmio;
	struct pci_bus *pci;
	struct pci_device *dev;
	struct fake_map maps[FAKE_MAPS];
	struct fake_connection connections[FAKE_IRQS];
	int active;			     /* VFIO_PCI_*_IRQ_INDEX, -1: none */
	unsigned int active_count, host_has; /* interrupts of MSI and MSI-X, at most */
	int fds[FAKE_IRQS];
	int intx_fd, intx_back, alarm_fd[VFIO_PCI_NUM_IRQS];
	bool level_connected, refuse_maps, refuse_connections, refuse_alarms;
	unsigned int resets, hot_resets, cfg_writes, destroyed, bar_reads, bar_writes;
	unsigned int last_offset, last_size;
	bool active_at_reset;
	int reset_error;
	/* What a hot reset resets, and what it was given. */
	const char *affected[VM_MAX_VFIO + 1];
	int hot_groups[VM_MAX_VFIO];
	unsigned int hot_group_count;
};

static inline struct fake_vfio *to_fake(struct vfio_host *host)
{
	return (struct fake_vfio *)host;
}

static inline uint8_t *fake_region(struct fake_vfio *f, unsigned int region)
{
	switch (region) {
	case 0: return f->memory;
	case 2: return f->io;
	case VFIO_PCI_ROM_REGION_INDEX: return f->rom;
	case VFIO_PCI_CONFIG_REGION_INDEX: return f->cfg;
	default: return NULL;
	}
}

static inline ssize_t fake_read(struct vfio_host *host, unsigned int region, uint64_t offset,
				void *buf, size_t size)
{
	struct fake_vfio *f = to_fake(host);
	uint8_t *from = fake_region(f, region);

	if (!from || offset >= host->regions[region].size ||
	    size > host->regions[region].size - offset)
		return -EINVAL;
	f->bar_reads += region < PCI_BARS;
	memcpy(buf, from + offset, size);
	return (ssize_t)size;
}

static inline ssize_t fake_write(struct vfio_host *host, unsigned int region, uint64_t offset,
				 const void *buf, size_t size)
{
	struct fake_vfio *f = to_fake(host);
	uint8_t *to = fake_region(f, region);

	if (!to || offset >= host->regions[region].size ||
	    size > host->regions[region].size - offset)
		return -EINVAL;
	f->bar_writes += region < PCI_BARS;
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		f->cfg_writes++;
		f->last_offset = (unsigned int)offset;
		f->last_size = (unsigned int)size;
	}
	memcpy(to + offset, buf, size);
	/* Decoding is never to stop: the kernel would take the mappings away. */
	CHECK((f->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY) || !host->regions[0].size ||
	      (f->cfg[PCI_BASE_ADDRESS_0] & PCI_BASE_ADDRESS_SPACE_IO));
	return (ssize_t)size;
}

static inline void *fake_map_area(struct vfio_host *host, unsigned int region, uint64_t offset,
				  uint64_t size)
{
	CHECK(region == 0 && offset % 4096 == 0 && size % 4096 == 0);
	CHECK(size && offset < FAKE_BAR0 && size <= FAKE_BAR0 - offset);
	return to_fake(host)->memory + offset;
}

static inline void fake_unmap_area(struct vfio_host *host, void *at, uint64_t size)
{
	(void)size;
	CHECK((uint8_t *)at >= to_fake(host)->memory);
}

/* vfio_pci_intrs.c: one kind at a time, set up as a whole, then each by itself. */
static inline int fake_set_irqs(struct vfio_host *host, unsigned int index, uint32_t flags,
				unsigned int start, unsigned int count, const int *fds)
{
	struct fake_vfio *f = to_fake(host);
	bool on = flags & VFIO_IRQ_SET_DATA_EVENTFD;

	CHECK(index < VFIO_PCI_NUM_IRQS && f->host.irq_count[index]);
	if (index > VFIO_PCI_MSIX_IRQ_INDEX) {
		CHECK(on && count == 1);
		if (f->refuse_alarms)
			return -EINVAL;
		f->alarm_fd[index] = fds[0];
		return 0;
	}
	if (flags & VFIO_IRQ_SET_ACTION_UNMASK) {
		CHECK(f->active == VFIO_PCI_INTX_IRQ_INDEX && on);
		f->intx_back = fds[0];
		return 0;
	}
	if (!on) {
		CHECK(count == 0 && f->active == (int)index);
		f->active = -1;
		return 0;
	}
	if (index == VFIO_PCI_INTX_IRQ_INDEX) {
		CHECK(f->active < 0 && start == 0 && count == 1);
		f->active = (int)index;
		f->intx_fd = fds[0];
		return 0;
	}
	CHECK(f->active < 0 || f->active == (int)index);
	if (f->active < 0) {
		CHECK(start == 0);
		if (count > f->host_has)
			return f->host_has ? (int)f->host_has : -ENOSPC;
		f->active = (int)index;
		f->active_count = count;
		memset(f->fds, 0xFF, sizeof(f->fds));
	}
	CHECK(start < f->active_count && count <= f->active_count - start);
	memcpy(f->fds + start, fds, count * sizeof(*fds));
	return 0;
}

static inline int fake_reset(struct vfio_host *host)
{
	struct fake_vfio *f = to_fake(host);

	f->resets++;
	f->active_at_reset = f->active >= 0;
	return f->reset_error;
}

static inline int fake_list_affected(struct vfio_host *host, char (*addresses)[VM_PCI_ADDRESS_SIZE],
				     unsigned int max)
{
	const char *const *affected = to_fake(host)->affected;
	unsigned int n = 0;

	for (; n <= VM_MAX_VFIO && affected[n]; n++)
		if (n < max)
			strcpy(addresses[n], affected[n]);
	return n ? (int)n : -ENODEV;
}

static inline int fake_hot_reset(struct vfio_host *host, const int *groups, unsigned int count)
{
	struct fake_vfio *f = to_fake(host);

	CHECK(count <= VM_MAX_VFIO);
	f->hot_resets++;
	memcpy(f->hot_groups, groups, count * sizeof(*groups));
	f->hot_group_count = count;
	f->active_at_reset = f->active >= 0;
	return 0;
}

static inline void fake_destroy(struct vfio_host *host)
{
	to_fake(host)->destroyed++;
}

static const struct vfio_host_ops fake_host_ops = {
	.read = fake_read,
	.write = fake_write,
	.map = fake_map_area,
	.unmap = fake_unmap_area,
	.set_irqs = fake_set_irqs,
	.reset = fake_reset,
	.list_affected = fake_list_affected,
	.hot_reset = fake_hot_reset,
	.destroy = fake_destroy,
};

/* ---- the guest's side of it ---- */

static inline int fake_map(void *ctx, uint64_t gpa, uint64_t size, void *host, bool read_only,
			   unsigned int *ret_handle)
{
	struct fake_vfio *f = ctx;
	unsigned int free_map = FAKE_MAPS;

	CHECK(gpa % 4096 == 0 && size % 4096 == 0 && size);
	/* Never where RAM, the interrupt controllers or the firmware are. */
	CHECK(gpa >= LAYOUT_PCI32 && (gpa + size <= LAYOUT_PCI32_END || gpa >= 1ULL << 32));
	for (unsigned int i = 0; i < FAKE_MAPS; i++) {
		if (!f->maps[i].used)
			free_map = i;
		else
			CHECK(gpa >= f->maps[i].gpa + f->maps[i].size ||
			      gpa + size <= f->maps[i].gpa);
	}
	CHECK(free_map < FAKE_MAPS);
	if (f->refuse_maps)
		return -EEXIST;
	f->maps[free_map] = (struct fake_map){true, read_only, gpa, size, host};
	*ret_handle = free_map;
	return 0;
}

static inline void fake_unmap(void *ctx, uint64_t gpa, uint64_t size, unsigned int handle)
{
	struct fake_vfio *f = ctx;

	CHECK(handle < FAKE_MAPS && f->maps[handle].used);
	CHECK(f->maps[handle].gpa == gpa && f->maps[handle].size == size);
	f->maps[handle].used = false;
}

static const struct vfio_map_ops fake_map_ops = {.map = fake_map, .unmap = fake_unmap};

static inline int fake_connect(void *ctx, int eventfd, uint64_t addr, uint32_t data,
			       uint32_t *handle)
{
	struct fake_vfio *f = ctx;

	if (f->refuse_connections)
		return -ENOSPC;
	for (uint32_t i = 0; i < FAKE_IRQS && !*handle; i++)
		if (!f->connections[i].used)
			*handle = i + 1;
	CHECK(*handle);
	f->connections[*handle - 1] = (struct fake_connection){true, eventfd, addr, data};
	return 0;
}

static inline void fake_disconnect(void *ctx, int eventfd, uint32_t *handle)
{
	struct fake_vfio *f = ctx;

	CHECK(*handle && f->connections[*handle - 1].used);
	CHECK(f->connections[*handle - 1].eventfd == eventfd);
	f->connections[*handle - 1].used = false;
	*handle = 0;
}

static const struct msi_ops fake_msi_ops = {.connect = fake_connect, .disconnect = fake_disconnect};

static inline int fake_level_connect(void *ctx, unsigned int gsi, int trigger, int resample)
{
	struct fake_vfio *f = ctx;

	CHECK(gsi == FAKE_GSI && trigger >= 0 && resample >= 0 && !f->level_connected);
	f->level_connected = true;
	return 0;
}

static inline void fake_level_disconnect(void *ctx, unsigned int gsi, int trigger)
{
	struct fake_vfio *f = ctx;

	CHECK(gsi == FAKE_GSI && trigger >= 0 && f->level_connected);
	f->level_connected = false;
}

static const struct level_ops fake_level_ops = {.connect = fake_level_connect,
						.disconnect = fake_level_disconnect};

/* What vector N of the device that is active now is connected to; NULL: to nothing. */
static inline const struct fake_connection *fake_vector(const struct fake_vfio *f, unsigned int n)
{
	for (unsigned int i = 0; i < FAKE_IRQS && f->fds[n] >= 0; i++)
		if (f->connections[i].used && f->connections[i].eventfd == f->fds[n])
			return &f->connections[i];
	return NULL;
}

static inline unsigned int fake_connected(const struct fake_vfio *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_IRQS; i++)
		n += f->connections[i].used;
	return n;
}

static inline unsigned int fake_mapped(const struct fake_vfio *f)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < FAKE_MAPS; i++)
		n += f->maps[i].used;
	return n;
}

/* ---- making ---- */

static inline void fake_put_cap(struct fake_vfio *f, unsigned int at, uint8_t id, uint8_t next)
{
	f->cfg[at] = id;
	f->cfg[at + 1] = next;
}

/* A function of a device with several, with capabilities of every kind that is treated specially. */
static inline void fake_fill(struct fake_vfio *f)
{
	memset(f, 0, sizeof(*f));
	f->host = (struct vfio_host){
		.ops = &fake_host_ops, .address = "0000:01:00.0", .reset = VFIO_RESET_FUNCTION};
	f->host.regions[0] =
		(struct vfio_region){.size = FAKE_BAR0, .area_count = 1, .areas = {{0, FAKE_BAR0}}};
	f->host.regions[2].size = FAKE_IO;
	f->host.regions[VFIO_PCI_ROM_REGION_INDEX].size = FAKE_ROM;
	f->host.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = PCI_CFG_SIZE;
	f->host.irq_count[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	f->host.irq_count[VFIO_PCI_MSI_IRQ_INDEX] = 4;
	f->host.irq_count[VFIO_PCI_MSIX_IRQ_INDEX] = FAKE_MSIX;
	f->host_has = FAKE_IRQS;
	f->active = -1;
	pci_put16(f->cfg + PCI_VENDOR_ID, 0x8086);
	pci_put16(f->cfg + PCI_DEVICE_ID, 0x10D3);
	pci_put16(f->cfg + PCI_COMMAND, PCI_COMMAND_MEMORY);
	pci_put16(f->cfg + PCI_STATUS, PCI_STATUS_CAP_LIST);
	pci_put32(f->cfg + PCI_CLASS_REVISION, 0x02000007);
	f->cfg[PCI_HEADER_TYPE] = 0x80;
	f->cfg[PCI_BASE_ADDRESS_0] = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH;
	f->cfg[PCI_BASE_ADDRESS_2] = PCI_BASE_ADDRESS_SPACE_IO;
	pci_put16(f->cfg + PCI_SUBSYSTEM_ID, 0xA01F);
	f->cfg[PCI_CAPABILITY_LIST] = FAKE_PM;
	f->cfg[PCI_INTERRUPT_PIN] = 2;
	fake_put_cap(f, FAKE_PM, PCI_CAP_ID_PM, FAKE_EA);
	pci_put16(f->cfg + FAKE_PM + PCI_PM_PMC, 0xC823);
	fake_put_cap(f, FAKE_EA, PCI_CAP_ID_EA, FAKE_MSI);
	fake_put_cap(f, FAKE_MSI, PCI_CAP_ID_MSI, FAKE_EXP);
	pci_put16(f->cfg + FAKE_MSI + PCI_MSI_FLAGS,
		  PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1);
	fake_put_cap(f, FAKE_EXP, PCI_CAP_ID_EXP, FAKE_MSIXC);
	pci_put16(f->cfg + FAKE_EXP + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	pci_put32(f->cfg + FAKE_EXP + PCI_EXP_LNKCAP, 0x31);
	fake_put_cap(f, FAKE_MSIXC, PCI_CAP_ID_MSIX, FAKE_VNDR);
	pci_put16(f->cfg + FAKE_MSIXC + PCI_MSIX_FLAGS, FAKE_MSIX - 1);
	pci_put32(f->cfg + FAKE_MSIXC + PCI_MSIX_TABLE, FAKE_TABLE);
	pci_put32(f->cfg + FAKE_MSIXC + PCI_MSIX_PBA, FAKE_PBA);
	fake_put_cap(f, FAKE_VNDR, PCI_CAP_ID_VNDR, FAKE_PM); /* round it goes */
	pci_put16(f->rom, 0xAA55);
	for (unsigned int i = 2; i < FAKE_ROM; i++)
		f->rom[i] = (uint8_t)i;
	memset(f->memory, 0x5A, sizeof(f->memory));
	memset(f->memory + FAKE_PBA, 0, 8);
}

static inline struct vfio_env fake_env(struct fake_vfio *f)
{
	return (struct vfio_env){
		.map_ops = &fake_map_ops,
		.map_ctx = f,
		.msi = {.ops = &fake_msi_ops, .ctx = f},
		.intx = {.ops = &fake_level_ops, .ctx = f, .gsi = FAKE_GSI},
	};
}

static inline int fake_make_bus(struct fake_vfio *f)
{
	struct pci_bus_params params;

	if (bus_create(&f->ports) < 0 || bus_create(&f->mmio) < 0)
		return -ENOMEM;
	params = (struct pci_bus_params){
		.ports = f->ports, .mmio = f->mmio, .pci32_base = LAYOUT_PCI32};
	return pci_bus_create(&params, &f->pci);
}

/* Makes the device and puts it on the bus. 0 or -errno with the sentence. */
static inline int fake_start(struct fake_vfio *f, const struct vfio_env *env, struct vmb_err *err)
{
	const struct irq_pin pin = {0};
	int r = fake_make_bus(f);

	if (r == 0)
		r = vfio_device_create(&f->host, env, &f->dev, err);
	if (r == 0)
		r = pci_bus_add(f->pci, FAKE_SLOT, f->dev, &pin);
	return r;
}

/* Everything is given back. */
static inline void fake_stop(struct fake_vfio *f)
{
	pci_bus_destroy(f->pci);
	bus_destroy(f->mmio);
	bus_destroy(f->ports);
	CHECK(f->destroyed == 1 && fake_mapped(f) == 0 && fake_connected(f) == 0);
	CHECK(f->active < 0 && !f->level_connected);
}

static inline uint32_t fake_rd(struct fake_vfio *f, unsigned int reg, unsigned int size)
{
	bus_write(f->ports, 0xCF8, 4, 0x80000000u | FAKE_SLOT << 11 | (reg & 0xFC));
	return (uint32_t)bus_read(f->ports, 0xCFC + (reg & 3), size);
}

static inline void fake_wr(struct fake_vfio *f, unsigned int reg, unsigned int size, uint32_t value)
{
	bus_write(f->ports, 0xCF8, 4, 0x80000000u | FAKE_SLOT << 11 | (reg & 0xFC));
	bus_write(f->ports, 0xCFC + (reg & 3), size, value);
}

#endif
