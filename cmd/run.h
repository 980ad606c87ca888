/* `vmboot run`, between its arguments (run.c) and its virtual machine (run_vm.c). */
#ifndef VMB_CMD_RUN_H
#define VMB_CMD_RUN_H

#include "vm_config.h"

/*
 * Runs CONFIG, which vm_config_check() has let pass, in this terminal until it ends, and says why. Exit status: 0 the guest
 * powered off, 1 it was stopped by a fault, 2 it could not be started, 3 it was ended from outside (^] k, a signal).
 */
int run_vm(const struct vm_config *config);

#endif
