/*
 * Taking disks for a VM: the matrix of who else may have one, and every refusal's sentence. Uses
 * real loop devices, partitions, mounts and swaps where the tests run as root.
 */
#include "storage_test.h"

#include <errno.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "storage.h"
#include "text.h"

enum mode { RW, RO, OVERLAY };

static struct vm_disk make_disk(const char *path, enum mode mode)
{
	struct vm_disk disk = {.read_only = mode == RO, .overlay = mode == OVERLAY};

	assert_int_equal(text_copy(disk.path, sizeof(disk.path), path), 0);
	return disk;
}

static int take(const char *path, enum mode mode, int *ret_fd, struct vmb_err *err)
{
	struct vm_disk disk = make_disk(path, mode);
	struct vmm_disk info;

	memset(err, 0, sizeof(*err));
	return storage_open_disk(&disk, ret_fd, &info, err);
}

static void assert_taken(const char *path, enum mode mode)
{
	struct vmb_err err;
	int fd, rc = take(path, mode, &fd, &err);

	if (rc < 0)
		fail_msg("%s was refused: %s", path, err.text);
	close(fd);
}

/* Refused with CODE, and the sentence names the disk and holds WORDS. */
static void assert_refused(const char *path, enum mode mode, int code, const char *words)
{
	struct vmb_err err;
	int fd = -1, rc = take(path, mode, &fd, &err);

	if (rc == 0)
		fail_msg("%s was not refused", path);
	assert_int_equal(fd, -1);
	assert_int_equal(rc, -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, path) || !strstr(err.text, words))
		fail_msg("the sentence misses \"%s\" or \"%s\": %s", path, words, err.text);
}

static void what_is_no_disk_is_refused_with_a_sentence(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];

	assert_refused(scratch_path(s, "missing", path), RW, ENOENT, "does not exist");
	assert_refused(s->dir, RW, EISDIR, "is a directory");
	write_file(scratch_path(s, "empty", path), "", 0, 0);
	assert_refused(path, RW, EINVAL, "is empty");
	assert_refused(path, RO, EINVAL, "is empty");
	write_file(scratch_path(s, "odd", path), "", 0, 1000001);
	assert_refused(path, RW, EINVAL, "1000001 bytes");
	assert_refused(path, OVERLAY, EINVAL, "not a multiple of 512");
	write_file(scratch_path(s, "vm.qcow2", path), "QFI\xFB\0\0\0\3", 8, 1 << 16);
	assert_refused(path, RW, EINVAL, "qemu-img convert -O raw");
	assert_refused(path, RO, EINVAL, "is a qcow2 image, not a raw disk");
	/* A guest may have put an archive on its disk. */
	write_file(scratch_path(s, "backup.img", path), "\x1F\x8B\x08", 3, 1 << 16);
	assert_taken(path, RW);
	assert_int_equal(mkfifo(scratch_path(s, "fifo", path), 0600), 0);
	assert_refused(path, RO, ENOTBLK, "neither a disk nor an image file");
	assert_refused("/dev/null", RW, ENOTBLK, "neither a disk nor an image file");
}

/* Guests make names of device files from it: printable ASCII without blanks. */
static void no_name_makes_a_serial_that_is_not_plain(void **state)
{
	struct scratch *s = *state;
	struct vm_disk disk;
	struct vmm_disk info;
	struct vmb_err err;
	char path[PATH_MAX];
	int fd;

	write_file(scratch_path(s, "a\177~!\tb\303\251 c", path), "", 0, 1 << 20);
	disk = make_disk(path, RW);
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	close(fd);
	assert_memory_equal(info.serial, "a_~!_b___c-", 11);
}

