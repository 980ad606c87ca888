/* Small things that a machine needs once after its start. */
#ifndef VMB_INIT_SYSTEM_H
#define VMB_INIT_SYSTEM_H

#include <stdbool.h>

/* PATH, HOME and SHELL, for us and everybody we start; the directory we are in. */
void system_set_environment(void);

/* A name, unless the kernel or /etc/hostname has one; and the loopback interface, up. */
void system_set_names(void);

/* Whether the first clock of the board below ROOT's /sys/class/rtc was the kernel's source of the time. */
bool system_clock_is_set(const char *root);

/* Sets the time by the board's clock, which is taken for UTC, if the kernel has not. */
void system_set_clock(void);

#endif
