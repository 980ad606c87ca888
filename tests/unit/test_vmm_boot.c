/* Loading a PVH image into guest memory, and keeping both halves of the variable store in step. */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "varstore.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#define MEMORY (64ULL << 20)
#define LIVE   (MEMORY - VARSTORE_SIZE)
#define SEALS  (F_SEAL_SHRINK | F_SEAL_WRITE)

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr nh;
		char name[4];
		uint32_t desc;
	} note;
	char text[16];
};

static void make_image(struct image *im, uint64_t gpa, uint64_t mem_size)
{
	*im = (struct image){
		.eh = {.e_machine = EM_386,
		       .e_phoff = offsetof(struct image, ph),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2},
		.ph = {{.p_type = PT_LOAD,
			.p_offset = offsetof(struct image, text),
			.p_paddr = gpa,
			.p_filesz = 16,
			.p_memsz = mem_size},
		       {.p_type = PT_NOTE,
			.p_offset = offsetof(struct image, note),
			.p_filesz = sizeof(im->note)}},
		.note = {.nh = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
			 .name = "Xen",
			 .desc = (uint32_t)gpa + 4},
		.text = "code of a guest",
	};
	memcpy(im->eh.e_ident, ELFMAG, SELFMAG);
	im->eh.e_ident[EI_CLASS] = ELFCLASS64;
	im->eh.e_ident[EI_DATA] = ELFDATA2LSB;
}

static int file_with(const void *bytes, size_t n, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int load(struct guest_mem *mem, const struct image *im, struct vmb_err *err)
{
	int fd = file_with(im, sizeof(*im), SEALS), r;
	struct kvm_entry entry;

	r = pvh_load(mem, fd, 0xA1000, &entry, err);
	close(fd);
	if (r == 0) {
		assert_false(entry.is_64bit);
		assert_int_equal(entry.rip, im->note.desc);
		assert_int_equal(entry.boot_info, LAYOUT_START_INFO);
	}
	return r;
}

static struct guest_mem *memory(uint64_t size)
{
	struct guest_mem *mem;

	assert_int_equal(gm_create(size, &mem), 0);
	return mem;
}

static void image_is_where_it_wants_to_be(void **state)
{
	static const uint64_t places[] = {0x1000, GM_TABLES - 0x20, 0x100000, 0x3000000,
					  LIVE - 0x20};
	struct guest_mem *mem = memory(MEMORY);
	struct image im;
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		make_image(&im, places[i], 0x20);
		assert_int_equal(load(mem, &im, NULL), 0);
		assert_int_equal(gm_read(mem, places[i], text, sizeof(text)), 0);
		assert_string_equal(text, im.text);
		for (size_t n = 16; n < sizeof(text); n++)
			assert_int_equal(text[n], 0);
	}
	gm_destroy(mem);
}

static void segments_outside_ram_are_refused(void **state)
{
	static const struct {
		uint64_t gpa, size;
		const char *word;
	} cases[] = {
		{GM_TABLES - 0x1F, 0x20, "no RAM"}, /* into the tables */
		{GM_TABLES, 0x20, "no RAM"},	    /* in them */
		{0xFFFF0, 0x20, "no RAM"},	    /* before 1 MiB */
		{LIVE - 0x1F, 0x20, "more memory"}, /* into the variables */
		{MEMORY, 0x20, "more memory"},
		{0x100000, 0xFF000000 - 0x100000, "more memory"},
		{0xFFFFFFE0, 0x20, "more memory"},
	};
	struct guest_mem *mem = memory(MEMORY);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmb_err err = {0};
		struct image im;

		make_image(&im, cases[i].gpa, cases[i].size);
		assert_true(load(mem, &im, &err) < 0);
		if (!strstr(err.text, cases[i].word))
			fail_msg("case %zu: %s", i, err.text);
	}
	gm_destroy(mem);
}

