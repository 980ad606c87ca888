/* Log, system information, power, report, result, lock: as an operator has them. */
#include "test.h"

#include "menu_session.h"

static const struct session_options matrix[] = {
	{.term = "xterm-256color", .rows = 24, .cols = 80},
	{.term = "vt100", .rows = 20, .cols = 60},
	{.term = "linux", .rows = 43, .cols = 132, .env = {"LANG=C"}},
	{.term = "vt220", .rows = 24, .cols = 80},
	{.term = "screen", .rows = 25, .cols = 80},
	{.term = "tmux-256color", .rows = 31, .cols = 100, .env = {"NO_COLOR=1"}},
	{.term = "dumb", .rows = 24, .cols = 80},
};

#define MATRIX (sizeof(matrix) / sizeof(matrix[0]))

/* No row is wider than the screen, the frame's rows are where they are on every screen. */
static void check_frame(struct session *s, const char *title)
{
	session_settle(s);
	assert_non_null(memmem(session_text(s), (size_t)s->cols, title, strlen(title)));
	assert_non_null(memmem(session_text(s), (size_t)s->cols, "vmboot", 6));
	for (int row = 1; row < s->rows - 3; row += s->rows - 8)
		for (int col = 0; col < s->cols; col++)
			if (session_char(s, row, col) != '-' && session_char(s, row, col) != 0x2500)
				fail_msg("%s: row %d has no rule", title, row);
}

static void test_log_on_every_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = session_open_ready(FAKE_LOGGED, &matrix[i]);

		session_keys(s, "l");
		session_wait(s, "event 60 of the log");
		session_wait(s, "00:00:59   info  daemon");
		session_wait(s, "12d 00:01  warn  daemon");
		check_frame(s, "Log");
		/* A control sequence in a line stays text. */
		session_wait(s, "event 60 of the log?[2J");
		session_keys(s, "e");
		session_wait_gone(s, "event 60");
		session_wait(s, "sdc: no answer for 10 s");
		/* What the row has no room for is whole below the list. */
		session_wait(s, "again.");
		session_wait(s, "errors, 1 of 60 lines");
		session_keys(s, "w");
		session_wait(s, "warnings and errors, 7 of 60 lines");
		session_wait(s, "event 60");
		session_keys(s, "i");
		session_wait(s, "everything, 60 of 60 lines");
		session_keys(s, "q");
		session_wait(s, "Enter starts /boot/CLOUDHV.fd");
		session_leave(s);
	}
}

/* [!7] until each of the seven was on the screen, not before. */
static void test_badge_clears_by_reading(void **state)
{
	struct session *s = session_open_ready(FAKE_LOGGED, &plain);

	(void)state;
	session_wait(s, "[!7]");
	session_keys(s, "l");
	session_wait(s, "event 60");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	/* 15 rows: 46 to 60, with the warnings 50 and 60. */
	session_wait(s, "[!5]");
	session_keys(s, "l");
	session_wait(s, "event 60");
	session_keys(s, "e");
	session_wait(s, "errors, 1 of 60");
	session_keys(s, "q");
	session_wait(s, "[!4]");
	session_keys(s, "lw");
	session_wait(s, "7 of 60 lines");
	session_keys(s, "q");
	session_wait_gone(s, "[!");
	/* The second time only what is newer was asked for. */
	assert_int_equal(s->daemon.seen->log_follow, 3);
	session_leave(s);
}

static void test_log_search_and_follow(void **state)
{
	struct session *s = session_open_ready(FAKE_LOGGED, &plain);

	(void)state;
	session_keys(s, "l");
	session_wait(s, "following");
	session_keys(s, "\033[A");
	session_wait_gone(s, "following");
	session_keys(s, "/EVENT 12\r");
	session_wait(s, "event 12 of");
	session_keys(s, "n");
	session_wait(s, "\"EVENT 12\" is not further up.");
	/* Letters are text while words are typed. */
	session_keys(s, "/qewif");
	session_wait(s, "Search upwards: qewif");
	session_keys(s, "\033");
	session_wait_gone(s, "Search upwards");
	session_wait(s, "event 12 of");
	session_keys(s, "f");
	session_wait(s, "following");
	session_wait(s, "event 60");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_leave(s);
}

