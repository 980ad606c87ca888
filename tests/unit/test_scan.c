/* Files that are offered: disk images in a directory, and firmware, also what QEMU's descriptors name. */
#include "seen_fixture.h"

#include "fake_vmm.h"
#include "storage/descriptor.h"
#include "storage/disk_image.h"
#include "storage/scan.h"

/* ---- image files ---- */

static const struct storage_image *image(const char *name)
{
	for (unsigned int i = 0; i < seen.image_count; i++)
		if (strcmp(strrchr(seen.images[i].path, '/') + 1, name) == 0)
			return &seen.images[i];
	return NULL;
}

static int look_at_images(struct scratch *s, struct vmb_err *err)
{
	char dir[PATH_MAX];

	memset(&seen, 0, sizeof(seen));
	return storage_probe_images(scratch_path(s, "images", dir), &report, &seen, err);
}

static void disk_images_in_a_directory_are_offered(void **state)
{
	struct scratch *s = *state;
	const struct storage_image *found;
	struct vmb_err err = {0};

	NEED_TOOL("sfdisk");
	put(s, "images/.hidden.img", "");
	put(s, "images/readme.txt", "about these");
	put_bytes(s, "images/disk.raw", "", 0, 16 << 20);
	put_bytes(s, "images/blank.img", "", 0, 1 << 20);
	put_bytes(s, "images/odd.img", "x", 1, 1000);
	put(s, "images/nothing.iso", "");
	put_bytes(s, "images/vm.qcow2", "QFI\xFB\0\0\0\3", 8, 1 << 16);
	put_bytes(s, "images/debian.img.xz",
		  "\xFD"
		  "7zXZ\0",
		  6, 4096);
	assert_true(sh("cd %s/images && printf 'start=2048, size=4096, "
		       "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\\nsize=8192\\n' | "
		       "sfdisk -q -X gpt disk.raw && mkfifo fifo.img && mkdir dir.img && "
		       "ln -s disk.raw link.raw && ln -s gone.img dangling.img",
		       s->dir));
	assert_int_equal(look_at_images(s, &err), 0);
	found = image("disk.raw");
	assert_non_null(found);
	assert_int_equal(found->size, 16 << 20);
	assert_string_equal(found->identity.fstype, "gpt");
	assert_string_equal(found->holds, "2 partitions, EFI system partition");
	assert_string_equal(found->reason, "");
	assert_string_equal(image("blank.img")->reason, "");
	assert_non_null(image("link.raw"));
	/* What cannot be attached is shown with what to do about it. */
	assert_non_null(strstr(image("vm.qcow2")->reason, "qemu-img convert"));
	assert_non_null(strstr(image("debian.img.xz")->reason, "unpack"));
	assert_non_null(strstr(image("odd.img")->reason, "512"));
	assert_non_null(strstr(image("nothing.iso")->reason, "empty"));
	assert_int_equal(seen.image_count, 7);
}

static void an_iso_image_says_how_it_boots(void **state)
{
	struct scratch *s = *state;
	const struct storage_image *found;
	struct vmb_err err;

	NEED_TOOL("xorriso");
	put(s, "tree/readme.txt", "x");
	put_bytes(s, "tree/efi.img", "", 0, 1 << 20);
	put_bytes(s, "tree/bios.bin", "", 0, 2048);
	put(s, "images/.keep", "");
	assert_true(sh("cd %s && xorriso -as mkisofs -quiet -V 'Plain' -o images/plain.iso tree "
		       "2>/dev/null && xorriso -as mkisofs -quiet -V 'Both' -o images/both.iso "
		       "-b bios.bin -no-emul-boot -eltorito-alt-boot -e efi.img -no-emul-boot tree "
		       "2>/dev/null && xorriso -as mkisofs -quiet -V 'EFI' -o images/efi.iso -e "
		       "efi.img -no-emul-boot tree 2>/dev/null && xorriso -as mkisofs -quiet -V "
		       "'BIOS' -o images/bios.iso -b bios.bin -no-emul-boot tree 2>/dev/null",
		       s->dir));
	assert_int_equal(look_at_images(s, &err), 0);
	assert_string_equal(image("plain.iso")->holds, "ISO 9660");
	assert_string_equal(image("efi.iso")->holds, "ISO 9660, boots by UEFI");
	assert_string_equal(image("bios.iso")->holds, "ISO 9660, boots by BIOS only");
	found = image("both.iso");
	assert_string_equal(found->holds, "ISO 9660, boots by UEFI and BIOS");
	assert_string_equal(found->identity.fstype, "iso9660");
	assert_string_equal(found->identity.label, "Both");
}

static void no_directory_of_images_is_told(void **state)
{
	struct scratch *s = *state;
	struct vmb_err err = {0};

	assert_int_equal(look_at_images(s, &err), -ENOENT);
	assert_int_equal(seen.image_count, 0);
	put(s, "images", "a file");
	assert_int_equal(look_at_images(s, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, s->dir));
}

