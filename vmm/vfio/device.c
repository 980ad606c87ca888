/*
 * A device that is passed through, as a function of the guest's PCI bus: its BARs, its expansion ROM, its resets and its
 * end. What of a BAR can be mapped is the guest's without an exit, but for the pages with the MSI-X table and the pending
 * bits; the rest is read and written here.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/vfio/vfio.h"

#define PAGE	      4096ULL
#define MAX_ROM	      (16ULL << 20)
#define MIN_ROM	      0x1000ULL /* a page, to be mapped */
#define MAX_IO	      256
#define MIN_MEM	      16
#define ROM_SIGNATURE 0xAA55 /* PCI Local Bus 3.0, 6.3.1.1 */

/* A part of a BAR that is, or will be, the guest's memory. */
struct window {
	uint64_t offset;
	uint64_t size;
	void *host;
	bool placed;
	uint64_t gpa;
	unsigned int handle;
};

struct windows {
	unsigned int count;
	struct window
		list[VFIO_MAX_AREAS + 2]; /* the table and the pending bits may cut two in halves */
};

/* One of the device's own ways to say that it cannot go on. */
struct alarm {
	struct vfio_device *dev;
	unsigned int index; /* VFIO_PCI_*_IRQ_INDEX */
	struct ring_watch watch;
};

struct vfio_device {
	struct pci_device pci; /* first */
	struct vfio_host *host;
	struct vfio_env env;
	struct vfio_config config;
	struct vfio_irqs irqs;
	struct windows windows[PCI_ROM + 1];
	struct alarm error, request;
};

/* ---- what of a BAR is memory ---- */

/* START..END without the pages from FROM to TO. */
static void cut(struct windows *windows, uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
	from &= ~(PAGE - 1);
	to = (to + PAGE - 1) & ~(PAGE - 1);
	if (to <= start || from >= end) {
		from = end;
		to = end;
	}
	if (start < from && windows->count < VFIO_MAX_AREAS + 2)
		windows->list[windows->count++] =
			(struct window){.offset = start, .size = from - start};
	if (to < end && windows->count < VFIO_MAX_AREAS + 2)
		windows->list[windows->count++] = (struct window){.offset = to, .size = end - to};
}

static void cut_all(struct windows *windows, uint64_t from, uint64_t to)
{
	struct windows before = *windows;

	windows->count = 0;
	for (unsigned int i = 0; i < before.count; i++)
		cut(windows, before.list[i].offset, before.list[i].offset + before.list[i].size,
		    from, to);
}

static void find_windows(struct vfio_device *dev, unsigned int bar)
{
	const struct vfio_region *region = &dev->host->regions[bar];
	struct windows *windows = &dev->windows[bar];
	uint64_t from, to;

	for (unsigned int i = 0; i < region->area_count; i++)
		windows->list[windows->count++] = (struct window){.offset = region->areas[i].offset,
								  .size = region->areas[i].size};
	if (vfio_irqs_table_place(&dev->irqs, bar, &from, &to))
		cut_all(windows, from, to);
	if (vfio_irqs_pba_place(&dev->irqs, bar, &from, &to))
		cut_all(windows, from, to);
	for (unsigned int i = 0; i < windows->count; i++) {
		struct window *w = &windows->list[i];

		w->host = dev->host->ops->map(dev->host, bar, w->offset, w->size);
	}
}

static void place(struct vfio_device *dev, struct window *w, uint64_t gpa, bool read_only)
{
	int r;

	if (!w->host)
		return;
	r = dev->env.map_ops->map(dev->env.map_ctx, gpa, w->size, w->host, read_only, &w->handle);
	w->placed = r == 0;
	w->gpa = gpa;
	/* Where something else is already: accesses go through us, if they come. */
	if (r < 0 && log_limit_ok(&dev->pci.log_limit))
		log_debug("vfio: %s cannot be mapped at %#llx (%d)", dev->host->address,
			  (unsigned long long)gpa, r);
}

static void displace(struct vfio_device *dev, struct window *w)
{
	if (w->placed)
		dev->env.map_ops->unmap(dev->env.map_ctx, w->gpa, w->size, w->handle);
	w->placed = false;
}

