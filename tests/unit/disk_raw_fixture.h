/* A raw disk on a file with a pattern, for tests of what is in it and of what goes wrong. */
#ifndef VMB_TESTS_UNIT_DISK_RAW_FIXTURE_H
#define VMB_TESTS_UNIT_DISK_RAW_FIXTURE_H

#include "disk_test.h"

#define SIZE (1 << 20)

static inline void raw_open_with(void **state, struct pattern_disk *pd, int fd, struct vmm_disk info,
			  unsigned int depth)
{
	struct vmb_err err = {0};

	assert_true(fd >= 0);
	pd->fd = dup(fd);
	assert_int_equal(ring_create("disk", depth, *(enum ring_engine *)*state, &pd->ring, &err),
			 0);
	assert_int_equal(disk_open_raw(fd, &info, pd->ring, depth, &pd->disk, &err), 0);
	assert_int_equal(ring_start(pd->ring), 0);
}

static inline void raw_open_dir(void **state, struct pattern_disk *pd, const char *dir)
{
	raw_open_with(state, pd, pattern_file(dir, SIZE, O_RDWR),
		      (struct vmm_disk){.size = SIZE, .logical_block = 512, .serial = "S1"}, 16);
}

/* With O_DIRECT on a file system that takes it; the block is what the guest is told. */
static inline void raw_open_direct(void **state, struct pattern_disk *pd, uint32_t block)
{
	int fd = pattern_file("/var/tmp", SIZE, O_RDWR | O_DIRECT);

	if (fd < 0)
		skip();
	raw_open_with(state, pd, fd,
		      (struct vmm_disk){.size = SIZE, .logical_block = block, .direct = 1}, 16);
}

static inline void check_bytes(const uint8_t *buf, uint64_t offset, size_t len, unsigned int seed)
{
	uint8_t *want = malloc(len);

	pattern_fill(want, offset, len, seed);
	assert_memory_equal(buf, want, len);
	free(want);
}

/* The file itself, past the disk. */
static inline void check_file(const struct pattern_disk *pd, uint64_t offset, size_t len,
		       unsigned int seed)
{
	void *buf = NULL;

	assert_int_equal(posix_memalign(&buf, 4096, (len + 8191) & ~4095UL), 0);
	assert_true(pread(pd->fd, buf, (len + 8191) & ~4095UL, (off_t)(offset & ~4095UL)) >= 0);
	check_bytes((uint8_t *)buf + (offset & 4095), offset, len, seed);
	free(buf);
}

#endif
