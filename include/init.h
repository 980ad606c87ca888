/* The init role as cmd/ starts it: PID 1 of the appliance. */
#ifndef VMB_INCLUDE_INIT_H
#define VMB_INCLUDE_INIT_H

#include <stdbool.h>

struct init_options {
	const char *
		root; /* "" for the running system; below it proc, sys, dev and run are looked for */
	const char *program; /* started as daemon and as menus: this program itself */
	bool mount;	     /* makes the file systems that everybody expects; not below a ROOT */
};

/*
 * Should this process be init? PID 1 called "init", as the kernel does, or PID 1 that finds no /proc: nobody but
 * the kernel starts a program so. ARGV0 may be NULL.
 */
bool init_is_wanted(const char *argv0);

/*
 * Brings the machine up, keeps the daemon and a menu on each console running, reaps, and takes the machine down
 * in order. Returns never: whatever fails is said, and at last there is a shell.
 */
void init_run(const struct init_options *options) __attribute__((noreturn));

#endif
