/*
 * Block devices as sysfs tells them (kernel's Documentation/ABI, sysfs-block): sizes, models,
 * serials, how they are connected, partitions. Reads no disk.
 */
#include "sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

/* A machine with more block devices than this gets the first ones. */
#define MAX_DEVICES 4096

static int read_path(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t start = 0, end;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0) {
		int rc = -errno;

		close(fd);
		buf[0] = '\0';
		return rc;
	}
	close(fd);
	buf[n] = '\0';
	end = strlen(buf);
	while (end > 0 && isspace((unsigned char)buf[end - 1]))
		end--;
	while (start < end && isspace((unsigned char)buf[start]))
		start++;
	memmove(buf, buf + start, end - start);
	buf[end - start] = '\0';
	return 0;
}

static int device_path(const char *root, const char *name, const char *attr, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/sys/class/block/%s%s%s", root, name, *attr ? "/" : "",
			 attr);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int sysfs_read(const char *root, const char *name, const char *attr, char *buf, size_t size)
{
	char path[PATH_MAX];
	int rc = device_path(root, name, attr, path, sizeof(path));

	buf[0] = '\0';
	return rc < 0 ? rc : read_path(path, buf, size);
}

uint64_t sysfs_read_uint(const char *root, const char *name, const char *attr,
			 uint64_t default_value)
{
	char buf[32];
	uint64_t value;

	if (sysfs_read(root, name, attr, buf, sizeof(buf)) < 0 ||
	    text_parse_uint(buf, 0, UINT64_MAX, &value) < 0)
		return default_value;
	return value;
}

int sysfs_each(const char *root, const char *name, const char *attr,
	       int (*fn)(void *ctx, const char *entry), void *ctx)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = device_path(root, name, attr, path, sizeof(path));
	DIR *dir;

	if (rc < 0)
		return rc;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (rc == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = fn(ctx, entry->d_name);
	closedir(dir);
	return rc;
}

bool sysfs_is_partition_of(const char *root, const char *name, const char *entry)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sys/class/block/%s/%s/partition", root, name,
			 entry);

	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

int sysfs_name(const char *root, dev_t dev, char *buf, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/sys/dev/block/%u:%u", root, major(dev), minor(dev));
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	base = strrchr(target, '/');
	return text_copy(buf, size, base ? base + 1 : target);
}

/* The directory of the device itself, all links resolved; "" when it is gone. */
static void real_directory(const char *root, const char *name, char *buf)
{
	char path[PATH_MAX];

	if (device_path(root, name, "", path, sizeof(path)) < 0 || !realpath(path, buf))
		buf[0] = '\0';
}

static void read_path_of_node(const char *root, struct storage_device *d)
{
	char uevent[1024], *at;

	/* DEVNAME differs from the kernel's name where that holds a '!' (cciss!c0d0). */
	if (sysfs_read(root, d->name, "uevent", uevent, sizeof(uevent)) == 0 &&
	    (at = strstr(uevent, "DEVNAME="))) {
		at += strlen("DEVNAME=");
		at[strcspn(at, "\n")] = '\0';
		snprintf(d->path, sizeof(d->path), "/dev/%.58s", at);
	} else {
		snprintf(d->path, sizeof(d->path), "/dev/%s", d->name);
	}
}

static dev_t read_dev(const char *root, const char *name)
{
	char buf[32];
	unsigned int maj, min;

	if (sysfs_read(root, name, "dev", buf, sizeof(buf)) < 0 ||
	    sscanf(buf, "%u:%u", &maj, &min) != 2)
		return 0;
	return makedev(maj, min);
}

/* How the disk is connected, from where its directory lies below /sys/devices, else from its name. */
static void guess_transport(const char *real, struct storage_device *d)
{
	static const struct {
		const char *in_path, *transport;
	} paths[] = {
		{"/nvme", "nvme"}, {"/usb", "usb"},   {"/ata", "sata"},
		{"/mmc", "mmc"},   {"/host", "scsi"}, {"/virtio", "virtio"},
	};
	static const struct {
		const char *prefix, *transport;
	} names[] = {
		{"loop", "loop"}, {"dm-", "dm"},    {"md", "md"},      {"nbd", "nbd"},
		{"zram", "ram"},  {"rbd", "rbd"},   {"pmem", "pmem"},  {"nvme", "nvme"},
		{"xvd", "xen"},	  {"vd", "virtio"}, {"mmcblk", "mmc"},
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (strstr(real, paths[i].in_path)) {
			text_copy(d->transport, sizeof(d->transport), paths[i].transport);
			return;
		}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(d->name, names[i].prefix, strlen(names[i].prefix)) == 0) {
			text_copy(d->transport, sizeof(d->transport), names[i].transport);
			return;
		}
}

