/* Which terminal the menu takes this one for, with and without a system that knows it. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ui/terminal.h"

/* Last: term.h defines many short names. */
#include <curses.h>
#include <term.h>

struct env {
	const char *term, *lang;
};

static void set_env(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* terminal_choose() in a child with TERM and LANG, in an empty root directory if EMPTY. */
static void choose(const char *term, const char *lang, bool empty, struct terminal *ret)
{
	char root[] = "/tmp/vmboot-root-XXXXXX";
	int pipefd[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipefd), 0);
	if (empty)
		assert_non_null(mkdtemp(root));
	pid = fork();
	if (pid == 0) {
		struct terminal terminal;
		int found;
		ssize_t n;

		set_env("TERM", term);
		set_env("LANG", lang);
		unsetenv("LC_ALL");
		unsetenv("LC_CTYPE");
		unsetenv("TERMINFO");
		if (empty && (chroot(root) < 0 || chdir("/") < 0))
			_exit(1);
		terminal_choose(false, &terminal);
		/* ncurses must get along with it here, by TERMINFO if there is nothing else. */
		if (setupterm(terminal.name, 1, &found) != OK || !tigetstr("cup"))
			_exit(2);
		n = write(pipefd[1], &terminal, sizeof(terminal));
		_exit(n == (ssize_t)sizeof(terminal) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (empty)
		rmdir(root);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(read(pipefd[0], ret, sizeof(*ret)), sizeof(*ret));
	close(pipefd[0]);
	close(pipefd[1]);
}

static void test_known(void **state)
{
	struct terminal t;

	(void)state;
	choose("linux", "C.UTF-8", false, &t);
	assert_string_equal(t.name, "linux");
	assert_string_equal(t.note, "");
	assert_true(t.utf8);
	choose("vt100", NULL, false, &t);
	assert_string_equal(t.name, "vt100");
	assert_false(t.utf8);
}

static void test_unknown_is_vt100_with_a_note(void **state)
{
	static const char *const names[] = {NULL, "", "dumb", "no-such-terminal", "../../etc/passwd",
					    "evil\033[2J"};
	struct terminal t;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		choose(names[i], "C.UTF-8", false, &t);
		assert_string_equal(t.name, "vt100");
		assert_non_null(strstr(t.note, "vt100"));
		assert_null(strchr(t.note, 033));
	}
}

/* A root directory with nothing in it is what an initramfs without terminfo looks like. */
static void test_embedded(void **state)
{
	static const char *const table[][2] = {
		{"linux", "linux"},		{"vt100", "vt100"},
		{"vt220", "vt220"},		{"xterm", "xterm"},
		{"xterm-256color", "xterm-256color"}, {"screen", "screen"},
		{"screen-256color", "screen-256color"}, {"tmux", "tmux"},
		{"tmux-256color", "tmux-256color"}, {"xterm-kitty", "xterm-256color"},
		{"vt102", "vt100"},		{"dumb", "vt100"},
		{"no-such-terminal", "vt100"},
	};
	struct terminal t;

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		choose(table[i][0], "C.UTF-8", true, &t);
		assert_string_equal(t.name, table[i][1]);
	}
}

/* TERMINFO must then hold a description that ncurses itself takes. */
static void test_embedded_descriptions_are_whole(void **state)
{
	static const char *const names[] = {"linux", "vt100", "vt220", "xterm", "xterm-256color",
					    "screen", "screen-256color", "tmux", "tmux-256color"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *data = terminal_embedded(names[i]);

		assert_non_null(data);
		assert_memory_equal(data, "b64:", 4);
		assert_null(strpbrk(data, " #\n"));
	}
	assert_null(terminal_embedded("dumb"));
}

static void test_utf8(void **state)
{
	static const struct {
		struct env env;
		bool want;
	} table[] = {
		{{"xterm", "en_US.UTF-8"}, true}, {{"vt100", "de_DE.utf8"}, true},
		{{"xterm", "C"}, false},	  {{"xterm", "POSIX"}, false},
		{{"xterm", NULL}, true},	  {{"linux", ""}, true},
		{{"vt100", NULL}, false},	  {{"dumb", "C.UTF-8"}, false},
		{{"linux", "de_DE.ISO-8859-1"}, false},
	};

	(void)state;
	unsetenv("LC_ALL");
	unsetenv("LC_CTYPE");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		set_env("LANG", table[i].env.lang);
		if (terminal_wants_utf8(table[i].env.term) != table[i].want)
			fail_msg("row %zu", i);
	}
	/* LC_ALL rules. */
	setenv("LANG", "C", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	assert_true(terminal_wants_utf8("vt100"));
	unsetenv("LC_ALL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_unknown_is_vt100_with_a_note),
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_embedded_descriptions_are_whole),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests_name("ui_terminal", tests, NULL, NULL);
}
