/*
 * Block devices and who uses them, from made-up sysfs and proc trees: every kind of disk, names and
 * texts that mean harm, and uses that this machine cannot have.
 */
#include "storage_test.h"

#include <errno.h>
#include <sys/sysmacros.h>

#include "storage.h"

static void put_attr(struct scratch *s, const char *device, const char *attr, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "sys/devices/%s/%s", device, attr);
	put(s, path, text);
}

/*
 * A block device whose directory is DEVICE below /sys/devices ("pci0/ata1/block/sda", or with
 * "/sda1" for a partition), with the links that the kernel makes.
 */
static void put_device(struct scratch *s, const char *device, const char *number,
		       const char *sectors)
{
	const char *name = strrchr(device, '/') + 1;
	char from[PATH_MAX], to[PATH_MAX];

	put_attr(s, device, "dev", number);
	put_attr(s, device, "size", sectors);
	put_attr(s, device, "ro", "0\n");
	put(s, "sys/class/block/.keep", "");
	put(s, "sys/dev/block/.keep", "");
	snprintf(to, sizeof(to), "../../devices/%s", device);
	snprintf(from, sizeof(from), "%s/sys/class/block/%s", s->dir, name);
	assert_int_equal(symlink(to, from), 0);
	snprintf(from, sizeof(from), "%s/sys/dev/block/%s", s->dir, number);
	assert_int_equal(symlink(to, from), 0);
}

static void put_disk(struct scratch *s, const char *device, const char *number, const char *sectors)
{
	put_device(s, device, number, sectors);
	put_attr(s, device, "queue/logical_block_size", "512\n");
	put_attr(s, device, "removable", "0\n");
}

static void put_partition(struct scratch *s, const char *device, const char *number,
			  const char *sectors, const char *index)
{
	put_device(s, device, number, sectors);
	put_attr(s, device, "partition", index);
}

static const struct storage_device *find(const struct storage_device *devices, size_t count,
					 const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(devices[i].name, name) == 0)
			return &devices[i];
	return NULL;
}

static void every_kind_of_disk_is_described(void **state)
{
	struct scratch *s = *state;
	const struct storage_device *d;
	struct storage_device *devices;
	size_t count;

	put_disk(s, "pci0/nvme/nvme0/nvme0n1", "259:0", "1000215216\n");
	put_attr(s, "pci0/nvme/nvme0/nvme0n1", "device/model", "Samsung SSD 980            \n");
	put_attr(s, "pci0/nvme/nvme0/nvme0n1", "device/serial", "S64ENX0R123456      \n");
	put_attr(s, "pci0/nvme/nvme0/nvme0n1", "queue/logical_block_size", "4096\n");
	put_partition(s, "pci0/nvme/nvme0/nvme0n1/nvme0n1p1", "259:1", "2048\n", "1\n");
	put_disk(s, "pci0/ata1/host0/target0/0:0/block/sda", "8:0", "7814037168\n");
	put_attr(s, "pci0/ata1/host0/target0/0:0/block/sda", "device/model", "WDC WD40EFRX-68N\n");
	put_attr(s, "pci0/ata1/host0/target0/0:0/block/sda", "device/vendor", "ATA     \n");
	put_disk(s, "pci0/usb1/1-2/1-2:1.0/host5/target5/5:0/block/sdb", "8:16", "60000000\n");
	put(s, "sys/devices/pci0/usb1/1-2/idVendor", "0781\n");
	put(s, "sys/devices/pci0/usb1/1-2/serial", "4C530001\n");
	put_attr(s, "pci0/usb1/1-2/1-2:1.0/host5/target5/5:0/block/sdb", "device/vendor",
		 "SanDisk\n");
	put_attr(s, "pci0/usb1/1-2/1-2:1.0/host5/target5/5:0/block/sdb", "device/model", "Ultra\n");
	put_attr(s, "pci0/usb1/1-2/1-2:1.0/host5/target5/5:0/block/sdb", "removable", "1\n");
	put_disk(s, "pci0/virtio3/block/vda", "254:0", "2048\n");
	put_attr(s, "pci0/virtio3/block/vda", "serial", "disk one\n");
	put_attr(s, "pci0/virtio3/block/vda", "device/vendor", "0x1af4\n");
	put_disk(s, "pci0/virtio0/host6/target6/6:0/block/sde", "8:64", "2048\n");
	put_attr(s, "pci0/virtio0/host6/target6/6:0/block/sde", "device/vendor", "QEMU    \n");
	put_attr(s, "pci0/virtio0/host6/target6/6:0/block/sde", "device/model", "QEMU HARDDISK\n");
	put_disk(s, "virtual/block/dm-0", "253:0", "2048\n");
	put_attr(s, "virtual/block/dm-0", "dm/name", "vg0-root\n");

	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(count, 7);
	d = find(devices, count, "sde");
	assert_string_equal(d->transport, "scsi");
	assert_string_equal(d->model, "QEMU HARDDISK");
	d = find(devices, count, "nvme0n1");
	assert_string_equal(d->transport, "nvme");
	assert_string_equal(d->model, "Samsung SSD 980");
	assert_string_equal(d->serial, "S64ENX0R123456");
	assert_string_equal(d->path, "/dev/nvme0n1");
	assert_true(d->size == 1000215216ull * 512);
	assert_int_equal(d->logical_block, 4096);
	assert_true(d->dev == makedev(259, 0));
	d = find(devices, count, "nvme0n1p1");
	assert_string_equal(d->parent, "nvme0n1");
	assert_int_equal(d->partition, 1);
	assert_int_equal(d->logical_block, 4096);
	d = find(devices, count, "sda");
	assert_string_equal(d->transport, "sata");
	assert_string_equal(d->model, "WDC WD40EFRX-68N");
	d = find(devices, count, "sdb");
	assert_string_equal(d->transport, "usb");
	assert_string_equal(d->model, "SanDisk Ultra");
	assert_string_equal(d->serial, "4C530001");
	assert_true(d->removable);
	d = find(devices, count, "vda");
	assert_string_equal(d->transport, "virtio");
	assert_string_equal(d->serial, "disk one");
	assert_string_equal(d->model, "");
	d = find(devices, count, "dm-0");
	assert_string_equal(d->transport, "dm");
	assert_string_equal(d->model, "vg0-root");
	free(devices);
}

