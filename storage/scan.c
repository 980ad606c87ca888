/*
 * See storage/scan.h. First the images that QEMU's firmware descriptors name, then the directories where
 * people and distributions put firmware for virtual machines. Names only choose which files are
 * opened; what they are, their content says.
 */
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "descriptor.h"
#include "flash.h"
#include "image.h"
#include "loop.h"
#include "probe_proto.h"
#include "text.h"
#include "trust.h"

static const char *const directories[] = {
	"/",
	"/firmware",
	"/boot",
	"/boot/firmware",
	"/boot/efi",
	"/EFI", /* before /efi: FAT answers to both, and shows this one */
	"/EFI/vmboot",
	"/efi",
	"/vmboot",
	"/usr/share/cloudhv-efi-x86-64",
	"/usr/share/cloud-hypervisor",
	"/usr/share/OVMF",
	"/usr/share/ovmf",
	"/usr/share/ovmf/x64",
	"/usr/share/qemu",
	"/usr/share/edk2",
	"/usr/share/edk2/x64",
	"/usr/share/edk2/ovmf",
	"/usr/share/edk2-ovmf",
	"/usr/share/edk2-ovmf/x64",
};

/*
 * So much of a disk is read at most to tell its images apart by their hashes, and for so long: a slow one is not to be
 * taken for broken because of that.
 */
#define HASH_BYTES_MAX (64u << 20)
#define HASH_MS_MAX    4000

#define DIRECTORY_COUNT (sizeof(directories) / sizeof(directories[0]))

struct node {
	dev_t dev;
	ino_t ino;
};

struct scan {
	int root;
	const char *prefix;
	bool on_system;
	const struct storage_report *report;
	void *ctx;
	struct node seen_dirs[DIRECTORY_COUNT], seen_files[PROBE_MAX_FIRMWARES];
	unsigned int dir_count, file_count;
	uint64_t hashed; /* bytes so far */
	uint64_t hash_until_ms;
};

/* Names and links lead to the same place more than once, on FAT even /efi and /EFI. */
static bool seen_before(struct node *nodes, unsigned int *count, const struct stat *st)
{
	for (unsigned int i = 0; i < *count; i++)
		if (nodes[i].dev == st->st_dev && nodes[i].ino == st->st_ino)
			return true;
	nodes[(*count)++] = (struct node){st->st_dev, st->st_ino};
	return false;
}

static bool is_wanted_name(const char *name)
{
	size_t n = strlen(name);

	return (n > 3 && strcasecmp(name + n - 3, ".fd") == 0) ||
	       strncasecmp(name, "CLOUDHV", 7) == 0;
}

static size_t read_head(int fd, uint8_t *buf, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(fd, buf + got, size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return got;
}

/* What cannot be read to its end stays without a hash: it will be refused with the reason when it is started. */
static void hash_file(struct scan *scan, int fd, struct storage_firmware *fw)
{
	if (fw->size > HASH_BYTES_MAX - scan->hashed)
		return;
	scan->hashed += fw->size;
	trust_hash_fd(fd, fw->size, scan->hash_until_ms, fw->sha256);
}

/* DESCRIPTOR: what the distribution says of it, or NULL. */
static void report_file(struct scan *scan, const char *path, int fd, const struct stat *st,
			const struct descriptor *descriptor)
{
	static const char too_big[] = "The file is too big to be firmware.";
	struct storage_firmware fw = {.size = (uint64_t)st->st_size, .on_system = scan->on_system};
	uint8_t head[IMAGE_HEAD_SIZE];
	struct image_info info;
	bool needs_smm;

	if (snprintf(fw.path, sizeof(fw.path), "%s%s", scan->prefix, path) >= (int)sizeof(fw.path))
		return;
	image_classify(head, read_head(fd, head, sizeof(head)), fw.size, &info);
	/* A variable store lies beside each OVMF image; as something to boot it would only be noise. */
	if (info.kind == IMAGE_VARS)
		return;
	needs_smm = (descriptor && descriptor->needs_smm) ||
		    (info.kind == IMAGE_FLASH && flash_name_needs_smm(path));
	text_copy(fw.kind, sizeof(fw.kind), image_kind_name(info.kind));
	text_copy(fw.version, sizeof(fw.version),
		  info.version[0] || !descriptor ? info.version : descriptor->description);
	text_copy(fw.reason, sizeof(fw.reason),
		  fw.size > STORAGE_FIRMWARE_MAX ? too_big
		  : needs_smm			 ? flash_smm_text
						 : info.reason);
	fw.usable = fw.reason[0] == '\0';
	if (fw.usable)
		hash_file(scan, fd, &fw);
	scan->report->firmware(scan->ctx, &fw);
}

static void look_at_path(struct scan *scan, const char *path, const struct descriptor *descriptor)
{
	struct stat st;
	int fd;

	if (scan->file_count == PROBE_MAX_FIRMWARES)
		return;
	fd = copy_open_in(scan->root, path, O_RDONLY);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    !seen_before(scan->seen_files, &scan->file_count, &st))
		report_file(scan, path, fd, &st, descriptor);
	close(fd);
}

static void look_at_file(struct scan *scan, const char *dir, const char *name)
{
	char path[VM_PATH_SIZE];

	if (snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) <
	    (int)sizeof(path))
		look_at_path(scan, path, NULL);
}

static void on_descriptor(void *ctx, const struct descriptor *descriptor)
{
	look_at_path(ctx, descriptor->path, descriptor);
}

static void look_at_directory(struct scan *scan, const char *path)
{
	char *names[PROBE_MAX_FIRMWARES];
	unsigned int count;
	struct stat st;
	int fd = copy_open_in(scan->root, path, O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || seen_before(scan->seen_dirs, &scan->dir_count, &st)) {
		close(fd);
		return;
	}
	count = copy_list_names(fd, is_wanted_name, names, PROBE_MAX_FIRMWARES);
	for (unsigned int i = 0; i < count; i++) {
		look_at_file(scan, path, names[i]);
		free(names[i]);
	}
}

void scan_firmware(int root, const char *prefix, bool on_system,
		   const struct storage_report *report, void *ctx)
{
	struct scan scan = {
		.root = root,
		.prefix = prefix,
		.on_system = on_system,
		.report = report,
		.ctx = ctx,
		.hash_until_ms = loop_now_ms() + HASH_MS_MAX,
	};

	descriptor_each(root, on_descriptor, &scan);
	for (size_t i = 0; i < DIRECTORY_COUNT; i++)
		look_at_directory(&scan, directories[i]);
}
