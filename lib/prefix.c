/* See include/prefix.h. */
#include "prefix.h"

#include <errno.h>
#include <string.h>

static uint8_t prefix_key(uint8_t key)
{
	return key ? key : PREFIX_KEY;
}

int prefix_parse_key(const char *text, uint8_t *ret_key)
{
	uint8_t key;

	if (text[0] != '^' || text[1] == '\0' || text[2] != '\0')
		return -EINVAL;
	key = (uint8_t)text[1];
	if (key >= 'a' && key <= 'z')
		key = (uint8_t)(key - 'a' + 'A');
	if (key < 'A' || key > '_' || strchr("HIJM[", key))
		return -EINVAL;
	*ret_key = key & 0x1F;
	return 0;
}

char *prefix_key_name(uint8_t key, char buf[3])
{
	buf[0] = '^';
	buf[1] = (char)(prefix_key(key) | 0x40);
	buf[2] = '\0';
	return buf;
}

static enum prefix_action view_command(uint8_t byte, uint8_t *ret_byte)
{
	switch (byte) {
	case '[': return PREFIX_SCROLL;
	case 'm': return PREFIX_KEYMAP;
	case 'u': return PREFIX_CHARSET;
	case 'f': return PREFIX_FULL;
	case 't': return PREFIX_TRANSPARENT;
	case 'l': return PREFIX_LOG;
	case 'b': return PREFIX_BREAK;
	case '!': return PREFIX_SHELL;
	default: break;
	}
	if (byte < '0' || byte > '9')
		return PREFIX_UNKNOWN;
	*ret_byte = byte;
	return PREFIX_FKEY;
}

enum prefix_action prefix_feed(struct prefix *prefix, uint8_t byte, uint8_t *ret_byte)
{
	if (!prefix->pending) {
		if (byte == prefix_key(prefix->key)) {
			prefix->pending = true;
			return PREFIX_WAIT;
		}
		*ret_byte = byte;
		return PREFIX_PASS;
	}
	prefix->pending = false;
	if (byte == prefix_key(prefix->key)) {
		*ret_byte = byte;
		return PREFIX_PASS;
	}
	switch (byte) {
	case '?': return PREFIX_HELP;
	case '.':
	case 'd': return PREFIX_MENU;
	case 'k': return PREFIX_KILL;
	case 'r': return PREFIX_RESET;
	case 'p': return PREFIX_POWER;
	default: return prefix->view ? view_command(byte, ret_byte) : PREFIX_UNKNOWN;
	}
}

bool prefix_would_reset(unsigned int *state, uint8_t byte)
{
	static const uint8_t sequence[] = {0x1B, 'R', 0x1B, 'r', 0x1B, 'R'};

	if (byte == sequence[*state]) {
		if (*state + 1 == sizeof(sequence))
			return true;
		++*state;
	} else if (byte == 'R' && *state == 3) {
		*state = 2; /* ESC R ESC R: the latter two may begin it */
	} else {
		*state = byte == 0x1B;
	}
	return false;
}

const char *prefix_help(void)
{
	return "^] ?   this list\r\n"
	       "^] k   kill: end the virtual machine at once\r\n"
	       "^] r   reset\r\n"
	       "^] p   power button\r\n"
	       "^] ^]  send ^] to the guest\r\n";
}
