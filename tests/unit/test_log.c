/* The log: what is written of which level, that nothing in a line acts on a terminal, and how often a guest may cause one. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static uint64_t now_s;
static int pipe_fds[2];

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	*ts = (struct timespec){.tv_sec = (time_t)now_s, .tv_nsec = 250000000};
	return 0;
}

static int setup(void **state)
{
	(void)state;
	now_s = 1000;
	log_set_hook(NULL, NULL);
	return pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK);
}

static int teardown(void **state)
{
	(void)state;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return 0;
}

/* What was written since the last call. */
static const char *written(void)
{
	static char text[4096];
	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void log_each_level(void)
{
	log_error("one");
	log_warn("two");
	log_info("three");
	log_debug("four");
}

static void lines_up_to_the_level_are_written(void **state)
{
	(void)state;
	log_init(pipe_fds[1], LOG_LEVEL_INFO, "daemon");
	assert_int_equal(log_current_level(), LOG_LEVEL_INFO);
	log_each_level();
	assert_string_equal(written(), "  1000.250 daemon error: one\n"
				       "  1000.250 daemon warn: two\n"
				       "  1000.250 daemon info: three\n");
	log_init(pipe_fds[1], LOG_LEVEL_DEBUG, "vmm");
	log_debug("%s is %d", "x", 5);
	assert_string_equal(written(), "  1000.250 vmm debug: x is 5\n");
	log_init(pipe_fds[1], LOG_LEVEL_ERROR, "vmm");
	log_each_level();
	assert_string_equal(written(), "  1000.250 vmm error: one\n");
	log_init(-1, LOG_LEVEL_DEBUG, "vmm");
	log_each_level();
	assert_string_equal(written(), "");
}

static void a_line_stays_a_line(void **state)
{
	char text[2000];

	(void)state;
	log_init(pipe_fds[1], LOG_LEVEL_WARN, "vmm");
	errno = EBUSY;
	log_warn("disk \033[2J\nvmm error: forged");
	assert_int_equal(errno, EBUSY);
	assert_string_equal(written(),
			    "  1000.250 vmm warn: disk \\x1b[2J\\x0avmm error: forged\n");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_warn("%s", text);
	assert_int_equal(strlen(written()), strlen("  1000.250 vmm warn: ") + 511 + 1);
	log_put(LOG_LEVEL_WARN, "pro\nbe", 1500, "text of\tanother");
	assert_string_equal(written(), "     1.500 pro\\x0abe warn: text of\\x09another\n");
}

/* A daemon may run for a year, and its log lie in memory. */
static void a_bounded_log_keeps_its_last_lines(void **state)
{
	int fd = memfd_create("log", MFD_CLOEXEC);
	char text[1024];
	ssize_t n;

	(void)state;
	log_init(fd, LOG_LEVEL_WARN, "daemon");
	log_bound(1000);
	for (int i = 0; i < 10000; i++) {
		log_warn("line %d", i);
		assert_in_range(lseek(fd, 0, SEEK_END), 20, 1000);
	}
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "daemon warn: line 9999\n"));
	assert_memory_equal(text, "  1000.250 daemon warn: line ", 29);
	log_bound(0);
	close(fd);
}

struct heard {
	unsigned int count;
	enum log_level level;
	char source[20], text[64];
	uint64_t time_ms;
};

static void on_line(void *ctx, enum log_level level, const char *source, uint64_t time_ms,
		    const char *text)
{
	struct heard *heard = ctx;

	heard->count++;
	heard->level = level;
	heard->time_ms = time_ms;
	snprintf(heard->source, sizeof(heard->source), "%s", source);
	snprintf(heard->text, sizeof(heard->text), "%s", text);
}

static void a_hook_hears_all_but_debugging(void **state)
{
	struct heard heard = {0};

	(void)state;
	log_init(-1, LOG_LEVEL_ERROR, "daemon");
	log_set_hook(on_line, &heard);
	log_each_level();
	assert_int_equal(heard.count, 3);
	assert_int_equal(heard.level, LOG_LEVEL_INFO);
	assert_string_equal(heard.source, "daemon");
	assert_string_equal(heard.text, "three");
	assert_int_equal(heard.time_ms, 1000250);
	log_put(LOG_LEVEL_ERROR, "vmm", 7, "\033c");
	assert_string_equal(heard.source, "vmm");
	assert_string_equal(heard.text, "\\x1bc");
	assert_int_equal(heard.time_ms, 7);
	log_set_hook(NULL, NULL);
	log_error("five");
	assert_int_equal(heard.count, 4);
}

static unsigned int lines_of(const char *text, const char *words)
{
	unsigned int n = 0;

	for (const char *at = strstr(text, words); at; at = strstr(at + 1, words))
		n++;
	return n;
}

/* include/log.h: ten lines in ten seconds, the rest is counted. */
static void a_guest_causes_few_lines(void **state)
{
	struct log_limit limit = {0}, other = {0};
	const char *text;

	(void)state;
	log_init(pipe_fds[1], LOG_LEVEL_WARN, "vmm");
	for (int i = 0; i < 50; i++)
		log_guest(&limit, "the guest did it");
	log_guest(&other, "something else");
	text = written();
	assert_int_equal(lines_of(text, "the guest did it"), 10);
	assert_int_equal(lines_of(text, "something else"), 1);
	now_s += 9;
	log_guest(&limit, "the guest did it");
	assert_string_equal(written(), "");
	now_s += 2;
	log_guest(&limit, "the guest did it");
	text = written();
	assert_non_null(strstr(text, "41 similar lines were left out"));
	assert_int_equal(lines_of(text, "the guest did it"), 1);
	now_s += 11;
	log_guest(&limit, "the guest did it");
	text = written();
	assert_null(strstr(text, "left out"));
	assert_int_equal(lines_of(text, "the guest did it"), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_up_to_the_level_are_written),  TEST(a_line_stays_a_line),
		TEST(a_bounded_log_keeps_its_last_lines), TEST(a_hook_hears_all_but_debugging),
		TEST(a_guest_causes_few_lines),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