static void test_empty_log(void **state)
{
	struct session *s = session_open_ready(FAKE_NORMAL, &plain);

	(void)state;
	/* A daemon that has not answered. */
	kill(s->daemon.pid, SIGSTOP);
	session_keys(s, "l");
	session_wait(s, "nothing logged yet");
	kill(s->daemon.pid, SIGCONT);
	session_wait(s, "event 60");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_leave(s);
}

static void test_info_on_every_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = session_open_ready(FAKE_NORMAL, &matrix[i]);

		session_keys(s, "i");
		session_wait(s, "AMD EPYC 7282");
		check_frame(s, "System information");
		/* One line that is missing takes nothing else away. */
		session_wait(s, "not available (no /sys/class/dmi/id)");
		session_wait(s, "Disks");
		for (int n = 0; n < 5; n++)
			session_keys(s, "j");
		session_wait(s, "lastword");
		session_keys(s, "\033[F");
		session_wait(s, "This menu");
		session_wait(s, "pts/");
		session_wait(s, matrix[i].term[0] == 'd' ? "vt100" : matrix[i].term);
		session_keys(s, "q");
		session_wait(s, "Enter starts /boot/CLOUDHV.fd");
		session_leave(s);
	}
}

/* The daemon is stuck: the page says what this menu itself knows. */
static void test_info_without_answer(void **state)
{
	struct session *s = session_open_ready(FAKE_NORMAL, &plain);

	(void)state;
	kill(s->daemon.pid, SIGSTOP);
	session_keys(s, "i");
	session_wait(s, "This menu");
	session_wait(s, "The daemon is looking at the machine");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	kill(s->daemon.pid, SIGCONT);
	session_leave(s);
}

static void test_power_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = session_open_ready(FAKE_NORMAL, &matrix[i]);

		session_keys(s, "P");
		session_wait(s, "switch this machine off");
		session_keys(s, "\r");
		session_wait_gone(s, "switch this machine off");
		session_keys(s, "Po");
		session_wait(s, "Switch off this machine?");
		session_keys(s, "\r");
		session_wait_gone(s, "Switch off this machine?");
		session_keys(s, "Pr");
		session_wait(s, "Restart this machine?");
		session_keys(s, "n");
		session_wait_gone(s, "Restart this machine?");
		session_settle(s);
		assert_int_equal(s->daemon.seen->host_power, 0);
		session_keys(s, "Pry");
		session_wait_count(s, host_power, 1);
		assert_int_equal(s->daemon.seen->host_power_what, MENU_POWER_REBOOT);
		session_keys(s, "Poy");
		session_wait_count(s, host_power, 2);
		assert_int_equal(s->daemon.seen->host_power_what, MENU_POWER_OFF);
		session_leave(s);
	}
}

static void test_power_tells_of_the_vm(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_keys(s, "Po");
	session_wait(s, "CLOUDHV.fd is running and is ended first");
	session_keys(s, "n");
	session_settle(s);
	assert_int_equal(s->daemon.seen->host_power, 0);
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

/* To a USB disk only after a question that says what happens to it. */
static void test_report(void **state)
{
	struct session *s = session_open_ready(FAKE_LOGGED, &plain);

	(void)state;
	session_keys(s, "ls");
	session_wait(s, "Save a report");
	session_wait(s, "this machine (/var/lib/vmboot, else /tmp)");
	session_wait(s, "/dev/sdb1");
	/* Disks that stay in the machine, that are in use, or have no file system. */
	assert_false(session_shows(s, "/dev/nvme0n1p1 "));
	assert_false(session_shows(s, "/dev/sda1 "));
	session_keys(s, "\r");
	session_wait(s, "is mounted writable");
	session_keys(s, "n");
	session_wait_gone(s, "is mounted writable");
	assert_int_equal(s->daemon.seen->report, 0);
	session_keys(s, "s\r");
	session_wait(s, "is mounted writable");
	session_keys(s, "y");
	session_wait(s, "The report is in /run/report-1.");
	assert_string_equal(s->daemon.seen->report_to, "/dev/sdb1");
	session_keys(s, "sj\r");
	session_wait_count(s, report, 2);
	assert_string_equal(s->daemon.seen->report_to, "");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_leave(s);
}

/* The recovery shell from each of these screens, and back to it; forbidden where the settings say so. */
static void test_shell_from_every_screen(void **state)
{
	static const struct {
		const char *keys, *shows;
	} table[] = {{"", "Enter starts /boot"}, {"i", "System information"}, {"l", "save"}};

	(void)state;
	for (int forbidden = 0; forbidden < 2; forbidden++) {
		struct session *s = session_open_ready(forbidden ? FAKE_NO_SHELL : FAKE_NORMAL, &plain);

		for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
			session_keys(s, table[i].keys);
			session_wait(s, table[i].shows);
			session_keys(s, "!");
			if (forbidden) {
				session_wait(s, "shell disabled by policy");
			} else {
				session_wait(s, "Type exit to return");
				session_keys(s, "echo it-$((40+2)); exit 3\n");
				session_wait(s, "returned from shell (exit 3)");
				session_wait(s, table[i].shows);
				session_wait_count(s, rescan, (int)i + 1);
			}
			if (i > 0)
				session_keys(s, "q");
		}
		session_wait(s, "Enter starts");
		session_leave(s);
	}
}

