/* What daemon.c (its parts, its menus, its end) and daemon_vm.c (its virtual machine, the host's power) share. */
#ifndef VMB_DAEMON_DAEMON_INTERNAL_H
#define VMB_DAEMON_DAEMON_INTERNAL_H

#include "daemon.h"
#include "door.h"
#include "machine.h"
#include "vars_place.h"
#include "vm_config.h"

struct daemon {
	const struct daemon_options *options;
	struct loop *loop;
	struct logbook *logbook;
	struct store *store;
	struct settings *settings;
	struct entries *entries;
	struct discovery *discovery;
	struct machine *machine;
	struct autoboot *autoboot;
	struct clients
		*clients; /* the last one that is made: while it is NULL nobody is told anything */
	int signals, uevents; /* -1: none */
	struct door door;
	char usual_config[VM_PATH_SIZE];
	struct loop_io *signal_io, *listener_io;
	struct report *report;	    /* being written, or NULL */
	struct vars_place place;    /* of the VM's variables */
	unsigned int crash_reports; /* so many were written of vmms that died */
	uint32_t power_later; /* enum menu_power, to be done when the VM has ended; 0: nothing */
	bool ending;
};

/*
 * daemon.c: a report is written into the directory TARGET ("": the usual place); CLIENT is told how it went, or with 0 the
 * VM's record and the log. 0, or -errno with the sentence: one is being written already, no process.
 */
int daemon_report(struct daemon *d, uint64_t client, const char *target, struct vmb_err *err);

/*
 * daemon_vm.c: starts a VM of CONFIG. ID: its entry, or "" for none; BY_ITSELF: nobody pressed a key for it. 0, or
 * -errno with the sentence: -ESHUTDOWN while the daemon ends, -EBUSY while another runs, else as machine_start().
 */
int daemon_start(struct daemon *d, const struct vm_config *config, const char *id, bool by_itself,
		 struct vmb_err *err);
/* The same for what entry ID says; also -errno with the sentence when there is no such entry, or it cannot start. */
int daemon_start_entry(struct daemon *d, const char *id, bool by_itself, struct vmb_err *err);

/*
 * HOW, enum menu_power, is done to this machine: at once, or when the VM that is stopped for it has ended. 0, or -errno
 * with the sentence, and then nothing was stopped.
 */
int daemon_power(struct daemon *d, uint32_t how, struct vmb_err *err);
/* HOW is done because the guest switched itself off; nothing while another VM is there or the daemon ends. */
void daemon_follow(struct daemon *d, uint32_t how);

/* Their context is the struct daemon. */
extern const struct machine_events daemon_machine_events;

#endif
