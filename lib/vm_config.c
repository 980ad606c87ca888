/* See include/vm_config.h. */
#include "vm_config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

void vm_config_init(struct vm_config *config)
{
	memset(config, 0, sizeof(*config));
	config->memory = VM_DEFAULT_MEMORY;
	config->cpus = 1;
}

/* Memory that new processes can have without swapping, in bytes; 0 when the kernel does not say. */
static uint64_t memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib, result = 0;
	char line[128];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			result = kib * 1024;
	fclose(f);
	return result;
}

static int check_memory(const struct vm_config *config, struct vmb_err *err)
{
	char asked[16], least[16];

	text_format_size(config->memory, asked, sizeof(asked));
	if (config->memory < VM_MIN_MEMORY)
		return vmb_err_set(err, ERANGE,
				   "Memory %s is too small: a virtual machine needs at least %s. "
				   "Give more, for example 1G.",
				   asked, text_format_size(VM_MIN_MEMORY, least, sizeof(least)));
	if (config->memory % (1ULL << 20) != 0)
		return vmb_err_set(
			err, EINVAL,
			"Memory of %llu bytes is not a multiple of 1M. Give it as 512M or 4G.",
			(unsigned long long)config->memory);
	return 0;
}

static int check_host_memory(const struct vm_config *config, struct vmb_err *err)
{
	uint64_t available = memory_available();
	char asked[16], have[16];

	if (available > 0 && config->memory > available)
		return vmb_err_set(
			err, ERANGE,
			"Memory %s is more than this machine has free (%s). Give less, or "
			"end something that uses memory.",
			text_format_size(config->memory, asked, sizeof(asked)),
			text_format_size(available, have, sizeof(have)));
	return 0;
}

static int check_cpus(const struct vm_config *config, struct vmb_err *err)
{
	if (config->cpus == 0)
		return vmb_err_set(err, ERANGE,
				   "A virtual machine needs at least 1 CPU; 0 were asked for. Give "
				   "one or more.");
	if (config->cpus > VM_MAX_CPUS)
		return vmb_err_set(err, ERANGE,
				   "%u CPUs are more than vmboot supports (%u). Give fewer.",
				   config->cpus, VM_MAX_CPUS);
	return 0;
}

static int check_host_cpus(const struct vm_config *config, struct vmb_err *err)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (online > 0 && config->cpus > (unsigned long)online)
		return vmb_err_set(err, ERANGE,
				   "%u CPUs are more than this machine has (%ld). Give fewer.",
				   config->cpus, online);
	return 0;
}

