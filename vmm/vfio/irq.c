/*
 * Interrupts of a device that is passed through: from the device's to KVM by an eventfd, without us. A vector that is
 * masked is taken away from KVM only: what comes meanwhile counts in its eventfd, and KVM finds it there when it gets the
 * vector back (api.rst, KVM_IRQFD). One that the guest has not unmasked so far has none: the kernel keeps it masked in the
 * device, and what comes is in the device's own pending bits until the eventfd is attached. INTA# is masked by the kernel each time it comes, and unmasked by the guest's end of
 * interrupt. PCI Local Bus 3.0, 6.8; vfio.h, VFIO_DEVICE_SET_IRQS.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/pci/msix.h"
#include "vmm/vfio/vfio.h"

#define MSI_MAX	  32
#define MSIX_MAX  2048
#define INTX_ON	  (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define INTX_BACK (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK)
#define IRQS_ON	  (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define IRQS_OFF  (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)

static const unsigned int irq_index[] = {
	[VFIO_IRQ_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
	[VFIO_IRQ_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
	[VFIO_IRQ_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX,
};

/* ---- making ---- */

/*
 * How many of COUNT interrupts of INDEX the host really has: it promises as many as the device has. They are all tried,
 * with nobody to signal.
 */
static unsigned int probe_count(struct vfio_host *host, unsigned int index, unsigned int count)
{
	int none[MSIX_MAX], r;

	memset(none, 0xFF, count * sizeof(none[0]));
	r = host->ops->set_irqs(host, index, IRQS_ON, 0, count, none);
	if (r > 0 && (unsigned int)r < count) {
		count = (unsigned int)r;
		r = host->ops->set_irqs(host, index, IRQS_ON, 0, count, none);
	}
	if (r != 0)
		return 0;
	(void)host->ops->set_irqs(host, index, IRQS_OFF, 0, 0, NULL);
	return count;
}

/* A capability that cannot be used: it leaves the chain. */
static void drop_cap(struct pci_device *pci, unsigned int cap)
{
	unsigned int at = PCI_CAPABILITY_LIST;

	while (pci->cfg[at] != cap)
		at = pci->cfg[at] + PCI_CAP_LIST_NEXT;
	pci->cfg[at] = pci->cfg[cap + PCI_CAP_LIST_NEXT];
}

static unsigned int msi_size(uint16_t flags)
{
	return (flags & PCI_MSI_FLAGS_64BIT ? 14u : 10u) +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10u : 0u);
}

