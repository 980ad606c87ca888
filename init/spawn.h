/* Processes without a terminal: the daemon, modprobe, the DHCP client. */
#ifndef VMB_INIT_SPAWN_H
#define VMB_INIT_SPAWN_H

#include <sys/types.h>

/*
 * Starts PROGRAM (a path, or a name looked for in PATH) with ARGV in a session of its own with default signals;
 * standard input is /dev/null, standard output and error are log_child_fd(). 0 and the process, or -errno: -ENOENT
 * there is no such program.
 */
int spawn_program(const char *program, char *const argv[], pid_t *ret_pid);

#endif