static void partitions_follow_their_disk_in_order(void **state)
{
	static const char *const expected[] = {"nvme0n1", "nvme0n1p1", "nvme0n2", "nvme10n1", "sda",
					       "sda1",	  "sda2",      "sda10",	  "sdb"};
	struct scratch *s = *state;
	struct storage_device *devices;
	size_t count;

	put_disk(s, "a/block/sdb", "8:16", "8\n");
	put_disk(s, "a/block/sda", "8:0", "8\n");
	put_partition(s, "a/block/sda/sda10", "8:10", "8\n", "10\n");
	put_partition(s, "a/block/sda/sda2", "8:2", "8\n", "2\n");
	put_partition(s, "a/block/sda/sda1", "8:1", "8\n", "1\n");
	put_disk(s, "b/nvme/nvme10n1", "259:9", "8\n");
	put_disk(s, "b/nvme/nvme0n2", "259:8", "8\n");
	put_disk(s, "b/nvme/nvme0n1", "259:0", "8\n");
	put_partition(s, "b/nvme/nvme0n1/nvme0n1p1", "259:1", "8\n", "1\n");
	put_attr(s, "b/nvme/nvme0n1", "hidden", "0\n");
	/* A way to nvme0n1, which nobody can open. */
	put_disk(s, "b/nvme/nvme0c0n1", "259:7", "8\n");
	put_attr(s, "b/nvme/nvme0c0n1", "hidden", "1\n");
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < count; i++)
		assert_string_equal(devices[i].name, expected[i]);
	assert_string_equal(devices[7].parent, "sda");
	assert_int_equal(devices[7].partition, 10);
	free(devices);
}

static void assert_skipped(const struct storage_device *devices, size_t count, const char *name,
			   bool empty, const char *why)
{
	const struct storage_device *d = find(devices, count, name);

	assert_non_null(d);
	assert_int_equal(d->empty, empty);
	if (!strstr(d->skip, why))
		fail_msg("%s: the reason misses \"%s\": %s", name, why, d->skip);
}

