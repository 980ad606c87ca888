/* The menu and its terminal: what that can show, and how it is left, however the menu ends. */
#include "test.h"

#include "menu_session.h"

/* Waits for the end by SIGNAL-like means, then looks at what the operator is left with. */
static void assert_left_tidy(struct session *s, int exit_code, const char *sentence)
{
	int status = session_end(s);

	if (exit_code >= 0)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == exit_code);
	assert_true(session_tty_restored(s));
	/* The alternate screen is left and the cursor is back. */
	assert_true(session_wrote(s, "\033[?1049l"));
	if (sentence)
		assert_true(session_shows(s, sentence));
	session_close(s);
}

static void test_every_way_out(void **state)
{
	struct session *s;
	siginfo_t ended;

	(void)state;
	s = session_open_main(FAKE_NORMAL);
	kill(s->pid, SIGTERM);
	assert_left_tidy(s, 1, "The menu was ended by Terminated.");
	s = session_open_main(FAKE_NORMAL);
	kill(s->pid, SIGHUP);
	assert_left_tidy(s, 1, "The menu was ended by Hangup.");
	s = session_open_main(FAKE_NORMAL);
	kill(s->pid, SIGSEGV);
	assert_left_tidy(s, -1, NULL);
	s = session_open_main(FAKE_NORMAL);
	kill(s->pid, SIGABRT);
	assert_left_tidy(s, -1, NULL);
	s = session_open_main(FAKE_NORMAL);
	kill(s->daemon.pid, SIGKILL);
	assert_left_tidy(s, 1, "The daemon is gone. Start vmboot again.");
	s = session_open(FAKE_VANISH, &plain);
	assert_left_tidy(s, 1, "The daemon is gone");
	/* The machine ends: the menu is told first, and what it says does not depend on who is quicker. */
	s = session_open_main(FAKE_NORMAL);
	kill(s->pid, SIGSTOP);
	kill(s->pid, SIGTERM);
	kill(s->daemon.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)s->daemon.pid, &ended, WEXITED | WNOWAIT), 0);
	kill(s->pid, SIGCONT);
	assert_left_tidy(s, 1, "The menu was ended by Terminated.");
	/* From the console, with a VM. */
	s = session_open_main(FAKE_NORMAL);
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	kill(s->daemon.pid, SIGKILL);
	assert_left_tidy(s, 1, "The daemon is gone, and the VM with it.");
}

/* On a terminal without another screen to go back to the menu stays, and what is said stands on a row of its own. */
static void test_last_words_have_a_row_of_their_own(void **state)
{
	static const char sentence[] = "vmboot: The menu was ended by Hangup.";
	const struct session_options o = {.term = "vt220", .rows = 24, .cols = 80};
	struct session *s = session_open(FAKE_NORMAL, &o);
	VTermPos at;

	(void)state;
	session_wait(s, "5 disks, 3 firmware images");
	session_settle(s);
	session_keys(s, " ");
	session_wait(s, "Space attaches a disk, or not, on the disk's line.");
	kill(s->pid, SIGHUP);
	session_end(s);
	at = session_find(s, sentence);
	assert_int_equal(at.col, 0);
	for (int col = (int)strlen(sentence); col < s->cols; col++)
		assert_int_equal(session_char(s, at.row, col), ' ');
	session_close(s);
}

/* The terminal takes nothing more (XOFF, a dead serial line): SIGTERM ends the menu all the same. */
static void test_blocked_terminal(void **state)
{
	struct session *s = session_open_main(FAKE_FLOOD);
	uint64_t end = loop_now_ms() + 8000;

	(void)state;
	session_keys(s, "\r");
	session_wait(s, "^] menu");
	usleep(1500000); /* nobody reads */
	kill(s->pid, SIGTERM);
	while (s->pid && loop_now_ms() < end) {
		if (waitpid(s->pid, &s->status, WNOHANG) == s->pid)
			s->pid = 0;
		usleep(20000);
	}
	assert_int_equal(s->pid, 0);
	assert_true(session_tty_restored(s));
	session_close(s);
}

