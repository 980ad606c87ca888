/* What store.c (files in memory, the directory) and store_partition.c share. */
#ifndef VMB_DAEMON_STORE_INTERNAL_H
#define VMB_DAEMON_STORE_INTERNAL_H

#include "child.h"
#include "probe_proto.h"
#include "store.h"

enum store_kind { KIND_NONE, KIND_DIRECTORY, KIND_PARTITION };

struct store {
	struct loop *loop;
	struct store_options options;
	enum store_kind kind;
	bool loaded;
	bool was_read;		 /* the partition was, without an error */
	bool gone;		 /* the partition is not there now */
	bool in_use;		 /* by a VM, or the host: it must not be mounted */
	bool write_protected;	 /* the disk itself */
	char path[VM_PATH_SIZE]; /* directory, or device */
	char fstype[24];
	char part_uuid[40], uuid[40]; /* by which the partition is known again; may be empty */
	struct vmb_err trouble;	      /* why it cannot be read or written; code 0: it can */
	struct store_file *files;
	size_t count;
	bool unmended; /* it should not be written to, and TROUBLE says why */
	/* the process that mends or reads the partition */
	struct child child;
	bool mending;
	int control; /* -1: none */
	struct loop_io *control_io;
	struct loop_timer *deadline;
	struct probe_file coming; /* what it has sent of a file */
};

/* Is FILE to be written when variables (VARS), or settings, are? */
static inline bool store_file_due(const struct store_file *file, bool vars)
{
	return file->dirty && store_dir_is_vars(file->name) == vars;
}

/* A file as the store has it; what was saved in memory meanwhile is newer. */
void store_take_file(struct store *s, const char *name, const char *text, size_t n,
		     int64_t changed);
/* One that was left out. Variables are remembered as an empty file, which is none: a guest must not begin without. */
void store_take_skipped(struct store *s, const char *name, const char *why);
/* The files are there, as far as there are any. */
void store_set_loaded(struct store *s);
/* Why it cannot be read or written. */
void store_set_trouble(struct store *s, const struct vmb_err *err);
/* It can be again. */
void store_clear_trouble(struct store *s);

/* store_partition.c: writes the files that are due. 0, or -errno with a phrase. */
int store_write_partition(struct store *s, bool vars, struct vmb_err *err);
/* Ends the probe that reads it, if there is one. */
void store_stop_reading(struct store *s);

#endif
