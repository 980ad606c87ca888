/*
 * The address space of devices that are passed through: what is asked of a VFIO container and of IOMMUFD, in which order, and
 * what is said when the kernel refuses. linux/vfio.h; linux/iommufd.h of Linux 6.2 and later, whose numbers are here again.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <unistd.h>

#include "vmm/vfio/iommu.h"

#define ADDRESS "0000:01:00.0"

/* linux/iommufd.h: IOMMUFD_TYPE is ';', commands begin at 0x80. */
#define IOAS_ALLOC 0x3B81
#define IOAS_MAP   0x3B85
#define IOAS_UNMAP 0x3B86
/* linux/vfio.h of 6.6 */
#define BIND   (0x3B64 + 18)
#define ATTACH (0x3B64 + 19)

static struct {
	unsigned long calls[16];
	unsigned int count;
	unsigned long fail; /* this request, */
	int error;	    /* with this */
	uint32_t group_flags;
	uint8_t arg[64]; /* of the last one */
	unsigned long value;
} kernel;

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	assert_in_range(kernel.count, 0, 15);
	kernel.calls[kernel.count++] = request;
	if (request == kernel.fail) {
		errno = kernel.error;
		return -1;
	}
	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION: return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU: kernel.value = (uintptr_t)arg; return 0;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = kernel.group_flags;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		kernel.group_flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD: assert_string_equal(arg, ADDRESS); return 77;
	case IOAS_ALLOC: ((uint32_t *)arg)[2] = 5; return 0;
	case IOAS_MAP: memcpy(kernel.arg, arg, 40); return 0;
	case IOAS_UNMAP: memcpy(kernel.arg, arg, 24); return 0;
	case BIND: memcpy(kernel.arg, arg, 16); return 0;
	case ATTACH: memcpy(kernel.arg, arg, 12); return 0;
	case VFIO_IOMMU_MAP_DMA:
		memcpy(kernel.arg, arg, sizeof(struct vfio_iommu_type1_dma_map));
		return 0;
	case VFIO_IOMMU_UNMAP_DMA:
		memcpy(kernel.arg, arg, sizeof(struct vfio_iommu_type1_dma_unmap));
		return 0;
	default: fail_msg("request %#lx", request); return -1;
	}
}

static struct vfio_iommu *make(bool iommufd)
{
	struct vfio_iommu *iommu = NULL;
	struct vmb_err err;

	memset(&kernel, 0, sizeof(kernel));
	kernel.group_flags = VFIO_GROUP_FLAGS_VIABLE;
	assert_int_equal(
		vfio_iommu_create(open("/dev/null", O_RDWR | O_CLOEXEC), iommufd, &iommu, &err), 0);
	kernel.count = 0;
	return iommu;
}

