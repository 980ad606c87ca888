/* The recovery shell: what it is told, what comes back with it, and whose ^C is whose. */
#include "test.h"

#include <sched.h>
#include <sys/mount.h>

#include "menu_session.h"

static void test_shell(void **state)
{
	static const struct session_options none = {
		.term = "linux", .rows = 24, .cols = 80, .env = {"SHELL=/no/such/shell"}};
	struct session *s = session_open(FAKE_NORMAL, &none);

	(void)state;
	/* $SHELL that is not there: /bin/sh. The VM goes on meanwhile, its end is not missed. */
	session_wait(s, "firmware image");
	session_keys(s, "\r");
	session_wait(s, "Shell>");
	session_keys(s, "\035.");
	session_wait(s, "Enter: console");
	session_keys(s, "!");
	session_wait(s, "The virtual machine CLOUDHV.fd goes on running.");
	session_wait(s, "Type exit to return");
	session_wait(s, "Logs: `vmboot report`");
	session_keys(s, "trap '' INT; echo pid-$((40+2))\n");
	session_wait(s, "pid-42");
	session_resize(s, 30, 90);
	session_keys(s, "exit\n");
	session_wait(s, "returned from shell (exit 0)");
	session_wait(s, "Enter: console");
	session_wait_count(s, rescan, 1);
	/* Ended by SIGTERM while the shell has the terminal: nothing is left behind. */
	session_keys(s, "!");
	session_wait(s, "Type exit to return");
	kill(s->pid, SIGTERM);
	session_end(s);
	assert_int_equal(WEXITSTATUS(s->status), 1);
	session_close(s);
}

/* The shell that the menu has started, which may take a moment. */
static pid_t shell_of(struct session *s)
{
	uint64_t end = loop_now_ms() + 30000;
	char path[64], line[64];
	pid_t pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)s->pid, (int)s->pid);
	while (pid == 0 && loop_now_ms() < end) {
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		if (fgets(line, sizeof(line), f))
			pid = (pid_t)atoi(line);
		fclose(f);
		session_read(s, 10);
	}
	assert_int_not_equal(pid, 0);
	return pid;
}

/* Waits until PID is dead, and its parent has been told but has not asked. */
static void wait_for_zombie(struct session *s, pid_t pid)
{
	uint64_t end = loop_now_ms() + 30000;
	char path[64], kind = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (kind != 'Z' && loop_now_ms() < end) {
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		assert_int_equal(fscanf(f, "%*d (%*[^)]) %c", &kind), 1);
		fclose(f);
		session_read(s, 10);
	}
	assert_int_equal(kind, 'Z');
}

/*
 * A ^C that is typed while the shell dies reaches the menu, too, which has not yet taken the terminal back: it sees
 * the end of its child first and then the interrupt, which was not meant for it. Both wait here while the menu stands still.
 */
static void test_interrupt_in_the_last_moment(void **state)
{
	static const struct session_options o = {.term = "linux", .rows = 24, .cols = 80};
	static const int numbers[] = {SIGINT, SIGQUIT};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct session *s = session_open(FAKE_NORMAL, &o);
		pid_t shell;
		int status;

		session_wait(s, "firmware image");
		session_keys(s, "!");
		session_wait(s, "Type exit to return");
		shell = shell_of(s);
		kill(s->pid, SIGSTOP);
		assert_int_equal(waitpid(s->pid, &status, WUNTRACED), s->pid);
		assert_true(WIFSTOPPED(status));
		kill(shell, SIGKILL);
		wait_for_zombie(s, shell);
		kill(s->pid, numbers[i]);
		kill(s->pid, SIGCONT);
		session_wait(s, "returned from shell (exit 137)");
		session_leave(s);
	}
}

