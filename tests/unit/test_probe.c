/*
 * The work of a probe: what it says of real file systems, and that it leaves no trace on them. Images
 * made by mkfs are read as plain files (identity) and through loop devices (their files too).
 */
#include "storage_test.h"

#include <errno.h>
#include <sys/mount.h>

#include "fake_vmm.h"
#include "storage.h"
#include "storage/blkid.h"
#include "storage/mount.h"

struct seen {
	struct storage_identity identity;
	unsigned int identities, count;
	struct storage_firmware firmwares[64];
	unsigned int system_count;
	char systems[16][STORAGE_SYSTEM_SIZE];
	struct vmb_err err;
	int rc;
};

static void on_identity(void *ctx, const struct storage_identity *identity)
{
	struct seen *seen = ctx;

	seen->identity = *identity;
	seen->identities++;
}

static void on_firmware(void *ctx, const struct storage_firmware *firmware)
{
	struct seen *seen = ctx;

	assert_true(seen->count < 64);
	seen->firmwares[seen->count++] = *firmware;
}

static void on_system(void *ctx, const struct storage_system *system)
{
	struct seen *seen = ctx;

	assert_true(seen->system_count < 16);
	strcpy(seen->systems[seen->system_count++], system->text);
}

static const struct storage_report report = {
	.identity = on_identity,
	.system = on_system,
	.firmware = on_firmware,
};

/* Probes PATH and makes sure that not a byte of it changed. */
static struct seen *probe(const char *path)
{
	static struct seen seen;
	uint64_t hash = hash_file(path);

	memset(&seen, 0, sizeof(seen));
	seen.rc = storage_probe(path, &report, &seen, &seen.err);
	assert_true(hash_file(path) == hash);
	return &seen;
}

static const struct storage_firmware *found(const struct seen *seen, const char *path)
{
	for (unsigned int i = 0; i < seen->count; i++)
		if (strcmp(seen->firmwares[i].path, path) == 0)
			return &seen->firmwares[i];
	return NULL;
}

/* ---- identity, from plain files ---- */

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

/* ---- files, through loop devices ---- */

/* An image of MIB with a file system by MAKER, filled by shell commands run inside it, or NULL. */
static const char *filled_loop(struct scratch *s, const char *name, int mib, const char *maker,
			       const char *fill)
{
	char image[PATH_MAX], point[PATH_MAX], firmware[PATH_MAX];
	const char *loop;

	write_file(scratch_path(s, name, image), "", 0, (off_t)mib << 20);
	if (!sh("%s %s", maker, image))
		return NULL;
	loop = attach_loop(s, image, "");
	if (!loop)
		return NULL;
	mkdir(scratch_path(s, "mnt", point), 0700);
	fake_firmware(scratch_path(s, "firmware", firmware));
	if (!sh("mount %s %s", loop, point) || !sh("cd %s && FW=%s && %s", point, firmware, fill) ||
	    !sh("umount %s", point))
		return NULL;
	return loop;
}

static const char *fs_maker(const char *fstype)
{
	if (strcmp(fstype, "btrfs") == 0)
		return "mkfs.btrfs -q";
	return strcmp(fstype, "xfs") == 0 ? "mkfs.xfs -q" : "mkfs.ext4 -q";
}

static int fs_mib(const char *fstype)
{
	if (strcmp(fstype, "btrfs") == 0)
		return 128;
	return strcmp(fstype, "xfs") == 0 ? 320 : 16;
}

static void firmware_is_found_in_the_usual_places(struct scratch *s, const char *fstype)
{
	const char *loop = filled_loop(
		s, fstype, fs_mib(fstype), fs_maker(fstype),
		"mkdir -p boot/efi EFI usr/share/OVMF usr/share/qemu deep/down && cp $FW "
		"CLOUDHV.fd && "
		"cp $FW boot/cloudhv-2026 && cp $FW EFI/a.FD && cp $FW deep/down/CLOUDHV.fd && "
		"echo text > boot/efi/text.fd && : > boot/empty.fd && cp $FW boot/other.bin && "
		"ln -s /CLOUDHV.fd usr/share/OVMF/link.fd && ln -s /etc/passwd "
		"usr/share/qemu/out.fd && "
		"mkfifo usr/share/qemu/fifo.fd && mkdir usr/share/qemu/dir.fd && "
		"ln -s loop.fd usr/share/qemu/loop.fd && truncate -s 100M usr/share/OVMF/huge.fd");
	const struct storage_firmware *fw;
	struct seen *seen;

	NEED_LOOP(loop);
	seen = probe(loop);
	if (strstr(seen->err.text, "This kernel cannot read")) {
		print_message("skipped: %s\n", seen->err.text);
		skip();
	}
	assert_int_equal(seen->rc, 0);
	assert_string_equal(seen->identity.fstype, fstype);
	fw = found(seen, "/CLOUDHV.fd");
	assert_non_null(fw);
	assert_int_equal(fw->usable, 1);
	assert_int_equal(fw->on_system, 0);
	assert_string_equal(fw->kind, "PVH ELF");
	assert_non_null(found(seen, "/boot/cloudhv-2026"));
	assert_non_null(found(seen, "/EFI/a.FD"));
	fw = found(seen, "/boot/efi/text.fd");
	assert_int_equal(fw->usable, 0);
	assert_true(fw->reason[0] != '\0');
	fw = found(seen, "/boot/empty.fd");
	assert_int_equal(fw->usable, 0);
	assert_string_equal(fw->kind, "empty file");
	fw = found(seen, "/usr/share/OVMF/huge.fd");
	assert_int_equal(fw->usable, 0);
	assert_non_null(strstr(fw->reason, "too big"));
	/* The same file by a link, what leads out, what is no file, what lies deep: not listed. */
	assert_int_equal(seen->count, 6);
}

