/* The console view where the terminal itself is the guest's, the whole-screen view, and its status row. */
#include "test.h"

#include "menu_session.h"

/* True if what the menu wrote since SINCE holds the N bytes in this order without anything between them. */
static bool wrote(const struct session *s, size_t since, const char *bytes, size_t n)
{
	return memmem(s->raw + since, s->raw_len - since, bytes, n) != NULL;
}

static void go_transparent(struct session *s)
{
	session_keys(s, "\035t");
	session_wait(s, "Transparent mode");
	session_keys(s, "y");
	session_wait_gone(s, "Transparent mode");
	session_wait_gone(s, "^] menu");
	session_wait(s, "Shell>");
}

static void test_bytes_pass_both_ways(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);
	size_t since;

	(void)state;
	session_settle(s);
	go_transparent(s);
	session_settle(s);
	since = s->raw_len;
	/* xterm's F10 and an Esc as they are: nothing is decoded. */
	session_keys(s, "\033[21~\033");
	session_wait_count(s, input_len, 6);
	assert_memory_equal(s->daemon.seen->input, "\033[21~\033", 6);
	session_keys(s, "\007");
	session_wait(s, "MODES");
	assert_true(wrote(s, since, FAKE_MODES, sizeof(FAKE_MODES) - 1));
	/* The clock of our status row would show by now. */
	session_idle(s, 1200);
	assert_false(session_shows(s, "^] menu"));
	session_keys(s, "\035t");
	session_wait(s, "^] menu");
	session_leave_console(s);
}

/* The guest asks where the cursor is: the terminal answers, and libvterm does not do so, too. */
static void test_questions_have_one_answer(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_settle(s);
	session_keys(s, "\007");
	session_wait(s, "MODES");
	/* BEL, and in the emulated mode the answer. */
	session_wait_count(s, input_len, 1 + 6);
	go_transparent(s);
	session_keys(s, "\007");
	session_wait_count(s, input_len, 1 + 6 + 1);
	session_idle(s, 300);
	session_keys(s, "\033[3;9R");
	session_wait_count(s, input_len, 1 + 6 + 1 + 6);
	assert_memory_equal(s->daemon.seen->input + 1 + 6 + 1, "\033[3;9R", 6);
	session_idle(s, 300);
	assert_int_equal(s->daemon.seen->input_len, 1 + 6 + 1 + 6);
	session_leave_console(s);
}

/* Whatever the guest did to the terminal, the menu looks as it does after a redraw from scratch. */
static void test_the_terminal_comes_back(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);
	char before[sizeof(s->text)];
	VTermScreenCell cell;
	size_t since;

	(void)state;
	session_settle(s);
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_settle(s);
	strcpy(before, session_text(s));
	session_keys(s, "\r");
	session_wait(s, "^] menu");
	go_transparent(s);
	since = s->raw_len;
	session_keys(s, "\007");
	session_wait(s, "MODES");
	session_settle(s);
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_settle(s);
	/* The VM's clock goes on in its row. */
	for (int row = 0; row < s->rows; row++) {
		const char *is = session_text(s) + row * 81, *was = before + row * 81;

		if (!memmem(was, 80, "running", 7) && !memmem(was, 80, "Enter: console", 14) &&
		    memcmp(is, was, 80) != 0)
			fail_msg("row %d: \"%.80s\", not \"%.80s\"", row, is, was);
	}
	vterm_screen_get_cell(s->screen, (VTermPos){.row = 12, .col = 70}, &cell);
	assert_false(cell.attrs.reverse);
	/* What no picture shows: reports of mouse and paste, the form of keys. */
	assert_true(wrote(s, since, "\033[?1000l", 8));
	assert_true(wrote(s, since, "\033[?2004l", 8));
	assert_true(wrote(s, since, "\033[?25h", 6));
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

