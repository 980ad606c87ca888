/*
 * Where settings and entries live, as the daemon has them: all files in memory, and behind them a
 * directory, a partition labelled VMBOOT, or nothing. What cannot be written stays in memory, and is
 * tried again when something changes. A partition is only touched by a process of its own.
 */
#ifndef VMB_DAEMON_STORE_H
#define VMB_DAEMON_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "loop.h"
#include "menu_proto.h"
#include "store_dir.h"

struct store;

struct store_options {
	const char *config; /* --config: this directory, and no other; NULL: look for one */
	const char *usual;  /* the directory to try first otherwise: "/etc/vmboot" */
	bool make_usual;    /* it is taken before it is there, and made when something is saved */
	bool mends;	    /* a partition that a power cut left unfinished at once, not only when it is written to */
	void (*loaded)(void *ctx);  /* the files are there, or others than before */
	void (*changed)(void *ctx); /* store_describe() says something new */
	void *ctx;
};

struct store_file {
	char name[STORE_NAME_SIZE];
	char *text; /* NULL: removed, and the store does not know it yet */
	size_t size;
	int64_t changed; /* seconds since 1970 */
	bool dirty;	 /* the store has another one, or none */
	uint8_t aside;	 /* enum probe_aside: the removed one is to be kept under another name */
};

/* Does the store keep files of UEFI variables? */
enum store_vars {
	STORE_VARS_NO, /* it is a directory, or none: they are elsewhere */
	STORE_VARS_WAITING,
	STORE_VARS_UNREAD, /* those on the partition are not known */
	STORE_VARS_YES,
};

/* Reads a directory at once. OPTIONS is copied, what it points to borrowed. 0, or -errno with the sentence. */
int store_create(struct loop *loop, const struct store_options *options, struct store **ret_store,
		 struct vmb_err *err);
/* What is not written yet is lost. NULL is fine. */
void store_destroy(struct store *store);

/* The disks there are now: without a directory a partition labelled VMBOOT is looked for among them. */
void store_see_devices(struct store *store, const struct menu_device *devices, size_t count,
		       bool scanning);

/* Whether the files are there: false while a partition may still be found. */
bool store_is_loaded(const struct store *store);

/* NULL when there is none. Valid until the next change. */
const struct store_file *store_find(const struct store *store, const char *name);
/* The file number INDEX in natural order of names, removed ones included; NULL at the end. */
const struct store_file *store_at(const struct store *store, size_t index);

/*
 * Replaces file NAME by N bytes of TEXT (NULL: removes it). 0 when it is on the disk; 1 with the sentence
 * in ERR (may be NULL) when it is kept in memory only, for this boot; -errno when it is not even that.
 */
int store_put(struct store *store, const char *name, const char *text, size_t n,
	      struct vmb_err *err);

/* Is file NAME in memory only, or another one there? */
bool store_is_dirty(const struct store *store, const char *name);

/* Does it, as far as is known by now? */
enum store_vars store_vars(const struct store *store);

/*
 * Renames the variables NAME to NAME.old, or NAME.bad with BAD; there are none then. 0, also when there were none, or
 * -errno with the sentence: they are as they were.
 */
int store_set_aside(struct store *store, const char *name, bool bad, struct vmb_err *err);

/* Tries to write what is in memory only. 0, or 1 with the sentence when something still is. */
int store_flush(struct store *store, struct vmb_err *err);

/* Fills STORE_STATE, STORE and STORE_TEXT. */
void store_describe(const struct store *store, struct menu_settings *ret_settings);

/* What NAME is called for people: "/etc/vmboot/entries/a.conf", "entries/a.conf on /dev/sda3". Returns BUF. */
char *store_path(const struct store *store, const char *name, char *buf, size_t size);

#endif
