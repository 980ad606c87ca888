/*
 * The log: one line per event, to one file descriptor, never to a terminal that curses owns.
 * Thread-safe. Text from outside is escaped. The only mutable global of the project that is not
 * the curses singleton or a signal flag lives behind this header.
 */
#ifndef VMB_INCLUDE_LOG_H
#define VMB_INCLUDE_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/*
 * Sends lines up to LEVEL to FD (borrowed; -1 drops them), each prefixed with the monotonic time
 * and SOURCE ("daemon", "vmm", ...; borrowed, not copied). Before the first call everything up to
 * warnings goes to standard error.
 */
void log_init(int fd, enum log_level level, const char *source);

/*
 * The descriptor of log_init() is a file that nobody else writes to: it begins anew when it has BYTES, so that it has an
 * end and its last lines are always there. For a program of one thread.
 */
void log_bound(uint64_t bytes);

/* The level that log_init() set: a vmm process logs as much as the one that starts it. */
enum log_level log_current_level(void);

/*
 * Also tells every line up to information to HOOK(CTX), whatever the level of the descriptor; NULL: no more.
 * It must not log. For a program of one thread.
 */
void log_set_hook(void (*hook)(void *ctx, enum log_level level, const char *source,
			       uint64_t time_ms, const char *text),
		  void *ctx);

/* Where child processes are to log: a descriptor, borrowed; -1: to our standard error. */
void log_set_child_fd(int fd);
int log_child_fd(void);

/* A line of another process as it came from there; SOURCE and TEXT are escaped here. */
void log_put(enum log_level level, const char *source, uint64_t time_ms, const char *text);

/* One line, cut at 511 bytes and escaped here; errno stays. By way of the macros below. Any thread. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For lines a guest can cause: at most 10 in 10 seconds, the rest is counted and said later. */
struct log_limit {
	_Atomic uint64_t window_start_ns;
	_Atomic uint32_t in_window;
	_Atomic uint32_t dropped;
};

/* 1 if the caller may log now, 0 if the line is to be dropped. LIMIT starts zeroed. */
int log_limit_ok(struct log_limit *limit);

#define log_guest(limit, ...)                                \
	do {                                                 \
		if (log_limit_ok(limit))                     \
			log_at(LOG_LEVEL_WARN, __VA_ARGS__); \
	} while (0)

#endif