/* SCSI's unit serial number page (SPC-4 7.8.15): four bytes of header, then the number. */
static int read_scsi_serial(const char *root, struct storage_device *d)
{
	char path[PATH_MAX];
	unsigned char page[256];
	size_t start = 4, end;
	ssize_t n;
	int fd;

	if (device_path(root, d->name, "device/vpd_pg80", path, sizeof(path)) < 0)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, page, sizeof(page));
	close(fd);
	if (n <= 4 || page[1] != 0x80)
		return -ENODATA;
	end = start + page[3] < (size_t)n ? start + page[3] : (size_t)n;
	while (start < end && page[start] == ' ')
		start++;
	while (end > start && (page[end - 1] == ' ' || page[end - 1] == 0))
		end--;
	if (end - start >= sizeof(d->serial))
		end = start + sizeof(d->serial) - 1;
	memcpy(d->serial, page + start, end - start);
	d->serial[end - start] = '\0';
	return d->serial[0] ? 0 : -ENODATA;
}

/* The serial of the USB device above the disk: the first directory upwards that has idVendor. */
static void read_usb_serial(const char *real, struct storage_device *d)
{
	char at[PATH_MAX], path[PATH_MAX + 16];

	text_copy(at, sizeof(at), real);
	for (int depth = 0; depth < 12; depth++) {
		char *slash = strrchr(at, '/');

		if (!slash || slash == at)
			return;
		*slash = '\0';
		snprintf(path, sizeof(path), "%s/idVendor", at);
		if (access(path, F_OK) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/serial", at);
		read_path(path, d->serial, sizeof(d->serial));
		return;
	}
}

static void read_model(const char *root, struct storage_device *d)
{
	char vendor[32], model[64];

	if (sysfs_read(root, d->name, "device/model", model, sizeof(model)) == 0 && model[0]) {
		sysfs_read(root, d->name, "device/vendor", vendor, sizeof(vendor));
		/*
		 * ATA disks all have the vendor "ATA"; a virtio or PCI vendor is a number; and some
		 * models begin with the vendor.
		 */
		if (vendor[0] && strcmp(vendor, "ATA") != 0 && strncmp(vendor, "0x", 2) != 0 &&
		    strncmp(model, vendor, strlen(vendor)) != 0)
			snprintf(d->model, sizeof(d->model), "%.20s %.40s", vendor, model);
		else
			text_copy(d->model, sizeof(d->model), model);
		return;
	}
	if (sysfs_read(root, d->name, "device/name", d->model, sizeof(d->model)) == 0)
		return;
	if (sysfs_read(root, d->name, "dm/name", d->model, sizeof(d->model)) == 0)
		return;
	if (sysfs_read(root, d->name, "md/level", d->model, sizeof(d->model)) == 0)
		return;
	sysfs_read(root, d->name, "loop/backing_file", d->model, sizeof(d->model));
}

static void read_serial(const char *root, const char *real, struct storage_device *d)
{
	/* virtio has it on the disk, NVMe and MMC on the device behind it. */
	if (sysfs_read(root, d->name, "serial", d->serial, sizeof(d->serial)) == 0 && d->serial[0])
		return;
	if (sysfs_read(root, d->name, "device/serial", d->serial, sizeof(d->serial)) == 0 &&
	    d->serial[0])
		return;
	if (read_scsi_serial(root, d) == 0)
		return;
	if (strcmp(d->transport, "usb") == 0)
		read_usb_serial(real, d);
}

/* Fills PARENT and PARTITION if NAME is a partition. REAL is its directory. */
static void read_parent(const char *root, const char *real, struct storage_device *d)
{
	const char *end, *start;

	d->partition = (uint32_t)sysfs_read_uint(root, d->name, "partition", 0);
	if (d->partition == 0)
		return;
	end = strrchr(real, '/');
	if (!end || end == real)
		return;
	for (start = end; start > real && start[-1] != '/';)
		start--;
	snprintf(d->parent, sizeof(d->parent), "%.*s", (int)(end - start), start);
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Drivers that make device nodes before anything is behind them. */
static const char *empty_reason(const char *name)
{
	static const struct {
		const char *prefix, *reason;
	} drivers[] = {
		{"loop", "no file is attached to it"},
		{"nbd", "no server is connected to it"},
		{"zram", "not set up"},
		{"md", "the array is not running"},
		{"dm-", "nothing is mapped to it"},
	};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (has_prefix(name, drivers[i].prefix))
			return drivers[i].reason;
	return NULL;
}

/* Why nobody should look at it, in words; and whether it is anything at all. */
static void decide_skip(struct storage_device *d)
{
	const char *reason = d->size == 0 ? empty_reason(d->name) : NULL;

	if (has_prefix(d->name, "ram"))
		reason = "a RAM disk";
	d->empty = reason != NULL;
	if (!reason && d->size == 0)
		reason = d->removable ? "no medium inside" : "its size is zero";
	else if (!reason && has_prefix(d->name, "zram"))
		reason = "compressed memory, not a disk";
	else if (!reason && has_prefix(d->name, "fd"))
		reason = "a floppy disk drive";
	else if (!reason && has_prefix(d->name, "mmcblk") && strstr(d->name, "boot"))
		reason = "the boot area of an eMMC chip";
	else if (!reason && has_prefix(d->name, "mmcblk") && strstr(d->name, "rpmb"))
		reason = "the protected area of an eMMC chip";
	if (reason)
		text_copy(d->skip, sizeof(d->skip), reason);
}

int sysfs_describe(const char *root, const char *name, struct storage_device *ret_device)
{
	struct storage_device d = {0};
	char real[PATH_MAX];
	const char *disk;

	if (text_copy(d.name, sizeof(d.name), name) < 0)
		return -ENAMETOOLONG;
	real_directory(root, name, real);
	if (!real[0])
		return -ENOENT;
	read_parent(root, real, &d);
	disk = d.parent[0] ? d.parent : d.name;
	read_path_of_node(root, &d);
	d.dev = read_dev(root, name);
	d.sequence = sysfs_read_uint(root, disk, "diskseq", 0);
	if (__builtin_mul_overflow(sysfs_read_uint(root, name, "size", 0), 512, &d.size))
		d.size = 0;
	d.logical_block = (uint32_t)sysfs_read_uint(root, disk, "queue/logical_block_size", 512);
	d.read_only = sysfs_read_uint(root, name, "ro", 0) != 0;
	d.removable = sysfs_read_uint(root, disk, "removable", 0) != 0;
	guess_transport(real, &d);
	if (!d.parent[0]) {
		read_model(root, &d);
		read_serial(root, real, &d);
	}
	decide_skip(&d);
	*ret_device = d;
	return 0;
}

/* Order of names as people count: digits compare as numbers. */
static int compare_names(const char *a, const char *b)
{
	while (*a && *b) {
		if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
			unsigned long x = strtoul(a, NULL, 10), y = strtoul(b, NULL, 10);

			if (x != y)
				return x < y ? -1 : 1;
			a += strspn(a, "0123456789");
			b += strspn(b, "0123456789");
			continue;
		}
		if (*a != *b)
			return *a < *b ? -1 : 1;
		a++;
		b++;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static int compare_devices(const void *left, const void *right)
{
	const struct storage_device *a = left, *b = right;
	const char *disk_a = a->parent[0] ? a->parent : a->name;
	const char *disk_b = b->parent[0] ? b->parent : b->name;
	int order = compare_names(disk_a, disk_b);

	if (order != 0)
		return order;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return compare_names(a->name, b->name);
}

struct list {
	const char *root;
	struct storage_device *devices;
	size_t count, cap;
};

static int list_add(void *ctx, const char *name)
{
	struct list *list = ctx;
	struct storage_device device;
	int rc;

	/* One of several ways to a disk (NVMe's native multipath), which has no node: the disk itself is another device. */
	if (list->count == MAX_DEVICES || sysfs_read_uint(list->root, name, "hidden", 0) == 1)
		return 0;
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 32;
		void *devices = realloc(list->devices, cap * sizeof(*list->devices));

		if (!devices)
			return -ENOMEM;
		list->devices = devices;
		list->cap = cap;
	}
	rc = sysfs_describe(list->root, name, &device);
	if (rc < 0) {
		log_info("block device %s is left out: %s", name, strerror(-rc));
		return 0;
	}
	list->devices[list->count++] = device;
	return 0;
}

int storage_list_devices(const char *root, struct storage_device **ret_devices, size_t *ret_count)
{
	struct list list = {.root = root};
	int rc = sysfs_each(root, "", "", list_add, &list);

	if (rc < 0) {
		free(list.devices);
		return rc;
	}
	if (list.count > 0)
		qsort(list.devices, list.count, sizeof(*list.devices), compare_devices);
	*ret_devices = list.devices;
	*ret_count = list.count;
	return 0;
}

int storage_find_device(const char *root, dev_t dev, struct storage_device *ret_device)
{
	char name[STORAGE_NAME_SIZE];
	int rc = sysfs_name(root, dev, name, sizeof(name));

	return rc < 0 ? rc : sysfs_describe(root, name, ret_device);
}

int storage_parent_device(const char *root, const struct storage_device *device,
			  struct storage_device *ret_parent)
{
	return device->parent[0] ? sysfs_describe(root, device->parent, ret_parent) : -ENOENT;
}