static void assert_calls(const unsigned long *calls, unsigned int count)
{
	assert_int_equal(kernel.count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(kernel.calls[i], calls[i]);
	kernel.count = 0;
}

static void container_takes_groups_and_one_kind_of_iommu(void **state)
{
	static const unsigned long first[] = {VFIO_GROUP_GET_STATUS, VFIO_GROUP_SET_CONTAINER,
					      VFIO_SET_IOMMU, VFIO_GROUP_GET_DEVICE_FD};
	static const unsigned long same_group[] = {VFIO_GROUP_GET_STATUS, VFIO_GROUP_GET_DEVICE_FD};
	struct vfio_iommu *iommu = make(false);
	struct vfio_iommu_type1_dma_map map;
	struct vmb_err err;
	int fd, memory;

	(void)state;
	assert_true(vfio_iommu_maps_bars(iommu));
	assert_int_equal(vfio_iommu_open_device(iommu, 9, ADDRESS, &fd, &err), 0);
	assert_int_equal(fd, 77);
	assert_calls(first, 4);
	assert_int_equal(kernel.value, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(vfio_iommu_open_device(iommu, 9, ADDRESS, &fd, &err), 0);
	assert_calls(same_group, 2);
	assert_int_equal(vfio_iommu_map(iommu, 0x1000, 0x2000, &memory), 0);
	memcpy(&map, kernel.arg, sizeof(map));
	assert_int_equal(map.iova, 0x1000);
	assert_int_equal(map.size, 0x2000);
	assert_int_equal(map.vaddr, (uintptr_t)&memory);
	assert_int_equal(map.flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	vfio_iommu_unmap(iommu, 0x1000, 0x2000);
	vfio_iommu_destroy(iommu);
}

static void iommufd_binds_devices(void **state)
{
	static const unsigned long calls[] = {BIND, ATTACH};
	struct vfio_iommu *iommu = make(true);
	struct vmb_err err;
	uint32_t words[10];
	uint64_t longs[3];
	int fd, memory;

	(void)state;
	assert_false(vfio_iommu_maps_bars(iommu));
	assert_int_equal(vfio_iommu_open_device(iommu, 0, ADDRESS, &fd, &err), 0);
	assert_calls(calls, 2);
	memcpy(words, kernel.arg, 12); /* argsz, flags, pt_id */
	assert_int_equal(words[0], 12);
	assert_int_equal(words[1], 0);
	assert_int_equal(words[2], 5);
	assert_int_not_equal(fd, 0); /* one of its own */
	close(fd);
	assert_int_equal(vfio_iommu_map(iommu, 0x100000, 0x2000, &memory), 0);
	memcpy(words, kernel.arg, 16); /* size, flags, ioas_id, reserved; user_va, length, iova */
	memcpy(longs, kernel.arg + 16, 24);
	assert_int_equal(words[0], 40);
	assert_int_equal(words[1], 1 | 2 | 4); /* fixed, writeable, readable */
	assert_int_equal(words[2], 5);
	assert_int_equal(words[3], 0);
	assert_int_equal(longs[0], (uintptr_t)&memory);
	assert_int_equal(longs[1], 0x2000);
	assert_int_equal(longs[2], 0x100000);
	vfio_iommu_unmap(iommu, 0x100000, 0x2000);
	memcpy(words, kernel.arg, 8); /* size, ioas_id; iova, length */
	memcpy(longs, kernel.arg + 8, 16);
	assert_int_equal(words[0], 24);
	assert_int_equal(words[1], 5);
	assert_int_equal(longs[0], 0x100000);
	assert_int_equal(longs[1], 0x2000);
	vfio_iommu_destroy(iommu);
}

static void refusals_are_told(void **state)
{
	static const struct {
		bool iommufd;
		unsigned long fail;
		int error;
		uint32_t group_flags;
		const char *part;
	} cases[] = {
		{false, 0, EPERM, 0, "another device of its IOMMU group is still used by the host"},
		{false, VFIO_SET_IOMMU, EPERM, VFIO_GROUP_FLAGS_VIABLE,
		 "load vfio_iommu_type1 with allow_unsafe_interrupts=1"},
		{false, VFIO_GROUP_GET_DEVICE_FD, EBUSY, VFIO_GROUP_FLAGS_VIABLE,
		 "held by another"},
		{false, VFIO_GROUP_SET_CONTAINER, EINVAL, VFIO_GROUP_FLAGS_VIABLE,
		 "Invalid argument"},
		{true, BIND, EBUSY, 0, "held by another"},
		{true, ATTACH, EPERM, 0, "load iommufd with allow_unsafe_interrupts=1"},
	};
	struct vmb_err err;
	int fd = -5;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vfio_iommu *iommu = make(cases[i].iommufd);

		kernel.fail = cases[i].fail;
		kernel.error = cases[i].error;
		kernel.group_flags = cases[i].group_flags;
		assert_int_equal(vfio_iommu_open_device(iommu, 0, ADDRESS, &fd, &err),
				 -cases[i].error);
		if (!strstr(err.text, cases[i].part) || !strstr(err.text, ADDRESS))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].part);
		assert_int_equal(fd, -5);
		vfio_iommu_destroy(iommu);
	}
}

static void kernel_without_it_is_told(void **state)
{
	struct vfio_iommu *iommu = NULL;
	struct vmb_err err;

	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	kernel.fail = VFIO_CHECK_EXTENSION;
	assert_int_equal(
		vfio_iommu_create(open("/dev/null", O_RDWR | O_CLOEXEC), false, &iommu, &err),
		-ENOTSUP);
	assert_non_null(strstr(err.text, "modprobe vfio_iommu_type1"));
	assert_null(iommu);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(container_takes_groups_and_one_kind_of_iommu),
		cmocka_unit_test(iommufd_binds_devices),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(kernel_without_it_is_told),
	};

	return cmocka_run_group_tests_name("iommu", tests, NULL, NULL);
}
