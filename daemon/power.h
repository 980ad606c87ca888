/* Switching the host off, or restarting it. */
#ifndef VMB_DAEMON_POWER_H
#define VMB_DAEMON_POWER_H

#include <stdint.h>

#include "err.h"

/* How a host is told. */
enum power_way {
	POWER_SYSTEMD,	/* systemctl, which ends its services first */
	POWER_SHUTDOWN, /* shutdown(8) of another init */
	POWER_INIT,	/* vmboot is PID 1: it ends everything in order */
	POWER_KERNEL,	/* nobody else runs here: sync, then reboot(2) */
};

/*
 * Chooses by what runs below ROOT ("" for the running system). IS_ROOT: this process may. 0, or -EPERM with the
 * sentence.
 */
int power_choose(const char *root, int is_root, enum power_way *ret_way, struct vmb_err *err);

/*
 * Does HOW (enum menu_power). 0 when it is on its way (the process is told by a signal, or is gone), or
 * -errno with the sentence: no right, nothing to do it with, no such HOW.
 */
int power_do(uint32_t how, struct vmb_err *err);

#endif