static void device_bar_mapped(struct pci_device *pci, unsigned int bar, uint64_t addr)
{
	struct vfio_device *dev = (struct vfio_device *)pci;
	struct windows *windows = &dev->windows[bar];

	for (unsigned int i = 0; i < windows->count; i++) {
		struct window *w = &windows->list[i];

		displace(dev, w);
		if (addr != PCI_UNMAPPED)
			place(dev, w, addr + w->offset, bar == PCI_ROM);
	}
}

/* ---- what is not ---- */

static bool overlaps(uint64_t offset, unsigned int size, uint64_t from, uint64_t to)
{
	return offset < to && offset + size > from;
}

static uint64_t device_bar_read(struct pci_device *pci, unsigned int bar, uint64_t offset,
				unsigned int size)
{
	struct vfio_device *dev = (struct vfio_device *)pci;
	uint64_t value = 0, from, to;

	if (bar == PCI_ROM) {
		memcpy(&value, (uint8_t *)dev->windows[PCI_ROM].list[0].host + offset, size);
		return value;
	}
	if (vfio_irqs_table_place(&dev->irqs, bar, &from, &to) &&
	    overlaps(offset, size, from, to)) {
		pthread_mutex_lock(&pci->lock);
		value = vfio_irqs_table_read(&dev->irqs, offset - from, size);
		pthread_mutex_unlock(&pci->lock);
		return value;
	}
	if (vfio_irqs_pba_place(&dev->irqs, bar, &from, &to) && overlaps(offset, size, from, to)) {
		pthread_mutex_lock(&pci->lock);
		value = vfio_irqs_pba_read(&dev->irqs, offset - from, size);
		pthread_mutex_unlock(&pci->lock);
		return value;
	}
	if (dev->host->ops->read(dev->host, bar, offset, &value, size) != (ssize_t)size)
		return UINT64_MAX;
	return value;
}

static void device_bar_write(struct pci_device *pci, unsigned int bar, uint64_t offset,
			     unsigned int size, uint64_t value)
{
	struct vfio_device *dev = (struct vfio_device *)pci;
	uint64_t from, to;

	if (bar == PCI_ROM)
		return;
	if (vfio_irqs_table_place(&dev->irqs, bar, &from, &to) &&
	    overlaps(offset, size, from, to)) {
		pthread_mutex_lock(&pci->lock);
		vfio_irqs_table_write(&dev->irqs, offset - from, size, value);
		pthread_mutex_unlock(&pci->lock);
		return;
	}
	if (vfio_irqs_pba_place(&dev->irqs, bar, &from, &to) && overlaps(offset, size, from, to))
		return;
	/* What the device does not take is lost, as on a bus. */
	(void)dev->host->ops->write(dev->host, bar, offset, &value, size);
}

/* ---- configuration space ---- */

static void device_cfg_reading(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct vfio_device *dev = (struct vfio_device *)pci;

	vfio_config_reading(&dev->config, pci, offset, size);
}

static void device_cfg_writing(struct pci_device *pci, unsigned int offset, unsigned int size,
			       uint64_t value)
{
	struct vfio_device *dev = (struct vfio_device *)pci;

	vfio_config_writing(&dev->config, offset, size, value);
}

static void device_cfg_written(struct pci_device *pci, unsigned int offset, unsigned int size)
{
	struct vfio_device *dev = (struct vfio_device *)pci;

	if (overlaps(offset, size, PCI_COMMAND, PCI_COMMAND + 2))
		vfio_config_command(&dev->config, pci);
	pthread_mutex_lock(&pci->lock);
	if (vfio_irqs_concern(&dev->irqs, offset, size))
		vfio_irqs_update(&dev->irqs);
	pthread_mutex_unlock(&pci->lock);
}

/* ---- life ---- */

/* No interrupt and no DMA of the device any more when this returns, if it can be reset. */
static void device_reset(struct pci_device *pci)
{
	struct vfio_device *dev = (struct vfio_device *)pci;

	pthread_mutex_lock(&pci->lock);
	vfio_irqs_stop(&dev->irqs);
	memcpy(pci->cfg, pci->power_on, sizeof(pci->cfg));
	pthread_mutex_unlock(&pci->lock);
	vfio_config_command(&dev->config, pci);
	(void)vfio_reset(dev->host);
	vfio_config_command(&dev->config, pci);
	pthread_mutex_lock(&pci->lock);
	vfio_irqs_update(&dev->irqs);
	pthread_mutex_unlock(&pci->lock);
}

