/* The host's network interfaces, for who chooses one for a guest. */
#ifndef VMB_DAEMON_NICS_H
#define VMB_DAEMON_NICS_H

#include <stddef.h>

#include "menu_proto.h"

/*
 * Every interface but the loopback, in natural order of names, below ROOT ("" for the running system, which
 * also tells addresses). The array is the caller's to free(). 0, -ENOMEM, or -errno without sysfs.
 */
int nics_gather(const char *root, struct menu_nic **ret_nics, size_t *ret_count);

#endif
