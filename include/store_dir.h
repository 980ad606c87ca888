/*
 * The directory that settings are kept in: vmboot.conf, state.conf, entries/NAME.conf and the signatures beside
 * them; on a partition of its own UEFI variables, too: NAME.vars. A file is replaced whole or not at all, whenever
 * the power goes.
 */
#ifndef VMB_INCLUDE_STORE_DIR_H
#define VMB_INCLUDE_STORE_DIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_NAME_SIZE 96    /* "entries/" + id + ".conf.minisig" */
#define STORE_FILE_MAX	32768 /* bytes of one file: more is no settings file */
#define STORE_MAX_FILES 512
#define STORE_MAX_VARS	32 /* files of variables, which are bigger: see store_dir_max() */

/*
 * What a file, and the directory of entries, is called in the directory where it is made: names that FAT has no other
 * one for, so that what is left of them when the power went can be told to be nothing (storage/fsck.c).
 */
#define STORE_NEW_FILE "VMBOOT.NEW"
#define STORE_NEW_DIR  "VMBOOT.DIR"

struct store_report {
	/* CHANGED: when it was written, seconds since 1970. */
	void (*file)(void *ctx, const char *name, const char *text, size_t n, int64_t changed);
	/* NAME was left out; WHY is a phrase ("is bigger than 32 KiB"). */
	void (*skipped)(void *ctx, const char *name, const char *why);
};

/* Is NAME one that belongs into such a directory? Nothing else is read or written. */
bool store_dir_knows(const char *name);

/* Is NAME, which store_dir_knows(), a file of UEFI variables? */
bool store_dir_is_vars(const char *name);

/* How many bytes file NAME may have. */
size_t store_dir_max(const char *name);

/*
 * Reads the files of settings in DIR (a descriptor). With BENEATH no link leads out of it: for a file system that
 * somebody else may have made. 0, or -errno when it cannot be read at all.
 */
int store_dir_read(int dir, bool beneath, const struct store_report *report, void *ctx);

/* The same for the files of variables. */
int store_dir_read_vars(int dir, bool beneath, const struct store_report *report, void *ctx);

/*
 * Replaces file NAME in DIR by N bytes of DATA, or removes it (DATA NULL; a missing one is fine): a new
 * file is written and synced, renamed over the old one, and the directory synced. The new one has the old
 * one's mode and owner, else mode 0600. 0 or -errno; then the old file is still there, or
 * (only when the last sync failed) the new one.
 */
int store_dir_write(int dir, const char *name, const void *data, size_t n);

/* Renames file NAME in DIR to NAME.SUFFIX as atomic_file_set_aside() does. 0 or -errno. */
int store_dir_set_aside(int dir, const char *name, const char *suffix);

#endif
