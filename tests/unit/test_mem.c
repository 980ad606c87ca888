/* Guest memory: the layout, every edge of it, files put in place of RAM, and the guard pages. */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/mem.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static struct guest_mem *make(uint64_t size)
{
	struct guest_mem *mem = NULL;

	assert_int_equal(gm_create(size, &mem), 0);
	return mem;
}

static void sizes_that_cannot_be(void **state)
{
	static const uint64_t sizes[] = {
		0, MIB - 1, MIB + 4096, UINT64_MAX, UINT64_MAX - MIB + 1, 1ULL << 63};
	struct guest_mem *mem = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(gm_create(sizes[i], &mem), -EINVAL);
		assert_null(mem);
	}
	gm_destroy(NULL);
}

static void layout_follows_the_size(void **state)
{
	static const struct {
		uint64_t size, low_end, high;
		unsigned int regions;
	} cases[] = {
		{64 * MIB, 64 * MIB, 0, 1},	{3 * GIB - MIB, 3 * GIB - MIB, 0, 1},
		{3 * GIB, 3 * GIB, 0, 1},	{3 * GIB + MIB, 3 * GIB, MIB, 2},
		{5 * GIB, 3 * GIB, 2 * GIB, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest_mem *mem = make(cases[i].size);
		const struct gm_region *regions;

		assert_int_equal(gm_low_end(mem), cases[i].low_end);
		assert_int_equal(gm_high_size(mem), cases[i].high);
		assert_int_equal(gm_regions(mem, &regions), cases[i].regions);
		assert_int_equal(regions[0].gpa, 0);
		for (unsigned int n = 0; n < cases[i].regions; n++)
			assert_int_equal((uintptr_t)regions[n].host % (2 * MIB), 0);
		gm_destroy(mem);
	}
}

/* Address, length, and whether that is all RAM, in a machine of 3 GiB + 1 MiB. */
static void pointers_only_to_ram(void **state)
{
	static const struct {
		uint64_t gpa, len;
		int ok;
	} cases[] = {
		{0, 1, 1},
		{0, 0, 0},
		{GM_TABLES, 0x60000, 1}, /* tables and SMBIOS are backed */
		{0, GM_LOW_LIMIT, 1},
		{0, GM_LOW_LIMIT + 1, 0},
		{GM_LOW_LIMIT - 1, 1, 1},
		{GM_LOW_LIMIT - 1, 2, 0},
		{GM_LOW_LIMIT, 1, 0},
		{GM_HIGH_BASE - 1, 1, 0},
		{GM_HIGH_BASE - 1, 2, 0},
		{GM_HIGH_BASE, MIB, 1},
		{GM_HIGH_BASE, MIB + 1, 0},
		{GM_HIGH_BASE + MIB - 1, 1, 1},
		{GM_HIGH_BASE + MIB, 1, 0},
		{UINT64_MAX, 1, 0},
		{1, UINT64_MAX, 0},	       /* would wrap to 0 */
		{GM_HIGH_BASE, UINT64_MAX, 0}, /* would wrap into low RAM */
		{UINT64_MAX - 15, 32, 0},
	};
	struct guest_mem *mem = make(3 * GIB + MIB);
	const struct gm_region *regions;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if ((gm_ptr(mem, cases[i].gpa, cases[i].len) != NULL) != cases[i].ok)
			fail_msg("case %zu", i);
	gm_regions(mem, &regions);
	assert_ptr_equal(gm_ptr(mem, 0x1234, 1), (uint8_t *)regions[0].host + 0x1234);
	assert_ptr_equal(gm_ptr(mem, GM_HIGH_BASE + 5, 1), (uint8_t *)regions[1].host + 5);
	gm_destroy(mem);
}

static void copies_are_all_or_nothing(void **state)
{
	struct guest_mem *mem = make(64 * MIB);
	char buf[16] = "0123456789abcde";

	(void)state;
	assert_int_equal(gm_write(mem, 0x1000, buf, 16), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(gm_read(mem, 0x1000, buf, 16), 0);
	assert_string_equal(buf, "0123456789abcde");
	assert_int_equal(gm_write(mem, 64 * MIB - 8, "XXXXXXXXXXXXXXXX", 16), -EFAULT);
	assert_int_equal(gm_read(mem, 64 * MIB - 8, buf, 16), -EFAULT);
	assert_string_equal(buf, "0123456789abcde");
	assert_int_equal(gm_read(mem, 64 * MIB - 8, buf, 8), 0);
	assert_int_equal(buf[0], 0);
	gm_destroy(mem);
}

static int file_of(size_t size)
{
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static void file_stands_in_for_ram(void **state)
{
	struct guest_mem *mem = make(64 * MIB);
	int fd = file_of(0x4000);
	char c = 0;

	(void)state;
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x2000, fd), 0);
	/* Both ways, and only there. */
	assert_int_equal(gm_write(mem, 0xFFFF, "abcd", 4), 0);
	assert_int_equal(pread(fd, &c, 1, 0), 1);
	assert_int_equal(c, 'b');
	assert_int_equal(pwrite(fd, "Z", 1, 0x1FFF), 1);
	assert_int_equal(gm_read(mem, 0x11FFF, &c, 1), 0);
	assert_int_equal(c, 'Z');
	assert_int_equal(gm_write(mem, 0x12000, "x", 1), 0);
	assert_int_equal(pread(fd, &c, 1, 0x2000), 1);
	assert_int_equal(c, 0);
	close(fd);
	gm_destroy(mem);
}

static void bad_mappings_are_refused(void **state)
{
	struct guest_mem *mem = make(64 * MIB);
	int fd = file_of(0x4000);

	(void)state;
	assert_int_equal(gm_map_fd(mem, 0x10001, 0x1000, fd), -EINVAL);
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x1001, fd), -EINVAL);
	assert_int_equal(gm_map_fd(mem, 0x10000, 0, fd), -EINVAL);
	assert_int_equal(gm_map_fd(mem, 64 * MIB - 0x1000, 0x2000, fd), -EINVAL);
	/* A file that ends before its mapping would be a SIGBUS later. */
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x5000, fd), -EINVAL);
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x1000, -1), -EBADF);
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x2000, fd), 0);
	assert_int_equal(gm_map_fd(mem, 0x11000, 0x1000, fd), -EEXIST);
	assert_int_equal(gm_map_fd(mem, 0xF000, 0x2000, fd), -EEXIST);
	close(fd);
	gm_destroy(mem);
}

