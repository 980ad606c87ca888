/*
 * A disk below virtio-blk: bytes at offsets. Implementations: raw.c (file or block device through
 * ring.c), overlay.c (writes stay in RAM, over a read-only raw disk).
 *
 * Contract: every function is called on the disk's I/O thread. submit() calls req->done exactly
 * once, on the same thread, later or from inside submit(). Reads past the end of a file that shrank
 * are zero-filled, those of a device that was taken away fail; a transfer is complete or an error. FLUSH covers every write whose done() was
 * called before it was submitted. On a read-only disk whatever would change it gives -EROFS. Zeroes
 * work on every disk, by writing them if need be; a discard may end in -EOPNOTSUPP.
 */
#ifndef VMB_VMM_DISK_DISK_H
#define VMB_VMM_DISK_DISK_H

#include <stdint.h>
#include <sys/uio.h>

#include "vmm/ring.h"
#include "vmm_proto.h"

#define DISK_MAX_IOV 256

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,
	DISK_DISCARD,	 /* what the bytes are afterwards is not said */
	DISK_ZERO,	 /* zeroes, the space stays the disk's where that makes a difference */
	DISK_ZERO_UNMAP, /* zeroes, the space may be given back */
};

struct disk_req {
	enum disk_op op;
	uint64_t offset; /* bytes; the caller has checked offset + length against the size */
	const struct iovec *iov; /* lives until done() */
	unsigned int iov_count;
	uint64_t length; /* sum of IOV, which is empty for a discard or zeroes */
	void (*done)(struct disk_req *req, int error); /* 0 or -errno */
	void *priv; /* the disk's own, NULL outside submit()..done() */
};

struct disk;

struct disk_ops {
	void (*submit)(struct disk *disk, struct disk_req *req);
	/* Calls every outstanding request's done() with its result (or -ECANCELED); afterwards none is in flight. */
	void (*drain)(struct disk *disk);
	void (*destroy)(struct disk *disk);
	/*
	 * Looks how big what is below has become and makes SIZE that; smaller it never gets. NULL: it stays
	 * as it is.
	 */
	void (*grow)(struct disk *disk);
};

struct disk {
	const struct disk_ops *ops;
	uint64_t size;		/* bytes */
	uint32_t logical_block; /* 512 or 4096 */
	uint32_t physical_block; /* bytes; 0 not known */
	uint32_t discard_block;	 /* bytes in which discards are best asked for; 0 it has none */
	bool read_only;
	char serial[VM_SERIAL_SIZE];
};

/*
 * Raw disk over FD (becomes the disk's, also on failure) as INFO describes it, doing its I/O on RING
 * (borrowed), at most DEPTH requests at a time. With INFO->direct, buffers that are not aligned go
 * through aligned bounce buffers. 0 or -errno with the sentence in ERR.
 */
int disk_open_raw(int fd, const struct vmm_disk *info, struct ring *ring, unsigned int depth,
		  struct disk **ret_disk, struct vmb_err *err);

/*
 * Overlay over BASE (taken over, also on failure): reads see what was written, writes go to RAM, at
 * most LIMIT bytes of it, then -ENOSPC. 0 or -ENOMEM.
 */
int disk_open_overlay(struct disk *base, uint64_t limit, struct disk **ret_disk);

#endif
