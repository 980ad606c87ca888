/* See ui/preflight.h. The sentences are those of the menu's specification. */
#include "ui/preflight.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pci_group.h"
#include "text.h"
#include "ui/describe.h"
#include "ui/plan.h"

struct preflight {
	const struct model *model;
	const struct vm_config *config;
	struct preflight_item *items;
	unsigned int count;
	enum preflight_level worst;
};

static void add(struct preflight *p, enum preflight_level level, const char *subject,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void add(struct preflight *p, enum preflight_level level, const char *subject,
		const char *fmt, ...)
{
	struct preflight_item *item;
	va_list ap;

	if (p->count == PREFLIGHT_ITEMS)
		return;
	item = &p->items[p->count++];
	item->level = level;
	text_copy(item->subject, sizeof(item->subject), subject);
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, ap);
	va_end(ap);
	if (level > p->worst)
		p->worst = level;
}

static void check_kvm(struct preflight *p)
{
	const struct menu_welcome *host = &p->model->welcome;
	bool firmware = !p->config->kernel_path[0];

	if (!p->model->welcomed)
		add(p, PREFLIGHT_NONE, "KVM", "not known yet");
	else if (!host->kvm_ok || (firmware && !host->firmware_ok))
		add(p, PREFLIGHT_BAD, "KVM", "%s",
		    host->kvm_text[0] ? host->kvm_text : "This host's KVM cannot run it.");
	else
		add(p, PREFLIGHT_OK, "KVM", "ok");
}

static void check_memory(struct preflight *p)
{
	struct vmb_err err = {0};
	char text[32], room[16];
	uint32_t cpus;

	text_format_size(p->config->memory, text, sizeof(text));
	if (plan_memory_fits(p->model, p->config->memory, &err) < 0)
		add(p, PREFLIGHT_BAD, "Memory", "%s", err.text);
	else
		add(p, PREFLIGHT_OK, "Memory", "%s of %s free", text,
		    text_format_size(p->model->welcome.host_memory_free, room, sizeof(room)));
	snprintf(text, sizeof(text), "%u", p->config->cpus);
	if (plan_parse_cpus(p->model, text, &cpus, &err) < 0)
		add(p, PREFLIGHT_BAD, "CPUs", "%s", err.text);
	else
		add(p, PREFLIGHT_OK, "CPUs", "%u of %u", cpus, p->model->welcome.host_cpus);
}

static void check_firmware(struct preflight *p)
{
	const struct vm_config *config = p->config;
	const struct menu_firmware *firmware = describe_firmware(p->model, config);
	const char *name = describe_basename(config->firmware_path);
	const char *subject = config->kernel_path[0] ? "Kernel" : "Firmware";

	if (config->kernel_path[0])
		add(p, PREFLIGHT_NONE, subject, "%s is looked at when it starts",
		    config->kernel_path);
	else if (!config->firmware_path[0])
		add(p, PREFLIGHT_BAD, subject, "No firmware is chosen: e, then Firmware.");
	else if (firmware && !firmware->usable)
		add(p, PREFLIGHT_BAD, subject, "%s: %s", name, firmware->reason);
	else if (firmware)
		add(p, PREFLIGHT_OK, subject, "%s %s%s%s%s%.12s", name, firmware->kind,
		    firmware->version[0] ? " " : "", firmware->version,
		    firmware->sha256[0] ? "  sha256 " : "", firmware->sha256);
	else if (config->firmware_device[0] && !model_device(p->model, config->firmware_device))
		add(p, PREFLIGHT_BAD, subject, "%s not found: %s is not there.", name,
		    config->firmware_device);
	else if (config->firmware_device[0] && !p->model->scanning)
		add(p, PREFLIGHT_BAD, subject, "%s not found in: %s of %s", name,
		    config->firmware_path, config->firmware_device);
	else
		add(p, PREFLIGHT_NONE, subject, "%s is looked at when it starts",
		    config->firmware_path);
}

/* "sda2 is mounted on / by this host" or "sda is member of md0"; false if nothing uses DISK. */
static bool disk_use(const struct model *model, const struct menu_device *disk, char *buf,
		     size_t size)
{
	for (unsigned int i = 0; i < model->device_count; i++) {
		const struct menu_device *device = &model->devices[i];

		if ((device != disk && !model_is_part_of(device, disk)) || !device->in_use)
			continue;
		snprintf(buf, size, "%s is %s%s", device->name,
			 device->use[0] ? device->use : "used",
			 strncmp(device->use, "mounted", 7) == 0 || !device->use[0]
				 ? " by this host"
				 : "");
		return true;
	}
	return false;
}

static void check_disk(struct preflight *p, const struct vm_disk *disk)
{
	const struct menu_device *device = model_device(p->model, disk->path);
	bool writes = !disk->read_only && !disk->overlay;
	const char *name = describe_basename(disk->path), *why = NULL;
	char use[192];

	if (!device && strncmp(disk->path, "/dev/", 5) != 0 && disk->path[0] == '/')
		add(p, PREFLIGHT_NONE, name, "an image file, looked at when it starts");
	else if (!device)
		add(p, PREFLIGHT_BAD, name, "%s is not connected.", disk->path);
	else if (!plan_attach_allowed(p->model, device, PLAN_READ_ONLY, &why))
		add(p, PREFLIGHT_BAD, name, "%s", why);
	else if (writes && disk_use(p->model, device, use, sizeof(use)))
		add(p, PREFLIGHT_FIX, name, "%s. o: as an overlay, r: read-only", use);
	else if (writes && !plan_attach_allowed(p->model, device, PLAN_READ_WRITE, &why))
		add(p, PREFLIGHT_FIX, name, "%s. o: as an overlay, r: read-only", why);
	else
		add(p, PREFLIGHT_OK, name, "%s", describe_disk_mode(disk));
}

