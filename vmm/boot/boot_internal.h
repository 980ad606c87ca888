/* What the loaders of vmm/boot/ share: the memory map (memory_map.c), the initrd (linux.c). */
#ifndef VMB_VMM_BOOT_BOOT_INTERNAL_H
#define VMB_VMM_BOOT_BOOT_INTERNAL_H

#include "vmm/boot/boot.h"

#define BOOT_MAX_RANGES 5

/* The numbers of PVH's memory map and of E820 are the same. */
enum boot_range_type { BOOT_RAM = 1, BOOT_RESERVED = 2 };

struct boot_range {
	uint64_t gpa;
	uint64_t size;
	uint32_t type;
};

/* What the guest is told about MEM, in address order; returns how many RANGES there are. */
unsigned int boot_memory_map(const struct guest_mem *mem,
			     struct boot_range ranges[BOOT_MAX_RANGES]);

struct boot_initrd {
	uint64_t gpa;
	uint64_t size; /* 0: there is none */
};

/*
 * Loads the initrd in FD (empty: none) as high as it goes in low RAM: not below KERNEL_END, ending
 * at END_MAX at most. 0, or -errno with the sentence (-ENOSPC: no room).
 */
int boot_load_initrd(struct guest_mem *mem, int fd, uint64_t kernel_end, uint64_t end_max,
		     struct boot_initrd *ret_initrd, struct vmb_err *err);

/* linux_load() for an ELF vmlinux: pvh.c. */
int pvh_load_linux(struct guest_mem *mem, const struct linux_boot *boot,
		   struct kvm_entry *ret_entry, struct vmb_err *err);

#endif
