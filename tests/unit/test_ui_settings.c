/* The settings screen as an operator has it: what is tried on, what is kept, the consoles, the password. */
#include "test.h"

#include "menu_keys.h"
#include "menu_session.h"

static void test_settings(void **state)
{
	struct session *s = session_open_main(FAKE_ENTRIES);
	const struct menu_settings *saved = &s->daemon.seen->settings;
	VTermScreenCell cell;

	(void)state;
	session_keys(s, "c");
	session_wait(s, "< default >");
	assert_int_equal(session_cell(s, "vmboot 0.1").bg.indexed.idx, 4);
	/* A theme shows at once ... */
	session_keys(s, DOWN RIGHT RIGHT RIGHT RIGHT);
	session_wait(s, "< amber >");
	session_settle(s);
	cell = session_cell(s, "vmboot 0.1");
	assert_false(VTERM_COLOR_IS_INDEXED(&cell.bg) && cell.bg.indexed.idx == 4);
	/* ... and is taken off again when it is not kept. */
	session_keys(s, "q");
	session_wait(s, "Leave and forget it?");
	session_keys(s, "y");
	session_wait(s, "6 entries");
	session_settle(s);
	assert_int_equal(session_cell(s, "vmboot 0.1").bg.indexed.idx, 4);
	assert_int_equal(s->daemon.seen->settings_save, 0);
	/* ASCII; countdown, re-arm, hidden menu, prefix key, what follows a power-off, no shell. */
	session_keys(s, "c" DOWN DOWN " ");
	session_wait(s, "< ASCII >");
	session_settle(s);
	assert_int_equal(session_char(s, 1, 5), '-');
	session_keys(s, DOWN RIGHT DOWN RIGHT DOWN " " DOWN RIGHT RIGHT DOWN " " DOWN
						   " " DOWN DOWN RIGHT);
	session_wait(s, "< 20 s >");
	session_wait(s, "< after 60 s without a key >");
	session_wait(s, "< countdown only >");
	session_wait(s, "< ^B >");
	session_wait(s, "< switch this machine off >");
	session_wait(s, "< forbidden >");
	session_wait(s, "< warn >");
	session_keys(s, DOWN "isos" CTRL_S);
	session_wait(s, "Not saved: Write the whole path");
	session_keys(s, CTRL_U "/srv/isos" CTRL_S);
	session_wait(s, "Saved.");
	assert_int_equal(s->daemon.seen->settings_save, 1);
	assert_int_equal(saved->ascii, 1);
	assert_int_equal(saved->timeout_s, 20);
	assert_int_equal(saved->rearm_s, 60);
	assert_int_equal(saved->hidden_menu, 1);
	assert_int_equal(saved->prefix_key, 2);
	assert_int_equal(saved->guest_power, MENU_POWER_TO_HOST);
	assert_int_equal(saved->shell_allowed, 0);
	assert_int_equal(saved->trust, MENU_TRUST_WARN);
	assert_string_equal(saved->images, "/srv/isos");
	session_keys(s, "\033");
	session_wait(s, "6 entries");
	session_leave(s);
}

