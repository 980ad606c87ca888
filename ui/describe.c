/* See ui/describe.h. */
#include "ui/describe.h"

#include <stdio.h>
#include <string.h>

#include "pci_group.h"
#include "text.h"

const char *describe_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

const char *describe_bus(const struct menu_device *disk)
{
	static const char *const names[][2] = {
		{"nvme", "NVMe"}, {"sata", "SATA"}, {"usb", "USB"},
		{"scsi", "SCSI"}, {"mmc", "MMC"},   {"virtio", "virtio"},
		{"sas", "SAS"},	  {"ata", "ATA"},   {"file", "file"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(disk->transport, names[i][0]) == 0)
			return names[i][1];
	return disk->transport[0] ? disk->transport : "disk";
}

char *describe_serial(const struct menu_device *disk, char *buf, size_t size)
{
	size_t n = strlen(disk->serial);

	if (n > 6)
		snprintf(buf, size, "..%s", disk->serial + n - 4);
	else
		text_copy(buf, size, disk->serial);
	return buf;
}

char *describe_contents(const struct menu_device *device, char *buf, size_t size)
{
	const char *what = device->holds[0] ? device->holds : device->fstype;
	/* Some of what is found is called by its label already. */
	bool named = device->label[0] && !strstr(what, device->label);

	snprintf(buf, size, "%s%s%s", what, named ? ", label " : "", named ? device->label : "");
	return buf;
}

const char *describe_disk_mode(const struct vm_disk *disk)
{
	return disk->overlay ? "overlay" : disk->read_only ? "read-only" : "read-write";
}

/* How many of CONFIG's disks from number FIRST on the guest may write to. */
static unsigned int count_written(const struct vm_config *config, unsigned int first)
{
	unsigned int count = 0;

	for (unsigned int i = first; i < config->disk_count; i++)
		count += !config->disks[i].read_only && !config->disks[i].overlay;
	return count;
}

/* Columns for what is said of the disks from number FIRST on: ", 12 more (11 read-write)". */
static size_t columns_of_more(const struct vm_config *config, unsigned int first)
{
	if (first == config->disk_count)
		return 0;
	return count_written(config, first) ? 25 : 10;
}

char *describe_disks(const struct vm_config *config, char *buf, size_t size, int columns)
{
	unsigned int i, written;

	buf[0] = '\0';
	for (i = 0; i < config->disk_count; i++) {
		const struct vm_disk *disk = &config->disks[i];
		size_t room = columns_of_more(config, i + 1);
		char one[64];

		snprintf(one, sizeof(one), "%s%.40s %s", buf[0] ? ", " : "",
			 describe_basename(disk->path), describe_disk_mode(disk));
		if (strlen(buf) + strlen(one) + room > (size_t)columns ||
		    strlen(buf) + strlen(one) + room >= size)
			break;
		strcat(buf, one);
	}
	written = count_written(config, i);
	if (i < config->disk_count)
		snprintf(buf + strlen(buf), size - strlen(buf), "%s%u more", buf[0] ? ", " : "",
			 config->disk_count - i);
	/* None is written to without being told of. */
	if (written)
		snprintf(buf + strlen(buf), size - strlen(buf), " (%u read-write)", written);
	if (buf[0] == '\0')
		text_copy(buf, size, "none: the guest sees no disk");
	return buf;
}

char *describe_boot(const struct vm_config *config, char *buf, size_t size)
{
	if (config->kernel_path[0])
		snprintf(buf, size, "%s%s%s", config->kernel_path,
			 config->initrd_path[0] ? " with " : "", config->initrd_path);
	else if (config->firmware_path[0])
		snprintf(buf, size, "%s%s%s", config->firmware_path,
			 config->firmware_device[0] ? " of " : "", config->firmware_device);
	else
		text_copy(buf, size, "no firmware");
	return buf;
}

char *describe_nets(const struct vm_config *config, char *buf, size_t size)
{
	size_t at = 0;

	text_copy(buf, size, "none");
	for (unsigned int i = 0; i < config->net_count && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "",
				       config->nets[i].name);
	return buf;
}

char *describe_pcis(const struct vm_config *config, char *buf, size_t size)
{
	size_t at = 0;

	text_copy(buf, size, "none");
	for (unsigned int i = 0; i < config->vfio_count && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "",
				       pci_group_short(config->vfio[i].address));
	return buf;
}

enum menu_vars_kept describe_vars_kept(const struct model *model, const struct vm_config *config)
{
	if (!config->vars_path[0])
		return MENU_VARS_NOT_KEPT;
	return strcmp(config->vars_path, VM_VARS_USUAL) == 0
		       ? (enum menu_vars_kept)model->settings.vars_kept
		       : MENU_VARS_LAST;
}

char *describe_machine(const struct model *model, const struct vm_config *config, char *buf,
		       size_t size, int columns)
{
	enum menu_vars_kept kept = describe_vars_kept(model, config);
	const char *vars = config->kernel_path[0]	 ? "no variables"
			   : config->fresh_vars		 ? "variables start fresh"
			   : kept == MENU_VARS_LAST	 ? "variables kept"
			   : kept == MENU_VARS_UNTIL_OFF ? "variables kept until power-off"
							 : "variables not kept";
	char memory[16], room[16], nets[VM_MAX_NETS * (VM_NET_NAME_SIZE + 2)],
		pcis[VM_MAX_VFIO * (VM_PCI_ADDRESS_SIZE + 2)];
	int n;

	text_format_size(config->memory, memory, sizeof(memory));
	text_format_size(model->welcome.host_memory_free, room, sizeof(room));
	describe_nets(config, nets, sizeof(nets));
	describe_pcis(config, pcis, sizeof(pcis));
	n = snprintf(buf, size, "%s of %s free   %u of %u CPUs   %s   net: %s   pci: %s", memory,
		     room, config->cpus, model->welcome.host_cpus, vars, nets, pcis);
	if (n > columns)
		snprintf(buf, size, "%s of %s free  %u/%u CPUs  %s  net: %s%s%s", memory, room,
			 config->cpus, model->welcome.host_cpus, vars, nets,
			 config->vfio_count ? "  pci: " : "", config->vfio_count ? pcis : "");
	return buf;
}

const struct menu_firmware *describe_firmware(const struct model *model,
					      const struct vm_config *config)
{
	if (config->kernel_path[0])
		return NULL;
	for (unsigned int i = 0; i < model->firmware_count; i++)
		if (strcmp(model->firmwares[i].path, config->firmware_path) == 0 &&
		    strcmp(model->firmwares[i].device, config->firmware_device) == 0)
			return &model->firmwares[i];
	return NULL;
}

bool describe_trouble(const struct model *model, const struct menu_entry *entry, char *buf,
		      size_t size)
{
	text_copy(buf, size, entry->problem);
	text_drop_full_stop(buf);
	for (unsigned int i = 0; i < entry->config.disk_count && !buf[0]; i++) {
		const struct vm_disk *disk = &entry->config.disks[i];
		const struct menu_device *device = model_device(model, disk->path);
		const char *use;

		if (!device || disk->read_only || disk->overlay)
			continue;
		use = model_device_use(model, device);
		if (use)
			snprintf(buf, size, "%s in use by host (%s)", device->name, use);
	}
	return buf[0] != '\0';
}

static char *describe_age(int64_t then, int64_t now, char *buf, size_t size)
{
	long long s = now - then;

	if (s < 0)
		text_copy(buf, size, "in the future");
	else if (s < 60)
		text_copy(buf, size, "just now");
	else if (s < 3600)
		snprintf(buf, size, "%lld min ago", s / 60);
	else if (s < 2 * 86400)
		snprintf(buf, size, "%lld h ago", s / 3600);
	else
		snprintf(buf, size, "%lld days ago", s / 86400);
	return buf;
}

char *describe_vars(const struct model *model, int64_t now, char *buf, size_t size)
{
	const struct menu_welcome *host = &model->welcome;
	const char *until =
		model->settings.vars_kept == MENU_VARS_UNTIL_OFF ? ", gone at power-off" : "";
	char bytes[16], age[32];

	if (!host->vars_path[0] || model->settings.vars_kept == MENU_VARS_NOT_KEPT)
		text_copy(buf, size, "not kept");
	else if (host->vars_size == 0)
		snprintf(buf, size, "none yet%s", until);
	else
		snprintf(buf, size, "%s, written %s%s",
			 text_format_size(host->vars_size, bytes, sizeof(bytes)),
			 describe_age(host->vars_changed, now, age, sizeof(age)), until);
	return buf;
}
