/*
 * What lives on a disk, in words: from directories that stand for file systems, and from files that
 * stand for devices. The texts are those that the installers of these systems write.
 */
#include "seen_fixture.h"

#include "storage/member.h"
#include "storage/system.h"

static void look(struct scratch *s, const char *fstype)
{
	int root = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(&seen, 0, sizeof(seen));
	assert_true(root >= 0);
	system_look(root, fstype, &report, &seen);
	close(root);
}

static void assert_seen(unsigned int n, const char *const *systems)
{
	for (unsigned int i = 0; i < n && i < seen.count; i++)
		assert_string_equal(seen.systems[i], systems[i]);
	assert_int_equal(seen.count, n);
}

#define ASSERT_SEEN(...)                                                 \
	do {                                                             \
		const char *const wanted[] = {__VA_ARGS__};              \
		assert_seen(sizeof(wanted) / sizeof(wanted[0]), wanted); \
	} while (0)

#define DEBIAN                                                                        \
	"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n" \
	"VERSION_ID=\"12\"\nID=debian\n"

static void a_linux_system_is_named(void **state)
{
	struct scratch *s = *state;

	put(s, "usr/lib/os-release", DEBIAN);
	put(s, "etc/.keep", "");
	/* As Debian has it: a link, and an absolute one on other systems. */
	assert_true(sh("ln -s ../usr/lib/os-release %s/etc/os-release", s->dir));
	look(s, "ext4");
	ASSERT_SEEN("Debian GNU/Linux 12 (bookworm)");
	assert_true(sh("ln -sf /usr/lib/os-release %s/etc/os-release", s->dir));
	look(s, "ext4");
	ASSERT_SEEN("Debian GNU/Linux 12 (bookworm)");
	/* A link that leads out of the disk shows nothing of the running system. */
	assert_true(sh("rm %s/usr/lib/os-release; ln -sf /../../../../etc/os-release "
		       "%s/etc/os-release",
		       s->dir, s->dir));
	look(s, "ext4");
	assert_int_equal(seen.count, 0);
}

static void a_file_system_of_usr_is_named(void **state)
{
	struct scratch *s = *state;

	put(s, "lib/os-release", "NAME=Gentoo\nVERSION='2.15'\n");
	look(s, "squashfs");
	ASSERT_SEEN("Gentoo 2.15");
}

static void systems_in_btrfs_subvolumes_are_named(void **state)
{
	struct scratch *s = *state;

	put(s, "root/etc/os-release", "NAME=\"Fedora Linux\"\nVERSION=\"39 (Server Edition)\"\n");
	put(s, "@/usr/lib/os-release", "PRETTY_NAME=\"Ubuntu 24.04 LTS\"\n");
	look(s, "btrfs");
	ASSERT_SEEN("Fedora Linux 39 (Server Edition)", "Ubuntu 24.04 LTS");
	/* On other file systems these are just directories. */
	look(s, "ext4");
	assert_int_equal(seen.count, 0);
}

static void an_efi_system_partition_tells_its_loaders(void **state)
{
	struct scratch *s = *state;

	put(s, "EFI/Microsoft/Boot/bootmgfw.efi", "MZ");
	put(s, "EFI/BOOT/BOOTX64.EFI", "MZ");
	put(s, "EFI/debian/grubx64.efi", "MZ");
	put(s, "EFI/debian/shimx64.efi", "MZ");
	put(s, "EFI/systemd/systemd-bootx64.efi", "MZ");
	put(s, "EFI/empty/readme.txt", "");
	look(s, "vfat");
	ASSERT_SEEN("Windows Boot Manager", "GRUB of debian", "systemd-boot",
		    "boot loader BOOTX64.EFI");
}

static void boot_entries_tell_their_titles(void **state)
{
	struct scratch *s = *state;
	char name[64];

	put(s, "loader/entries/b.conf", "# comment\ntitle   Fedora Linux 39\nlinux /vmlinuz\n");
	put(s, "loader/entries/a.conf", "title\tArch Linux\nversion 6.7\n");
	put(s, "loader/entries/c.conf", "titles no\nlinux /x\n");
	put(s, "loader/entries/notes.txt", "title not an entry\n");
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "loader/entries/old-%d.conf", i);
		put(s, name, "title Fedora Linux 39\n");
	}
	look(s, "vfat");
	ASSERT_SEEN("Arch Linux", "Fedora Linux 39");
}

static void the_number_of_texts_is_bounded(void **state)
{
	struct scratch *s = *state;

	for (int i = 0; i < 200; i++) {
		char name[64], text[64];

		snprintf(name, sizeof(name), "loader/entries/%03d.conf", i);
		snprintf(text, sizeof(text), "title system %d\n", i);
		put(s, name, text);
	}
	look(s, "vfat");
	assert_int_equal(seen.count, PROBE_MAX_SYSTEMS);
}

