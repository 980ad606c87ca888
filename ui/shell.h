/* The recovery shell. */
#ifndef VMB_UI_SHELL_H
#define VMB_UI_SHELL_H

#include <sys/types.h>

/* Its exit status when neither $SHELL nor /bin/sh can be executed. */
#define SHELL_NOT_FOUND 127

/*
 * Prints the banner and starts $SHELL, else /bin/sh, on this terminal, which curses must have given
 * up. VM: the title of the one that goes on meanwhile, or NULL. The caller waits for *ret_pid. 0 or
 * -errno.
 */
int shell_start(const char *vm, pid_t *ret_pid);

#endif