static void alarm_rings(struct ring_watch *watch, uint64_t value)
{
	struct alarm *alarm = watch->arg;
	struct vfio_device *dev = alarm->dev;
	char text[320];

	(void)value;
	if (alarm->index == VFIO_PCI_ERR_IRQ_INDEX)
		snprintf(text, sizeof(text),
			 "PCI device %s, which is passed through, reported an error that it cannot "
			 "recover from (PCI Express AER). The host's kernel log says more.",
			 dev->host->address);
	else
		snprintf(text, sizeof(text),
			 "PCI device %s, which is passed through, is taken away: it is being "
			 "unplugged, or the host wants it back.",
			 dev->host->address);
	dev->env.failed(dev->env.failed_ctx, text);
}

/* Not every device has them. */
static int set_alarm(struct vfio_device *dev, struct alarm *alarm, unsigned int index)
{
	int r;

	*alarm = (struct alarm){.dev = dev, .index = index, .watch.fd = -1};
	if (!dev->host->irq_count[index] || !dev->env.ring)
		return 0;
	alarm->watch = (struct ring_watch){
		.fd = eventfd(0, EFD_CLOEXEC), .is_eventfd = true, .fn = alarm_rings, .arg = alarm};
	if (alarm->watch.fd < 0)
		return -EMFILE;
	r = dev->host->ops->set_irqs(dev->host, index,
				     VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1,
				     &alarm->watch.fd);
	if (r == 0)
		r = ring_watch(dev->env.ring, &alarm->watch);
	if (r != 0) {
		close(alarm->watch.fd);
		alarm->watch.fd = -1;
	}
	return r > 0 ? 0 : r;
}

static void unwatch(void *arg)
{
	struct alarm *alarm = arg;

	ring_unwatch(alarm->dev->env.ring, &alarm->watch);
}

static void end_alarm(struct alarm *alarm)
{
	if (!alarm->dev || alarm->watch.fd < 0)
		return;
	ring_call(alarm->dev->env.ring, unwatch, alarm);
	close(alarm->watch.fd);
}

static void device_destroy(struct pci_device *pci)
{
	struct vfio_device *dev = (struct vfio_device *)pci;
	struct windows *rom = &dev->windows[PCI_ROM];

	end_alarm(&dev->error);
	end_alarm(&dev->request);
	vfio_irqs_fini(&dev->irqs);
	for (unsigned int bar = 0; bar < PCI_BARS; bar++)
		for (unsigned int i = 0; i < dev->windows[bar].count; i++)
			if (dev->windows[bar].list[i].host)
				dev->host->ops->unmap(dev->host, dev->windows[bar].list[i].host,
						      dev->windows[bar].list[i].size);
	if (rom->count)
		munmap(rom->list[0].host, rom->list[0].size);
	dev->host->ops->destroy(dev->host);
	pci_device_fini(pci);
	free(dev);
}

static const struct pci_device_ops device_ops = {
	.bar_read = device_bar_read,
	.bar_write = device_bar_write,
	.bar_mapped = device_bar_mapped,
	.cfg_writing = device_cfg_writing,
	.cfg_written = device_cfg_written,
	.cfg_reading = device_cfg_reading,
	.reset = device_reset,
	.destroy = device_destroy,
};

/* ---- making ---- */

static bool is_power_of_two(uint64_t n)
{
	return n && (n & (n - 1)) == 0;
}

