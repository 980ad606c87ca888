/*
 * See storage/mend.h. Linux marks a FAT as in use while it is mounted for writing (Documentation/filesystems/vfat.rst: the
 * "dirty" flag), and one that it finds marked stays so: only fsck.fat takes the mark away. What an unfinished save leaves
 * is loose and no loss to anybody (lib/store_dir.c); with anything else the operator decides, and nothing is written.
 */
#include "mend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/msdos_fs.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fsck.h"
#include "log.h"
#include "loop.h"
#include "storage.h"
#include "text.h"

#define LIMIT_MS 6000 /* less than the daemon waits for somebody who saves */
#define WAIT_MS	 2000 /* for a probe that looks at the disk */
#define STEP_MS	 50

/* Where the boot sector has its state; -errno when there is none. */
static off_t state_at(int fd)
{
	struct fat_boot_sector boot;

	if (pread(fd, &boot, sizeof(boot), 0) != sizeof(boot))
		return -EIO;
	return boot.fat_length ? (off_t)offsetof(struct fat_boot_sector, fat16.state)
			       : (off_t)offsetof(struct fat_boot_sector, fat32.state);
}

static bool is_marked(int fd)
{
	off_t at = state_at(fd);
	uint8_t state;

	return at > 0 && pread(fd, &state, 1, at) == 1 && state & FAT_STATE_DIRTY;
}

/* Sets or clears the mark, and has everything before that on the disk. 0 or -errno. */
static int write_mark(int fd, bool marked)
{
	off_t at = state_at(fd);
	uint8_t state;

	if (at < 0 || pread(fd, &state, 1, at) != 1)
		return -EIO;
	state = (uint8_t)(marked ? state | FAT_STATE_DIRTY : state & ~FAT_STATE_DIRTY);
	if (pwrite(fd, &state, 1, at) != 1)
		return -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

/* For nobody else meanwhile: a mounted file system must not change below its mount. */
static int open_alone(const char *device)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000};

	for (int waited = 0;; waited += STEP_MS) {
		int fd = open(device, O_RDWR | O_EXCL | O_CLOEXEC);

		if (fd >= 0 || errno != EBUSY || waited >= WAIT_MS)
			return fd < 0 ? -errno : fd;
		nanosleep(&step, NULL);
	}
}

static int refuse(const char *device, int rc, const char *text, unsigned int limit_ms,
		  struct vmb_err *err)
{
	if (rc == -EUCLEAN)
		return vmb_err_set(err, EUCLEAN,
				   "Files on %s are damaged, so nothing is written to it: %s "
				   "`fsck.fat %s` in a shell asks what to do.",
				   device, text, device);
	if (rc == -ETIMEDOUT)
		return vmb_err_set(err, ETIMEDOUT,
				   "fsck.fat did not get through %s in %u s, so nothing is written "
				   "to it. `fsck.fat %s` in a shell takes its time.",
				   device, (limit_ms + 999) / 1000, device);
	return vmb_err_set(
		err, -rc,
		"fsck.fat could not mend %s, so nothing is written to it: %s. See what `fsck.fat "
		"%s` in a shell says.",
		device, text, device);
}

/*
 * FD is open meanwhile, so that what fsck.fat writes stays in memory. It takes the mark away first of all: on the disk that
 * has to be last, or a second power cut would leave something to be mended, and nobody would know.
 */
static int mend(const char *program, const char *device, int fd, unsigned int limit_ms,
		struct vmb_err *err)
{
	uint64_t until = loop_now_ms() + limit_ms;
	enum fsck_state state = FSCK_DAMAGED;
	char text[200];
	int marked = 0, rc = fsck_run(program, device, FSCK_LOOK, until, &state, text);

	if (rc == 0 && state == FSCK_LOOSE) {
		rc = fsck_run(program, device, FSCK_MEND, until, &state, text);
		if (rc == 0)
			rc = fsck_run(program, device, FSCK_VERIFY, until, &state, text);
		if (rc == 0 && state == FSCK_LOOSE)
			rc = -EIO;
		marked = write_mark(fd, true);
	}
	if (rc == 0 && state == FSCK_DAMAGED)
		rc = -EUCLEAN;
	if (rc == 0 && (marked < 0 || write_mark(fd, false) < 0)) {
		rc = -EIO;
		text_copy(text, sizeof(text), "it cannot be written");
	}
	return rc < 0 ? refuse(device, rc, text, limit_ms, err) : 0;
}

int mend_fat(const char *program, const char *device, unsigned int limit_ms, struct vmb_err *err)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC), rc;
	bool marked = fd >= 0 && is_marked(fd);

	if (fd >= 0)
		close(fd);
	/* What cannot be read, or not be written to, is told by who reads or writes. */
	if (!marked)
		return 0;
	if (!program)
		return vmb_err_set(
			err, ENOENT,
			"The power went while %s was written to, and this system has no "
			"fsck.fat to mend it: nothing is written to it. Install dosfstools.",
			device);
	fd = open_alone(device);
	if (fd == -EROFS || fd == -EACCES || fd == -EPERM)
		return 0;
	if (fd < 0)
		return vmb_err_set(
			err, -fd,
			"The power went while %s was written to, and it cannot be mended: "
			"%s.",
			device, strerror(-fd));
	rc = mend(program, device, fd, limit_ms, err);
	close(fd);
	if (rc == 0)
		log_warn("the power went while %s was written to: fsck.fat has mended it", device);
	return rc;
}

int storage_mend_settings(const char *device, const char *fstype, struct vmb_err *err)
{
	return strcmp(fstype, "vfat") == 0 ? mend_fat(fsck_find(), device, LIMIT_MS, err) : 0;
}