/* A PE image with section .osrel, as systemd's stub and objcopy make them. */
static size_t make_uki(uint8_t *image, const char *osrel)
{
	uint8_t *section = image + 0x80 + 24 + 240;

	memset(image, 0, 2048);
	memcpy(image, "MZ", 2);
	image[0x3C] = 0x80;
	memcpy(image + 0x80, "PE\0\0", 4);
	image[0x80 + 6] = 2;	/* sections */
	image[0x80 + 20] = 240; /* size of the optional header */
	memcpy(section, ".text\0\0\0", 8);
	memcpy(section + 40, ".osrel\0\0", 8);
	section[40 + 8] = (uint8_t)strlen(osrel);
	section[40 + 17] = 0x02; /* 0x200 bytes of data */
	section[40 + 21] = 0x04; /* at 0x400 */
	strcpy((char *)image + 0x400, osrel);
	return 0x600;
}

static void a_unified_kernel_image_is_named(void **state)
{
	struct scratch *s = *state;
	uint8_t image[2048];
	size_t n = make_uki(image, "ID=arch\nPRETTY_NAME=\"Arch Linux\"\n");

	put_bytes(s, "EFI/Linux/arch.efi", image, n, 0);
	put(s, "EFI/Linux/broken.efi", "MZ");
	look(s, "vfat");
	ASSERT_SEEN("Arch Linux (unified kernel image)");
}

/* Whatever a header says: nothing outside of it is read, and an answer comes. */
static void damaged_headers_do_no_harm(void **state)
{
	uint8_t *image = malloc(0x600);
	uint64_t offset, size;
	uint32_t seed = 3;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		uint8_t fresh[2048];

		make_uki(fresh, "NAME=x\n");
		memcpy(image, fresh, 0x600);
		for (int k = 0; k < 4; k++) {
			seed = seed * 1664525 + 1013904223;
			image[(seed >> 8) % 0x220] = (uint8_t)(seed >> 24);
		}
		system_find_pe_section(image, (seed >> 4) % 0x601, ".osrel", &offset, &size);
	}
	free(image);
}

static void os_release_is_read_as_specified(void **state)
{
	static const struct {
		const char *text, *name;
	} all[] = {
		{"PRETTY_NAME=\"A B\"\n", "A B"},
		{"PRETTY_NAME='A B'", "A B"},
		{"PRETTY_NAME=Plain\r\n", "Plain"},
		{"# PRETTY_NAME=no\nXPRETTY_NAME=no\nNAME=yes\n", "yes"},
		{"NAME=a\nVERSION=\"1 (one)\"\n", "a 1 (one)"},
		{"PRETTY_NAME=\nNAME=fallback\n", "fallback"},
		{"PRETTY_NAME=\"unclosed\n", "\"unclosed"},
		{"", NULL},
		{"PRETTY_NAME", NULL},
		{"VERSION=1\n", NULL},
	};
	char longer[5000] = "PRETTY_NAME=", buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int rc =
			system_parse_os_release(all[i].text, strlen(all[i].text), buf, sizeof(buf));

		assert_int_equal(rc, all[i].name ? 0 : -ENOENT);
		if (rc == 0)
			assert_string_equal(buf, all[i].name);
	}
	memset(longer + 12, 'x', sizeof(longer) - 12);
	assert_int_equal(system_parse_os_release(longer, sizeof(longer), buf, sizeof(buf)), 0);
	assert_int_equal(strlen(buf), sizeof(buf) - 1);
}

static void windows_is_named(void **state)
{
	struct scratch *s = *state;

	put(s, "Windows/System32/ntoskrnl.exe", "MZ");
	look(s, "ntfs");
	ASSERT_SEEN("Windows");
}

static void installation_media_are_named(void **state)
{
	struct scratch *s = *state;

	put(s, ".disk/info",
	    "Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST\nmore\n");
	put(s, "EFI/boot/bootx64.efi", "MZ");
	look(s, "iso9660");
	ASSERT_SEEN("Debian GNU/Linux 12.5.0 \"Bookworm\" - Official amd64 NETINST",
		    "boot loader BOOTX64.EFI");
	assert_true(sh("rm -r %s/.disk", s->dir));
	put(s, ".treeinfo", "[general]\narch = x86_64\nname = Fedora 39\n");
	look(s, "iso9660");
	ASSERT_SEEN("Fedora 39 installation medium", "boot loader BOOTX64.EFI");
}

static void a_boot_partition_tells_its_grub_menu(void **state)
{
	struct scratch *s = *state;

	put(s, "grub2/grub.cfg", "menuentry x {}\n");
	look(s, "xfs");
	ASSERT_SEEN("GRUB menu");
}

static void hostile_trees_do_no_harm(void **state)
{
	struct scratch *s = *state;

	assert_true(sh("cd %s && mkdir -p etc EFI/Linux loader && mkfifo etc/os-release && "
		       "mkdir -p usr/lib/os-release && ln -s loop loader/loop && "
		       "ln -s entries loader/entries && ln -s ../../../../.. EFI/up && "
		       "truncate -s 10G EFI/Linux/huge.efi",
		       s->dir));
	alarm(20);
	look(s, "vfat");
	alarm(0);
	assert_int_equal(seen.count, 0);
}