/* Whatever an operator is doing: no screen without a text field is without the shell, and each is there again after it. */
static void test_from_every_screen(void **state)
{
	static const struct session_options o = {
		.term = "xterm", .rows = 24, .cols = 80, .env = {"SHELL=/bin/true"}};
	static const struct {
		enum fake_scene scene;
		const char *keys, *shows;
	} screens[] = {
		{FAKE_ENTRIES, "", "Enter starts Debian"},
		{FAKE_ENTRIES, "e", "[ Start ]"},
		{FAKE_ENTRIES, "s", "Disks for starts"},
		{FAKE_ENTRIES, "f", "sha256"},
		{FAKE_ENTRIES, "c", "[ Save ]"},
		{FAKE_ENTRIES, "p", "PCI"},
		{FAKE_ENTRIES, "i", "System information"},
		{FAKE_ENTRIES, "l", "event 60 of the log"},
		{FAKE_ENTRIES, "?", "Main screen"},
		{FAKE_NO_KVM, "\r", "Before CLOUDHV.fd starts"},
		{FAKE_COUNTDOWN, "", "any key to wait"},
		{FAKE_NORMAL, "\r\004", "The guest switched itself off."},
		{FAKE_ENTRIES, "P", "switch this machine off"},
		{FAKE_ENTRIES, "ls", "Save a report"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(screens) / sizeof(screens[0]); i++) {
		struct session *s = session_open(screens[i].scene, &o);

		session_wait(s, "CLOUDHV.fd");
		session_wait(s, "Enter ");
		for (const char *key = screens[i].keys; *key; key++) {
			session_send(s, key, 1);
			/* The next key is for the guest, when there is one. */
			if (*key == '\r' && screens[i].scene == FAKE_NORMAL)
				session_wait(s, "Shell>");
		}
		session_wait(s, screens[i].shows);
		session_settle(s);
		session_keys(s, "!");
		session_wait_count(s, rescan, 1);
		session_wait(s, "returned from shell (exit 0)");
		/* The countdown was stopped by the key, as by any. */
		session_wait(s, screens[i].scene == FAKE_COUNTDOWN ? "Debian GNU/Linux 12"
								   : screens[i].shows);
		if (screens[i].scene == FAKE_COUNTDOWN)
			assert_int_equal(s->daemon.seen->pause, 1);
		session_close(s);
	}
}

/* In front of a guest's console it takes the prefix key, since ! is for the guest; in what scrolled away it does not. */
static void test_from_the_console(void **state)
{
	static const struct session_options o = {
		.term = "xterm", .rows = 24, .cols = 80, .env = {"SHELL=/bin/true"}};
	struct session *s = session_open_console(FAKE_NORMAL, &o);

	(void)state;
	session_keys(s, "!");
	session_wait_count(s, input_len, 1);
	session_keys(s, "\035!");
	session_wait_count(s, rescan, 1);
	session_wait(s, "returned from shell (exit 0)");
	session_wait(s, "Shell>");
	session_keys(s, "\035[");
	session_wait(s, "q back");
	session_keys(s, "!");
	session_wait_count(s, rescan, 2);
	session_wait(s, "returned from shell (exit 0)");
	/* It is what scrolled away again, whose keys are told when the next one takes that sentence away. */
	session_keys(s, "\033[A");
	session_wait(s, "q back");
	/* The guest has only seen what was for it. */
	assert_int_equal(s->daemon.seen->input_len, 1);
	session_close(s);
}

/* An image without a shell: the menu says so and stays. The mounts are this test's alone. */
static void test_no_shell_at_all(void **state)
{
	static const struct session_options o = {
		.term = "linux", .rows = 24, .cols = 80, .env = {"SHELL=/no/such/shell"}};
	struct session *s;

	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("/dev/null", "/bin/sh", NULL, MS_BIND, NULL) < 0) {
		print_message("skipped: no right to hide /bin/sh\n");
		skip();
	}
	s = session_open(FAKE_NORMAL, &o);
	session_wait(s, "firmware image");
	session_keys(s, "!");
	session_wait(s, "There is no shell: neither $SHELL nor /bin/sh can be run.");
	session_wait(s, "Enter starts");
	umount("/bin/sh");
	session_leave(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shell),
		cmocka_unit_test(test_from_every_screen),
		cmocka_unit_test(test_from_the_console),
		cmocka_unit_test(test_interrupt_in_the_last_moment),
		cmocka_unit_test(test_no_shell_at_all),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("ui_shell", tests, NULL, NULL);
}
