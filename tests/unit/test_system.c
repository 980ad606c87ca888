/*
 * What lives on a disk, in words: from directories that stand for file systems, and from files that
 * stand for devices. The texts are those that the installers of these systems write.
 */
#include "storage_test.h"

#include <errno.h>

#include "fake_vmm.h"
#include "probe_proto.h"
#include "storage.h"
#include "storage/descriptor.h"
#include "storage/disk_image.h"
#include "storage/member.h"
#include "storage/scan.h"
#include "storage/system.h"

struct seen {
	unsigned int count, image_count, firmware_count;
	char systems[64][STORAGE_SYSTEM_SIZE];
	struct storage_image images[PROBE_MAX_IMAGES];
	struct storage_firmware firmwares[PROBE_MAX_FIRMWARES];
};

static void on_system(void *ctx, const struct storage_system *system)
{
	struct seen *seen = ctx;

	assert_true(seen->count < 64);
	assert_non_null(memchr(system->text, '\0', sizeof(system->text)));
	strcpy(seen->systems[seen->count++], system->text);
}

static void on_image(void *ctx, const struct storage_image *image)
{
	struct seen *seen = ctx;

	assert_true(seen->image_count < PROBE_MAX_IMAGES);
	seen->images[seen->image_count++] = *image;
}

static void on_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct seen *all = ctx;

	assert_true(all->firmware_count < PROBE_MAX_FIRMWARES);
	all->firmwares[all->firmware_count++] = *firmware;
}

static const struct storage_report report = {
	.system = on_system,
	.image = on_image,
	.firmware = on_firmware,
};

static struct seen seen;

/* Writes TEXT to PATH below the scratch directory, making directories. */
static void put_bytes(struct scratch *s, const char *path, const void *data, size_t n, off_t size)
{
	char full[PATH_MAX];

	assert_true(snprintf(full, sizeof(full), "%s/%s", s->dir, path) < (int)sizeof(full));
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	write_file(full, data, n, size);
}

static void put(struct scratch *s, const char *path, const char *text)
{
	put_bytes(s, path, text, strlen(text), 0);
}

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

static void no_directory_of_images_is_not_an_error(void **state)
{
	struct scratch *s = *state;
	struct vmb_err err = {0};

	assert_int_equal(look_at_images(s, &err), 0);
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
	assert_int_equal(look_at_images(s, &err), 0);
	assert_int_equal(seen.image_count, PROBE_MAX_IMAGES);
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
	assert_int_equal(seen.firmware_count, 3);
	fw = firmware("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd");
	assert_int_equal(fw->usable, 0);
	assert_non_null(strstr(fw->reason, "System Management Mode"));
	assert_string_equal(fw->kind, "flash image");
	assert_string_equal(fw->version, "UEFI firmware for x86_64");
	assert_int_equal(fw->size, 3653632);
	assert_null(
		strstr(firmware("/usr/share/OVMF/OVMF_CODE_4M.fd")->reason, "System Management"));
	/* In no directory that is searched otherwise, and by a name that says nothing. */
	fw = firmware("/opt/cloud/cloud.bin");
	assert_int_equal(fw->usable, 1);
	assert_string_equal(fw->version, "UEFI firmware for x86_64");
	if (!sh("echo '%s  %s' | sha256sum --status -c", fw->sha256, path))
		fail_msg("%s is not the hash of %s", fw->sha256, path);
	assert_string_equal(firmware("/usr/share/OVMF/OVMF_CODE_4M.fd")->sha256, "");
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
	assert_int_equal(hashed, 2);
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
		TEST(disk_images_in_a_directory_are_offered),
		TEST(an_iso_image_says_how_it_boots),
		TEST(no_directory_of_images_is_not_an_error),
		TEST(the_number_of_images_is_bounded),
		TEST(descriptors_are_read_as_specified),
		TEST(firmware_that_descriptors_name_is_found),
		TEST(no_more_than_is_bounded_is_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
