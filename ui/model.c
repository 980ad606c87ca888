/* See ui/model.h. The daemon is the same binary, yet every length and string is checked. */
#include "ui/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TERMINATE(field) ((field)[sizeof(field) - 1] = '\0')

static void device_terminate(struct menu_device *device)
{
	TERMINATE(device->name);
	TERMINATE(device->parent);
	TERMINATE(device->path);
	TERMINATE(device->health);
	TERMINATE(device->use);
	TERMINATE(device->model);
	TERMINATE(device->serial);
	TERMINATE(device->transport);
	TERMINATE(device->fstype);
	TERMINATE(device->label);
	TERMINATE(device->uuid);
	TERMINATE(device->part_label);
	TERMINATE(device->part_uuid);
	TERMINATE(device->holds);
	TERMINATE(device->note);
}

static void firmware_terminate(struct menu_firmware *firmware)
{
	TERMINATE(firmware->device);
	TERMINATE(firmware->path);
	TERMINATE(firmware->kind);
	TERMINATE(firmware->version);
	TERMINATE(firmware->reason);
	TERMINATE(firmware->sha256);
}

static void config_terminate(struct vm_config *config)
{
	TERMINATE(config->title);
	TERMINATE(config->firmware_device);
	TERMINATE(config->firmware_path);
	TERMINATE(config->kernel_path);
	TERMINATE(config->initrd_path);
	TERMINATE(config->cmdline);
	TERMINATE(config->vars_path);
	TERMINATE(config->log_path);
	if (config->disk_count > VM_MAX_DISKS)
		config->disk_count = VM_MAX_DISKS;
	for (unsigned int i = 0; i < VM_MAX_DISKS; i++) {
		TERMINATE(config->disks[i].path);
		TERMINATE(config->disks[i].serial);
	}
	if (config->net_count > VM_MAX_NETS)
		config->net_count = VM_MAX_NETS;
	for (unsigned int i = 0; i < VM_MAX_NETS; i++)
		TERMINATE(config->nets[i].name);
	if (config->vfio_count > VM_MAX_VFIO)
		config->vfio_count = VM_MAX_VFIO;
	for (unsigned int i = 0; i < VM_MAX_VFIO; i++) {
		TERMINATE(config->vfio[i].address);
		TERMINATE(config->vfio[i].serial);
	}
}

static void entry_terminate(struct menu_entry *entry)
{
	TERMINATE(entry->id);
	TERMINATE(entry->group);
	TERMINATE(entry->source);
	TERMINATE(entry->problem);
	TERMINATE(entry->console.keys);
	TERMINATE(entry->console.charset);
	config_terminate(&entry->config);
}

/* Appends ADD items of ITEM bytes to COMING. 0 or -ENOMEM. */
static int list_append(struct model_coming *coming, size_t item, const void *from, unsigned int add)
{
	void *grown;

	if (add > MODEL_MAX_ITEMS - coming->count)
		add = MODEL_MAX_ITEMS - coming->count;
	if (add == 0)
		return 0;
	grown = realloc(coming->items, (coming->count + add) * item);
	if (!grown)
		return -ENOMEM;
	memcpy((char *)grown + coming->count * item, from, add * item);
	coming->items = grown;
	coming->count += add;
	return 0;
}

/* Reads a list's head and adds its items to COMING; returns 1 when that is complete. */
static int list_take(struct model_coming *coming, size_t item, const void *body, size_t size,
		     struct menu_list *ret_head)
{
	int rc;

	if (size < sizeof(*ret_head))
		return -EBADMSG;
	memcpy(ret_head, body, sizeof(*ret_head));
	if (ret_head->count > (size - sizeof(*ret_head)) / item ||
	    ret_head->count * item != size - sizeof(*ret_head))
		return -EBADMSG;
	if (ret_head->first) {
		free(coming->items);
		*coming = (struct model_coming){0};
	}
	rc = list_append(coming, item, (const char *)body + sizeof(*ret_head), ret_head->count);
	if (rc < 0)
		return rc;
	return ret_head->last ? 1 : 0;
}

/* What has come, now the caller's; *ret_count are the items. */
static void *list_complete(struct model_coming *coming, unsigned int *ret_count)
{
	void *items = coming->items;

	*ret_count = coming->count;
	*coming = (struct model_coming){0};
	return items;
}

static int take_devices(struct model *model, const void *body, size_t size)
{
	struct model_coming *coming = &model->coming[MODEL_COMING_DEVICES];
	struct menu_list head;
	int rc = list_take(coming, sizeof(*model->devices), body, size, &head);

	if (rc <= 0)
		return rc;
	free(model->devices);
	model->devices = list_complete(coming, &model->device_count);
	for (unsigned int i = 0; i < model->device_count; i++)
		device_terminate(&model->devices[i]);
	model->devices_known = true;
	model->scanning = head.scanning;
	model->live = head.live;
	return MODEL_LISTS;
}

