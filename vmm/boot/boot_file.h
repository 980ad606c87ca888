/*
 * A file that the launcher handed over to be booted: a memfd that is sealed, so that what was
 * checked is what is loaded, at every reset again. For vmm/boot/ only.
 */
#ifndef VMB_VMM_BOOT_BOOT_FILE_H
#define VMB_VMM_BOOT_BOOT_FILE_H

#include <stdint.h>

#include "err.h"

struct boot_file {
	int fd;		  /* borrowed */
	const char *noun; /* "firmware", "kernel", "initrd": for the sentences */
	uint64_t size;
	const void *bytes; /* all of it, after boot_file_map() */
};

/* Describes FD. 0, or -errno with the sentence: not sealed, not readable. Nothing to undo. */
int boot_file_open(int fd, const char *noun, struct boot_file *ret_file, struct vmb_err *err);

/* Lets BYTES show the content, to look at its headers; boot_file_unmap() on every way out. */
int boot_file_map(struct boot_file *file, struct vmb_err *err);
void boot_file_unmap(struct boot_file *file);

/* Copies SIZE bytes from OFFSET to TO. 0, or -errno with the sentence when the file ends before. */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, uint64_t size,
		   struct vmb_err *err);

#endif
