/*
 * Guest memory: one reservation of address space without access, with the regions opened inside
 * it, so that an access that leaves a region faults instead of touching something else. Regions are
 * aligned to 2 MiB for transparent huge pages: a page fault per 2 MiB instead of one per 4 KiB.
 */
#include "vmm/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MIB		(1ULL << 20)
#define HUGE_PAGE	(2 * MIB)
#define SMALL_PAGE	4096ULL
#define MAX_REGIONS	2
#define MAX_MAPPED	4
#define ROUND_UP(n, to) (((n) + (to)-1) & ~((to)-1))

/* A file in place of RAM: gm_clear() leaves it alone. */
struct mapped_piece {
	uint64_t gpa;
	uint64_t len;
};

struct guest_mem {
	void *base; /* the whole reservation */
	size_t reserved;
	unsigned int count;
	struct gm_region regions[MAX_REGIONS];
	unsigned int mapped_count;
	struct mapped_piece mapped[MAX_MAPPED]; /* in address order, disjoint */
	int pinned;
};

/* Opens REGION at HOST, inside the reservation. */
static int open_region(struct gm_region *region, uint8_t *host)
{
	void *p = mmap(host, region->size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	region->host = p;
	/* Both are wishes: a kernel without them works as well, only slower or with bigger dumps. */
	(void)madvise(p, region->size, MADV_HUGEPAGE);
	(void)madvise(p, region->size, MADV_DONTDUMP);
	return 0;
}

/* Lays the regions out in a reservation: guard, low RAM, guard, high RAM, guard. */
static int reserve(struct guest_mem *mem)
{
	uint8_t *host;
	int r;

	mem->reserved = 2 * HUGE_PAGE;
	for (unsigned int i = 0; i < mem->count; i++)
		mem->reserved += ROUND_UP(mem->regions[i].size, HUGE_PAGE) + HUGE_PAGE;
	mem->base = mmap(NULL, mem->reserved, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem->base == MAP_FAILED) {
		mem->base = NULL;
		return -errno;
	}
	host = (uint8_t *)ROUND_UP((uintptr_t)mem->base + SMALL_PAGE, HUGE_PAGE);
	for (unsigned int i = 0; i < mem->count; i++) {
		r = open_region(&mem->regions[i], host);
		if (r < 0)
			return r;
		host += ROUND_UP(mem->regions[i].size, HUGE_PAGE) + HUGE_PAGE;
	}
	return 0;
}

int gm_create(uint64_t size, struct guest_mem **ret_mem)
{
	struct guest_mem *mem;
	int r;

	if (size < MIB || size % MIB != 0 || size > (1ULL << 46))
		return -EINVAL;
	mem = calloc(1, sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	mem->regions[0].size = size < GM_LOW_LIMIT ? size : GM_LOW_LIMIT;
	mem->count = 1;
	if (size > GM_LOW_LIMIT) {
		mem->regions[1].gpa = GM_HIGH_BASE;
		mem->regions[1].size = size - GM_LOW_LIMIT;
		mem->count = 2;
	}
	r = reserve(mem);
	if (r < 0) {
		gm_destroy(mem);
		return r;
	}
	*ret_mem = mem;
	return 0;
}

void gm_destroy(struct guest_mem *mem)
{
	if (!mem)
		return;
	if (mem->base)
		munmap(mem->base, mem->reserved);
	free(mem);
}

uint64_t gm_low_end(const struct guest_mem *mem)
{
	return mem->regions[0].size;
}

uint64_t gm_high_size(const struct guest_mem *mem)
{
	return mem->count > 1 ? mem->regions[1].size : 0;
}

unsigned int gm_regions(const struct guest_mem *mem, const struct gm_region **ret_regions)
{
	*ret_regions = mem->regions;
	return mem->count;
}

void *gm_ptr(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < mem->count; i++) {
		const struct gm_region *region = &mem->regions[i];
		uint64_t offset = gpa - region->gpa;

		if (gpa >= region->gpa && offset < region->size)
			return len > 0 && len <= region->size - offset
				       ? (uint8_t *)region->host + offset
				       : NULL;
	}
	return NULL;
}

int gm_read(const struct guest_mem *mem, uint64_t gpa, void *buf, size_t len)
{
	const void *p = gm_ptr(mem, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

int gm_write(struct guest_mem *mem, uint64_t gpa, const void *buf, size_t len)
{
	void *p = gm_ptr(mem, gpa, len);

	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	return 0;
}

int gm_map_fd(struct guest_mem *mem, uint64_t gpa, uint64_t len, int fd)
{
	void *host = gm_ptr(mem, gpa, len);
	unsigned int at = 0;
	struct stat st;

	if (!host || (gpa | len) % SMALL_PAGE != 0)
		return -EINVAL;
	/* A file shorter than its mapping would be a SIGBUS in a vCPU. */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size < len)
		return -EINVAL;
	if (mem->mapped_count == MAX_MAPPED)
		return -ENOSPC;
	while (at < mem->mapped_count && mem->mapped[at].gpa < gpa)
		at++;
	if ((at > 0 && gpa - mem->mapped[at - 1].gpa < mem->mapped[at - 1].len) ||
	    (at < mem->mapped_count && mem->mapped[at].gpa - gpa < len))
		return -EEXIST;
	if (mmap(host, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		return -errno;
	memmove(&mem->mapped[at + 1], &mem->mapped[at],
		(mem->mapped_count - at) * sizeof(mem->mapped[0]));
	mem->mapped[at] = (struct mapped_piece){gpa, len};
	mem->mapped_count++;
	return 0;
}

/* Gives FROM..TO, addresses of one region, back to the host. */
static int drop(const struct guest_mem *mem, uint64_t from, uint64_t to)
{
	if (from == to)
		return 0;
	if (mem->pinned) {
		memset(gm_ptr(mem, from, to - from), 0, to - from);
		return 0;
	}
	return madvise(gm_ptr(mem, from, to - from), to - from, MADV_DONTNEED) < 0 ? -errno : 0;
}

static int overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Is GPA..LEN memory that the guest may do without? */
static int is_plain_ram(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	if (overlaps(gpa, len, GM_TABLES, MIB - GM_TABLES))
		return 0;
	for (unsigned int i = 0; i < mem->mapped_count; i++)
		if (overlaps(gpa, len, mem->mapped[i].gpa, mem->mapped[i].len))
			return 0;
	return 1;
}

int gm_discard(struct guest_mem *mem, void *at, uint64_t len)
{
	if (mem->pinned || len == 0 || ((uintptr_t)at | len) % SMALL_PAGE != 0)
		return -EINVAL;
	for (unsigned int i = 0; i < mem->count; i++) {
		const struct gm_region *region = &mem->regions[i];
		uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)region->host);

		if ((uintptr_t)at < (uintptr_t)region->host || offset >= region->size ||
		    len > region->size - offset)
			continue;
		if (!is_plain_ram(mem, region->gpa + offset, len))
			return -EINVAL;
		return madvise(at, len, MADV_DONTNEED) < 0 ? -errno : 0;
	}
	return -EINVAL;
}

void gm_pin(struct guest_mem *mem)
{
	mem->pinned = 1;
}

int gm_clear(struct guest_mem *mem)
{
	unsigned int at = 0;
	int r = 0;

	for (unsigned int i = 0; i < mem->count && r == 0; i++) {
		uint64_t from = mem->regions[i].gpa;
		uint64_t end = from + mem->regions[i].size;

		for (; at < mem->mapped_count && mem->mapped[at].gpa < end && r == 0; at++) {
			r = drop(mem, from, mem->mapped[at].gpa);
			from = mem->mapped[at].gpa + mem->mapped[at].len;
		}
		if (r == 0)
			r = drop(mem, from, end);
	}
	return r;
}
