/*
 * A directly booted Linux: what lies where in guest memory, byte by byte as boot.rst and
 * zero-page.rst (bzImage) and start_info.h (PVH) say; and what does not fit.
 */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel_image.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#define MIB (1ULL << 20)

struct fixture {
	struct guest_mem *mem;
	uint8_t kernel[KI_SIZE];
	struct linux_boot boot;
	struct kvm_entry entry;
	struct vmb_err err;
};

static int sealed(const void *bytes, size_t n)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	ki_make(f->kernel);
	f->boot = (struct linux_boot){.kernel_fd = -1, .initrd_fd = -1, .cmdline = ""};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gm_destroy(f->mem);
	if (f->boot.kernel_fd >= 0)
		close(f->boot.kernel_fd);
	if (f->boot.initrd_fd >= 0)
		close(f->boot.initrd_fd);
	free(f);
	return 0;
}

/* Loads the kernel into MEMORY bytes with an initrd of INITRD_SIZE bytes of 0xC3. */
static int load(struct fixture *f, uint64_t memory, size_t initrd_size)
{
	static const uint8_t rsdp[36] = "RSD PTR and whatever comes behind it";
	uint8_t *initrd = malloc(initrd_size + 1);

	assert_int_equal(gm_create(memory, &f->mem), 0);
	assert_int_equal(gm_write(f->mem, LAYOUT_ACPI, rsdp, sizeof(rsdp)), 0);
	memset(initrd, 0xC3, initrd_size);
	if (f->boot.kernel_fd < 0)
		f->boot.kernel_fd = sealed(f->kernel, sizeof(f->kernel));
	f->boot.initrd_fd = sealed(initrd, initrd_size);
	f->boot.rsdp = LAYOUT_ACPI;
	free(initrd);
	return linux_load(f->mem, &f->boot, &f->entry, &f->err);
}

static void loaded(struct fixture *f, uint64_t memory, size_t initrd_size)
{
	if (load(f, memory, initrd_size) != 0)
		fail_msg("refused: %s", f->err.text);
}

static void refused(struct fixture *f, uint64_t memory, size_t initrd_size, int code,
		    const char *words)
{
	assert_int_equal(load(f, memory, initrd_size), -code);
	if (!strstr(f->err.text, words))
		fail_msg("the sentence misses \"%s\": %s", words, f->err.text);
}

static uint64_t number(const struct fixture *f, uint64_t gpa, unsigned int bytes)
{
	uint64_t value = 0;

	assert_int_equal(gm_read(f->mem, gpa, &value, bytes), 0);
	return value;
}

static void kernel_header_and_zero_page(void **state)
{
	struct fixture *f = *state;
	uint64_t zp;

	f->boot.cmdline = "console=ttyS0 quiet";
	f->kernel[0x26C] = 0xEE; /* code behind the header, and before it: not the header's */
	f->kernel[0x1F0] = 0xEE;
	loaded(f, 64 * MIB, 5000);
	assert_true(f->entry.is_64bit);
	assert_int_equal(f->entry.rip, 0x1000200);
	zp = f->entry.boot_info;
	/* The whole kernel, without its real-mode part. */
	assert_memory_equal(gm_ptr(f->mem, 0x1000000, KI_PAYLOAD), f->kernel + KI_SETUP,
			    KI_PAYLOAD);
	assert_int_equal(number(f, 0x1000000 + KI_PAYLOAD, 8), 0);
	/* The header as it was, at its place. */
	assert_memory_equal(gm_ptr(f->mem, zp + 0x1FE, 12), f->kernel + 0x1FE, 12);
	assert_memory_equal(gm_ptr(f->mem, zp + 0x22C, 0x26C - 0x22C), f->kernel + 0x22C,
			    0x26C - 0x22C);
	assert_int_equal(number(f, zp + 0x26C, 1), 0);
	assert_int_equal(number(f, zp + 0x1EF, 1), 0); /* sentinel: zero says that the rest is */
	assert_int_equal(number(f, zp + 0x1F0, 1), 0);
	/* What the loader fills in. */
	assert_int_equal(number(f, zp + 0x070, 8), LAYOUT_ACPI);
	assert_int_equal(number(f, zp + 0x1FA, 2), 0xFFFF);
	assert_int_equal(number(f, zp + 0x210, 1), 0xFF);
	assert_int_equal(number(f, zp + 0x214, 4), 0x1000000);
	assert_int_equal(number(f, zp + 0x250, 8), 0);
	assert_string_equal(gm_ptr(f->mem, number(f, zp + 0x228, 4), 20), "console=ttyS0 quiet");
	/* High addresses that we do not use. */
	assert_int_equal(number(f, zp + 0x0C0, 4), 0);
	assert_int_equal(number(f, zp + 0x0C4, 4), 0);
	assert_int_equal(number(f, zp + 0x0C8, 4), 0);
	/* A kernel that searches finds the RSDP where a PC has it. */
	assert_int_equal(LAYOUT_RSDP_COPY % 16, 0);
	assert_memory_equal(gm_ptr(f->mem, LAYOUT_RSDP_COPY, 36), gm_ptr(f->mem, LAYOUT_ACPI, 36),
			    36);
}

