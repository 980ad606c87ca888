/* What is a PVH image and, for everything else, whether the refusal names the right reason. */
#include "test.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>

#include "pvh.h"

#define FILE_SIZE 0x2000

struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr nh;
		char name[4];
		uint32_t desc;
	} note;
	uint8_t rest[FILE_SIZE - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr) - 20];
};

/* A small one with the shape of CLOUDHV.fd: machine EM_386 in an ELF64, the whole file one segment. */
static void make_image(struct image *im)
{
	memset(im, 0, sizeof(*im));
	memcpy(im->eh.e_ident, ELFMAG, SELFMAG);
	im->eh.e_ident[EI_CLASS] = ELFCLASS64;
	im->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	im->eh.e_machine = EM_386;
	im->eh.e_phoff = sizeof(im->eh);
	im->eh.e_phentsize = sizeof(Elf64_Phdr);
	im->eh.e_phnum = 2;
	im->ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				 .p_paddr = 0x100000,
				 .p_filesz = FILE_SIZE,
				 .p_memsz = 2 * FILE_SIZE};
	im->ph[1] = (Elf64_Phdr){.p_type = PT_NOTE,
				 .p_offset = offsetof(struct image, note),
				 .p_filesz = sizeof(im->note)};
	im->note.nh = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 4, .n_type = 18};
	memcpy(im->note.name, "Xen", 4);
	im->note.desc = 0x101FF0;
}

static void image_is_accepted(void **state)
{
	struct pvh_image parsed;
	struct image im;

	(void)state;
	make_image(&im);
	assert_int_equal(pvh_check(&im, sizeof(im), sizeof(im), &parsed, NULL), 0);
	assert_int_equal(parsed.entry, 0x101FF0);
	assert_int_equal(parsed.segment_count, 1);
	assert_int_equal(parsed.segments[0].gpa, 0x100000);
	assert_int_equal(parsed.segments[0].file_size, FILE_SIZE);
	assert_int_equal(parsed.segments[0].mem_size, 2 * FILE_SIZE);
	/* The head is enough to classify a file. */
	assert_int_equal(pvh_check(&im, 4096, sizeof(im), NULL, NULL), 0);
	/* So it is for a vmlinux: EM_X86_64, an 8-byte descriptor, behind another note. */
	im.eh.e_machine = EM_X86_64;
	im.ph[1].p_filesz = 60;
	memmove((uint8_t *)&im.note + 20, &im.note, 20);
	im.note.nh.n_type = 5;
	((Elf64_Nhdr *)((uint8_t *)&im.note + 20))->n_descsz = 8;
	assert_int_equal(pvh_check(&im, sizeof(im), sizeof(im), &parsed, NULL), 0);
	assert_int_equal(parsed.entry, 0x101FF0);
}

/* One way to spoil the image each, and a word the sentence must have. */
static void not_for_x86(struct image *im)
{
	im->eh.e_machine = EM_AARCH64;
}
static void big_endian(struct image *im)
{
	im->eh.e_ident[EI_DATA] = ELFDATA2MSB;
}
static void class32(struct image *im)
{
	im->eh.e_ident[EI_CLASS] = ELFCLASS32;
}
static void no_headers(struct image *im)
{
	im->eh.e_phnum = 0;
}
static void headers_outside(struct image *im)
{
	im->eh.e_phoff = UINT64_MAX - 8;
}
static void many_headers(struct image *im)
{
	im->eh.e_phnum = 0xFFFF;
}
static void no_note(struct image *im)
{
	im->ph[1].p_type = PT_NULL;
}
static void other_note(struct image *im)
{
	im->note.nh.n_type = 1;
}
static void note_outside(struct image *im)
{
	im->ph[1].p_offset = UINT64_MAX - 3;
}
static void note_too_long(struct image *im)
{
	im->note.nh.n_descsz = UINT32_MAX;
}
static void name_too_long(struct image *im)
{
	im->note.nh.n_namesz = UINT32_MAX;
}
static void cut_segment(struct image *im)
{
	im->ph[0].p_filesz = im->ph[0].p_memsz = FILE_SIZE + 1;
}
static void wrapping_offset(struct image *im)
{
	im->ph[0].p_offset = UINT64_MAX;
}
static void file_over_memory(struct image *im)
{
	im->ph[0].p_memsz = FILE_SIZE - 1;
}
static void beyond_4g(struct image *im)
{
	im->ph[0].p_paddr = 0xFFFFFFFF;
}
static void wrapping_address(struct image *im)
{
	im->ph[0].p_paddr = UINT64_MAX;
}
static void entry_outside(struct image *im)
{
	im->note.desc = 0x104000;
}
static void nothing_to_load(struct image *im)
{
	im->ph[0].p_type = PT_NULL;
}

