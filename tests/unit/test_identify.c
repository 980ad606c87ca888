/* What is on a disk, by its first bytes: images that mkfs and others make, read as plain files; and damaged ones. */
#include "probe_fixture.h"

#include <errno.h>

#include "storage/blkid.h"

static void file_systems_are_identified(void **state)
{
	static const struct {
		const char *tool, *command, *fstype, *label;
		int mib;
	} all[] = {
		{"mkfs.ext4", "mkfs.ext4 -q -L root -U 01234567-89ab-cdef-0123-456789abcdef",
		 "ext4", "root", 16},
		{"mkfs.ext2", "mkfs.ext2 -q -L old", "ext2", "old", 16},
		{"mkfs.xfs", "mkfs.xfs -q -L data", "xfs", "data", 320},
		{"mkfs.vfat", "mkfs.vfat -n EFI >/dev/null", "vfat", "EFI", 40},
		{"mkswap", "mkswap -L sw >/dev/null", "swap", "sw", 16},
		{"mkfs.btrfs", "mkfs.btrfs -q -L pool", "btrfs", "pool", 128},
		{"mkfs.exfat", "mkfs.exfat -L stick >/dev/null", "exfat", "stick", 16},
		{"mkfs.ntfs", "mkfs.ntfs -q -F -L Windows 2>/dev/null", "ntfs", "Windows", 16},
		{"mkudffs", "mkudffs -l disc >/dev/null", "udf", "disc", 16},
	};
	struct scratch *s = *state;
	unsigned int tried = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		char path[PATH_MAX];
		struct seen *seen;

		if (!have_tool(all[i].tool)) {
			print_message("left out: %s is not installed\n", all[i].tool);
			continue;
		}
		tried++;
		write_file(scratch_path(s, "image", path), "", 0, (off_t)all[i].mib << 20);
		assert_true(sh("set -- %s; %s %s", path, all[i].command, path));
		seen = probe(path);
		assert_int_equal(seen->rc, 0);
		assert_int_equal(seen->identities, 1);
		assert_string_equal(seen->identity.fstype, all[i].fstype);
		assert_string_equal(seen->identity.label, all[i].label);
		assert_true(seen->identity.uuid[0] != '\0');
		if (i == 0)
			assert_string_equal(seen->identity.uuid,
					    "01234567-89ab-cdef-0123-456789abcdef");
		unlink(path);
	}
	if (tried == 0)
		skip();
}

static void images_of_directories_are_identified(void **state)
{
	static const struct {
		const char *tool, *command, *fstype, *label;
	} all[] = {
		{"mksquashfs", "mksquashfs tree image -quiet -no-progress >/dev/null", "squashfs",
		 ""},
		{"xorriso", "xorriso -as mkisofs -quiet -V MEDIUM -o image tree 2>/dev/null",
		 "iso9660", "MEDIUM"},
	};
	struct scratch *s = *state;
	char path[PATH_MAX];

	assert_true(sh("mkdir %s/tree && echo x > %s/tree/file", s->dir, s->dir));
	scratch_path(s, "image", path);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct seen *seen;

		NEED_TOOL(all[i].tool);
		assert_true(sh("cd %s && rm -f image && %s", s->dir, all[i].command));
		seen = probe(path);
		assert_int_equal(seen->rc, 0);
		assert_string_equal(seen->identity.fstype, all[i].fstype);
		assert_string_equal(seen->identity.label, all[i].label);
	}
}

/* LVM's checksum over the label from its 20th byte to the end of its sector. */
static void seal_lvm_label(uint8_t *label)
{
	uint32_t crc = 0xF597A6CF;

	for (int i = 20; i < 512; i++) {
		crc ^= label[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
	}
	for (int i = 0; i < 4; i++)
		label[16 + i] = (uint8_t)(crc >> (8 * i));
}

/* Marks as the tools write them: cryptsetup, mdadm (version 1.2), pvcreate. */
static void members_of_other_things_are_named(void **state)
{
	struct scratch *s = *state;
	uint8_t data[8192];
	char path[PATH_MAX];
	struct seen *seen;

	scratch_path(s, "member", path);
	memset(data, 0, sizeof(data));
	memcpy(data, "LUKS\xBA\xBE\0\1", 8);
	memcpy(data + 168, "01234567-89ab-cdef-0123-456789abcdef", 36);
	write_file(path, data, sizeof(data), 16 << 20);
	seen = probe(path);
	assert_int_equal(seen->rc, 0);
	assert_string_equal(seen->identity.fstype, "crypto_LUKS");
	assert_string_equal(seen->systems[0], "LUKS 1 encrypted volume");

	memset(data, 0, sizeof(data));
	memcpy(data + 4096, "\xFC\x4E\x2B\xA9\1", 5);
	memcpy(data + 4096 + 16, "0123456789abcdef", 16);
	memcpy(data + 4096 + 32, "nas:0", 5);
	data[4096 + 144] = 8; /* where it lies, in sectors */
	write_file(path, data, sizeof(data), 16 << 20);
	seen = probe(path);
	assert_string_equal(seen->identity.fstype, "linux_raid_member");
	assert_string_equal(seen->systems[0], "member of a RAID array named nas:0");

	memset(data, 0, sizeof(data));
	memcpy(data + 512, "LABELONE\1\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001", 32);
	memcpy(data + 544, "0123456789abcdef0123456789abcdef", 32);
	seal_lvm_label(data + 512);
	write_file(path, data, sizeof(data), 16 << 20);
	seen = probe(path);
	assert_string_equal(seen->identity.fstype, "LVM2_member");
	assert_string_equal(seen->systems[0], "LVM physical volume");
}

static void partition_tables_are_identified(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];

	NEED_TOOL("sfdisk");
	write_file(scratch_path(s, "disk", path), "", 0, 16 << 20);
	assert_true(sh("echo 'start=2048, size=4096, type=linux' | sfdisk -q -X gpt %s", path));
	assert_string_equal(probe(path)->identity.fstype, "gpt");
	assert_true(sh("echo 'start=2048, size=4096, type=83' | sfdisk -q -X dos %s", path));
	assert_string_equal(probe(path)->identity.fstype, "dos");
}