static void what_is_no_disk_says_why(void **state)
{
	struct scratch *s = *state;
	struct storage_device *devices;
	size_t count;

	put_disk(s, "v/block/loop0", "7:0", "0\n");
	put_disk(s, "v/block/loop1", "7:1", "2048\n");
	put_attr(s, "v/block/loop1", "loop/backing_file", "/srv/disk.img\n");
	put_disk(s, "v/block/ram0", "1:0", "8192\n");
	put_disk(s, "v/block/zram0", "252:0", "8192\n");
	put_disk(s, "v/block/zram1", "252:1", "0\n");
	put_disk(s, "v/block/md127", "9:127", "0\n");
	put_disk(s, "v/block/nbd0", "43:0", "0\n");
	put_disk(s, "v/block/dm-3", "253:3", "0\n");
	put_disk(s, "p/block/fd0", "2:0", "2880\n");
	put_disk(s, "p/mmc0/block/mmcblk0boot1", "179:9", "8192\n");
	put_disk(s, "p/ata1/block/sda", "8:0", "0\n");
	put_disk(s, "p/usb1/host9/block/sdc", "8:32", "0\n");
	put_attr(s, "p/usb1/host9/block/sdc", "removable", "1\n");
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(count, 12);
	assert_string_equal(find(devices, count, "loop1")->model, "/srv/disk.img");
	assert_string_equal(find(devices, count, "loop1")->skip, "");
	assert_false(find(devices, count, "loop1")->empty);
	assert_skipped(devices, count, "loop0", true, "no file");
	assert_skipped(devices, count, "ram0", true, "RAM disk");
	assert_skipped(devices, count, "zram0", false, "memory");
	assert_skipped(devices, count, "zram1", true, "not set up");
	assert_skipped(devices, count, "md127", true, "not running");
	assert_skipped(devices, count, "nbd0", true, "no server");
	assert_skipped(devices, count, "dm-3", true, "nothing is mapped");
	assert_skipped(devices, count, "fd0", false, "floppy");
	assert_skipped(devices, count, "mmcblk0boot1", false, "boot area");
	assert_skipped(devices, count, "sda", false, "size is zero");
	assert_skipped(devices, count, "sdc", false, "no medium inside");
	free(devices);
}

