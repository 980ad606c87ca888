/*
 * Keys at random, with a seed: nothing crashes or leaks, and nothing that asks first or needs Enter happens. And a menu
 * that nobody touches sleeps. RELIABILITY=full: ten minutes of keys.
 */
#include "test.h"

#include "menu_session.h"
#include "reliability.h"

#define QUICK_MS 20000
#define FULL_MS	 600000

/*
 * All that a keyboard, a line's noise and a terminal's answers can be, but for what starts, and for the yes of
 * a question: Enter, F10, ^X, y, Y. The keypad's Enter is ESC O M, so there is no M, which could follow the others. ^S saves
 * what the editor has, so it is left out, too.
 */
static const char *const keys[] = {
	"\033[A",      "\033[B",     "\033[C",
	"\033[D",      "\033[H",     "\033[F",
	"\033[5~",     "\033[6~",    "\033[3~",
	"\033[2~",     "\033[11~",   "\033OQ",
	"\033[15~",    " ",	     "\t",
	"\033[Z",      "\033",	     "\014",
	"\177",	       "\010",	     "\025",
	"\001",	       "\005",	     "\016",
	"\020",	       "\003",	     "\004",
	"\032",	       "\035",	     "\034",
	"0",	       "1",	     "5",
	"9",	       "a",	     "b",
	"c",	       "d",	     "e",
	"f",	       "g",	     "h",
	"i",	       "j",	     "k",
	"l",	       "m",	     "n",
	"o",	       "p",	     "q",
	"r",	       "s",	     "t",
	"u",	       "v",	     "w",
	"x",	       "z",	     "A",
	"B",	       "D",	     "E",
	"G",	       "J",	     "K",
	"L",	       "N",	     "O",
	"P",	       "R",	     "S",
	"T",	       "Z",	     "!",
	"?",	       "/",	     "\\",
	".",	       ",",	     "-",
	"+",	       "[",	     "]",
	"^",	       "\xC3\xA4",   "\xE2\x82\xAC",
	"\033[",       "\033O",	     "\033]0;",
	"\033P",       "\xFF",	     "\xC3",
	"\033[24;80R", "\033[?1;2c", "\033[200~",
	"\033[26~",    "\033[M",     "\033a",
	"\033R",       "\033r",	     "\007",
	"\000",
};

/* Nothing of this may have happened without Enter or a yes. */
static void check_nothing_happened(const struct session *s)
{
	const struct fake_seen *seen = s->daemon.seen;

	assert_int_equal(seen->start, 0);
	assert_string_equal(seen->started_id, "");
	assert_int_equal(seen->deleted, 0);
	assert_int_equal(seen->host_power, 0);
	assert_int_equal(seen->report, 0);
	assert_int_equal(seen->reset, 0);
	assert_int_equal(seen->kill, 0);
	assert_int_equal(seen->power, 0);
	assert_false(seen->vm_alive);
}

static struct session *open_menu(void)
{
	static const struct session_options o = {
		.term = "xterm", .rows = 24, .cols = 80, .env = {"SHELL=/bin/true"}};
	struct session *s = session_open(FAKE_ENTRIES, &o);

	session_wait(s, "Debian GNU/Linux 12");
	return s;
}

/* So many keys may be on their way when a menu reads the q that ends it. */
#define KEYS_ON_THE_WAY 100

/*
 * A menu may only have left because q asked it to, which was AFTER_Q keys ago (at most what fits on the way). When it has given
 * the terminal back then, and only then, ^C and ^\ that follow end it as they end any program.
 */
static struct session *check_left(struct session *s, unsigned int after_q)
{
	if (waitpid(s->pid, &s->status, WNOHANG) != s->pid)
		return s;
	if (after_q > KEYS_ON_THE_WAY)
		fail_msg("the menu ended (status %x) and no q asked for it", s->status);
	if (!WIFSIGNALED(s->status) ||
	    (WTERMSIG(s->status) != SIGINT && WTERMSIG(s->status) != SIGQUIT))
		assert_int_equal(s->status, 0);
	s->pid = 0;
	assert_true(session_tty_restored(s));
	check_nothing_happened(s);
	session_close(s);
	return open_menu();
}

