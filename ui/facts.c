/* See ui/facts.h. */
#include "ui/facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void facts_free(struct facts *facts)
{
	free(facts->fact);
	free(facts->next);
	*facts = (struct facts){0};
}

static int facts_add(struct facts *facts, const uint8_t *items, unsigned int count)
{
	struct menu_fact *grown;

	if (count > FACTS_MAX - facts->next_count)
		count = FACTS_MAX - facts->next_count;
	if (count == 0)
		return 0;
	grown = realloc(facts->next, (facts->next_count + count) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	facts->next = grown;
	memcpy(grown + facts->next_count, items, count * sizeof(*grown));
	for (unsigned int i = facts->next_count; i < facts->next_count + count; i++) {
		grown[i].group[sizeof(grown[i].group) - 1] = '\0';
		grown[i].name[sizeof(grown[i].name) - 1] = '\0';
		grown[i].value[sizeof(grown[i].value) - 1] = '\0';
	}
	facts->next_count += count;
	return 0;
}

int facts_take(struct facts *facts, const void *body, size_t size)
{
	struct menu_list head;
	int rc;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (head.count > size / sizeof(*facts->fact) ||
	    size != sizeof(head) + head.count * sizeof(*facts->fact))
		return -EBADMSG;
	if (head.first) {
		free(facts->next);
		facts->next = NULL;
		facts->next_count = 0;
	}
	rc = facts_add(facts, (const uint8_t *)body + sizeof(head), head.count);
	if (rc < 0 || !head.last)
		return rc;
	free(facts->fact);
	facts->fact = facts->next;
	facts->count = facts->next_count;
	facts->next = NULL;
	facts->next_count = 0;
	facts->known = true;
	return 1;
}