static void init_msi(struct vfio_irqs *irqs, struct vfio_config *config)
{
	struct pci_device *pci = irqs->pci;
	unsigned int cap = vfio_config_find_cap(pci, PCI_CAP_ID_MSI), want, log = 0;
	uint16_t flags;

	if (!cap)
		return;
	flags = pci_get16(pci->cfg + cap + PCI_MSI_FLAGS);
	want = 1u << ((flags & PCI_MSI_FLAGS_QMASK) >> 1);
	if (want <= MSI_MAX && cap + msi_size(flags) <= PCI_CFG_SIZE &&
	    irqs->host->irq_count[VFIO_PCI_MSI_IRQ_INDEX])
		irqs->msi_count = probe_count(irqs->host, VFIO_PCI_MSI_IRQ_INDEX, want);
	if (!irqs->msi_count) {
		drop_cap(pci, cap);
		return;
	}
	irqs->msi_cap = cap;
	while (2u << log <= irqs->msi_count)
		log++;
	irqs->msi_count = 1u << log;
	vfio_config_keep(config, cap, msi_size(flags));
	memset(pci->cfg + cap + PCI_MSI_FLAGS, 0, msi_size(flags) - PCI_MSI_FLAGS);
	flags &= PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT;
	pci_put16(pci->cfg + cap + PCI_MSI_FLAGS, (uint16_t)(flags | log << 1));
	pci_put16(pci->wmask + cap + PCI_MSI_FLAGS, PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
	pci_put32(pci->wmask + cap + PCI_MSI_ADDRESS_LO, ~3u);
	if (flags & PCI_MSI_FLAGS_64BIT)
		pci_put32(pci->wmask + cap + PCI_MSI_ADDRESS_HI, ~0u);
	pci_put16(pci->wmask + cap +
			  (flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32),
		  0xFFFF);
	if (flags & PCI_MSI_FLAGS_MASKBIT)
		pci_put32(pci->wmask + cap +
				  (flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32),
			  irqs->msi_count == MSI_MAX ? ~0u : (1u << irqs->msi_count) - 1);
}

static bool fits_bar(const struct vfio_irqs *irqs, unsigned int bar, uint64_t offset, uint64_t size)
{
	const struct vfio_region *region = &irqs->host->regions[bar];

	return bar < PCI_BARS && size <= region->size && offset <= region->size - size;
}

static void init_msix(struct vfio_irqs *irqs, struct vfio_config *config)
{
	struct pci_device *pci = irqs->pci;
	unsigned int cap = vfio_config_find_cap(pci, PCI_CAP_ID_MSIX), want;
	uint32_t table, pba;

	if (!cap || cap + PCI_CAP_MSIX_SIZEOF > PCI_CFG_SIZE) {
		if (cap)
			drop_cap(pci, cap);
		return;
	}
	want = (pci_get16(pci->cfg + cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1u;
	table = pci_get32(pci->cfg + cap + PCI_MSIX_TABLE);
	pba = pci_get32(pci->cfg + cap + PCI_MSIX_PBA);
	irqs->table_bar = table & PCI_MSIX_TABLE_BIR;
	irqs->table_offset = table & PCI_MSIX_TABLE_OFFSET;
	irqs->pba_bar = pba & PCI_MSIX_PBA_BIR;
	irqs->pba_offset = pba & PCI_MSIX_PBA_OFFSET;
	if (irqs->host->irq_count[VFIO_PCI_MSIX_IRQ_INDEX] &&
	    fits_bar(irqs, irqs->table_bar, irqs->table_offset, MSIX_TABLE_SIZE(want)) &&
	    fits_bar(irqs, irqs->pba_bar, irqs->pba_offset, (want + 63) / 64 * 8))
		irqs->msix_count = probe_count(irqs->host, VFIO_PCI_MSIX_IRQ_INDEX, want);
	if (!irqs->msix_count) {
		drop_cap(pci, cap);
		return;
	}
	irqs->msix_cap = cap;
	vfio_config_keep(config, cap, PCI_CAP_MSIX_SIZEOF);
	pci_put16(pci->cfg + cap + PCI_MSIX_FLAGS, (uint16_t)(irqs->msix_count - 1));
	pci_put16(pci->wmask + cap + PCI_MSIX_FLAGS,
		  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static void clear_table(struct vfio_irqs *irqs)
{
	for (unsigned int i = 0; i < irqs->msix_count; i++) {
		memset(irqs->table[i], 0, sizeof(irqs->table[i]));
		irqs->table[i][3] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
}

static int init_intx(struct vfio_irqs *irqs)
{
	struct pci_device *pci = irqs->pci;

	irqs->has_intx = irqs->host->irq_count[VFIO_PCI_INTX_IRQ_INDEX] > 0;
	if (!irqs->has_intx)
		return 0;
	irqs->trigger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	irqs->resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pci->cfg[PCI_INTERRUPT_PIN] = 1;
	pci->cfg[PCI_INTERRUPT_LINE] = 0xFF; /* not known: the ACPI tables say it */
	pci->wmask[PCI_INTERRUPT_LINE] = 0xFF;
	return irqs->trigger < 0 || irqs->resample < 0 ? -EMFILE : 0;
}

int vfio_irqs_init(struct vfio_irqs *irqs, struct pci_device *pci, struct vfio_config *config,
		   const struct vfio_env *env)
{
	unsigned int count;

	*irqs = (struct vfio_irqs){
		.pci = pci,
		.host = config->host,
		.msi = env->msi,
		.intx = env->intx,
		.trigger = -1,
		.resample = -1,
	};
	init_msi(irqs, config);
	init_msix(irqs, config);
	count = irqs->msi_count > irqs->msix_count ? irqs->msi_count : irqs->msix_count;
	irqs->vectors = calloc(count ? count : 1, sizeof(*irqs->vectors));
	irqs->table = calloc(irqs->msix_count ? irqs->msix_count : 1, sizeof(*irqs->table));
	if (!irqs->vectors || !irqs->table)
		return -ENOMEM;
	irqs->vector_count = count;
	for (unsigned int i = 0; i < count; i++)
		irqs->vectors[i].eventfd = -1;
	clear_table(irqs);
	return init_intx(irqs);
}

/* ---- one vector ---- */

static void disconnect(struct vfio_irqs *irqs, struct vfio_vector *v)
{
	if (v->connected)
		irqs->msi.ops->disconnect(irqs->msi.ctx, v->eventfd, &v->handle);
	v->connected = false;
}

/* The device is to signal vector N's eventfd, which is made the first time. 0 or -errno. */
static int attach(struct vfio_irqs *irqs, unsigned int n)
{
	struct vfio_vector *v = &irqs->vectors[n];
	int r;

	if (v->attached)
		return 0;
	if (v->eventfd < 0)
		v->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->eventfd < 0)
		return -EMFILE;
	r = irqs->host->ops->set_irqs(irqs->host, irq_index[irqs->mode], IRQS_ON, n, 1,
				      &v->eventfd);
	v->attached = r == 0;
	return r > 0 ? -ENOSPC : r;
}

/* Vector N sends DATA to ADDR, or waits while it is MASKED. */
static void set_vector(struct vfio_irqs *irqs, unsigned int n, bool masked, uint64_t addr,
		       uint32_t data)
{
	struct vfio_vector *v = &irqs->vectors[n];
	int r;

	if (masked) {
		disconnect(irqs, v);
		return;
	}
	if (v->connected && v->addr == addr && v->data == data)
		return;
	r = attach(irqs, n);
	if (r == 0)
		r = irqs->msi.ops->connect(irqs->msi.ctx, v->eventfd, addr, data, &v->handle);
	if (r < 0) {
		log_guest(&irqs->log_limit,
			  "vfio: interrupt vector %u of %s cannot be connected: error %d", n,
			  irqs->host->address, -r);
		disconnect(irqs, v);
		return;
	}
	v->connected = true;
	v->addr = addr;
	v->data = data;
}

/* ---- MSI and MSI-X ---- */

static uint16_t msix_flags(const struct vfio_irqs *irqs)
{
	return irqs->msix_cap ? pci_get16(irqs->pci->cfg + irqs->msix_cap + PCI_MSIX_FLAGS) : 0;
}

static void set_msix_vector(struct vfio_irqs *irqs, unsigned int n)
{
	const uint32_t *entry = irqs->table[n];
	bool masked = (msix_flags(irqs) & PCI_MSIX_FLAGS_MASKALL) ||
		      (entry[3] & PCI_MSIX_ENTRY_CTRL_MASKBIT);

	set_vector(irqs, n, masked, entry[0] | (uint64_t)entry[1] << 32, entry[2]);
}

static uint16_t msi_flags(const struct vfio_irqs *irqs)
{
	return irqs->msi_cap ? pci_get16(irqs->pci->cfg + irqs->msi_cap + PCI_MSI_FLAGS) : 0;
}

static unsigned int msi_enabled_count(const struct vfio_irqs *irqs)
{
	unsigned int n = 1u << ((msi_flags(irqs) & PCI_MSI_FLAGS_QSIZE) >> 4);

	return n < irqs->msi_count ? n : irqs->msi_count;
}

/* Vectors of MSI share an address; the number is in the low bits of the data (6.8.1.6). */
static void set_msi_vectors(struct vfio_irqs *irqs)
{
	const uint8_t *cap = irqs->pci->cfg + irqs->msi_cap;
	bool wide = msi_flags(irqs) & PCI_MSI_FLAGS_64BIT;
	uint64_t addr = pci_get32(cap + PCI_MSI_ADDRESS_LO);
	uint32_t data = pci_get16(cap + (wide ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32)), mask = 0;
	unsigned int count = msi_enabled_count(irqs);

	if (wide)
		addr |= (uint64_t)pci_get32(cap + PCI_MSI_ADDRESS_HI) << 32;
	if (msi_flags(irqs) & PCI_MSI_FLAGS_MASKBIT)
		mask = pci_get32(cap + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32));
	for (unsigned int i = 0; i < irqs->msi_count; i++)
		set_vector(irqs, i, i >= count || mask >> i & 1, addr,
			   (data & ~(count - 1)) | (i & (count - 1)));
}

/* The host's interrupts of the present mode, nobody to signal yet. */
static void start_msis(struct vfio_irqs *irqs, unsigned int count)
{
	int none[MSIX_MAX], r;

	memset(none, 0xFF, count * sizeof(none[0]));
	r = irqs->host->ops->set_irqs(irqs->host, irq_index[irqs->mode], IRQS_ON, 0, count, none);
	if (r != 0)
		log_guest(&irqs->log_limit, "vfio: the host has no interrupts for %s (%d)",
			  irqs->host->address, r);
}

/* ---- INTA# ---- */

static void start_intx(struct vfio_irqs *irqs)
{
	struct vfio_host *host = irqs->host;
	int r = irqs->intx.ops->connect(irqs->intx.ctx, irqs->intx.gsi, irqs->trigger,
					irqs->resample);

	if (r == 0)
		r = host->ops->set_irqs(host, VFIO_PCI_INTX_IRQ_INDEX, INTX_ON, 0, 1,
					&irqs->trigger);
	if (r == 0)
		r = host->ops->set_irqs(host, VFIO_PCI_INTX_IRQ_INDEX, INTX_BACK, 0, 1,
					&irqs->resample);
	if (r != 0)
		log_guest(&irqs->log_limit, "vfio: INTA# of %s cannot be connected: error %d",
			  host->address, -r);
}

/* ---- which of them ---- */

static void drain(int fd)
{
	eventfd_t unsent;

	if (fd >= 0)
		(void)eventfd_read(fd, &unsent);
}

static void leave_mode(struct vfio_irqs *irqs)
{
	if (irqs->mode == VFIO_IRQ_NONE)
		return;
	(void)irqs->host->ops->set_irqs(irqs->host, irq_index[irqs->mode], IRQS_OFF, 0, 0, NULL);
	if (irqs->mode == VFIO_IRQ_INTX) {
		irqs->intx.ops->disconnect(irqs->intx.ctx, irqs->intx.gsi, irqs->trigger);
		drain(irqs->trigger);
		drain(irqs->resample);
	}
	for (unsigned int i = 0; i < irqs->vector_count; i++) {
		disconnect(irqs, &irqs->vectors[i]);
		irqs->vectors[i].attached = false;
		drain(irqs->vectors[i].eventfd);
	}
	irqs->mode = VFIO_IRQ_NONE;
}

void vfio_irqs_fini(struct vfio_irqs *irqs)
{
	leave_mode(irqs);
	for (unsigned int i = 0; i < irqs->vector_count; i++)
		if (irqs->vectors[i].eventfd >= 0)
			close(irqs->vectors[i].eventfd);
	if (irqs->trigger >= 0)
		close(irqs->trigger);
	if (irqs->resample >= 0)
		close(irqs->resample);
	free(irqs->vectors);
	free(irqs->table);
	*irqs = (struct vfio_irqs){.trigger = -1, .resample = -1};
}

/* MSI-X wins over MSI, as in the device; INTA# is there as long as neither is on. */
static enum vfio_irq_mode wanted_mode(const struct vfio_irqs *irqs)
{
	if (msix_flags(irqs) & PCI_MSIX_FLAGS_ENABLE)
		return VFIO_IRQ_MSIX;
	if (msi_flags(irqs) & PCI_MSI_FLAGS_ENABLE)
		return VFIO_IRQ_MSI;
	return irqs->has_intx ? VFIO_IRQ_INTX : VFIO_IRQ_NONE;
}

bool vfio_irqs_concern(const struct vfio_irqs *irqs, unsigned int offset, unsigned int size)
{
	unsigned int msi = irqs->msi_cap, msix = irqs->msix_cap, end = offset + size;

	return (msi && offset < msi + msi_size(msi_flags(irqs)) && end > msi) ||
	       (msix && offset < msix + PCI_CAP_MSIX_SIZEOF && end > msix);
}

void vfio_irqs_update(struct vfio_irqs *irqs)
{
	enum vfio_irq_mode mode = wanted_mode(irqs);

	if (mode != irqs->mode) {
		leave_mode(irqs);
		irqs->mode = mode;
		switch (mode) {
		case VFIO_IRQ_NONE: break;
		case VFIO_IRQ_INTX: start_intx(irqs); break;
		case VFIO_IRQ_MSI: start_msis(irqs, irqs->msi_count); break;
		case VFIO_IRQ_MSIX: start_msis(irqs, irqs->msix_count); break;
		}
	}
	if (mode == VFIO_IRQ_MSI)
		set_msi_vectors(irqs);
	for (unsigned int i = 0; mode == VFIO_IRQ_MSIX && i < irqs->msix_count; i++)
		set_msix_vector(irqs, i);
}

void vfio_irqs_stop(struct vfio_irqs *irqs)
{
	leave_mode(irqs);
	clear_table(irqs);
}

/* ---- the table in a BAR ---- */

bool vfio_irqs_table_place(const struct vfio_irqs *irqs, unsigned int bar, uint64_t *ret_start,
			   uint64_t *ret_end)
{
	*ret_start = irqs->table_offset;
	*ret_end = irqs->table_offset + MSIX_TABLE_SIZE(irqs->msix_count);
	return irqs->msix_count && bar == irqs->table_bar;
}

bool vfio_irqs_pba_place(const struct vfio_irqs *irqs, unsigned int bar, uint64_t *ret_start,
			 uint64_t *ret_end)
{
	*ret_start = irqs->pba_offset;
	*ret_end = irqs->pba_offset + (irqs->msix_count + 63) / 64 * 8;
	return irqs->msix_count && bar == irqs->pba_bar;
}

uint64_t vfio_irqs_table_read(const struct vfio_irqs *irqs, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	if (msix_access_ok(offset, size, MSIX_TABLE_SIZE(irqs->msix_count)))
		memcpy(&value, (const uint8_t *)irqs->table + offset, size);
	return value;
}

void vfio_irqs_table_write(struct vfio_irqs *irqs, uint64_t offset, unsigned int size,
			   uint64_t value)
{
	if (!msix_access_ok(offset, size, MSIX_TABLE_SIZE(irqs->msix_count)))
		return;
	msix_write_entry(irqs->table[offset / 16], (unsigned int)(offset % 16), size, value);
	if (irqs->mode == VFIO_IRQ_MSIX)
		set_msix_vector(irqs, (unsigned int)(offset / 16));
}

/*
 * What a masked vector's eventfd has counted is pending; of one that has none yet the device says it, IN_DEVICE (PCI
 * Local Bus 3.0, 6.8.2.10).
 */
static bool is_pending(const struct vfio_vector *v, bool in_device)
{
	eventfd_t count;

	if (!v->attached)
		return in_device;
	if (v->connected || v->eventfd < 0 || eventfd_read(v->eventfd, &count) < 0)
		return false;
	(void)eventfd_write(v->eventfd, count);
	return true;
}

uint64_t vfio_irqs_pba_read(const struct vfio_irqs *irqs, uint64_t offset, unsigned int size)
{
	struct vfio_host *host = irqs->host;
	uint64_t value = 0, device = 0;

	if (!msix_access_ok(offset, size, (irqs->msix_count + 63) / 64 * 8))
		return 0;
	if (host->ops->read(host, irqs->pba_bar, irqs->pba_offset + offset, &device, size) !=
	    (ssize_t)size)
		device = 0;
	for (unsigned int i = 0; i < 8 * size && 8 * offset + i < irqs->msix_count; i++)
		value |= (uint64_t)is_pending(&irqs->vectors[8 * offset + i], device >> i & 1) << i;
	return value;
}
