/* Small things that a machine needs once after its start. */
#ifndef VMB_INIT_SYSTEM_H
#define VMB_INIT_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* PATH, HOME and SHELL, for us and everybody we start; the directory we are in. */
void system_set_environment(void);

/* A name, unless the kernel or /etc/hostname has one; and the loopback interface, up. */
void system_set_names(void);

/* Whether the first clock of the board below ROOT's /sys/class/rtc was the kernel's source of the time. */
bool system_clock_is_set(const char *root);

/* Sets the time by the board's clock, which is taken for UTC, if the kernel has not. What is wrong with it goes to NOTE, else "". */
void system_set_clock(char *note, size_t size);

/* Is NOW a time that can be? If not, NOTE says what to do. */
bool system_clock_is_possible(time_t now, char *note, size_t size);

#endif