static void firmware_is_found_on_ext4(void **state)
{
	NEED_TOOL("mkfs.ext4");
	firmware_is_found_in_the_usual_places(*state, "ext4");
}

static void firmware_is_found_on_xfs(void **state)
{
	NEED_TOOL("mkfs.xfs");
	firmware_is_found_in_the_usual_places(*state, "xfs");
}

/*
 * A journal that was never replayed: a copy of a mounted file system. First the proof that the copy
 * would change when it is mounted the usual way, read-only or not.
 */
static void a_dirty_journal_is_left_alone(struct scratch *s, const char *fstype)
{
	const char *loop =
		filled_loop(s, fstype, fs_mib(fstype), fs_maker(fstype), "cp $FW CLOUDHV.fd");
	char point[PATH_MAX], image[PATH_MAX], dirty[PATH_MAX], control[PATH_MAX];
	struct seen *seen;
	uint64_t hash;

	NEED_LOOP(loop);
	scratch_path(s, "mnt", point);
	scratch_path(s, fstype, image);
	scratch_path(s, "dirty", dirty);
	scratch_path(s, "control", control);
	assert_true(sh(
		"mount %s %s && cd %s && for i in 1 2 3 4 5 6 7 8; do echo $i > f$i; mv f$i g$i; "
		"done && sync -d %s/CLOUDHV.fd && sync -f . && echo more > after && sync -d after "
		"&& cp --sparse=always %s %s",
		loop, point, point, point, image, dirty));
	assert_true(sh("cp --sparse=always %s %s; umount %s", dirty, control, point));
	hash = hash_file(control);
	loop = attach_loop(s, control, "");
	assert_non_null(loop);
	if (!sh("mount -o ro%s %s %s && umount %s", strcmp(fstype, "xfs") == 0 ? ",nouuid" : "",
		loop, point, point))
		fail_msg("the control cannot be mounted");
	if (hash_file(control) == hash)
		fail_msg("the journal was not dirty, so this test shows nothing");
	loop = attach_loop(s, dirty, "");
	assert_non_null(loop);
	seen = probe(loop);
	if (seen->rc < 0)
		fail_msg("%s", seen->err.text);
	assert_non_null(found(seen, "/CLOUDHV.fd"));
	assert_true(hash_file(dirty) == hash);
}

static void a_dirty_ext4_is_left_alone(void **state)
{
	NEED_TOOL("mkfs.ext4");
	a_dirty_journal_is_left_alone(*state, "ext4");
}

static void a_dirty_xfs_is_left_alone(void **state)
{
	NEED_TOOL("mkfs.xfs");
	a_dirty_journal_is_left_alone(*state, "xfs");
}

static void a_dirty_btrfs_is_left_alone(void **state)
{
	NEED_TOOL("mkfs.btrfs");
	a_dirty_journal_is_left_alone(*state, "btrfs");
}

static void an_installed_system_is_named(void **state)
{
	const char *loop = filled_loop(*state, "image", 16, "mkfs.ext4 -q",
				       "mkdir -p etc usr/lib boot/grub && "
				       "echo 'PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"' "
				       "> usr/lib/os-release && "
				       "ln -s /usr/lib/os-release etc/os-release && "
				       ": > boot/grub/grub.cfg");
	struct seen *seen;

	NEED_LOOP(loop);
	seen = probe(loop);
	assert_int_equal(seen->rc, 0);
	assert_int_equal(seen->system_count, 1);
	assert_string_equal(seen->systems[0], "Debian GNU/Linux 12 (bookworm)");
}

static void a_mounted_device_is_looked_at_where_it_is(void **state)
{
	struct scratch *s = *state;
	const struct storage_firmware *fw;
	char point[PATH_MAX], path[PATH_MAX + 16];
	const char *loop;
	struct seen seen = {.rc = 0};

	NEED_TOOL("mkfs.ext4");
	loop = filled_loop(s, "image", 16, "mkfs.ext4 -q", "cp $FW CLOUDHV.fd");
	NEED_LOOP(loop);
	scratch_path(s, "mnt", point);
	assert_true(sh("mount %s %s", loop, point));
	seen.rc = storage_probe(loop, &report, &seen, &seen.err);
	assert_int_equal(seen.rc, 0);
	snprintf(path, sizeof(path), "%s/CLOUDHV.fd", point);
	fw = found(&seen, path);
	assert_non_null(fw);
	assert_int_equal(fw->on_system, 1);
	assert_true(sh("umount %s", point));
}

