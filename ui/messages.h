/*
 * The menu's conversation with the daemon: what comes in changes the model and is told to the screens;
 * what goes out are the operator's wishes. Also the clock, which ticks while the daemon's facts count
 * time. The functions that screens call are in ui/ui.h.
 */
#ifndef VMB_UI_MESSAGES_H
#define VMB_UI_MESSAGES_H

/* A loop_io_fn for the daemon's socket; ARG is the struct ui. */
void messages_on_socket(void *arg, int fd, short revents);

#endif
