/*
 * See ui/keys.h. Forms: ECMA-48 control sequences and SS3 as vt220 and xterm send them, and the
 * Linux console's ESC [ [ A for F1 to F5.
 */
#include "ui/keys.h"

#include "text.h"

enum {
	STATE_GROUND,
	STATE_ESC,
	STATE_CSI,	 /* after ESC [ */
	STATE_SS3,	 /* after ESC O */
	STATE_LINUX_F,	 /* after ESC [ [ */
	STATE_STRING,	 /* after ESC ] or ESC P: swallowed up to BEL or ST */
	STATE_STRING_ESC, /* ESC inside such a string */
	STATE_UTF8,
};

#define ESC 0x1B

static bool emit(struct keys *keys, uint32_t code, bool alt, struct ui_key *ret_key)
{
	keys->state = STATE_GROUND;
	*ret_key = (struct ui_key){.code = code, .alt = alt};
	return true;
}

static bool drop(struct keys *keys)
{
	keys->state = STATE_GROUND;
	return false;
}

/* Final letters that ESC [ and ESC O share. */
static uint32_t letter_key(uint8_t byte)
{
	switch (byte) {
	case 'A': return UI_KEY_UP;
	case 'B': return UI_KEY_DOWN;
	case 'C': return UI_KEY_RIGHT;
	case 'D': return UI_KEY_LEFT;
	case 'H': return UI_KEY_HOME;
	case 'F': return UI_KEY_END;
	case 'P':
	case 'Q':
	case 'R':
	case 'S': return UI_KEY_F1 + (byte - 'P');
	default: return 0;
	}
}

/* ESC [ NUMBER ~ */
static uint32_t number_key(unsigned int number)
{
	switch (number) {
	case 1:
	case 7: return UI_KEY_HOME;
	case 2: return UI_KEY_INSERT;
	case 3: return UI_KEY_DELETE;
	case 4:
	case 8: return UI_KEY_END;
	case 5: return UI_KEY_PAGE_UP;
	case 6: return UI_KEY_PAGE_DOWN;
	default: break;
	}
	if (number >= 11 && number <= 15)
		return UI_KEY_F1 + (number - 11);
	if (number >= 17 && number <= 21)
		return UI_KEY_F1 + 5 + (number - 17);
	if (number == 23 || number == 24)
		return UI_KEY_F1 + 10 + (number - 23);
	return 0;
}

static bool csi_final(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	uint32_t code = 0;

	if (keys->private_form)
		return drop(keys);
	if (byte == '~') {
		code = number_key(keys->params);
	} else if (byte == 'Z') {
		code = UI_KEY_BACKTAB;
	} else if (byte == 'R' && keys->params > 1 && keys->param_count == 1) {
		keys->report_rows = keys->params;
		keys->report_cols = keys->second;
	} else if (keys->params <= 1) {
		/* "ESC [ 1 ; 5 A" is an arrow with a modifier. */
		code = letter_key(byte);
	}
	return code ? emit(keys, code, false, ret_key) : drop(keys);
}

static bool feed_csi(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	if (byte == '[' && keys->param_count == 0 && keys->params == 0) {
		keys->state = STATE_LINUX_F;
		return false;
	}
	if (byte >= '0' && byte <= '9') {
		if (keys->param_count == 0 && keys->params < 1000)
			keys->params = keys->params * 10 + (byte - '0');
		if (keys->param_count == 1 && keys->second < 1000)
			keys->second = keys->second * 10 + (byte - '0');
		return false;
	}
	if (byte == ';') {
		keys->param_count++;
		return false;
	}
	if (byte >= 0x20 && byte < 0x40) {
		keys->private_form = true;
		return false;
	}
	if (byte >= 0x40 && byte < 0x7F)
		return csi_final(keys, byte, ret_key);
	return drop(keys);
}

static bool feed_esc(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	switch (byte) {
	case '[':
		keys->state = STATE_CSI;
		keys->params = 0;
		keys->param_count = 0;
		keys->second = 0;
		keys->private_form = false;
		return false;
	case 'O': keys->state = STATE_SS3; return false;
	case ']':
	case 'P':
	case '_':
	case '^': keys->state = STATE_STRING; return false;
	case ESC:
		/* The first Esc stood alone; this one may begin something. */
		emit(keys, UI_KEY_ESCAPE, false, ret_key);
		keys->state = STATE_ESC;
		return true;
	default: break;
	}
	if (byte >= 0x80)
		return drop(keys);
	return emit(keys, byte, true, ret_key);
}

static uint32_t utf8_code(const uint8_t *s, unsigned int len)
{
	uint32_t code = s[0] & (0xFFu >> (len + 1));

	for (unsigned int i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3Fu);
	return code;
}

static bool feed_utf8(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	if ((byte & 0xC0) != 0x80)
		return drop(keys);
	keys->utf8[keys->utf8_len++] = byte;
	if (keys->utf8_len < keys->utf8_need)
		return false;
	if (text_utf8_len((const char *)keys->utf8, keys->utf8_len) != keys->utf8_len)
		return drop(keys);
	return emit(keys, utf8_code(keys->utf8, keys->utf8_len), false, ret_key);
}

static bool feed_ground(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	if (byte == ESC) {
		keys->state = STATE_ESC;
		return false;
	}
	if (byte < 0x80)
		return emit(keys, byte, false, ret_key);
	if (byte < 0xC2 || byte > 0xF4)
		return false;
	keys->utf8[0] = byte;
	keys->utf8_len = 1;
	keys->utf8_need = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
	keys->state = STATE_UTF8;
	return false;
}

bool keys_feed(struct keys *keys, uint8_t byte, struct ui_key *ret_key)
{
	uint32_t code;

	/* An Esc always begins anew, except where it may end a string. */
	if (byte == ESC && keys->state != STATE_GROUND && keys->state != STATE_ESC &&
	    keys->state != STATE_STRING && keys->state != STATE_STRING_ESC) {
		keys->state = STATE_ESC;
		return false;
	}
	switch (keys->state) {
	case STATE_ESC: return feed_esc(keys, byte, ret_key);
	case STATE_CSI: return feed_csi(keys, byte, ret_key);
	case STATE_SS3:
		code = byte == 'M' ? '\r' : letter_key(byte);
		return code ? emit(keys, code, false, ret_key) : drop(keys);
	case STATE_LINUX_F:
		if (byte >= 'A' && byte <= 'E')
			return emit(keys, UI_KEY_F1 + (byte - 'A'), false, ret_key);
		return drop(keys);
	case STATE_STRING:
		if (byte == ESC)
			keys->state = STATE_STRING_ESC;
		else if (byte == 0x07)
			keys->state = STATE_GROUND;
		return false;
	case STATE_STRING_ESC:
		if (byte != ESC)
			keys->state = byte == '\\' ? STATE_GROUND : STATE_STRING;
		return false;
	case STATE_UTF8: return feed_utf8(keys, byte, ret_key);
	default: return feed_ground(keys, byte, ret_key);
	}
}

bool keys_pending(const struct keys *keys)
{
	return keys->state != STATE_GROUND;
}

bool keys_take_report(struct keys *keys, int *ret_row, int *ret_col)
{
	if (keys->report_rows == 0)
		return false;
	*ret_row = (int)keys->report_rows;
	*ret_col = (int)keys->report_cols;
	keys->report_rows = 0;
	return true;
}

bool keys_timeout(struct keys *keys, struct ui_key *ret_key)
{
	if (keys->state == STATE_ESC)
		return emit(keys, UI_KEY_ESCAPE, false, ret_key);
	return drop(keys);
}