static void the_number_of_images_is_bounded(void **state)
{
	struct scratch *s = *state;
	struct vmb_err err;

	put(s, "images/.keep", "");
	assert_true(sh("cd %s/images && for i in $(seq %d); do : > $i.img; done", s->dir,
		       PROBE_MAX_IMAGES + 10));
	/* What is no image takes no image's place. */
	assert_true(sh("cd %s/images && for i in $(seq %d); do echo > 0-$i.txt; done", s->dir,
		       PROBE_MAX_IMAGES));
	err.text[0] = '\0';
	assert_int_equal(look_at_images(s, &err), 0);
	assert_int_equal(seen.image_count, PROBE_MAX_IMAGES);
	assert_non_null(strstr(err.text, "More than 128 disk images are in"));
}

/* The mark of a GPT in the MBR, and no GPT. */
static void a_damaged_gpt_is_told(void **state)
{
	struct scratch *s = *state;
	uint8_t mbr[512] = {[450] = 0xEE, [454] = 1, [458] = 0xFF, 0x1F, [510] = 0x55, 0xAA};
	struct vmb_err err;

	put(s, "images/.keep", "");
	put_bytes(s, "images/gpt.img", mbr, sizeof(mbr), 4 << 20);
	assert_int_equal(look_at_images(s, &err), 0);
	assert_int_equal(seen.image_count, 1);
	assert_string_equal(seen.images[0].holds, "a damaged GPT (neither copy of it is valid)");
}

static void a_name_that_is_too_long_is_told(void **state)
{
	struct scratch *s = *state;
	struct vmb_err err = {0};

	put(s, "images/a.img", "");
	assert_true(sh("cd %s/images && : > $(printf %%0240d.img 7)", s->dir));
	assert_int_equal(look_at_images(s, &err), 0);
	assert_int_equal(seen.image_count, 1);
	assert_non_null(strstr(err.text, "is too long"));
}

/* ---- QEMU's firmware descriptors ---- */

/* As in Debian's package ovmf, shortened. */
#define DESCRIPTOR(file, features)                                                           \
	"{\"description\": \"UEFI firmware for x86_64\", \"interface-types\": [\"uefi\"], "  \
	"\"mapping\": {\"device\": \"flash\", \"executable\": {\"filename\": \"" file        \
	"\", \"format\": \"raw\"}, \"nvram-template\": {\"filename\": \"/vars.fd\", "        \
	"\"format\": \"raw\"}}, \"targets\": [{\"architecture\": \"x86_64\", \"machines\": " \
	"[\"pc-q35-*\"]}], \"features\": [" features "], \"tags\": []}"

static void descriptors_are_read_as_specified(void **state)
{
	static const char kernel[] =
		"{\"interface-types\": [\"uefi\"], \"mapping\": {\"device\": \"kernel\", "
		"\"filename\": \"/k.fd\"}, \"targets\": [{\"architecture\": \"x86_64\"}]}";
	static const char *const others[] = {
		"{\"interface-types\": [\"bios\"], \"mapping\": {\"filename\": \"/b\"}, "
		"\"targets\": [{\"architecture\": \"x86_64\"}]}",
		"{\"interface-types\": [\"uefi\"], \"mapping\": {\"filename\": \"/a\"}, "
		"\"targets\": [{\"architecture\": \"aarch64\"}]}",
	};
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"null",
		"{}",
		"\"x\"",
		"{\"mapping\": 7}",
		"{\"interface-types\": \"uefi\", \"mapping\": {\"filename\": 3}}",
		"{\"interface-types\": [\"uefi\"], \"mapping\": {\"filename\": \"relative\"}, "
		"\"targets\": [{\"architecture\": \"x86_64\"}]}",
	};
	static const char plain[] = DESCRIPTOR("/usr/share/OVMF/a.fd", "\"acpi-s3\"");
	static const char smm[] = DESCRIPTOR("/s.fd", "\"requires-smm\", \"secure-boot\"");
	struct descriptor d;
	uint32_t seed = 11;

	(void)state;
	assert_int_equal(descriptor_parse(plain, strlen(plain), &d), 0);
	assert_string_equal(d.path, "/usr/share/OVMF/a.fd");
	assert_string_equal(d.description, "UEFI firmware for x86_64");
	assert_false(d.needs_smm);
	assert_int_equal(descriptor_parse(smm, strlen(smm), &d), 0);
	assert_true(d.needs_smm);
	assert_int_equal(descriptor_parse(kernel, strlen(kernel), &d), 0);
	assert_string_equal(d.path, "/k.fd");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(descriptor_parse(others[i], strlen(others[i]), &d), -ENOENT);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(descriptor_parse(bad[i], strlen(bad[i]), &d), -EINVAL);
	for (int i = 0; i < 3000; i++) {
		char text[sizeof(plain)];

		memcpy(text, plain, sizeof(text));
		for (int k = 0; k < 3; k++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % (sizeof(text) - 1)] = (char)(seed >> 24);
		}
		descriptor_parse(text, sizeof(text) - 1, &d);
	}
}