static void a_file_is_described_for_the_vmm(void **state)
{
	struct scratch *s = *state;
	struct vm_disk disk;
	struct vmm_disk info, again;
	struct vmb_err err;
	char path[PATH_MAX];
	int fd;

	write_file(scratch_path(s, "disk one.img", path), "", 0, 1 << 20);
	disk = make_disk(path, RW);
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.size, 1 << 20);
	assert_int_equal(info.logical_block, 512);
	assert_int_equal(info.is_block_device, 0);
	assert_int_equal(info.read_only, 0);
	/* A blocking descriptor: io_uring answers EAGAIN on others. */
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(!!(fcntl(fd, F_GETFL) & O_DIRECT), info.direct);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	/* The made serial: readable, legal, the same next time. */
	assert_int_equal(strncmp(info.serial, "disk_one.im-", 12), 0);
	assert_true(strlen(info.serial) <= VM_SERIAL_SIZE - 1);
	close(fd);
	assert_int_equal(storage_open_disk(&disk, &fd, &again, &err), 0);
	assert_string_equal(info.serial, again.serial);
	close(fd);

	strcpy(disk.serial, "GIVEN-1");
	disk.read_only = 1;
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_string_equal(info.serial, "GIVEN-1");
	assert_int_equal(info.read_only, 1);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
	disk.read_only = 0;
	disk.overlay = 1;
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.overlay, 1);
	assert_int_equal(info.overlay_limit, VM_DEFAULT_OVERLAY);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void the_guest_sees_the_sectors_that_were_asked_for(void **state)
{
	struct scratch *s = *state;
	const char *loop;
	struct vm_disk disk;
	struct vmm_disk info;
	struct vmb_err err;
	char path[PATH_MAX];
	int fd;

	write_file(scratch_path(s, "big", path), "", 0, 4096 * 5);
	disk = make_disk(path, OVERLAY);
	disk.sector = 4096;
	disk.overlay_limit = 12345678;
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.logical_block, 4096);
	assert_int_equal(info.overlay_limit, 12345678);
	close(fd);
	write_file(scratch_path(s, "odd", path), "", 0, 4096 * 5 + 512);
	disk = make_disk(path, RW);
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.logical_block, 512);
	close(fd);
	disk.sector = 4096;
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), -EINVAL);
	assert_non_null(strstr(err.text, "not a multiple of 4096"));

	write_file(scratch_path(s, "loop", path), "", 0, 4 << 20);
	loop = attach_loop(s, path, "-b 4096");
	NEED_LOOP(loop);
	disk = make_disk(loop, RW);
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.logical_block, 4096);
	assert_int_equal(info.physical_block, 4096);
	close(fd);
	disk.sector = 512;
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), -EINVAL);
	assert_non_null(strstr(err.text, "sectors of 4096 bytes"));
}

static void two_vms_share_a_disk_only_for_reading(const char *path)
{
	static const struct {
		enum mode first, second;
		bool ok;
	} matrix[] = {
		{RW, RW, false},      {RW, RO, false},	   {RW, OVERLAY, false},
		{RO, RW, false},      {RO, RO, true},	   {RO, OVERLAY, true},
		{OVERLAY, RW, false}, {OVERLAY, RO, true}, {OVERLAY, OVERLAY, true},
	};

	for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
		struct vmb_err err;
		int fd;

		assert_int_equal(take(path, matrix[i].first, &fd, &err), 0);
		if (matrix[i].ok)
			assert_taken(path, matrix[i].second);
		else
			assert_refused(path, matrix[i].second, EBUSY,
				       "already attached to a virtual machine");
		close(fd);
		/* The lock went with the descriptor. */
		assert_taken(path, matrix[i].second);
	}
}

static void image_files_are_locked(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];

	write_file(scratch_path(s, "disk.img", path), "", 0, 1 << 20);
	two_vms_share_a_disk_only_for_reading(path);
}

static void a_lock_of_another_program_counts(void **state)
{
	struct scratch *s = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 4096, .l_len = 1};
	char path[PATH_MAX];
	int fd;

	write_file(scratch_path(s, "disk.img", path), "", 0, 1 << 20);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_refused(path, RW, EBUSY, "locked by another program");
	assert_refused(path, RO, EBUSY, "locked by another program");
	close(fd);
	assert_taken(path, RW);
}

