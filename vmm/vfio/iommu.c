/* See vmm/vfio/iommu.h; Linux Documentation/driver-api/vfio.rst, Documentation/userspace-api/iommufd.rst. */
#include "vmm/vfio/iommu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Debian 12's headers are of Linux 6.1, IOMMUFD is of 6.2 and VFIO's part of it of 6.6: as they are in linux/iommufd.h. */
#define IOMMU_IOAS_ALLOC _IO(';', 0x81)
#define IOMMU_IOAS_MAP	 _IO(';', 0x85)
#define IOMMU_IOAS_UNMAP _IO(';', 0x86)
#define IOAS_MAP_FLAGS	 7 /* FIXED_IOVA, WRITEABLE, READABLE */
#define BIND_IOMMUFD	 _IO(VFIO_TYPE, VFIO_BASE + 18)
#define ATTACH_PT	 _IO(VFIO_TYPE, VFIO_BASE + 19)

struct ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

struct ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

struct ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};

struct bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};

struct attach_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};

struct vfio_iommu {
	int fd;
	bool iommufd;
	bool has_type;	  /* the container knows what kind of IOMMU it is */
	uint32_t ioas_id; /* with IOMMUFD */
};

int vfio_iommu_create(int fd, bool iommufd, struct vfio_iommu **ret_iommu, struct vmb_err *err)
{
	struct ioas_alloc alloc = {.size = sizeof(alloc)};
	struct vfio_iommu *iommu = calloc(1, sizeof(*iommu));
	int r = 0;

	if (!iommu)
		r = -ENOMEM;
	else if (iommufd)
		r = ioctl(fd, IOMMU_IOAS_ALLOC, &alloc) < 0 ? -errno : 0;
	else if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
		 ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		r = -ENOTSUP;
	if (r < 0) {
		free(iommu);
		close(fd);
		return vmb_err_set(
			err, -r,
			"The kernel's VFIO is not usable for passing devices through (%s). Try: "
			"modprobe vfio_iommu_type1.",
			strerror(-r));
	}
	*iommu = (struct vfio_iommu){.fd = fd, .iommufd = iommufd, .ioas_id = alloc.out_ioas_id};
	*ret_iommu = iommu;
	return 0;
}

void vfio_iommu_destroy(struct vfio_iommu *iommu)
{
	if (!iommu)
		return;
	close(iommu->fd);
	free(iommu);
}

static int open_error(const struct vfio_iommu *iommu, const char *address, int code,
		      struct vmb_err *err)
{
	if (code == EPERM)
		return vmb_err_set(
			err, code,
			"PCI device %s cannot be passed through: this machine does not remap "
			"interrupts, so a guest with a device could disturb it. Switch interrupt "
			"remapping on in the firmware's setup, or, if you trust the guest, load "
			"%s with allow_unsafe_interrupts=1.",
			address, iommu->iommufd ? "iommufd" : "vfio_iommu_type1");
	if (code == EBUSY)
		return vmb_err_set(
			err, code,
			"PCI device %s is held by another virtual machine or program. End that "
			"one first.",
			address);
	return vmb_err_set(err, code, "PCI device %s cannot be had of VFIO (%s).", address,
			   strerror(code));
}

/* GROUP joins the container, unless it has. The first one decides the kind of IOMMU. */
static int add_group(struct vfio_iommu *iommu, int group, const char *address, struct vmb_err *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};

	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return open_error(iommu, address, errno, err);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return vmb_err_set(
			err, EPERM,
			"PCI device %s cannot be passed through alone: another device of its "
			"IOMMU group is still used by the host. Pass all of the group, or bind "
			"the others to vfio-pci, too.",
			address);
	if (!(status.flags & VFIO_GROUP_FLAGS_CONTAINER_SET) &&
	    ioctl(group, VFIO_GROUP_SET_CONTAINER, &iommu->fd) < 0)
		return open_error(iommu, address, errno, err);
	if (!iommu->has_type && ioctl(iommu->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0)
		return open_error(iommu, address, errno, err);
	iommu->has_type = true;
	return 0;
}

/* The descriptor is the device itself, and stays the caller's. */
static int bind_device(struct vfio_iommu *iommu, int fd, const char *address, int *ret_fd,
		       struct vmb_err *err)
{
	struct bind_iommufd bind = {.argsz = sizeof(bind), .iommufd = iommu->fd};
	struct attach_pt attach = {.argsz = sizeof(attach), .pt_id = iommu->ioas_id};
	int copy;

	if (ioctl(fd, BIND_IOMMUFD, &bind) < 0 || ioctl(fd, ATTACH_PT, &attach) < 0)
		return open_error(iommu, address, errno, err);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return open_error(iommu, address, errno, err);
	*ret_fd = copy;
	return 0;
}

int vfio_iommu_open_device(struct vfio_iommu *iommu, int group_fd, const char *address, int *ret_fd,
			   struct vmb_err *err)
{
	int r, fd;

	if (iommu->iommufd)
		return bind_device(iommu, group_fd, address, ret_fd, err);
	r = add_group(iommu, group_fd, address, err);
	if (r < 0)
		return r;
	fd = ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, address);
	if (fd < 0)
		return open_error(iommu, address, errno, err);
	*ret_fd = fd;
	return 0;
}

int vfio_iommu_map(struct vfio_iommu *iommu, uint64_t iova, uint64_t size, void *host)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)host,
		.iova = iova,
		.size = size,
	};
	struct ioas_map ioas = {
		.size = sizeof(ioas),
		.flags = IOAS_MAP_FLAGS,
		.ioas_id = iommu->ioas_id,
		.user_va = (uintptr_t)host,
		.length = size,
		.iova = iova,
	};
	int r = iommu->iommufd ? ioctl(iommu->fd, IOMMU_IOAS_MAP, &ioas)
			       : ioctl(iommu->fd, VFIO_IOMMU_MAP_DMA, &map);

	return r < 0 ? -errno : 0;
}

void vfio_iommu_unmap(struct vfio_iommu *iommu, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = iova, .size = size};
	struct ioas_unmap ioas = {
		.size = sizeof(ioas), .ioas_id = iommu->ioas_id, .iova = iova, .length = size};

	/* It was mapped with just this place and length, so it can be unmapped. */
	if (iommu->iommufd)
		(void)ioctl(iommu->fd, IOMMU_IOAS_UNMAP, &ioas);
	else
		(void)ioctl(iommu->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

bool vfio_iommu_maps_bars(const struct vfio_iommu *iommu)
{
	return !iommu->iommufd;
}
