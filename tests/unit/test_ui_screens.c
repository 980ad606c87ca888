/* Log, system information, power, report, keyboard of several consoles: as an operator has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "menu_session.h"

static const struct session_options plain = {.term = "xterm-256color", .rows = 24, .cols = 80};

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

static struct session *open_main(enum fake_scene scene, const struct session_options *o)
{
	struct session *s = session_open(scene, o);

	session_wait(s, "Enter starts /boot/CLOUDHV.fd");
	return s;
}

static void end(struct session *s)
{
	session_keys(s, "q");
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

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
		struct session *s = open_main(FAKE_LOGGED, &matrix[i]);

		session_keys(s, "l");
		session_wait(s, "event 60 of the log");
		session_wait(s, "00:01:00 warn  daemon");
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
		end(s);
	}
}

/* [!7] until each of the seven was on the screen, not before. */
static void test_badge_clears_by_reading(void **state)
{
	struct session *s = open_main(FAKE_LOGGED, &plain);

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
	end(s);
}

static void test_log_search_and_follow(void **state)
{
	struct session *s = open_main(FAKE_LOGGED, &plain);

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
	end(s);
}

static void test_empty_log(void **state)
{
	struct session *s = open_main(FAKE_NORMAL, &plain);

	(void)state;
	/* A daemon that has not answered. */
	kill(s->daemon.pid, SIGSTOP);
	session_keys(s, "l");
	session_wait(s, "nothing logged yet");
	kill(s->daemon.pid, SIGCONT);
	session_wait(s, "event 60");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	end(s);
}

static void test_info_on_every_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = open_main(FAKE_NORMAL, &matrix[i]);

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
		end(s);
	}
}

/* The daemon is stuck: the page says what this menu itself knows. */
static void test_info_without_answer(void **state)
{
	struct session *s = open_main(FAKE_NORMAL, &plain);

	(void)state;
	kill(s->daemon.pid, SIGSTOP);
	session_keys(s, "i");
	session_wait(s, "This menu");
	session_wait(s, "The daemon is looking at the machine");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	kill(s->daemon.pid, SIGCONT);
	end(s);
}

