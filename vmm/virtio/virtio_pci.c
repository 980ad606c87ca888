/*
 * The PCI face of a virtio device: modern only (virtio 1.2, 4.1), capabilities, the parts of the
 * BAR, doorbells; the registers of the first part are virtio_common.c. One memory BAR holds
 * everything, MSI-X too, each part on its own page.
 *
 * The doorbells are there twice: KVM decodes a write to a port without looking at the instruction,
 * which on AMD's processors it must for a write to memory. So the ports are offered first (4.1.4: the
 * order is the device's preference), and memory to a driver that has no use for ports.
 */
#include "vmm/virtio/virtio.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>

#define BAR_INDEX 0
#define BAR_SIZE  0x8000
#define AT_COMMON 0x0000
#define AT_ISR	  0x1000
#define AT_CONFIG 0x2000
#define AT_NOTIFY 0x3000
#define AT_TABLE  0x4000
#define AT_PBA	  0x5000
#define PART_SIZE 0x1000

#define NOTIFY_MULTIPLIER 4
#define VENDOR		  0x1AF4
#define MODERN_ID	  0x1040 /* + the device's type */
#define REVISION	  1	 /* what tells drivers a modern device */

/* Behind a 32-bit BAR: EDK2 numbers BARs without the second halves of 64-bit ones, and would miss it there. */
#define PORTS_INDEX 1
#define PORTS_SIZE  64
_Static_assert(NOTIFY_MULTIPLIER *VIRTIO_MAX_QUEUES <= PORTS_SIZE, "a doorbell for each queue");

static struct virtio_device *to_virtio(struct pci_device *dev)
{
	return (struct virtio_device *)((char *)dev - offsetof(struct virtio_device, pci));
}

/* ---- doorbells that need no exit ---- */

/* The first doorbell, of queue 0. */
static struct doorbell_place first_doorbell(const struct virtio_device *vdev)
{
	if (vdev->ports_addr != PCI_UNMAPPED)
		return (struct doorbell_place){.is_port = true, .addr = vdev->ports_addr};
	if (vdev->bar_addr != PCI_UNMAPPED)
		return (struct doorbell_place){.addr = vdev->bar_addr + AT_NOTIFY};
	return (struct doorbell_place){.addr = PCI_UNMAPPED};
}

static struct doorbell_place doorbell_of(const struct doorbell_place *first, unsigned int queue)
{
	return (struct doorbell_place){
		.is_port = first->is_port,
		.addr = first->addr + NOTIFY_MULTIPLIER * queue,
	};
}

/*
 * pci.lock held. A driver that has switched interrupts on does not look right after ringing, so its
 * doorbells go straight to the I/O thread; firmware polls, and its exit is used to answer at once.
 * A driver that uses memory although there are ports exits, too.
 */
static void update_doorbells(struct virtio_device *vdev)
{
	const struct doorbell_target *t = &vdev->env.doorbell;
	struct doorbell_place first = {.addr = PCI_UNMAPPED}, place;
	unsigned int i;

	if (msix_enabled(&vdev->msix) || vdev->wants_doorbells)
		first = first_doorbell(vdev);
	if (first.addr == vdev->doorbell.addr)
		return; /* no port is a memory address that a BAR can have */
	for (i = 0; i < vdev->params.queues; i++) {
		struct virtio_queue *q = &vdev->queues[i];

		place = doorbell_of(&vdev->doorbell, i);
		if (q->doorbell_attached)
			t->ops->detach(t->ctx, &place, 0, q->watch.fd);
		place = doorbell_of(&first, i);
		q->doorbell_attached = first.addr != PCI_UNMAPPED && !q->driver_spins &&
				       t->ops->attach(t->ctx, &place, 0, q->watch.fd) == 0;
	}
	vdev->doorbell = first;
}

void virtio_want_doorbells(struct virtio_device *vdev, bool wants)
{
	pthread_mutex_lock(&vdev->pci.lock);
	vdev->wants_doorbells = wants;
	update_doorbells(vdev);
	pthread_mutex_unlock(&vdev->pci.lock);
}

static void virtio_bar_mapped(struct pci_device *dev, unsigned int bar, uint64_t addr)
{
	struct virtio_device *vdev = to_virtio(dev);

	if (bar == PORTS_INDEX)
		vdev->ports_addr = addr;
	else
		vdev->bar_addr = addr;
	update_doorbells(vdev);
}

/* ---- the BAR ---- */

/* Reading takes the interrupt away (4.1.4.5). */
static uint64_t read_isr(struct virtio_device *vdev)
{
	uint64_t isr;

	pthread_mutex_lock(&vdev->pci.lock);
	isr = vdev->isr;
	vdev->isr = 0;
	virtio_update_intx(vdev);
	pthread_mutex_unlock(&vdev->pci.lock);
	return isr;
}

