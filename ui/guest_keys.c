/*
 * See ui/guest_keys.h. Tables: EDK2 TerminalDxe, the comment over UnicodeToEfiKey() in
 * TerminalConIn.c and, for TTY, its code (which takes ESC O H, not ESC [ H, in older versions too);
 * xterm's "Xterm Control Sequences", PC-style function keys.
 */
#include "ui/guest_keys.h"

#include <string.h>

#define KEY(name) [UI_KEY_##name - UI_KEY_UP]
#define F(n)	  [UI_KEY_F1 + (n) - 1 - UI_KEY_UP]

/* NULL: the guest knows no such key. */
static const char *const tables[GUEST_PROFILES][UI_KEY_F12 - UI_KEY_UP + 1] = {
	[GUEST_VTUTF8] = {
		KEY(UP) = "\033[A", KEY(DOWN) = "\033[B", KEY(RIGHT) = "\033[C",
		KEY(LEFT) = "\033[D", KEY(HOME) = "\033h", KEY(END) = "\033k",
		KEY(INSERT) = "\033+", KEY(DELETE) = "\033-", KEY(PAGE_UP) = "\033?",
		KEY(PAGE_DOWN) = "\033/", KEY(BACKTAB) = "\t", KEY(ESCAPE) = "\033",
		F(1) = "\0331", F(2) = "\0332", F(3) = "\0333", F(4) = "\0334", F(5) = "\0335",
		F(6) = "\0336", F(7) = "\0337", F(8) = "\0338", F(9) = "\0339", F(10) = "\0330",
		F(11) = "\033!", F(12) = "\033@",
	},
	[GUEST_XTERM] = {
		KEY(UP) = "\033[A", KEY(DOWN) = "\033[B", KEY(RIGHT) = "\033[C",
		KEY(LEFT) = "\033[D", KEY(HOME) = "\033[H", KEY(END) = "\033[F",
		KEY(INSERT) = "\033[2~", KEY(DELETE) = "\033[3~", KEY(PAGE_UP) = "\033[5~",
		KEY(PAGE_DOWN) = "\033[6~", KEY(BACKTAB) = "\033[Z", KEY(ESCAPE) = "\033",
		F(1) = "\033OP", F(2) = "\033OQ", F(3) = "\033OR", F(4) = "\033OS",
		F(5) = "\033[15~", F(6) = "\033[17~", F(7) = "\033[18~", F(8) = "\033[19~",
		F(9) = "\033[20~", F(10) = "\033[21~", F(11) = "\033[23~", F(12) = "\033[24~",
	},
	[GUEST_PCANSI] = {
		KEY(UP) = "\033[A", KEY(DOWN) = "\033[B", KEY(RIGHT) = "\033[C",
		KEY(LEFT) = "\033[D", KEY(HOME) = "\033[H", KEY(END) = "\033[F",
		KEY(INSERT) = "\033[@", KEY(DELETE) = "\033[X", KEY(PAGE_UP) = "\033[I",
		KEY(PAGE_DOWN) = "\033[G", KEY(BACKTAB) = "\t", KEY(ESCAPE) = "\033",
		F(1) = "\033[M", F(2) = "\033[N", F(3) = "\033[O", F(4) = "\033[P",
		F(5) = "\033[Q", F(6) = "\033[R", F(7) = "\033[S", F(8) = "\033[T",
		F(9) = "\033[U", F(10) = "\033[V",
	},
	[GUEST_TTYTERM] = {
		KEY(UP) = "\033[A", KEY(DOWN) = "\033[B", KEY(RIGHT) = "\033[C",
		KEY(LEFT) = "\033[D", KEY(HOME) = "\033OH", KEY(END) = "\033OF",
		KEY(INSERT) = "\033[2~", KEY(DELETE) = "\033[3~", KEY(PAGE_UP) = "\033[5~",
		KEY(PAGE_DOWN) = "\033[6~", KEY(BACKTAB) = "\t", KEY(ESCAPE) = "\033",
		F(1) = "\033OP", F(2) = "\033OQ", F(3) = "\033OR", F(4) = "\033OS",
		F(5) = "\033[15~", F(6) = "\033[17~", F(7) = "\033[18~", F(8) = "\033[19~",
		F(9) = "\033[20~", F(10) = "\033[21~", F(11) = "\033[23~", F(12) = "\033[24~",
	},
};

const char *guest_profile_name(enum guest_profile profile)
{
	static const char *const profile_names[GUEST_PROFILES] = {
		[GUEST_VTUTF8] = "VT-UTF8", [GUEST_XTERM] = "xterm", [GUEST_PCANSI] = "PC-ANSI",
		[GUEST_TTYTERM] = "TTY",
	};

	return profile_names[profile];
}

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

size_t guest_key_encode(enum guest_profile profile, const struct ui_key *key,
			uint8_t buf[GUEST_KEY_MAX])
{
	if (key->code >= UI_KEY_UP) {
		const char *bytes;
		size_t n;

		if (key->code > UI_KEY_F12)
			return 0;
		bytes = tables[profile][key->code - UI_KEY_UP];
		n = bytes ? strlen(bytes) : 0;
		if (n > 0)
			memcpy(buf, bytes, n);
		return n;
	}
	if (key->alt) {
		buf[0] = 0x1B;
		return 1 + encode_char(key->code, buf + 1);
	}
	/* Backspace: EDK2 takes 0x7F for Delete, an operating system expects it. */
	if (key->code == 0x7F || key->code == 0x08)
		return encode_char(profile == GUEST_XTERM ? 0x7F : 0x08, buf);
	return encode_char(key->code, buf);
}
