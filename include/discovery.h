/*
 * Knows the block devices, what lives on them, and the disk images in some directories. Each device is looked at by a
 * probe process of its own, so a broken disk costs nobody but itself. Lives in a struct loop. Texts in the model are
 * escaped.
 */
#ifndef VMB_INCLUDE_DISCOVERY_H
#define VMB_INCLUDE_DISCOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "menu_proto.h"

struct discovery;

#define DISCOVERY_MAX_IMAGES 8

struct discovery_options {
	const char *root; /* "" for the running system */
	/* Directories whose disk images are offered, NULL at the end; at most DISCOVERY_MAX_IMAGES. */
	const char *const *image_dirs;
	/* Of storage_uevent_open(), borrowed: disks that come and go are followed. 0 or less: not. */
	int uevent_fd;
	uint32_t deadline_ms;	    /* for one probe; 0: 10 s */
	void (*changed)(void *ctx); /* the model changed; called at most every 30 ms */
	void *ctx;
};

/*
 * Starts looking. OPTIONS is copied, what it points to borrowed. 0, or -errno with the sentence.
 */
int discovery_create(struct loop *loop, const struct discovery_options *options,
		     struct discovery **ret_discovery, struct vmb_err *err);
/* Kills the probes. NULL is fine. */
void discovery_destroy(struct discovery *discovery);

/* Looks at everything again; what is known stays until better is known. */
void discovery_rescan(struct discovery *discovery);

/* Ends the scan: what is still being looked at, or waits for it, is listed as skipped until a rescan. */
void discovery_cancel(struct discovery *discovery);

/*
 * The images in DIR are offered from now on instead of those in the directories that the options
 * name; "": those again. What is the case already changes nothing.
 */
void discovery_set_images(struct discovery *discovery, const char *dir);

/* The model, valid until the loop goes on. */
const struct menu_device *discovery_devices(struct discovery *discovery, size_t *ret_count);
const struct menu_firmware *discovery_firmwares(struct discovery *discovery, size_t *ret_count);
/* Are probes still running or waiting? */
bool discovery_scanning(const struct discovery *discovery);
/* Do disks that come and go show by themselves? */
bool discovery_is_live(const struct discovery *discovery);

/*
 * Ends all probes, waits until the devices they held are free (a hung one is not waited for), and
 * starts none until discovery_resume(), which lets the ended ones start anew.
 */
void discovery_pause(struct discovery *discovery);
void discovery_resume(struct discovery *discovery);

/*
 * These COUNT paths belong to a VM now (0: to none any more): shown as in use, and what a guest may
 * write to is not looked at; what belongs to it no longer is looked at again, and nothing else. Compared by device number
 * for block devices.
 */
void discovery_set_taken(struct discovery *discovery, const struct vm_disk *disks, uint32_t count);

#endif