static uint64_t read_config(struct virtio_device *vdev, uint64_t offset, unsigned int size)
{
	uint64_t value = 0;

	pthread_mutex_lock(&vdev->pci.lock);
	if (offset + size <= vdev->params.config_len)
		memcpy(&value, (const char *)vdev->params.config + offset, size);
	pthread_mutex_unlock(&vdev->pci.lock);
	return value;
}

static uint64_t read_msix(struct virtio_device *vdev, uint64_t offset, unsigned int size)
{
	uint64_t value;

	pthread_mutex_lock(&vdev->pci.lock);
	if (offset < AT_PBA)
		value = msix_table_read(&vdev->msix, offset - AT_TABLE, size);
	else
		value = msix_pba_read(&vdev->msix, offset - AT_PBA, size);
	pthread_mutex_unlock(&vdev->pci.lock);
	return value;
}

static uint64_t virtio_bar_read(struct pci_device *dev, unsigned int bar, uint64_t offset,
				unsigned int size)
{
	struct virtio_device *vdev = to_virtio(dev);

	if (bar == PORTS_INDEX)
		return 0; /* doorbells are only written */
	switch (offset / PART_SIZE * PART_SIZE) {
	case AT_COMMON: return virtio_common_read(vdev, offset, size);
	case AT_ISR: return offset == AT_ISR ? read_isr(vdev) : 0;
	case AT_CONFIG: return read_config(vdev, offset - AT_CONFIG, size);
	case AT_TABLE:
	case AT_PBA: return read_msix(vdev, offset, size);
	default: return 0;
	}
}

/* pci.lock held. */
static void tell_vectors_changed(struct virtio_device *vdev)
{
	if (vdev->ops->vectors_changed)
		vdev->ops->vectors_changed(vdev);
}

static void write_notify(struct virtio_device *vdev, uint64_t offset)
{
	uint64_t queue = offset / NOTIFY_MULTIPLIER;

	if (queue < vdev->params.queues && offset % NOTIFY_MULTIPLIER == 0)
		virtio_io_ring(&vdev->queues[queue]);
}

static void write_config(struct virtio_device *vdev, uint64_t offset, unsigned int size,
			 uint64_t value)
{
	if (!vdev->ops->write_config || offset + size > vdev->params.config_len)
		return;
	pthread_mutex_lock(&vdev->pci.lock);
	vdev->ops->write_config(vdev, offset, size, value);
	pthread_mutex_unlock(&vdev->pci.lock);
}

static void virtio_bar_write(struct pci_device *dev, unsigned int bar, uint64_t offset,
			     unsigned int size, uint64_t value)
{
	struct virtio_device *vdev = to_virtio(dev);

	if (bar == PORTS_INDEX) {
		write_notify(vdev, offset);
		return;
	}
	switch (offset / PART_SIZE * PART_SIZE) {
	case AT_COMMON: virtio_common_write(vdev, offset, size, value); break;
	case AT_NOTIFY: write_notify(vdev, offset - AT_NOTIFY); break;
	case AT_TABLE:
		pthread_mutex_lock(&vdev->pci.lock);
		msix_table_write(&vdev->msix, offset - AT_TABLE, size, value);
		tell_vectors_changed(vdev);
		pthread_mutex_unlock(&vdev->pci.lock);
		break;
	case AT_CONFIG: write_config(vdev, offset - AT_CONFIG, size, value); break;
	default: break; /* the rest is read-only */
	}
}

/* ---- configuration space ---- */

static bool touches(unsigned int offset, unsigned int size, unsigned int start, unsigned int len)
{
	return offset < start + len && offset + size > start;
}

/* What the window capability (4.1.4.9) points at. */
struct window {
	unsigned int bar;
	unsigned int size;
	uint64_t offset;
};

/* False when it is not a possible access. */
static bool window_target(struct virtio_device *vdev, struct window *ret_window)
{
	const uint8_t *cap = vdev->pci.cfg + vdev->pci_cfg_cap;
	struct window w;

	pthread_mutex_lock(&vdev->pci.lock);
	w.bar = cap[offsetof(struct virtio_pci_cap, bar)];
	w.size = pci_get32(cap + offsetof(struct virtio_pci_cap, length));
	w.offset = pci_get32(cap + offsetof(struct virtio_pci_cap, offset));
	pthread_mutex_unlock(&vdev->pci.lock);
	if ((w.size != 1 && w.size != 2 && w.size != 4) || w.offset % w.size)
		return false;
	if (!(w.bar == BAR_INDEX && w.offset < BAR_SIZE) &&
	    !(w.bar == PORTS_INDEX && w.offset < PORTS_SIZE))
		return false;
	*ret_window = w;
	return true;
}

