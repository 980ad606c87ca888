/*
 * Where the UEFI variables of a virtual machine are when its configuration names no file of its own
 * (VM_VARS_USUAL): they go with the first disk that the guest may write to, under the disk's stable name. On
 * a partition labelled VMBOOT, when the settings are on one, else in the directory of what lasts.
 */
#ifndef VMB_DAEMON_VARS_PLACE_H
#define VMB_DAEMON_VARS_PLACE_H

#include "menu_proto.h"
#include "store.h"

/* A file of STORE, borrowed. NAME is empty: vars_path of the configuration says where. */
struct vars_place {
	struct store *store;
	char name[STORE_NAME_SIZE];
};

/*
 * Finds the place for CONFIG among COUNT DEVICES. Where it is a file CONFIG's vars_path becomes its path, the directory
 * made; where there is none it becomes empty and NOTE (SIZE bytes) says why. A configuration that names its own file, or
 * none, stays as it is.
 */
void vars_place_find(struct store *store, const struct menu_device *devices, size_t count,
		     struct vm_config *config, struct vars_place *ret_place, char *note,
		     size_t size);

/* Whether variables without a file of their own last: for struct menu_settings. */
enum menu_vars_kept vars_place_kept(const struct store *store);

/* Fills VARS_PATH, VARS_SIZE and VARS_CHANGED: the place as a whole. */
void vars_place_describe(const struct store *store, struct menu_welcome *ret_welcome);

#endif