static void test_terminal_gone(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);
	uint64_t end = loop_now_ms() + 8000;
	int status = 0, pid = 0;

	(void)state;
	close(s->master);
	s->master = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (pid == 0 && loop_now_ms() < end) {
		pid = waitpid(s->pid, &status, WNOHANG);
		usleep(10000);
	}
	assert_int_equal(pid, s->pid);
	s->pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	session_close(s);
}

/* True if what was written sets a colour: SGR 30 to 49 or 90 to 107. */
static bool raw_has_colour(const struct session *s)
{
	for (size_t i = 0; i + 2 < s->raw_len; i++) {
		unsigned int arg = 0;
		bool colour = false;
		size_t at = i + 2;

		if (s->raw[i] != 033 || s->raw[i + 1] != '[')
			continue;
		for (; at < s->raw_len &&
		       ((s->raw[at] >= '0' && s->raw[at] <= '9') || s->raw[at] == ';');
		     at++) {
			arg = s->raw[at] == ';' ? 0 : arg * 10 + (unsigned int)(s->raw[at] - '0');
			colour = colour || (arg >= 30 && arg < 49) || (arg >= 90 && arg <= 107);
		}
		if (at < s->raw_len && s->raw[at] == 'm' && colour)
			return true;
	}
	return false;
}

static void test_monochrome(void **state)
{
	static const struct session_options no_color = {
		.term = "xterm-256color", .rows = 24, .cols = 80, .env = {"NO_COLOR=1"}};
	static const struct session_options vt100 = {.term = "vt100", .rows = 24, .cols = 80};
	const struct session_options *both[] = {&no_color, &vt100};
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	session_idle(s, 100);
	assert_true(raw_has_colour(s));
	session_close(s);
	for (int i = 0; i < 2; i++) {
		s = session_open(FAKE_SETUP, both[i]);
		session_wait(s, "Enter starts /boot/CLOUDHV.fd");
		session_keys(s, "\r");
		session_wait(s, "of 50");
		session_keys(s, "\035.");
		session_wait(s, "Enter: console");
		/* CUP addresses end in H; only SGR may not name a colour. */
		assert_false(raw_has_colour(s));
		session_close(s);
	}
}

/* Not UTF-8: nothing but ASCII is written, frames and guest's lines included. */
static void test_ascii_only(void **state)
{
	static const struct session_options o = {
		.term = "linux", .rows = 24, .cols = 80, .env = {"LANG=C"}};
	struct session *s = session_open(FAKE_SETUP, &o);

	(void)state;
	session_wait(s, "----------");
	session_wait(s, "firmware image");
	session_keys(s, "\r");
	session_wait(s, "of 50");
	session_idle(s, 200);
	for (size_t i = 0; i < s->raw_len; i++)
		assert_true((unsigned char)s->raw[i] < 0x80);
	session_close(s);
}

/* Not UTF-8, but a terminal with lines of its own: real lines, by ASCII and the switch to them; not with --ascii. */
static void test_acs_frames(void **state)
{
	static const struct session_options o = {
		.term = "screen", .rows = 24, .cols = 80, .env = {"LANG=C"}};
	static const struct session_options ascii = {
		.term = "screen", .rows = 24, .cols = 80, .env = {"LANG=C"}, .args = {"--ascii"}};
	struct session *s = session_open(FAKE_NORMAL, &o);

	(void)state;
	session_wait(s, "firmware image");
	for (int col = 0; col < 80; col++)
		assert_int_equal(session_char(s, 1, col), 0x2500);
	for (size_t i = 0; i < s->raw_len; i++)
		assert_true((unsigned char)s->raw[i] < 0x80);
	session_leave(s);
	s = session_open(FAKE_NORMAL, &ascii);
	session_wait(s, "firmware image");
	session_wait(s, "----------");
	session_leave(s);
}

