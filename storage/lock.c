/*
 * Taking a disk for a virtual machine: open it, lock it, refuse what the host or another vmboot
 * uses, and say what the vmm must know about it. A plain open of a mounted disk for writing
 * succeeds on Linux; O_EXCL, the checks of use.c and the lock together keep two writers apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "storage.h"
#include "storage/disk_image.h"
#include "storage/sysfs.h"
#include "text.h"

static const char advice_share[] = "attach it read-only (,ro) or with an overlay (,overlay)";

static bool wants_write(const struct vm_disk *disk)
{
	return !disk->read_only && !disk->overlay;
}

static const char *use_advice(enum storage_use_kind kind)
{
	switch (kind) {
	case STORAGE_USE_MOUNT: return "Unmount it";
	case STORAGE_USE_SWAP: return "Switch that swap off (swapoff)";
	case STORAGE_USE_LOOP: return "Detach that (losetup -d)";
	default: return "Stop what holds it";
	}
}

static int refuse_use(const struct vm_disk *disk, const char *own_node,
		      const struct storage_use *use, struct vmb_err *err)
{
	const char *subject = strcmp(use->node, own_node) == 0 || use->kind == STORAGE_USE_LOOP
				      ? "it"
				      : use->node;

	return vmb_err_set(err, EBUSY, "%s is in use: %s is %s. %s, or %s.", disk->path, subject,
			   use->how, use_advice(use->kind), advice_share);
}

static int refuse_lock(const struct vm_disk *disk, struct vmb_err *err)
{
	return vmb_err_set(err, EBUSY,
			   "%s is already attached to a virtual machine (this one or another), or "
			   "locked by another program. Stop that one%s.",
			   disk->path, wants_write(disk) ? ", or attach it read-only in both" : "");
}

/* Has somebody the lock for writing? Tells another vmboot from the host's own uses. */
static bool is_locked(const char *path)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool locked;

	if (fd < 0)
		return false;
	locked = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

static int refuse_open(const struct vm_disk *disk, bool block, int code, struct vmb_err *err)
{
	switch (code) {
	case EBUSY:
		if (is_locked(disk->path))
			return refuse_lock(disk, err);
		return vmb_err_set(
			err, EBUSY,
			"%s is in use by this system (mounted, part of a RAID or a volume "
			"group, or opened exclusively by a program). Free it, or %s.",
			disk->path, advice_share);
	case EACCES:
	case EPERM:
		return vmb_err_set(err, code,
				   "No permission to %s %s. Run vmboot as root, or give your user "
				   "rights on it%s.",
				   wants_write(disk) ? "write to" : "read", disk->path,
				   wants_write(disk) ? ", or attach it read-only (,ro)" : "");
	case EROFS:
		return vmb_err_set(err, EROFS,
				   "%s is write-protected%s. Attach it read-only (,ro) or with an "
				   "overlay (,overlay).",
				   disk->path, block ? "" : " (its file system is read-only)");
	case ENOMEDIUM:
		return vmb_err_set(err, ENOMEDIUM, "%s has no medium inside. Put one in.",
				   disk->path);
	case ENXIO:
	case ENODEV:
		return vmb_err_set(err, code,
				   "%s has no device behind it. `vmboot list` shows the "
				   "disks there are.",
				   disk->path);
	default:
		return vmb_err_set(err, code, "%s cannot be opened: %s.", disk->path,
				   strerror(code));
	}
}

/* What PATH is, before anything is opened that could block or act. 0 or -errno. */
static int look_at_path(const struct vm_disk *disk, struct stat *ret_st, struct vmb_err *err)
{
	if (stat(disk->path, ret_st) < 0) {
		int code = errno;

		if (code == ENOENT || code == ENOTDIR)
			return vmb_err_set(
				err, code,
				"Disk %s does not exist. Check the name; `vmboot list` shows "
				"the disks there are.",
				disk->path);
		return refuse_open(disk, false, code, err);
	}
	if (S_ISDIR(ret_st->st_mode))
		return vmb_err_set(err, EISDIR,
				   "%s is a directory, not a disk. Name a block device or an image "
				   "file.",
				   disk->path);
	if (!S_ISBLK(ret_st->st_mode) && !S_ISREG(ret_st->st_mode))
		return vmb_err_set(err, ENOTBLK,
				   "%s is neither a disk nor an image file. Name a block device or "
				   "a regular file.",
				   disk->path);
	return 0;
}

