/*
 * Files of settings without sections, whose names are the rows of a table: vmboot.conf, entries/NAME.conf. What
 * is wrong in one is said line by line, the rest of it counts.
 */
#ifndef VMB_INCLUDE_INI_KEYS_H
#define VMB_INCLUDE_INI_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "ini_file.h"

#define INI_MAX_KEYS 32

/* One name that a file knows. */
struct ini_key {
	const char *name;
	/* Reads VALUE into the DST that ini_keys_parse() was given. 0, or -errno with the sentence. */
	int (*read)(void *dst, const char *value, struct vmb_err *err);
	bool decides; /* a fault here must not boot something else than was meant */
	bool repeats; /* several lines are several values */
};

struct ini_keys {
	const char *file; /* as sentences call it: "vmboot.conf", "an entry" */
	const struct ini_key *keys;
	size_t count; /* at most INI_MAX_KEYS */
};

/* Who is told of what is wrong: an error is a line that was left out, anything else a warning. */
struct ini_report {
	void (*tell)(void *ctx, int line, bool error, const char *text);
	void *ctx;
};

/* The first line that decides and was not understood; LINE 0: there is none. */
struct ini_problem {
	int line;
	char text[300];
};

/*
 * Reads N bytes of TEXT into DST. REPORT may be NULL; PROBLEM, too. A line that cannot be read at all may
 * have been any, so it decides. 0 or -ENOMEM.
 */
int ini_keys_parse(const struct ini_keys *table, const char *text, size_t n,
		   const struct ini_report *report, void *dst, struct ini_problem *problem);

/*
 * OLD (N bytes, may be empty) with COUNT values of TABLE in PAIRS instead of those that it had; comments and lines
 * with other names stay. To be freed, its length in *ret_n; or NULL with the sentence when a value cannot
 * be written.
 */
char *ini_keys_render(const struct ini_keys *table, const char *old, size_t n,
		      const struct ini_pair *pairs, size_t count, size_t *ret_n,
		      struct vmb_err *err);

#endif
