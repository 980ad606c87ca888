/* What stands in the way of a start, looked at before it. Draws nothing, asks nobody. */
#ifndef VMB_UI_PREFLIGHT_H
#define VMB_UI_PREFLIGHT_H

#include "ui/model.h"

enum preflight_level {
	PREFLIGHT_OK,
	PREFLIGHT_NONE, /* nothing of the kind is wanted, or nothing is known of it */
	PREFLIGHT_WARN, /* it starts, but */
	PREFLIGHT_FIX,	/* will not start, but the same start with FIX does */
	PREFLIGHT_BAD,	/* will not start */
};

struct preflight_item {
	enum preflight_level level;
	char subject[24];
	char text[VM_PATH_SIZE + 256];
};

#define PREFLIGHT_ITEMS (VM_MAX_DISKS + VM_MAX_NETS + VM_MAX_VFIO + 8)

/*
 * Looks at CONFIG. PROBLEM is what the daemon says about the entry it comes from, or empty. Fills ITEMS
 * (room for PREFLIGHT_ITEMS); returns how many there are. *ret_worst is the worst of their levels.
 */
unsigned int preflight_check(const struct model *model, const struct vm_config *config,
			     const char *problem, struct preflight_item *items,
			     enum preflight_level *ret_worst);

/* Makes each disk of CONFIG that this host uses an overlay, or read-only: then the guest may have it. */
void preflight_fix(const struct model *model, struct vm_config *config, bool overlay);

#endif
