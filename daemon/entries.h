/*
 * The entries that can be started: files of the store, joined with the disks that are there. What changes is
 * written to the store at once; functions that write return 0, 1 with the sentence in ERR when the
 * change is kept in memory only, or -errno with the sentence.
 */
#ifndef VMB_DAEMON_ENTRIES_H
#define VMB_DAEMON_ENTRIES_H

#include <stddef.h>

#include "err.h"
#include "menu_proto.h"
#include "settings.h"
#include "store.h"

struct entries;

/* STORE and SETTINGS are borrowed. CHANGED(CTX): the list says something new. 0 or -ENOMEM. */
int entries_create(struct store *store, struct settings *settings, void (*changed)(void *ctx),
		   void *ctx, struct entries **ret_entries);
void entries_destroy(struct entries *entries); /* NULL is fine */

/* Reads the store's files; what is wrong in them goes to the log and is counted. */
void entries_load(struct entries *entries);
/* How many warnings and errors the last entries_load() found. */
uint32_t entries_problems(const struct entries *entries);

/* The disks there are now: names are resolved, and what is in the way of each entry is found out. */
void entries_see_devices(struct entries *entries, const struct menu_device *devices, size_t count);

/* The entries, and the one called ID (NULL: there is none). Valid until the next call that changes something. */
const struct menu_entry *entries_list(const struct entries *entries, size_t *ret_count);
const struct menu_entry *entries_find(const struct entries *entries, const char *id);

/* What ID's start needs, with today's paths. 0, or -errno with the sentence: a bad line, a disk that is not there. */
int entries_prepare(const struct entries *entries, const char *id, struct vm_config *ret_config,
		    struct vmb_err *err);

/*
 * What a menu does to an entry's file; RET_ID (MENU_ID_SIZE) is the id that it has then. 0 when it is on the disk; 1 with
 * the sentence (ERR may be NULL) when it is kept in memory only; -errno with the sentence, and then all is as it was.
 */
int entries_save(struct entries *entries, const struct menu_entry_save *save, char *ret_id,
		 struct vmb_err *err);
int entries_copy(struct entries *entries, const char *id, const char *title, char *ret_id,
		 struct vmb_err *err);
int entries_rename(struct entries *entries, const char *id, const char *title, char *ret_id,
		   struct vmb_err *err);
int entries_delete(struct entries *entries, const char *id, struct vmb_err *err);
/* Empty ID: none. */
int entries_set_default(struct entries *entries, const char *id, struct vmb_err *err);
int entries_set_once(struct entries *entries, const char *id, struct vmb_err *err);

/*
 * What starts by itself: the entry for once, else the default, else the next one that may, whose tries
 * are not used up. NULL: none; REASON (MENU_TEXT_SIZE) is then a sentence, or empty when there is nothing
 * to say.
 */
const struct menu_entry *entries_next(const struct entries *entries, char *reason);

/* The same without those of which it is known that they cannot start now; NULL: none. */
const struct menu_entry *entries_next_able(const struct entries *entries);

/* Before ID starts by itself: counts it as failed until it is known better, and takes "once" back. */
int entries_count_start(struct entries *entries, const char *id, struct vmb_err *err);
/* ID cannot be started: it is no more what starts by itself, until the daemon starts again. */
void entries_skip(struct entries *entries, const char *id);
/* It works: nothing failed in a row any more. */
int entries_count_success(struct entries *entries, const char *id, struct vmb_err *err);

#endif
