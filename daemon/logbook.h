/*
 * The log as menus see it: the last lines of the daemon and of its processes, numbered. It takes what
 * goes through log.h, and what vmm and probes write to their standard error.
 */
#ifndef VMB_DAEMON_LOGBOOK_H
#define VMB_DAEMON_LOGBOOK_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "loop.h"
#include "menu_proto.h"

#define LOGBOOK_LINES 1024 /* kept */

struct logbook;

/*
 * Takes log.h's hook and child descriptor until logbook_destroy(). CHANGED(CTX) is called a moment after new
 * lines came. 0 or -errno with the sentence.
 */
int logbook_create(struct loop *loop, void (*changed)(void *ctx), void *ctx,
		   struct logbook **ret_logbook, struct vmb_err *err);
void logbook_destroy(struct logbook *logbook); /* NULL is fine */

/* The number of the next line, and how many warnings and errors there were.  */
void logbook_describe(const struct logbook *logbook, struct menu_log_state *ret_state);

/*
 * Up to CAP lines from sequence number SEQ on (an older one: from the oldest that is kept) into
 * LINES; returns how many.
 */
size_t logbook_read(const struct logbook *logbook, uint64_t seq, struct menu_log_line *lines,
		    size_t cap);

#endif
