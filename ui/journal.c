/* See ui/journal.h. */
#include "ui/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

void journal_free(struct journal *journal)
{
	free(journal->lines);
	free(journal->seen);
	*journal = (struct journal){0};
}

static bool is_problem(const struct menu_log_line *line)
{
	return line->level <= LOG_LEVEL_WARN;
}

static void journal_add(struct journal *journal, const struct menu_log_line *line)
{
	unsigned int at = (journal->first + journal->count) % JOURNAL_LINES;

	if (line->seq < journal->next)
		return;
	if (journal->count == JOURNAL_LINES) {
		if (is_problem(&journal->lines[at]) && !journal->seen[at])
			journal->seen_problems++;
		journal->first = (journal->first + 1) % JOURNAL_LINES;
		journal->count--;
	}
	journal->lines[at] = *line;
	journal->lines[at].source[sizeof(line->source) - 1] = '\0';
	journal->lines[at].text[sizeof(line->text) - 1] = '\0';
	journal->seen[at] = false;
	journal->count++;
	journal->next = line->seq + 1;
	journal->known_problems += is_problem(line);
}

int journal_take_state(struct journal *journal, const void *body, size_t size)
{
	if (size != sizeof(journal->state))
		return -EBADMSG;
	memcpy(&journal->state, body, size);
	return 0;
}

int journal_take_lines(struct journal *journal, const void *body, size_t size)
{
	struct menu_log_line line;
	struct menu_list head;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (head.count > size / sizeof(line) || size != sizeof(head) + head.count * sizeof(line))
		return -EBADMSG;
	if (!journal->lines)
		journal->lines = calloc(JOURNAL_LINES, sizeof(*journal->lines));
	if (!journal->seen)
		journal->seen = calloc(JOURNAL_LINES, sizeof(*journal->seen));
	if (!journal->lines || !journal->seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < head.count; i++) {
		memcpy(&line, (const uint8_t *)body + sizeof(head) + i * sizeof(line),
		       sizeof(line));
		journal_add(journal, &line);
	}
	return 0;
}

const struct menu_log_line *journal_line(const struct journal *journal, unsigned int index)
{
	if (index >= journal->count)
		return NULL;
	return &journal->lines[(journal->first + index) % JOURNAL_LINES];
}

void journal_mark_seen(struct journal *journal, unsigned int index)
{
	unsigned int at = (journal->first + index) % JOURNAL_LINES;

	if (index >= journal->count || journal->seen[at])
		return;
	journal->seen[at] = true;
	journal->seen_problems += is_problem(&journal->lines[at]);
}

unsigned int journal_unseen(const struct journal *journal)
{
	uint32_t problems = journal->state.problems;

	if (journal->next > 0 && journal->next >= journal->state.next)
		problems = journal->known_problems;
	return problems > journal->seen_problems ? problems - journal->seen_problems : 0;
}

const char *journal_level_name(uint32_t level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return names[level < LOG_LEVEL_DEBUG ? level : LOG_LEVEL_DEBUG];
}
