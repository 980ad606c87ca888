/* What a menu is told of the host when it comes, and again when it asks. */
#ifndef VMB_DAEMON_WELCOME_H
#define VMB_DAEMON_WELCOME_H

#include "daemon.h"
#include "menu_proto.h"
#include "store.h"

/*
 * Fills the host's part of *RET as it is now: CPUs, memory, KVM as OPTIONS have it, files of a start (variables as
 * STORE has them), controllers.
 */
void welcome_describe(const struct daemon_options *options, const struct store *store,
		      struct menu_welcome *ret);

#endif
