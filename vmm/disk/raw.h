/*
 * Shared by raw.c (transfers, flushes, slots) and raw_zero.c (discards, zeroes). Nobody else
 * includes this.
 */
#ifndef VMB_VMM_DISK_RAW_H
#define VMB_VMM_DISK_RAW_H

#include <stdbool.h>

#include "vmm/disk/disk.h"
#include "vmm/disk/iov.h"

#define RAW_BOUNCES	4
#define RAW_BOUNCE_SIZE (64 * 1024)

/* How space is given back or zeroed, see raw_zero.c. */
enum raw_way { RAW_DISCARD, RAW_PUNCH_HOLE, RAW_ZERO_RANGE, RAW_WRITE_ZEROES, RAW_NO_WAY };

struct raw_slot {
	struct ring_req ring_req; /* first: its completion leads back here */
	struct raw_disk *raw;
	struct disk_req *req;
	struct raw_slot *next;	  /* of the free ones */
	struct iov_cursor cursor; /* behind what is done */
	uint64_t left;		  /* bytes not done yet */
	uint64_t asked;		  /* bytes the ring was asked for */
	struct iovec piece;	  /* what the ring was given, unless it was the caller's array */
	uint8_t *bounce;	  /* NULL: the caller's buffers are used */
	unsigned int retries;
	enum raw_way way; /* of a discard or of zeroes */
};

struct raw_disk {
	struct disk disk; /* first */
	int fd;
	bool direct;
	bool is_block_device;
	bool in_memory; /* a file of tmpfs or ramfs */
	struct ring *ring;
	unsigned int depth;
	unsigned int outstanding; /* submitted, done() not called */

	struct raw_slot *slots; /* DEPTH; those from SLOTS_USED on were never touched */
	unsigned int slots_used;
	struct raw_slot *free_slots;
	struct disk_req *waiting; /* linked by priv, oldest first */
	struct disk_req *waiting_last;

	uint8_t *bounce_memory; /* NULL unless DIRECT */
	uint8_t *free_bounces
		[RAW_BOUNCES]; /* a stack: the last used is the next used, and in cache */
	unsigned int free_bounce_count;

	unsigned int refused; /* bits: raw_ways that this disk was seen not to have */
	void *zeroes;	      /* to write from, NULL until they are needed */
};

/* A request without data, for raw_zero.c. */
static inline bool raw_is_zeroing(const struct disk_req *req)
{
	return req->op == DISK_DISCARD || req->op == DISK_ZERO || req->op == DISK_ZERO_UNMAP;
}

/* The block size in which DISCARD works on RAW, 0 when it does not. Nothing is changed on the disk. */
uint32_t raw_discard_block(const struct raw_disk *raw, const struct vmm_disk *info);

/* Chooses the first way for SLOT's request. 0, -EOPNOTSUPP or -ENOMEM. */
int raw_zero_begin(struct raw_slot *slot);

/* Fills SLOT's ring request with the next step. */
void raw_zero_prepare(struct raw_slot *slot);

/* What the ring's RESULT means: 1 prepare and submit again, 0 done, or -errno. */
int raw_zero_result(struct raw_slot *slot, int64_t result);

/* Gives back the zeroes of RAW; none of its requests may be in flight. */
void raw_zero_free(struct raw_disk *raw);

#endif
