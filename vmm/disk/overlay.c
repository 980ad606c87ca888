/*
 * A disk whose writes stay in RAM: "the disk is not written". Sparse, in granules of 4 KiB, over
 * any other disk, which is only read.
 *
 * Granules live in one address range of LIMIT bytes that costs only what was written; a hash table
 * leads from a granule's number on the disk to its place there. One that was discarded or zeroed as
 * a whole has no place, only a bit that hides what is below.
 *
 * Writes, discards and zeroes are done one after the other in the order they came: one that covers
 * only part of a new granule must first read the rest from below, and a second one must not overtake
 * it. Reads go around them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/disk/disk.h"
#include "vmm/disk/iov.h"
#include "vmm/lazy.h"

#define OVERLAY_GRANULE 4096ULL
#define OVERLAY_NONE	UINT32_MAX

/* A read of which the base knows only a part. */
struct overlay_read {
	struct disk_req below; /* first */
	struct overlay *overlay;
	struct disk_req *req;
	struct overlay_read *next; /* of the unused ones */
};

/* The old content of a granule at the edge of a write, being read from below. */
struct overlay_edge {
	struct disk_req below; /* first */
	struct overlay *overlay;
	struct iovec iov;
	uint64_t granule;
	uint8_t *buf;
};

struct overlay {
	struct disk disk; /* first */
	struct disk *base;

	uint8_t *memory;   /* ROOM granules */
	uint64_t *numbers; /* which granule of the disk each of them is */
	uint32_t room;
	uint32_t touched;     /* places that were ever used */
	uint32_t used;	      /* of those, not free */
	uint32_t free_places; /* linked by NUMBERS, place + 1, 0 none */
	uint64_t *zero;	    /* a bit for each granule of the disk: without a place, it is zeroes */
	uint64_t zero_size; /* bytes of it; address space, like the rest */
	bool any_zero;
	uint32_t *table; /* open addressing, place + 1, 0 empty; its size is a power of two */
	uint32_t table_size;

	struct overlay_read *unused_reads;
	unsigned int reads_below;

	struct disk_req *writes; /* waiting, linked by priv, oldest first */
	struct disk_req *writes_last;
	struct disk_req *writing;
	struct overlay_edge edges[2];
	unsigned int edges_below; /* being read, +1 while they are being submitted */
	int edge_error;
	bool running; /* overlay_run_writes() is on the stack */
};

/* ---- the granules in RAM ---- */

static uint32_t overlay_hash(const struct overlay *ov, uint64_t granule)
{
	return (uint32_t)((granule * 0x9E3779B97F4A7C15ULL) >> 32) & (ov->table_size - 1);
}

/* GRANULE's place, or OVERLAY_NONE. */
static uint32_t overlay_find(const struct overlay *ov, uint64_t granule)
{
	uint32_t at;

	if (!ov->used)
		return OVERLAY_NONE;
	for (at = overlay_hash(ov, granule); ov->table[at]; at = (at + 1) & (ov->table_size - 1))
		if (ov->numbers[ov->table[at] - 1] == granule)
			return ov->table[at] - 1;
	return OVERLAY_NONE;
}

static void overlay_table_put(struct overlay *ov, uint32_t place)
{
	uint32_t at = overlay_hash(ov, ov->numbers[place]);

	while (ov->table[at])
		at = (at + 1) & (ov->table_size - 1);
	ov->table[at] = place + 1;
}

static bool overlay_is_zero(const struct overlay *ov, uint64_t granule)
{
	return ov->any_zero && (ov->zero[granule / 64] >> granule % 64 & 1);
}

/* Takes table entry AT out: what was put behind it because of it moves up. */
static void overlay_table_remove(struct overlay *ov, uint32_t at)
{
	uint32_t mask = ov->table_size - 1, hole = at, home;

	for (at = (at + 1) & mask; ov->table[at]; at = (at + 1) & mask) {
		home = overlay_hash(ov, ov->numbers[ov->table[at] - 1]);
		if (((at - home) & mask) < ((at - hole) & mask))
			continue; /* its way does not lead over the hole */
		ov->table[hole] = ov->table[at];
		hole = at;
	}
	ov->table[hole] = 0;
}

/* A run of neighbouring places whose pages are to be given back together. */
struct overlay_run {
	uint32_t first;
	uint32_t count;
};

static void overlay_give_back(struct overlay *ov, struct overlay_run *run)
{
	uint8_t *memory = ov->memory + run->first * OVERLAY_GRANULE;
	uint64_t len = run->count * OVERLAY_GRANULE;

	/* They must read as zeroes afterwards, whatever the kernel says. */
	if (run->count && madvise(memory, len, MADV_DONTNEED) < 0)
		memset(memory, 0, len);
	run->count = 0;
}

