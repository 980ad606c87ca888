/*
 * What is left when init cannot go on: a shell on the kernel's console, for ever. PID 1 must not end: the kernel would
 * panic.
 */
#ifndef VMB_INIT_LAST_RESORT_H
#define VMB_INIT_LAST_RESORT_H

#include <sys/types.h>

/* A shell on ROOT/dev/console, and another one when it ends; WHY is said before. */
void last_resort(const char *root, const char *why) __attribute__((noreturn));

/* From now on a crash of this process gives that shell, too; the other processes go on. ROOT stays the caller's. */
void last_resort_catch_crashes(const char *root);

/* Process PID (0: none) has the console's keys: it is ended before a crash gives them to a shell. */
void last_resort_displace(pid_t pid);

#endif