static void broken_and_hostile_attributes_do_no_harm(void **state)
{
	struct scratch *s = *state;
	const struct storage_device *d;
	struct storage_device *devices;
	char longer[5000];
	size_t count;

	memset(longer, 'A', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	put_disk(s, "a/block/sda", "8:0", "99999999999999999999999\n");
	put_attr(s, "a/block/sda", "device/model", longer);
	put_attr(s, "a/block/sda", "device/serial", "\033[2J\007\n");
	put_attr(s, "a/block/sda", "uevent", "MAJOR=8\nDEVNAME=");
	put_disk(s, "a/block/sdb", "nonsense", "-5\n");
	put_attr(s, "a/block/sdb", "device/vpd_pg80", "\0\x80");
	put_disk(s, "a/block/cciss!c0d0", "104:0", "2048\n");
	put_attr(s, "a/block/cciss!c0d0", "uevent",
		 "MAJOR=104\nDEVNAME=cciss/c0d0\nDEVTYPE=disk\n");
	assert_true(sh("ln -s ../../devices/gone %s/sys/class/block/sdz", s->dir));
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(count, 3);
	d = find(devices, count, "sda");
	assert_int_equal(d->size, 0);
	assert_true(strlen(d->model) > 0 && strlen(d->model) < sizeof(d->model));
	d = find(devices, count, "sdb");
	assert_true(d->dev == 0);
	assert_int_equal(d->size, 0);
	assert_string_equal(find(devices, count, "cciss!c0d0")->path, "/dev/cciss/c0d0");
	free(devices);
}

static void scsi_serial_page_is_read(void **state)
{
	struct scratch *s = *state;
	struct storage_device *devices;
	char path[PATH_MAX];
	size_t count;

	put_disk(s, "a/host0/block/sda", "8:0", "2048\n");
	put_attr(s, "a/host0/block/sda", "device/vendor", "LENOVO\n");
	snprintf(path, sizeof(path), "%s/sys/devices/a/host0/block/sda/device/vpd_pg80", s->dir);
	write_file(path, "\0\x80\0\x0A  AB12CD  ", 14, 0);
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_string_equal(devices[0].serial, "AB12CD");
	/* A length beyond the file is cut to it. */
	write_file(path, "\0\x80\0\xFFXYZ", 7, 0);
	free(devices);
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_string_equal(devices[0].serial, "XYZ");
	free(devices);
}

static void without_sysfs_there_is_an_error(void **state)
{
	struct scratch *s = *state;
	struct storage_device *devices = NULL;
	size_t count = 7;

	assert_int_equal(storage_list_devices(s->dir, &devices, &count), -ENOENT);
	assert_null(devices);
	assert_int_equal(count, 7);
}

/* ---- uses ---- */

static void put_used_disk(struct scratch *s)
{
	put_disk(s, "a/block/sda", "8:0", "8000\n");
	put_partition(s, "a/block/sda/sda1", "8:1", "2000\n", "1\n");
	put_partition(s, "a/block/sda/sda2", "8:2", "2000\n", "2\n");
	put_disk(s, "v/block/dm-3", "253:3", "2000\n");
	put_attr(s, "v/block/dm-3", "dm/name", "vg0-root\n");
	put(s, "proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n");
	put(s, "proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

static void assert_use(struct scratch *s, const char *name, enum storage_use_kind kind,
		       const char *node, const char *how)
{
	struct storage_device *devices;
	struct storage_use use;
	size_t count;

	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(storage_device_use(s->dir, find(devices, count, name), &use), 0);
	free(devices);
	assert_int_equal(use.kind, kind);
	if (kind == STORAGE_USE_NONE)
		return;
	assert_string_equal(use.node, node);
	assert_string_equal(use.how, how);
}

static void a_free_disk_is_free(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	assert_use(s, "sda", STORAGE_USE_NONE, "", "");
	assert_use(s, "sda1", STORAGE_USE_NONE, "", "");
}

static void mounts_are_found(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	put(s, "proc/self/mountinfo",
	    "22 1 0:21 / /proc rw - proc proc rw\n"
	    "30 1 8:2 / /mnt/with\\040blank rw,relatime shared:1 master:2 - ext4 /dev/sda2 rw\n");
	assert_use(s, "sda2", STORAGE_USE_MOUNT, "sda2", "mounted on /mnt/with blank");
	assert_use(s, "sda", STORAGE_USE_MOUNT, "sda2", "mounted on /mnt/with blank");
	assert_use(s, "sda1", STORAGE_USE_NONE, "", "");
}

/* btrfs shows a number of its own; the source tells. */
static void mounts_with_a_foreign_number_are_found(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	put(s, "proc/self/mountinfo", "30 1 0:44 /@ / rw - btrfs /dev/sda1 rw,subvol=/@\n");
	assert_use(s, "sda", STORAGE_USE_MOUNT, "sda1", "mounted on /");
}

static void a_mounted_whole_disk_blocks_its_partitions(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	put(s, "proc/self/mountinfo", "30 1 8:0 / /data rw - xfs /dev/sda rw\n");
	assert_use(s, "sda1", STORAGE_USE_MOUNT, "sda", "mounted on /data");
}

static void swaps_are_found(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	put(s, "proc/swaps",
	    "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	    "/dev/sda1                               partition\t1000\t\t0\t\t-2\n");
	assert_use(s, "sda", STORAGE_USE_SWAP, "sda1", "used as swap");
	assert_use(s, "sda1", STORAGE_USE_SWAP, "sda1", "used as swap");
	assert_use(s, "sda2", STORAGE_USE_NONE, "", "");
}

static void holders_are_found(void **state)
{
	struct scratch *s = *state;

	put_used_disk(s);
	put_attr(s, "a/block/sda/sda1", "holders/dm-3", "");
	assert_use(s, "sda", STORAGE_USE_HOLDER, "sda1", "held by dm-3 (vg0-root)");
	put_attr(s, "a/block/sda/sda2", "holders/md0", "");
	assert_use(s, "sda2", STORAGE_USE_HOLDER, "sda2", "member of md0");
}

static void torn_mountinfo_does_no_harm(void **state)
{
	static const char *const lines[] = {
		"\n",
		"30\n",
		"30 1 8:2\n",
		"30 1 8:2 / /x rw\n",
		"30 1 8:2 / /x rw - \n",
		"30 1 x:y / /x rw - ext4 /dev/other rw\n",
		"30 1 8:99999999999 / /x rw - a b c\n",
		"30 1 0:5 / /x\\777\\0 rw - a\n",
	};
	struct scratch *s = *state;

	put_used_disk(s);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		put(s, "proc/self/mountinfo", lines[i]);
		assert_use(s, "sda1", STORAGE_USE_NONE, "", "");
	}
}

static void without_proc_nobody_says_free(void **state)
{
	struct scratch *s = *state;
	struct storage_device *devices;
	struct storage_use use;
	char path[PATH_MAX];
	size_t count;

	put_used_disk(s);
	unlink(scratch_path(s, "proc/self/mountinfo", path));
	assert_int_equal(storage_list_devices(s->dir, &devices, &count), 0);
	assert_int_equal(storage_device_use(s->dir, find(devices, count, "sda"), &use), -ENOENT);
	free(devices);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_kind_of_disk_is_described),
		TEST(partitions_follow_their_disk_in_order),
		TEST(what_is_no_disk_says_why),
		TEST(broken_and_hostile_attributes_do_no_harm),
		TEST(scsi_serial_page_is_read),
		TEST(without_sysfs_there_is_an_error),
		TEST(a_free_disk_is_free),
		TEST(mounts_are_found),
		TEST(mounts_with_a_foreign_number_are_found),
		TEST(a_mounted_whole_disk_blocks_its_partitions),
		TEST(swaps_are_found),
		TEST(holders_are_found),
		TEST(torn_mountinfo_does_no_harm),
		TEST(without_proc_nobody_says_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
