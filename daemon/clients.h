/*
 * The menus that are connected. None of them can block the daemon: what a menu has to be told is
 * state (sent when its socket has room, always the newest), and the console and the log are read by
 * each menu at its own pace, so nothing is queued but a few refusals.
 */
#ifndef VMB_DAEMON_CLIENTS_H
#define VMB_DAEMON_CLIENTS_H

#include <stdint.h>

#include "autoboot.h"
#include "discovery.h"
#include "entries.h"
#include "logbook.h"
#include "loop.h"
#include "machine.h"
#include "menu_proto.h"
#include "settings.h"

struct clients;

/* What the menus see and change, all borrowed. */
struct clients_parts {
	struct discovery *discovery;
	struct machine *machine;
	struct entries *entries;
	struct settings *settings;
	struct autoboot *autoboot;
	struct logbook *logbook;
};

struct clients_events {
	void (*welcome)(void *ctx, struct menu_welcome *ret_welcome);
	/* Starts CONFIG, or the entry ID. 0, or -errno with the sentence, which goes back to the menu. */
	int (*start)(void *ctx, const struct vm_config *config, struct vmb_err *err);
	int (*start_entry)(void *ctx, const char *id, struct vmb_err *err);
	void (*rescan)(void *ctx);
	void (*scan_cancel)(void *ctx);
	/* Ends the VM and then does HOW (enum menu_power) to the host. 0, or -errno with the sentence. */
	int (*power)(void *ctx, uint32_t how, struct vmb_err *err);
	/* Begins a report for CLIENT to TARGET; clients_reported() follows. 0, or -errno with the sentence. */
	int (*report)(void *ctx, uint64_t client, const char *target, struct vmb_err *err);
	void (*left)(void *ctx); /* a menu disconnected */
};

/* PARTS is copied. 0 or -ENOMEM. */
int clients_create(struct loop *loop, const struct clients_parts *parts,
		   const struct clients_events *events, void *ctx, struct clients **ret_clients);
void clients_destroy(struct clients *clients); /* closes all; NULL is fine */

/* Takes over the connected socket SOCK. -EMFILE when there are too many (SOCK is closed). */
int clients_add(struct clients *clients, int sock);
/* How many menus and reports are connected. */
unsigned int clients_count(const struct clients *clients);

/* Something changed: tell everybody. */
void clients_devices_changed(struct clients *clients); /* and firmwares */
void clients_entries_changed(struct clients *clients); /* and the settings' store */
void clients_countdown_changed(struct clients *clients);
void clients_log_changed(struct clients *clients);
void clients_vm_changed(struct clients *clients);
void clients_output(struct clients *clients);
/* The report that CLIENT asked for lies at PATH; or, PATH being NULL, ERR says why there is none. */
void clients_reported(struct clients *clients, uint64_t client, const char *path,
		      const struct vmb_err *err);
/* The machine's answer, for those who asked. */
void clients_status(struct clients *clients, const struct vmm_status *status);

#endif
