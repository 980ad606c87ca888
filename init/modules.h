/* Kernel modules for the devices there are, by modprobe(8). */
#ifndef VMB_INIT_MODULES_H
#define VMB_INIT_MODULES_H

#include <stdbool.h>
#include <sys/types.h>

struct modules;

/*
 * ROOT as in struct init_options; borrowed. IDLE is called each time that nothing is left to load. 0 or -ENOMEM.
 */
int modules_create(const char *root, void (*idle)(void *ctx), void *ctx,
		   struct modules **ret_modules);

/* Looks at every device that sysfs has, and begins to load. Without modules for this kernel: idle at once. */
void modules_load_all(struct modules *modules);

/* A device came: its MODALIAS, which waits until modules_begin(). Each is asked for once. */
void modules_add(struct modules *modules, const char *alias);
/* Starts a modprobe for what waits, unless one runs already; IDLE when nothing waits. */
void modules_begin(struct modules *modules);

/* Process PID has ended. True if it was the modprobe of MODULES. */
bool modules_reap(struct modules *modules, pid_t pid);

/* A modprobe that still runs goes on. */
void modules_destroy(struct modules *modules);

#endif
