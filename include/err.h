/*
 * Errors that a person will read.
 *
 * Functions return 0 or -errno. Where the operator must be told something, the function that knows
 * the facts fills a struct vmb_err once; callers pass it up untouched. A sentence says what
 * happened, why, and what to do next.
 */
#ifndef VMB_INCLUDE_ERR_H
#define VMB_INCLUDE_ERR_H

struct vmb_err {
	int code;	/* positive errno, 0 while nothing went wrong */
	char text[480]; /* one or two sentences, UTF-8, no newline, already safe for a terminal */
};

/*
 * Stores CODE (a positive errno) and the formatted sentence in ERR and returns -CODE. ERR may be
 * NULL: then only the return value is made. Bytes in the result that could act on a terminal are
 * escaped (see text_escape()).
 */
int vmb_err_set(struct vmb_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