static bool touches_window_data(const struct virtio_device *vdev, unsigned int offset,
				unsigned int size)
{
	return touches(offset, size, vdev->pci_cfg_cap + sizeof(struct virtio_pci_cap), 4);
}

static void virtio_cfg_reading(struct pci_device *dev, unsigned int offset, unsigned int size)
{
	struct virtio_device *vdev = to_virtio(dev);
	uint8_t *data = dev->cfg + vdev->pci_cfg_cap + sizeof(struct virtio_pci_cap);
	struct window w;
	uint64_t value;

	if (!touches_window_data(vdev, offset, size) || !window_target(vdev, &w))
		return;
	value = virtio_bar_read(dev, w.bar, w.offset, w.size);
	pthread_mutex_lock(&dev->lock);
	memcpy(data, &value, w.size);
	pthread_mutex_unlock(&dev->lock);
}

static void write_window(struct virtio_device *vdev)
{
	const uint8_t *data = vdev->pci.cfg + vdev->pci_cfg_cap + sizeof(struct virtio_pci_cap);
	struct window w;
	uint64_t value = 0;

	if (!window_target(vdev, &w))
		return;
	pthread_mutex_lock(&vdev->pci.lock);
	memcpy(&value, data, w.size);
	pthread_mutex_unlock(&vdev->pci.lock);
	virtio_bar_write(&vdev->pci, w.bar, w.offset, w.size, value);
}

void virtio_tell(const struct virtio_device *vdev, enum virtio_event event)
{
	if (vdev->env.observer.event)
		vdev->env.observer.event(vdev->env.observer.arg, event);
}

/* Does the BAR's low half hold the answer to being measured: all its writable bits set? */
static bool bar_is_sized(const struct pci_device *dev)
{
	uint32_t mask = pci_get32(dev->wmask + PCI_BASE_ADDRESS_0);

	return (pci_get32(dev->cfg + PCI_BASE_ADDRESS_0) & mask) == mask;
}

static void virtio_cfg_written(struct pci_device *dev, unsigned int offset, unsigned int size)
{
	struct virtio_device *vdev = to_virtio(dev);
	bool master, was_master, sized, msix = false;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	if (touches(offset, size, vdev->msix.cap + PCI_MSIX_FLAGS, 2)) {
		msix_cfg_written(&vdev->msix);
		tell_vectors_changed(vdev);
		virtio_update_intx(vdev);
		update_doorbells(vdev);
		msix = msix_enabled(&vdev->msix);
	}
	sized = touches(offset, size, PCI_BASE_ADDRESS_0, 4) && bar_is_sized(dev);
	master = pci_device_is_bus_master(dev);
	was_master = atomic_exchange(&vdev->bus_master, master);
	pthread_mutex_unlock(&dev->lock);

	if (sized)
		virtio_tell(vdev, VIRTIO_EVENT_SIZED);
	if (msix)
		virtio_tell(vdev, VIRTIO_EVENT_MSIX);
	if (was_master && !master) {
		pthread_mutex_lock(&vdev->lock);
		virtio_io_hold(vdev);
		pthread_mutex_unlock(&vdev->lock);
	}
	for (i = 0; master && !was_master && i < vdev->params.queues; i++)
		virtio_kick_again(&vdev->queues[i]); /* what was rung meanwhile */
	if (master != was_master && vdev->ops->bus_master)
		vdev->ops->bus_master(vdev);
	if (touches_window_data(vdev, offset, size))
		write_window(vdev);
}

static void virtio_reset(struct pci_device *dev)
{
	struct virtio_device *vdev = to_virtio(dev);

	pthread_mutex_lock(&vdev->lock);
	virtio_io_reset(vdev);
	pthread_mutex_unlock(&vdev->lock);
	pthread_mutex_lock(&dev->lock);
	vdev->wants_doorbells = false;
	msix_reset(&vdev->msix);
	atomic_store(&vdev->bus_master, false);
	pthread_mutex_unlock(&dev->lock);
}

static void virtio_destroy(struct pci_device *dev)
{
	struct virtio_device *vdev = to_virtio(dev);

	virtio_io_fini(vdev);
	msix_fini(&vdev->msix);
	pci_device_fini(dev);
	pthread_mutex_destroy(&vdev->lock);
	vdev->ops->destroy(vdev);
}

static const struct pci_device_ops virtio_pci_ops = {
	.bar_read = virtio_bar_read,
	.bar_write = virtio_bar_write,
	.bar_mapped = virtio_bar_mapped,
	.cfg_written = virtio_cfg_written,
	.cfg_reading = virtio_cfg_reading,
	.reset = virtio_reset,
	.destroy = virtio_destroy,
};