static const struct storage_firmware *firmware(const char *path)
{
	for (unsigned int i = 0; i < seen.firmware_count; i++)
		if (strcmp(seen.firmwares[i].path, path) == 0)
			return &seen.firmwares[i];
	return NULL;
}

static void firmware_that_descriptors_name_is_found(void **state)
{
	struct scratch *s = *state;
	const struct storage_firmware *fw;
	uint8_t flash[4096] = {0};
	char path[PATH_MAX];
	int root;

	memcpy(flash + 0x28, "_FVH", 4);
	put_bytes(s, "usr/share/OVMF/OVMF_CODE_4M.fd", flash, sizeof(flash), 3653632);
	put_bytes(s, "usr/share/OVMF/OVMF_CODE_4M.secboot.fd", flash, sizeof(flash), 3653632);
	put_bytes(s, "firmware/OVMF_CODE.ms.fd", flash, sizeof(flash), 0x1E0000);
	put(s, "opt/cloud/.keep", "");
	fake_firmware(scratch_path(s, "opt/cloud/cloud.bin", path));
	put(s, "usr/share/qemu/firmware/40-secboot.json",
	    DESCRIPTOR("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "\"requires-smm\""));
	put(s, "usr/share/qemu/firmware/60-plain.json",
	    DESCRIPTOR("/usr/share/OVMF/OVMF_CODE_4M.fd", ""));
	put(s, "usr/share/qemu/firmware/70-cloud.json", DESCRIPTOR("/opt/cloud/cloud.bin", ""));
	put(s, "usr/share/qemu/firmware/80-out.json", DESCRIPTOR("/../../../../etc/passwd", ""));
	put(s, "usr/share/qemu/firmware/90-gone.json", DESCRIPTOR("/gone.fd", ""));
	memset(&seen, 0, sizeof(seen));
	root = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scan_firmware(root, "", true, &report, &seen);
	close(root);
	/* Each file once, though two ways lead to it. */
	assert_int_equal(seen.firmware_count, 4);
	fw = firmware("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd");
	assert_int_equal(fw->usable, 0);
	assert_non_null(strstr(fw->reason, "System Management Mode"));
	assert_string_equal(fw->kind, "OVMF flash image");
	assert_string_equal(fw->version, "UEFI firmware for x86_64");
	assert_int_equal(fw->size, 3653632);
	fw = firmware("/usr/share/OVMF/OVMF_CODE_4M.fd");
	assert_int_equal(fw->usable, 1);
	assert_string_equal(fw->kind, "OVMF flash image");
	assert_int_equal(strlen(fw->sha256), 64);
	/* Where no descriptor tells, the name does. */
	fw = firmware("/firmware/OVMF_CODE.ms.fd");
	assert_int_equal(fw->usable, 0);
	assert_non_null(strstr(fw->reason, "System Management Mode"));
	/* In no directory that is searched otherwise, and by a name that says nothing. */
	fw = firmware("/opt/cloud/cloud.bin");
	assert_int_equal(fw->usable, 1);
	assert_string_equal(fw->version, "UEFI firmware for x86_64");
	if (!sh("echo '%s  %s' | sha256sum --status -c", fw->sha256, path))
		fail_msg("%s is not the hash of %s", fw->sha256, path);
}

/* A disk full of images must not be read as a whole. */
static void no_more_than_is_bounded_is_hashed(void **state)
{
	struct scratch *s = *state;
	unsigned int hashed = 0;
	char path[PATH_MAX];
	int root;

	put(s, "firmware/.keep", "");
	for (int i = 0; i < 4; i++) {
		char name[32];

		snprintf(name, sizeof(name), "firmware/%d.fd", i);
		fake_firmware(scratch_path(s, name, path));
		assert_int_equal(truncate(path, 30 << 20), 0);
	}
	memset(&seen, 0, sizeof(seen));
	root = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scan_firmware(root, "", true, &report, &seen);
	close(root);
	assert_int_equal(seen.firmware_count, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(seen.firmwares[i].usable, 1);
		hashed += seen.firmwares[i].sha256[0] != '\0';
	}
	/* Two fit; a computer that is busy may not have the time for both. */
	assert_in_range(hashed, 1, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(disk_images_in_a_directory_are_offered),
		TEST(an_iso_image_says_how_it_boots),
		TEST(no_directory_of_images_is_told),
		TEST(the_number_of_images_is_bounded),
		TEST(a_damaged_gpt_is_told),
		TEST(a_name_that_is_too_long_is_told),
		TEST(descriptors_are_read_as_specified),
		TEST(firmware_that_descriptors_name_is_found),
		TEST(no_more_than_is_bounded_is_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
