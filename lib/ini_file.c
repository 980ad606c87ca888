/* See include/ini_file.h. */
#include "ini_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "text.h"

#define BLANKS	  " \t"
#define NAME_SIZE 50 /* inih cuts longer ones */

/*
 * Lines may be longer than inih takes (200 bytes as Debian builds it), a kernel's command line is: the rest goes
 * to inih as continuation lines, which begin with a blank, and is put together again here.
 */
struct parser {
	const struct ini_handler *handler;
	void *ctx;
	const char *at, *end;	     /* of the text that was not read yet */
	const char *rest, *rest_end; /* of the line that is being handed over; REST NULL: none */
	int line;
	bool open; /* a value waits for its continuation or its end */
	int value_line;
	char section[NAME_SIZE], name[NAME_SIZE];
	char value[INI_VALUE_SIZE];
};

static void __attribute__((format(printf, 2, 3))) fault(struct parser *p, const char *fmt, ...)
{
	char raw[300], text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	p->handler->fault(p->ctx, p->line, text_escape(text, sizeof(text), raw, strlen(raw)));
}

static void flush_value(struct parser *p)
{
	if (p->open)
		p->handler->value(p->ctx, p->value_line, p->section, p->name, p->value);
	p->open = false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* Where the comment behind a value begins: a ";" at its beginning or after a blank; else END. */
static const char *find_comment(const char *start, const char *end)
{
	for (const char *p = start; p < end; p++)
		if (*p == ';' && (p == start || is_blank(p[-1])))
			return p;
	return end;
}

/* Takes the next line without the blanks around it and its comment; NULL when it is not to be read. */
static const char *take_line(struct parser *p, const char **ret_end)
{
	const char *start = p->at, *end = memchr(start, '\n', (size_t)(p->end - start)), *equals;

	if (!end)
		end = p->end;
	p->at = end + (end < p->end);
	p->line++;
	if (p->line == 1 && end - start >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0)
		start += 3;
	if (memchr(start, '\0', (size_t)(end - start))) {
		fault(p, "A byte here is no text; expected: name = value.");
		return NULL;
	}
	while (start < end && is_blank(*start))
		start++;
	while (end > start && is_blank(end[-1]))
		end--;
	if (start == end || *start == ';' || *start == '#')
		return NULL;
	*ret_end = end;
	if (*start == '[') {
		if (memchr(start, ']', (size_t)(end - start)) && end - start < NAME_SIZE)
			return start;
		fault(p, "\"%.*s\" is no section; expected [name].",
		      end - start < 40 ? (int)(end - start) : 40, start);
		return NULL;
	}
	equals = memchr(start, '=', (size_t)(end - start));
	if (!equals || equals == start || equals - start >= NAME_SIZE) {
		fault(p, "\"%.*s\" is neither a comment nor a value; expected: name = value.",
		      end - start < 40 ? (int)(end - start) : 40, start);
		return NULL;
	}
	*ret_end = find_comment(equals + 1, end);
	return start;
}

/* Up to ROOM bytes such that neither side of the cut is something inih would take away. */
static size_t cut_line(const char *start, const char *end, size_t room)
{
	size_t n = (size_t)(end - start);

	if (n <= room)
		return n;
	for (n = room; n > 0; n--)
		if (!is_blank(start[n - 1]) && !is_blank(start[n]) && !strchr(";#", start[n]) &&
		    start[n - 1] != '=')
			return n;
	return 0;
}

/* An ini_reader. */
static char *read_piece(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	bool continues = p->rest != NULL;
	size_t n;

	while (!p->rest) {
		flush_value(p);
		if (p->at >= p->end)
			return NULL;
		p->rest = take_line(p, &p->rest_end);
	}
	/* inih joins a line to the one before when a blank precedes it. */
	n = cut_line(p->rest, p->rest_end, (size_t)size - 2);
	buf[0] = ' ';
	memcpy(buf + continues, p->rest, n);
	buf[n + continues] = '\0';
	if (n == 0) {
		fault(p, "The line is too long.");
		p->open = false;
	}
	p->rest += n;
	if (n == 0 || p->rest == p->rest_end)
		p->rest = NULL;
	return buf;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	size_t have = p->open ? strlen(p->value) : 0;

	if (!p->open) {
		p->open = true;
		p->value_line = p->line;
		text_copy(p->section, sizeof(p->section), section);
		text_copy(p->name, sizeof(p->name), name);
	}
	if (text_copy(p->value + have, sizeof(p->value) - have, value) < 0) {
		fault(p, "The value is longer than %d bytes.", INI_VALUE_SIZE - 1);
		p->open = false;
		p->rest = NULL;
	}
	return 1;
}

int ini_file_parse(const char *text, size_t n, const struct ini_handler *handler, void *ctx)
{
	struct parser *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->handler = handler;
	p->ctx = ctx;
	p->at = text;
	p->end = text + n;
	rc = ini_parse_stream(read_piece, p, on_value, p);
	free(p);
	return rc < 0 ? -ENOMEM : 0;
}

/* ---- changing ---- */

struct rewriter {
	char *text;
	size_t size, room;
	bool failed;
};

static void put(struct rewriter *w, const char *text, size_t n)
{
	char *grown;

	if (w->size + n + 1 > w->room) {
		grown = realloc(w->text, (w->size + n + 1) * 2);
		if (!grown) {
			w->failed = true;
			return;
		}
		w->text = grown;
		w->room = (w->size + n + 1) * 2;
	}
	memcpy(w->text + w->size, text, n);
	w->size += n;
	w->text[w->size] = '\0';
}

static void put_pair(struct rewriter *w, const struct ini_pair *pair)
{
	put(w, pair->name, strlen(pair->name));
	put(w, " = ", 3);
	put(w, pair->value, strlen(pair->value));
	put(w, "\n", 1);
}

/* Puts all pairs called NAME (of N characters). */
static void put_named(struct rewriter *w, const struct ini_pair *pairs, size_t count,
		      const char *name, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(pairs[i].name) == n && strncmp(pairs[i].name, name, n) == 0)
			put_pair(w, &pairs[i]);
}

