/* Small text helpers that several roles need: sizes for people, escaping of untrusted bytes. */
#ifndef VMB_INCLUDE_TEXT_H
#define VMB_INCLUDE_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Parses "64M", "2G", "512MiB", "1.5G" or plain bytes (suffixes K M G T P, also as KB or KiB, 1024-based; case does not matter).
 * Returns 0, -EINVAL when it is not a size, -ERANGE when it does not fit 64 bits.
 */
int text_parse_size(const char *s, uint64_t *ret_bytes);

/* Parses a decimal number from MIN to MAX; the whole string must be the number. 0, -EINVAL or -ERANGE. */
int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* Writes BYTES for people into BUF ("476G", "1.8T", "4M", "512"), at most one decimal; returns BUF. */
char *text_format_size(uint64_t bytes, char *buf, size_t size);

/* The same of a multiple of 1 MiB exactly: "4G", "1100M". */
char *text_format_mib(uint64_t bytes, char *buf, size_t size);

/*
 * Copies SRC (N bytes, may hold anything) to DST of SIZE bytes so that it is safe on a terminal:
 * valid UTF-8 of printable characters stays, every other byte becomes \xNN. Always terminates DST;
 * cuts at a character's boundary when it does not fit. Returns DST.
 */
char *text_escape(char *dst, size_t size, const char *src, size_t n);
/* The same of what FMT says of ARGS, of which the first 511 bytes count. */
char *text_escape_format(char *dst, size_t size, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

/* strlcpy: copies SRC to DST of SIZE bytes, always terminates. Returns 0, or -ENAMETOOLONG if it was cut. */
int text_copy(char *dst, size_t size, const char *src);

/* Takes the full stop at the end of TEXT away, so that a sentence can be a part of another one. Returns TEXT. */
char *text_drop_full_stop(char *text);

/* Length in bytes (1-4) of the valid UTF-8 sequence at S (N bytes available), 0 if invalid or cut. */
size_t text_utf8_len(const char *s, size_t n);

#endif
