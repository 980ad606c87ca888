/*
 * Zeroed memory that costs only the pages that are touched. calloc(3) promises zeroes, too, but
 * writes them for all but the largest blocks.
 */
#ifndef VMB_VMM_LAZY_H
#define VMB_VMM_LAZY_H

#include <stddef.h>
#include <sys/mman.h>

/* SIZE bytes, page-aligned, or NULL. Freed by lazy_free() with the same SIZE. */
static inline void *lazy_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* P may be NULL. */
static inline void lazy_free(void *p, size_t size)
{
	if (p)
		munmap(p, size);
}

#endif
