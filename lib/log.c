/* See include/log.h. A line is made in one buffer and written with one write(2), so lines of
 * several threads and processes that share a descriptor do not mix. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define LIMIT_WINDOW_NS 10000000000ULL
#define LIMIT_LINES	10

static struct {
	int fd;
	enum log_level level;
	const char *source;
	uint64_t bound, written; /* bytes; BOUND 0: none */
	int child_fd;
	void (*hook)(void *ctx, enum log_level level, const char *source, uint64_t time_ms,
		     const char *text);
	void *hook_ctx;
} logger = {.fd = STDERR_FILENO, .level = LOG_LEVEL_WARN, .source = "vmboot", .child_fd = -1};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void log_init(int fd, enum log_level level, const char *source)
{
	logger.fd = fd;
	logger.level = level;
	logger.source = source;
}

void log_bound(uint64_t bytes)
{
	logger.bound = bytes;
	logger.written = 0;
}

enum log_level log_current_level(void)
{
	return logger.level;
}

void log_set_hook(void (*hook)(void *ctx, enum log_level level, const char *source,
			       uint64_t time_ms, const char *text),
		  void *ctx)
{
	logger.hook = hook;
	logger.hook_ctx = ctx;
}

void log_set_child_fd(int fd)
{
	logger.child_fd = fd;
}

int log_child_fd(void)
{
	return logger.child_fd;
}

static bool is_wanted(enum log_level level)
{
	return (logger.fd >= 0 && level <= logger.level) ||
	       (logger.hook && level <= LOG_LEVEL_INFO);
}

/* SAFE is escaped already. */
static void put_line(enum log_level level, const char *source, uint64_t time_ms, const char *safe)
{
	static const char names[][6] = {"error", "warn", "info", "debug"};
	char line[1152];
	int n;

	if (logger.hook && level <= LOG_LEVEL_INFO)
		logger.hook(logger.hook_ctx, level, source, time_ms, safe);
	if (logger.fd < 0 || level > logger.level)
		return;
	n = snprintf(line, sizeof(line), "%6llu.%03llu %s %s: %s\n",
		     (unsigned long long)(time_ms / 1000), (unsigned long long)(time_ms % 1000),
		     source, names[level], safe);
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	if (logger.bound && logger.written + (size_t)n > logger.bound) {
		(void)!ftruncate(logger.fd, 0);
		lseek(logger.fd, 0, SEEK_SET);
		logger.written = 0;
	}
	logger.written += (size_t)n;
	/* Nothing useful can be done about a log that cannot be written. */
	(void)!write(logger.fd, line, (size_t)n);
}

void log_put(enum log_level level, const char *source, uint64_t time_ms, const char *text)
{
	char safe[1024], name[20];

	if (!is_wanted(level))
		return;
	put_line(level, text_escape(name, sizeof(name), source, strlen(source)), time_ms,
		 text_escape(safe, sizeof(safe), text, strlen(text)));
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char safe[1024];
	va_list ap;
	int saved = errno;

	if (!is_wanted(level))
		return;
	va_start(ap, fmt);
	text_escape_format(safe, sizeof(safe), fmt, ap);
	va_end(ap);
	put_line(level, logger.source, now_ns() / 1000000, safe);
	errno = saved;
}

int log_limit_ok(struct log_limit *limit)
{
	uint64_t now = now_ns(), start = limit->window_start_ns;
	uint32_t dropped;

	if (start == 0 || now - start > LIMIT_WINDOW_NS) {
		/* One thread opens the new window; the others count in it. */
		if (atomic_compare_exchange_strong(&limit->window_start_ns, &start, now)) {
			limit->in_window = 0;
			dropped = atomic_exchange(&limit->dropped, 0);
			if (dropped > 0)
				log_warn("%u similar lines were left out", dropped);
		}
	}
	if (atomic_fetch_add(&limit->in_window, 1) < LIMIT_LINES)
		return 1;
	atomic_fetch_add(&limit->dropped, 1);
	return 0;
}
