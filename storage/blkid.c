/*
 * The only user of libblkid: its low-level probe, no cache and no udev. Runs in a probe process,
 * since the bytes it parses may be hostile and the disk may never answer.
 */
#include "blkid.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* Partition table on it, and what the table above says of it. Finding none of both is fine. */
static void identify_partition(blkid_probe probe, struct storage_identity *id)
{
	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
	if (blkid_do_fullprobe(probe) < 0)
		return;
	take_value(probe, "PTTYPE", id->fstype, sizeof(id->fstype));
	take_value(probe, "PART_ENTRY_NAME", id->part_label, sizeof(id->part_label));
	take_value(probe, "PART_ENTRY_UUID", id->part_uuid, sizeof(id->part_uuid));
}

/* libblkid: 0 found, 1 nothing found, -2 more than one, -1 error. */
static int identify_content(blkid_probe probe, struct storage_identity *id)
{
	int rc;

	blkid_reset_probe(probe);
	blkid_probe_enable_partitions(probe, 0);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID |
							 BLKID_SUBLKS_TYPE);
	rc = blkid_do_safeprobe(probe);
	if (rc == -2)
		return -ENOTUNIQ;
	if (rc != 0)
		return 0; /* that it cannot be read was found out before */
	take_value(probe, "TYPE", id->fstype, sizeof(id->fstype));
	take_value(probe, "LABEL", id->label, sizeof(id->label));
	take_value(probe, "UUID", id->uuid, sizeof(id->uuid));
	return 0;
}

/* libblkid takes what it cannot read for empty; a disk that is broken must say so. */
static int read_first_block(int fd)
{
	char block[4096];
	ssize_t n;

	do
		n = pread(fd, block, sizeof(block), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int identify_device(int fd, const char *path, struct storage_identity *ret_identity,
		    struct vmb_err *err)
{
	struct storage_identity id = {0};
	blkid_probe probe;
	int rc = read_first_block(fd);

	if (rc < 0)
		return vmb_err_set(err, -rc, "%s cannot be read: %s at its first block.", path,
				   rc == -EIO ? "I/O error" : strerror(-rc));
	probe = blkid_new_probe();
	if (!probe)
		return vmb_err_set(err, ENOMEM, "Not enough memory to look at %s.", path);
	if (blkid_probe_set_device(probe, fd, 0, 0) < 0) {
		blkid_free_probe(probe);
		return vmb_err_set(err, EIO, "%s cannot be looked at.", path);
	}
	identify_partition(probe, &id);
	rc = identify_content(probe, &id);
	blkid_free_probe(probe);
	if (rc == -ENOTUNIQ)
		vmb_err_set(err, ENOTUNIQ,
			    "%s holds the marks of several file systems; `wipefs %s` "
			    "lists them.",
			    path, path);
	*ret_identity = id;
	return rc;
}
