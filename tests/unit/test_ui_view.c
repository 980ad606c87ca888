/* The console view as an operator has it: scrollback, key profiles, character sets, F-keys. */
#include "test.h"

#include "menu_session.h"

static void scroll_at(const struct session_options *o)
{
	struct session *s = session_open_console(FAKE_NORMAL, o);

	session_keys(s, "\002");
	session_wait(s, "boot line 300");
	session_keys(s, "\035[");
	session_wait(s, "of 303");
	session_wait(s, "boot line 300");
	session_keys(s, "\033[5~");
	session_wait_gone(s, "boot line 300");
	session_keys(s, "\033[H");
	session_wait(s, "BdsDxe: loading Boot0001");
	session_wait(s, "lines 1-");
	session_keys(s, "\033[B");
	session_wait(s, "lines 2-");
	session_keys(s, "k");
	session_wait(s, "lines 1-");
	session_keys(s, "\033[F");
	session_wait(s, "boot line 300");
	/* Upwards, letters of any case; letters are text while they are typed. */
	session_keys(s, "/BOOT LINE 10");
	session_wait(s, "Search upwards: BOOT LINE 10");
	session_keys(s, "\r");
	session_wait(s, "boot line 109");
	for (int i = 0; i < 10; i++)
		session_keys(s, "n");
	/* 108 to 100, and then 10. */
	session_wait(s, "boot line 10 ");
	session_wait_gone(s, "boot line 100");
	session_keys(s, "n");
	session_wait(s, "\"BOOT LINE 10\" is not further up.");
	session_keys(s, "N");
	session_wait(s, "boot line 100");
	session_keys(s, "/no such words\r");
	session_wait(s, "\"no such words\" is not further up.");
	/* Esc takes the question back; n then still looks for the last words. */
	session_keys(s, "/zzz\033");
	session_wait_gone(s, "Search upwards");
	/* The guest goes on below, the picture stays. */
	session_keys(s, "\033[H");
	session_wait(s, "BdsDxe: loading Boot0001");
	session_keys(s, "q");
	session_wait(s, "^] menu");
	session_wait(s, "boot line 300");
	/* No key of all these was the guest's. */
	assert_int_equal(s->daemon.seen->input_len, 1);
	session_leave_console(s);
}