/* GRANULE is zeroes from now on; a place that it had is free and joins RUN. */
static void overlay_drop(struct overlay *ov, uint64_t granule, struct overlay_run *run)
{
	uint32_t place = overlay_find(ov, granule);
	uint32_t at;

	ov->any_zero = true;
	ov->zero[granule / 64] |= 1ULL << granule % 64;
	if (place == OVERLAY_NONE)
		return;
	for (at = overlay_hash(ov, granule); ov->table[at] != place + 1;)
		at = (at + 1) & (ov->table_size - 1);
	overlay_table_remove(ov, at);
	ov->numbers[place] = ov->free_places;
	ov->free_places = place + 1;
	ov->used--;
	if (run->count && place == run->first + run->count) {
		run->count++;
		return;
	}
	overlay_give_back(ov, run);
	*run = (struct overlay_run){place, 1};
}

/* Makes sure that COUNT more granules fit. 0, -ENOSPC or -ENOMEM. */
static int overlay_reserve(struct overlay *ov, uint64_t count)
{
	uint32_t size = ov->table_size ? ov->table_size : 256;
	uint32_t *old = ov->table;
	uint32_t old_size = ov->table_size;
	uint32_t i;

	if (count > ov->room - ov->used)
		return -ENOSPC;
	/* At most half full: chains stay short. */
	while (size / 2 < ov->used + count)
		size *= 2;
	if (size == ov->table_size)
		return 0;
	ov->table = calloc(size, sizeof(*ov->table));
	if (!ov->table) {
		ov->table = old;
		return -ENOMEM;
	}
	ov->table_size = size;
	for (i = 0; i < old_size; i++)
		if (old[i])
			overlay_table_put(ov, old[i] - 1);
	free(old);
	return 0;
}

/* GRANULE's memory; a new one, zeroed, if it has none. overlay_reserve() made the room. */
static uint8_t *overlay_get(struct overlay *ov, uint64_t granule)
{
	uint32_t place = overlay_find(ov, granule);

	if (place == OVERLAY_NONE) {
		place = ov->free_places ? ov->free_places - 1 : ov->touched++;
		if (ov->free_places)
			ov->free_places = (uint32_t)ov->numbers[place];
		ov->used++;
		ov->numbers[place] = granule;
		overlay_table_put(ov, place);
	}
	return ov->memory + place * OVERLAY_GRANULE;
}

/* How much of LEN bytes at OFFSET lies in OFFSET's granule. */
static uint64_t overlay_span(uint64_t offset, uint64_t len)
{
	uint64_t left = OVERLAY_GRANULE - offset % OVERLAY_GRANULE;

	return len < left ? len : left;
}

/* ---- reads ---- */

/* Copies what of REQ is in RAM over its buffers. Returns how many bytes are not. */
static uint64_t overlay_merge(const struct overlay *ov, const struct disk_req *req)
{
	struct iov_cursor cursor = iov_cursor_make(req->iov, req->iov_count);
	uint64_t offset = req->offset, left = req->length, missing = 0, n;
	uint32_t place;

	for (; left; left -= n, offset += n) {
		n = overlay_span(offset, left);
		place = overlay_find(ov, offset / OVERLAY_GRANULE);
		if (place == OVERLAY_NONE && overlay_is_zero(ov, offset / OVERLAY_GRANULE)) {
			iov_cursor_zero(&cursor, n);
		} else if (place == OVERLAY_NONE) {
			iov_cursor_skip(&cursor, n);
			missing += n;
		} else {
			iov_cursor_write(
				&cursor,
				ov->memory + place * OVERLAY_GRANULE + offset % OVERLAY_GRANULE, n);
		}
	}
	return missing;
}

static void overlay_read_done(struct disk_req *below, int error)
{
	struct overlay_read *read = (struct overlay_read *)below;
	struct overlay *ov = read->overlay;
	struct disk_req *req = read->req;

	if (!error)
		overlay_merge(ov, req);
	read->next = ov->unused_reads;
	ov->unused_reads = read;
	ov->reads_below--;
	req->done(req, error);
}

static void overlay_submit_read(struct overlay *ov, struct disk_req *req)
{
	struct overlay_read *read;

	if (!ov->used && !ov->any_zero) {
		ov->base->ops->submit(ov->base, req);
		return;
	}
	if (!overlay_merge(ov, req)) {
		req->done(req, 0);
		return;
	}
	read = ov->unused_reads;
	if (read)
		ov->unused_reads = read->next;
	else
		read = malloc(sizeof(*read));
	if (!read) {
		req->done(req, -ENOMEM);
		return;
	}
	ov->reads_below++;
	*read = (struct overlay_read){.below = *req, .overlay = ov, .req = req};
	read->below.done = overlay_read_done;
	ov->base->ops->submit(ov->base, &read->below);
}

/* ---- writes, discards, zeroes ---- */

