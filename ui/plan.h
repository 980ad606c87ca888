/*
 * What starting without an entry would do: which disks are attached how, how much memory, how many CPUs.
 * The operator's choices are kept by the disk's path, serial number and size; what he did not choose
 * has a default that follows the machine. Draws nothing.
 */
#ifndef VMB_UI_PLAN_H
#define VMB_UI_PLAN_H

#include <stdbool.h>

#include "err.h"
#include "ui/model.h"

enum plan_attach { PLAN_OFF, PLAN_READ_WRITE, PLAN_READ_ONLY, PLAN_OVERLAY, PLAN_ATTACH_COUNT };

/* For this disk only: another one that is plugged in later may get the same path. */
struct plan_choice {
	char path[VM_PATH_SIZE];
	char serial[64];
	uint64_t size;
	enum plan_attach attach;
};

struct plan {
	struct plan_choice *choices;
	unsigned int choice_count;
};

/* Forgets all choices; PLAN itself is the caller's. */
void plan_free(struct plan *plan);

/* "read-write", "read-only", "overlay", "off". Static. */
const char *plan_attach_name(enum plan_attach attach);

/* True if ATTACH is possible for DEVICE (a whole disk) now; if not and WHY is not NULL, a phrase. */
bool plan_attach_allowed(const struct model *model, const struct menu_device *device,
			 enum plan_attach attach, const char **why);

/*
 * How DEVICE is attached: as chosen where that is possible, else by default. Default: read-write;
 * read-only if the device is that or is removable; off if this host uses it, it failed, it holds
 * nothing but vmboot's settings, or it is a file, of which there may be many.
 */
enum plan_attach plan_attach_of(const struct plan *plan, const struct model *model,
				const struct menu_device *device);

/* Remembers a choice. 0 or -ENOMEM. */
int plan_choose(struct plan *plan, const struct menu_device *device, enum plan_attach attach);

/* The next possible way for DEVICE after ATTACH, backwards if STEP is -1. */
enum plan_attach plan_next(const struct model *model, const struct menu_device *device,
			   enum plan_attach attach, int step);

/* What Space does: off if it is attached, else the default, else the first that is possible. */
enum plan_attach plan_toggle(const struct plan *plan, const struct model *model,
			     const struct menu_device *device);

/* The memory a VM gets that nobody has said anything about: the default, less where little is free. */
uint64_t plan_memory(const struct model *model);

/* Are BYTES of memory free now? 0, or -ERANGE with the sentence in ERR, which may be NULL. */
int plan_memory_fits(const struct model *model, uint64_t bytes, struct vmb_err *err);

/*
 * Parses TEXT as memory or CPUs against what the host has. 0 and the value, or -EINVAL / -ERANGE
 * with the sentence in ERR.
 */
int plan_parse_memory(const struct model *model, const char *text, uint64_t *ret,
		      struct vmb_err *err);
int plan_parse_cpus(const struct model *model, const char *text, uint32_t *ret,
		    struct vmb_err *err);

/*
 * The configuration for starting FIRMWARE with the disks that the plan attaches, or with DISK (a whole
 * disk) alone if that is not NULL. 0, or -EINVAL, -EBUSY or -E2BIG with the sentence in ERR.
 */
int plan_config(const struct plan *plan, const struct model *model,
		const struct menu_firmware *firmware, const struct menu_device *disk,
		struct vm_config *ret_config, struct vmb_err *err);

/*
 * The same as what an editor begins with: FIRMWARE may be NULL, and DISK, also NULL, is attached as Space
 * would attach it where it is off. 0, or -EINVAL with the sentence in ERR where DISK cannot be attached:
 * *RET_CONFIG is then without it.
 */
int plan_draft(const struct plan *plan, const struct model *model,
	       const struct menu_firmware *firmware, const struct menu_device *disk,
	       struct vm_config *ret_config, struct vmb_err *err);

/* How many firmware images can be started; *ret_first is the first PVH image of them, else the first, if there is any. */
unsigned int plan_firmwares(const struct model *model, const struct menu_firmware **ret_first);

#endif
