/*
 * Bytes from the operator's terminal to keys. Not curses' decoder: this one never waits, knows the
 * forms of every terminal we name at once, and drops what it does not know (line noise, replies of the
 * terminal) instead of taking it for letters.
 */
#ifndef VMB_UI_KEYS_H
#define VMB_UI_KEYS_H

#include <stdbool.h>
#include <stdint.h>

/* Codes below are Unicode characters (control characters as they came), these are the rest. */
enum ui_key_code {
	UI_KEY_UP = 0x110000,
	UI_KEY_DOWN,
	UI_KEY_RIGHT,
	UI_KEY_LEFT,
	UI_KEY_HOME,
	UI_KEY_END,
	UI_KEY_INSERT,
	UI_KEY_DELETE,
	UI_KEY_PAGE_UP,
	UI_KEY_PAGE_DOWN,
	UI_KEY_BACKTAB,
	UI_KEY_ESCAPE,
	UI_KEY_F1, /* F2 to F12 follow */
	UI_KEY_F12 = UI_KEY_F1 + 11,
};

#define UI_KEY_CTRL(letter) ((letter) & 0x1F)

/* How long the rest of an escape sequence may take; a slow serial line needs this much. */
#define UI_KEYS_WAIT_MS 300

struct ui_key {
	uint32_t code;
	bool alt; /* Esc came right before it; only a guest's console cares */
};

struct keys {
	unsigned int state; /* private to keys.c */
	unsigned int params, param_count; /* first number of a control sequence, and the ';' so far */
	unsigned int second; /* its second number */
	unsigned int report_rows, report_cols; /* the terminal said where its cursor is; 0: it did not */
	bool private_form;
	uint8_t utf8[4];
	unsigned int utf8_len, utf8_need;
};

/* KEYS starts zeroed. Feeds one byte; true if *ret_key is a key now. */
bool keys_feed(struct keys *keys, uint8_t byte, struct ui_key *ret_key);

/* True while a sequence is incomplete: call keys_timeout() after UI_KEYS_WAIT_MS without a byte. */
bool keys_pending(const struct keys *keys);

/*
 * True, once, if the terminal has said where its cursor is (ECMA-48 CPR, ESC [ row ; column R); that is no
 * key. On the first row it is taken for F3 with a modifier.
 */
bool keys_take_report(struct keys *keys, int *ret_row, int *ret_col);

/* Ends an incomplete sequence. True if it was a lone Esc, which *ret_key then is. */
bool keys_timeout(struct keys *keys, struct ui_key *ret_key);

/* CR, or LF as some terminals send it. */
static inline bool ui_key_is_enter(const struct ui_key *key)
{
	return !key->alt && (key->code == '\r' || key->code == '\n');
}

/* BS or DEL: terminals differ. */
static inline bool ui_key_is_backspace(const struct ui_key *key)
{
	return !key->alt && (key->code == 0x08 || key->code == 0x7F);
}

#endif