static uint64_t resident(const struct guest_mem *mem)
{
	const struct gm_region *regions;
	unsigned char *map;
	uint64_t n = 0;

	gm_regions(mem, &regions);
	map = malloc(regions[0].size / 4096);
	assert_non_null(map);
	assert_int_equal(mincore(regions[0].host, regions[0].size, map), 0);
	for (uint64_t i = 0; i < regions[0].size / 4096; i++)
		n += map[i] & 1;
	free(map);
	return n * 4096;
}

static void nothing_is_touched_before_the_guest_does(void **state)
{
	struct guest_mem *mem = make(256 * MIB);

	(void)state;
	assert_int_equal(resident(mem), 0);
	gm_destroy(mem);
}

static void clear_zeroes_all_but_files(void **state)
{
	static const uint64_t places[] = {
		0, 0xA0000, 0xFFFF, 0x12000, 3 * GIB - 1, GM_HIGH_BASE, GM_HIGH_BASE + 8 * MIB - 1};
	struct guest_mem *mem = make(3 * GIB + 8 * MIB);
	int fd = file_of(0x2000), low = file_of(0x1000);
	char c = 0;

	(void)state;
	assert_int_equal(gm_map_fd(mem, 0x10000, 0x2000, fd), 0);
	assert_int_equal(gm_map_fd(mem, 0x1000, 0x1000, low), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		assert_int_equal(gm_write(mem, places[i], "x", 1), 0);
	assert_int_equal(gm_write(mem, 0x10800, "F", 1), 0);
	assert_int_equal(gm_write(mem, 0x1800, "L", 1), 0);
	assert_int_equal(gm_clear(mem), 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(gm_read(mem, places[i], &c, 1), 0);
		assert_int_equal(c, 0);
	}
	assert_int_equal(gm_read(mem, 0x10800, &c, 1), 0);
	assert_int_equal(c, 'F');
	assert_int_equal(gm_read(mem, 0x1800, &c, 1), 0);
	assert_int_equal(c, 'L');
	close(fd);
	close(low);
	gm_destroy(mem);
}

/* The address space around a region is reserved without any access. */
static void regions_stand_between_guards(void **state)
{
	struct guest_mem *mem = make(3 * GIB + 8 * MIB);
	const struct gm_region *regions;
	unsigned int n = gm_regions(mem, &regions), guarded = 0;
	unsigned long long from, to;
	char line[512], prot[8];
	FILE *maps = fopen("/proc/self/maps", "r");

	(void)state;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %7s", &from, &to, prot) != 3)
			continue;
		for (unsigned int i = 0; i < n; i++) {
			uint64_t start = (uintptr_t)regions[i].host;

			if (to == start || from == start + regions[i].size) {
				assert_string_equal(prot, "---p");
				guarded++;
			}
		}
	}
	fclose(maps);
	assert_int_equal(guarded, 2 * n);
	gm_destroy(mem);
}

