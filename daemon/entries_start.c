/* What starts by itself, and how often it failed: see daemon/entries.h. */
#include <stdio.h>

#include "entries_internal.h"

static bool may_start(const struct entries *e, const struct menu_entry *entry)
{
	return entry->autostart && boot_state_failed(&e->skipped, entry->id) == 0 &&
	       (entry->tries == 0 || boot_state_failed(&e->state, entry->id) < entry->tries);
}

const struct menu_entry *entries_next(const struct entries *e, char *reason)
{
	const char *default_id = settings_default(e->settings);
	const struct menu_entry *entry = entries_look_up(e, e->state.once);
	size_t first;

	if (reason)
		reason[0] = '\0';
	if (entry)
		return entry;
	entry = entries_look_up(e, default_id);
	if (!entry) {
		if (reason && default_id[0])
			snprintf(reason, MENU_TEXT_SIZE,
				 "The default entry %s is not there: nothing starts by itself.",
				 default_id);
		return NULL;
	}
	/* From the default on, around once. */
	first = (size_t)(entry - e->list);
	for (size_t i = 0; i < e->count; i++)
		if (may_start(e, &e->list[(first + i) % e->count]))
			return &e->list[(first + i) % e->count];
	if (reason && !entry->autostart)
		snprintf(reason, MENU_TEXT_SIZE,
			 "The default entry %s may not start by itself (autostart = no).",
			 default_id);
	else if (reason)
		snprintf(reason, MENU_TEXT_SIZE,
			 "%s failed %u times in a row, and every other entry that may start by "
			 "itself, too: nothing starts by itself any more. Choose one, or the "
			 "default "
			 "anew.",
			 default_id, entry->failed);
	return NULL;
}

const struct menu_entry *entries_next_able(const struct entries *e)
{
	const struct menu_entry *entry = entries_look_up(e, e->state.once);
	size_t first;

	if (entry && !entry->problem[0])
		return entry;
	entry = entries_look_up(e, settings_default(e->settings));
	first = entry ? (size_t)(entry - e->list) : 0;
	for (size_t i = 0; entry && i < e->count; i++) {
		const struct menu_entry *other = &e->list[(first + i) % e->count];

		if (may_start(e, other) && !other->problem[0])
			return other;
	}
	return NULL;
}

int entries_count_start(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	boot_state_set_failed(&e->state, id, boot_state_failed(&e->state, id) + 1);
	e->state.once[0] = '\0';
	rc = entries_put_state(e, err);
	entries_refresh(e);
	return rc;
}

void entries_skip(struct entries *e, const char *id)
{
	boot_state_set_failed(&e->skipped, id, 1);
	entries_refresh(e);
}

int entries_count_success(struct entries *e, const char *id, struct vmb_err *err)
{
	int rc;

	if (boot_state_failed(&e->state, id) == 0)
		return 0;
	boot_state_set_failed(&e->state, id, 0);
	rc = entries_put_state(e, err);
	entries_refresh(e);
	return rc;
}
