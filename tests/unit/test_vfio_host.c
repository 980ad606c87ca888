/*
 * What the kernel says of a device that is passed through (linux/vfio.h), and what is asked of it for a reset: ioctl() is
 * replaced.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "vmm/vfio/vfio.h"

#define AREAS 3

static struct {
	uint32_t flags;	      /* of the device */
	uint32_t region_caps; /* the capabilities of region 0 say so many areas */
	uint32_t irq_flags;   /* of each kind of interrupt */
	uint32_t affected;
	int error; /* of the list of affected devices */
	int device_error;
	uint8_t reset[64];
} kernel;

static const struct vfio_region_sparse_mmap_area areas[AREAS] = {
	{.offset = 0, .size = 0x1000},
	{.offset = 0x1800, .size = 0x2000},
	{.offset = 0x7000, .size = 0x9000}};

/* Region 0: 32 KiB, with capabilities: one of another kind, and then where it can be mapped. */
static int region_info(struct vfio_region_info *info)
{
	uint32_t header = sizeof(*info), sparse_at = header + sizeof(struct vfio_info_cap_header);
	uint32_t whole =
		sparse_at + sizeof(struct vfio_region_info_cap_sparse_mmap) + sizeof(areas);
	struct vfio_region_info_cap_sparse_mmap *sparse = (void *)((uint8_t *)info + sparse_at);
	struct vfio_info_cap_header *other = (void *)((uint8_t *)info + header);
	uint32_t room = info->argsz;

	if (info->index != 0) {
		errno = EINVAL;
		return -1;
	}
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		      VFIO_REGION_INFO_FLAG_MMAP;
	info->size = 0x8000;
	info->offset = 1ULL << 40;
	info->cap_offset = 0;
	if (!kernel.region_caps)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	info->argsz = whole;
	if (room < whole)
		return 0;
	info->cap_offset = header;
	*other = (struct vfio_info_cap_header){.id = 99, .version = 1, .next = sparse_at};
	sparse->header =
		(struct vfio_info_cap_header){.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1};
	sparse->nr_areas = kernel.region_caps;
	memcpy(sparse->areas, areas, sizeof(areas));
	return 0;
}

static int affected_info(struct vfio_pci_hot_reset_info *info)
{
	if (kernel.error) {
		errno = kernel.error;
		return -1;
	}
	info->count = kernel.affected;
	for (uint32_t i = 0; i < kernel.affected; i++)
		info->devices[i] =
			(struct vfio_pci_dependent_device){.group_id = 7,
							   .segment = i ? 0x10000 - 1 : 0,
							   .bus = 0x3a,
							   .devfn = (uint8_t)(0x1f << 3 | i)};
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		if (kernel.device_error) {
			errno = kernel.device_error;
			return -1;
		}
		((struct vfio_device_info *)arg)->flags = kernel.flags;
		((struct vfio_device_info *)arg)->num_regions = 9;
		((struct vfio_device_info *)arg)->num_irqs = 2;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO: return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->count = 4;
		((struct vfio_irq_info *)arg)->flags = kernel.irq_flags;
		return 0;
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO: return affected_info(arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		memcpy(kernel.reset, arg, ((struct vfio_pci_hot_reset *)arg)->argsz);
		return 0;
	default: fail_msg("request %#lx", request); return -1;
	}
}

static struct vfio_host *open_host(uint32_t flags)
{
	struct vfio_host *host = NULL;
	struct vmb_err err;

	kernel.flags = VFIO_DEVICE_FLAGS_PCI | flags;
	assert_int_equal(
		vfio_host_open(open("/dev/null", O_RDWR | O_CLOEXEC), "0000:3a:1f.0", &host, &err),
		0);
	return host;
}

/* And its descriptor is closed. */
static void what_is_no_pci_device_is_refused(void **state)
{
	struct vfio_host *host = NULL;
	struct vmb_err err;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	for (int gone = 0; gone < 2; gone++) {
		int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

		kernel.device_error = gone ? EIO : 0;
		assert_int_equal(vfio_host_open(fd, "0000:3a:1f.0", &host, &err),
				 gone ? -EIO : -ENODEV);
		assert_string_equal(
			err.text,
			gone ? "PCI device 0000:3a:1f.0 cannot be had of VFIO (Input/output error)."
			     : "PCI device 0000:3a:1f.0 cannot be had of VFIO (No such device).");
		assert_null(host);
		assert_int_equal(fcntl(fd, F_GETFD), -1);
	}
}

