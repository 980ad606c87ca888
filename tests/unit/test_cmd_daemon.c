/* vmboot daemon: what its options ask for, and which are none. */
#include "storage_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "log.h"

#define MAX_ARGS 12

/* WORDS, parted by blanks, behind "daemon" in ARGV; their number with it. */
static int split(char *words, char **argv)
{
	static char name[] = "daemon";
	int argc = 0;

	argv[argc++] = name;
	for (char *word = strtok(words, " "); word && argc < MAX_ARGS - 1; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

static void what_is_no_option_is_refused(void **state)
{
	static const char *const wrong[] = {
		"--nonsense",	    "extra",	     "--socket",     "--log",
		"--debug --config", "--timeout x",   "--timeout -2", "--client-fd 2",
		"--client-fd 1024", "--client-fd x", "--note",	     "--debug extra",
	};
	char words[64], *argv[MAX_ARGS];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int argc;

		snprintf(words, sizeof(words), "%s", wrong[i]);
		argc = split(words, argv);
		if (cmd_daemon(argc, argv) != CMD_USAGE)
			fail_msg("%s is taken", wrong[i]);
	}
}

/*
 * A daemon with OPTIONS beside a log and settings of its own, for one menu that has left already: the level of its log when
 * it has ended, and its log in TEXT.
 */
static int run(const struct scratch *s, const char *options, char *text, size_t size)
{
	char words[3 * PATH_MAX], log[PATH_MAX], *argv[MAX_ARGS];
	int pair[2], status, fd;
	ssize_t n;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[0]);
	snprintf(words, sizeof(words), "--client-fd %d --log %s --config %s %s", pair[1],
		 scratch_path(s, "log", log), s->dir, options);
	unlink(log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		status = cmd_daemon(split(words, argv), argv);
		_exit(status == 0 ? 64 + (int)log_current_level() : status);
	}
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fd = open(log, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	if (!WIFEXITED(status) || WEXITSTATUS(status) < 64)
		fail_msg("status %#x: %s", status, text);
	return WEXITSTATUS(status) - 64;
}

static void debug_makes_it_log_all(void **state)
{
	const struct scratch *s = *state;
	char text[8192];

	assert_int_equal(run(s, "", text, sizeof(text)), LOG_LEVEL_INFO);
	assert_int_equal(run(s, "--debug", text, sizeof(text)), LOG_LEVEL_DEBUG);
}

static void notes_are_in_the_log(void **state)
{
	const struct scratch *s = *state;
	char text[8192];

	run(s, "--note first --note second", text, sizeof(text));
	assert_non_null(strstr(text, "daemon warn: first\n"));
	assert_non_null(strstr(text, "daemon warn: second\n"));
}

static void a_log_that_cannot_be_written_is_said(void **state)
{
	char words[] = "--log /nowhere/log", *argv[MAX_ARGS];

	(void)state;
	assert_int_equal(cmd_daemon(split(words, argv), argv), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_option_is_refused),
		cmocka_unit_test_setup_teardown(debug_makes_it_log_all, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(notes_are_in_the_log, scratch_setup,
						scratch_teardown),
		cmocka_unit_test(a_log_that_cannot_be_written_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