static bool is_named(const char *const *names, const char *name, size_t n)
{
	for (; *names; names++)
		if (strlen(*names) == n && strncmp(*names, name, n) == 0)
			return true;
	return false;
}

/* The name in a line from START to END; its length, 0 when the line has none. */
static size_t line_name(const char **start, const char *end)
{
	const char *p = *start, *equals;

	while (p < end && is_blank(*p))
		p++;
	*start = p;
	if (p == end || *p == ';' || *p == '#')
		return 0;
	equals = memchr(p, '=', (size_t)(end - p));
	if (!equals)
		return 0;
	while (equals > p && is_blank(equals[-1]))
		equals--;
	return (size_t)(equals - p);
}

/* Does a line before AT have the NAME (of N characters), too? */
static bool was_named(const char *old, const char *at, const char *name, size_t n)
{
	while (old < at) {
		const char *end = memchr(old, '\n', (size_t)(at - old)), *start = old;

		if (!end)
			return false;
		if (line_name(&start, end) == n && strncmp(start, name, n) == 0)
			return true;
		old = end + 1;
	}
	return false;
}

/* Pairs whose name no line before AT has. */
static void put_missing(struct rewriter *w, const struct ini_pair *pairs, size_t count,
			const char *old, const char *at)
{
	for (size_t i = 0; i < count; i++)
		if (!was_named(old, at, pairs[i].name, strlen(pairs[i].name)))
			put_pair(w, &pairs[i]);
}

char *ini_file_rewrite(const char *old, size_t n, const char *const *known,
		       const struct ini_pair *pairs, size_t count, size_t *ret_n)
{
	const char *at = old, *stop = old + n;
	struct rewriter w = {0};

	while (at < stop) {
		const char *end = memchr(at, '\n', (size_t)(stop - at)), *name = at;
		const char *next = end ? end + 1 : stop;
		size_t len = line_name(&name, end ? end : stop);

		if (*name == '[')
			break;
		if (len == 0 || !is_named(known, name, len)) {
			put(&w, at, (size_t)(next - at));
			if (!end)
				put(&w, "\n", 1);
		} else if (!was_named(old, at, name, len)) {
			put_named(&w, pairs, count, name, len);
		}
		at = next;
	}
	put_missing(&w, pairs, count, old, at);
	put(&w, at, (size_t)(stop - at));
	if (w.failed) {
		free(w.text);
		return NULL;
	}
	*ret_n = w.size;
	return w.text;
}

int ini_file_check_value(const char *what, const char *value, struct vmb_err *err)
{
	size_t n = strlen(value);

	if (n >= INI_VALUE_SIZE)
		return vmb_err_set(err, EINVAL, "%s is longer than %d bytes. Shorten it.", what,
				   INI_VALUE_SIZE - 1);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 0x7F)
			return vmb_err_set(err, EINVAL,
					   "%s holds a control character, which a settings file "
					   "cannot. Take it out.",
					   what);
	if (n > 0 && (is_blank(value[0]) || is_blank(value[n - 1])))
		return vmb_err_set(err, EINVAL,
				   "%s begins or ends with a blank, which is lost in a settings "
				   "file. Take it away.",
				   what);
	if (find_comment(value, value + n) < value + n)
		return vmb_err_set(err, EINVAL,
				   "%s holds \" ;\", which begins a comment in a settings file. "
				   "Take the blank or the semicolon away.",
				   what);
	return 0;
}
