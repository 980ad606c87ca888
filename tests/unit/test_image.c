/* What a file is, by its content; and that no content does harm. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "fake_vmm.h"
#include "storage/image.h"

#define SIZE IMAGE_HEAD_SIZE

static uint8_t head[SIZE];

static struct image_info classify(size_t head_size, uint64_t file_size)
{
	struct image_info info;

	memset(&info, 0xA5, sizeof(info));
	image_classify(head, head_size, file_size, &info);
	/* Everything but what vmboot boots has a reason, and the reason is whole. */
	assert_non_null(memchr(info.reason, '\0', sizeof(info.reason)));
	assert_int_equal(info.reason[0] == '\0',
			 info.kind == IMAGE_PVH || info.kind == IMAGE_FLASH);
	assert_non_null(memchr(info.version, '\0', sizeof(info.version)));
	return info;
}

static enum image_kind kind_of(uint64_t file_size)
{
	return classify(sizeof(head), file_size).kind;
}

static int clear(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	return 0;
}

static void a_pvh_image_is_known(void **state)
{
	char path[] = "/tmp/vmboot-image.XXXXXX";
	int fd = mkstemp(path);
	ssize_t n;

	(void)state;
	fake_firmware(path);
	n = read(fd, head, sizeof(head));
	assert_true(n > 0);
	close(fd);
	unlink(path);
	assert_int_equal(classify((size_t)n, (uint64_t)n).kind, IMAGE_PVH);
	/* The same ELF without its note is refused with the loader's own words. */
	head[sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) + 8] = 5;
	assert_int_equal(classify((size_t)n, (uint64_t)n).kind, IMAGE_ELF);
}

static void make_volume(const uint8_t guid[16], uint64_t length)
{
	memset(head, 0, sizeof(head));
	memcpy(head + 0x10, guid, 16);
	memcpy(head + 0x20, &length, 8);
	memcpy(head + 0x28, "_FVH", 4);
}

static void volumes_are_told_apart(void **state)
{
	static const uint8_t ffs2[16] = {0x78, 0xE5, 0x8C, 0x8C, 0x3D, 0x8A, 0x1C, 0x4F,
					 0x99, 0x35, 0x89, 0x61, 0x85, 0xC3, 0x2D, 0xD3};
	static uint8_t store[VARSTORE_SIZE];

	(void)state;
	/* OVMF_CODE: a volume of code that is the beginning of the file */
	make_volume(ffs2, 0x1A0000);
	assert_int_equal(kind_of(0x1E0000), IMAGE_FLASH);
	assert_string_equal(classify(sizeof(head), 0x1E0000).reason, "");
	assert_int_equal(kind_of(0x37C000), IMAGE_FLASH);
	/* Cut off, or for a machine that is not ours: a sentence that fits where it is shown */
	assert_int_equal(kind_of(0x1E0000 - 1), IMAGE_VOLUME);
	assert_non_null(strstr(classify(sizeof(head), 0x1E0000 - 1).reason, "flash image"));
	assert_non_null(strstr(classify(sizeof(head), 0x1E0000 - 1).reason, "cloudhv-efi-x86-64"));
	/* OVMF_VARS: nothing but the store */
	varstore_format(store, VARSTORE_SIZE);
	memcpy(head, store, sizeof(head));
	assert_int_equal(kind_of(VARSTORE_SIZE), IMAGE_VARS);
	/* OVMF.fd, and CLOUDHV.fd before May 2022: the store, then code */
	assert_int_equal(kind_of(0x400000), IMAGE_FLASH);
	assert_int_equal(kind_of(0x200000), IMAGE_VOLUME);
}

