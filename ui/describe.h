/* Things in words, the same on every screen: disks, what boots, what a machine is made of. */
#ifndef VMB_UI_DESCRIBE_H
#define VMB_UI_DESCRIBE_H

#include <stddef.h>

#include "ui/model.h"

/* Each writes into BUF of SIZE bytes and returns it. */

/* "NVMe", "SATA", "USB", ...; static or of DISK. */
const char *describe_bus(const struct menu_device *disk);

/* The last characters of a serial number, which are the ones on the label: "..1234". */
char *describe_serial(const struct menu_device *disk, char *buf, size_t size);

/* "Debian 12, GRUB", "ISO 9660, label INST", "ext4, label backup"; empty if nothing is known. */
char *describe_contents(const struct menu_device *device, char *buf, size_t size);

/* "read-write", "read-only" or "overlay". Static. */
const char *describe_disk_mode(const struct vm_disk *disk);

/* "nvme0n1 read-write, sda overlay, 3 more (2 read-write)" in at most COLUMNS columns. */
char *describe_disks(const struct vm_config *config, char *buf, size_t size, int columns);

/* "/boot/CLOUDHV.fd of /dev/nvme0n1p2", or the kernel and its initrd; "no firmware" if there is nothing. */
char *describe_boot(const struct vm_config *config, char *buf, size_t size);

/* "br0, tap3" or "none". */
char *describe_nets(const struct vm_config *config, char *buf, size_t size);

/* "01:00.0, 01:00.1" or "none". */
char *describe_pcis(const struct vm_config *config, char *buf, size_t size);

/*
 * "1G of 6G free  1 of 8 CPUs  variables kept  net: none  pci: none"; where that takes more than COLUMNS columns
 * shorter, and without the PCI devices if there are none.
 */
char *describe_machine(const struct model *model, const struct vm_config *config, char *buf,
		       size_t size, int columns);

/*
 * The firmware image that CONFIG names; NULL if it is not among those that were found, or CONFIG boots a
 * kernel.
 */
const struct menu_firmware *describe_firmware(const struct model *model,
					      const struct vm_config *config);

/*
 * Why ENTRY cannot start now, as a phrase: what the daemon says, or a disk that this host uses. False, and
 * BUF is empty, if nothing is known.
 */
bool describe_trouble(const struct model *model, const struct menu_entry *entry, char *buf,
		      size_t size);

/* Do CONFIG's UEFI variables last, and how long? */
enum menu_vars_kept describe_vars_kept(const struct model *model, const struct vm_config *config);

/*
 * The UEFI variables that have no file of their own, at time NOW (seconds since 1970): "528K, written 3 days ago", "none
 * yet, gone at power-off" or "not kept".
 */
char *describe_vars(const struct model *model, int64_t now, char *buf, size_t size);

/* The last component of PATH. */
const char *describe_basename(const char *path);

#endif
