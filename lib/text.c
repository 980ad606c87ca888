/* See include/text.h. */
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static int size_suffix_shift(const char *s, unsigned int *ret_shift)
{
	static const char letters[] = "KMGTP";
	const char *at;

	if (*s == '\0') {
		*ret_shift = 0;
		return 0;
	}
	if (strcasecmp(s, "B") == 0) {
		*ret_shift = 0;
		return 0;
	}
	at = strchr(letters, toupper((unsigned char)*s));
	if (!at)
		return -EINVAL;
	if (s[1] != '\0' && strcasecmp(s + 1, "B") != 0 && strcasecmp(s + 1, "iB") != 0)
		return -EINVAL;
	*ret_shift = 10 * (unsigned int)(at - letters + 1);
	return 0;
}

int text_parse_size(const char *s, uint64_t *ret_bytes)
{
	uint64_t whole = 0, tenths = 0, scale = 1, bytes, part;
	unsigned int shift;
	int rc;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s - '0'), &whole))
			return -ERANGE;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return -EINVAL;
		/* Six digits are more than anybody types; further ones do not matter. */
		for (; isdigit((unsigned char)*s); s++) {
			if (scale < 1000000) {
				tenths = tenths * 10 + (uint64_t)(*s - '0');
				scale *= 10;
			}
		}
	}
	rc = size_suffix_shift(s, &shift);
	if (rc < 0)
		return rc;
	if (shift == 0 && tenths != 0)
		return -EINVAL;
	if (whole > UINT64_MAX >> shift)
		return -ERANGE;
	bytes = whole << shift;
	/* tenths < 10^6 < 2^20 and shift <= 50: the product needs 128 bits. */
	part = (uint64_t)(((unsigned __int128)tenths << shift) / scale);
	if (__builtin_add_overflow(bytes, part, &bytes))
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (*s == '\0')
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
	for (; *s; s++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
			return -ERANGE;
	if (value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

char *text_format_size(uint64_t bytes, char *buf, size_t size)
{
	static const char letters[] = "KMGTPE";
	unsigned int unit = 0;
	uint64_t tenths;

	if (bytes < 1024) {
		snprintf(buf, size, "%u", (unsigned int)bytes);
		return buf;
	}
	while (unit < 5 && bytes >> (10 * (unit + 1)) >= 1024)
		unit++;
	tenths = (uint64_t)(((unsigned __int128)bytes * 10) >> (10 * (unit + 1)));
	if (tenths >= 100 || tenths % 10 == 0)
		snprintf(buf, size, "%llu%c", (unsigned long long)(tenths / 10), letters[unit]);
	else
		snprintf(buf, size, "%llu.%llu%c", (unsigned long long)(tenths / 10),
			 (unsigned long long)(tenths % 10), letters[unit]);
	return buf;
}

static uint32_t utf8_decode(const unsigned char *s, size_t len)
{
	switch (len) {
	case 1: return s[0];
	case 2: return (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
	case 3: return (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
	default:
		return (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 |
		       (s[3] & 0x3Fu);
	}
}

size_t text_utf8_len(const char *s, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *u = (const unsigned char *)s;
	size_t len;
	uint32_t code;

	if (n == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	if (u[0] >= 0xF8 || u[0] < 0xC2)
		return 0;
	len = u[0] >= 0xF0 ? 4 : u[0] >= 0xE0 ? 3 : 2;
	if (len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((u[i] & 0xC0) != 0x80)
			return 0;
	code = utf8_decode(u, len);
	/* Overlong forms, surrogates and what lies beyond Unicode are not UTF-8. */
	if (code < least[len] || (code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF)
		return 0;
	return len;
}

/* Controls act on a terminal; bidirectional marks make text read as something else. */
static int is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x200B && code <= 0x200F) ||
	       (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
	       code == 0xFEFF || (code >= 0xFFF0 && code <= 0xFFFB);
}

char *text_format_mib(uint64_t bytes, char *buf, size_t size)
{
	bool whole = bytes % (1u << 30) == 0;

	snprintf(buf, size, "%llu%c", (unsigned long long)bytes >> (whole ? 30 : 20),
		 whole ? 'G' : 'M');
	return buf;
}

char *text_escape(char *dst, size_t size, const char *src, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t out = 0;

	if (size == 0)
		return dst;
	for (size_t i = 0; i < n;) {
		size_t len = text_utf8_len(src + i, n - i);
		const unsigned char *u = (const unsigned char *)src + i;

		if (len > 0 && !is_unsafe(utf8_decode(u, len))) {
			if (out + len >= size)
				break;
			memcpy(dst + out, src + i, len);
			out += len;
			i += len;
			continue;
		}
		if (out + 4 >= size)
			break;
		dst[out++] = '\\';
		dst[out++] = 'x';
		dst[out++] = hex[u[0] >> 4];
		dst[out++] = hex[u[0] & 15];
		i++;
	}
	dst[out] = '\0';
	return dst;
}

char *text_escape_format(char *dst, size_t size, const char *fmt, va_list args)
{
	char raw[512];
	int n = vsnprintf(raw, sizeof(raw), fmt, args);

	return text_escape(dst, size, raw, n < 0 ? 0 : strnlen(raw, sizeof(raw)));
}

int text_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n < size) {
		memcpy(dst, src, n + 1);
		return 0;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return -ENAMETOOLONG;
}

char *text_drop_full_stop(char *text)
{
	size_t n = strlen(text);

	if (n > 0 && text[n - 1] == '.')
		text[n - 1] = '\0';
	return text;
}
