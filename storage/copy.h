/* Opening and copying files below a root directory, for storage/ only. */
#ifndef VMB_STORAGE_COPY_H
#define VMB_STORAGE_COPY_H

#include <stdint.h>

#include "err.h"

/*
 * Opens PATH with FLAGS (openat2) below directory ROOT: neither ".." nor links lead out of it.
 * Never blocks on a FIFO. The descriptor or -errno.
 */
int copy_open_in(int root, const char *path, uint64_t flags);

/*
 * Copies the regular file PATH below directory ROOT (-1: of the running system, relative paths
 * allowed) to OUT_FD from its start. WHERE names the disk for the sentence, or "". 0 or -errno.
 */
int copy_file(int root, const char *path, const char *where, int out_fd, struct vmb_err *err);

#endif
