/*
 * How devices that are passed through reach guest memory: one address space of the IOMMU, by a VFIO container (type
 * 1v2) or by IOMMUFD.
 */
#ifndef VMB_VMM_VFIO_IOMMU_H
#define VMB_VMM_VFIO_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct vfio_iommu;

/*
 * Takes FD over, /dev/vfio/vfio or, with IOMMUFD, /dev/iommu, also on failure. 0 or -errno with the sentence. The caller owns the
 * result.
 */
int vfio_iommu_create(int fd, bool iommufd, struct vfio_iommu **ret_iommu, struct vmb_err *err);

/* After every device of it is closed. Guest memory is unlocked. NULL is fine. */
void vfio_iommu_destroy(struct vfio_iommu *iommu);

/*
 * The device ADDRESS ("0000:01:00.0"), of the group GROUP_FD or, with IOMMUFD, behind GROUP_FD itself, which stays the
 * caller's: it uses the address space from then on. Its own descriptor to *RET_FD. 0, or -errno with the sentence:
 * the group is not viable, interrupts are not remapped, the device is somebody else's.
 */
int vfio_iommu_open_device(struct vfio_iommu *iommu, int group_fd, const char *address, int *ret_fd,
			   struct vmb_err *err);

/*
 * SIZE bytes of ours at HOST are for the devices at IOVA from now on: multiples of a page. Their pages stay where they
 * are. After the first device. 0 or -errno: -ENOMEM when so much may not be locked. Any thread.
 */
int vfio_iommu_map(struct vfio_iommu *iommu, uint64_t iova, uint64_t size, void *host);
/* No longer: exactly what was mapped by one call. */
void vfio_iommu_unmap(struct vfio_iommu *iommu, uint64_t iova, uint64_t size);

/* Can BARs be mapped, so that devices reach each other? */
bool vfio_iommu_maps_bars(const struct vfio_iommu *iommu);

#endif
