/*
 * The work of a probe process: one device, looked at in order: can it be opened and read, what is on
 * it, which systems and which firmware live in its file system. Whatever is found is reported at once, so that it
 * counts even when the next step hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blkid.h"
#include "copy.h"
#include "disk_image.h"
#include "member.h"
#include "mount.h"
#include "scan.h"
#include "storage.h"
#include "system.h"
#include "text.h"
#include "trust.h"

static int open_device(const char *path, int *ret_fd, struct stat *ret_st, struct vmb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), code;

	if (fd >= 0 && fstat(fd, ret_st) == 0) {
		*ret_fd = fd;
		return 0;
	}
	code = errno;
	if (fd >= 0)
		close(fd);
	switch (code) {
	case EACCES:
	case EPERM:
		return vmb_err_set(err, code,
				   geteuid() == 0 ? "The system does not let even root read %s."
						  : "No permission to read %s. Run vmboot as root.",
				   path);
	case ENOMEDIUM: return vmb_err_set(err, code, "%s has no medium inside.", path);
	default: return vmb_err_set(err, code, "%s cannot be opened: %s.", path, strerror(code));
	}
}

/* Is the device behind ST mounted on the running system? Then 0 and where. */
static int find_mount_point(const struct stat *st, char *buf, size_t size)
{
	struct storage_device device;

	if (!S_ISBLK(st->st_mode) || storage_find_device("", st->st_rdev, &device) < 0)
		return -ENOENT;
	return storage_mount_point("", &device, buf, size);
}

static int open_mount_point(const char *point, int *ret_root)
{
	int fd = open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_root = fd;
	return 0;
}

static int probe_files(const char *path, const struct stat *st, const char *fstype,
		       const struct storage_report *report, void *ctx, struct vmb_err *err)
{
	char point[PATH_MAX];
	int root, rc;

	if (find_mount_point(st, point, sizeof(point)) == 0) {
		/* Mounting it a second time would fail, or show the same; so look where it is. */
		if (open_mount_point(point, &root) < 0)
			return 0;
		system_look(root, fstype, report, ctx);
		scan_firmware(root, strcmp(point, "/") == 0 ? "" : point, true, report, ctx);
		close(root);
		return 0;
	}
	if (!S_ISBLK(st->st_mode) || !mount_knows(fstype))
		return 0;
	rc = mount_open(path, fstype, &root, err);
	if (rc == -EPERM || rc == -ENODEV || rc == -EBUSY)
		return 0; /* the disk is fine; the sentence stays as a remark */
	if (rc < 0)
		return rc;
	system_look(root, fstype, report, ctx);
	scan_firmware(root, "", false, report, ctx);
	close(root);
	return 0;
}

/* What the device itself tells, without a file system of this kernel. */
static void probe_content(int fd, const struct storage_identity *identity,
			  const struct storage_report *report, void *ctx)
{
	struct storage_system system = {0};
	bool uefi = false, bios = false;

	if (strcmp(identity->fstype, "iso9660") == 0)
		disk_image_boots(fd, &uefi, &bios);
	if (uefi)
		text_copy(system.text, sizeof(system.text), "boots by UEFI");
	else if (bios)
		text_copy(system.text, sizeof(system.text), "boots by BIOS only");
	else if (member_describe(fd, identity, system.text, sizeof(system.text)) < 0)
		return;
	report->system(ctx, &system);
}

int storage_probe(const char *path, const struct storage_report *report, void *ctx,
		  struct vmb_err *err)
{
	struct storage_identity identity;
	struct stat st;
	int fd, rc;

	rc = open_device(path, &fd, &st, err);
	if (rc < 0)
		return rc;
	rc = identify_device(fd, path, &identity, err);
	if (rc == 0 || rc == -ENOTUNIQ)
		report->identity(ctx, &identity);
	if (rc == 0)
		probe_content(fd, &identity, report, ctx);
	close(fd);
	if (rc == -ENOTUNIQ)
		return 0;
	return rc < 0 ? rc : probe_files(path, &st, identity.fstype, report, ctx, err);
}

int storage_probe_system(const struct storage_report *report, void *ctx, struct vmb_err *err)
{
	int root;

	if (open_mount_point("/", &root) < 0)
		return vmb_err_set(err, errno, "The running system cannot be searched.");
	scan_firmware(root, "", true, report, ctx);
	close(root);
	return 0;
}

/* Reads from where DEVICE is mounted already, else from a mount of our own. */
static int open_file_system(const char *device, int *ret_root, struct vmb_err *err)
{
	struct storage_identity identity;
	char point[PATH_MAX];
	struct stat st;
	int fd, rc;

	rc = open_device(device, &fd, &st, err);
	if (rc < 0)
		return rc;
	if (find_mount_point(&st, point, sizeof(point)) == 0) {
		close(fd);
		rc = open_mount_point(point, ret_root);
		return rc == 0 ? 0
			       : vmb_err_set(err, -rc,
					     "%s, where %s is mounted, cannot be opened: %s.",
					     point, device, strerror(-rc));
	}
	rc = identify_device(fd, device, &identity, err);
	close(fd);
	if (rc < 0)
		return rc;
	if (!identity.fstype[0])
		return vmb_err_set(err, ENODEV,
				   "%s holds no file system, so no firmware can be read from "
				   "it.",
				   device);
	return mount_open(device, identity.fstype, ret_root, err);
}

/* What the file NAME below ROOT holds, as far as it fits. */
static size_t read_small_file(int root, const char *name, char *text, size_t size)
{
	int fd = copy_open_in(root, name, O_RDONLY);
	ssize_t n = -1;
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, text, size);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

size_t storage_read_signature(const char *device, const char *path, char *text, size_t size)
{
	char name[VM_PATH_SIZE + 16];
	struct vmb_err err;
	size_t n = 0;
	int root;

	if (open_file_system(device, &root, &err) < 0)
		return 0;
	for (size_t i = 0; trust_signature_ends[i] && n == 0; i++) {
		snprintf(name, sizeof(name), "%s%s", path, trust_signature_ends[i]);
		n = read_small_file(root, name, text, size);
	}
	close(root);
	return n;
}

int storage_read_file(const char *device, const char *path, int out_fd, struct vmb_err *err)
{
	int root, rc = open_file_system(device, &root, err);

	if (rc < 0)
		return rc;
	rc = copy_file(&(struct copy_source){.root = root, .path = path, .where = device,
					     .noun = "firmware", .max = STORAGE_FIRMWARE_MAX},
		       out_fd, err);
	close(root);
	return rc;
}
