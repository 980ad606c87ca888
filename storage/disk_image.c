/*
 * See storage/disk_image.h. A directory of installation media and disks of virtual machines: each
 * regular file that looks like a disk is told with what it holds. Read as plain files; nothing is
 * mounted. Specs: ECMA-119 section 8 (volume descriptors), El Torito 1.0 section 2, UEFI 2.10
 * section 13.3.2.1 (platform 0xEF).
 */
#include "disk_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blkid.h"
#include "copy.h"
#include "member.h"
#include "probe_proto.h"
#include "text.h"

#define ISO_SECTOR     2048
#define BOOT_RECORD    17 /* sector of the boot record volume descriptor */
#define CATALOGUE_SIZE ISO_SECTOR
#define ENTRY_SIZE     32
#define PLATFORM_X86   0x00
#define PLATFORM_EFI   0xEF
#define DISK_SECTOR    512

void disk_image_boots(int fd, bool *ret_uefi, bool *ret_bios)
{
	static const char mark[] = "\0CD001\1EL TORITO SPECIFICATION";
	uint8_t record[ISO_SECTOR], catalogue[CATALOGUE_SIZE];
	off_t sector;

	*ret_uefi = *ret_bios = false;
	if (pread(fd, record, sizeof(record), BOOT_RECORD * ISO_SECTOR) != sizeof(record) ||
	    memcmp(record, mark, sizeof(mark) - 1) != 0)
		return;
	sector = (off_t)((uint32_t)record[0x47] | (uint32_t)record[0x48] << 8 |
			 (uint32_t)record[0x49] << 16 | (uint32_t)record[0x4A] << 24);
	if (pread(fd, catalogue, sizeof(catalogue), sector * ISO_SECTOR) != sizeof(catalogue))
		return;
	/*
	 * The validation entry (1) names the platform of the default entry behind it; then come
	 * sections, each with a header (0x90, the last one 0x91) that names theirs.
	 */
	for (size_t at = 0; at < sizeof(catalogue); at += ENTRY_SIZE) {
		uint8_t kind = catalogue[at], platform = catalogue[at + 1];

		if ((at == 0) != (kind == 0x01) || (at >= 2 * ENTRY_SIZE && kind == 0))
			return;
		if (kind != 0x01 && kind != 0x90 && kind != 0x91)
			continue;
		*ret_uefi = *ret_uefi || platform == PLATFORM_EFI;
		*ret_bios = *ret_bios || platform == PLATFORM_X86;
	}
}