/* The prefix key's commands leave the mode and do what they say; a literal ^] stays in it. */
static void test_commands(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_settle(s);
	go_transparent(s);
	session_keys(s, "a\035\035b\0351");
	session_wait_count(s, input_len, 5);
	assert_memory_equal(s->daemon.seen->input, "a\035b\0331", 5);
	session_keys(s, "\035k");
	session_wait(s, "Kill the VM");
	session_keys(s, "n");
	session_wait(s, "^] menu");
	go_transparent(s);
	session_keys(s, "\035?");
	session_wait(s, "Keys after ^]");
	session_keys(s, "q");
	go_transparent(s);
	/* Nothing after ^] for a while: the menu, for keyboards without a full stop. */
	session_keys(s, "\035");
	session_wait(s, "Enter: console");
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

static void test_the_end_of_the_vm_ends_it(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_settle(s);
	go_transparent(s);
	session_keys(s, "\004");
	session_wait(s, "The guest switched itself off.");
	session_keys(s, "mq");
	assert_int_equal(session_end(s), 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

static void test_no_means_no(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\035t");
	session_wait(s, "Transparent mode");
	session_keys(s, "n");
	session_wait_gone(s, "Transparent mode");
	session_wait(s, "^] menu");
	session_keys(s, "\033[21~");
	session_wait_count(s, input_len, 2);
	assert_memory_equal(s->daemon.seen->input, "\0330", 2);
	session_leave_console(s);
}

/* In a paste: the guest must not get what would reset it, in any mode. */
static void test_paste_resets_nothing(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_settle(s);
	session_keys(s, "\033R\033r\033R");
	session_wait_count(s, input_len, 5);
	session_settle(s);
	go_transparent(s);
	session_keys(s, "x\033R\033r\033Ry");
	session_wait_count(s, input_len, 5 + 7);
	assert_memory_equal(s->daemon.seen->input, "\033R\033r\033x\033R\033r\033y", 12);
	assert_int_equal(s->daemon.seen->reset, 0);
	session_leave_console(s);
}

/* ^] f: the guest's last row is where ours was; after ^] and for a message ours is there. */
static void test_whole_screen(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\002");
	session_wait(s, "boot line 300");
	assert_non_null(strstr(session_text(s) + 22 * 81, "boot line 300"));
	session_keys(s, "\035f");
	session_wait_gone(s, "^] menu");
	session_settle(s);
	assert_memory_equal(session_text(s) + 23 * 81, "boot line 300", 13);
	session_keys(s, "\035");
	session_wait(s, "^]: . menu");
	session_keys(s, "m");
	session_wait(s, "Keys are sent as xterm.");
	session_keys(s, "x");
	session_wait_gone(s, "Keys are sent as xterm.");
	session_wait(s, "boot line 300x");
	session_keys(s, "\035f");
	session_wait(s, "^] menu");
	session_leave_console(s);
}

/* 15 s without a byte from the guest, at every width. */
static void test_silence_has_a_word(void **state)
{
	static const struct {
		struct session_options o;
		const char *says;
	} table[] = {
		{{.term = "xterm-256color", .rows = 24, .cols = 80},
		 "no serial output yet - guest may use video only"},
		{{.term = "vt100", .rows = 20, .cols = 60}, "no serial output yet"},
		{{.term = "linux", .rows = 43, .cols = 132},
		 "no serial output yet - guest may use video only"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct session *s = session_open_console(FAKE_SILENT, &table[i].o);

		session_wait(s, table[i].says);
		session_wait(s, "^] menu");
		session_leave_console(s);
	}
}

/* A log at its limit has stopped, at every width, and ^] l does not pretend to continue it. */
static void test_a_full_log_is_said(void **state)
{
	static const struct session_options narrow = {.term = "vt100", .rows = 20, .cols = 60};
	static const struct session_options *const all[] = {&plain, &narrow};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct session *s = session_open_console(FAKE_NORMAL, all[i]);

		session_keys(s, "\005");
		session_wait(s, "log stopped at 32 MiB");
		session_wait(s, "^] menu");
		session_keys(s, "\035l");
		session_wait(s, "log stopped at 32 MiB: /run/vmboot/console.log");
		session_leave_console(s);
	}
}

/* Firmware wants VT-UTF8's keys, the operating system xterm's; who chose by hand is left alone. */
static void test_keys_follow_the_guest(void **state)
{
	struct session *s = session_open_console(FAKE_NORMAL, &plain);

	(void)state;
	session_keys(s, "\033[21~\017");
	session_wait_count(s, input_len, 3);
	session_wait(s, "OS  ^] menu");
	session_keys(s, "\033[21~");
	session_wait_count(s, input_len, 3 + 5);
	assert_memory_equal(s->daemon.seen->input, "\0330\017\033[21~", 8);
	session_keys(s, "\035m");
	session_wait(s, "Keys are sent as PC-ANSI.");
	session_keys(s, "\017\033[21~");
	session_wait_count(s, input_len, 8 + 4);
	assert_memory_equal(s->daemon.seen->input + 8, "\017\033[V", 4);
	session_leave_console(s);
}

/* An entry that says how its guest takes keys and what its bytes mean. */
static void test_entry_says_how(void **state)
{
	struct session *s = session_open(FAKE_ENTRIES, &plain);

	(void)state;
	session_wait(s, "Debian (no writes)");
	session_keys(s, "\033[H\033[B\033[B\r");
	session_wait(s, "Shell>");
	session_wait(s, "Debian (no writes)  running");
	session_settle(s);
	session_keys(s, "\033[21~");
	session_wait_count(s, input_len, 3);
	assert_memory_equal(s->daemon.seen->input, "\033[V", 3);
	session_keys(s, "\035u");
	session_wait(s, "Character set: automatic");
	session_keys(s, "\035.");
	session_wait(s, "running");
	session_keys(s, "qy");
	assert_int_equal(session_end(s), 0);
	session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_pass_both_ways),
		cmocka_unit_test(test_questions_have_one_answer),
		cmocka_unit_test(test_the_terminal_comes_back),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_the_end_of_the_vm_ends_it),
		cmocka_unit_test(test_no_means_no),
		cmocka_unit_test(test_paste_resets_nothing),
		cmocka_unit_test(test_whole_screen),
		cmocka_unit_test(test_silence_has_a_word),
		cmocka_unit_test(test_a_full_log_is_said),
		cmocka_unit_test(test_keys_follow_the_guest),
		cmocka_unit_test(test_entry_says_how),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_transparent", tests, NULL, NULL);
}