/* The mount is nobody else's, and gone when the probe is: the device can be taken at once. */
static void nothing_stays_mounted(void **state)
{
	struct scratch *s = *state;
	const char *loop;
	int root, fd;
	struct vmb_err err;

	NEED_TOOL("mkfs.ext4");
	loop = filled_loop(s, "image", 16, "mkfs.ext4 -q", "true");
	NEED_LOOP(loop);
	assert_int_equal(mount_open(loop, "ext4", &root, &err), 0);
	assert_false(sh("grep -q %s /proc/self/mountinfo", loop));
	assert_int_equal(open(loop, O_RDWR | O_EXCL | O_CLOEXEC), -1);
	/* It cannot be written to, whoever holds it. */
	assert_int_equal(openat(root, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0600), -1);
	assert_int_equal(errno, EROFS);
	close(root);
	fd = open(loop, O_RDWR | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
}

static void a_damaged_file_system_says_so(void **state)
{
	struct scratch *s = *state;
	const char *loop;
	struct seen *seen;

	NEED_TOOL("mkfs.ext4");
	loop = filled_loop(s, "image", 16, "mkfs.ext4 -q -O ^metadata_csum", "cp $FW CLOUDHV.fd");
	NEED_LOOP(loop);
	/* The block group descriptors: the superblock stays good, so it is known as ext4. */
	assert_true(sh(
		"dd if=/dev/urandom of=%s bs=1024 seek=2 count=8 conv=notrunc,fsync 2>/dev/null; "
		"dd if=/dev/urandom of=%s bs=4096 seek=1 count=4 conv=notrunc,fsync 2>/dev/null",
		loop, loop));
	seen = probe(loop);
	assert_int_equal(seen->identities, 1);
	assert_string_equal(seen->identity.fstype, "ext4");
	assert_true(seen->rc < 0);
	assert_non_null(strstr(seen->err.text, loop));
	assert_non_null(strstr(seen->err.text, "cannot be read"));
	assert_int_equal(seen->count, 0);
}

static void a_file_is_read_from_a_device(void **state)
{
	struct scratch *s = *state;
	char out[PATH_MAX], firmware[PATH_MAX];
	struct vmb_err err = {0};
	const char *loop;
	int fd;

	NEED_TOOL("mkfs.ext4");
	loop = filled_loop(s, "image", 16, "mkfs.ext4 -q",
			   "mkdir boot && cp $FW boot/f && mkdir d");
	NEED_LOOP(loop);
	fd = open(scratch_path(s, "out", out), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(storage_read_file(loop, "/boot/f", fd, &err), 0);
	assert_true(hash_file(out) == hash_file(scratch_path(s, "firmware", firmware)));
	assert_int_equal(storage_read_file(loop, "/../../../boot/f", fd, &err), 0);
	assert_int_equal(storage_read_file(loop, "/d", fd, &err), -EISDIR);
	assert_non_null(strstr(err.text, loop));
	assert_int_equal(storage_read_file(loop, "/boot/f/g", fd, &err), -ENOTDIR);
	assert_int_equal(storage_read_file(loop, "/none", fd, &err), -ENOENT);
	write_file(scratch_path(s, "blank", out), "", 0, 1 << 20);
	assert_int_equal(storage_read_file(out, "/boot/f", fd, &err), -ENODEV);
	assert_non_null(strstr(err.text, "no file system"));
	close(fd);
}

/* One that the kernel copies by itself, and one of /proc, which it does not; neither bigger than allowed. */
static void a_file_is_copied_whole_or_not_at_all(void **state)
{
	static const char *const names[] = {"/proc/self/exe", "/proc/version"};
	struct scratch *s = *state;
	struct vmb_err err = {0};
	char out[PATH_MAX];
	int fd = open(scratch_path(s, "out", out), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(storage_copy_file(names[i], "a test", 1 << 30, fd, &err), 0);
		assert_true(hash_file(out) == hash_file(names[i]));
		assert_int_equal(storage_copy_file(names[i], "a test", 10, fd, &err), -EFBIG);
	}
	close(fd);
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
		TEST(firmware_is_found_on_ext4),
		TEST(firmware_is_found_on_xfs),
		TEST(a_dirty_ext4_is_left_alone),
		TEST(a_dirty_xfs_is_left_alone),
		TEST(a_dirty_btrfs_is_left_alone),
		TEST(an_installed_system_is_named),
		TEST(a_mounted_device_is_looked_at_where_it_is),
		TEST(nothing_stays_mounted),
		TEST(a_damaged_file_system_says_so),
		TEST(a_file_is_read_from_a_device),
		TEST(a_file_is_copied_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
