/*
 * Configuration space of a device that is passed through. The kernel's own virtualisation (vfio_pci_config.c) guards the
 * host; this one makes it fit the guest's machine. Ours: identity, BARs, ROM, interrupts, the chain of capabilities, power
 * states. The device's: everything else. PCI Local Bus 3.0, chapter 6.
 *
 * The device's memory decode is never switched off and it never sleeps: the kernel would take the mapped BARs away then,
 * and the guest's next access would be a fault of the vCPU instead of all-ones.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "vmm/vfio/vfio.h"

#define CAPS_START    0x40
#define MAX_CAPS      48
#define COMMAND_BYTES 2
/* Bits of Command that are the device's business, too; INTx is masked by the kernel. */
#define COMMAND_PASSED (PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_INTX_DISABLE)
#define PM_SIZE	       8
#define EXP_LINK_SIZE  8 /* Link Capabilities, Control, Status */
#define ERROR_REPORTS \
	(PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE)

/* Of no use without what the guest's machine lacks: slots, hot plug, other ways to place BARs. */
static bool is_hidden(uint8_t id)
{
	return id == 0 || id == PCI_CAP_ID_SLOTID || id == PCI_CAP_ID_CHSWP ||
	       id == PCI_CAP_ID_SHPC || id == PCI_CAP_ID_EA || id == PCI_CAP_ID_AGP ||
	       id == PCI_CAP_ID_AGP3 || id == PCI_CAP_ID_HT;
}

unsigned int vfio_config_find_cap(const struct pci_device *pci, uint8_t id)
{
	unsigned int at = pci->cfg[PCI_CAPABILITY_LIST];

	/* The chain is ours: it ends. */
	while (at && pci->cfg[at] != id)
		at = pci->cfg[at + PCI_CAP_LIST_NEXT];
	return at;
}

void vfio_config_keep(struct vfio_config *config, unsigned int offset, unsigned int len)
{
	memset(config->forward + offset, 0, len);
}

/*
 * Goes through the device's chain, which may be anything, and makes one of those capabilities that the guest is to
 * see, in the same places.
 */
static void build_chain(struct vfio_config *config, struct pci_device *pci)
{
	unsigned int at = pci->cfg[PCI_CAPABILITY_LIST] & ~3u, last = PCI_CAPABILITY_LIST;
	bool seen[PCI_CFG_SIZE] = {false};
	bool has_list = pci->cfg[PCI_STATUS] & PCI_STATUS_CAP_LIST;

	pci->cfg[PCI_CAPABILITY_LIST] = 0;
	pci->cfg[PCI_STATUS] &= (uint8_t)~PCI_STATUS_CAP_LIST;
	for (int n = 0; has_list && n < MAX_CAPS && at >= CAPS_START && !seen[at]; n++) {
		unsigned int next = pci->cfg[at + PCI_CAP_LIST_NEXT] & ~3u;

		seen[at] = true;
		vfio_config_keep(config, at, PCI_CAP_FLAGS);
		if (is_hidden(pci->cfg[at])) {
			pci->cfg[at] = 0;
		} else {
			pci->cfg[last] = (uint8_t)at;
			pci->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
			last = at + PCI_CAP_LIST_NEXT;
		}
		pci->cfg[at + PCI_CAP_LIST_NEXT] = 0;
		at = next;
	}
}