/* How many bytes of GRANULE the disk has: fewer than others for one at its end. */
static uint64_t overlay_size_of(const struct overlay *ov, uint64_t granule)
{
	uint64_t left = ov->disk.size - granule * OVERLAY_GRANULE;

	return left < OVERLAY_GRANULE ? left : OVERLAY_GRANULE;
}

static bool overlay_covers(const struct overlay *ov, const struct disk_req *req, uint64_t granule)
{
	uint64_t start = granule * OVERLAY_GRANULE;

	return req->offset <= start &&
	       req->offset + req->length >= start + overlay_size_of(ov, granule);
}

/* Does REQ need memory for GRANULE, which it touches? */
static bool overlay_needs_place(const struct overlay *ov, const struct disk_req *req,
				uint64_t granule)
{
	if (req->op != DISK_WRITE && (req->op == DISK_DISCARD || overlay_is_zero(ov, granule) ||
				      overlay_covers(ov, req, granule)))
		return false;
	return overlay_find(ov, granule) == OVERLAY_NONE;
}

static void overlay_apply_zero(struct overlay *ov, const struct disk_req *req)
{
	struct overlay_run run = {0};
	uint64_t offset, left, n, granule;
	uint32_t place;

	for (offset = req->offset, left = req->length; left; left -= n, offset += n) {
		n = overlay_span(offset, left);
		granule = offset / OVERLAY_GRANULE;
		place = overlay_find(ov, granule);
		if (overlay_covers(ov, req, granule))
			overlay_drop(ov, granule, &run);
		else if (req->op != DISK_DISCARD && place != OVERLAY_NONE)
			memset(ov->memory + place * OVERLAY_GRANULE + offset % OVERLAY_GRANULE, 0,
			       n);
	}
	overlay_give_back(ov, &run);
}

static void overlay_apply(struct overlay *ov, const struct disk_req *req)
{
	struct iov_cursor cursor = iov_cursor_make(req->iov, req->iov_count);
	uint64_t offset, left, n;
	struct overlay_edge *edge;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		edge = &ov->edges[i];
		if (edge->iov.iov_len)
			memcpy(overlay_get(ov, edge->granule), edge->buf, edge->iov.iov_len);
	}
	if (req->op != DISK_WRITE) {
		overlay_apply_zero(ov, req);
		return;
	}
	for (offset = req->offset, left = req->length; left; left -= n, offset += n) {
		n = overlay_span(offset, left);
		iov_cursor_read(
			&cursor,
			overlay_get(ov, offset / OVERLAY_GRANULE) + offset % OVERLAY_GRANULE, n);
	}
}

/* The write that was being done is over. */
static void overlay_write_end(struct overlay *ov, int error)
{
	struct disk_req *req = ov->writing;

	if (!error)
		overlay_apply(ov, req);
	ov->writing = NULL;
	req->priv = NULL;
	req->done(req, error);
}

static void overlay_run_writes(struct overlay *ov);

static void overlay_edge_done(struct disk_req *below, int error)
{
	struct overlay *ov = ((struct overlay_edge *)below)->overlay;

	if (error && !ov->edge_error)
		ov->edge_error = error;
	if (--ov->edges_below)
		return;
	overlay_write_end(ov, ov->edge_error);
	overlay_run_writes(ov);
}

/* Whether the write REQ leaves old bytes in GRANULE that are not in RAM yet. */
static bool overlay_is_edge(const struct overlay *ov, const struct disk_req *req, uint64_t granule)
{
	return req->op != DISK_DISCARD && !overlay_covers(ov, req, granule) &&
	       overlay_find(ov, granule) == OVERLAY_NONE && !overlay_is_zero(ov, granule);
}

static void overlay_set_edge(struct overlay *ov, struct overlay_edge *edge, uint64_t granule)
{
	edge->granule = granule;
	edge->iov = (struct iovec){edge->buf, overlay_size_of(ov, granule)};
	edge->below = (struct disk_req){
		.op = DISK_READ,
		.offset = granule * OVERLAY_GRANULE,
		.iov = &edge->iov,
		.iov_count = 1,
		.length = edge->iov.iov_len,
		.done = overlay_edge_done,
	};
}