/* A file that could still shrink under us would be a SIGBUS at the next reset. */
static void unsealed_firmware_is_refused(void **state)
{
	static const int seals[] = {0, F_SEAL_SHRINK, F_SEAL_WRITE, F_SEAL_GROW};
	struct guest_mem *mem = memory(MEMORY);
	struct kvm_entry entry;
	struct image im;

	(void)state;
	make_image(&im, 0x100000, 0x20);
	for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		int fd = file_with(&im, sizeof(im), seals[i]);

		assert_int_equal(pvh_load(mem, fd, 0, &entry, NULL), -EINVAL);
		close(fd);
	}
	assert_int_equal(pvh_load(mem, -1, 0, &entry, NULL), -EINVAL);
	gm_destroy(mem);
}

static void empty_firmware_is_refused(void **state)
{
	struct guest_mem *mem = memory(MEMORY);
	int fd = file_with("", 0, SEALS);
	struct vmb_err err = {0};
	struct kvm_entry entry;

	(void)state;
	assert_int_equal(pvh_load(mem, fd, 0, &entry, &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty"));
	close(fd);
	gm_destroy(mem);
}

/* Xen start_info.h, read back field by field. */
static void start_info_tells_the_memory(void **state)
{
	static const struct {
		uint64_t addr, size;
		uint32_t type;
	} want[] = {
		{0, 0xA0000, 1},
		{0xA0000, 0x60000, 2},
		{0x100000, 0xC0000000 - 0x100000, 1},
		{0xE8000000, 0x10000000, 2},
		{0x100000000, 0x80000000, 1},
	};
	struct guest_mem *mem = memory(5ULL << 30);
	uint64_t rsdp, map, value;
	uint32_t magic, version, entries, type;
	struct image im;

	(void)state;
	make_image(&im, 0x100000, 0x20);
	assert_int_equal(load(mem, &im, NULL), 0);
	gm_read(mem, 0xA0000, &magic, 4);
	gm_read(mem, 0xA0004, &version, 4);
	gm_read(mem, 0xA0020, &rsdp, 8);
	gm_read(mem, 0xA0028, &map, 8);
	gm_read(mem, 0xA0030, &entries, 4);
	assert_int_equal(magic, 0x336EC578);
	assert_int_equal(version, 1);
	assert_int_equal(rsdp, 0xA1000);
	assert_int_equal(entries, 5);
	/* Behind the structure, before the tables. */
	assert_in_range(map, 0xA0000 + 56, 0xA1000 - 5 * 24);
	for (uint32_t i = 0; i < entries; i++) {
		gm_read(mem, map + i * 24, &value, 8);
		assert_int_equal(value, want[i].addr);
		gm_read(mem, map + i * 24 + 8, &value, 8);
		assert_int_equal(value, want[i].size);
		gm_read(mem, map + i * 24 + 16, &type, 4);
		assert_int_equal(type, want[i].type);
	}
	gm_destroy(mem);
	mem = memory(3ULL << 30);
	assert_int_equal(load(mem, &im, NULL), 0);
	gm_read(mem, 0xA0030, &entries, 4);
	assert_int_equal(entries, 4);
	gm_destroy(mem);
}

/* ---- variables ---- */

struct vars {
	struct guest_mem *mem;
	int fd;
	uint8_t live[VARSTORE_SIZE], good[VARSTORE_SIZE];
};

static int setup(void **state)
{
	struct vars *v = calloc(1, sizeof(*v));

	if (!v)
		return -1;
	*state = v;
	v->mem = memory(MEMORY);
	v->fd = memfd_create("vars", 0);
	varstore_format(v->live, VARSTORE_SIZE);
	varstore_format(v->good, VARSTORE_SIZE);
	return 0;
}

static int teardown(void **state)
{
	struct vars *v = *state;

	gm_destroy(v->mem);
	close(v->fd);
	free(v);
	return 0;
}

static bool settle(struct vars *v)
{
	bool changed = false;

	assert_int_equal(pwrite(v->fd, v->live, VARSTORE_SIZE, 0), VARSTORE_SIZE);
	assert_int_equal(pwrite(v->fd, v->good, VARSTORE_SIZE, VARSTORE_SIZE), VARSTORE_SIZE);
	assert_int_equal(varstore_attach(v->mem, v->fd, NULL), 0);
	assert_int_equal(varstore_settle(v->fd, &(struct log_limit){0}, &changed), 0);
	assert_int_equal(pread(v->fd, v->live, VARSTORE_SIZE, 0), VARSTORE_SIZE);
	assert_int_equal(pread(v->fd, v->good, VARSTORE_SIZE, VARSTORE_SIZE), VARSTORE_SIZE);
	/* Afterwards both are the same, and valid. */
	assert_memory_equal(v->live, v->good, VARSTORE_SIZE);
	assert_int_equal(varstore_check(v->good, VARSTORE_SIZE, NULL), 0);
	return changed;
}

static void store_is_at_the_end_of_low_memory(void **state)
{
	struct vars *v = *state;
	char sig[4];

	assert_false(settle(v));
	assert_int_equal(gm_read(v->mem, LIVE + 0x28, sig, 4), 0);
	assert_memory_equal(sig, "_FVH", 4);
}

static void valid_changes_become_good(void **state)
{
	struct vars *v = *state;

	v->live[0x83FF0] = 7;
	assert_true(settle(v));
	assert_int_equal(v->good[0x83FF0], 7);
}

static void damaged_live_half_is_replaced(void **state)
{
	struct vars *v = *state;

	v->good[0x83FF0] = 9;
	v->live[0x28] = 0;
	assert_false(settle(v));
	assert_int_equal(v->live[0x83FF0], 9);
}

static void damaged_good_half_is_replaced(void **state)
{
	struct vars *v = *state;

	v->good[0x28] = 0;
	v->live[0x83FF0] = 5;
	assert_true(settle(v));
	assert_int_equal(v->good[0x83FF0], 5);
}

static void short_variable_memory_is_refused(void **state)
{
	struct vars *v = *state;

	assert_int_equal(ftruncate(v->fd, 2 * VARSTORE_SIZE - 1), 0);
	assert_int_equal(varstore_attach(v->mem, v->fd, NULL), -EINVAL);
}

/* Both halves damaged: the guest still gets a store it can use. */
static void two_damaged_halves_give_an_empty_store(void **state)
{
	struct vars *v = *state;
	bool changed = false;

	memset(v->live, 0, VARSTORE_SIZE);
	memset(v->good, 0xFF, VARSTORE_SIZE);
	assert_int_equal(pwrite(v->fd, v->live, VARSTORE_SIZE, 0), VARSTORE_SIZE);
	assert_int_equal(pwrite(v->fd, v->good, VARSTORE_SIZE, VARSTORE_SIZE), VARSTORE_SIZE);
	assert_int_equal(varstore_attach(v->mem, v->fd, NULL), 0);
	assert_int_equal(varstore_settle(v->fd, &(struct log_limit){0}, &changed), 0);
	assert_int_equal(gm_read(v->mem, LIVE, v->live, VARSTORE_SIZE), 0);
	assert_int_equal(varstore_check(v->live, VARSTORE_SIZE, NULL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_where_it_wants_to_be),
		cmocka_unit_test(segments_outside_ram_are_refused),
		cmocka_unit_test(unsealed_firmware_is_refused),
		cmocka_unit_test(empty_firmware_is_refused),
		cmocka_unit_test(start_info_tells_the_memory),
		TEST(store_is_at_the_end_of_low_memory),
		TEST(valid_changes_become_good),
		TEST(damaged_live_half_is_replaced),
		TEST(damaged_good_half_is_replaced),
		TEST(short_variable_memory_is_refused),
		TEST(two_damaged_halves_give_an_empty_store),
	};

	return cmocka_run_group_tests_name("vmm boot", tests, NULL, NULL);
}