/* Fails unless a box of line characters stands around the text at POS, closed on all sides. */
static void check_box_around(struct session *s, VTermPos pos)
{
	int top = pos.row, bottom = pos.row, left = pos.col, right = pos.col;

	while (left > 0 && session_char(s, pos.row, left) != 0x2502)
		left--;
	while (right < s->cols - 1 && session_char(s, pos.row, right) != 0x2502)
		right++;
	while (top > 0 && session_char(s, top, left) == 0x2502)
		top--;
	while (bottom < s->rows - 1 && session_char(s, bottom, left) == 0x2502)
		bottom++;
	assert_int_equal(session_char(s, top, left), 0x250C);
	assert_int_equal(session_char(s, top, right), 0x2510);
	assert_int_equal(session_char(s, bottom, left), 0x2514);
	assert_int_equal(session_char(s, bottom, right), 0x2518);
	for (int row = top + 1; row < bottom; row++)
		assert_int_equal(session_char(s, row, right), 0x2502);
	for (int col = left + 1; col < right; col++)
		assert_int_equal(session_char(s, bottom, col), 0x2500);
}

static void test_utf8_frames(void **state)
{
	struct session *s = session_open_main(FAKE_NORMAL);

	(void)state;
	for (int col = 0; col < 80; col++)
		assert_int_equal(session_char(s, 1, col), 0x2500);
	session_keys(s, "Po");
	session_wait(s, "Switch off this machine?");
	session_settle(s);
	check_box_around(s, session_find(s, "Switch off this machine?"));
	session_keys(s, "n");
	session_wait_gone(s, "Switch off this machine?");
	session_leave(s);
}

static void test_unknown_terminal_says_so(void **state)
{
	static const struct session_options o = {
		.term = "no-such-terminal", .rows = 24, .cols = 80};
	struct session *s = session_open(FAKE_NORMAL, &o);

	(void)state;
	session_wait(s, "Terminal \"no-such-terminal\" is unknown: it is taken for a vt100.");
	session_wait(s, "CLOUDHV.fd");
	session_leave(s);
}

/* A serial line that does not know its size. */
static void test_no_window_size(void **state)
{
	static const struct session_options o = {.term = "vt100", .rows = 24, .cols = 80};
	struct session *s = session_open(FAKE_NORMAL, &o);
	struct winsize zero = {0};

	(void)state;
	ioctl(s->master, TIOCSWINSZ, &zero);
	session_wait(s, "5 disks, 3 firmware images");
	session_idle(s, 200);
	assert_true(session_shows(s, "5 disks, 3 firmware images"));
	session_leave(s);
}

static void test_no_daemon_there(void **state)
{
	static const struct session_options o = {
		.term = "vt100", .rows = 24, .cols = 80, .socket = "/no/such/socket"};
	struct session *s = session_open(FAKE_NORMAL, &o);

	(void)state;
	session_wait(s, "No daemon answers on /no/such/socket");
	assert_int_equal(WEXITSTATUS(session_end(s)), 1);
	assert_true(session_tty_restored(s));
	session_close(s);
}

static void test_not_a_terminal(void **state)
{
	static const char *const commands[] = {MENU_PROGRAM " menu </dev/null 2>&1",
					       MENU_PROGRAM " </dev/null 2>&1"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *f = popen(commands[i], "r");
		char text[512] = "";
		int status;

		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		status = pclose(f);
		assert_int_equal(WEXITSTATUS(status), 1);
		assert_non_null(strstr(text, "is not a terminal"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_way_out),
		cmocka_unit_test(test_last_words_have_a_row_of_their_own),
		cmocka_unit_test(test_blocked_terminal),
		cmocka_unit_test(test_terminal_gone),
		cmocka_unit_test(test_monochrome),
		cmocka_unit_test(test_ascii_only),
		cmocka_unit_test(test_acs_frames),
		cmocka_unit_test(test_utf8_frames),
		cmocka_unit_test(test_unknown_terminal_says_so),
		cmocka_unit_test(test_no_window_size),
		cmocka_unit_test(test_no_daemon_there),
		cmocka_unit_test(test_not_a_terminal),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_line", tests, NULL, NULL);
}
