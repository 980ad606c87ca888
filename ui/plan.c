/* See ui/plan.h. */
#include "ui/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "ui/describe.h"

#define MIB (1ULL << 20)

void plan_free(struct plan *plan)
{
	free(plan->choices);
	*plan = (struct plan){0};
}

const char *plan_attach_name(enum plan_attach attach)
{
	static const char *const names[] = {"off", "read-write", "read-only", "overlay"};

	return names[attach];
}

static bool refuse(const char **why, const char *text)
{
	if (why)
		*why = text;
	return false;
}

bool plan_attach_allowed(const struct model *model, const struct menu_device *device,
			 enum plan_attach attach, const char **why)
{
	const char *use;

	if (attach == PLAN_OFF)
		return true;
	if (device->size == 0)
		return refuse(why, device->note[0] ? device->note : "no medium in it");
	if (device->state == MENU_DEVICE_FAILED)
		return refuse(why, device->note[0] ? device->note : "it does not answer");
	/* A file in another format than a disk's: the guest would see the container, not what is in it. */
	if (device->kind == MENU_DEVICE_IMAGE && device->state == MENU_DEVICE_SKIPPED)
		return refuse(why, device->note);
	if (attach != PLAN_READ_WRITE)
		return true;
	use = model_device_use(model, device);
	if (use)
		return refuse(why, use);
	if (device->read_only)
		return refuse(why, "the device is read-only");
	return true;
}

static bool is_labelled(const struct menu_device *device, const char *label)
{
	return strcmp(device->label, label) == 0 || strcmp(device->part_label, label) == 0;
}

/* vmboot's own settings and nothing else: no guest needs them, and one that can write them rules the menu. */
static bool holds_only_settings(const struct model *model, const struct menu_device *device)
{
	bool only = is_labelled(device, MENU_STORE_LABEL);

	for (unsigned int i = 0; i < model->device_count; i++) {
		const struct menu_device *part = &model->devices[i];

		if (strcmp(part->parent, device->name) != 0)
			continue;
		if (!is_labelled(part, MENU_STORE_LABEL))
			return false;
		only = true;
	}
	return only;
}

static enum plan_attach plan_default(const struct model *model, const struct menu_device *device)
{
	if (device->kind == MENU_DEVICE_IMAGE || model_device_use(model, device) ||
	    device->state == MENU_DEVICE_SKIPPED || holds_only_settings(model, device) ||
	    !plan_attach_allowed(model, device, PLAN_READ_ONLY, NULL))
		return PLAN_OFF;
	if (device->read_only || device->removable)
		return PLAN_READ_ONLY;
	return PLAN_READ_WRITE;
}

static bool is_choice_for(const struct plan_choice *choice, const struct menu_device *device)
{
	return choice->size == device->size && strcmp(choice->path, device->path) == 0 &&
	       strcmp(choice->serial, device->serial) == 0;
}

static struct plan_choice *find_choice(const struct plan *plan, const struct menu_device *device)
{
	for (unsigned int i = 0; i < plan->choice_count; i++)
		if (is_choice_for(&plan->choices[i], device))
			return &plan->choices[i];
	return NULL;
}

enum plan_attach plan_attach_of(const struct plan *plan, const struct model *model,
				const struct menu_device *device)
{
	const struct plan_choice *choice = find_choice(plan, device);

	if (choice && plan_attach_allowed(model, device, choice->attach, NULL))
		return choice->attach;
	/* A choice that has become impossible must not turn into something the operator did not say. */
	return choice ? PLAN_OFF : plan_default(model, device);
}

