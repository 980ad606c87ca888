/*
 * What a guest writes, as UTF-8 for the terminal emulator. Firmware before 2023 writes code page
 * 437, later firmware UTF-8, and nothing announces which.
 */
#ifndef VMB_UI_CHARSET_H
#define VMB_UI_CHARSET_H

#include <stddef.h>
#include <stdint.h>

enum charset_mode {
	CHARSET_AUTO, /* told apart by what comes */
	CHARSET_UTF8, /* a byte that is no UTF-8 shows as U+FFFD */
	CHARSET_CP437,
	CHARSET_MODES,
};

struct charset {
	enum charset_mode mode;
	uint8_t held[4]; /* head of a sequence whose rest has not come yet */
	unsigned int held_len;
	int cp437_score; /* above 0: bytes that could be either are taken for code page 437 */
};

/* Room OUT needs for N bytes of input. */
#define CHARSET_ROOM(n) (((n) + 4) * 3)

/*
 * Converts N bytes. Valid UTF-8 passes, any other byte from 0x80 on is code page 437. A two-byte
 * sequence may be both (0xC4 0xBF: "Ŀ", or a line and a corner); then what came before decides.
 * An incomplete sequence at the end is held back. CHARSET starts zeroed; its mode, which may say what
 * the bytes are, is changed only after charset_flush(). Returns bytes written.
 */
size_t charset_convert(struct charset *charset, const uint8_t *in, size_t n, char *out);

/* Writes what is held back as what its bytes mean alone: nothing followed it for a while. */
size_t charset_flush(struct charset *charset, char *out);

#endif