/* A vendor capability of 4.1.4 that says where in BAR a part lies. Returns its offset. */
static unsigned int add_part(struct virtio_device *vdev, uint8_t type, unsigned int cap_len,
			     uint8_t bar, uint32_t offset, uint32_t length)
{
	unsigned int at = pci_device_add_cap(&vdev->pci, PCI_CAP_ID_VNDR, cap_len);
	uint8_t *cap = vdev->pci.cfg + at;

	cap[offsetof(struct virtio_pci_cap, cap_len)] = (uint8_t)cap_len;
	cap[offsetof(struct virtio_pci_cap, cfg_type)] = type;
	cap[offsetof(struct virtio_pci_cap, bar)] = bar;
	pci_put32(cap + offsetof(struct virtio_pci_cap, offset), offset);
	pci_put32(cap + offsetof(struct virtio_pci_cap, length), length);
	return at;
}

static void add_doorbells(struct virtio_device *vdev, uint8_t bar, uint32_t offset)
{
	const unsigned int len = sizeof(struct virtio_pci_notify_cap);
	unsigned int at = add_part(vdev, VIRTIO_PCI_CAP_NOTIFY_CFG, len, bar, offset,
				   NOTIFY_MULTIPLIER * vdev->params.queues);

	pci_put32(vdev->pci.cfg + at +
			  offsetof(struct virtio_pci_notify_cap, notify_off_multiplier),
		  NOTIFY_MULTIPLIER);
}

static void add_capabilities(struct virtio_device *vdev)
{
	const unsigned int len = sizeof(struct virtio_pci_cap);
	struct pci_device *dev = &vdev->pci;
	unsigned int at;

	add_part(vdev, VIRTIO_PCI_CAP_COMMON_CFG, len, BAR_INDEX, AT_COMMON,
		 sizeof(struct virtio_pci_common_cfg));
	add_part(vdev, VIRTIO_PCI_CAP_ISR_CFG, len, BAR_INDEX, AT_ISR, 1);
	if (vdev->params.config_len)
		add_part(vdev, VIRTIO_PCI_CAP_DEVICE_CFG, len, BAR_INDEX, AT_CONFIG,
			 vdev->params.config_len);
	add_doorbells(vdev, PORTS_INDEX, 0);
	add_doorbells(vdev, BAR_INDEX, AT_NOTIFY);

	at = add_part(vdev, VIRTIO_PCI_CAP_PCI_CFG, len + 4, BAR_INDEX, 0, 0);
	vdev->pci_cfg_cap = at;
	dev->wmask[at + offsetof(struct virtio_pci_cap, bar)] = 0xFF;
	pci_put32(dev->wmask + at + offsetof(struct virtio_pci_cap, offset), UINT32_MAX);
	pci_put32(dev->wmask + at + offsetof(struct virtio_pci_cap, length), UINT32_MAX);
	pci_put32(dev->wmask + at + len, UINT32_MAX);
}

int virtio_device_init(struct virtio_device *vdev, const struct virtio_device_ops *ops,
		       const struct virtio_params *params, const struct virtio_env *env)
{
	const struct pci_ids ids = {
		.vendor = VENDOR,
		.device = MODERN_ID + params->type,
		.subsystem_vendor = VENDOR,
		.subsystem = MODERN_ID + params->type,
		.revision = REVISION,
		.class_code = params->class_code,
		.has_intx = true,
	};
	int rc;

	assert(params->queues <= VIRTIO_MAX_QUEUES && params->queue_size <= VQ_MAX_SIZE);
	vdev->ops = ops;
	vdev->env = *env;
	vdev->params = *params;
	vdev->config_vector = MSIX_NO_VECTOR;
	vdev->bar_addr = PCI_UNMAPPED;
	vdev->ports_addr = PCI_UNMAPPED;
	vdev->doorbell.addr = PCI_UNMAPPED;
	pthread_mutex_init(&vdev->lock, NULL);

	pci_device_init(&vdev->pci, &virtio_pci_ops, &ids);
	pci_device_add_bar(&vdev->pci, BAR_INDEX, BAR_SIZE, false, false);
	pci_device_add_io_bar(&vdev->pci, PORTS_INDEX, PORTS_SIZE);
	rc = msix_init(&vdev->msix, &vdev->pci, &env->msi, params->queues + 1, BAR_INDEX, AT_TABLE,
		       AT_PBA);
	if (rc < 0)
		goto err_pci;
	add_capabilities(vdev);
	rc = virtio_io_init(vdev);
	if (rc < 0)
		goto err_msix;
	return 0;

err_msix:
	msix_fini(&vdev->msix);
err_pci:
	pci_device_fini(&vdev->pci);
	pthread_mutex_destroy(&vdev->lock);
	return rc;
}
