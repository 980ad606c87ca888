/* See init/boot_options.h. */
#include "boot_options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "entry_file.h"
#include "err.h"
#include "settings_file.h"
#include "text.h"

#define PREFIX	  "vmboot."
#define WORD_SIZE 512

/* What the option expects instead of VALUE, for a note; NULL: it was taken. VALUE is "" where there was none. */
struct option {
	const char *name;
	const char *(*read)(struct boot_options *o, const char *value);
};

static const char *read_entry(struct boot_options *o, const char *value)
{
	if (!entry_file_id_ok(value))
		return "the name of a file in entries/ without .conf";
	text_copy(o->entry, sizeof(o->entry), value);
	return NULL;
}

static const char *read_timeout(struct boot_options *o, const char *value)
{
	int32_t seconds;

	if (settings_file_parse_timeout(value, &seconds) < 0)
		return "seconds from 0, or off";
	text_copy(o->timeout, sizeof(o->timeout), value);
	return NULL;
}

static const char *read_config(struct boot_options *o, const char *value)
{
	if (value[0] != '/' || strlen(value) >= sizeof(o->config))
		return "a directory, /PATH";
	text_copy(o->config, sizeof(o->config), value);
	return NULL;
}

/* "vmboot.shell" alone, or with what people write for yes and no. */
static const char *read_flag(bool *ret, const char *value)
{
	if (strcmp(value, "") != 0 && strcmp(value, "1") != 0 && strcmp(value, "0") != 0)
		return "nothing, 1 or 0";
	*ret = value[0] != '0';
	return NULL;
}

static const char *read_shell(struct boot_options *o, const char *value)
{
	return read_flag(&o->shell, value);
}

static const char *read_debug(struct boot_options *o, const char *value)
{
	return read_flag(&o->debug, value);
}

static const char *read_net(struct boot_options *o, const char *value)
{
	const char *card = strchr(value, ',');

	if (strncmp(value, "dhcp", 4) != 0 || (value[4] && value[4] != ',') ||
	    (card && (!card[1] || strchr(card, '/') || strlen(card + 1) >= sizeof(o->card))))
		return "dhcp, or dhcp,CARD";
	o->dhcp = true;
	text_copy(o->card, sizeof(o->card), card ? card + 1 : "");
	return NULL;
}

static const struct option options[] = {
	{"entry", read_entry}, {"timeout", read_timeout}, {"config", read_config},
	{"shell", read_shell}, {"debug", read_debug},	  {"net", read_net},
};

static void take_option(struct boot_options *o, char *word)
{
	char *value = strchr(word, '='), safe[64];
	const char *expected = "entry, timeout, config, shell, debug or net";
	char *note = o->notes[o->note_count];

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(options[i].name, word) != 0)
			continue;
		expected = options[i].read(o, value ? value : "");
		if (!expected)
			return;
		break;
	}
	if (o->note_count == BOOT_OPTIONS_NOTES)
		return;
	text_escape(safe, sizeof(safe), word, strnlen(word, 20));
	snprintf(note, sizeof(o->notes[0]), "kernel command line: vmboot.%s", safe);
	if (value && value[0]) {
		text_escape(safe, sizeof(safe), value, strnlen(value, 40));
		snprintf(note + strlen(note), sizeof(o->notes[0]) - strlen(note), "=%s", safe);
	}
	snprintf(note + strlen(note), sizeof(o->notes[0]) - strlen(note),
		 " is not understood; expected %s", expected);
	o->note_count++;
}

/* Blanks between double quotes belong to the word; the quotes do not. Returns what follows, or NULL at the end. */
static const char *next_word(const char *at, char word[WORD_SIZE])
{
	bool quoted = false;
	size_t n = 0;

	while (isspace((unsigned char)*at))
		at++;
	if (!*at)
		return NULL;
	for (; *at && (quoted || !isspace((unsigned char)*at)); at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (n < WORD_SIZE - 1)
			word[n++] = *at;
	}
	word[n] = '\0';
	return at;
}

void boot_options_parse(const char *cmdline, struct boot_options *ret_options)
{
	char word[WORD_SIZE];

	memset(ret_options, 0, sizeof(*ret_options));
	while ((cmdline = next_word(cmdline, word)) != NULL)
		if (strncmp(word, PREFIX, strlen(PREFIX)) == 0)
			take_option(ret_options, word + strlen(PREFIX));
}
