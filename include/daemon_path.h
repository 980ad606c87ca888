/*
 * Where the daemon and its menus meet, and where files are when nobody says otherwise: root's in the places of the
 * system, an ordinary user's below the home directory, as the XDG base directory specification has it.
 */
#ifndef VMB_INCLUDE_DAEMON_PATH_H
#define VMB_INCLUDE_DAEMON_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * The daemon's socket: /run/vmboot/daemon.sock for root, else $XDG_RUNTIME_DIR/vmboot/daemon.sock.
 * Creates nothing. 0; -ENOENT when there is no run-time directory to speak of, -ENAMETOOLONG when
 * the path does not fit BUF or a socket address. ERR may be NULL.
 */
int daemon_path_socket(char *buf, size_t size, struct vmb_err *err);

/* Connects to the daemon that listens at PATH (SOCK_SEQPACKET, close-on-exec): 0 and the socket, or -errno. */
int daemon_path_connect(const char *path, int *ret_sock);

/*
 * The directory of what lasts, as the UEFI variables of VMs started from the menu: /var/lib/vmboot for root, else vmboot
 * below $XDG_STATE_HOME or $HOME/.local/state. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then untouched.
 */
int daemon_path_state(char *buf, size_t size);

/* Is PATH, or what is there of it, in memory only, so that it is gone when this machine is switched off? */
bool daemon_path_is_volatile(const char *path);

/*
 * At how many bytes a console's log at PATH stops: VM_LOG_MAX, and where its file system lies in memory no more than
 * a 64th of MEMORY (bytes of this machine), at least 1 MiB: there are two of them.
 */
uint64_t daemon_path_log_max(const char *path, uint64_t memory);

/*
 * The raw log of the guest's console for VMs started from the menu: console.log beside the daemon's usual
 * socket. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then untouched.
 */
int daemon_path_log(char *buf, size_t size);

/*
 * The directory of settings: /etc/vmboot for root and for who has no home directory, else vmboot below
 * $XDG_CONFIG_HOME or $HOME/.config. Creates nothing. Returns BUF.
 */
char *daemon_path_config(char *buf, size_t size);

/* Disk images that every user is offered. */
#define DAEMON_PATH_IMAGES "/var/lib/vmboot/images"

/*
 * The directory of disk images: DAEMON_PATH_IMAGES for root, else vmboot/images below $XDG_DATA_HOME or
 * $HOME/.local/share. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then untouched.
 */
int daemon_path_images(char *buf, size_t size);

/*
 * mkdir -p for the directory of PATH, which must be absolute; what is missing is made for the owner only. 0, or
 * -errno.
 */
int daemon_path_make_parents(const char *path);

/*
 * The directory that notes which PCI devices are passed to guests, and what drove them before: pci beside the daemon's
 * usual socket. Creates nothing. 0, -ENOENT or -ENAMETOOLONG; BUF is then untouched.
 */
int daemon_path_pci(char *buf, size_t size);

#endif
