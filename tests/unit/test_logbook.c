/* The log as menus see it: numbered lines of this process and of others, bounded whatever comes. */
#include "test.h"

#include <stdio.h>
#include <unistd.h>

#include "daemon/logbook.h"
#include "log.h"

struct fixture {
	struct loop *loop;
	struct logbook *book;
	unsigned int tellings;
	struct menu_log_line lines[LOGBOOK_LINES];
};

static void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->tellings++;
}

static void on_time(void *arg)
{
	struct fixture *f = arg;

	loop_quit(f->loop, 0);
}

static void run(struct fixture *f, uint64_t ms)
{
	struct loop_timer *timer;

	assert_int_equal(loop_add_timer(f->loop, ms, on_time, f, &timer), 0);
	assert_int_equal(loop_run(f->loop), 0);
}

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	log_init(-1, LOG_LEVEL_ERROR, "daemon");
	*state = f;
	return loop_create(&f->loop) < 0 ||
	       logbook_create(f->loop, on_changed, f, &f->book, NULL) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	logbook_destroy(f->book);
	loop_destroy(f->loop);
	test_free(f);
	return 0;
}

static void lines_are_numbered_and_problems_counted(void **state)
{
	struct fixture *f = *state;
	struct menu_log_state about;

	logbook_describe(f->book, &about);
	assert_int_equal(about.next, 1);
	assert_int_equal(about.problems, 0);
	log_info("one");
	log_warn("two \033[2J");
	log_error("three");
	log_debug("not told");
	logbook_describe(f->book, &about);
	assert_int_equal(about.next, 4);
	assert_int_equal(about.problems, 2);
	assert_int_equal(logbook_read(f->book, 2, f->lines, LOGBOOK_LINES), 2);
	assert_int_equal(f->lines[0].seq, 2);
	assert_int_equal(f->lines[0].level, LOG_LEVEL_WARN);
	assert_string_equal(f->lines[0].source, "daemon");
	assert_string_equal(f->lines[0].text, "two \\x1b[2J");
	assert_string_equal(f->lines[1].text, "three");
	assert_int_equal(logbook_read(f->book, 4, f->lines, LOGBOOK_LINES), 0);
	/* Told once for all of them, a moment later. */
	assert_int_equal(f->tellings, 0);
	run(f, 200);
	assert_int_equal(f->tellings, 1);
}

static void the_oldest_lines_go(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i <= LOGBOOK_LINES + 10; i++)
		log_info("line %d", i);
	assert_int_equal(logbook_read(f->book, 1, f->lines, LOGBOOK_LINES), LOGBOOK_LINES);
	assert_int_equal(f->lines[0].seq, 11);
	assert_string_equal(f->lines[0].text, "line 11");
	assert_int_equal(f->lines[LOGBOOK_LINES - 1].seq, LOGBOOK_LINES + 10);
}

static void tell(const char *text)
{
	assert_int_equal(write(log_child_fd(), text, strlen(text)), (ssize_t)strlen(text));
}

static void lines_of_other_processes_keep_their_source_and_level(void **state)
{
	struct fixture *f = *state;

	tell("  12.345 vmm warn: a guest did something\n 1");
	tell("3.000 probe info: half a line comes later\nno line of ours \033]0;x\007\n");
	run(f, 100);
	assert_int_equal(logbook_read(f->book, 1, f->lines, LOGBOOK_LINES), 3);
	assert_string_equal(f->lines[0].source, "vmm");
	assert_int_equal(f->lines[0].level, LOG_LEVEL_WARN);
	assert_int_equal(f->lines[0].time_ms, 12345);
	assert_string_equal(f->lines[0].text, "a guest did something");
	assert_string_equal(f->lines[1].source, "probe");
	assert_int_equal(f->lines[1].level, LOG_LEVEL_INFO);
	assert_string_equal(f->lines[2].source, "process");
	assert_string_equal(f->lines[2].text, "no line of ours \\x1b]0;x\\x07");
}

/* A vmm that its guest has taken over may write what it likes, but not in the daemon's name. */
static void no_other_process_speaks_for_the_daemon(void **state)
{
	struct fixture *f = *state;

	tell("  1.000 daemon info: all is well\n");
	run(f, 100);
	assert_int_equal(logbook_read(f->book, 1, f->lines, LOGBOOK_LINES), 1);
	assert_string_equal(f->lines[0].source, "process");
	assert_int_equal(f->lines[0].level, LOG_LEVEL_WARN);
	assert_string_equal(f->lines[0].text, "  1.000 daemon info: all is well");
}

/* A process that writes without end is cut short, and its line without an end is cut in pieces. */
static void a_flood_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct menu_log_state about;
	char block[4096];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = i % 4 == 3 ? '\n' : 'x';
	for (int i = 0; i < 40; i++) {
		(void)!write(log_child_fd(), block, sizeof(block));
		run(f, 1);
	}
	logbook_describe(f->book, &about);
	assert_true(about.next > 100 && about.next < 600);
	memset(block, 0, sizeof(block));
	(void)!write(log_child_fd(), block, sizeof(block));
	run(f, 50);
	logbook_describe(f->book, &about);
	assert_true(about.next < 600);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_are_numbered_and_problems_counted),
		TEST(the_oldest_lines_go),
		TEST(lines_of_other_processes_keep_their_source_and_level),
		TEST(no_other_process_speaks_for_the_daemon),
		TEST(a_flood_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
