/* The power button, and power keys of keyboards: input devices of the kernel (input(5), linux/input.h). */
#ifndef VMB_INIT_BUTTONS_H
#define VMB_INIT_BUTTONS_H

#include "loop.h"

struct buttons;

/*
 * ROOT as in struct init_options. PRESSED is called each time that one goes down. All borrowed. 0 or
 * -ENOMEM.
 */
int buttons_create(struct loop *loop, const char *root, void (*pressed)(void *ctx), void *ctx,
		   struct buttons **ret_buttons);

/* Looks for devices below /dev/input that are not known yet. */
void buttons_look(struct buttons *buttons);

#endif
