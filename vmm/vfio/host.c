/* A device of the host's behind its VFIO descriptor: what struct vfio_host_ops promises, by ioctls. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text.h"
#include "vmm/vfio/vfio.h"

#define PAGE	      4096ULL
#define MAX_INFO_SIZE (64u << 10) /* of a region with its capabilities */
#define MAX_IRQS      2048
#define MAX_AFFECTED  32 /* by a hot reset; more than can be passed through */

struct kernel_device {
	struct vfio_host host; /* first */
	int fd;
};

static struct kernel_device *to_device(struct vfio_host *host)
{
	return (struct kernel_device *)host;
}

static ssize_t kernel_read(struct vfio_host *host, unsigned int region, uint64_t offset, void *buf,
			   size_t size)
{
	const struct vfio_region *r = &host->regions[region];
	ssize_t n;

	if (!r->readable || offset >= r->size || size > r->size - offset)
		return -EINVAL;
	n = pread(to_device(host)->fd, buf, size, (off_t)(r->offset + offset));
	return n < 0 ? -errno : n;
}

static ssize_t kernel_write(struct vfio_host *host, unsigned int region, uint64_t offset,
			    const void *buf, size_t size)
{
	const struct vfio_region *r = &host->regions[region];
	ssize_t n;

	if (!r->writable || offset >= r->size || size > r->size - offset)
		return -EINVAL;
	n = pwrite(to_device(host)->fd, buf, size, (off_t)(r->offset + offset));
	return n < 0 ? -errno : n;
}

static void *kernel_map(struct vfio_host *host, unsigned int region, uint64_t offset, uint64_t size)
{
	const struct vfio_region *r = &host->regions[region];
	int prot = (r->readable ? PROT_READ : 0) | (r->writable ? PROT_WRITE : 0);
	void *at = mmap(NULL, size, prot, MAP_SHARED, to_device(host)->fd,
			(off_t)(r->offset + offset));

	if (at == MAP_FAILED)
		return NULL;
	(void)madvise(at, size, MADV_DONTDUMP);
	return at;
}

static void kernel_unmap(struct vfio_host *host, void *at, uint64_t size)
{
	(void)host;
	munmap(at, size);
}

static int kernel_set_irqs(struct vfio_host *host, unsigned int index, uint32_t flags,
			   unsigned int start, unsigned int count, const int *fds)
{
	union {
		struct vfio_irq_set set;
		uint8_t room[sizeof(struct vfio_irq_set) + MAX_IRQS * sizeof(int)];
	} arg;
	size_t size = fds ? count * sizeof(int) : 0;
	int r;

	if (count > MAX_IRQS)
		return -EINVAL;
	arg.set = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(arg.set) + size),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	if (fds)
		memcpy(arg.room + sizeof(arg.set), fds, size);
	r = ioctl(to_device(host)->fd, VFIO_DEVICE_SET_IRQS, &arg.set);
	return r < 0 ? -errno : r;
}

static int kernel_reset(struct vfio_host *host)
{
	return ioctl(to_device(host)->fd, VFIO_DEVICE_RESET) < 0 ? -errno : 0;
}

/* ENOSPC: more of them than there is room for. */
static int kernel_list_affected(struct vfio_host *host, char (*addresses)[VM_PCI_ADDRESS_SIZE],
				unsigned int max)
{
	union {
		struct vfio_pci_hot_reset_info info;
		uint8_t room[sizeof(struct vfio_pci_hot_reset_info) +
			     MAX_AFFECTED * sizeof(struct vfio_pci_dependent_device)];
	} arg = {.info.argsz = sizeof(arg)};
	int r = ioctl(to_device(host)->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &arg.info);

	if (r < 0)
		return errno == ENOSPC ? INT_MAX : -errno;
	for (uint32_t i = 0; i < arg.info.count && i < max && i < MAX_AFFECTED; i++) {
		const struct vfio_pci_dependent_device *d = &arg.info.devices[i];

		snprintf(addresses[i], VM_PCI_ADDRESS_SIZE, "%04x:%02x:%02x.%x", d->segment, d->bus,
			 d->devfn >> 3, d->devfn & 7);
	}
	return (int)arg.info.count;
}

static int kernel_hot_reset(struct vfio_host *host, const int *groups, unsigned int count)
{
	union {
		struct vfio_pci_hot_reset reset;
		uint8_t room[sizeof(struct vfio_pci_hot_reset) + VM_MAX_VFIO * sizeof(int32_t)];
	} arg;

	arg.reset = (struct vfio_pci_hot_reset){
		.argsz = (uint32_t)(sizeof(arg.reset) + count * sizeof(int32_t)), .count = count};
	for (unsigned int i = 0; i < count; i++)
		arg.reset.group_fds[i] = groups[i];
	return ioctl(to_device(host)->fd, VFIO_DEVICE_PCI_HOT_RESET, &arg.reset) < 0 ? -errno : 0;
}