/* Power states are played: see above. What is lost with the power is not, so it is said that nothing is. */
static void keep_power(struct vfio_config *config, struct pci_device *pci)
{
	unsigned int at = vfio_config_find_cap(pci, PCI_CAP_ID_PM);
	uint8_t *pmcsr = pci->cfg + at + PCI_PM_CTRL;

	if (!at || at + PM_SIZE > PCI_CFG_SIZE)
		return;
	vfio_config_keep(config, at, PM_SIZE);
	/* No PME#, and no D1 and D2. */
	pci_put16(pci->cfg + at + PCI_PM_PMC,
		  pci_get16(pci->cfg + at + PCI_PM_PMC) & PCI_PM_CAP_VER_MASK);
	pci_put16(pmcsr, PCI_PM_CTRL_NO_SOFT_RESET);
	pci->wmask[at + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
}

/* On a bus without a root port an endpoint is an integrated one, and has no link (PCI Express 3.0, 7.8.2). */
static void keep_link(struct vfio_config *config, struct pci_device *pci)
{
	unsigned int at = vfio_config_find_cap(pci, PCI_CAP_ID_EXP), flags;

	if (!at || at + PCI_EXP_LNKCAP + EXP_LINK_SIZE > PCI_CFG_SIZE)
		return;
	flags = pci_get16(pci->cfg + at + PCI_EXP_FLAGS);
	if ((flags & PCI_EXP_FLAGS_TYPE) >> 4 != PCI_EXP_TYPE_ENDPOINT)
		return;
	flags = (flags & ~(unsigned int)PCI_EXP_FLAGS_TYPE) | PCI_EXP_TYPE_RC_END << 4;
	vfio_config_keep(config, at, PCI_EXP_DEVCAP);
	pci_put16(pci->cfg + at + PCI_EXP_FLAGS, (uint16_t)flags);
	vfio_config_keep(config, at + PCI_EXP_LNKCAP, EXP_LINK_SIZE);
	memset(pci->cfg + at + PCI_EXP_LNKCAP, 0, EXP_LINK_SIZE);
}

/*
 * Which errors the device reports is between it and the host (PCI Express 3.0, 6.2); the guest has bits of its own, which
 * nobody looks at. Where the host's kernel hears of errors, those that a device does not recover from are to reach
 * it: many drivers of Linux before 6.4 switched that off when they let their device go.
 */
static void keep_reports(struct vfio_config *config, struct pci_device *pci, bool aer)
{
	unsigned int at = vfio_config_find_cap(pci, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;
	uint8_t byte;

	if (at == PCI_EXP_DEVCTL || at >= PCI_CFG_SIZE)
		return;
	config->devctl = at;
	config->reports = pci->cfg[at] & ERROR_REPORTS;
	if (aer) {
		config->reports |= PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE;
		config->command_on |= PCI_COMMAND_SERR; /* the same; QEMU wants both */
	}
	config->forward[at] = (uint8_t)~ERROR_REPORTS;
	pci->wmask[at] = ERROR_REPORTS;
	pci->cfg[at] &= (uint8_t)~ERROR_REPORTS;
	byte = pci->cfg[at] | config->reports;
	(void)config->host->ops->write(config->host, VFIO_PCI_CONFIG_REGION_INDEX, at, &byte, 1);
}

static void init_header(struct pci_device *pci, const struct pci_device_ops *ops,
			const uint8_t *cfg)
{
	const struct pci_ids ids = {
		.vendor = pci_get16(cfg + PCI_VENDOR_ID),
		.device = pci_get16(cfg + PCI_DEVICE_ID),
		.subsystem_vendor = pci_get16(cfg + PCI_SUBSYSTEM_VENDOR_ID),
		.subsystem = pci_get16(cfg + PCI_SUBSYSTEM_ID),
		.revision = cfg[PCI_REVISION_ID],
		.class_code = pci_get32(cfg + PCI_CLASS_REVISION) >> 8,
	};

	pci_device_init(pci, ops, &ids);
	/* One function of a slot of its own, whatever it is beside in the host. */
	pci->cfg[PCI_CAPABILITY_LIST] = cfg[PCI_CAPABILITY_LIST];
	pci->cfg[PCI_MIN_GNT] = cfg[PCI_MIN_GNT];
	pci->cfg[PCI_MAX_LAT] = cfg[PCI_MAX_LAT];
	memcpy(pci->cfg + PCI_STATUS, cfg + PCI_STATUS, 2);
	pci->w1c[PCI_STATUS] = pci->w1c[PCI_STATUS + 1] = 0; /* the device clears them */
	memcpy(pci->cfg + CAPS_START, cfg + CAPS_START, PCI_CFG_SIZE - CAPS_START);
}

int vfio_config_init(struct vfio_config *config, struct pci_device *pci,
		     const struct pci_device_ops *ops, struct vfio_host *host, bool aer,
		     struct vmb_err *err)
{
	uint8_t cfg[PCI_CFG_SIZE];
	ssize_t n = host->ops->read(host, VFIO_PCI_CONFIG_REGION_INDEX, 0, cfg, sizeof(cfg));

	if (n != (ssize_t)sizeof(cfg) || pci_get16(cfg) == 0xFFFF)
		return vmb_err_set(
			err, EIO,
			"PCI device %s does not answer: its configuration space cannot be "
			"read. It may be switched off or broken; restart the machine.",
			host->address);
	if ((cfg[PCI_HEADER_TYPE] & 0x7F) != PCI_HEADER_TYPE_NORMAL)
		return vmb_err_set(
			err, EINVAL,
			"PCI device %s is a bridge, which cannot be passed through. Pass the "
			"devices behind it.",
			host->address);
	*config = (struct vfio_config){.host = host};
	config->command_on = pci_get16(cfg + PCI_COMMAND) & PCI_COMMAND_SERR;
	init_header(pci, ops, cfg);
	memset(config->forward + CAPS_START, 0xFF, PCI_CFG_SIZE - CAPS_START);
	config->forward[PCI_STATUS] = PCI_STATUS_INTERRUPT;
	config->forward[PCI_STATUS + 1] = 0xFF;
	build_chain(config, pci);
	keep_power(config, pci);
	keep_link(config, pci);
	keep_reports(config, pci, aer);
	for (unsigned int i = 0; i < PCI_BARS; i++)
		if (host->regions[i].size)
			config->command_on |=
				cfg[PCI_BASE_ADDRESS_0 + 4 * i] & PCI_BASE_ADDRESS_SPACE_IO
					? PCI_COMMAND_IO
					: PCI_COMMAND_MEMORY;
	return 0;
}

static bool any_forwarded(const struct vfio_config *config, unsigned int offset, unsigned int size)
{
	for (unsigned int i = 0; i < size; i++)
		if (config->forward[offset + i])
			return true;
	return false;
}

void vfio_config_reading(struct vfio_config *config, struct pci_device *pci, unsigned int offset,
			 unsigned int size)
{
	struct vfio_host *host = config->host;
	uint8_t now[8];

	if (!any_forwarded(config, offset, size))
		return;
	if (host->ops->read(host, VFIO_PCI_CONFIG_REGION_INDEX, offset, now, size) != (ssize_t)size)
		memset(now, 0xFF, sizeof(now));
	pthread_mutex_lock(&pci->lock);
	for (unsigned int i = 0; i < size; i++) {
		uint8_t mask = config->forward[offset + i];

		pci->cfg[offset + i] = (uint8_t)((pci->cfg[offset + i] & ~mask) | (now[i] & mask));
	}
	pthread_mutex_unlock(&pci->lock);
}

/* Is byte AT written to the device? */
static bool is_passed(const struct vfio_config *config, unsigned int at)
{
	return config->forward[at] == 0xFF || (at == config->devctl && config->forward[at]);
}

void vfio_config_writing(struct vfio_config *config, unsigned int offset, unsigned int size,
			 uint64_t value)
{
	struct vfio_host *host = config->host;
	uint8_t bytes[8];
	unsigned int from = 0, devctl = config->devctl - offset;

	memcpy(bytes, &value, sizeof(bytes));
	if (devctl < size)
		bytes[devctl] = (uint8_t)((bytes[devctl] & ~ERROR_REPORTS) | config->reports);
	while (from < size) {
		unsigned int n = 0;

		while (from + n < size && is_passed(config, offset + from + n))
			n++;
		/* What the device does not take is lost, as on a bus. */
		if (n)
			(void)host->ops->write(host, VFIO_PCI_CONFIG_REGION_INDEX, offset + from,
					       bytes + from, n);
		from += n ? n : 1;
	}
}

void vfio_config_command(struct vfio_config *config, struct pci_device *pci)
{
	struct vfio_host *host = config->host;
	uint8_t command[COMMAND_BYTES];

	pthread_mutex_lock(&pci->lock);
	pci_put16(command, (uint16_t)((pci_get16(pci->cfg + PCI_COMMAND) & COMMAND_PASSED) |
				      config->command_on));
	(void)host->ops->write(host, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command,
			       COMMAND_BYTES);
	pthread_mutex_unlock(&pci->lock);
}