static int take_firmwares(struct model *model, const void *body, size_t size)
{
	struct model_coming *coming = &model->coming[MODEL_COMING_FIRMWARES];
	struct menu_list head;
	int rc = list_take(coming, sizeof(*model->firmwares), body, size, &head);

	if (rc <= 0)
		return rc;
	free(model->firmwares);
	model->firmwares = list_complete(coming, &model->firmware_count);
	for (unsigned int i = 0; i < model->firmware_count; i++)
		firmware_terminate(&model->firmwares[i]);
	model->firmwares_known = true;
	model->scanning = head.scanning;
	return MODEL_LISTS;
}

static int take_entries(struct model *model, const void *body, size_t size)
{
	struct model_coming *coming = &model->coming[MODEL_COMING_ENTRIES];
	struct menu_list head;
	int rc = list_take(coming, sizeof(*model->entries), body, size, &head);

	if (rc <= 0)
		return rc;
	free(model->entries);
	model->entries = list_complete(coming, &model->entry_count);
	for (unsigned int i = 0; i < model->entry_count; i++)
		entry_terminate(&model->entries[i]);
	model->entries_known = true;
	return MODEL_ENTRIES;
}

static int take_nics(struct model *model, const void *body, size_t size)
{
	struct model_coming *coming = &model->coming[MODEL_COMING_NICS];
	struct menu_list head;
	int rc = list_take(coming, sizeof(*model->nics), body, size, &head);

	if (rc <= 0)
		return rc;
	free(model->nics);
	model->nics = list_complete(coming, &model->nic_count);
	for (unsigned int i = 0; i < model->nic_count; i++) {
		TERMINATE(model->nics[i].name);
		TERMINATE(model->nics[i].driver);
		TERMINATE(model->nics[i].mac);
		TERMINATE(model->nics[i].master);
		TERMINATE(model->nics[i].address);
	}
	model->nics_known = true;
	return MODEL_NICS;
}

static int take_pci_state(struct model *model, const void *body, size_t size)
{
	if (size != sizeof(model->pci_state))
		return -EBADMSG;
	memcpy(&model->pci_state, body, size);
	TERMINATE(model->pci_state.text);
	return MODEL_PCI;
}

static int take_pcis(struct model *model, const void *body, size_t size)
{
	struct model_coming *coming = &model->coming[MODEL_COMING_PCI];
	struct menu_list head;
	int rc = list_take(coming, sizeof(*model->pcis), body, size, &head);

	if (rc <= 0)
		return rc;
	free(model->pcis);
	model->pcis = list_complete(coming, &model->pci_count);
	for (unsigned int i = 0; i < model->pci_count; i++) {
		struct menu_pci *pci = &model->pcis[i];

		TERMINATE(pci->address);
		TERMINATE(pci->name);
		TERMINATE(pci->class_name);
		TERMINATE(pci->driver);
		TERMINATE(pci->link);
		TERMINATE(pci->makes);
		TERMINATE(pci->use);
		TERMINATE(pci->usb);
		TERMINATE(pci->serial);
		TERMINATE(pci->physfn);
	}
	model->pcis_known = true;
	return MODEL_PCI;
}

static int take_settings(struct model *model, const void *body, size_t size)
{
	if (size != sizeof(model->settings))
		return -EBADMSG;
	memcpy(&model->settings, body, size);
	TERMINATE(model->settings.theme);
	TERMINATE(model->settings.images);
	TERMINATE(model->settings.store);
	TERMINATE(model->settings.store_text);
	if (model->settings.console_count > MENU_MAX_CONSOLES)
		model->settings.console_count = MENU_MAX_CONSOLES;
	for (unsigned int i = 0; i < MENU_MAX_CONSOLES; i++)
		TERMINATE(model->settings.consoles[i].tty);
	model->settings_known = true;
	return MODEL_SETTINGS;
}

static int take_countdown(struct model *model, const void *body, size_t size, uint64_t now_ms)
{
	if (size != sizeof(model->countdown))
		return -EBADMSG;
	memcpy(&model->countdown, body, size);
	TERMINATE(model->countdown.id);
	TERMINATE(model->countdown.title);
	TERMINATE(model->countdown.text);
	model->countdown_at_ms = now_ms;
	return MODEL_COUNTDOWN;
}

static int take_vm(struct model *model, const void *body, size_t size, uint64_t now_ms)
{
	if (size != sizeof(model->vm))
		return -EBADMSG;
	memcpy(&model->vm, body, size);
	if (model->vm.state > MENU_VM_ENDED)
		return -EBADMSG;
	TERMINATE(model->vm.text);
	TERMINATE(model->vm.id);
	TERMINATE(model->vm.keyboard_name);
	config_terminate(&model->vm.config);
	model->vm_at_ms = now_ms;
	return MODEL_VM;
}

/* An empty list of disks says whether there is anything that a disk could be behind. */
static void describe_controllers(struct model *model)
{
	const struct menu_welcome *host = &model->welcome;
	char all[24] = "";

	if (host->controllers != host->controllers_bound)
		snprintf(all, sizeof(all), " of %u", host->controllers);
	snprintf(model->no_disk_text, sizeof(model->no_disk_text),
		 "(%u%s controller%s bound). r rescan, ! shell, i hardware.",
		 host->controllers_bound, all, host->controllers == 1 ? "" : "s");
}