static void test_power_asks(void **state)
{
	(void)state;
	for (size_t i = 0; i < MATRIX; i++) {
		struct session *s = open_main(FAKE_NORMAL, &matrix[i]);

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
		end(s);
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
	struct session *s = open_main(FAKE_LOGGED, &plain);

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
	end(s);
}

/* A second menu on the daemon of the first. */
static struct session *open_second(struct session *first, const struct session_options *o)
{
	struct session_options options = *o;

	options.socket = first->daemon.path;
	return session_open(FAKE_NONE, &options);
}

/* One console types, the other looks on and can take the keyboard; both see the same. */
static void test_two_consoles(void **state)
{
	struct session *a = session_open_console(FAKE_NORMAL, &plain), *b;

	(void)state;
	b = open_second(a, &matrix[1]);
	session_wait(b, "CLOUDHV.fd");
	session_wait(b, "Enter: console");
	assert_int_equal(a->daemon.seen->clients, 2);
	/* Each says where it is. */
	assert_memory_equal(a->daemon.seen->client_name[0], "pts/", 4);
	assert_memory_equal(a->daemon.seen->client_name[1], "pts/", 4);
	assert_string_not_equal(a->daemon.seen->client_name[0], a->daemon.seen->client_name[1]);
	session_keys(b, "\r");
	session_wait(b, "has the keyboard - press T to take it");
	session_keys(a, "abc");
	session_wait(a, "Shell> abc");
	session_wait(b, "abc");
	session_keys(b, "xyz");
	session_wait(b, "has the keyboard - press T to take it");
	session_settle(b);
	assert_int_equal(a->daemon.seen->input_len, 3);
	session_keys(b, "T");
	session_wait_gone(b, "has the keyboard");
	session_wait(a, "has the keyboard - press T to take it");
	session_keys(b, "T");
	session_wait_count(a, input_len, 4);
	assert_memory_equal(a->daemon.seen->input, "abcT", 4);
	session_keys(a, "q");
	session_settle(a);
	assert_int_equal(a->daemon.seen->input_len, 4);
	/* The guest asks the terminal something: only one of the two answers. */
	session_keys(b, "\007");
	session_settle(b);
	session_settle(a);
	assert_int_equal(a->daemon.seen->input_len, 4 + 1 + 6);
	/* One leaves, the other and the VM stay. */
	session_keys(b, "\035.");
	session_wait(b, "Enter: console");
	session_keys(b, "qy");
	assert_int_equal(session_end(b), 0);
	session_close(b);
	session_wait(a, "^] menu");
	session_keys(a, "\035.");
	session_wait(a, "Enter: console");
	session_keys(a, "qy");
	assert_int_equal(session_end(a), 0);
	session_close(a);
}

/* The VM ends while two look at it: both see the result, and one reads it away for both. */
static void test_two_consoles_one_result(void **state)
{
	struct session *a = session_open_console(FAKE_NORMAL, &plain), *b;

	(void)state;
	b = open_second(a, &plain);
	session_wait(b, "Enter: console");
	session_keys(b, "\r");
	session_wait(b, "has the keyboard");
	session_keys(a, "\004");
	session_wait(a, "The guest switched itself off.");
	session_wait(b, "The guest switched itself off.");
	session_keys(a, "m");
	session_wait(a, "Enter starts /boot");
	session_wait(b, "Enter starts /boot");
	assert_int_equal(a->daemon.seen->start, 1);
	end(b);
	end(a);
}

/* The recovery shell from each of these screens, and back to it; forbidden where the settings say so. */
static void test_shell_from_every_screen(void **state)
{
	static const struct {
		const char *keys, *shows;
	} table[] = {{"", "Enter starts /boot"}, {"i", "System information"}, {"l", "save"}};

	(void)state;
	for (int forbidden = 0; forbidden < 2; forbidden++) {
		struct session *s = open_main(forbidden ? FAKE_NO_SHELL : FAKE_NORMAL, &plain);

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
		end(s);
	}
}

/* A serial line that knows no size is taken for 24 x 80; ^L asks the terminal, whose answer counts for a while. */
static void test_size_is_asked_for(void **state)
{
	static const char question[] = "\033[999;999H\033[6n";
	struct winsize size = {0};
	struct session *s = open_main(FAKE_NORMAL, &plain);

	(void)state;
	/* An answer nobody asked for changes nothing, and is no key. */
	session_keys(s, "\033[40;132R");
	session_settle(s);
	ioctl(s->master, TIOCSWINSZ, &size);
	session_settle(s);
	assert_null(memmem(s->raw, s->raw_len, question, sizeof(question) - 1));
	session_keys(s, "\014");
	session_settle(s);
	assert_non_null(memmem(s->raw, s->raw_len, question, sizeof(question) - 1));
	/* Too late. */
	session_idle(s, 400);
	session_keys(s, "\033[40;132R");
	session_settle(s);
	ioctl(s->master, TIOCGWINSZ, &size);
	assert_int_equal(size.ws_row, 0);
	session_keys(s, "\014\033[40;132R");
	session_settle(s);
	ioctl(s->master, TIOCGWINSZ, &size);
	assert_int_equal(size.ws_row, 40);
	assert_int_equal(size.ws_col, 132);
	session_resize(s, 40, 132);
	session_keys(s, "\014");
	/* The frame has moved: its status row is the last one. */
	for (int i = 0; i < 100 && memcmp(session_text(s) + 39 * 133 + 1, "5 disks", 7) != 0; i++)
		session_idle(s, 100);
	assert_memory_equal(session_text(s) + 39 * 133 + 1, "5 disks, 3 firmware images", 26);
	end(s);
}

/* console = TTY,baud=N,size=COLSxROWS of the settings. */
static void test_line_as_the_settings_have_it(void **state)
{
	struct session *s = session_open(FAKE_LINE, &plain);
	struct winsize size = {0};
	struct termios now;

	(void)state;
	for (int i = 0; i < 100 && size.ws_row != 33; i++) {
		session_idle(s, 50);
		ioctl(s->master, TIOCGWINSZ, &size);
	}
	assert_int_equal(size.ws_row, 33);
	assert_int_equal(size.ws_col, 101);
	tcgetattr(s->master, &now);
	assert_int_equal(cfgetospeed(&now), B9600);
	session_resize(s, 33, 101);
	session_keys(s, "\014");
	session_wait(s, "5 disks, 3 firmware images");
	session_keys(s, "q");
	assert_int_equal(session_end(s), 0);
	/* Whoever comes next on this line has its real speed. */
	tcgetattr(s->master, &now);
	assert_int_equal(cfgetospeed(&now), B9600);
	assert_int_equal(now.c_lflag, s->before.c_lflag);
	session_close(s);
}

static void test_another_prefix_key(void **state)
{
	static const struct session_options o = {.term = "xterm-256color", .rows = 24, .cols = 80,
						 .args = {"--prefix", "^a"}};
	struct session *s = session_open_console(FAKE_NORMAL, &o);

	(void)state;
	session_wait(s, "^A menu");
	session_keys(s, "\035x");
	session_wait_count(s, input_len, 2);
	session_keys(s, "\001\001");
	session_wait_count(s, input_len, 3);
	assert_memory_equal(s->daemon.seen->input, "\035x\001", 3);
	session_keys(s, "\001?");
	session_wait(s, "Keys after ^A");
	session_keys(s, "q\001.");
	session_wait(s, "Enter: console");
	session_keys(s, "?");
	session_wait(s, "Help");
	session_keys(s, "\033[F");
	session_wait(s, "^A ^A        one ^A for the guest");
	session_keys(s, "q");
	session_wait(s, "Enter: console");
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

/* `vmboot attach`: the console of the VM and nothing else. */
static void test_attach(void **state)
{
	struct session *a = session_open_console(FAKE_NORMAL, &plain), *b;
	struct session_options o = plain;

	(void)state;
	o.command = "attach";
	b = open_second(a, &o);
	session_wait(b, "^] . leaves");
	session_wait(b, "has the keyboard - press T to take it");
	session_keys(b, "T");
	session_wait_gone(b, "has the keyboard");
	session_keys(b, "hello");
	session_wait_count(a, input_len, 5);
	session_keys(b, "\035[");
	session_wait(b, "lines 1-");
	session_keys(b, "q");
	session_wait(b, "^] . leaves");
	session_keys(b, "\035.");
	assert_int_equal(session_end(b), 0);
	assert_true(session_tty_restored(b));
	session_close(b);
	/* The VM goes on; its end ends an attached console, with the reason. */
	b = open_second(a, &o);
	session_wait(b, "^] . leaves");
	session_wait_gone(a, "has the keyboard");
	session_keys(a, "\004");
	session_wait(b, "ended: The guest switched itself off.");
	assert_int_equal(session_end(b), 0);
	assert_true(session_tty_restored(b));
	session_close(b);
	/* Nothing runs. */
	session_wait(a, "The guest switched itself off.");
	session_keys(a, "m");
	session_wait(a, "Enter starts /boot");
	b = open_second(a, &o);
	session_wait(b, "No virtual machine is running");
	session_end(b);
	assert_int_equal(WEXITSTATUS(b->status), 1);
	session_close(b);
	end(a);
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
		end(s);
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

/* ^] l and ^] b, and what the guest asked before this menu came has no answer from it. */
static void test_log_break_and_old_questions(void **state)
{
	struct session *a = session_open_console(FAKE_NORMAL, &plain), *b;

	(void)state;
	session_wait(a, "log: on");
	session_keys(a, "\035l");
	session_wait(a, "The console is not logged for now");
	session_keys(a, "x");
	session_wait(a, "log: off");
	session_keys(a, "\035l");
	session_wait(a, "The console is logged again");
	session_keys(a, "\035b");
	session_wait_count(a, breaks, 1);
	session_keys(a, "\035.");
	session_wait(a, "Enter: console");
	session_keys(a, "qy");
	assert_int_equal(session_end(a), 0);
	/* The fake daemon's replay for a second menu begins with a question. */
	b = open_second(a, &plain);
	session_wait(b, "Enter: console");
	session_settle(b);
	assert_int_equal(a->daemon.seen->input_len, 1);
	session_keys(b, "qy");
	assert_int_equal(session_end(b), 0);
	session_close(b);
	session_close(a);
}

/* The keys of where one is come first. */
static void test_help_begins_where_one_is(void **state)
{
	struct session *s = open_main(FAKE_NORMAL, &plain);

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
	end(s);
}

/* No shell without the password; it is never seen, and each console is unlocked for itself. */
static void test_lock(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct session *s = open_main(FAKE_LOCKED, &matrix[i]);

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
		end(s);
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
		cmocka_unit_test(test_two_consoles),
		cmocka_unit_test(test_two_consoles_one_result),
		cmocka_unit_test(test_shell_from_every_screen),
		cmocka_unit_test(test_size_is_asked_for),
		cmocka_unit_test(test_line_as_the_settings_have_it),
		cmocka_unit_test(test_another_prefix_key),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_help_begins_where_one_is),
		cmocka_unit_test(test_lock),
		cmocka_unit_test(test_restart_from_the_result),
		cmocka_unit_test(test_log_break_and_old_questions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_screens", tests, NULL, NULL);
}
