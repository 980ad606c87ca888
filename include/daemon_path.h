/* Where the daemon and its menus meet, and where the machine's variable file lies. */
#ifndef VMB_INCLUDE_DAEMON_PATH_H
#define VMB_INCLUDE_DAEMON_PATH_H

#include <stddef.h>

#include "err.h"

/*
 * The daemon's socket: /run/vmboot/daemon.sock for root, else $XDG_RUNTIME_DIR/vmboot/daemon.sock.
 * Creates nothing. 0; -ENOENT when there is no run-time directory to speak of, -ENAMETOOLONG when
 * the path does not fit BUF or a socket address. ERR may be NULL.
 */
int daemon_path_socket(char *buf, size_t size, struct vmb_err *err);

/*
 * The file that keeps the UEFI variables of VMs started from the menu, one per machine as a board
 * has one flash chip: /var/lib/vmboot/machine.vars for root, else vmboot/machine.vars below
 * $XDG_STATE_HOME or $HOME/.local/state. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then
 * untouched and the VM keeps no variables.
 */
int daemon_path_vars(char *buf, size_t size);

/*
 * The raw log of the guest's console for VMs started from the menu: console.log beside the daemon's usual
 * socket. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then untouched.
 */
int daemon_path_log(char *buf, size_t size);

#endif