/* What the guest may give back, seen by what it reads afterwards. */
/* Devices write to the very pages by themselves: a page that were replaced would be theirs still, and not the guest's. */
static void pinned_pages_stay(void **state)
{
	struct guest_mem *mem;
	unsigned char there;
	uint8_t *at;

	(void)state;
	assert_int_equal(gm_create(16 << 20, &mem), 0);
	at = gm_ptr(mem, 8 << 20, 4096);
	at[77] = 1;
	gm_pin(mem);
	assert_int_equal(gm_discard(mem, at, 4096), -EINVAL);
	assert_int_equal(at[77], 1);
	assert_int_equal(gm_clear(mem), 0);
	assert_int_equal(mincore(at, 4096, &there), 0);
	assert_int_equal(there & 1, 1);
	assert_int_equal(at[77], 0);
	gm_destroy(mem);
}

static void discarding(void **state)
{
	static const struct {
		uint64_t gpa, len;
		int expected;
	} cases[] = {
		{0x200000, 4096, 0},
		{0x201000, 3 * 4096, 0},
		{0x9F000, 4096, 0},
		{0x100000, 4096, 0},
		{4 * GIB, MIB, 0},
		{4 * GIB + MIB - 4096, 4096, 0},
		{0x200800, 4096, -EINVAL},
		{0x200000, 100, -EINVAL},
		{0x200000, 0, -EINVAL},
		{0x9F000, 8192, -EINVAL},
		{0xA0000, 4096, -EINVAL},
		{0xFF000, 4096, -EINVAL},
		{0xFF000, 8192, -EINVAL},
		{0x400000, 4096, -EINVAL},
		{0x3FF000, 8192, -EINVAL},
		{0x401000, 8192, -EINVAL},
		{3 * GIB - 4096, 8192, -EINVAL},
		{4 * GIB + MIB - 4096, 8192, -EINVAL},
		{0x200000, UINT64_MAX - 4095, -EINVAL},
	};
	struct guest_mem *mem = make(3 * GIB + MIB);
	int fd = memfd_create("mapped", MFD_CLOEXEC);
	uint8_t other[4096] __attribute__((aligned(4096)));

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(gm_map_fd(mem, 0x400000, 8192, fd), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t *at = gm_ptr(mem, cases[i].gpa, 1);

		*at = 0x5A;
		assert_int_equal(gm_discard(mem, at, cases[i].len), cases[i].expected);
		assert_int_equal(*at, cases[i].expected ? 0x5A : 0);
	}
	/* Memory that is none of the guest's. */
	assert_int_equal(gm_discard(mem, other, sizeof(other)), -EINVAL);
	gm_destroy(mem);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_cannot_be),
		cmocka_unit_test(layout_follows_the_size),
		cmocka_unit_test(pointers_only_to_ram),
		cmocka_unit_test(copies_are_all_or_nothing),
		cmocka_unit_test(file_stands_in_for_ram),
		cmocka_unit_test(bad_mappings_are_refused),
		cmocka_unit_test(nothing_is_touched_before_the_guest_does),
		cmocka_unit_test(clear_zeroes_all_but_files),
		cmocka_unit_test(regions_stand_between_guards),
		cmocka_unit_test(discarding),
		cmocka_unit_test(pinned_pages_stay),
	};

	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