static void overlay_start_write(struct overlay *ov, struct disk_req *req)
{
	uint64_t first = req->offset / OVERLAY_GRANULE;
	uint64_t last = (req->offset + req->length - 1) / OVERLAY_GRANULE;
	uint64_t granule, fresh = 0;
	unsigned int i;
	int rc;

	ov->writing = req;
	for (granule = first; granule <= last; granule++)
		fresh += overlay_needs_place(ov, req, granule);
	rc = overlay_reserve(ov, fresh);
	if (rc) {
		overlay_write_end(ov, rc);
		return;
	}
	ov->edges[0].iov.iov_len = ov->edges[1].iov.iov_len = 0;
	if (overlay_is_edge(ov, req, first))
		overlay_set_edge(ov, &ov->edges[0], first);
	if (last != first && overlay_is_edge(ov, req, last))
		overlay_set_edge(ov, &ov->edges[1], last);

	ov->edge_error = 0;
	ov->edges_below = 1; /* held while submitting: the base may answer at once */
	for (i = 0; i < 2; i++) {
		if (!ov->edges[i].iov.iov_len)
			continue;
		ov->edges_below++;
		ov->base->ops->submit(ov->base, &ov->edges[i].below);
	}
	if (!--ov->edges_below)
		overlay_write_end(ov, ov->edge_error);
}

static void overlay_run_writes(struct overlay *ov)
{
	struct disk_req *req;

	if (ov->running)
		return; /* done() led back here; the loop below goes on */
	ov->running = true;
	while (!ov->writing && (req = ov->writes)) {
		ov->writes = req->priv;
		overlay_start_write(ov, req);
	}
	ov->running = false;
}

/* ---- the disk ---- */

static void overlay_submit(struct disk *disk, struct disk_req *req)
{
	struct overlay *ov = (struct overlay *)disk;
	uint64_t end;

	if (req->op == DISK_FLUSH || !req->length) {
		req->done(req, 0); /* RAM has nothing to flush */
		return;
	}
	if (__builtin_add_overflow(req->offset, req->length, &end) || end > disk->size) {
		req->done(req, -EINVAL);
		return;
	}
	if (req->op == DISK_READ) {
		overlay_submit_read(ov, req);
		return;
	}
	req->priv = NULL;
	if (ov->writes)
		ov->writes_last->priv = req;
	else
		ov->writes = req;
	ov->writes_last = req;
	overlay_run_writes(ov);
}

static void overlay_drain(struct disk *disk)
{
	struct overlay *ov = (struct overlay *)disk;

	do {
		ov->base->ops->drain(ov->base);
	} while (ov->reads_below || ov->writing || ov->writes);
}

static void overlay_destroy(struct disk *disk)
{
	struct overlay *ov = (struct overlay *)disk;
	struct overlay_read *read;

	while ((read = ov->unused_reads)) {
		ov->unused_reads = read->next;
		free(read);
	}
	lazy_free(ov->memory, ov->room * OVERLAY_GRANULE);
	lazy_free(ov->zero, ov->zero_size);
	lazy_free(ov->numbers, ov->room * sizeof(*ov->numbers));
	free(ov->edges[0].buf);
	free(ov->table);
	ov->base->ops->destroy(ov->base);
	free(ov);
}

static const struct disk_ops overlay_ops = {
	.submit = overlay_submit,
	.drain = overlay_drain,
	.destroy = overlay_destroy,
};

static int overlay_allocate(struct overlay *ov, uint64_t limit)
{
	uint64_t room = limit / OVERLAY_GRANULE;
	uint64_t whole = (ov->disk.size + OVERLAY_GRANULE - 1) / OVERLAY_GRANULE;
	unsigned int i;

	room = room < whole ? room : whole;
	ov->room = room < UINT32_MAX / 4 ? (uint32_t)room : UINT32_MAX / 4;
	/* Aligned, so that a base opened with O_DIRECT reads into it as it is. */
	ov->edges[0].buf = aligned_alloc(OVERLAY_GRANULE, 2 * OVERLAY_GRANULE);
	if (!ov->edges[0].buf)
		return -ENOMEM;
	ov->edges[1].buf = ov->edges[0].buf + OVERLAY_GRANULE;
	for (i = 0; i < 2; i++)
		ov->edges[i].overlay = ov;
	ov->zero_size = (whole + 63) / 64 * sizeof(*ov->zero);
	ov->zero = lazy_alloc(ov->zero_size);
	if (!ov->zero)
		return -ENOMEM;
	if (!ov->room)
		return 0;
	ov->memory = lazy_alloc(ov->room * OVERLAY_GRANULE);
	ov->numbers = lazy_alloc(ov->room * sizeof(*ov->numbers));
	return ov->memory && ov->numbers ? 0 : -ENOMEM;
}

int disk_open_overlay(struct disk *base, uint64_t limit, struct disk **ret_disk)
{
	struct overlay *ov = calloc(1, sizeof(*ov));
	int rc;

	if (!ov) {
		base->ops->destroy(base);
		return -ENOMEM;
	}
	ov->disk = *base;
	ov->disk.ops = &overlay_ops;
	ov->disk.read_only = false;
	ov->disk.discard_block = OVERLAY_GRANULE;
	ov->base = base;
	rc = overlay_allocate(ov, limit);
	if (rc) {
		overlay_destroy(&ov->disk);
		return rc;
	}
	*ret_disk = &ov->disk;
	return 0;
}
