/* What init.c (start, events), services.c (daemon and menus) and end.c (the orderly end) share. */
#ifndef VMB_INIT_INIT_INTERNAL_H
#define VMB_INIT_INIT_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backoff.h"
#include "boot_options.h"
#include "buttons.h"
#include "consoles.h"
#include "init.h"
#include "loop.h"
#include "modules.h"
#include "net.h"

#define INIT_NOTES  8
#define INIT_SOCKET "/run/vmboot/daemon.sock" /* the usual one of daemon_path_socket() */

/* One console, and the process that has it. */
struct seat {
	char name[16], path[128];
	unsigned int speed; /* of a serial line; 0: the kernel's */
	pid_t pid;	    /* 0: none yet, it waits for the daemon */
	enum console_what what;
	uint64_t started_ms; /* when it had waited for its back-off */
	struct backoff backoff;
	bool had_shell;	  /* vmboot.shell is done here */
	char notice[240]; /* for the next process */
};

enum end_stage {
	END_NOT,
	END_GUEST,  /* the daemon was told to let its guest switch itself off */
	END_DAEMON, /* the daemon was told to end */
	END_KILLED, /* and killed */
};

struct init {
	const struct init_options *options;
	struct boot_options boot;
	struct loop *loop;
	struct modules *modules;
	struct buttons *buttons;
	struct net net;
	int uevents, consoles; /* -1: none */
	struct loop_io *consoles_io;
	struct loop_timer *settle_timer, *net_timer, *retry_timer;
	bool serving; /* drivers are there, daemon and menus run */

	struct seat seats[CONSOLES_MAX];
	unsigned int seat_count;

	pid_t daemon; /* 0: none */
	bool daemon_ready;
	uint64_t daemon_started_ms;
	struct backoff daemon_backoff;
	struct loop_timer *ready_timer;
	char socket_path[108];
	char notes[INIT_NOTES][200]; /* for the daemon's log, so that they are seen in the menu */
	unsigned int note_count;

	enum end_stage end;
	int end_how; /* for reboot(2) */
	struct loop_timer *end_timer;
};

/* services.c */

/* The consoles that the kernel has now, and the board's own: a seat for each new one. */
void services_find_consoles(struct init *init);
/* Starts the daemon, and what the seats wait for, once drivers are there and vmboot.shell has had its turn. */
void services_begin(struct init *init);
/* Says NOTE (to the kernel's log, and in the daemon's). */
void services_note(struct init *init, const char *note);
/* Process PID has ended with STATUS: starts it again when it was one of these. */
void services_reap(struct init *init, pid_t pid, int status);

/* end.c */

/* Takes the machine down: HOW as of reboot(2). Asked again it waits no longer for a guest. */
void end_begin(struct init *init, int how);
/* Process PID has ended while the machine ends. */
void end_reap(struct init *init, pid_t pid);

#endif
