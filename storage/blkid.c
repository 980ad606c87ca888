/*
 * The only user of libblkid: its low-level probe, no cache and no udev. Runs in a probe process,
 * since the bytes it parses may be hostile and the disk may never answer.
 */
#include "blkid.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* EFI system partition: UEFI 2.10 table 5-7 (GPT) and section 5.2.1 (MBR). */
#define ESP_GUID "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
#define ESP_TYPE 0xEF

#define SECTOR	   512
#define BLOCK_SIZE 4096

/* File systems and partition tables have their marks here, from the beginning and before the end. */
#define SEARCHED (256 << 10)

static void take_value(blkid_probe probe, const char *name, char *buf, size_t size)
{
	const char *data;
	size_t n;

	if (blkid_probe_lookup_value(probe, name, &data, &n) < 0)
		return;
	n = strnlen(data, n);
	if (n >= size)
		n = size - 1;
	memcpy(buf, data, n);
	buf[n] = '\0';
}

static void count_partitions(blkid_probe probe, struct storage_identity *id)
{
	blkid_partlist list = blkid_probe_get_partitions(probe);
	int count = list ? blkid_partlist_numof_partitions(list) : 0;

	for (int i = 0; i < count; i++) {
		blkid_partition part = blkid_partlist_get_partition(list, i);
		const char *type = part ? blkid_partition_get_type_string(part) : NULL;

		if (!part)
			continue;
		id->partitions++;
		if (type ? strcasecmp(type, ESP_GUID) == 0
			 : blkid_partition_get_type(part) == ESP_TYPE)
			id->has_esp = 1;
	}
}

/*
 * Partition table on it, and what the table above says of it. Finding none of both is fine. 0 or
 * -EIO.
 */
static int identify_partition(blkid_probe probe, struct storage_identity *id)
{
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
	if (blkid_do_fullprobe(probe) < 0)
		return -EIO;
	take_value(probe, "PTTYPE", id->fstype, sizeof(id->fstype));
	count_partitions(probe, id);
	take_value(probe, "PART_ENTRY_NAME", id->part_label, sizeof(id->part_label));
	take_value(probe, "PART_ENTRY_UUID", id->part_uuid, sizeof(id->part_uuid));
	return 0;
}

/* 0 when found or when there is nothing known, -ENOTUNIQ, -EIO. */
static int identify_content(blkid_probe probe, struct storage_identity *id)
{
	int rc;

	blkid_reset_probe(probe);
	blkid_probe_enable_partitions(probe, 0);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
							 BLKID_SUBLKS_TYPE | BLKID_SUBLKS_VERSION);
	rc = blkid_do_safeprobe(probe);
	if (rc == -2)
		return -ENOTUNIQ;
	if (rc != 0)
		return rc < 0 ? -EIO : 0;
	take_value(probe, "TYPE", id->fstype, sizeof(id->fstype));
	take_value(probe, "VERSION", id->version, sizeof(id->version));
	take_value(probe, "LABEL", id->label, sizeof(id->label));
	take_value(probe, "UUID", id->uuid, sizeof(id->uuid));
	return 0;
}

static int read_block(int fd, off_t at)
{
	char block[BLOCK_SIZE];
	ssize_t n;

	do
		n = pread(fd, block, sizeof(block), at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* The first block in the disk's first and last part that cannot be read. 0 or -ENOENT. */
static int find_read_error(blkid_probe probe, int fd, uint64_t *ret_lba)
{
	off_t end = (off_t)blkid_probe_get_size(probe);

	for (off_t at = 0; at < end; at += BLOCK_SIZE) {
		if (at >= SEARCHED && at < end - SEARCHED)
			at = (end - SEARCHED) / BLOCK_SIZE * BLOCK_SIZE;
		if (read_block(fd, at) < 0) {
			*ret_lba = (uint64_t)at / SECTOR;
			return 0;
		}
	}
	return -ENOENT;
}

/* A remark: the disk can be attached nevertheless. */
static void explain_read_error(blkid_probe probe, int fd, const char *path, struct vmb_err *err)
{
	uint64_t lba;

	if (find_read_error(probe, fd, &lba) == 0)
		vmb_err_set(err, EIO,
			    "%s has a read error in LBA %llu to %llu, so what is on it is not "
			    "fully known; the disk may be failing.",
			    path, (unsigned long long)lba,
			    (unsigned long long)lba + BLOCK_SIZE / SECTOR - 1);
}

int identify_device(int fd, const char *path, struct storage_identity *ret_identity,
		    struct vmb_err *err)
{
	struct storage_identity id = {0};
	blkid_probe probe;
	int rc = read_block(fd, 0), table;

	/* libblkid takes what it cannot read for empty; a disk that is broken must say so. */
	if (rc < 0)
		return vmb_err_set(err, -rc, "%s cannot be read: %s in LBA 0 to %d.", path,
				   rc == -EIO ? "I/O error" : strerror(-rc),
				   BLOCK_SIZE / SECTOR - 1);
	probe = blkid_new_probe();
	if (!probe)
		return vmb_err_set(err, ENOMEM, "Not enough memory to look at %s.", path);
	if (blkid_probe_set_device(probe, fd, 0, 0) < 0) {
		blkid_free_probe(probe);
		return vmb_err_set(err, EIO, "%s cannot be looked at.", path);
	}
	table = identify_partition(probe, &id);
	rc = identify_content(probe, &id);
	if (rc == -EIO || table == -EIO)
		explain_read_error(probe, fd, path, err);
	blkid_free_probe(probe);
	if (rc == -ENOTUNIQ)
		vmb_err_set(err, ENOTUNIQ,
			    "%s holds the marks of several file systems; `wipefs %s` "
			    "lists them.",
			    path, path);
	*ret_identity = id;
	return rc == -ENOTUNIQ ? rc : 0;
}