static void kernel_destroy(struct vfio_host *host)
{
	close(to_device(host)->fd);
	free(host);
}

static const struct vfio_host_ops kernel_ops = {
	.read = kernel_read,
	.write = kernel_write,
	.map = kernel_map,
	.unmap = kernel_unmap,
	.set_irqs = kernel_set_irqs,
	.reset = kernel_reset,
	.list_affected = kernel_list_affected,
	.hot_reset = kernel_hot_reset,
	.destroy = kernel_destroy,
};

static void add_area(struct vfio_region *region, uint64_t offset, uint64_t size)
{
	uint64_t end = (offset + size) & ~(PAGE - 1);

	offset = (offset + PAGE - 1) & ~(PAGE - 1);
	if (region->area_count < VFIO_MAX_AREAS && offset < end && end <= region->size)
		region->areas[region->area_count++] = (struct vfio_area){offset, end - offset};
}

/* The parts of a region that can be mapped: those that a capability lists, else all of it. */
static void find_areas(struct vfio_region *region, const struct vfio_region_info *info)
{
	const uint8_t *base = (const uint8_t *)info;
	uint32_t at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return;
	while (at && at + sizeof(struct vfio_info_cap_header) <= info->argsz) {
		const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)(base + at);

		if (sparse->header.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP &&
		    at + sizeof(*sparse) <= info->argsz) {
			uint64_t room =
				(info->argsz - at - sizeof(*sparse)) / sizeof(sparse->areas[0]);

			for (uint32_t i = 0; i < sparse->nr_areas && i < room; i++)
				add_area(region, sparse->areas[i].offset, sparse->areas[i].size);
			return;
		}
		at = sparse->header.next;
	}
	add_area(region, 0, region->size);
}

/* A region that the device does not have stays empty. */
static int read_region(struct kernel_device *dev, unsigned int index)
{
	struct vfio_region_info first = {.argsz = sizeof(first), .index = index}, *info = &first;
	struct vfio_region *region = &dev->host.regions[index];

	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
		return 0;
	if (first.argsz > sizeof(first) && first.argsz <= MAX_INFO_SIZE) {
		info = calloc(1, first.argsz);
		if (!info)
			return -ENOMEM;
		info->argsz = first.argsz;
		info->index = index;
		if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
			info->size = 0;
	}
	*region = (struct vfio_region){
		.size = info->size,
		.offset = info->offset,
		.readable = info->flags & VFIO_REGION_INFO_FLAG_READ,
		.writable = info->flags & VFIO_REGION_INFO_FLAG_WRITE,
	};
	find_areas(region, info);
	if (info != &first)
		free(info);
	return 0;
}

static void read_irq(struct kernel_device *dev, unsigned int index)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = index};
	uint32_t need = VFIO_IRQ_INFO_EVENTFD;

	/* INTA# stays as it is until the guest has dealt with it: the kernel has to mask it meanwhile. */
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		need |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	if (ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) == 0 && (info.flags & need) == need)
		dev->host.irq_count[index] = info.count;
}

int vfio_host_open(int fd, const char *address, struct vfio_host **ret_host, struct vmb_err *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct kernel_device *dev = calloc(1, sizeof(*dev));
	int r = dev ? 0 : -ENOMEM;

	if (r == 0 && ioctl(fd, VFIO_DEVICE_GET_INFO, &info) < 0)
		r = -errno;
	if (r == 0 && !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		r = -ENODEV;
	if (r < 0) {
		free(dev);
		close(fd);
		return vmb_err_set(err, -r, "PCI device %s cannot be had of VFIO (%s).", address,
				   strerror(-r));
	}
	dev->fd = fd;
	dev->host.ops = &kernel_ops;
	if (info.flags & VFIO_DEVICE_FLAGS_RESET)
		dev->host.reset = VFIO_RESET_FUNCTION;
	(void)text_copy(dev->host.address, sizeof(dev->host.address), address);
	for (unsigned int i = 0; i < VFIO_PCI_NUM_REGIONS && i < info.num_regions && r == 0; i++)
		r = read_region(dev, i);
	for (unsigned int i = 0; i < VFIO_PCI_NUM_IRQS && i < info.num_irqs; i++)
		read_irq(dev, i);
	if (r < 0) {
		kernel_destroy(&dev->host);
		return vmb_err_set(err, -r, "No memory for PCI device %s.", address);
	}
	*ret_host = &dev->host;
	return 0;
}