static int take_welcome(struct model *model, const void *body, size_t size)
{
	if (size != sizeof(model->welcome))
		return -EBADMSG;
	memcpy(&model->welcome, body, size);
	TERMINATE(model->welcome.host_name);
	TERMINATE(model->welcome.client_name);
	TERMINATE(model->welcome.kvm_text);
	TERMINATE(model->welcome.vars_path);
	TERMINATE(model->welcome.log_path);
	if (model->welcome.version != MENU_PROTO_VERSION)
		return -EPROTO;
	describe_controllers(model);
	model->welcomed = true;
	return MODEL_WELCOME;
}

int model_take(struct model *model, uint32_t type, const void *body, size_t size, uint64_t now_ms)
{
	switch (type) {
	case MENU_WELCOME: return take_welcome(model, body, size);
	case MENU_DEVICES: return take_devices(model, body, size);
	case MENU_FIRMWARES: return take_firmwares(model, body, size);
	case MENU_ENTRIES: return take_entries(model, body, size);
	case MENU_NICS: return take_nics(model, body, size);
	case MENU_PCI_STATE: return take_pci_state(model, body, size);
	case MENU_PCI: return take_pcis(model, body, size);
	case MENU_SETTINGS: return take_settings(model, body, size);
	case MENU_COUNTDOWN: return take_countdown(model, body, size, now_ms);
	case MENU_VM: return take_vm(model, body, size, now_ms);
	default: return MODEL_NOTHING;
	}
}

void model_free(struct model *model)
{
	free(model->devices);
	free(model->firmwares);
	free(model->entries);
	free(model->nics);
	free(model->pcis);
	for (unsigned int i = 0; i < MODEL_COMING_COUNT; i++)
		free(model->coming[i].items);
	*model = (struct model){0};
}

uint64_t model_vm_run_ms(const struct model *model, uint64_t now_ms)
{
	if (model->vm.state != MENU_VM_RUNNING)
		return model->vm.run_ms;
	return model->vm.run_ms + (now_ms - model->vm_at_ms);
}

const char *model_vm_verb(const struct model *model)
{
	if (model->vm.state == MENU_VM_STARTING)
		return "starting";
	if (model->vm.paused)
		return "paused";
	return model->vm.guest_event == VMM_GUEST_PANICKED ? "panicked" : "running";
}

bool model_vm_alive(const struct model *model)
{
	return model->vm.state == MENU_VM_STARTING || model->vm.state == MENU_VM_RUNNING;
}

bool model_is_looking(const struct model *model)
{
	return !model->devices_known || !model->firmwares_known || model->scanning;
}

const struct menu_device *model_device(const struct model *model, const char *name)
{
	if (name[0] == '\0')
		return NULL;
	for (unsigned int i = 0; i < model->device_count; i++)
		if (strcmp(model->devices[i].name, name) == 0 ||
		    strcmp(model->devices[i].path, name) == 0)
			return &model->devices[i];
	return NULL;
}

bool model_is_part_of(const struct menu_device *part, const struct menu_device *disk)
{
	/* A file may be called "sda", too. */
	return disk->kind == MENU_DEVICE_BLOCK && strcmp(part->parent, disk->name) == 0;
}

const struct vm_disk *model_vm_disk(const struct model *model, const struct menu_device *device)
{
	const struct vm_config *config = &model->vm.config;

	if (!model_vm_alive(model))
		return NULL;
	for (unsigned int i = 0; i < config->disk_count; i++)
		if (strcmp(config->disks[i].path, device->path) == 0)
			return &config->disks[i];
	return NULL;
}

const struct menu_entry *model_entry(const struct model *model, const char *id)
{
	for (unsigned int i = 0; i < model->entry_count; i++)
		if (strcmp(model->entries[i].id, id) == 0)
			return &model->entries[i];
	return NULL;
}

const struct menu_pci *model_pci(const struct model *model, const char *address)
{
	for (unsigned int i = 0; i < model->pci_count; i++)
		if (strcmp(model->pcis[i].address, address) == 0)
			return &model->pcis[i];
	return NULL;
}

const struct menu_nic *model_nic(const struct model *model, const char *name)
{
	for (unsigned int i = 0; i < model->nic_count; i++)
		if (strcmp(model->nics[i].name, name) == 0)
			return &model->nics[i];
	return NULL;
}

unsigned int model_countdown_left(const struct model *model, uint64_t now_ms)
{
	uint64_t gone = (now_ms - model->countdown_at_ms) / 1000;

	if (model->countdown.state == MENU_COUNTDOWN_OFF || gone >= model->countdown.seconds)
		return 0;
	return model->countdown.seconds - (unsigned int)gone;
}

const char *model_device_use(const struct model *model, const struct menu_device *device)
{
	if (device->in_use)
		return device->use[0] ? device->use : "used by this host";
	for (unsigned int i = 0; i < model->device_count; i++) {
		const struct menu_device *part = &model->devices[i];

		if (model_is_part_of(part, device) && part->in_use)
			return part->use[0] ? part->use : "used by this host";
	}
	return NULL;
}
