/*
 * Guest physical memory. The only place that turns a guest address into a host pointer: every
 * access names address, length and direction and is checked for overflow and holes. Host side:
 * anonymous memory (THP), PROT_NONE pages around each region, never prefaulted.
 *
 * Layout: RAM at 0..0xA0000 and 1 MiB..low end, the rest from 4 GiB up. 0xA0000..0xFFFFF is backed
 * too (ACPI tables 0xA0000..0xEFFFF, SMBIOS 0xF0000) but not offered as RAM in the memory map.
 */
#ifndef VMB_VMM_MEM_H
#define VMB_VMM_MEM_H

#include <stddef.h>
#include <stdint.h>

#define GM_LOW_LIMIT  0xC0000000ULL  /* low RAM ends here at most; PCI windows begin */
#define GM_HIGH_BASE  0x100000000ULL /* the rest of RAM */
#define GM_TABLES     0xA0000ULL     /* start_info, memory map, RSDP, ACPI tables */
#define GM_TABLES_END 0xF0000ULL
#define GM_SMBIOS     0xF0000ULL

struct guest_mem;

/* One contiguous piece, as KVM memory slots want it. */
struct gm_region {
	uint64_t gpa;
	uint64_t size;
	void *host; /* for KVM_SET_USER_MEMORY_REGION and io_uring registration only */
};

/*
 * Reserves SIZE bytes (multiple of 1 MiB) of guest RAM laid out as above. 0, -EINVAL, -ENOMEM. The
 * caller owns the result and must have stopped every user of it before gm_destroy().
 */
int gm_create(uint64_t size, struct guest_mem **ret_mem);
void gm_destroy(struct guest_mem *mem); /* NULL is fine */

/* End of low RAM (the firmware's LowMemory), and bytes from GM_HIGH_BASE up (may be 0). */
uint64_t gm_low_end(const struct guest_mem *mem);
uint64_t gm_high_size(const struct guest_mem *mem);

/* Regions in address order; returns how many, *ret_regions stays valid as long as MEM. */
unsigned int gm_regions(const struct guest_mem *mem, const struct gm_region **ret_regions);

/*
 * Host pointer to LEN bytes at GPA if they lie wholly inside one region, else NULL. LEN 0 is NULL.
 * The guest may change the bytes at any time: copy before looking twice.
 */
void *gm_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

/* Copies LEN bytes at GPA to or from BUF. 0, or -EFAULT when the range is not all RAM (nothing is copied then). */
int gm_read(const struct guest_mem *mem, uint64_t gpa, void *buf, size_t len);
int gm_write(struct guest_mem *mem, uint64_t gpa, const void *buf, size_t len);

/* Puts the first LEN bytes of FD (a memfd, borrowed) in place of the RAM at GPA (page-aligned), shared. */
int gm_map_fd(struct guest_mem *mem, uint64_t gpa, uint64_t len, int fd);

/*
 * Gives LEN bytes from AT on, a pointer into RAM as gm_ptr() makes them, back to the host: they read as
 * zero from then on and cost nothing until they are touched. Whole pages that are the guest's to give:
 * not the tables under 1 MiB, nor what gm_map_fd() put in. 0, or -EINVAL (nothing was done), or -errno.
 */
int gm_discard(struct guest_mem *mem, void *at, uint64_t len);

/*
 * Devices reach the RAM by themselves from now on (VFIO): its pages must stay where they are, so gm_discard() does
 * nothing any more and gm_clear() writes zeroes.
 */
void gm_pin(struct guest_mem *mem);

/* Gives all RAM but what gm_map_fd() put in back to the host, so that it reads as zero: for a reset. */
int gm_clear(struct guest_mem *mem);

#endif
