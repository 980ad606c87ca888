/* What the machine is and has, for the system information screen and the report. */
#ifndef VMB_INCLUDE_FACTS_H
#define VMB_INCLUDE_FACTS_H

#include <stddef.h>

#include "menu_proto.h"

/*
 * Gathers from /proc and /sys, which answer at once. A line that cannot be known says why; the list never
 * fails for it. *RET_FACTS is an array of *RET_COUNT, the caller's to free; texts are safe on a terminal.
 * 0 or -ENOMEM.
 */
int facts_gather(struct menu_fact **ret_facts, size_t *ret_count);

/* The same below ROOT ("" for the running system), which tests make up. */
int facts_gather_below(const char *root, struct menu_fact **ret_facts, size_t *ret_count);

#endif