/* mov dx, 0xCF9; mov al, 6; out dx, al: for a Linux that reboots through the BIOS (test_direct.py). */
static void reset_vector_resets(void **state)
{
	struct fixture *f = *state;

	loaded(f, 64 * MIB, 0);
	assert_memory_equal(gm_ptr(f->mem, 0xFFFF0, 6), "\xBA\xF9\x0C\xB0\x06\xEE", 6);
}

static void memory_map(void **state)
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
	struct fixture *f = *state;
	uint64_t zp;

	loaded(f, 5120 * MIB, 0);
	zp = f->entry.boot_info;
	assert_int_equal(number(f, zp + 0x1E8, 1), 5);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(number(f, zp + 0x2D0 + i * 20, 8), want[i].addr);
		assert_int_equal(number(f, zp + 0x2D0 + i * 20 + 8, 8), want[i].size);
		assert_int_equal(number(f, zp + 0x2D0 + i * 20 + 16, 4), want[i].type);
	}
	/* All RAM is offered: there is no variable store to spare. */
	assert_int_equal(want[0].size + want[2].size + 0x60000 + want[4].size, 5120 * MIB);
}

static void small_memory_has_no_high_range(void **state)
{
	struct fixture *f = *state;

	loaded(f, 64 * MIB, 0);
	assert_int_equal(number(f, f->entry.boot_info + 0x1E8, 1), 4);
	assert_int_equal(number(f, f->entry.boot_info + 0x2D0 + 2 * 20 + 8, 8), 63 * MIB);
	assert_int_equal(number(f, f->entry.boot_info + 0x218, 8), 0); /* no initrd */
}

/* Follows the tables as the processor does, from CR3. */
static uint64_t translate(const struct fixture *f, uint64_t linear)
{
	uint64_t table = f->entry.cr3, e;

	for (int shift = 39; shift > 21; shift -= 9) {
		e = number(f, (table & ~0xFFFULL) + (linear >> shift & 511) * 8, 8);
		assert_int_equal(e & 0x83, 3); /* present, writable, a table */
		table = e;
	}
	e = number(f, (table & ~0xFFFULL) + (linear >> 21 & 511) * 8, 8);
	assert_int_equal(e & 0x83, 0x83); /* a page of 2 MiB */
	return (e & ~0x1FFFFFULL) + (linear & 0x1FFFFF);
}

static void page_tables_and_gdt(void **state)
{
	struct fixture *f = *state;

	loaded(f, 64 * MIB, 0);
	for (uint64_t at = 0; at < 4096 * MIB; at += 2 * MIB)
		assert_int_equal(translate(f, at + 0x1234), at + 0x1234);
	assert_int_equal(number(f, f->entry.cr3 + 8, 8), 0);
	/* Flat, present, ring 0; code: execute/read, L; data: read/write. */
	assert_int_equal(number(f, f->entry.gdt, 8), 0);
	assert_int_equal(number(f, f->entry.gdt + 0x10, 8), 0x00AF9B000000FFFF);
	assert_int_equal(number(f, f->entry.gdt + 0x18, 8), 0x00CF93000000FFFF);
}

static void initrd_lies_high_on_a_page(void **state)
{
	struct fixture *f = *state;
	uint64_t at;

	loaded(f, 64 * MIB, 5000);
	at = number(f, f->entry.boot_info + 0x218, 4);
	assert_int_equal(at, 64 * MIB - 8192);
	assert_int_equal(number(f, f->entry.boot_info + 0x21C, 4), 5000);
	assert_int_equal(number(f, at, 1), 0xC3);
	assert_int_equal(number(f, at + 4999, 1), 0xC3);
	assert_int_equal(number(f, at + 5000, 1), 0);
}

static void initrd_obeys_the_kernels_limit(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_INITRD_MAX, 4, 0x27FFFFF); /* last byte below 40 MiB */
	loaded(f, 64 * MIB, 4096);
	assert_int_equal(number(f, f->entry.boot_info + 0x218, 4), 40 * MIB - 4096);
}