static void test_scroll_at_every_size(void **state)
{
	static const struct session_options table[] = {
		{.term = "xterm-256color", .rows = 24, .cols = 80},
		{.term = "vt100", .rows = 20, .cols = 60},
		{.term = "linux", .rows = 43, .cols = 132, .env = {"LANG=C"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		scroll_at(&table[i]);
}

/* The word that was found stands out. */
static void test_found_words_are_marked(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);
	VTermScreenCell marked, beside;

	(void)state;
	session_keys(s, "\035[/starting\r");
	session_wait_gone(s, "Search upwards");
	session_settle(s);
	assert_int_equal(session_char(s, 1, 8), 's');
	vterm_screen_get_cell(s->screen, (VTermPos){.row = 1, .col = 8}, &marked);
	vterm_screen_get_cell(s->screen, (VTermPos){.row = 1, .col = 7}, &beside);
	assert_false(vterm_color_is_equal(&marked.bg, &beside.bg));
	vterm_screen_get_cell(s->screen, (VTermPos){.row = 1, .col = 16}, &beside);
	assert_false(vterm_color_is_equal(&marked.bg, &beside.bg));
	session_keys(s, "q");
	session_leave_console(s);
}

/* What the firmware cleared away, from a recording of one; and beyond the right border. */
static void test_cleared_screens_are_there(void **state)
{
	struct session *s = session_open_console(FAKE_SETUP, &plain);

	(void)state;
	/* The whole recording. */
	session_settle(s);
	session_keys(s, "\035[\033[H");
	session_wait(s, "lines 1-23 of ");
	session_keys(s, "\033[F/boot maintenance\r");
	session_wait(s, "Boot Maintenance Manager");
	session_keys(s, "\033[C");
	session_wait_gone(s, "Boot Maintenance Manager");
	session_keys(s, "\033[D");
	session_wait(s, "Boot Maintenance Manager");
	session_resize(s, 30, 100);
	session_wait(s, "Boot Maintenance Manager");
	session_keys(s, "q");
	session_leave_console(s);
}

/* The end of the VM: its result comes, and what it said can still be looked at. */
static void test_scroll_after_the_end(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\002");
	session_wait(s, "boot line 300");
	session_keys(s, "\004");
	session_wait(s, "The guest switched itself off.");
	session_keys(s, "[");
	session_wait(s, "of 303");
	session_keys(s, "\033[H");
	session_wait(s, "BdsDxe: loading Boot0001");
	session_keys(s, "q");
	session_wait(s, "The guest switched itself off.");
	session_keys(s, "mq");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

static void test_key_profiles(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	/* F10 and Delete in each, back to the first. */
	session_keys(s, "\033[21~\033[3~\035m");
	session_wait(s, "Keys are sent as xterm.");
	session_keys(s, "\033[21~\033[3~\035m");
	session_wait(s, "Keys are sent as PC-ANSI.");
	session_keys(s, "\033[21~\033[3~\033[24~");
	session_wait(s, "PC-ANSI terminals have no such key");
	session_keys(s, "\035m");
	session_wait(s, "Keys are sent as TTY.");
	session_keys(s, "\033[21~\033[3~\035m");
	session_wait(s, "Keys are sent as VT-UTF8.");
	session_keys(s, "\033[21~");
	session_wait_count(s, input_len, 2 + 2 + 5 + 4 + 3 + 3 + 5 + 4 + 2);
	assert_memory_equal(s->daemon.seen->input,
			    "\0330\033-" "\033[21~\033[3~" "\033[V\033[X" "\033[21~\033[3~" "\0330", 30);
	session_leave_console(s);
}

/* For terminals whose F-keys do not come through. */
static void test_function_keys_by_prefix(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\0351\0359\0350");
	session_wait_count(s, input_len, 6);
	assert_memory_equal(s->daemon.seen->input, "\0331\0339\0330", 6);
	session_leave_console(s);
}

static void test_charset_by_prefix(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\035u");
	session_wait(s, "Character set: UTF-8");
	session_keys(s, "\035u");
	session_wait(s, "Character set: CP437");
	session_keys(s, "\035u");
	session_wait(s, "Character set: automatic");
	assert_int_equal(s->daemon.seen->input_len, 0);
	session_leave_console(s);
}

/* A panic is said when it comes, and seen until the reset; the watchdog's reset is said. */
static void test_what_the_guest_says_of_itself(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\020");
	session_wait(s, "The guest's kernel panicked");
	session_keys(s, "\035.");
	session_wait(s, "panicked");
	session_keys(s, "\r");
	session_wait(s, "panicked 00:00:");
	session_keys(s, "\035r");
	session_wait(s, "Reset it?");
	session_keys(s, "y");
	session_wait(s, "Reset.");
	session_keys(s, "\035.");
	session_wait_gone(s, "panicked");
	session_keys(s, "\r");
	session_wait(s, "running 00:00:");
	session_keys(s, "\027");
	session_wait(s, "did not serve its watchdog in time");
	session_leave_console(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scroll_at_every_size),
		cmocka_unit_test(test_found_words_are_marked),
		cmocka_unit_test(test_cleared_screens_are_there),
		cmocka_unit_test(test_scroll_after_the_end),
		cmocka_unit_test(test_key_profiles),
		cmocka_unit_test(test_function_keys_by_prefix),
		cmocka_unit_test(test_charset_by_prefix),
		cmocka_unit_test(test_what_the_guest_says_of_itself),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_view", tests, NULL, NULL);
}
