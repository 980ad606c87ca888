/*
 * What discovery reads from disks and hears from the kernel: the first byte chooses who reads it.
 * Promise: an answer, from the bytes that there are, with texts that end and places inside the file.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "storage/blkid.h"
#include "storage/descriptor.h"
#include "storage/disk_image.h"
#include "storage/member.h"
#include "storage/system.h"

#define DISK_SIZE (1 << 20)

static int disk = -1;

/* Bytes of their own, so that a read beyond them is seen. */
static uint8_t *copy_rest(const struct input *in)
{
	uint8_t *bytes = malloc(in->left + !in->left);

	must(bytes);
	memcpy(bytes, in->at, in->left);
	return bytes;
}

/* An empty disk with pieces of the input at places where marks are: each at a multiple of 8. */
static int make_disk(struct input *in)
{
	if (disk < 0)
		disk = memfd_create("fuzz", MFD_CLOEXEC);
	must(disk >= 0 && ftruncate(disk, 0) == 0 && ftruncate(disk, DISK_SIZE) == 0);
	while (in->left > 0) {
		off_t at = (off_t)(take(in, 2) * 8);
		size_t n = (size_t)take(in, 1) % 64;

		n = n < in->left ? n : in->left;
		must(pwrite(disk, in->at, n, at) == (ssize_t)n);
		in->at += n;
		in->left -= n;
	}
	return disk;
}

static void fuzz_texts(struct input *in)
{
	char buf[40];
	uint8_t *text = copy_rest(in);

	if (system_parse_os_release((const char *)text, in->left, buf, sizeof(buf)) == 0)
		must(buf[0] && memchr(buf, '\0', sizeof(buf)));
	free(text);
}

static void fuzz_pe(struct input *in)
{
	static const uint8_t magic[] = {'P', 'E', 0, 0};
	uint64_t offset = 0, size = 0;
	uint8_t *head = copy_rest(in);

	/* Half of them begin well. */
	if (in->left >= 0x44 && (head[2] & 1)) {
		memcpy(head, "MZ", 2);
		memcpy(head + 0x3C, "\x40\0\0\0", 4);
		memcpy(head + 0x40, magic, 4);
	}
	if (system_find_pe_section(head, in->left, ".osrel", &offset, &size) == 0)
		must(offset <= UINT32_MAX && size <= UINT32_MAX);
	free(head);
}

static void fuzz_uevent(struct input *in)
{
	struct storage_uevent event;
	uint8_t *message = copy_rest(in);

	if (in->left > 0)
		message[in->left - 1] = '\0';
	if (storage_uevent_parse((const char *)message, in->left, &event) == 1)
		must(event.name[0] && memchr(event.name, '\0', sizeof(event.name)) &&
		     !strchr(event.name, '/'));
	free(message);
}

static void fuzz_descriptor(struct input *in)
{
	struct descriptor descriptor;
	uint8_t *text = copy_rest(in);

	if (descriptor_parse((const char *)text, in->left, &descriptor) == 0)
		must(descriptor.path[0] == '/');
	free(text);
}

static void fuzz_identity(struct input *in)
{
	struct storage_identity id;

	if (identify_device(make_disk(in), "disk", &id, NULL) == 0)
		must(memchr(id.fstype, '\0', sizeof(id.fstype)) &&
		     memchr(id.label, '\0', sizeof(id.label)) &&
		     memchr(id.uuid, '\0', sizeof(id.uuid)));
}

static void fuzz_member(struct input *in)
{
	static const struct storage_identity lvm = {.fstype = "LVM2_member"};
	char text[STORAGE_SYSTEM_SIZE];
	int fd = make_disk(in);

	/* The label is there, whatever the rest says. */
	must(pwrite(fd, "LABELONE", 8, 512) == 8);
	must(member_describe(fd, &lvm, text, sizeof(text)) == 0);
	must(strncmp(text, "LVM physical volume", 19) == 0);
}

static void fuzz_boot_record(struct input *in)
{
	static const char mark[] = "\0CD001\1EL TORITO SPECIFICATION";
	bool uefi, bios;
	int fd = make_disk(in);

	must(pwrite(fd, mark, sizeof(mark), 17 * 2048) == sizeof(mark));
	disk_image_boots(fd, &uefi, &bios);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(struct input * in) = {
		fuzz_texts,    fuzz_pe,	    fuzz_uevent,      fuzz_descriptor,
		fuzz_identity, fuzz_member, fuzz_boot_record,
	};
	struct input in = {.at = data, .left = size};

	readers[take(&in, 1) % (sizeof(readers) / sizeof(readers[0]))](&in);
	return 0;
}
