/* vmboot.conf as the daemon has it. What changes is written to the store at once. */
#ifndef VMB_DAEMON_SETTINGS_H
#define VMB_DAEMON_SETTINGS_H

#include <stdbool.h>

#include "err.h"
#include "launch.h"
#include "menu_proto.h"
#include "settings_file.h"
#include "store.h"

struct settings;

/*
 * The defaults, until settings_load(). STORE is borrowed, and so is PIN: a file outside of the store with a trust policy and
 * keys. Where it is, they come from there alone, and settings have to be signed, too. 0 or -ENOMEM.
 */
int settings_create(struct store *store, const char *pin, struct settings **ret_settings);
void settings_destroy(struct settings *settings); /* NULL is fine */

/* Reads the store's file; what is wrong in it goes to the log and is counted. */
void settings_load(struct settings *settings);

/* What the file says, or a menu saved since; valid until SETTINGS changes. Overrides are not in it. */
const struct settings_file *settings_get(const struct settings *settings);

/*
 * What holds instead of the file's for as long as this process runs, and is never written: the default entry (NULL:
 * the file's, also once an operator chooses another one), the countdown (with TIMEOUT_GIVEN).
 */
void settings_override(struct settings *settings, const char *entry, bool timeout_given,
		       int32_t timeout_s);
/* The default entry, and the seconds of the countdown (as in struct menu_settings), overrides counted in. */
const char *settings_default(const struct settings *settings); /* empty: none */
int32_t settings_timeout(const struct settings *settings);

/* Everything but the problems of other files. */
void settings_describe(const struct settings *settings, struct menu_settings *ret_settings);

/*
 * Takes the values of a menu. 0; 1 with the sentence when they are kept in memory only; -errno with the
 * sentence when they are not taken.
 */
int settings_save(struct settings *settings, const struct menu_settings *values,
		  struct vmb_err *err);

/* The entry that starts by itself; empty: none. Returns as settings_save(). */
int settings_set_default(struct settings *settings, const char *id, struct vmb_err *err);

/* The policy and the keys for what is started. */
void settings_trust(const struct settings *settings, struct launch_trust *ret_trust);

/*
 * Is FILE of the store signed (a file NAME.minisig or NAME.sig beside it) as the pinned policy asks? 0, also with no
 * more than a warning to the log; -EKEYREJECTED with a phrase ("has no signature").
 */
int settings_verify(const struct settings *settings, const struct store_file *file,
		    struct vmb_err *err);

/* May the menu change what has to be signed? 0, or -EPERM with the sentence. */
int settings_may_change(const struct settings *settings, struct vmb_err *err);

/*
 * 0 when PASSWORD is the one whose hash is in the file. -EACCES with the sentence when not; so is every
 * try within a second of a wrong one.
 */
int settings_check_password(struct settings *settings, const char *password, struct vmb_err *err);

/*
 * Makes PASSWORD the one that unlocks, of which only a hash is kept; an empty one takes the lock away. Returns as
 * settings_save().
 */
int settings_set_password(struct settings *settings, const char *password, struct vmb_err *err);

#endif
