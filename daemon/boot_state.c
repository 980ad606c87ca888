/* See daemon/boot_state.h. */
#include "boot_state.h"

#include <stdio.h>
#include <string.h>

#include "entry_file.h"
#include "ini_file.h"
#include "text.h"

#define FAILED_MAX 1000000

static void on_value(void *ctx, int line, const char *section, const char *name, const char *value)
{
	struct boot_state *state = ctx;
	char id[MENU_ID_SIZE];
	const char *blank = strchr(value, ' ');
	uint64_t failed;

	(void)line;
	if (section[0])
		return;
	if (strcmp(name, "once") == 0 && entry_file_id_ok(value))
		text_copy(state->once, sizeof(state->once), value);
	if (strcmp(name, "failed") != 0 || !blank || (size_t)(blank - value) >= sizeof(id))
		return;
	memcpy(id, value, (size_t)(blank - value));
	id[blank - value] = '\0';
	if (entry_file_id_ok(id) && text_parse_uint(blank + 1, 1, FAILED_MAX, &failed) == 0)
		boot_state_set_failed(state, id, (uint32_t)failed);
}

static void on_fault(void *ctx, int line, const char *text)
{
	(void)ctx;
	(void)line;
	(void)text;
}

int boot_state_parse(const char *text, size_t n, struct boot_state *ret_state)
{
	static const struct ini_handler handler = {.value = on_value, .fault = on_fault};
	struct boot_state state = {.count = 0};
	int rc = ini_file_parse(text, n, &handler, &state);

	if (rc == 0)
		*ret_state = state;
	return rc;
}

size_t boot_state_render(const struct boot_state *state, char *buf)
{
	size_t n = (size_t)snprintf(buf, BOOT_STATE_SIZE,
				    "# Written by vmboot: once = ENTRY, failed = ENTRY STARTS\n");

	if (state->once[0])
		n += (size_t)snprintf(buf + n, BOOT_STATE_SIZE - n, "once = %s\n", state->once);
	for (unsigned int i = 0; i < state->count; i++)
		n += (size_t)snprintf(buf + n, BOOT_STATE_SIZE - n, "failed = %s %u\n",
				      state->tries[i].id, state->tries[i].failed);
	return n;
}

static unsigned int find(const struct boot_state *state, const char *id)
{
	unsigned int i = 0;

	while (i < state->count && strcmp(state->tries[i].id, id) != 0)
		i++;
	return i;
}

static void forget(struct boot_state *state, unsigned int at)
{
	state->count--;
	memmove(&state->tries[at], &state->tries[at + 1],
		(state->count - at) * sizeof(state->tries[0]));
}

uint32_t boot_state_failed(const struct boot_state *state, const char *id)
{
	unsigned int at = find(state, id);

	return at < state->count ? state->tries[at].failed : 0;
}

void boot_state_set_failed(struct boot_state *state, const char *id, uint32_t failed)
{
	unsigned int at = find(state, id);

	if (failed == 0) {
		if (at < state->count)
			forget(state, at);
		return;
	}
	if (at == state->count) {
		if (state->count == BOOT_STATE_MAX)
			forget(state, 0);
		at = state->count++;
		text_copy(state->tries[at].id, sizeof(state->tries[at].id), id);
	}
	state->tries[at].failed = failed;
}

void boot_state_rename(struct boot_state *state, const char *id, const char *to)
{
	uint32_t failed = boot_state_failed(state, id);

	boot_state_set_failed(state, id, 0);
	if (to[0])
		boot_state_set_failed(state, to, failed);
	if (strcmp(state->once, id) == 0)
		text_copy(state->once, sizeof(state->once), to);
}