static int check_use(const struct vm_disk *disk, const struct stat *st, struct vmb_err *err)
{
	struct storage_device device;
	struct storage_use use;
	int rc;

	if (!wants_write(disk))
		return 0;
	if (S_ISREG(st->st_mode)) {
		rc = storage_file_use("", disk->path, &use);
		device.name[0] = '\0';
	} else {
		rc = storage_find_device("", st->st_rdev, &device);
		if (rc == 0)
			rc = storage_device_use("", &device, &use);
	}
	if (rc < 0)
		return vmb_err_set(err, -rc,
				   "Whether %s is in use cannot be found out (%s), so it is not "
				   "attached for writing. Is /proc or /sys not mounted? Or %s.",
				   disk->path, strerror(-rc), advice_share);
	return use.kind == STORAGE_USE_NONE ? 0 : refuse_use(disk, device.name, &use, err);
}

/* Takes the whole file, what is appended later included: a length of 0 means to the end of time. */
static int lock_whole(const struct vm_disk *disk, int fd, struct vmb_err *err)
{
	struct flock lock = {
		.l_type = wants_write(disk) ? F_WRLCK : F_RDLCK,
		.l_whence = SEEK_SET,
	};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return refuse_lock(disk, err);
	/* Some network file systems have no locks; then nobody else can be told apart from nobody. */
	log_warn("%s: no lock (%s); see to it that nothing else uses it", disk->path,
		 strerror(errno));
	return 0;
}

/* What the vmm tells the guest about the device beside its size. A partition's is its disk's. */
static void describe_block(int fd, struct vmm_disk *info)
{
	unsigned int physical = 0;
	struct stat st;
	char name[64];
	const char *prefix;
	char attr[64];

	if (ioctl(fd, BLKPBSZGET, &physical) == 0)
		info->physical_block = physical;
	if (fstat(fd, &st) < 0 || sysfs_name("", st.st_rdev, name, sizeof(name)) < 0)
		return;
	prefix = sysfs_read_uint("", name, "partition", 0) ? "../" : "";
	snprintf(attr, sizeof(attr), "%squeue/discard_max_bytes", prefix);
	if (!sysfs_read_uint("", name, attr, 0))
		return;
	snprintf(attr, sizeof(attr), "%squeue/discard_granularity", prefix);
	info->discard_block = (uint32_t)sysfs_read_uint("", name, attr, 0);
	if (!info->discard_block)
		info->discard_block = info->logical_block;
}

static int check_block(const struct vm_disk *disk, int fd, struct vmm_disk *info,
		       struct vmb_err *err)
{
	int sector = 512, write_protected = 0;

	if (ioctl(fd, BLKGETSIZE64, &info->size) < 0)
		return refuse_open(disk, true, errno, err);
	if (ioctl(fd, BLKSSZGET, &sector) < 0 || sector < 512)
		sector = 512;
	info->logical_block = disk->sector ? disk->sector : (uint32_t)sector;
	info->is_block_device = 1;
	if (info->logical_block < (uint32_t)sector)
		return vmb_err_set(err, EINVAL,
				   "%s has sectors of %d bytes and cannot be given to a guest with "
				   "%u. Leave out sector=%u.",
				   disk->path, sector, disk->sector, disk->sector);
	describe_block(fd, info);
	if (info->size == 0)
		return vmb_err_set(err, ENOMEDIUM,
				   "%s has a size of zero: no medium, or no disk behind it. Choose "
				   "another disk.",
				   disk->path);
	if (wants_write(disk) && ioctl(fd, BLKROGET, &write_protected) == 0 && write_protected)
		return refuse_open(disk, true, EROFS, err);
	return 0;
}

/* The guest would see the container, and by writing to it lose what is in it. */
static int check_format(const struct vm_disk *disk, int fd, struct vmb_err *err)
{
	const struct disk_format *format;
	uint8_t head[4096];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	format = disk_image_format(head, n > 0 ? (size_t)n : 0);
	if (!format || format->is_archive)
		return 0;
	return vmb_err_set(err, EINVAL, "%s is a %s, not a raw disk: %s.", disk->path, format->name,
			   format->advice);
}

static int check_file(const struct vm_disk *disk, int fd, const struct stat *st,
		      struct vmm_disk *info, struct vmb_err *err)
{
	info->size = (uint64_t)st->st_size;
	info->logical_block = disk->sector ? disk->sector : 512;
	if (info->size == 0)
		return vmb_err_set(err, EINVAL,
				   "%s is empty. Make it as big as the disk should be, for example "
				   "with `truncate -s 8G FILE`.",
				   disk->path);
	if (check_format(disk, fd, err) < 0)
		return -err->code;
	if (info->size % 512 == 0 && info->size % info->logical_block != 0)
		return vmb_err_set(err, EINVAL,
				   "%s has %llu bytes, which is not a multiple of %u. Leave out "
				   "sector=%u, or fill it up with `truncate -s %%%u FILE`.",
				   disk->path, (unsigned long long)info->size, info->logical_block,
				   info->logical_block, info->logical_block);
	if (info->size % 512 != 0)
		return vmb_err_set(
			err, EINVAL,
			"%s has %llu bytes, which is not a multiple of 512: it was probably "
			"cut short. Copy it again, or fill it up with "
			"`truncate -s %%512 FILE`.",
			disk->path, (unsigned long long)info->size);
	return 0;
}