/* Fifteen lines of the console at 80 x 24, why it ended, and every key. */
static void test_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = session_open_console(FAKE_NORMAL, &matrix[i]);

		session_keys(s, "\002");
		session_wait(s, "boot line 300");
		session_keys(s, "\006");
		session_wait(s, "VM stopped: triple fault at RIP 0x7fe01234");
		session_wait(s, "ended after 00:00:");
		session_wait(s, "resets 0   variables saved");
		session_wait(s, "boot line 300");
		if (s->rows >= 24)
			session_wait(s, "boot line 286");
		session_wait(s, "Enter: ");
		session_wait(s, "nvme0n1 read-write");
		session_keys(s, "[");
		session_wait(s, "lines ");
		session_keys(s, "q");
		session_wait(s, "VM stopped");
		session_keys(s, "l");
		session_wait(s, "event 60 of the log");
		session_keys(s, "q");
		session_wait(s, "VM stopped");
		session_keys(s, "e");
		session_wait(s, "CPUs");
		session_wait_count(s, forget, 1);
		session_keys(s, "\033");
		session_wait(s, "Enter starts /boot");
		session_leave(s);
	}
}

static void test_restart_from_the_result(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\004");
	session_wait(s, "The guest switched itself off.");
	/* Space and digits start nothing. */
	session_keys(s, " 1z");
	session_settle(s);
	assert_int_equal(s->daemon.seen->start, 1);
	session_keys(s, "\r");
	session_wait(s, "^] menu");
	session_wait_count(s, start, 2);
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

/* The keys of where one is come first. */
static void test_help_begins_where_one_is(void **state)
{
	struct session *s = session_open_ready(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "?");
	session_wait(s, "Main screen");
	session_keys(s, "qi");
	session_wait(s, "System information");
	session_keys(s, "?");
	session_wait(s, "Any screen without a text field");
	session_wait_gone(s, "Main screen");
	assert_memory_equal(session_text(s) + 2 * 81 + 3, "Any screen", 10);
	session_keys(s, "q");
	session_wait(s, "AMD EPYC");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_leave(s);
}

/* No shell without the password; it is never seen, and each console is unlocked for itself. */
static void test_lock(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session *s = session_open_ready(FAKE_LOCKED, &matrix[i]);

		session_wait(s, "locked: U");
		session_keys(s, "!");
		session_wait(s, "Password:");
		assert_false(session_shows(s, "Type exit to return"));
		session_keys(s, "wrong!q\r");
		session_wait(s, "That is not the password.");
		session_keys(s, "open sesame");
		session_settle(s);
		assert_null(memmem(s->raw, s->raw_len, "sesame", 6));
		session_keys(s, "\r");
		session_wait(s, "Unlocked on this console");
		session_wait_gone(s, "locked: U");
		session_keys(s, "!");
		session_wait(s, "Type exit to return");
		session_keys(s, "exit\n");
		session_wait(s, "returned from shell");
		session_keys(s, "U");
		session_wait(s, "locked: U");
		session_keys(s, "U");
		session_wait(s, "Password:");
		session_keys(s, "\033");
		session_wait_gone(s, "Password:");
		session_leave(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_on_every_terminal),
		cmocka_unit_test(test_badge_clears_by_reading),
		cmocka_unit_test(test_log_search_and_follow),
		cmocka_unit_test(test_empty_log),
		cmocka_unit_test(test_info_on_every_terminal),
		cmocka_unit_test(test_info_without_answer),
		cmocka_unit_test(test_power_asks),
		cmocka_unit_test(test_power_tells_of_the_vm),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_shell_from_every_screen),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_help_begins_where_one_is),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_restart_from_the_result),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_screens", tests, NULL, NULL);
}
