/* Processes without a terminal: the daemon, modprobe, the DHCP client, and what may wait for a disk. */
#ifndef VMB_INIT_SPAWN_H
#define VMB_INIT_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts PROGRAM (a path, or a name looked for in PATH) with ARGV in a session of its own with default signals;
 * standard input is /dev/null, standard output and error are log_child_fd(). 0 and the process, or -errno: -ENOENT
 * there is no such program.
 */
int spawn_program(const char *program, char *const argv[], pid_t *ret_pid);

/*
 * Runs FN in a process of its own and waits for it, MSEC at most; then it is left alone, since one that waits for a
 * disk cannot even be killed. False: it has not ended. Other children that end meanwhile stay for waitpid(2).
 */
bool spawn_wait_for(void (*fn)(void), unsigned int msec);

#endif
