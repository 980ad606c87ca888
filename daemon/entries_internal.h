/*
 * What entries.c (files joined with disks), entries_change.c (saving) and entries_start.c (what starts by itself)
 * share.
 */
#ifndef VMB_DAEMON_ENTRIES_INTERNAL_H
#define VMB_DAEMON_ENTRIES_INTERNAL_H

#include "boot_state.h"
#include "entries.h"
#include "entry_file.h"

#define ENTRIES_STATE "state.conf"

struct entries {
	struct store *store;
	struct settings *settings;
	void (*changed)(void *ctx);
	void *ctx;
	struct entry_file *files; /* as the store has them, beside LIST */
	struct menu_entry *list;
	size_t count;
	struct boot_state state;
	struct boot_state
		skipped; /* of this boot only: "failed" are those that entries_skip() named */
	uint32_t problems;
	struct menu_device *devices;
	size_t device_count;
	const char *telling; /* name of the file that is being read */
};

/* NULL when there is none. */
struct menu_entry *entries_look_up(const struct entries *e, const char *id);
/* "entries/ID.conf" into NAME; returns NAME. */
char *entries_file_name(const char *id, char name[STORE_NAME_SIZE]);
/* -ENOENT with the sentence. */
int entries_refuse_unknown(const char *id, struct vmb_err *err);

/* Reads the store's files; QUIET: what is wrong in them was told before. */
void entries_read(struct entries *e, bool quiet);
/* Joins files and disks anew, and tells that the list changed. */
void entries_refresh(struct entries *e);

/* entries_change.c: writes what is in E->state. Returns as the functions of entries.h that write. */
int entries_put_state(struct entries *e, struct vmb_err *err);

#endif