static void test_consoles(void **state)
{
	/* As large as the settings make this line. */
	static const struct session_options o = {.term = "xterm", .rows = 33, .cols = 101};
	struct session *s = session_open(FAKE_LINE, &o);
	const struct menu_settings *saved = &s->daemon.seen->settings;

	(void)state;
	session_wait(s, "firmware image");
	session_keys(s, "c" END);
	session_wait(s, "ttyS7 speed");
	session_wait(s, "< as it is >");
	session_wait(s, "< 50 x 50 >");
	session_wait(s, "< 9600 baud >");
	session_wait(s, "< 101 x 33 >");
	session_keys(s, UP UP RIGHT);
	/* A size that is none of the usual ones is one step from them. */
	session_wait(s, "< 80 x 24 >");
	session_keys(s, UP LEFT LEFT);
	session_wait(s, "< 921600 baud >");
	session_wait(s, "terminal at its other end");
	session_wait(s, "Settings *");
	session_keys(s, CTRL_S);
	session_wait(s, "Saved.");
	assert_int_equal(saved->console_count, 2);
	assert_string_equal(saved->consoles[0].tty, "ttyS7");
	assert_int_equal(saved->consoles[0].baud, 921600);
	assert_int_equal(saved->consoles[0].cols, 80);
	assert_int_equal(saved->consoles[0].rows, 24);
	assert_int_equal(saved->consoles[1].baud, 9600);
	assert_int_equal(saved->consoles[1].cols, 101);
	/* One of which nothing is set any more is no console of the settings. */
	session_keys(s, RIGHT RIGHT DOWN LEFT);
	session_wait_gone(s, "921600");
	session_wait_gone(s, "80 x 24");
	session_keys(s, CTRL_S);
	session_wait_count(s, settings_save, 2);
	assert_int_equal(saved->console_count, 1);
	assert_int_equal(saved->consoles[0].baud, 9600);
	session_wait_gone(s, "ttyS7");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_keys(s, "q");
	/* The line keeps the speed that the settings give it. */
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

/* The menu wrote no byte of TEXT, in whatever screen. */
static void assert_never_written(const struct session *s, const char *text)
{
	assert_null(memmem(s->raw, s->raw_len, text, strlen(text)));
}

static void test_password(void **state)
{
	static const struct session_options o = {.term = "vt220", .rows = 20, .cols = 60};
	struct session *s = session_open(FAKE_ENTRIES, &o);
	const struct fake_seen *seen = s->daemon.seen;

	(void)state;
	session_wait(s, "6 entries");
	session_keys(s, "U");
	session_wait(s, "There is no password; the settings (c) can set one.");
	session_keys(s, "c" DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN);
	session_wait(s, "[ Set ]");
	session_wait(s, "an empty one takes it away");
	session_keys(s, "\r");
	session_wait(s, "New password:");
	session_wait(s, "Only the default entry will start without it.");
	session_keys(s, "xyzzy\rxyzzz\r");
	session_wait(s, "They were not the same. Once more, both.");
	assert_int_equal(seen->passwords, 0);
	session_keys(s, "xyzzy\rxyzzy");
	session_wait(s, "Once more:    ***");
	session_keys(s, "\r");
	session_wait_gone(s, "New password:");
	session_wait_count(s, passwords, 1);
	assert_string_equal(seen->password, "xyzzy");
	session_wait(s, "[ Change ]");
	/* Nothing waits to be saved for it, and what is saved does not touch it. */
	assert_false(session_shows(s, "Settings *"));
	/* Esc changes nothing; an empty one is asked about. */
	session_keys(s, "\rplugh");
	session_wait(s, "An empty one takes the password away.");
	session_wait(s, "New password: ***");
	session_keys(s, "\033");
	session_wait_gone(s, "New password:");
	session_keys(s, "\r\r");
	session_wait(s, "Take it away?");
	session_keys(s, "n");
	session_wait_gone(s, "Take it away?");
	assert_int_equal(seen->passwords, 1);
	session_keys(s, "\r\r");
	session_wait(s, "Take it away?");
	session_keys(s, "y");
	session_wait_count(s, passwords, 2);
	assert_string_equal(seen->password, "");
	session_wait(s, "[ Set ]");
	assert_never_written(s, "xyzz");
	assert_never_written(s, "plugh");
	session_keys(s, "q");
	session_wait(s, "6 entries");
	session_leave(s);
}

static void test_password_is_refused(void **state)
{
	struct session *s = session_open_main(FAKE_REFUSE);

	(void)state;
	session_keys(s, "c" DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN DOWN "\r");
	session_wait(s, "New password:");
	session_keys(s, "xyzzy\rxyzzy\r");
	session_wait(s, "Not saved");
	session_wait(s, "Settings have to be signed on this machine");
	session_keys(s, "\r");
	session_wait_gone(s, "have to be signed");
	session_wait(s, "[ Set ]");
	session_keys(s, "q");
	session_wait(s, "Enter starts");
	session_leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_consoles),
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_password_is_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_settings", tests, NULL, NULL);
}
