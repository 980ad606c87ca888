/*
 * See storage/member.h. libblkid knows them all by their marks; the name of an LVM group it does not
 * read, and that is what people know their disks by. LVM2's on-disk format: lib/format_text/layout.h
 * and lib/label/label.h of its source.
 */
#include "member.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECTOR	      512
#define LABEL_SECTORS 4 /* the label is in one of the first four */

/* struct label_header, then struct pv_header: uuid, size, and two lists of areas ended by zeroes. */
#define PV_HEADER_OFFSET 20 /* in the label: where the second begins */
#define PV_AREAS	 40 /* in the second */
#define MAX_AREAS	 16

/* struct mda_header: checksum, magic, version, start, size, then the location of the text. */
#define MDA_MAGIC   "\x20\x4c\x56\x4d\x32\x20\x78\x5b\x35\x41\x25\x72\x30\x4e\x2a\x3e"
#define MDA_RAW_LOC 40

static uint64_t get_le64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 8; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

static int read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	if (offset > INT64_MAX || pread(fd, buf, size, (off_t)offset) != (ssize_t)size)
		return -EIO;
	return 0;
}

/* Skips the data areas in sector PV (header at AT) and returns the first metadata area's offset. */
static uint64_t find_metadata(const uint8_t *sector, size_t at)
{
	unsigned int lists = 0;

	at += PV_AREAS;
	for (int i = 0; i < MAX_AREAS && at + 16 <= SECTOR; i++, at += 16) {
		uint64_t offset = get_le64(sector + at);

		if (lists == 1)
			return offset;
		lists += offset == 0;
	}
	return 0;
}

/* The text of the metadata begins with the group's name: "vg0 {". */
static int read_group_name(int fd, uint64_t metadata, char *buf, size_t size)
{
	uint8_t header[SECTOR];
	char text[128 + 1];
	size_t n;

	if (metadata == 0 || read_at(fd, header, sizeof(header), metadata) < 0 ||
	    memcmp(header + 4, MDA_MAGIC, 16) != 0 ||
	    read_at(fd, text, sizeof(text) - 1, metadata + get_le64(header + MDA_RAW_LOC)) < 0)
		return -ENOENT;
	text[sizeof(text) - 1] = '\0';
	n = strcspn(text, " {\n");
	if (n == 0 || n >= size || text[n] == '\0')
		return -ENOENT;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return 0;
}

static int find_group_name(int fd, char *buf, size_t size)
{
	for (uint64_t i = 0; i < LABEL_SECTORS; i++) {
		uint8_t sector[SECTOR];
		size_t at;

		if (read_at(fd, sector, sizeof(sector), i * SECTOR) < 0)
			return -ENOENT;
		if (memcmp(sector, "LABELONE", 8) != 0)
			continue;
		at = (size_t)sector[PV_HEADER_OFFSET] | (size_t)sector[PV_HEADER_OFFSET + 1] << 8;
		return read_group_name(fd, find_metadata(sector, at), buf, size);
	}
	return -ENOENT;
}

/* "NOUN", or "NOUN BEFORE NAME" when there is a name. */
static void put(char *buf, size_t size, const char *noun, const char *before, const char *name)
{
	snprintf(buf, size, "%s%s%s%s%s", noun, name[0] ? " " : "", name[0] ? before : "",
		 name[0] ? " " : "", name);
}

int member_describe(int fd, const struct storage_identity *identity, char *buf, size_t size)
{
	static const char raid[] = "_raid_member";
	const char *type = identity->fstype, *label = identity->label;
	size_t n = strlen(type);
	char group[128];

	if (strcmp(type, "crypto_LUKS") == 0) {
		snprintf(buf, size, "LUKS%s%s encrypted volume", identity->version[0] ? " " : "",
			 identity->version);
	} else if (strcmp(type, "BitLocker") == 0) {
		snprintf(buf, size, "BitLocker encrypted volume");
	} else if (strcmp(type, "LVM2_member") == 0) {
		if (find_group_name(fd, group, sizeof(group)) < 0)
			group[0] = '\0';
		put(buf, size, "LVM physical volume", "of group", group);
	} else if (strcmp(type, "linux_raid_member") == 0) {
		put(buf, size, "member of a RAID array", "named", label);
	} else if (n > sizeof(raid) - 1 && strcmp(type + n - (sizeof(raid) - 1), raid) == 0) {
		snprintf(buf, size, "member of a firmware RAID (%.*s)",
			 (int)(n - (sizeof(raid) - 1)), type);
	} else if (strcmp(type, "zfs_member") == 0) {
		put(buf, size, "member of a ZFS pool", "named", label);
	} else if (strcmp(type, "bcache") == 0) {
		snprintf(buf, size, "bcache device");
	} else if (strcmp(type, "swap") == 0) {
		snprintf(buf, size, "swap space");
	} else if (strcmp(type, "PMBR") == 0) {
		snprintf(buf, size, "a damaged GPT (neither copy of it is valid)");
	} else {
		return -ENOENT;
	}
	return 0;
}
