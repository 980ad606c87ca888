/* Files by which PID 1 and the daemon know of each other, as they have no other connection. */
#ifndef VMB_INCLUDE_INIT_MARK_H
#define VMB_INCLUDE_INIT_MARK_H

#define INIT_MARK_DIR "/run/vmboot"
/* Init is this program: it makes the file. Who switches the machine off asks PID 1. */
#define INIT_MARK INIT_MARK_DIR "/init"
/* The settings give a shell to nobody, or only to who knows the password: the daemon makes the file. */
#define INIT_NO_SHELL INIT_MARK_DIR "/no-shell"

#endif
