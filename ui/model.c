/* See ui/model.h. The daemon is the same binary, yet every length and string is checked. */
#include "ui/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TERMINATE(field) ((field)[sizeof(field) - 1] = '\0')

static void device_terminate(struct menu_device *device)
{
	TERMINATE(device->name);
	TERMINATE(device->parent);
	TERMINATE(device->path);
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
}

/* Appends COUNT items of ITEM bytes to *items (COUNT so far in *ret_count). 0 or -ENOMEM. */
static int list_append(void **items, unsigned int *count, size_t item, const void *from,
		       unsigned int add)
{
	void *grown;

	if (add > MODEL_MAX_ITEMS - *count)
		add = MODEL_MAX_ITEMS - *count;
	if (add == 0)
		return 0;
	grown = realloc(*items, (*count + add) * item);
	if (!grown)
		return -ENOMEM;
	memcpy((char *)grown + *count * item, from, add * item);
	*items = grown;
	*count += add;
	return 0;
}

/* Reads a list's head and adds its items to the pending list; returns 1 when it is complete. */
static int list_take(void **next, unsigned int *next_count, size_t item, const void *body,
		     size_t size, struct menu_list *ret_list)
{
	int rc;

	if (size < sizeof(*ret_list))
		return -EBADMSG;
	memcpy(ret_list, body, sizeof(*ret_list));
	if (ret_list->count > (size - sizeof(*ret_list)) / item ||
	    ret_list->count * item != size - sizeof(*ret_list))
		return -EBADMSG;
	if (ret_list->first) {
		free(*next);
		*next = NULL;
		*next_count = 0;
	}
	rc = list_append(next, next_count, item, (const char *)body + sizeof(*ret_list),
			 ret_list->count);
	if (rc < 0)
		return rc;
	return ret_list->last ? 1 : 0;
}

static int take_devices(struct model *model, const void *body, size_t size)
{
	struct menu_list list;
	void *next = model->next_devices;
	int rc = list_take(&next, &model->next_device_count, sizeof(struct menu_device), body, size,
			   &list);

	model->next_devices = next;
	if (rc <= 0)
		return rc;
	free(model->devices);
	model->devices = model->next_devices;
	model->device_count = model->next_device_count;
	model->next_devices = NULL;
	model->next_device_count = 0;
	for (unsigned int i = 0; i < model->device_count; i++)
		device_terminate(&model->devices[i]);
	model->devices_known = true;
	model->scanning = list.scanning;
	model->live = list.live;
	return MODEL_LISTS;
}

static int take_firmwares(struct model *model, const void *body, size_t size)
{
	struct menu_list list;
	void *next = model->next_firmwares;
	int rc = list_take(&next, &model->next_firmware_count, sizeof(struct menu_firmware), body,
			   size, &list);

	model->next_firmwares = next;
	if (rc <= 0)
		return rc;
	free(model->firmwares);
	model->firmwares = model->next_firmwares;
	model->firmware_count = model->next_firmware_count;
	model->next_firmwares = NULL;
	model->next_firmware_count = 0;
	for (unsigned int i = 0; i < model->firmware_count; i++)
		firmware_terminate(&model->firmwares[i]);
	model->firmwares_known = true;
	model->scanning = list.scanning;
	return MODEL_LISTS;
}

int model_take(struct model *model, uint32_t type, const void *body, size_t size, uint64_t now_ms)
{
	switch (type) {
	case MENU_WELCOME:
		if (size != sizeof(model->welcome))
			return -EBADMSG;
		memcpy(&model->welcome, body, size);
		TERMINATE(model->welcome.host_name);
		TERMINATE(model->welcome.kvm_text);
		if (model->welcome.version != MENU_PROTO_VERSION)
			return -EPROTO;
		model->welcomed = true;
		return MODEL_WELCOME;
	case MENU_DEVICES: return take_devices(model, body, size);
	case MENU_FIRMWARES: return take_firmwares(model, body, size);
	case MENU_VM:
		if (size != sizeof(model->vm))
			return -EBADMSG;
		memcpy(&model->vm, body, size);
		if (model->vm.state > MENU_VM_ENDED)
			return -EBADMSG;
		TERMINATE(model->vm.text);
		config_terminate(&model->vm.config);
		model->vm_at_ms = now_ms;
		return MODEL_VM;
	default: return MODEL_NOTHING;
	}
}

void model_free(struct model *model)
{
	free(model->devices);
	free(model->firmwares);
	free(model->next_devices);
	free(model->next_firmwares);
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
	return model->vm.paused ? "paused" : "running";
}

bool model_vm_alive(const struct model *model)
{
	return model->vm.state == MENU_VM_STARTING || model->vm.state == MENU_VM_RUNNING;
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
