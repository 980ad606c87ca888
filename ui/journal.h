/*
 * The daemon's log as this menu has been told it, and what of it the operator has seen. Keeps the newest
 * lines in memory of a fixed size. Draws nothing.
 */
#ifndef VMB_UI_JOURNAL_H
#define VMB_UI_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "menu_proto.h"

#define JOURNAL_LINES 1024

struct journal {
	struct menu_log_line *lines; /* a ring of JOURNAL_LINES, made when the first one comes */
	bool *seen;		     /* of each line in the ring: it was on the screen */
	unsigned int first, count;
	uint64_t
		next; /* sequence number to ask for; 0: nothing has come yet, so from the beginning */
	struct menu_log_state state;
	uint32_t known_problems; /* warnings and errors among all lines that ever came */
	uint32_t seen_problems;	 /* of these: seen, or dropped here to make room */
};

/* Frees its lines. JOURNAL starts zeroed. */
void journal_free(struct journal *journal);

/* MENU_LOG_STATE and MENU_LOG. 0, -EBADMSG, or -ENOMEM. */
int journal_take_state(struct journal *journal, const void *body, size_t size);
int journal_take_lines(struct journal *journal, const void *body, size_t size);

/* Line INDEX, the oldest is 0; NULL beyond the last. */
const struct menu_log_line *journal_line(const struct journal *journal, unsigned int index);

/* Line INDEX was on the screen. */
void journal_mark_seen(struct journal *journal, unsigned int index);

/*
 * Warnings and errors that were not on the screen yet. What the daemon itself no longer has when all of
 * its lines have come cannot be shown and does not count.
 */
unsigned int journal_unseen(const struct journal *journal);

/* "error", "warn", "info" or "debug". Static. */
const char *journal_level_name(uint32_t level);

#endif