static void check_net(struct preflight *p, const struct vm_net *net)
{
	if (!p->model->nics_known)
		add(p, PREFLIGHT_NONE, net->name, "looked at when it starts");
	else if (model_nic(p->model, net->name))
		add(p, PREFLIGHT_OK, net->name, "there");
	else
		add(p, PREFLIGHT_BAD, net->name, "This host has no interface %s.", net->name);
}

static void check_pci(struct preflight *p, const struct vm_vfio *vfio)
{
	const struct model *model = p->model;
	const char *name = pci_group_short(vfio->address);
	char text[256];
	const struct menu_pci *pci =
		pci_group_find(model->pcis, model->pci_count, vfio, text, sizeof(text));

	if (!p->model->pcis_known)
		add(p, PREFLIGHT_NONE, name, "looked at when it starts");
	else if (!pci)
		add(p, PREFLIGHT_BAD, name, "%s", text);
	else if (!p->model->pci_state.usable)
		add(p, PREFLIGHT_BAD, name, "%s", p->model->pci_state.text);
	else if (pci->verdict == MENU_PCI_REFUSED)
		add(p, PREFLIGHT_BAD, name, "%s: %s", pci->class_name, pci->use);
	else if (pci->verdict == MENU_PCI_BRIDGE || pci->group < 0)
		add(p, PREFLIGHT_BAD, name, "%s: %s", pci->class_name,
		    pci->group < 0 ? "in no IOMMU group" : "a bridge stays with the host");
	else
		add(p, PREFLIGHT_OK, name, "%s", pci->class_name);
}

/* A log that is full stops, and the guest goes on; but it may be the one that is needed. */
static void check_log(struct preflight *p)
{
	const struct menu_welcome *host = &p->model->welcome;
	const char *path = p->config->log_path;
	char room[16];

	text_format_size(host->log_room, room, sizeof(room));
	if (path[0] && strcmp(path, host->log_path) != 0)
		add(p, PREFLIGHT_NONE, "Console log", "%s is opened when it starts", path);
	else if (!host->log_path[0])
		add(p, PREFLIGHT_NONE, "Console log", "none");
	else if (host->log_room == UINT64_MAX)
		add(p, PREFLIGHT_NONE, "Console log", "room for %s is not known", host->log_path);
	else if (host->log_room < host->log_max)
		add(p, PREFLIGHT_WARN, "Console log",
		    "%s free for %s, which can grow to %u MiB: it will end early.", room,
		    host->log_path, (unsigned int)(host->log_max >> 20));
	else
		add(p, PREFLIGHT_OK, "Console log", "%s free, %u MiB at most", room,
		    (unsigned int)(host->log_max >> 20));
}

/* Firmware that has forgotten its boot order may boot something else. */
static void check_vars(struct preflight *p)
{
	const char *path = p->config->vars_path;
	bool usual = strcmp(path, VM_VARS_USUAL) == 0;

	if (!path[0])
		add(p, PREFLIGHT_NONE, "Variables", "not kept");
	else if (describe_vars_kept(p->model, p->config) == MENU_VARS_NOT_KEPT)
		add(p, PREFLIGHT_WARN, "Variables",
		    "They cannot be kept now: the log (l) says why.");
	else if (describe_vars_kept(p->model, p->config) == MENU_VARS_UNTIL_OFF)
		add(p, PREFLIGHT_NONE, "Variables",
		    "in memory, gone at power-off; label a partition VMBOOT to keep them");
	else
		add(p, PREFLIGHT_OK, "Variables", "in %s",
		    usual ? p->model->welcome.vars_path : path);
}

unsigned int preflight_check(const struct model *model, const struct vm_config *config,
			     const char *problem, struct preflight_item *items,
			     enum preflight_level *ret_worst)
{
	struct preflight p = {.model = model, .config = config, .items = items};

	check_kvm(&p);
	check_memory(&p);
	check_firmware(&p);
	for (unsigned int i = 0; i < config->disk_count; i++)
		check_disk(&p, &config->disks[i]);
	if (config->disk_count == 0)
		add(&p, PREFLIGHT_NONE, "Disks", "none");
	for (unsigned int i = 0; i < config->net_count; i++)
		check_net(&p, &config->nets[i]);
	for (unsigned int i = 0; i < config->vfio_count; i++)
		check_pci(&p, &config->vfio[i]);
	if (!config->kernel_path[0])
		check_vars(&p);
	check_log(&p);
	/* The daemon may know of something that is not seen from here. */
	if (problem[0] && p.worst < PREFLIGHT_FIX)
		add(&p, PREFLIGHT_BAD, "Entry", "%s", problem);
	*ret_worst = p.worst;
	return p.count;
}

void preflight_fix(const struct model *model, struct vm_config *config, bool overlay)
{
	for (unsigned int i = 0; i < config->disk_count; i++) {
		struct vm_disk *disk = &config->disks[i];
		const struct menu_device *device = model_device(model, disk->path);

		if (!device || disk->read_only || disk->overlay ||
		    plan_attach_allowed(model, device, PLAN_READ_WRITE, NULL))
			continue;
		disk->overlay = overlay;
		disk->read_only = !overlay;
	}
}