static void nothing_is_not_an_error(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];
	struct seen *seen;

	write_file(scratch_path(s, "blank", path), "", 0, 1 << 20);
	seen = probe(path);
	assert_int_equal(seen->rc, 0);
	assert_int_equal(seen->identities, 1);
	assert_string_equal(seen->identity.fstype, "");
	/* Smaller than any superblock's place. */
	write_file(path, "x", 1, 0);
	assert_int_equal(probe(path)->rc, 0);
	write_file(path, "", 0, 0);
	assert_int_equal(probe(path)->rc, 0);
}

static void what_cannot_be_looked_at_says_why(void **state)
{
	struct scratch *s = *state;
	struct seen seen = {.rc = 0};
	char path[PATH_MAX];

	seen.rc = storage_probe(scratch_path(s, "missing", path), &report, &seen, &seen.err);
	assert_int_equal(seen.rc, -ENOENT);
	assert_non_null(strstr(seen.err.text, path));
	seen.rc = storage_probe(s->dir, &report, &seen, &seen.err);
	assert_int_equal(seen.rc, -EISDIR);
	assert_non_null(strstr(seen.err.text, s->dir));
	assert_int_equal(seen.identities, 0);
}

static void two_signatures_are_told_and_neither_is_believed(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];
	struct seen *seen;

	NEED_TOOL("mkfs.ext4");
	NEED_TOOL("mkfs.xfs");
	/* ext4 begins at byte 1024, so the first sector of an XFS fits before it. */
	write_file(scratch_path(s, "both", path), "", 0, 320 << 20);
	assert_true(sh("mkfs.xfs -q %s && dd if=%s of=%s.x bs=512 count=1 2>/dev/null", path, path,
		       path));
	write_file(path, "", 0, 320 << 20);
	assert_true(sh("mkfs.ext4 -q %s && dd if=%s.x of=%s bs=512 conv=notrunc 2>/dev/null", path,
		       path, path));
	seen = probe(path);
	assert_int_equal(seen->rc, 0);
	assert_string_equal(seen->identity.fstype, "");
	assert_non_null(strstr(seen->err.text, "several file systems"));
}

/* An extended partition whose next one is itself (CVE-2016-5011): must come to an end. */
static void a_looping_partition_table_ends(void **state)
{
	static const uint8_t extended[16] = {0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0x40, 0, 0};
	static const uint8_t itself[16] = {0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0};
	struct scratch *s = *state;
	uint8_t disk[1024] = {0};
	char path[PATH_MAX];

	memcpy(disk + 446, extended, 16);
	memcpy(disk + 510, "\x55\xAA", 2);
	memcpy(disk + 512 + 446 + 16, itself, 16);
	memcpy(disk + 512 + 510, "\x55\xAA", 2);
	write_file(scratch_path(s, "disk", path), disk, sizeof(disk), 16 << 20);
	alarm(20);
	assert_string_equal(probe(path)->identity.fstype, "dos");
	alarm(0);
}

/* Superblocks with random damage: any answer, but an answer, and only reads. */
static void damaged_superblocks_do_no_harm(void **state)
{
	static const char *const makers[] = {"mkfs.ext4 -q", "mkfs.vfat"};
	struct scratch *s = *state;
	uint32_t seed = 7;

	NEED_TOOL("mkfs.ext4");
	NEED_TOOL("mkfs.vfat");
	for (size_t m = 0; m < 2; m++) {
		struct storage_identity id;
		char path[PATH_MAX];
		int fd;

		write_file(scratch_path(s, "image", path), "", 0, 8 << 20);
		assert_true(sh("%s %s >/dev/null", makers[m], path));
		fd = open(path, O_RDWR | O_CLOEXEC);
		for (int i = 0; i < 400; i++) {
			uint8_t value;

			seed = seed * 1664525 + 1013904223;
			value = (uint8_t)(seed >> 24);
			assert_int_equal(pwrite(fd, &value, 1, (seed >> 4) % 4096), 1);
			memset(&id, 0xA5, sizeof(id));
			if (identify_device(fd, path, &id, NULL) == 0) {
				assert_non_null(memchr(id.fstype, '\0', sizeof(id.fstype)));
				assert_non_null(memchr(id.label, '\0', sizeof(id.label)));
			}
		}
		close(fd);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(file_systems_are_identified),
		TEST(images_of_directories_are_identified),
		TEST(members_of_other_things_are_named),
		TEST(partition_tables_are_identified),
		TEST(nothing_is_not_an_error),
		TEST(what_cannot_be_looked_at_says_why),
		TEST(two_signatures_are_told_and_neither_is_believed),
		TEST(a_looping_partition_table_ends),
		TEST(damaged_superblocks_do_no_harm),
	};

	return cmocka_run_group_tests_name("identify", tests, NULL, NULL);
}
