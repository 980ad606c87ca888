/* A report that a menu asked for: `vmboot report` in a process of its own, which may hang on a bad disk. */
#ifndef VMB_DAEMON_REPORT_H
#define VMB_DAEMON_REPORT_H

#include <stdint.h>

#include "err.h"
#include "loop.h"

struct report;

/* The report for CLIENT lies at PATH; or, PATH being NULL, ERR says why there is none. May destroy it. */
typedef void (*report_done_fn)(void *ctx, uint64_t client, const char *path,
			       const struct vmb_err *err);

/*
 * Begins one to TARGET (empty: the usual place). *RET_SOCK is the socket on which the process asks the daemon
 * as a menu does; the caller's. DONE is called once, from LOOP. 0, or -errno with the sentence.
 */
int report_begin(struct loop *loop, uint64_t client, const char *target, report_done_fn done,
		 void *ctx, int *ret_sock, struct report **ret_report, struct vmb_err *err);

/* Kills the process if it still runs. NULL is fine. */
void report_destroy(struct report *report);

#endif