static void regions_are_mapped_where_the_kernel_allows(void **state)
{
	struct vfio_host *host;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	host = open_host(0);
	assert_int_equal(host->regions[0].size, 0x8000);
	assert_int_equal(host->regions[0].area_count, 1);
	assert_int_equal(host->regions[0].areas[0].size, 0x8000);
	assert_int_equal(host->regions[1].size, 0);
	host->ops->destroy(host);
}

static void assert_interrupts(uint32_t flags, unsigned int intx, unsigned int msi)
{
	struct vfio_host *host;

	memset(&kernel, 0, sizeof(kernel));
	kernel.irq_flags = flags;
	host = open_host(0);
	assert_int_equal(host->irq_count[VFIO_PCI_INTX_IRQ_INDEX], intx);
	assert_int_equal(host->irq_count[VFIO_PCI_MSI_IRQ_INDEX], msi);
	host->ops->destroy(host);
}

/* By an eventfd, and a line that nobody masks while the guest deals with it would never be silent. */
static void interrupts_that_cannot_be_had_are_none(void **state)
{
	(void)state;
	assert_interrupts(0, 0, 0);
	assert_interrupts(VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED, 0, 0);
	assert_interrupts(VFIO_IRQ_INFO_EVENTFD, 0, 4);
	assert_interrupts(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE, 0, 4);
	assert_interrupts(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED,
			  4, 4);
}

/* Whole pages only, and nothing that goes beyond the region; a count that is not true is no reason to read on. */
static void sparse_areas_are_read_and_bounded(void **state)
{
	static const uint32_t counts[] = {AREAS, 1000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct vfio_host *host;

		memset(&kernel, 0, sizeof(kernel));
		kernel.region_caps = counts[i];
		host = open_host(0);
		assert_int_equal(host->regions[0].area_count, 2);
		assert_int_equal(host->regions[0].areas[0].offset, 0);
		assert_int_equal(host->regions[0].areas[0].size, 0x1000);
		assert_int_equal(host->regions[0].areas[1].offset, 0x2000);
		assert_int_equal(host->regions[0].areas[1].size, 0x1000);
		host->ops->destroy(host);
	}
}

static void way_to_reset_is_found(void **state)
{
	char addresses[2][VM_PCI_ADDRESS_SIZE];
	const struct vfio_pci_hot_reset *reset = (const void *)kernel.reset;
	const int groups[] = {30, 31};
	struct vfio_host *host;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	host = open_host(VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(host->reset, VFIO_RESET_FUNCTION);
	host->ops->destroy(host);
	host = open_host(0);
	assert_int_equal(host->reset, VFIO_RESET_NONE);
	kernel.affected = 3;
	assert_int_equal(host->ops->list_affected(host, addresses, 2), 3);
	assert_string_equal(addresses[0], "0000:3a:1f.0");
	assert_string_equal(addresses[1], "ffff:3a:1f.1");
	/* On the root bus. */
	kernel.error = ENODEV;
	assert_int_equal(host->ops->list_affected(host, addresses, 2), -ENODEV);
	/* So many that they do not fit are more than anybody has. */
	kernel.error = ENOSPC;
	assert_true(host->ops->list_affected(host, addresses, 2) > VM_MAX_VFIO);
	assert_int_equal(host->ops->hot_reset(host, groups, 2), 0);
	assert_int_equal(reset->argsz, 12 + 2 * 4);
	assert_int_equal(reset->count, 2);
	assert_int_equal(reset->group_fds[1], 31);
	/* IOMMUFD: no groups. */
	assert_int_equal(host->ops->hot_reset(host, NULL, 0), 0);
	assert_int_equal(reset->argsz, 12);
	assert_int_equal(reset->count, 0);
	host->ops->destroy(host);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_pci_device_is_refused),
		cmocka_unit_test(regions_are_mapped_where_the_kernel_allows),
		cmocka_unit_test(interrupts_that_cannot_be_had_are_none),
		cmocka_unit_test(sparse_areas_are_read_and_bounded),
		cmocka_unit_test(way_to_reset_is_found),
	};

	return cmocka_run_group_tests_name("vfio_host", tests, NULL, NULL);
}