static void test_keys_by_chance_start_nothing(void **state)
{
	uint64_t end = loop_now_ms() + reliability_count(QUICK_MS, FULL_MS);
	struct session *s = open_menu();
	unsigned int count = 0, after_q = KEYS_ON_THE_WAY + 1;

	(void)state;
	srandom(20260);
	while (loop_now_ms() < end) {
		const char *key = keys[(size_t)random() % (sizeof(keys) / sizeof(keys[0]))];

		session_send(s, key, key[0] ? strlen(key) : 1);
		session_read(s, (int)(random() % 4));
		count++;
		after_q = strcmp(key, "q") == 0 ? 0 : after_q + 1;
		if (random() % 60 == 0)
			session_resize(s, 15 + (int)(random() % 30), 50 + (int)(random() % 90));
		/* A lone Esc is one only after a while. */
		if (random() % 40 == 0)
			session_idle(s, 350);
		s = check_left(s, after_q);
	}
	check_nothing_happened(s);
	kill(s->pid, SIGTERM);
	session_end(s);
	/* 1, or 0 if it was about to leave: not a signal, nor a sanitizer's status. */
	if (!WIFEXITED(s->status) || WEXITSTATUS(s->status) > 1)
		fail_msg("status %x", s->status);
	session_close(s);
	print_message("reliability_random_keys %u keys\n", count);
}

/* In the console every key is the guest's, and only what follows ^] is ours: no random byte ends the VM. */
static void test_keys_by_chance_end_no_vm(void **state)
{
	static const struct session_options o = {
		.term = "xterm", .rows = 24, .cols = 80, .env = {"SHELL=/bin/true"}};
	uint64_t end = loop_now_ms() + reliability_count(QUICK_MS / 4, FULL_MS / 10);
	struct session *s = session_open_console(FAKE_NORMAL, &o);

	(void)state;
	srandom(7);
	while (loop_now_ms() < end) {
		const char *key = keys[(size_t)random() % (sizeof(keys) / sizeof(keys[0]))];

		/* ^D and ^F end the fake guest; q leaves the menu after a yes only, which does not come. */
		if (strcmp(key, "\004") == 0)
			continue;
		session_send(s, key, key[0] ? strlen(key) : 1);
		session_read(s, (int)(random() % 4));
		assert_int_equal(waitpid(s->pid, &s->status, WNOHANG), 0);
	}
	assert_int_equal(s->daemon.seen->start, 1);
	assert_int_equal(s->daemon.seen->kill, 0);
	assert_int_equal(s->daemon.seen->reset, 0);
	assert_int_equal(s->daemon.seen->host_power, 0);
	assert_true(s->daemon.seen->vm_alive);
	kill(s->pid, SIGTERM);
	session_end(s);
	assert_true(WIFEXITED(s->status) && WEXITSTATUS(s->status) <= 1);
	session_close(s);
}

/* How often the process gave its CPU up because it waited for something. */
static unsigned long count_waits(pid_t pid)
{
	char path[64], line[128];
	unsigned long waits = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %lu", &waits);
	fclose(f);
	return waits;
}

/* Ten seconds, on each screen that nothing moves on: not one wake-up. */
static void test_an_idle_menu_sleeps(void **state)
{
	static const char *const screens[] = {"", "i", "l", "?", "P"};

	(void)state;
	for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
		struct session *s = open_menu();
		unsigned long before;

		session_keys(s, screens[i]);
		session_settle(s);
		session_idle(s, 500);
		before = count_waits(s->pid);
		session_idle(s, i == 0 ? 10000 : 1500);
		assert_int_equal(count_waits(s->pid) - before, 0);
		kill(s->pid, SIGTERM);
		session_end(s);
		session_close(s);
	}
}

/* With a VM the clock in the status row ticks once a second, and nothing else does. */
static void test_a_running_clock_is_all(void **state)
{
	static const struct session_options o = {.term = "xterm", .rows = 24, .cols = 80};
	struct session *s = session_open_console(FAKE_NORMAL, &o);
	unsigned long before, ticks;

	(void)state;
	session_settle(s);
	before = count_waits(s->pid);
	session_idle(s, 10000);
	ticks = count_waits(s->pid) - before;
	/* One wake-up to tick and one to paint, ten times; a busy machine may stretch a second. */
	assert_true(ticks >= 5 && ticks <= 24);
	kill(s->pid, SIGTERM);
	session_end(s);
	session_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_by_chance_start_nothing),
		cmocka_unit_test(test_keys_by_chance_end_no_vm),
		cmocka_unit_test(test_an_idle_menu_sleeps),
		cmocka_unit_test(test_a_running_clock_is_all),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_random", tests, NULL, NULL);
}
