/* The debug console: its presence byte, and lines that reach the log whole, escaped and bounded. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "vmm/platform/platform.h"

static char log_path[] = "/tmp/vmboot-debugcon-XXXXXX";
static int log_fd = -1;

static int open_log(void **state)
{
	(void)state;
	log_fd = mkstemp(log_path);
	if (log_fd < 0)
		return -1;
	log_init(log_fd, LOG_LEVEL_INFO, "test");
	return 0;
}

static int close_log(void **state)
{
	(void)state;
	log_init(-1, LOG_LEVEL_INFO, "test");
	close(log_fd);
	return unlink(log_path);
}

static int setup(void **state)
{
	struct debugcon *con;

	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
	assert_int_equal(debugcon_create(&con), 0);
	*state = con;
	return 0;
}

static int teardown(void **state)
{
	debugcon_destroy(*state);
	return 0;
}

static void say(struct debugcon *con, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		debugcon_bus_ops.write(con, 0, 1, (uint8_t)text[i]);
}

static const char *logged(void)
{
	static char buf[8192];
	ssize_t n = pread(log_fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	return buf;
}

static unsigned int count_lines(void)
{
	unsigned int lines = 0;
	off_t at = 0;
	char buf[65536];
	ssize_t n;

	while ((n = pread(log_fd, buf, sizeof(buf), at)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
		at += n;
	}
	return lines;
}

static void presence(void **state)
{
	assert_int_equal(debugcon_bus_ops.read(*state, 0, 1), 0xE9);
}

static void lines_are_logged_when_they_end(void **state)
{
	say(*state, "SecCoreStartup", 14);
	assert_null(strstr(logged(), "SecCore"));
	say(*state, "WithStack\r\n", 11);
	assert_non_null(strstr(logged(), "firmware: SecCoreStartupWithStack\n"));
	say(*state, "\n\r\n", 3); /* empty lines are not worth one */
	assert_int_equal(count_lines(), 1);
}

static void nothing_raw_reaches_the_log(void **state)
{
	static const char evil[] = "a\033[2Jb\0c\x9b\xff"
				   "d\ttail\n";

	say(*state, evil, sizeof(evil) - 1);
	for (const char *p = logged(); *p; p++)
		assert_true((*p >= ' ' && *p < 0x7F) || *p == '\n');
	assert_non_null(strstr(logged(), "\\x1b[2J"));
	assert_non_null(strstr(logged(), "tail"));
}

static void long_lines_are_cut_into_several(void **state)
{
	for (unsigned int i = 0; i < 1000; i++)
		say(*state, "x", 1);
	say(*state, "END\n", 4);
	assert_in_range(count_lines(), 2, 20);
	assert_non_null(strstr(logged(), "END"));
}

/* What was begun is not lost when the machine ends. */
static void the_last_line_is_kept(void **state)
{
	struct debugcon *con;

	(void)state;
	assert_int_equal(debugcon_create(&con), 0);
	say(con, "ASSERT here", 11);
	debugcon_destroy(con);
	assert_non_null(strstr(logged(), "ASSERT here"));
}

/* A verbose boot fits; a guest that never stops does not fill the disk. */
static void flood_is_bounded(void **state)
{
	for (unsigned int i = 0; i < 15000; i++)
		say(*state, "l\n", 2);
	assert_int_equal(count_lines(), 15000);
	for (unsigned int i = 0; i < 50000; i++)
		say(*state, "l\n", 2);
	assert_in_range(count_lines(), 20000, 20200);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(presence),
		T(lines_are_logged_when_they_end),
		T(nothing_raw_reaches_the_log),
		T(long_lines_are_cut_into_several),
		T(the_last_line_is_kept),
		T(flood_is_bounded),
	};

	return cmocka_run_group_tests_name("debugcon", tests, open_log, close_log);
}
