/*
 * INI text as the files of settings and themes are written in it: "name = value" lines, [sections], comments
 * after ; or # at a line's beginning and after " ;". Reads with libinih, every fault with its line,
 * and changes values in a text that an operator wrote without losing their comments.
 */
#ifndef VMB_INCLUDE_INI_FILE_H
#define VMB_INCLUDE_INI_FILE_H

#include <stddef.h>

#include "err.h"

#define INI_VALUE_SIZE 4096 /* with NUL; a longer value is a fault */

struct ini_handler {
	/* SECTION is "" before the first one; VALUE has no blanks at its ends. Valid during the call. */
	void (*value)(void *ctx, int line, const char *section, const char *name,
		      const char *value);
	/* What cannot be read at all; the other lines still are. TEXT is safe on a terminal. */
	void (*fault)(void *ctx, int line, const char *text);
};

/* Reads N bytes of TEXT. 0 (faults are the handler's), or -ENOMEM. */
int ini_file_parse(const char *text, size_t n, const struct ini_handler *handler, void *ctx);

struct ini_pair {
	const char *name;
	const char *value;
};

/*
 * OLD (N bytes, may be empty) with new values: all lines before the first section whose name is in KNOWN (NULL at
 * the end) go, the COUNT PAIRS stand where the first line of their name stood, else at the end.
 * Comments and lines of other names stay as they are. Returns the text (to be freed, its length in
 * *ret_n), or NULL without memory.
 */
char *ini_file_rewrite(const char *old, size_t n, const char *const *known,
		       const struct ini_pair *pairs, size_t count, size_t *ret_n);

/*
 * Can VALUE be written as a value and read back the same? 0, or -EINVAL with the sentence, which begins with
 * WHAT ("The title"): a line break, a comment's beginning (" ;"), blanks at an end, too long.
 */
int ini_file_check_value(const char *what, const char *value, struct vmb_err *err);

#endif
