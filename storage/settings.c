/* The partition that settings are kept on: see storage_open_settings() in include/storage.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"
#include "storage.h"

#define WAIT_MS 2000
#define STEP_MS 50

/* A file system that a probe looks at for a moment cannot be mounted for writing. */
static int mount_patiently(const char *device, const char *fstype, bool writable, int *ret_root,
			   struct vmb_err *err)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

	for (int waited = 0;; waited += STEP_MS) {
		int rc = writable ? mount_open_writable(device, fstype, ret_root, err)
				  : mount_open(device, fstype, ret_root, err);

		if (rc != -EBUSY || waited >= WAIT_MS)
			return rc;
		nanosleep(&step, NULL);
	}
}

/* Has all that was written to DEVICE out of the disk's cache. 0 or -errno. */
static int flush_device(const char *device)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

int storage_open_settings(const char *device, const char *fstype, bool writable, int *ret_dir,
			  struct vmb_err *err)
{
	int root, dir, rc = mount_patiently(device, fstype, writable, &root, err);

	if (rc < 0)
		return rc;
	/* The mount's own descriptor is only a path, which cannot be synced. */
	dir = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		rc = vmb_err_set(err, errno, "The file system on %s cannot be read: %s.", device,
				 strerror(errno));
	close(root);
	if (rc < 0)
		return rc;
	/* The mark that a FAT is in use: a power cut must not lose it, and keep what is written after it. */
	rc = writable ? flush_device(device) : 0;
	if (rc < 0) {
		close(dir);
		return vmb_err_set(err, -rc, "%s cannot be written: %s.", device, strerror(-rc));
	}
	*ret_dir = dir;
	return 0;
}

int storage_close_settings(const char *device, int dir)
{
	close(dir); /* which is the end of the mount, too, and of its mark on a FAT */
	return flush_device(device);
}
