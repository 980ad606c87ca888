/*
 * state.conf: what vmboot itself writes between two boots. Which entry the next start is to be, once, and how
 * many starts of an entry failed in a row. A file of its own, so that an operator's are not written at
 * every boot.
 */
#ifndef VMB_DAEMON_BOOT_STATE_H
#define VMB_DAEMON_BOOT_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "menu_proto.h"

#define BOOT_STATE_MAX 64 /* entries with failed starts that are remembered */

struct boot_state {
	char once[MENU_ID_SIZE]; /* empty: none */
	unsigned int count;
	struct {
		char id[MENU_ID_SIZE];
		uint32_t failed; /* never 0 */
	} tries[BOOT_STATE_MAX];
};

/* Reads N bytes of TEXT; lines that make no sense are left out. 0 or -ENOMEM. */
int boot_state_parse(const char *text, size_t n, struct boot_state *ret_state);

#define BOOT_STATE_SIZE ((BOOT_STATE_MAX + 4) * (MENU_ID_SIZE + 32)) /* bytes of its text */
/* The text into BUF, which has room for BOOT_STATE_SIZE; its length. */
size_t boot_state_render(const struct boot_state *state, char *buf);

/* How many starts of entry ID have failed in a row; 0 when nothing is known of it. */
uint32_t boot_state_failed(const struct boot_state *state, const char *id);
/* FAILED 0 forgets ID. When there are too many the first one is forgotten. */
void boot_state_set_failed(struct boot_state *state, const char *id, uint32_t failed);
/* The entry is called TO now; TO empty: it is gone. */
void boot_state_rename(struct boot_state *state, const char *id, const char *to);

#endif