static void damaged_images_are_refused_with_the_reason(void **state)
{
	static const struct {
		void (*spoil)(struct image *im);
		const char *word;
	} cases[] = {
		{not_for_x86, "another kind of processor"},
		{big_endian, "little-endian"},
		{class32, "32-bit ELF"},
		{no_headers, "without program headers"},
		{headers_outside, "program headers lie outside"},
		{many_headers, "program headers lie outside"},
		{no_note, "without the PVH note"},
		{other_note, "without the PVH note"},
		{note_outside, "notes of the ELF file lie outside"},
		{note_too_long, "longer than its segment"},
		{name_too_long, "longer than its segment"},
		{cut_segment, "cut off"},
		{wrapping_offset, "cut off"},
		{file_over_memory, "more bytes in the file than in memory"},
		{beyond_4g, "beyond 4 GiB"},
		{wrapping_address, "beyond 4 GiB"},
		{entry_outside, "lies in none of its segments"},
		{nothing_to_load, "lies in none of its segments"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmb_err err = {0};
		struct image im;

		make_image(&im);
		cases[i].spoil(&im);
		assert_int_equal(pvh_check(&im, sizeof(im), sizeof(im), NULL, &err), -EINVAL);
		if (!strstr(err.text, cases[i].word))
			fail_msg("case %zu wants \"%s\", says: %s", i, cases[i].word, err.text);
	}
}

static void too_many_segments_are_refused(void **state)
{
	static uint8_t file[sizeof(Elf64_Ehdr) + (PVH_MAX_SEGMENTS + 1) * sizeof(Elf64_Phdr)];
	struct vmb_err err = {0};
	struct image im;

	(void)state;
	make_image(&im);
	im.eh.e_phnum = PVH_MAX_SEGMENTS + 1;
	im.ph[0].p_filesz = 16;
	memcpy(file, &im.eh, sizeof(im.eh));
	for (int i = 0; i <= PVH_MAX_SEGMENTS; i++)
		memcpy(file + sizeof(im.eh) + i * sizeof(Elf64_Phdr), &im.ph[0],
		       sizeof(Elf64_Phdr));
	assert_int_equal(pvh_check(file, sizeof(file), sizeof(file), NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 16 segments"));
}

static void other_files_are_named(void **state)
{
	static uint8_t buf[4096];
	struct vmb_err err = {0};

	(void)state;
	assert_int_equal(pvh_check(buf, 0, 0, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(pvh_check(buf, sizeof(buf), sizeof(buf), NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not an ELF file"));
	memset(buf, 'a', sizeof(buf));
	assert_int_equal(pvh_check(buf, sizeof(buf), sizeof(buf), NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "text"));
	memset(buf, 0, sizeof(buf));
	memcpy(buf + 0x202, "HdrS", 4);
	memcpy(buf, "MZ", 2);
	assert_int_equal(pvh_check(buf, sizeof(buf), 9 << 20, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "Linux kernel"));
	memset(buf + 0x202, 0, 4);
	assert_int_equal(pvh_check(buf, sizeof(buf), 9 << 20, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.text, "UEFI application"));
}

/* Every shorter file: refused, and (ASan) nothing read beyond it. */
static void truncated_at_every_byte(void **state)
{
	struct image im;

	(void)state;
	make_image(&im);
	for (size_t n = 0; n < 512; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, &im, n);
		assert_int_equal(pvh_check(copy, n, n, NULL, NULL), -EINVAL);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_is_accepted),
		cmocka_unit_test(damaged_images_are_refused_with_the_reason),
		cmocka_unit_test(too_many_segments_are_refused),
		cmocka_unit_test(other_files_are_named),
		cmocka_unit_test(truncated_at_every_byte),
	};

	return cmocka_run_group_tests_name("pvh", tests, NULL, NULL);
}