/* The lock must also cover what is appended after it was taken. */
static void the_lock_covers_growth(void **state)
{
	struct scratch *s = *state;
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 8 << 20, .l_len = 1};
	struct vmb_err err;
	char path[PATH_MAX];
	int fd, other;

	write_file(scratch_path(s, "disk.img", path), "", 0, 1 << 20);
	assert_int_equal(take(path, RW, &fd, &err), 0);
	other = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &lock), -1);
	assert_true(errno == EAGAIN || errno == EACCES);
	close(other);
	close(fd);
}

/* A child without root's rights; its status says whether the refusal was right. */
static void no_permission_is_said(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: needs root to give rights away\n");
		skip();
	}
	write_file(scratch_path(s, "disk.img", path), "", 0, 1 << 20);
	assert_int_equal(chmod(s->dir, 0755), 0);
	pid = fork();
	if (pid == 0) {
		struct vmb_err err;
		int fd, rc;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		rc = take(path, RW, &fd, &err);
		_exit(rc == -EACCES && strstr(err.text, "No permission to write to") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- block devices ---- */

static const char *make_loop(struct scratch *s, const char *name, off_t size)
{
	char path[PATH_MAX];

	write_file(scratch_path(s, name, path), "", 0, size);
	return attach_loop(s, path, "");
}

static void block_devices_are_locked(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_loop(s, "disk", 4 << 20);
	struct vmm_disk info;
	struct vm_disk disk;
	struct vmb_err err;
	int fd;

	NEED_LOOP(loop);
	two_vms_share_a_disk_only_for_reading(loop);
	disk = make_disk(loop, RW);
	assert_int_equal(storage_open_disk(&disk, &fd, &info, &err), 0);
	assert_int_equal(info.is_block_device, 1);
	assert_int_equal(info.physical_block, 512);
	assert_true(info.discard_block >= 512); /* a loop device punches holes into its file */
	assert_int_equal(info.size, 4 << 20);
	assert_int_equal(info.direct, 1);
	assert_true(info.serial[0] != '\0');
	close(fd);
}

static void an_exclusive_opener_counts(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_loop(s, "disk", 4 << 20);
	int fd;

	NEED_LOOP(loop);
	fd = open(loop, O_RDWR | O_EXCL | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_refused(loop, RW, EBUSY, "in use");
	assert_taken(loop, RO);
	close(fd);
	assert_taken(loop, RW);
}

static void the_file_behind_a_loop_device_is_in_use(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_loop(s, "disk", 4 << 20);
	char path[PATH_MAX];

	NEED_LOOP(loop);
	assert_refused(scratch_path(s, "disk", path), RW, EBUSY, loop);
	assert_taken(path, RO);
}

static void a_mounted_disk_is_in_use(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_loop(s, "disk", 16 << 20);
	char point[PATH_MAX];

	NEED_TOOL("mkfs.ext4");
	NEED_LOOP(loop);
	assert_true(sh("mkfs.ext4 -q %s", loop));
	assert_int_equal(mkdir(scratch_path(s, "mount point", point), 0700), 0);
	assert_int_equal(mount(loop, point, "ext4", 0, NULL), 0);
	/* A blank in the mount point: the kernel escapes it, people read it. */
	assert_refused(loop, RW, EBUSY, "it is mounted on");
	assert_refused(loop, RW, EBUSY, point);
	assert_refused(loop, RW, EBUSY, "Unmount it, or attach it read-only (,ro)");
	assert_taken(loop, RO);
	assert_taken(loop, OVERLAY);
	assert_int_equal(umount(point), 0);
	assert_taken(loop, RW);
}

/* Mounted where our mountinfo does not show it: O_EXCL finds it. */
static void a_mount_of_another_namespace_counts(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_loop(s, "disk", 16 << 20);
	int ready[2], go[2], status;
	char byte;
	pid_t pid;

	NEED_TOOL("mkfs.ext4");
	NEED_LOOP(loop);
	assert_true(sh("mkfs.ext4 -q %s", loop));
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(loop, s->dir, "ext4", 0, NULL) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_refused(loop, RW, EBUSY, "in use by this system");
	close(go[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	assert_taken(loop, RW);
}

/* A loop device with two partitions of 16 MiB, or NULL. */
static const char *make_partitioned(struct scratch *s)
{
	const char *loop = make_loop(s, "disk", 40 << 20);

	if (!loop || !have_tool("addpart") || !sh("addpart %s 1 2048 32768", loop) ||
	    !sh("addpart %s 2 36864 32768", loop))
		return NULL;
	return loop;
}

static void a_used_partition_blocks_its_disk_but_not_its_neighbour(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_partitioned(s);
	char part[64], neighbour[64], words[PATH_MAX + 96], point[PATH_MAX];

	NEED_TOOL("mkfs.ext4");
	NEED_LOOP(loop);
	snprintf(part, sizeof(part), "%sp1", loop);
	snprintf(neighbour, sizeof(neighbour), "%sp2", loop);
	assert_true(sh("mkfs.ext4 -q %s", part));
	assert_int_equal(mkdir(scratch_path(s, "mnt", point), 0700), 0);
	assert_int_equal(mount(part, point, "ext4", 0, NULL), 0);
	snprintf(words, sizeof(words), "is in use: %s is mounted on %s", part + strlen("/dev/"),
		 point);
	assert_refused(loop, RW, EBUSY, words);
	assert_refused(part, RW, EBUSY, "it is mounted on");
	assert_taken(neighbour, RW);
	assert_taken(loop, RO);
	assert_int_equal(umount(point), 0);
	assert_taken(loop, RW);
}

static void a_partition_and_its_disk_exclude_each_other(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_partitioned(s);
	struct vmb_err err;
	char part[64];
	int fd;

	NEED_LOOP(loop);
	snprintf(part, sizeof(part), "%sp1", loop);
	assert_int_equal(take(part, RW, &fd, &err), 0);
	assert_refused(loop, RW, EBUSY, "in use");
	close(fd);
	assert_int_equal(take(loop, RW, &fd, &err), 0);
	assert_refused(part, RW, EBUSY, "in use");
	close(fd);
}

static void swap_is_in_use(void **state)
{
	struct scratch *s = *state;
	const char *loop = make_partitioned(s);
	char part[64];

	NEED_TOOL("mkswap");
	NEED_LOOP(loop);
	snprintf(part, sizeof(part), "%sp2", loop);
	if (!sh("mkswap %s >/dev/null && swapon %s 2>/dev/null", part, part)) {
		print_message("skipped: no right to switch swap on\n");
		skip();
	}
	assert_refused(part, RW, EBUSY, "used as swap");
	assert_refused(loop, RW, EBUSY, "used as swap");
	assert_true(sh("swapoff %s", part));
	assert_taken(loop, RW);
}

static void a_write_protected_disk_is_for_reading(void **state)
{
	struct scratch *s = *state;
	const char *loop;
	char path[PATH_MAX];

	write_file(scratch_path(s, "disk", path), "", 0, 4 << 20);
	loop = attach_loop(s, path, "-r");
	NEED_LOOP(loop);
	assert_refused(loop, RW, EROFS, "write-protected");
	assert_taken(loop, RO);
	assert_taken(loop, OVERLAY);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_disk_is_refused_with_a_sentence),
		TEST(the_guest_sees_the_sectors_that_were_asked_for),
		TEST(no_name_makes_a_serial_that_is_not_plain),
		TEST(a_file_is_described_for_the_vmm),
		TEST(image_files_are_locked),
		TEST(a_lock_of_another_program_counts),
		TEST(the_lock_covers_growth),
		TEST(no_permission_is_said),
		TEST(block_devices_are_locked),
		TEST(an_exclusive_opener_counts),
		TEST(the_file_behind_a_loop_device_is_in_use),
		TEST(a_mounted_disk_is_in_use),
		TEST(a_mount_of_another_namespace_counts),
		TEST(a_used_partition_blocks_its_disk_but_not_its_neighbour),
		TEST(a_partition_and_its_disk_exclude_each_other),
		TEST(swap_is_in_use),
		TEST(a_write_protected_disk_is_for_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