static int terminated(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static int check_strings(const struct vm_config *c, struct vmb_err *err)
{
	int ok = terminated(c->title, sizeof(c->title)) &&
		 terminated(c->firmware_device, sizeof(c->firmware_device)) &&
		 terminated(c->firmware_path, sizeof(c->firmware_path)) &&
		 terminated(c->kernel_path, sizeof(c->kernel_path)) &&
		 terminated(c->initrd_path, sizeof(c->initrd_path)) &&
		 terminated(c->cmdline, sizeof(c->cmdline)) &&
		 terminated(c->vars_path, sizeof(c->vars_path)) &&
		 terminated(c->log_path, sizeof(c->log_path));

	for (uint32_t i = 0; ok && i < c->disk_count; i++)
		ok = terminated(c->disks[i].path, sizeof(c->disks[i].path)) &&
		     terminated(c->disks[i].serial, sizeof(c->disks[i].serial));
	if (!ok)
		return vmb_err_set(err, EINVAL,
				   "The configuration holds a text without an end; it was not made "
				   "by vmboot.");
	return 0;
}

static int check_serial(const struct vm_disk *disk, struct vmb_err *err)
{
	for (const char *p = disk->serial; *p; p++)
		if (*p <= ' ' || *p >= 0x7F)
			return vmb_err_set(err, EINVAL,
					   "The serial of disk %s may hold printable ASCII without "
					   "spaces only.",
					   disk->path);
	return 0;
}

static int check_sector(const struct vm_disk *disk, struct vmb_err *err)
{
	if (disk->sector && disk->sector != 512 && disk->sector != 4096)
		return vmb_err_set(err, EINVAL,
				   "Disk %s cannot have sectors of %u bytes; give 512 or 4096.",
				   disk->path, disk->sector);
	return 0;
}

/* Firmware or a kernel, and what goes with the one does not go with the other. */
static int check_boot(const struct vm_config *c, struct vmb_err *err)
{
	bool firmware = c->firmware_path[0] != '\0' || c->firmware_device[0] != '\0';

	if (c->kernel_path[0] == '\0') {
		if (c->firmware_path[0] == '\0')
			return vmb_err_set(
				err, EINVAL,
				"No firmware was chosen. Name one with --firmware FILE, or "
				"a Linux kernel with --kernel FILE.");
		if (c->initrd_path[0] || c->cmdline[0])
			return vmb_err_set(
				err, EINVAL,
				"An initrd and a command line go with a kernel, not with "
				"firmware. Name the kernel with --kernel FILE instead.");
		return 0;
	}
	if (firmware)
		return vmb_err_set(
			err, EINVAL,
			"Both firmware and a kernel were named. Give --firmware to boot as "
			"from a disk, or --kernel to boot that kernel alone.");
	if (c->vars_path[0] || c->fresh_vars)
		return vmb_err_set(
			err, EINVAL,
			"A directly booted kernel has no UEFI, so there are no variables "
			"to keep. Leave --vars away, or give --firmware instead.");
	return 0;
}

/* How many of everything, and whether there is a place on PCI bus 0 for all of it. */
static int check_counts(const struct vm_config *config, struct vmb_err *err)
{
	if (config->disk_count > VM_MAX_DISKS)
		return vmb_err_set(err, ERANGE,
				   "%u disks are more than vmboot supports (%u). Attach fewer.",
				   config->disk_count, VM_MAX_DISKS);
	if (config->net_count > VM_MAX_NETS)
		return vmb_err_set(
			err, ERANGE,
			"%u network cards are more than vmboot supports (%u). Attach fewer.",
			config->net_count, VM_MAX_NETS);
	if (config->net_count > 0 && config->disk_count > VM_MAX_DISKS_OF_NETS)
		return vmb_err_set(
			err, ERANGE,
			"%u disks leave no room for a network card; with one there are places "
			"for %d. Attach fewer.",
			config->disk_count, VM_MAX_DISKS_OF_NETS);
	if (config->vfio_count > VM_MAX_VFIO)
		return vmb_err_set(
			err, ERANGE,
			"%u devices passed through are more than vmboot supports (%u). Pass fewer.",
			config->vfio_count, VM_MAX_VFIO);
	if (config->vfio_count > 0 && config->disk_count > VM_MAX_DISKS_OF_VFIO(config->vfio_count))
		return vmb_err_set(
			err, ERANGE,
			"%u disks leave no room for %u devices passed through; with them there "
			"are places for %u. Attach fewer.",
			config->disk_count, config->vfio_count,
			VM_MAX_DISKS_OF_VFIO(config->vfio_count));
	return 0;
}

int vm_config_check_form(const struct vm_config *config, struct vmb_err *err)
{
	int rc = check_counts(config, err);

	if (rc < 0)
		return rc;
	rc = check_strings(config, err);
	if (rc < 0)
		return rc;
	rc = check_boot(config, err);
	if (rc == 0)
		rc = check_memory(config, err);
	if (rc < 0)
		return rc;
	rc = check_cpus(config, err);
	for (uint32_t i = 0; rc == 0 && i < config->disk_count; i++) {
		rc = check_serial(&config->disks[i], err);
		if (rc == 0)
			rc = check_sector(&config->disks[i], err);
	}
	for (uint32_t i = 0; rc == 0 && i < config->net_count; i++)
		rc = vm_config_check_net(&config->nets[i], err);
	for (uint32_t i = 0; rc == 0 && i < config->vfio_count; i++)
		rc = vm_config_check_vfio(config, i, err);
	return rc;
}

int vm_config_check(const struct vm_config *config, struct vmb_err *err)
{
	int rc = vm_config_check_form(config, err);

	if (rc == 0)
		rc = check_host_memory(config, err);
	if (rc == 0)
		rc = check_host_cpus(config, err);
	return rc;
}

/*
 * Copies ARG up to the first single comma to PATH (",," is a comma of the path's own) and returns
 * where the options begin, or NULL when the path is too long.
 */
static const char *take_path(const char *arg, char *path, size_t size)
{
	size_t n = 0;

	while (*arg) {
		if (arg[0] == ',') {
			if (arg[1] != ',')
				break;
			arg++;
		}
		if (n + 1 >= size)
			return NULL;
		path[n++] = *arg++;
	}
	path[n] = '\0';
	return arg;
}

/* "overlay=SIZE" */
static int parse_overlay(const char *option, size_t n, struct vm_disk *disk, struct vmb_err *err)
{
	char text[32] = "";

	if (n < sizeof(text))
		memcpy(text, option, n);
	if (text_parse_size(text, &disk->overlay_limit) < 0 || disk->overlay_limit == 0)
		return vmb_err_set(err, EINVAL,
				   "Disk %s: \"overlay=%.*s\" is no size. Give how much memory the "
				   "guest's writes may take, for example overlay=2G.",
				   disk->path, (int)n, option);
	disk->overlay = 1;
	return 0;
}

/* One option of N characters. */
static int parse_disk_option(const char *option, size_t n, struct vm_disk *disk,
			     struct vmb_err *err)
{
	if (n == 2 && strncmp(option, "ro", n) == 0) {
		disk->read_only = 1;
	} else if (n == 7 && strncmp(option, "overlay", n) == 0) {
		disk->overlay = 1;
	} else if (n >= 8 && strncmp(option, "overlay=", 8) == 0) {
		return parse_overlay(option + 8, n - 8, disk, err);
	} else if (n == 10 && strncmp(option, "sector=512", n) == 0) {
		disk->sector = 512;
	} else if (n == 11 && strncmp(option, "sector=4096", n) == 0) {
		disk->sector = 4096;
	} else if (n > 7 && strncmp(option, "serial=", 7) == 0) {
		if (n - 7 >= sizeof(disk->serial))
			return vmb_err_set(err, EINVAL,
					   "Disk %s: the serial is longer than %d characters.",
					   disk->path, VM_SERIAL_SIZE - 1);
		memset(disk->serial, 0, sizeof(disk->serial));
		memcpy(disk->serial, option + 7, n - 7);
	} else {
		return vmb_err_set(
			err, EINVAL,
			"Disk %s: unknown option \"%.*s\"; known are ro, overlay, "
			"overlay=SIZE, sector=512, sector=4096 and serial=S. A comma in a "
			"path is written \",,\".",
			disk->path, (int)n, option);
	}
	return 0;
}

int vm_config_parse_disk(const char *arg, struct vm_disk *disk, struct vmb_err *err)
{
	struct vm_disk result = {0};
	const char *at = take_path(arg, result.path, sizeof(result.path));
	int rc;

	if (!at)
		return vmb_err_set(err, EINVAL, "The disk's path is longer than %d bytes: %.60s...",
				   VM_PATH_SIZE - 1, arg);
	if (result.path[0] == '\0')
		return vmb_err_set(err, EINVAL,
				   "--disk needs a path: --disk "
				   "PATH[,ro][,overlay[=SIZE]][,sector=4096][,serial=S].");
	while (*at == ',') {
		const char *option = ++at;
		size_t n = strcspn(option, ",");

		at += n;
		rc = parse_disk_option(option, n, &result, err);
		if (rc < 0)
			return rc;
	}
	if (result.read_only && result.overlay)
		return vmb_err_set(
			err, EINVAL,
			"Disk %s: ro and overlay exclude each other: with an overlay the guest "
			"may write, but the disk is not changed.",
			result.path);
	*disk = result;
	return 0;
}

/* Writes PATH with its commas doubled; its length, or -ENAMETOOLONG. */
static int put_path(const char *path, char *buf, size_t size)
{
	size_t n = 0;

	for (; *path; path++) {
		if (n + 2 >= size)
			return -ENAMETOOLONG;
		if (*path == ',')
			buf[n++] = ',';
		buf[n++] = *path;
	}
	buf[n] = '\0';
	return (int)n;
}

int vm_config_format_disk(const struct vm_disk *disk, char *buf, size_t size)
{
	char overlay[40] = "", sector[20] = "", serial[sizeof(disk->serial) + 9] = "";
	int at = put_path(disk->path, buf, size), n;

	if (at < 0)
		return at;
	if (disk->overlay && disk->overlay_limit)
		snprintf(overlay, sizeof(overlay), ",overlay=%llu",
			 (unsigned long long)disk->overlay_limit);
	else if (disk->overlay)
		snprintf(overlay, sizeof(overlay), ",overlay");
	if (disk->sector)
		snprintf(sector, sizeof(sector), ",sector=%u", disk->sector);
	if (disk->serial[0])
		snprintf(serial, sizeof(serial), ",serial=%s", disk->serial);
	n = snprintf(buf + at, size - (size_t)at, "%s%s%s%s", disk->read_only ? ",ro" : "", overlay,
		     sector, serial);
	return (size_t)n < size - (size_t)at ? 0 : -ENAMETOOLONG;
}

int vm_config_add_disk(struct vm_config *config, const char *arg, struct vmb_err *err)
{
	struct vm_disk disk = {0};
	int rc;

	if (config->disk_count >= VM_MAX_DISKS)
		return vmb_err_set(err, EINVAL, "There are more than %d disks. Attach fewer.",
				   VM_MAX_DISKS);
	rc = vm_config_parse_disk(arg, &disk, err);
	if (rc == 0)
		config->disks[config->disk_count++] = disk;
	return rc;
}