const struct disk_format *disk_image_format(const uint8_t *head, size_t size)
{
	static const char convert[] = "convert it with `qemu-img convert -O raw`";
	static const char unpack[] = "unpack it first";
	static const struct {
		const char *magic;
		size_t at, size;
		struct disk_format format;
	} formats[] = {
		{"QFI\xFB", 0, 4, {"qcow2 image", convert, false}},
		{"KDMV", 0, 4, {"VMDK image", convert, false}},
		{"# Disk DescriptorFile", 0, 21, {"VMDK descriptor", convert, false}},
		{"vhdxfile", 0, 8, {"VHDX image", convert, false}},
		{"conectix", 0, 8, {"VHD image", convert, false}},
		{"\x7F\x10\xDA\xBE", 0x40, 4, {"VDI image", convert, false}},
		{"\xFD\x37zXZ", 0, 5, {"xz archive", unpack, true}},
		{"\x1F\x8B\x08", 0, 3, {"gzip archive", unpack, true}},
		{"\x28\xB5\x2F\xFD", 0, 4, {"zstd archive", unpack, true}},
		{"BZh", 0, 3, {"bzip2 archive", unpack, true}},
		{"PK\x03\x04", 0, 4, {"zip archive", unpack, true}},
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (formats[i].at + formats[i].size <= size &&
		    memcmp(head + formats[i].at, formats[i].magic, formats[i].size) == 0)
			return &formats[i].format;
	return NULL;
}

static bool is_visible(const char *name)
{
	return name[0] != '.';
}

static bool is_disk_name(const char *name)
{
	static const char *const ends[] = {".iso", ".img", ".raw"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (n > 4 && strcasecmp(name + n - 4, ends[i]) == 0)
			return true;
	return false;
}

static void describe(int fd, struct storage_image *image)
{
	const struct storage_identity *id = &image->identity;
	bool uefi, bios;

	if (strcmp(id->fstype, "iso9660") == 0) {
		disk_image_boots(fd, &uefi, &bios);
		snprintf(image->holds, sizeof(image->holds), "ISO 9660%s",
			 uefi && bios ? ", boots by UEFI and BIOS"
			 : uefi	      ? ", boots by UEFI"
			 : bios	      ? ", boots by BIOS only"
				      : "");
	} else if (id->partitions > 0) {
		snprintf(image->holds, sizeof(image->holds), "%u partition%s%s", id->partitions,
			 id->partitions == 1 ? "" : "s",
			 id->has_esp ? ", EFI system partition" : "");
	} else {
		member_describe(fd, id, image->holds, sizeof(image->holds));
	}
}

static void refuse(struct storage_image *image, const struct disk_format *format)
{
	if (image->size == 0)
		text_copy(image->reason, sizeof(image->reason), "the file is empty");
	else if (format)
		snprintf(image->reason, sizeof(image->reason), "a %s, not a raw disk: %s",
			 format->name, format->advice);
	else if (image->size % DISK_SECTOR != 0)
		text_copy(image->reason, sizeof(image->reason),
			  "its size is not a multiple of 512 bytes; copy it again");
}

/* 1 when it is an image, 0 when it is something else, -ENAMETOOLONG. */
static int look_at_file(const char *dir, const char *name, int fd, const struct stat *st,
			struct storage_image *ret_image)
{
	struct storage_image image = {.size = (uint64_t)st->st_size};
	const struct disk_format *format;
	struct storage_use use = {0};
	uint8_t head[4096];
	ssize_t n;

	if (snprintf(image.path, sizeof(image.path), "%s/%s", dir, name) >= (int)sizeof(image.path))
		return is_disk_name(name) ? -ENAMETOOLONG : 0;
	n = pread(fd, head, sizeof(head), 0);
	format = disk_image_format(head, n > 0 ? (size_t)n : 0);
	if (!format && identify_device(fd, image.path, &image.identity, NULL) < 0)
		image.identity = (struct storage_identity){0};
	/* By what is in it, or else because somebody called it a disk. */
	if (!format && !image.identity.fstype[0] && !is_disk_name(name))
		return 0;
	refuse(&image, format);
	if (!image.reason[0])
		describe(fd, &image);
	image.read_only = access(image.path, W_OK) < 0;
	if (storage_file_use("", image.path, &use) == 0 && use.kind != STORAGE_USE_NONE)
		text_copy(image.use, sizeof(image.use), use.how);
	*ret_image = image;
	return 1;
}

/* Looks at file NAME and reports it if it is an image and *COUNT others were not too many. */
static void take_file(int root, const char *dir, const char *name, unsigned int *count,
		      const struct storage_report *report, void *ctx, struct vmb_err *err)
{
	/* Links are the operator's own, and may lead anywhere. */
	int fd = openat(root, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
	struct storage_image image;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		rc = look_at_file(dir, name, fd, &st, &image);
	if (fd >= 0)
		close(fd);
	if (rc == -ENAMETOOLONG)
		vmb_err_set(err, ENAMETOOLONG,
			    "The name of %.40s... is too long to be offered: with its directory at "
			    "most %d bytes.",
			    name, VM_PATH_SIZE - 1);
	if (rc <= 0)
		return;
	if (++*count <= PROBE_MAX_IMAGES)
		report->image(ctx, &image);
	else
		vmb_err_set(err, E2BIG,
			    "More than %d disk images are in %s; only the first by name are "
			    "offered.",
			    PROBE_MAX_IMAGES, dir);
}

int storage_probe_images(const char *dir, const struct storage_report *report, void *ctx,
			 struct vmb_err *err)
{
	char *names[COPY_MAX_NAMES];
	unsigned int count, images = 0;
	int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), list;

	list = root < 0 ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list < 0) {
		int code = errno;

		if (root >= 0)
			close(root);
		return vmb_err_set(err, code, "The directory of disk images %s cannot be read: %s.",
				   dir, strerror(code));
	}
	count = copy_list_names(list, is_visible, names, COPY_MAX_NAMES);
	for (unsigned int i = 0; i < count; i++) {
		take_file(root, dir, names[i], &images, report, ctx, err);
		free(names[i]);
	}
	close(root);
	return 0;
}
