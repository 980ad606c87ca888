/*
 * Block devices and image files as the rest of vmboot sees them: what there is, who uses it, taking
 * one for a virtual machine, and the work of the short-lived probe processes. Nothing here writes
 * to a disk but what storage_open_settings() opens for that. ROOT is a directory that stands for "/"
 * (tests use a made-up tree; "" is the running system).
 */
#ifndef VMB_INCLUDE_STORAGE_H
#define VMB_INCLUDE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"
#include "vm_config.h"
#include "vmm_proto.h"

#define STORAGE_NAME_SIZE 32

/* ---- what there is (sysfs) ---- */

/* A whole disk or a partition. Texts are as the device gave them: escape before showing. */
struct storage_device {
	char name[STORAGE_NAME_SIZE];	/* kernel's: nvme0n1p1 */
	char parent[STORAGE_NAME_SIZE]; /* whole disk of a partition, else empty */
	char path[64];			/* /dev/nvme0n1p1 */
	dev_t dev;
	uint64_t sequence; /* another one for each disk in this place; 0 before Linux 5.15 */
	uint64_t size;	   /* bytes */
	uint32_t logical_block;
	uint32_t partition; /* number, 0 for a whole disk */
	bool read_only;
	bool removable;
	bool empty; /* nothing is behind it: a loop device without a file, a RAM disk; SKIP says it */
	char model[64];
	char serial[64];
	char transport
		[16];  /* nvme, sata, usb, virtio, scsi, mmc, loop, md, dm, ...; may be empty */
	char skip[96]; /* why nobody should look at it ("no medium"); empty: look */
};

/*
 * Every block device, partitions after their disk, sorted by name (natural order: sda2 before
 * sda10). The array is the caller's to free(). 0, -ENOMEM, or -errno when sysfs cannot be read.
 */
int storage_list_devices(const char *root, struct storage_device **ret_devices, size_t *ret_count);

/* The device with number DEV. 0, -ENOENT, -ENOMEM. */
int storage_find_device(const char *root, dev_t dev, struct storage_device *ret_device);

/* The whole disk of partition DEVICE. 0, or -ENOENT when DEVICE is a whole disk itself. */
int storage_parent_device(const char *root, const struct storage_device *device,
			  struct storage_device *ret_parent);

/* ---- what comes and goes (uevents) ---- */

enum storage_action {
	STORAGE_ADDED,
	STORAGE_CHANGED, /* or anything else that may have made it different */
	STORAGE_REMOVED,
};

struct storage_uevent {
	enum storage_action action;
	char name[STORAGE_NAME_SIZE]; /* the block device's */
};

/*
 * Opens a socket on which the kernel tells of block devices that come, go and change. The descriptor
 * is the caller's (non-blocking, close-on-exec). 0, or -errno with the sentence; -ENOTSUP in a
 * container that the kernel tells nothing.
 */
int storage_uevent_open(int *ret_fd, struct vmb_err *err);

/*
 * Reads one message from FD. 1 with RET_EVENT filled; 0 for one that is of no concern: not about a
 * block device, malformed, or not from the kernel; -EAGAIN when none waits; -ENOBUFS when some were
 * lost, so that everything has to be listed anew; any other -errno: FD is of no use any more.
 */
int storage_uevent_read(int fd, struct storage_uevent *ret_event);

/* The same for the SIZE bytes of one MESSAGE: 1 or 0. */
int storage_uevent_parse(const char *message, size_t size, struct storage_uevent *ret_event);

/* ---- who uses it ---- */

enum storage_use_kind {
	STORAGE_USE_NONE,
	STORAGE_USE_MOUNT,
	STORAGE_USE_SWAP,
	STORAGE_USE_HOLDER, /* device mapper, RAID, ... */
	STORAGE_USE_LOOP,   /* an image file that backs a loop device */
};

struct storage_use {
	enum storage_use_kind kind;
	char node[STORAGE_NAME_SIZE]; /* the device that is used; differs from the asked one for a
				       * disk whose partition is used, or the other way round */
	char how[160];		      /* "mounted on /boot", "used as swap", "member of md0" */
};

/*
 * Does the host use DEVICE, one of its partitions, or the whole disk it is a partition of? Looks at
 * mounts (of this mount namespace), swaps and holders. 0 with RET_USE filled (kind NONE if free),
 * or -errno when that cannot be found out.
 */
int storage_device_use(const char *root, const struct storage_device *device,
		       struct storage_use *ret_use);

/* Where DEVICE is mounted in this mount namespace (the first place). 0, -ENOENT when it is not. */
int storage_mount_point(const char *root, const struct storage_device *device, char *buf,
			size_t size);

/* The same as storage_device_use() for a regular file: swap file, or image behind a loop device. */
int storage_file_use(const char *root, const char *path, struct storage_use *ret_use);

/* ---- taking a disk for a VM ---- */

/*
 * Opens and locks what DISK names, and fills RET_INFO as the vmm needs it. Read-write: block
 * devices with O_EXCL and after the check above; everything with an OFD lock on the whole file,
 * exclusive, or shared when read-only or under an overlay. The lock lives as long as the
 * descriptor or a copy of it. 0, or -errno with the sentence: missing, a directory, empty, odd
 * size, in use, locked, no permission. The descriptor is the caller's (close-on-exec, blocking).
 */
int storage_open_disk(const struct vm_disk *disk, int *ret_fd, struct vmm_disk *ret_info,
		      struct vmb_err *err);

/* ---- the probe's work (in a process of its own; a dying disk may hang it for ever) ---- */

