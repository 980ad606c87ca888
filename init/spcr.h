/* The serial line that the board's firmware has its console on. */
#ifndef VMB_INIT_SPCR_H
#define VMB_INIT_SPCR_H

#include <stdbool.h>

/*
 * Finds the line that ACPI's SPCR table (Microsoft, "Serial Port Console Redirection Table") below ROOT names among
 * the kernel's: its name below /dev, and its speed in bits a second, 0 when that is to be left as it is. Linux on x86
 * takes the table for early messages only, so that the line is none of its consoles unless `console=` names it, too.
 * False: there is no table, it makes no sense, or the kernel has no such line; nothing is stored then.
 */
bool spcr_find(const char *root, char ret_name[16], unsigned int *ret_speed);

#endif