/* What the guest sees of BAR; what makes no sense it does not see. Returns how many registers the BAR takes. */
static unsigned int add_bar(struct vfio_device *dev, unsigned int bar)
{
	const struct vfio_region *region = &dev->host->regions[bar];
	uint8_t reg[4] = {0};
	bool is_64bit;

	if (!is_power_of_two(region->size))
		return 1;
	if (dev->host->ops->read(dev->host, VFIO_PCI_CONFIG_REGION_INDEX,
				 PCI_BASE_ADDRESS_0 + 4 * bar, reg, sizeof(reg)) != sizeof(reg))
		return 1;
	if (reg[0] & PCI_BASE_ADDRESS_SPACE_IO) {
		if (region->size >= 4 && region->size <= MAX_IO)
			pci_device_add_io_bar(&dev->pci, bar, region->size);
		return 1;
	}
	is_64bit = (reg[0] & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 &&
		   bar + 1 < PCI_BARS;
	if (region->size < MIN_MEM || (!is_64bit && region->size > 1ULL << 31))
		return 1;
	pci_device_add_bar(&dev->pci, bar, region->size, is_64bit,
			   reg[0] & PCI_BASE_ADDRESS_MEM_PREFETCH);
	find_windows(dev, bar);
	return is_64bit ? 2 : 1;
}

/* All of the ROM into memory of ours: reading the device's own is slow, and some cannot be read while they work. */
static void *read_rom(struct vfio_device *dev, uint64_t size)
{
	uint64_t have = dev->host->regions[PCI_ROM].size, at = 0;
	uint8_t *rom = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (rom == MAP_FAILED)
		return NULL;
	while (at < have) {
		ssize_t n = dev->host->ops->read(dev->host, VFIO_PCI_ROM_REGION_INDEX, at, rom + at,
						 have - at);

		if (n <= 0 || (uint64_t)n > have - at)
			break;
		at += (uint64_t)n;
	}
	if (at >= 2 && pci_get16(rom) == ROM_SIGNATURE)
		return rom;
	munmap(rom, size);
	return NULL;
}

static void add_rom(struct vfio_device *dev)
{
	uint64_t have = dev->host->regions[VFIO_PCI_ROM_REGION_INDEX].size, size = MIN_ROM;
	void *rom;

	if (!have || have > MAX_ROM || dev->env.no_rom)
		return;
	while (size < have)
		size *= 2;
	rom = read_rom(dev, size);
	if (!rom) {
		log_info("vfio: the expansion ROM of %s is empty or cannot be read",
			 dev->host->address);
		return;
	}
	dev->windows[PCI_ROM] = (struct windows){.count = 1, .list = {{.size = size, .host = rom}}};
	pci_device_add_rom(&dev->pci, size);
}

int vfio_device_create(struct vfio_host *host, const struct vfio_env *env,
		       struct pci_device **ret_dev, struct vmb_err *err)
{
	struct vfio_device *dev = calloc(1, sizeof(*dev));
	int r;

	if (!dev) {
		r = vmb_err_set(err, ENOMEM, "No memory for PCI device %s.", host->address);
		host->ops->destroy(host);
		return r;
	}
	dev->host = host;
	dev->env = *env;
	r = vfio_config_init(&dev->config, &dev->pci, &device_ops, host, env->aer, err);
	if (r < 0) {
		host->ops->destroy(host);
		free(dev);
		return r;
	}
	r = vfio_irqs_init(&dev->irqs, &dev->pci, &dev->config, env);
	for (unsigned int bar = 0; bar < PCI_BARS && r == 0;)
		bar += add_bar(dev, bar);
	if (r == 0) {
		add_rom(dev);
		r = set_alarm(dev, &dev->error, VFIO_PCI_ERR_IRQ_INDEX);
	}
	if (r == 0)
		r = set_alarm(dev, &dev->request, VFIO_PCI_REQ_IRQ_INDEX);
	if (r < 0) {
		r = vmb_err_set(err, -r, "PCI device %s cannot be passed through (%s).",
				host->address, strerror(-r));
		device_destroy(&dev->pci);
		return r;
	}
	vfio_config_command(&dev->config, &dev->pci);
	pthread_mutex_lock(&dev->pci.lock);
	vfio_irqs_update(&dev->irqs);
	pthread_mutex_unlock(&dev->pci.lock);
	*ret_dev = &dev->pci;
	return 0;
}

uint64_t vfio_device_high_size(const struct pci_device *dev, uint64_t *ret_biggest)
{
	uint64_t sum = 0, biggest = 0;

	for (unsigned int i = 0; i < PCI_BARS; i++) {
		if (!dev->bars[i].is_64bit)
			continue;
		sum += dev->bars[i].size;
		if (dev->bars[i].size > biggest)
			biggest = dev->bars[i].size;
	}
	*ret_biggest = biggest;
	return sum;
}

bool vfio_high_bars_fit(uint64_t sum, uint64_t biggest, uint64_t base, uint64_t end)
{
	uint64_t rest = biggest ? base % biggest : 0;

	/* The biggest one first, and then each of the others lies at a multiple of its size by itself. */
	if (rest)
		base += biggest - rest;
	return base <= end && sum <= end - base;
}
