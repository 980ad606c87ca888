/* See ui/charset.h. Table: IBM code page 437, upper half, as Unicode's CP437.TXT maps it. */
#include "ui/charset.h"

#include <string.h>

#include "text.h"

#define SCORE_LIMIT 16

static const uint16_t cp437[128] = {
	0x00C7, 0x00FC, 0x00E9, 0x00E2, 0x00E4, 0x00E0, 0x00E5, 0x00E7, /* 80 */
	0x00EA, 0x00EB, 0x00E8, 0x00EF, 0x00EE, 0x00EC, 0x00C4, 0x00C5,
	0x00C9, 0x00E6, 0x00C6, 0x00F4, 0x00F6, 0x00F2, 0x00FB, 0x00F9, /* 90 */
	0x00FF, 0x00D6, 0x00DC, 0x00A2, 0x00A3, 0x00A5, 0x20A7, 0x0192,
	0x00E1, 0x00ED, 0x00F3, 0x00FA, 0x00F1, 0x00D1, 0x00AA, 0x00BA, /* A0 */
	0x00BF, 0x2310, 0x00AC, 0x00BD, 0x00BC, 0x00A1, 0x00AB, 0x00BB,
	0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, /* B0 */
	0x2555, 0x2563, 0x2551, 0x2557, 0x255D, 0x255C, 0x255B, 0x2510,
	0x2514, 0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F, /* C0 */
	0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256C, 0x2567,
	0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256B, /* D0 */
	0x256A, 0x2518, 0x250C, 0x2588, 0x2584, 0x258C, 0x2590, 0x2580,
	0x03B1, 0x00DF, 0x0393, 0x03C0, 0x03A3, 0x03C3, 0x00B5, 0x03C4, /* E0 */
	0x03A6, 0x0398, 0x03A9, 0x03B4, 0x221E, 0x03C6, 0x03B5, 0x2229,
	0x2261, 0x00B1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00F7, 0x2248, /* F0 */
	0x00B0, 0x2219, 0x00B7, 0x221A, 0x207F, 0x00B2, 0x25A0, 0x00A0,
};

/* BYTE is 0x80 and up. */
static size_t put_cp437(uint8_t byte, char *out)
{
	uint32_t code = cp437[byte - 0x80];

	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	out[0] = (char)(0xE0 | code >> 12);
	out[1] = (char)(0x80 | (code >> 6 & 0x3F));
	out[2] = (char)(0x80 | (code & 0x3F));
	return 3;
}

/* BYTE (0x80 and up), which is not part of a sequence. */
static size_t put_alone(const struct charset *charset, uint8_t byte, char *out)
{
	if (charset->mode != CHARSET_UTF8)
		return put_cp437(byte, out);
	memcpy(out, "\xEF\xBF\xBD", 3);
	return 3;
}

static void score_add(struct charset *charset, int by)
{
	charset->cp437_score += by;
	if (charset->cp437_score > SCORE_LIMIT)
		charset->cp437_score = SCORE_LIMIT;
	if (charset->cp437_score < -SCORE_LIMIT)
		charset->cp437_score = -SCORE_LIMIT;
}

/* True if the N held bytes may still become a valid sequence. */
static int may_continue(const uint8_t *s, unsigned int n)
{
	unsigned int need = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;

	if (s[0] < 0xC2 || s[0] > 0xF4 || n >= need)
		return 0;
	for (unsigned int i = 1; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	return 1;
}

/* Takes the head of the held bytes out as far as it is decided; returns bytes written. */
static size_t settle(struct charset *charset, char *out)
{
	size_t at = 0;

	while (charset->held_len > 0) {
		uint8_t *s = charset->held;
		size_t len = text_utf8_len((const char *)s, charset->held_len);
		unsigned int take = 1;

		if (len == 0 && may_continue(s, charset->held_len))
			break;
		if (len >= 2) {
			int as_utf8 = len > 2 || charset->cp437_score <= 0 ||
				      charset->mode == CHARSET_UTF8;

			/* Three bytes in the right order are hardly ever code page 437. */
			score_add(charset, len > 2 ? -4 : -1);
			if (as_utf8) {
				memcpy(out + at, s, len);
				at += len;
				take = (unsigned int)len;
			} else {
				at += put_cp437(s[0], out + at);
			}
		} else if (s[0] < 0x80) {
			out[at++] = (char)s[0];
		} else {
			score_add(charset, 1);
			at += put_alone(charset, s[0], out + at);
		}
		charset->held_len -= take;
		memmove(s, s + take, charset->held_len);
	}
	return at;
}

size_t charset_convert(struct charset *charset, const uint8_t *in, size_t n, char *out)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		if (charset->held_len == 0 && in[i] < 0x80) {
			out[at++] = (char)in[i];
			continue;
		}
		if (charset->mode == CHARSET_CP437) {
			at += put_cp437(in[i], out + at);
			continue;
		}
		charset->held[charset->held_len++] = in[i];
		at += settle(charset, out + at);
	}
	return at;
}

size_t charset_flush(struct charset *charset, char *out)
{
	size_t at = 0;

	for (unsigned int i = 0; i < charset->held_len; i++) {
		if (charset->held[i] < 0x80)
			out[at++] = (char)charset->held[i];
		else
			at += put_alone(charset, charset->held[i], out + at);
	}
	charset->held_len = 0;
	return at;
}
