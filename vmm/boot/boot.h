/* What is put into guest memory before the first instruction. */
#ifndef VMB_VMM_BOOT_BOOT_H
#define VMB_VMM_BOOT_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "log.h"
#include "vmm/kvm.h"
#include "vmm/mem.h"

/* ---- firmware, by PVH (Xen pvh.txt): pvh.c ---- */

/*
 * Loads the PVH image in FD (a memfd sealed against change; borrowed) into MEM, with start_info and
 * memory map at LAYOUT_START_INFO that name the RSDP. 0, or -errno with a sentence that says why the
 * file is no firmware, or does not fit.
 */
int pvh_load(struct guest_mem *mem, int fd, uint64_t rsdp, struct kvm_entry *ret_entry,
	     struct vmb_err *err);

/* ---- Linux without firmware: linux.c ---- */

struct linux_boot {
	int kernel_fd; /* memfds sealed against change; borrowed */
	int initrd_fd; /* empty: none */
	const char *cmdline;
	uint64_t rsdp;
};

/*
 * Loads a kernel, a bzImage (by its 64-bit entry) or an ELF vmlinux with the PVH note, with initrd and
 * command line. MEM reads zero but for the tables. 0, or -errno with a sentence that says why the
 * file is no kernel, or what does not fit.
 */
int linux_load(struct guest_mem *mem, const struct linux_boot *boot, struct kvm_entry *ret_entry,
	       struct vmb_err *err);

/* ---- UEFI variables: varstore.c. FD is VMM_FD_VARS, borrowed ---- */

/*
 * Maps the live half of FD where CLOUDHV.fd keeps its variables in guest
 * RAM. 0 or -errno with the sentence.
 */
int varstore_attach(struct guest_mem *mem, int fd, struct vmb_err *err);

/*
 * Maps the live half of FD, whose stores have SIZE bytes, for a chip that holds it; munmap() undoes it. 0 or
 * -errno with the sentence.
 */
int varstore_map(int fd, uint32_t size, uint8_t **ret_bytes, struct vmb_err *err);

/*
 * The guest stands still: brings both halves in step. A valid live half becomes the good one
 * (*RET_CHANGED: it differed); a damaged one is replaced by the good one, or by an empty store when
 * that is damaged too; that is logged within LIMIT. 0 or -errno.
 */
int varstore_settle(int fd, struct log_limit *limit, bool *ret_changed);

#endif
