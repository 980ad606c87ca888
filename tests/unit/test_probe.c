/* What a probe finds in real file systems, through loop devices, and that it leaves no trace on them. */
#include "probe_fixture.h"

#include <errno.h>
#include <sys/mount.h>

#include "fake_vmm.h"
#include "storage/mount.h"

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

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