/*
 * May the vmm bypass the page cache with requests aligned to BLOCK bytes, what the guest sees?
 * Always on block devices, whose own is no larger. For a file only where the file system says so (statx(2),
 * STATX_DIOALIGN, Linux 6.1).
 */
static bool can_be_direct(int fd, bool is_device, uint32_t block)
{
	struct statx stx;

	if (is_device)
		return true;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return false;
	return stx.stx_dio_offset_align > 0 && stx.stx_dio_offset_align <= block &&
	       stx.stx_dio_mem_align <= block;
}

/* Clears O_NONBLOCK (it would make io_uring answer EAGAIN) and sets O_DIRECT where it can be. */
static void set_modes(int fd, struct vmm_disk *info)
{
	int flags = fcntl(fd, F_GETFL) & ~O_NONBLOCK;

	info->direct = can_be_direct(fd, info->is_block_device, info->logical_block) &&
		       fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
	if (!info->direct)
		fcntl(fd, F_SETFL, flags);
}

static uint64_t hash_name(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return h;
}

/* Only what a serial may hold: printable ASCII without blanks. */
static void clean_serial(char *serial)
{
	for (char *p = serial; *p; p++)
		if (*p <= ' ' || *p >= 0x7F)
			*p = '_';
}

/* From the name of the file: a readable part and a hash of the whole path, always the same. */
static void name_serial(const char *path, char *serial)
{
	char real[PATH_MAX];
	const char *base;

	if (!realpath(path, real))
		text_copy(real, sizeof(real), path);
	base = strrchr(real, '/');
	base = base ? base + 1 : real;
	snprintf(serial, VM_SERIAL_SIZE, "%.11s-%08x", base, (unsigned int)hash_name(real));
}

static void choose_serial(const struct vm_disk *disk, const struct stat *st, char *serial)
{
	struct storage_device device, whole;
	char part[12] = "";

	if (disk->serial[0]) {
		text_copy(serial, VM_SERIAL_SIZE, disk->serial);
		return;
	}
	if (S_ISREG(st->st_mode) || storage_find_device("", st->st_rdev, &device) < 0) {
		name_serial(disk->path, serial);
	} else if (device.serial[0]) {
		text_copy(serial, VM_SERIAL_SIZE, device.serial);
	} else if (device.parent[0] && storage_parent_device("", &device, &whole) == 0 &&
		   whole.serial[0]) {
		/* A partition is told from its disk by its number. */
		snprintf(part, sizeof(part), "-p%u", device.partition);
		snprintf(serial, VM_SERIAL_SIZE, "%.*s%s", (int)(VM_SERIAL_SIZE - 1 - strlen(part)),
			 whole.serial, part);
	} else {
		name_serial(disk->path, serial);
	}
	clean_serial(serial);
}

int storage_open_disk(const struct vm_disk *disk, int *ret_fd, struct vmm_disk *ret_info,
		      struct vmb_err *err)
{
	struct vmm_disk info = {
		.read_only = disk->read_only,
		.overlay = disk->overlay,
		.overlay_limit = disk->overlay_limit ? disk->overlay_limit : VM_DEFAULT_OVERLAY,
	};
	struct stat st, opened;
	int fd, rc, flags;

	rc = look_at_path(disk, &st, err);
	if (rc == 0)
		rc = check_use(disk, &st, err);
	if (rc < 0)
		return rc;
	flags = (wants_write(disk) ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	if (S_ISBLK(st.st_mode) && wants_write(disk))
		flags |= O_EXCL;
	fd = open(disk->path, flags);
	if (fd < 0)
		return refuse_open(disk, S_ISBLK(st.st_mode), errno, err);
	if (fstat(fd, &opened) < 0 || opened.st_dev != st.st_dev || opened.st_ino != st.st_ino ||
	    opened.st_rdev != st.st_rdev)
		rc = vmb_err_set(err, EAGAIN, "%s changed while it was opened. Try again.",
				 disk->path);
	if (rc == 0)
		rc = S_ISBLK(opened.st_mode) ? check_block(disk, fd, &info, err)
					     : check_file(disk, fd, &opened, &info, err);
	if (rc == 0)
		rc = lock_whole(disk, fd, err);
	if (rc < 0) {
		close(fd);
		return rc;
	}
	set_modes(fd, &info);
	choose_serial(disk, &opened, info.serial);
	*ret_info = info;
	*ret_fd = fd;
	return 0;
}