/* Not even in a machine whose low RAM goes on beyond what the kernel takes. */
static void initrd_stays_below_2g(void **state)
{
	struct fixture *f = *state;

	loaded(f, 3072 * MIB, 4096);
	assert_int_equal(number(f, f->entry.boot_info + 0x218, 4), 2048 * MIB - 4096);
}

static void initrd_just_fits(void **state)
{
	struct fixture *f = *state;

	loaded(f, 64 * MIB, 47 * MIB); /* the kernel needs 16..17 MiB */
	assert_int_equal(number(f, f->entry.boot_info + 0x218, 4), 17 * MIB);
}

static void initrd_too_big(void **state)
{
	refused(*state, 64 * MIB, 47 * MIB + 1, ENOSPC, "room for 47M");
}

static void initrd_bigger_than_memory(void **state)
{
	refused(*state, 64 * MIB, 65 * MIB, ENOSPC, "room for 47M");
}

static void initrd_limit_below_the_kernel(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_INITRD_MAX, 4, 0xFFF);
	refused(f, 64 * MIB, 4096, ENOSPC, "room for 0");
}

static void initrd_limit_of_4g(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_INITRD_MAX, 4, 0xFFFFFFFF);
	loaded(f, 5120 * MIB, 4096);
	assert_int_equal(number(f, f->entry.boot_info + 0x218, 4), 3072 * MIB - 4096);
}

static void kernel_that_does_not_fit(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_INIT_SIZE, 4, 48 * MIB + 1);
	refused(f, 64 * MIB, 0, ENOSPC, "has 64M below 3 GiB");
}

static void kernel_that_just_fits(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_INIT_SIZE, 4, 48 * MIB);
	loaded(f, 64 * MIB, 0);
}

static void kernel_that_runs_beyond_low_ram(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_PREF_ADDRESS, 8, 0xC0000000);
	refused(f, 5120 * MIB, 0, ENOSPC, "below 3 GiB");
}

static void command_line_of_the_longest_kind(void **state)
{
	struct fixture *f = *state;
	char text[257];

	memset(text, 'x', 255);
	text[255] = '\0';
	f->boot.cmdline = text;
	loaded(f, 64 * MIB, 0);
	assert_string_equal(gm_ptr(f->mem, number(f, f->entry.boot_info + 0x228, 4), 256), text);
}

static void command_line_too_long(void **state)
{
	struct fixture *f = *state;
	char text[257];

	memset(text, 'x', 256);
	text[256] = '\0';
	f->boot.cmdline = text;
	refused(f, 64 * MIB, 0, E2BIG, "has 256 characters, the kernel takes 255");
}

/* A header that claims a huge limit does not make us write beyond the place for the text. */
static void command_line_limit_that_lies(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(0x10001);

	ki_put(f->kernel, KI_CMDLINE_SIZE, 4, 0xFFFFFFFF);
	memset(text, 'x', 0x10000);
	text[0x10000] = '\0';
	f->boot.cmdline = text;
	refused(f, 64 * MIB, 0, E2BIG, "the kernel takes 65535");
	free(text);
}

static void unsealed_files_are_refused(void **state)
{
	struct fixture *f = *state;

	f->boot.kernel_fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	refused(f, 64 * MIB, 0, EINVAL, "could still change");
}

static void damaged_kernel_is_named(void **state)
{
	struct fixture *f = *state;

	ki_put(f->kernel, KI_XLOADFLAGS, 2, 0);
	refused(f, 64 * MIB, 0, EINVAL, "32-bit");
}

/* ---- vmlinux, by PVH ---- */

struct vmlinux {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr nh;
		char name[4];
		uint64_t desc;
	} note;
	uint8_t text[64];
};

/* At 16 MiB, 1 MiB big with its bss. */
static void make_vmlinux(struct fixture *f)
{
	struct vmlinux im = {.note = {{4, 8, 18}, "Xen", 0x1000010}};

	memcpy(im.eh.e_ident, ELFMAG, SELFMAG);
	im.eh.e_ident[EI_CLASS] = ELFCLASS64;
	im.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	im.eh.e_machine = EM_X86_64;
	im.eh.e_phoff = offsetof(struct vmlinux, ph);
	im.eh.e_phentsize = sizeof(Elf64_Phdr);
	im.eh.e_phnum = 2;
	im.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_offset = offsetof(struct vmlinux, text),
				.p_paddr = 0x1000000,
				.p_filesz = 64,
				.p_memsz = MIB};
	im.ph[1] = (Elf64_Phdr){.p_type = PT_NOTE,
				.p_offset = offsetof(struct vmlinux, note),
				.p_filesz = sizeof(im.note)};
	memset(im.text, 0xAB, sizeof(im.text));
	f->boot.kernel_fd = sealed(&im, sizeof(im));
}