/* ---- members ---- */

static void describe(struct scratch *s, const struct storage_identity *id, const void *data,
		     size_t n, char *buf, size_t size)
{
	char path[PATH_MAX];
	int fd;

	write_file(scratch_path(s, "member", path), data, n, 1 << 20);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (member_describe(fd, id, buf, size) < 0)
		buf[0] = '\0';
	close(fd);
}

static void members_are_described(void **state)
{
	static const struct {
		struct storage_identity id;
		const char *text;
	} all[] = {
		{{.fstype = "crypto_LUKS", .version = "2"}, "LUKS 2 encrypted volume"},
		{{.fstype = "crypto_LUKS"}, "LUKS encrypted volume"},
		{{.fstype = "BitLocker"}, "BitLocker encrypted volume"},
		{{.fstype = "linux_raid_member", .label = "nas:0"},
		 "member of a RAID array named nas:0"},
		{{.fstype = "linux_raid_member"}, "member of a RAID array"},
		{{.fstype = "isw_raid_member"}, "member of a firmware RAID (isw)"},
		{{.fstype = "zfs_member", .label = "tank"}, "member of a ZFS pool named tank"},
		{{.fstype = "LVM2_member"}, "LVM physical volume"},
		{{.fstype = "swap"}, "swap space"},
		{{.fstype = "ext4"}, ""},
		{{.fstype = ""}, ""},
	};
	char buf[STORAGE_SYSTEM_SIZE];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		describe(*state, &all[i].id, "", 0, buf, sizeof(buf));
		assert_string_equal(buf, all[i].text);
	}
}

static void put_le64(uint8_t *at, uint64_t value)
{
	for (int i = 0; i < 8; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* An LVM physical volume as pvcreate and vgcreate lay it out: label, areas, metadata text. */
static void make_lvm(uint8_t *disk, size_t size, const char *text)
{
	uint8_t *label = disk + 512, *pv = label + 32, *mda = disk + 4096;

	memset(disk, 0, size);
	memcpy(label, "LABELONE", 8);
	label[8] = 1;
	label[20] = 32;
	memcpy(label + 24, "LVM2 001", 8);
	memcpy(pv, "0123456789abcdef0123456789abcdef", 32);
	put_le64(pv + 32, 1 << 30);
	put_le64(pv + 40, 1 << 20); /* the data area */
	put_le64(pv + 72, 4096);    /* after its end: the metadata area */
	put_le64(pv + 80, 1 << 19);
	memcpy(mda + 4, " LVM2 x[5A%r0N*>", 16);
	put_le64(mda + 40, 512);
	put_le64(mda + 48, strlen(text));
	memcpy(mda + 512, text, strlen(text));
}

static void the_group_of_a_physical_volume_is_named(void **state)
{
	static const char text[] = "vg-data {\nid = \"x\"\nseqno = 1\n}\n";
	struct storage_identity id = {.fstype = "LVM2_member"};
	char buf[STORAGE_SYSTEM_SIZE];
	uint8_t disk[8192];
	uint32_t seed = 5;

	make_lvm(disk, sizeof(disk), text);
	describe(*state, &id, disk, sizeof(disk), buf, sizeof(buf));
	assert_string_equal(buf, "LVM physical volume of group vg-data");
	/* A volume without a group, and volumes that lie. */
	make_lvm(disk, sizeof(disk), "");
	describe(*state, &id, disk, sizeof(disk), buf, sizeof(buf));
	assert_string_equal(buf, "LVM physical volume");
	make_lvm(disk, sizeof(disk), text);
	put_le64(disk + 4096 + 40, UINT64_MAX - 8);
	describe(*state, &id, disk, sizeof(disk), buf, sizeof(buf));
	assert_string_equal(buf, "LVM physical volume");
	for (int i = 0; i < 200; i++) {
		make_lvm(disk, sizeof(disk), text);
		for (int k = 0; k < 3; k++) {
			seed = seed * 1664525 + 1013904223;
			disk[512 + (seed >> 8) % 128] = (uint8_t)(seed >> 24);
			disk[4096 + (seed >> 12) % 64] = (uint8_t)(seed >> 16);
		}
		describe(*state, &id, disk, sizeof(disk), buf, sizeof(buf));
		assert_memory_equal(buf, "LVM physical volume", 19);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_linux_system_is_named),
		TEST(a_file_system_of_usr_is_named),
		TEST(systems_in_btrfs_subvolumes_are_named),
		TEST(an_efi_system_partition_tells_its_loaders),
		TEST(boot_entries_tell_their_titles),
		TEST(the_number_of_texts_is_bounded),
		TEST(a_unified_kernel_image_is_named),
		TEST(damaged_headers_do_no_harm),
		TEST(os_release_is_read_as_specified),
		TEST(windows_is_named),
		TEST(installation_media_are_named),
		TEST(a_boot_partition_tells_its_grub_menu),
		TEST(hostile_trees_do_no_harm),
		TEST(members_are_described),
		TEST(the_group_of_a_physical_volume_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
