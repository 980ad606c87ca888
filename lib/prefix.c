/* See include/prefix.h. */
#include "prefix.h"

static enum prefix_action view_command(uint8_t byte, uint8_t *ret_byte)
{
	switch (byte) {
	case '[': return PREFIX_SCROLL;
	case 'm': return PREFIX_KEYMAP;
	case 'u': return PREFIX_CHARSET;
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
		if (byte == PREFIX_KEY) {
			prefix->pending = true;
			return PREFIX_WAIT;
		}
		*ret_byte = byte;
		return PREFIX_PASS;
	}
	prefix->pending = false;
	switch (byte) {
	case PREFIX_KEY: *ret_byte = byte; return PREFIX_PASS;
	case '?': return PREFIX_HELP;
	case '.':
	case 'd': return PREFIX_MENU;
	case 'k': return PREFIX_KILL;
	case 'r': return PREFIX_RESET;
	case 'p': return PREFIX_POWER;
	default: return prefix->view ? view_command(byte, ret_byte) : PREFIX_UNKNOWN;
	}
}

const char *prefix_help(void)
{
	return "^] ?   this list\r\n"
	       "^] k   kill: end the virtual machine at once\r\n"
	       "^] r   reset\r\n"
	       "^] p   power button\r\n"
	       "^] ^]  send ^] to the guest\r\n";
}