static void kernels_and_programs_are_known(void **state)
{
	uint32_t pe = 0x80;
	uint16_t magic = 0x20B, subsystem = 10, version = 0x300;
	struct image_info info;

	(void)state;
	memcpy(head, "MZ", 2);
	memcpy(head + 0x3C, &pe, 4);
	memcpy(head + pe, "PE\0\0", 4);
	memcpy(head + pe + 24, &magic, 2);
	memcpy(head + pe + 24 + 68, &subsystem, 2);
	info = classify(sizeof(head), 1 << 20);
	assert_int_equal(info.kind, IMAGE_UEFI_APP);
	assert_non_null(strstr(info.reason, "BOOTX64.EFI"));
	/* A Windows program is none. */
	subsystem = 3;
	memcpy(head + pe + 24 + 68, &subsystem, 2);
	assert_int_equal(kind_of(1 << 20), IMAGE_UNKNOWN);
	/* A kernel is a kernel although it has an EFI stub. */
	subsystem = 10;
	memcpy(head + pe + 24 + 68, &subsystem, 2);
	memcpy(head + 0x1FE, "\x55\xAA", 2);
	memcpy(head + 0x202, "HdrS", 4);
	memcpy(head + 0x20E, &version, 2);
	strcpy((char *)head + 0x500, "6.1.0-42-amd64 (debian) #1 SMP");
	info = classify(sizeof(head), 8 << 20);
	assert_int_equal(info.kind, IMAGE_LINUX);
	assert_string_equal(info.version, "6.1.0-42-amd64");
}

static void empty_and_other_files_are_said_to_be_that(void **state)
{
	(void)state;
	assert_int_equal(classify(0, 0).kind, IMAGE_EMPTY);
	assert_int_equal(kind_of(sizeof(head)), IMAGE_UNKNOWN);
	memcpy(head, "just some text\n", 15);
	assert_int_equal(classify(15, 15).kind, IMAGE_UNKNOWN);
	memcpy(head, "\177ELF", 4);
	assert_int_equal(classify(4, 4).kind, IMAGE_ELF);
}

/* Headers with every field at its ends, in heads of every small size. The sanitizers judge. */
static void no_content_does_harm(void **state)
{
	static const char *const magics[] = {"\177ELF", "MZ", "_FVH", "HdrS"};
	static const uint8_t fills[] = {0x00, 0xFF, 0x7F, 0x80, 0x40};
	uint32_t seed = 1;

	(void)state;
	for (size_t f = 0; f < sizeof(fills); f++)
		for (size_t m = 0; m < 4; m++)
			for (size_t n = 0; n < 700; n++) {
				uint8_t *exact = malloc(n);
				struct image_info info;

				memset(head, fills[f], sizeof(head));
				memcpy(head + (m == 2	? 0x28
					       : m == 3 ? 0x202
							: 0),
				       magics[m], strlen(magics[m]));
				memcpy(head + 0x1FE, "\x55\xAA", 2);
				/* an allocation of the exact size, so that reading beyond it shows */
				if (n > 0)
					memcpy(exact, head, n);
				image_classify(exact, n, n, &info);
				image_classify(exact, n, UINT64_MAX, &info);
				free(exact);
			}
	for (int i = 0; i < 20000; i++) {
		uint8_t *exact;
		struct image_info info;
		size_t n;

		seed = seed * 1664525 + 1013904223;
		n = 0x240 + seed % 512;
		exact = malloc(n);
		for (size_t k = 0; k < n; k++) {
			seed = seed * 1664525 + 1013904223;
			exact[k] = (uint8_t)(seed >> 24);
		}
		memcpy(exact, "MZ", 2);
		memcpy(exact + 0x202, "HdrS", 4);
		exact[0x1FE] = 0x55;
		exact[0x1FF] = i & 1 ? 0xAA : 0;
		exact[0x3E] = exact[0x3F] = 0;
		image_classify(exact, n, n, &info);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_pvh_image_is_known, clear),
		cmocka_unit_test_setup(volumes_are_told_apart, clear),
		cmocka_unit_test_setup(kernels_and_programs_are_known, clear),
		cmocka_unit_test_setup(empty_and_other_files_are_said_to_be_that, clear),
		cmocka_unit_test_setup(no_content_does_harm, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
