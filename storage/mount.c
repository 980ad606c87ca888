/*
 * See storage/mount.h. Uses the file descriptor based mount calls (fsopen(2) and the like, Linux
 * 5.2): they name what they refuse, and need no mount point.
 *
 * Only file systems are listed that can be kept from writing. Each "no replay" option is needed:
 * a read-only mount alone replays the journal of ext4, XFS and btrfs.
 */
#include "mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define MAX_OPTIONS 3

struct option {
	const char *key, *value; /* VALUE NULL: a flag */
};

struct file_system {
	const char *blkid_name, *kernel_name;
	struct option options[MAX_OPTIONS];
};

static const struct file_system file_systems[] = {
	/* norecovery needs ro; nouuid: a copy of a mounted file system has the same UUID */
	{"xfs", "xfs", {{"norecovery", NULL}, {"nouuid", NULL}}},
	{"ext4", "ext4", {{"noload", NULL}}},
	{"ext3", "ext4", {{"noload", NULL}}},
	{"ext2", "ext4", {{"noload", NULL}}},
	{"btrfs", "btrfs", {{"rescue", "nologreplay"}}},
	{"vfat", "vfat", {{NULL, NULL}}},
	{"exfat", "exfat", {{NULL, NULL}}},
	{"iso9660", "iso9660", {{NULL, NULL}}},
	{"udf", "udf", {{NULL, NULL}}},
	{"squashfs", "squashfs", {{NULL, NULL}}},
	{"erofs", "erofs", {{NULL, NULL}}},
	/* fs/ntfs3/fslog.c leaves a log that is not empty alone when the mount is read-only */
	{"ntfs", "ntfs3", {{NULL, NULL}}},
};

static const struct file_system *find_file_system(const char *fstype)
{
	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++)
		if (strcmp(file_systems[i].blkid_name, fstype) == 0)
			return &file_systems[i];
	return NULL;
}

bool mount_knows(const char *fstype)
{
	return find_file_system(fstype) != NULL;
}

/* The kernel's last message of kind error about CONTEXT, or "". */
static void read_message(int context, char *buf, size_t size)
{
	char line[256];
	ssize_t n;

	buf[0] = '\0';
	/* Each message is one read: "e xfs: why". The context is set not to block. */
	while ((n = read(context, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (n > 2 && line[0] == 'e')
			snprintf(buf, size, ": %s", line + 2);
	}
}

static int configure(int context, const char *device, const struct file_system *fs, bool writable)
{
	if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) < 0 ||
	    (!writable && fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0))
		return -errno;
	for (int i = 0; !writable && i < MAX_OPTIONS && fs->options[i].key; i++) {
		const struct option *o = &fs->options[i];
		int rc = fsconfig(context, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
				  o->key, o->value, 0);

		if (rc < 0)
			return -errno;
	}
	return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int refuse(const char *device, const char *fstype, int code, const char *message,
		  struct vmb_err *err)
{
	switch (code) {
	case EPERM:
	case EACCES:
		return vmb_err_set(err, EPERM, "Only root can look into the file system on %s.",
				   device);
	case ENODEV:
		return vmb_err_set(
			err, ENODEV,
			"This kernel cannot read %s, so files on %s are not found; the disk "
			"itself can be attached.",
			fstype, device);
	case EBUSY:
		return vmb_err_set(err, EBUSY, "%s is held by something else at the moment.",
				   device);
	case EIO: return vmb_err_set(err, EIO, "%s cannot be read (I/O error)%s.", device, message);
	default:
		return vmb_err_set(err, code, "The %s on %s cannot be read: %s%s.", fstype, device,
				   strerror(code), message);
	}
}

static int open_mount(const char *device, const char *fstype, bool writable, int *ret_root,
		      struct vmb_err *err)
{
	const struct file_system *fs = find_file_system(fstype);
	char message[256] = "";
	int context, root = -1, rc;

	if (!fs)
		return refuse(device, fstype, ENODEV, "", err);
	context = fsopen(fs->kernel_name, FSOPEN_CLOEXEC);
	if (context < 0)
		return refuse(device, fstype, errno, "", err);
	fcntl(context, F_SETFL, O_NONBLOCK);
	rc = configure(context, device, fs, writable);
	if (rc == 0) {
		root = fsmount(context, FSMOUNT_CLOEXEC,
			       (writable ? 0 : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID |
				       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		if (root < 0)
			rc = -errno;
	}
	if (rc < 0)
		read_message(context, message, sizeof(message));
	close(context);
	if (rc < 0)
		return refuse(device, fstype, -rc, message, err);
	*ret_root = root;
	return 0;
}

int mount_open(const char *device, const char *fstype, int *ret_root, struct vmb_err *err)
{
	return open_mount(device, fstype, false, ret_root, err);
}

int mount_open_writable(const char *device, const char *fstype, int *ret_root, struct vmb_err *err)
{
	return open_mount(device, fstype, true, ret_root, err);
}
