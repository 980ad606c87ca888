/* The devices that are passed through to a virtual machine to be: opens what VFIO has for them. Used by launch.c only. */
#ifndef VMB_DAEMON_VFIO_DEVICES_H
#define VMB_DAEMON_VFIO_DEVICES_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm_proto.h"

struct vfio_devices {
	struct vmm_vfio infos[VM_MAX_VFIO];
	unsigned int count;
	bool iommufd;
	unsigned int fd_count;	  /* without the container, which is there with the first of them */
	int container;		  /* /dev/vfio/vfio, or /dev/iommu */
	int fds[VM_MAX_VFIO];	  /* groups, or devices */
	unsigned long ids[VM_MAX_VFIO]; /* the number of each group */
};

/*
 * Opens CONFIG's devices, which the driver vfio-pci has by now: by IOMMUFD where this kernel has it, else by
 * their groups. ROOT stands before /sys and /dev (tests; else ""). 0, or -errno with the sentence: no such device,
 * no IOMMU, another driver's, held by another program. Nothing is left open on failure.
 */
int vfio_devices_open(const char *root, const struct vm_config *config,
		      struct vfio_devices *ret_devices, struct vmb_err *err);

/* Puts the descriptors to FDS in the order of VMM_START; returns how many, 0 without devices. */
unsigned int vfio_devices_put_fds(const struct vfio_devices *devices, int *fds);

/* Closes what was opened; once more is harmless. */
void vfio_devices_close(struct vfio_devices *devices);

/*
 * Lets process PID lock as much memory as devices pin for a guest of MEMORY bytes. 0, or -EPERM with the sentence,
 * which has the figure.
 */
int vfio_raise_memlock(pid_t pid, uint64_t memory, struct vmb_err *err);

#endif
