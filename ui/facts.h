/* What the daemon says of the machine (MENU_FACTS), when it was asked. Draws nothing. */
#ifndef VMB_UI_FACTS_H
#define VMB_UI_FACTS_H

#include <stdbool.h>
#include <stddef.h>

#include "menu_proto.h"

/* More than any machine has to say. */
#define FACTS_MAX 2048

struct facts {
	struct menu_fact *fact;
	unsigned int count;
	bool known;		/* a whole list has come */
	struct menu_fact *next; /* is still coming */
	unsigned int next_count;
};

/* One part of the list. 1 when it is complete, 0 when more comes, -EBADMSG, -ENOMEM. FACTS starts zeroed. */
int facts_take(struct facts *facts, const void *body, size_t size);
/* Frees what is in FACTS. */
void facts_free(struct facts *facts);

#endif
