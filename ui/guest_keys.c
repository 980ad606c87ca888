/*
 * See ui/guest_keys.h. Table: EDK2 TerminalDxe, TerminalConIn.c, column "VT100+ / VT-UTF8".
 */
#include "ui/guest_keys.h"

#include <string.h>

static const char *const vtutf8[] = {
	[UI_KEY_UP - UI_KEY_UP] = "\033[A",
	[UI_KEY_DOWN - UI_KEY_UP] = "\033[B",
	[UI_KEY_RIGHT - UI_KEY_UP] = "\033[C",
	[UI_KEY_LEFT - UI_KEY_UP] = "\033[D",
	[UI_KEY_HOME - UI_KEY_UP] = "\033h",
	[UI_KEY_END - UI_KEY_UP] = "\033k",
	[UI_KEY_INSERT - UI_KEY_UP] = "\033+",
	[UI_KEY_DELETE - UI_KEY_UP] = "\033-",
	[UI_KEY_PAGE_UP - UI_KEY_UP] = "\033?",
	[UI_KEY_PAGE_DOWN - UI_KEY_UP] = "\033/",
	[UI_KEY_BACKTAB - UI_KEY_UP] = "\t",
	[UI_KEY_ESCAPE - UI_KEY_UP] = "\033",
	[UI_KEY_F1 - UI_KEY_UP] = "\0331",
	[UI_KEY_F1 + 1 - UI_KEY_UP] = "\0332",
	[UI_KEY_F1 + 2 - UI_KEY_UP] = "\0333",
	[UI_KEY_F1 + 3 - UI_KEY_UP] = "\0334",
	[UI_KEY_F1 + 4 - UI_KEY_UP] = "\0335",
	[UI_KEY_F1 + 5 - UI_KEY_UP] = "\0336",
	[UI_KEY_F1 + 6 - UI_KEY_UP] = "\0337",
	[UI_KEY_F1 + 7 - UI_KEY_UP] = "\0338",
	[UI_KEY_F1 + 8 - UI_KEY_UP] = "\0339",
	[UI_KEY_F1 + 9 - UI_KEY_UP] = "\0330",
	[UI_KEY_F1 + 10 - UI_KEY_UP] = "\033!",
	[UI_KEY_F1 + 11 - UI_KEY_UP] = "\033@",
};

static size_t encode_char(uint32_t code, uint8_t *buf)
{
	if (code < 0x80) {
		buf[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		buf[0] = (uint8_t)(0xC0 | code >> 6);
		buf[1] = (uint8_t)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		buf[0] = (uint8_t)(0xE0 | code >> 12);
		buf[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
		buf[2] = (uint8_t)(0x80 | (code & 0x3F));
		return 3;
	}
	buf[0] = (uint8_t)(0xF0 | code >> 18);
	buf[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
	buf[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
	buf[3] = (uint8_t)(0x80 | (code & 0x3F));
	return 4;
}

size_t guest_key_encode(const struct ui_key *key, uint8_t buf[GUEST_KEY_MAX])
{
	if (key->code >= UI_KEY_UP) {
		size_t n;

		if (key->code > UI_KEY_F12)
			return 0;
		n = strlen(vtutf8[key->code - UI_KEY_UP]);
		memcpy(buf, vtutf8[key->code - UI_KEY_UP], n);
		return n;
	}
	if (key->alt) {
		/* ESC R ESC r ESC R resets the guest: never by pasting or by line noise. */
		if (key->code == 'R' || key->code == 'r')
			return 0;
		buf[0] = 0x1B;
		return 1 + encode_char(key->code, buf + 1);
	}
	/* EDK2 takes 0x7F for Delete. */
	return encode_char(key->code == 0x7F ? 0x08 : key->code, buf);
}