/* What libblkid says of a device. Raw bytes from the disk, terminated. */
struct storage_identity {
	char fstype
		[24]; /* xfs, crypto_LUKS, ...; "gpt" or "dos" for a partitioned disk; or empty */
	char version[16]; /* of the format: "2" of LUKS; may be empty */
	char label[64];
	char uuid[40];
	char part_label[64];
	char part_uuid[40];
	uint32_t partitions; /* in its table */
	uint8_t has_esp;     /* one of them is an EFI system partition */
};

/* What a disk says of itself. */
struct storage_health {
	uint8_t failing; /* what is on it is in danger */
	char text[80];	 /* "health ok, 3 % of its life used", "failing: unreliable" */
};

#define STORAGE_SYSTEM_SIZE 128

/* Something that lives on a device, in words: "Debian GNU/Linux 12 (bookworm)". Raw bytes. */
struct storage_system {
	char text[STORAGE_SYSTEM_SIZE];
};

/* A file that can be attached like a disk. Raw bytes. */
struct storage_image {
	char path[VM_PATH_SIZE];
	uint64_t size;
	uint8_t read_only; /* we have no right to write to it */
	struct storage_identity identity;
	char holds[STORAGE_SYSTEM_SIZE]; /* "ISO 9660, boots by UEFI" */
	char use[96];			 /* who on this host uses it, or empty */
	char reason[128];		 /* why it cannot be attached, or empty */
};

/* A file that looks like firmware. Raw bytes. */
struct storage_firmware {
	char path[VM_PATH_SIZE]; /* inside the device's file system, or on the running system */
	uint64_t size;
	uint8_t on_system; /* PATH is one of the running system (mounted partition) */
	uint8_t usable;
	char kind[24];
	char version[96]; /* what the image or the distribution says of it, or empty */
	char reason[200];
	char sha256
		[65]; /* of the whole file in hexadecimal; empty: not usable, or too much to read */
};

struct storage_report {
	void (*identity)(void *ctx, const struct storage_identity *identity);
	void (*system)(void *ctx, const struct storage_system *system);
	void (*image)(void *ctx, const struct storage_image *image);
	void (*firmware)(void *ctx, const struct storage_firmware *firmware);
};

/*
 * Looks at the block device (or image file) PATH: identity, then systems and firmware in its file
 * system, read through a mount that nobody else sees and that replays no journal. A device that the host has
 * mounted is looked at where it is mounted. 0; or -errno with the sentence for the operator: cannot
 * be opened or read, damaged, file system unknown to this kernel. What was reported before stays
 * good. Without the right to mount, 0 after the identity, and ERR->text says what was left out.
 */
int storage_probe(const char *path, const struct storage_report *report, void *ctx,
		  struct vmb_err *err);

/*
 * Asks the NVMe disk PATH (the whole one) how it is: one command that reads. 0; -ENOTSUP for other disks, -errno when
 * it cannot be asked (only root may). Before a filter of system calls is set: the call could do anything to a disk.
 */
int storage_health(const char *path, struct storage_health *ret_health);

/* Looks for firmware on the running system, in the directories distributions use. 0 or -errno. */
int storage_probe_system(const struct storage_report *report, void *ctx, struct vmb_err *err);

/*
 * Looks for files in DIR of the running system that can be attached like disks; reports at most
 * PROBE_MAX_IMAGES. 0, with a sentence in ERR where some are left out, or -errno with one: -ENOENT when there
 * is no such directory.
 */
int storage_probe_images(const char *dir, const struct storage_report *report, void *ctx,
			 struct vmb_err *err);

/* Firmware files bigger than this are not firmware. */
#define STORAGE_FIRMWARE_MAX (64u << 20)

/*
 * Copies the file PATH from the file system on block device DEVICE to OUT_FD (from its start). 0, or
 * -errno with the sentence. Mounts like storage_probe(): only in a probe process.
 */
int storage_read_file(const char *device, const char *path, int out_fd, struct vmb_err *err);

/*
 * Reads the signature beside the file PATH on DEVICE, as storage_read_file() the file, into TEXT (SIZE bytes). Its
 * length; 0 when there is none or it cannot be read.
 */
size_t storage_read_signature(const char *device, const char *path, char *text, size_t size);

/*
 * The directory of settings in the root of DEVICE's file system (of kind FSTYPE, libblkid's name). Mounts like
 * storage_probe(), for WRITABLE so that changes last: only in a probe process. A descriptor, the caller's; or
 * -errno with the sentence. While somebody else has it mounted for a moment it waits, two seconds at
 * most.
 */
int storage_open_settings(const char *device, const char *fstype, bool writable, int *ret_dir,
			  struct vmb_err *err);

/*
 * Has fsck.fat mend the file system on DEVICE (of kind FSTYPE) when it is a FAT that bears the mark of one the power cut
 * found in use: to be called before it is written to. Others have a journal. It takes six seconds at most. 0: there is
 * nothing to be mended any more; or -errno with the sentence, and then nothing should be written: -EUCLEAN when files have
 * something wrong, -ENOENT without fsck.fat, -ETIMEDOUT, -EBUSY. It starts a process: not below a filter of system calls.
 */
int storage_mend_settings(const char *device, const char *fstype, struct vmb_err *err);

/*
 * Closes DIR, which was opened on DEVICE for writing, and has the disk's cache written out, so that what says that a
 * FAT is in order again is not lost with the power either. 0 or -errno.
 */
int storage_close_settings(const char *device, int dir);

/*
 * Opens PATH of the running system and copies it to OUT_FD: the same without a device, no rights
 * needed beyond reading it. NOUN ("firmware", "a kernel", "an initrd") is for the sentences; more than MAX
 * bytes are refused with -EFBIG.
 */
int storage_copy_file(const char *path, const char *noun, uint64_t max, int out_fd,
		      struct vmb_err *err);

#endif
