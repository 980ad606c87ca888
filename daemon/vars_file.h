/*
 * The file that keeps a VM's UEFI variables: read before the start, written back atomically and
 * only when it changed. It is one of this system's, or one of the store's (daemon/store.h). What valid variables are,
 * include/varstore.h knows.
 */
#ifndef VMB_DAEMON_VARS_FILE_H
#define VMB_DAEMON_VARS_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "vars_place.h"

struct vars_file {
	struct vars_place place; /* NAME is not empty: it is in the store, and PATH is for people */
	char path[PATH_MAX];	 /* links resolved; empty: variables are not kept */
	const char *aside;   /* suffix under which the present file is put aside; NULL: it is not */
	int lock;	     /* descriptor that holds the lock on the present file; -1: none */
	bool is_new;	     /* there is no file, or it is put aside */
	uint32_t size;	     /* of the variables: one of varstore.h's */
	uint8_t *store;	     /* SIZE: what the file holds, or empty variables */
	uint64_t seen;	     /* hash of what vars_file_save_quiet() saw and did not write; 0: nothing */
};

/* Where in the memfd shared with the vmm. */
enum vars_half { VARS_LIVE, VARS_GOOD };

/*
 * Reads what PLACE names, when it has a name (PLACE is copied), else PATH ("": variables are not kept); a missing file is
 * an empty store. FRESH begins with an empty store whatever the file holds. 0; -EBADMSG for a damaged, truncated or
 * foreign file, -EBUSY when another vmboot uses it, -ENOENT without its directory, or -errno; each with the sentence,
 * and the file untouched.
 */
int vars_file_open(struct vars_file *vars, const char *path, const struct vars_place *place,
		   bool fresh, struct vmb_err *err);

/*
 * Puts a file that FRESH replaces aside, as PATH.bad when it was damaged, else as PATH.old (.old.1,
 * ... when that exists). Nothing to do: 0.
 */
int vars_file_set_aside(struct vars_file *vars, struct vmb_err *err);

/*
 * The firmware's variables have SIZE bytes; it brings some (TEMPLATE; NULL: none) to begin with where there is no file
 * yet. 0, or -EBADMSG with the sentence when the file is one of the other size; it is untouched.
 */
int vars_file_fit(struct vars_file *vars, uint32_t size, const void *template_store,
		  struct vmb_err *err);

/* A memfd of twice the size whose halves hold the variables. 0 or -errno with the sentence. */
int vars_file_make_memory(const struct vars_file *vars, int *ret_fd, struct vmb_err *err);

/*
 * Writes HALF of MEMORY to the file if it is a valid store and differs from what the file holds. 0; 1 when the store has
 * it in memory only, -EBUSY in ERR meaning until its partition is free; -EBADMSG when it is not valid (the file is
 * kept), or -errno when it could not be written (the file is whole, old or new); each with the sentence.
 */
int vars_file_save(struct vars_file *vars, int memory, enum vars_half half, struct vmb_err *err);

/*
 * For a guest that runs, called again and again: the same as for VARS_LIVE once the guest has left them alone from one
 * call to the next, so that nothing half done is kept; else, or when they are not valid, 0.
 */
int vars_file_save_quiet(struct vars_file *vars, int memory, struct vmb_err *err);

/* Releases lock and memory; on a zeroed struct with lock -1 too. */
void vars_file_close(struct vars_file *vars);

#endif
