/* See daemon/logbook.h. */
#include "logbook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

#define TELL_MS	  50
#define PIPE_LINE 1200 /* longer ones are cut in two */
/* A process that was taken over from inside may write without end. */
#define WINDOW_MS    10000
#define WINDOW_LINES 500

struct logbook {
	struct loop *loop;
	void (*changed)(void *ctx);
	void *ctx;
	struct loop_timer *timer;
	struct menu_log_line *lines; /* the one numbered N is at N modulo LOGBOOK_LINES */
	uint64_t next;
	uint32_t problems;
	int pipe[2];
	struct loop_io *pipe_io;
	char partial[PIPE_LINE];
	size_t partial_n;
	uint64_t window_start;
	unsigned int in_window, dropped;
};

static void on_timer(void *arg)
{
	struct logbook *book = arg;

	book->timer = NULL;
	book->changed(book->ctx);
}

static void on_line(void *ctx, enum log_level level, const char *source, uint64_t time_ms,
		    const char *text)
{
	struct logbook *book = ctx;
	struct menu_log_line *line = &book->lines[book->next % LOGBOOK_LINES];

	*line = (struct menu_log_line){.seq = book->next, .time_ms = time_ms, .level = level};
	text_copy(line->source, sizeof(line->source), source);
	text_copy(line->text, sizeof(line->text), text);
	book->next++;
	if (level <= LOG_LEVEL_WARN)
		book->problems++;
	if (!book->timer)
		loop_add_timer(book->loop, TELL_MS, on_timer, book, &book->timer);
}

/* ---- lines of other processes ---- */

/* May another line of a process be taken? Says how many were not, when it may again. */
static bool window_open(struct logbook *book)
{
	uint64_t now = loop_now_ms();

	if (now - book->window_start >= WINDOW_MS) {
		unsigned int dropped = book->dropped;

		book->window_start = now;
		book->in_window = 0;
		book->dropped = 0;
		if (dropped > 0)
			log_warn("%u lines of other processes were left out", dropped);
	}
	if (book->in_window++ < WINDOW_LINES)
		return true;
	book->dropped++;
	return false;
}

/* "  12.345 vmm warn: text", as lib/log.c writes it; false for anything else, and for who claims to be us. */
static bool parse_line(const char *line, uint64_t *ret_time, char ret_source[20],
		       enum log_level *ret_level, const char **ret_text)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	unsigned long long seconds;
	unsigned int ms;
	char source[20], level[8];
	int n = 0;

	if (sscanf(line, " %10llu.%3u %19s %7[a-z]: %n", &seconds, &ms, source, level, &n) != 4 ||
	    n == 0 || strcmp(source, "daemon") == 0)
		return false;
	for (unsigned int i = 0; i < 4; i++)
		if (strcmp(level, names[i]) == 0) {
			*ret_level = (enum log_level)i;
			*ret_time = seconds * 1000 + ms;
			memcpy(ret_source, source, sizeof(source));
			*ret_text = line + n;
			return true;
		}
	return false;
}

static void take_line(struct logbook *book, char *line, size_t n)
{
	enum log_level level = LOG_LEVEL_WARN;
	uint64_t time_ms = loop_now_ms();
	char source[20] = "process";
	const char *text = line;

	/* What the other side escaped stays; what it did not is escaped now. */
	for (size_t i = 0; i < n; i++)
		if (line[i] == '\0')
			line[i] = '?';
	line[n] = '\0';
	if (n == 0 || !window_open(book))
		return;
	if (!parse_line(line, &time_ms, source, &level, &text))
		text = line;
	log_put(level, source, time_ms, text);
}

static void on_pipe(void *arg, int fd, short revents)
{
	struct logbook *book = arg;
	ssize_t n = read(fd, book->partial + book->partial_n,
			 sizeof(book->partial) - 1 - book->partial_n);
	char *start = book->partial, *end;

	(void)revents;
	if (n <= 0)
		return;
	book->partial_n += (size_t)n;
	while ((end = memchr(start, '\n', book->partial_n)) != NULL) {
		book->partial_n -= (size_t)(end - start) + 1;
		take_line(book, start, (size_t)(end - start));
		start = end + 1;
	}
	if (book->partial_n == sizeof(book->partial) - 1) {
		take_line(book, start, book->partial_n);
		book->partial_n = 0;
	}
	memmove(book->partial, start, book->partial_n);
}

/* ---- reading ---- */

void logbook_describe(const struct logbook *book, struct menu_log_state *ret)
{
	*ret = (struct menu_log_state){.next = book->next, .problems = book->problems};
}

size_t logbook_read(const struct logbook *book, uint64_t seq, struct menu_log_line *lines,
		    size_t cap)
{
	uint64_t oldest = book->next > LOGBOOK_LINES ? book->next - LOGBOOK_LINES : 1;
	size_t n = 0;

	if (seq < oldest)
		seq = oldest;
	for (; n < cap && seq < book->next; seq++)
		lines[n++] = book->lines[seq % LOGBOOK_LINES];
	return n;
}

/* ---- life ---- */

int logbook_create(struct loop *loop, void (*changed)(void *ctx), void *ctx,
		   struct logbook **ret_logbook, struct vmb_err *err)
{
	struct logbook *book = calloc(1, sizeof(*book));

	if (book)
		book->lines = calloc(LOGBOOK_LINES, sizeof(*book->lines));
	if (!book || !book->lines || pipe2(book->pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		if (book)
			free(book->lines);
		free(book);
		return vmb_err_set(err, ENOMEM, "Not enough memory for the log.");
	}
	book->loop = loop;
	book->changed = changed;
	book->ctx = ctx;
	book->next = 1;
	if (loop_add_io(loop, book->pipe[0], POLLIN, on_pipe, book, &book->pipe_io) < 0) {
		logbook_destroy(book);
		return vmb_err_set(err, ENOMEM, "Not enough memory for the log.");
	}
	log_set_child_fd(book->pipe[1]);
	log_set_hook(on_line, book);
	*ret_logbook = book;
	return 0;
}

void logbook_destroy(struct logbook *book)
{
	if (!book)
		return;
	log_set_hook(NULL, NULL);
	log_set_child_fd(-1);
	loop_remove_io(book->pipe_io);
	loop_remove_timer(book->timer);
	close(book->pipe[0]);
	close(book->pipe[1]);
	free(book->lines);
	free(book);
}
