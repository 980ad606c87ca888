/* Opening and copying files below a root directory, for storage/ only. */
#ifndef VMB_STORAGE_COPY_H
#define VMB_STORAGE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

/*
 * Opens PATH with FLAGS (openat2) below directory ROOT: neither ".." nor links lead out of it.
 * Never blocks on a FIFO. The descriptor or -errno.
 */
int copy_open_in(int root, const char *path, uint64_t flags);

/* A directory with more entries holds something else than what is looked for. */
#define COPY_MAX_NAMES 4096

/*
 * Puts the names in directory DIR (a descriptor, taken over) that WANTED lets through into NAMES,
 * sorted, at most MAX of them; looks at COPY_MAX_NAMES entries. Returns how many; each is the
 * caller's to free().
 */
unsigned int copy_list_names(int dir, bool (*wanted)(const char *name), char **names,
			     unsigned int max);

/* A file to be copied, and what the sentences say of it. */
struct copy_source {
	int root;	   /* directory that PATH is below; -1: the running system, relative paths allowed */
	const char *path;
	const char *where; /* the disk, or "" */
	const char *noun;  /* "firmware", "a kernel", "an initrd" */
	uint64_t max;	   /* bytes */
};

/* Copies the regular file SOURCE to OUT_FD from its start. 0 or -errno with the sentence. */
int copy_file(const struct copy_source *source, int out_fd, struct vmb_err *err);

#endif