static void vmlinux_gets_start_info(void **state)
{
	struct fixture *f = *state;
	uint64_t info, list, map;

	make_vmlinux(f);
	f->boot.cmdline = "console=ttyS0";
	loaded(f, 64 * MIB, 5000);
	assert_false(f->entry.is_64bit);
	assert_int_equal(f->entry.rip, 0x1000010);
	assert_int_equal(number(f, 0x1000000, 8), 0xABABABABABABABAB);
	info = f->entry.boot_info;
	assert_int_equal(number(f, info, 4), 0x336EC578);
	assert_int_equal(number(f, info + 4, 4), 1);
	assert_int_equal(number(f, info + 12, 4), 1); /* one module: */
	list = number(f, info + 16, 8);
	assert_int_equal(number(f, list, 8), 64 * MIB - 8192);
	assert_int_equal(number(f, list + 8, 8), 5000);
	assert_int_equal(number(f, list + 16, 8), 0);
	assert_int_equal(number(f, 64 * MIB - 8192, 1), 0xC3);
	assert_string_equal(gm_ptr(f->mem, number(f, info + 24, 8), 14), "console=ttyS0");
	assert_int_equal(number(f, info + 32, 8), LAYOUT_ACPI);
	map = number(f, info + 40, 8);
	assert_int_equal(number(f, info + 48, 4), 4);
	assert_int_equal(number(f, map + 2 * 24, 8), MIB);
	assert_int_equal(number(f, map + 2 * 24 + 8, 8), 63 * MIB);
	assert_int_equal(number(f, map + 2 * 24 + 16, 4), 1);
}

static void vmlinux_alone(void **state)
{
	struct fixture *f = *state;

	make_vmlinux(f);
	loaded(f, 64 * MIB, 0);
	assert_int_equal(number(f, f->entry.boot_info + 12, 4), 0); /* no modules */
	assert_int_equal(number(f, f->entry.boot_info + 16, 8), 0); /* nor a list of them */
	assert_int_equal(number(f, f->entry.boot_info + 24, 8), 0); /* nor a command line */
}

static void vmlinux_with_too_much(void **state)
{
	struct fixture *f = *state;
	char text[2049];

	make_vmlinux(f);
	refused(f, 64 * MIB, 47 * MIB + 1, ENOSPC, "room for 47M");
	memset(text, 'x', 2048);
	text[2048] = '\0';
	f->boot.cmdline = text;
	assert_int_equal(linux_load(f->mem, &f->boot, &f->entry, &f->err), -E2BIG);
	/* The longest one ends before the ACPI tables. */
	text[2047] = '\0';
	assert_int_equal(ftruncate(f->boot.initrd_fd, 0), -1); /* sealed: take another one */
	close(f->boot.initrd_fd);
	f->boot.initrd_fd = sealed("", 0);
	assert_int_equal(linux_load(f->mem, &f->boot, &f->entry, &f->err), 0);
	assert_memory_equal(gm_ptr(f->mem, LAYOUT_ACPI, 8), "RSD PTR ", 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kernel_header_and_zero_page),
		TEST(reset_vector_resets),
		TEST(memory_map),
		TEST(small_memory_has_no_high_range),
		TEST(page_tables_and_gdt),
		TEST(initrd_lies_high_on_a_page),
		TEST(initrd_obeys_the_kernels_limit),
		TEST(initrd_stays_below_2g),
		TEST(initrd_just_fits),
		TEST(initrd_too_big),
		TEST(initrd_bigger_than_memory),
		TEST(initrd_limit_below_the_kernel),
		TEST(initrd_limit_of_4g),
		TEST(kernel_that_does_not_fit),
		TEST(kernel_that_just_fits),
		TEST(kernel_that_runs_beyond_low_ram),
		TEST(command_line_of_the_longest_kind),
		TEST(command_line_too_long),
		TEST(command_line_limit_that_lies),
		TEST(unsealed_files_are_refused),
		TEST(damaged_kernel_is_named),
		TEST(vmlinux_gets_start_info),
		TEST(vmlinux_alone),
		TEST(vmlinux_with_too_much),
	};

	return cmocka_run_group_tests_name("linux boot", tests, NULL, NULL);
}
