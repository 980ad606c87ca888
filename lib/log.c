/* See include/log.h. A line is made in one buffer and written with one write(2), so lines of
 * several threads and processes that share a descriptor do not mix. */
#include "log.h"

#include <errno.h>
#include <stdarg.h>
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
} logger = {.fd = STDERR_FILENO, .level = LOG_LEVEL_WARN, .source = "vmboot"};

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

enum log_level log_current_level(void)
{
	return logger.level;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	static const char names[][6] = {"error", "warn", "info", "debug"};
	char raw[512], safe[1024], line[1152];
	uint64_t now = now_ns();
	va_list ap;
	int saved = errno, n;

	if (logger.fd < 0 || level > logger.level)
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(raw))
		n = sizeof(raw) - 1;
	text_escape(safe, sizeof(safe), raw, (size_t)n);
	n = snprintf(line, sizeof(line), "%6llu.%03llu %s %s: %s\n",
		     (unsigned long long)(now / 1000000000ULL),
		     (unsigned long long)(now / 1000000ULL % 1000), logger.source, names[level],
		     safe);
	/* Nothing useful can be done about a log that cannot be written. */
	(void)!write(logger.fd, line, (size_t)n);
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