int plan_choose(struct plan *plan, const struct menu_device *device, enum plan_attach attach)
{
	struct plan_choice *choice = find_choice(plan, device), *grown;

	if (choice) {
		choice->attach = attach;
		return 0;
	}
	grown = realloc(plan->choices, (plan->choice_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	plan->choices = grown;
	choice = &grown[plan->choice_count++];
	text_copy(choice->path, sizeof(choice->path), device->path);
	text_copy(choice->serial, sizeof(choice->serial), device->serial);
	choice->size = device->size;
	choice->attach = attach;
	return 0;
}

enum plan_attach plan_next(const struct model *model, const struct menu_device *device,
			   enum plan_attach attach, int step)
{
	do {
		attach = (enum plan_attach)(((int)attach + step + PLAN_ATTACH_COUNT) %
					    PLAN_ATTACH_COUNT);
	} while (!plan_attach_allowed(model, device, attach, NULL));
	return attach;
}

enum plan_attach plan_toggle(const struct plan *plan, const struct model *model,
			     const struct menu_device *device)
{
	enum plan_attach attach;

	if (plan_attach_of(plan, model, device) != PLAN_OFF)
		return PLAN_OFF;
	attach = plan_default(model, device);
	if (attach == PLAN_OFF && plan_attach_allowed(model, device, PLAN_READ_ONLY, NULL))
		attach = PLAN_READ_ONLY;
	return attach;
}

uint64_t plan_memory(const struct model *model)
{
	uint64_t memory = VM_DEFAULT_MEMORY, room = model->welcome.host_memory_free / 4 * 3;

	while (model->welcomed && memory > room && memory > VM_MIN_MEMORY)
		memory /= 2;
	return memory;
}

int plan_memory_fits(const struct model *model, uint64_t bytes, struct vmb_err *err)
{
	char asked[16], room[16];

	if (bytes <= model->welcome.host_memory_free)
		return 0;
	return vmb_err_set(err, ERANGE, "%s free, %s asked: will not start.",
			   text_format_size(model->welcome.host_memory_free, room, sizeof(room)),
			   text_format_size(bytes, asked, sizeof(asked)));
}

int plan_parse_memory(const struct model *model, const char *text, uint64_t *ret,
		      struct vmb_err *err)
{
	char asked[16], all[16];
	uint64_t bytes;

	if (text_parse_size(text, &bytes) < 0)
		return vmb_err_set(err, EINVAL, "Not a size. Write 512M or 2G.");
	/* A bare small number is meant as something else than bytes. */
	if (bytes < VM_MIN_MEMORY)
		return vmb_err_set(err, ERANGE, "%s asked: at least 64M is needed.%s",
				   text_format_size(bytes, asked, sizeof(asked)),
				   bytes < 65536 ? " Add M or G to the number." : "");
	if (bytes > model->welcome.host_memory)
		return vmb_err_set(err, ERANGE, "%s asked, this host has %s: will not start.",
				   text_format_size(bytes, asked, sizeof(asked)),
				   text_format_size(model->welcome.host_memory, all, sizeof(all)));
	*ret = bytes / MIB * MIB;
	return 0;
}

int plan_parse_cpus(const struct model *model, const char *text, uint32_t *ret, struct vmb_err *err)
{
	uint64_t cpus, max = model->welcome.host_cpus;

	if (max > VM_MAX_CPUS)
		max = VM_MAX_CPUS;
	if (text_parse_uint(text, 0, UINT32_MAX, &cpus) < 0)
		return vmb_err_set(err, EINVAL, "Not a number. Write 1 to %u.", (unsigned int)max);
	if (cpus == 0)
		return vmb_err_set(err, ERANGE, "At least one CPU is needed.");
	if (cpus > max)
		return vmb_err_set(err, ERANGE, "CPU count %u > %u host: will not start.",
				   (unsigned int)cpus, (unsigned int)max);
	*ret = (uint32_t)cpus;
	return 0;
}

static void add_disk(struct vm_config *config, const struct menu_device *device,
		     enum plan_attach attach)
{
	struct vm_disk *disk = &config->disks[config->disk_count++];

	text_copy(disk->path, sizeof(disk->path), device->path);
	disk->read_only = attach == PLAN_READ_ONLY;
	disk->overlay = attach == PLAN_OVERLAY;
}

static int config_all_disks(const struct plan *plan, const struct model *model,
			    struct vm_config *config, struct vmb_err *err)
{
	for (unsigned int i = 0; i < model->device_count; i++) {
		const struct menu_device *device = &model->devices[i];
		enum plan_attach attach;

		if (device->parent[0] || device->empty)
			continue;
		attach = plan_attach_of(plan, model, device);
		if (attach == PLAN_OFF)
			continue;
		if (config->disk_count == VM_MAX_DISKS)
			return vmb_err_set(
				err, E2BIG,
				"More than %d disks are attached, which is the limit. Enter on "
				"a disk's line starts that one alone; Space switches one off.",
				VM_MAX_DISKS);
		add_disk(config, device, attach);
	}
	return 0;
}

static int config_one_disk(const struct plan *plan, const struct model *model,
			   const struct menu_device *device, struct vm_config *config,
			   struct vmb_err *err)
{
	enum plan_attach attach = plan_attach_of(plan, model, device);
	const char *why = NULL;

	if (attach == PLAN_OFF && find_choice(plan, device) == NULL)
		attach = plan_default(model, device);
	if (attach == PLAN_OFF && !plan_attach_allowed(model, device, PLAN_READ_ONLY, &why))
		return vmb_err_set(err, EINVAL, "%s cannot be attached: %s.", device->name, why);
	if (attach == PLAN_OFF && !plan_attach_allowed(model, device, PLAN_READ_WRITE, &why))
		return vmb_err_set(err, EBUSY,
				   "%s is used by this host: %s. Attach it read-only or as "
				   "an overlay (s, then Space).",
				   device->name, why);
	if (attach == PLAN_OFF)
		return vmb_err_set(err, EINVAL, "%s is off. Space on its line attaches it.",
				   device->name);
	add_disk(config, device, attach);
	return 0;
}

unsigned int plan_firmwares(const struct model *model, const struct menu_firmware **ret_first)
{
	unsigned int count = 0;
	bool found_pvh = false;

	for (unsigned int i = 0; i < model->firmware_count; i++) {
		const struct menu_firmware *firmware = &model->firmwares[i];
		bool is_pvh = strncmp(firmware->kind, "PVH", 3) == 0;

		if (!firmware->usable)
			continue;
		if (count++ == 0 || (is_pvh && !found_pvh))
			*ret_first = firmware;
		found_pvh = found_pvh || is_pvh;
	}
	return count;
}

/* All but the disks, of a start by FIRMWARE or of an entry that has none yet: NULL. */
static void config_begin(struct vm_config *config, const struct model *model,
			 const struct menu_firmware *firmware, const struct menu_device *disk)
{
	const char *name = firmware ? describe_basename(firmware->path) : "New entry";
	/* What the operator means by the disk is the first system on it. */
	const char *what = disk && disk->holds[0] ? disk->holds : name;
	char system[41], where[17];

	vm_config_init(config);
	if (disk)
		/* No character is cut in its middle. */
		snprintf(config->title, sizeof(config->title), "%s on %s",
			 text_escape(system, sizeof(system), what, strcspn(what, ",")),
			 text_escape(where, sizeof(where), disk->name, strlen(disk->name)));
	else
		text_copy(config->title, sizeof(config->title), name);
	if (firmware) {
		text_copy(config->firmware_device, sizeof(config->firmware_device),
			  firmware->device);
		text_copy(config->firmware_path, sizeof(config->firmware_path), firmware->path);
	}
	config->memory = plan_memory(model);
	config->cpus = 1;
	text_copy(config->vars_path, sizeof(config->vars_path), VM_VARS_USUAL);
}

int plan_draft(const struct plan *plan, const struct model *model,
	       const struct menu_firmware *firmware, const struct menu_device *disk,
	       struct vm_config *ret_config, struct vmb_err *err)
{
	enum plan_attach attach = PLAN_OFF;
	const char *why = NULL;

	config_begin(ret_config, model, firmware, disk);
	if (disk)
		attach = plan_attach_of(plan, model, disk);
	/* As Space would attach it. */
	if (disk && attach == PLAN_OFF)
		attach = plan_toggle(plan, model, disk);
	if (attach != PLAN_OFF)
		add_disk(ret_config, disk, attach);
	if (!disk || attach != PLAN_OFF)
		return 0;
	plan_attach_allowed(model, disk, PLAN_READ_ONLY, &why);
	return vmb_err_set(err, EINVAL, "%s cannot be attached: %s.", disk->name, why);
}

int plan_config(const struct plan *plan, const struct model *model,
		const struct menu_firmware *firmware, const struct menu_device *disk,
		struct vm_config *ret_config, struct vmb_err *err)
{
	struct vm_config config;
	int rc;

	if (!firmware->usable)
		return vmb_err_set(
			err, EINVAL, "%s cannot be started: %s", describe_basename(firmware->path),
			firmware->reason[0] ? firmware->reason : "the daemon does not say why.");
	config_begin(&config, model, firmware, disk);
	rc = disk ? config_one_disk(plan, model, disk, &config, err)
		  : config_all_disks(plan, model, &config, err);
	if (rc < 0)
		return rc;
	*ret_config = config;
	return 0;
}
