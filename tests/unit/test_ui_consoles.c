/* Several consoles on one machine, who has the guest's keyboard; each console's line, prefix key and log. */
#include "test.h"

#include "menu_session.h"

static const struct session_options small = {.term = "vt100", .rows = 20, .cols = 60};

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
	b = open_second(a, &small);
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
	session_leave(b);
	session_leave(a);
}

/* A serial line that knows no size is taken for 24 x 80; ^L asks the terminal, whose answer counts for a while. */
static void test_size_is_asked_for(void **state)
{
	static const char question[] = "\033[999;999H\033[6n";
	struct winsize size = {0};
	struct session *s = session_open_ready(FAKE_NORMAL, &plain);

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
	session_leave(s);
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
	session_leave(a);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_consoles),
		cmocka_unit_test(test_two_consoles_one_result),
		cmocka_unit_test(test_size_is_asked_for),
		cmocka_unit_test(test_line_as_the_settings_have_it),
		cmocka_unit_test(test_another_prefix_key),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_log_break_and_old_questions),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_consoles", tests, NULL, NULL);
}
