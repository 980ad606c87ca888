/*
 * vmboot as PID 1 of a PID namespace of its own, where daemon and menus are a script and reboot(2) ends the namespace
 * with a signal (pid_namespaces(7)).
 */
#include "storage_test.h"

#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "init.h"
#include "init/backoff.h"
#include "log.h"

#define DEADLINE_MS 20000

/* The terminal that is the console, and what was shown on it; the daemon's socket. -1: none. */
static struct {
	int ends[2];
	char text[65536];
	size_t n;
} tty;
static int listener;

static int setup(void **state)
{
	log_init(-1, LOG_LEVEL_ERROR, "test");
	tty.ends[0] = tty.ends[1] = listener = -1;
	return scratch_setup(state);
}

static int teardown(void **state)
{
	const int fds[] = {tty.ends[0], tty.ends[1], listener};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return scratch_teardown(state);
}

/*
 * Stands in for vmboot: each role does what the file of its name says ("run", "die"), and writes down that it runs, once
 * it hears signals. A shell cannot make the daemon's socket: the test does.
 */
static const char program_text[] = "#!/bin/sh\n"
				   "trap 'echo \"$1 ends\" >>%s/ran; exit 0' TERM PWR\n"
				   "trap '' HUP\n"
				   "[ \"$(cat %s/do-$1)\" != stay ] || trap '' PWR\n"
				   "echo \"$*\" >>%s/ran\n"
				   "[ \"$(cat %s/do-$1)\" != die ] || kill -SEGV $$\n"
				   "while :; do sleep 0.05; done\n";

/* What has been written to file NAME so far. */
static const char *file_text(const struct scratch *s, const char *name)
{
	static char text[65536];
	char path[PATH_MAX];
	int fd = open(scratch_path(s, name, path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Makes the console of FILE; a terminal needs both its ends to be open. */
static void make_console(const struct scratch *s, const char *file)
{
	char name[64];

	tty.n = 0;
	assert_int_equal(openpty(&tty.ends[0], &tty.ends[1], name, NULL, NULL), 0);
	fcntl(tty.ends[0], F_SETFD, FD_CLOEXEC);
	fcntl(tty.ends[1], F_SETFD, FD_CLOEXEC);
	assert_true(sh("mkdir -p %s/dev; ln -s %s %s/dev/%s", s->dir, name, s->dir, file));
}

static const char *console_text(void)
{
	struct pollfd pfd = {.fd = tty.ends[0], .events = POLLIN};

	while (tty.n + 1 < sizeof(tty.text) && poll(&pfd, 1, 0) > 0) {
		ssize_t n = read(tty.ends[0], tty.text + tty.n, sizeof(tty.text) - 1 - tty.n);

		if (n <= 0)
			break;
		tty.n += (size_t)n;
	}
	tty.text[tty.n] = '\0';
	return tty.text;
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

/* The socket that init unlinks before each start of the daemon and finds again when it listens. */
static void listen_there(const struct scratch *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/vmboot/daemon.sock", s->dir);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 8), 0);
}

/* NAME NULL: the console. */
static void wait_for(const struct scratch *s, const char *name, const char *word,
		     unsigned int times)
{
	for (int i = 0; i < DEADLINE_MS / 20; i++) {
		if (count(name ? file_text(s, name) : console_text(), word) >= times)
			return;
		usleep(20000);
	}
	fail_msg("%u times \"%s\" does not come in %s, which has: %s", times, word,
		 name ? name : "the console", name ? file_text(s, name) : console_text());
}

/* No descriptor is left to the process, and its standard input is the console. */
static void leave_nothing(void)
{
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};

	dup2(tty.ends[1], STDIN_FILENO);
	setrlimit(RLIMIT_NOFILE, &none);
}

/*
 * Init as the first process of a PID namespace below the scratch directory, with CONSOLES of which only console-a is a
 * terminal; before it BEFORE is called, if there is one. 0 where there are no such namespaces.
 */
static pid_t start_init_after(const struct scratch *s, const char *consoles, const char *cmdline,
			      void (*before)(void))
{
	static char program[PATH_MAX];
	static struct init_options options;
	int ready[2];
	char ok = 0;
	pid_t pid;

	put(s, "proc/cmdline", cmdline);
	put(s, "sys/class/tty/console/active", consoles);
	make_console(s, "console-a");
	put(s, "run/x", "");
	put(s, "do-daemon", "run");
	put(s, "do-menu", "run");
	put(s, "program", "");
	sh("mkdir -p %s/run/vmboot", s->dir);
	snprintf(program, sizeof(program), program_text, s->dir, s->dir, s->dir, s->dir);
	put(s, "program", program);
	scratch_path(s, "program", program);
	chmod(program, 0755);
	options = (struct init_options){.root = s->dir, .program = program};
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		pid_t init;
		int status;

		if (unshare(CLONE_NEWPID) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(77);
		/* All of them end with a test that is killed. Changing namespaces forgets this, so not before. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		init = fork();
		if (init == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			(void)!write(ready[1], "y", 1);
			if (before)
				before();
			init_run(&options);
		}
		/* As a shell says it: reboot(2) there is a signal here. */
		signal(SIGUSR1, SIG_IGN);
		waitpid(init, &status, 0);
		_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	}
	close(ready[1]);
	ok = read(ready[0], &ok, 1) == 1;
	close(ready[0]);
	return ok ? pid : 0;
}

static pid_t start_init_on(const struct scratch *s, const char *consoles, const char *cmdline)
{
	return start_init_after(s, consoles, cmdline, NULL);
}

static pid_t start_init(const struct scratch *s, const char *cmdline)
{
	return start_init_on(s, "console-a\n", cmdline);
}

/* The process that is PID 1 in there, as we see it. */
static pid_t init_of(pid_t parent)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	f = fopen(path, "re");
	if (f) {
		(void)!fgets(text, sizeof(text), f);
		fclose(f);
	}
	return (pid_t)atoi(text);
}

static int wait_end(pid_t pid)
{
	int status;

	for (int i = 0; i < DEADLINE_MS / 20; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WEXITSTATUS(status);
		usleep(20000);
	}
	fail_msg("init does not end");
	return -1;
}

#define NEED_INIT(pid)                                                      \
	do {                                                                \
		if (!(pid)) {                                               \
			print_message("skipped: no PID namespaces here\n"); \
			skip();                                             \
		}                                                           \
	} while (0)

/* Crashes the process that plays ROLE. */
static void crash(const struct scratch *s, const char *role)
{
	sh("for p in /proc/[0-9]*; do { tr '\\0' ' ' <$p/cmdline; } 2>/dev/null | "
	   "grep -q '^/bin/sh %s/program %s' && kill -SEGV ${p#/proc/}; done",
	   s->dir, role);
}

static void daemon_and_menu_are_kept_running(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init(s, "vmboot.config=/tmp vmboot.entry=a vmboot.timeout=7 vmboot.debug "
				  "vmboot.nonsense vmboot.net=dhcp,nocard0");

	NEED_INIT(pid);
	/* The daemon first, with what it has to know; the menu once the daemon answers. */
	wait_for(s, "ran", "daemon --socket", 1);
	assert_non_null(strstr(file_text(s, "ran"),
			       "--config /tmp --entry a --timeout 7 --note kernel command line: "
			       "vmboot.nonsense is not understood"));
	assert_non_null(strstr(file_text(s, "ran"),
			       "--note kernel command line: vmboot.net=dhcp,nocard0: there is no "
			       "such network card; it is waited for"));
	assert_non_null(strstr(file_text(s, "ran"), " --debug\n"));
	assert_int_equal(count(file_text(s, "ran"), "menu"), 0);
	listen_there(s);
	wait_for(s, "ran", "menu --socket", 1);
	/* A menu that crashes is said on its console and comes again. */
	crash(s, "menu");
	wait_for(s, NULL, "the menu on console-a was ended by signal 11", 1);
	wait_for(s, "ran", "menu --socket", 2);
	/* A daemon that crashes comes again and is told of it. */
	crash(s, "daemon");
	wait_for(s, "ran",
		 "--note the daemon was ended by signal 11 (Segmentation fault); it is started "
		 "again",
		 1);
	/* The end: everybody is told, then the machine is switched off. */
	kill(init_of(pid), SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
	assert_int_equal(count(file_text(s, "ran"), "menu ends"), 1);
	assert_int_equal(count(file_text(s, "ran"), "daemon ends"), 1);
}

static void a_daemon_that_cannot_run_is_not_waited_for(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init(s, "");

	NEED_INIT(pid);
	put(s, "do-daemon", "die");
	crash(s, "daemon");
	/* Without --socket a menu makes a daemon of its own. */
	wait_for(s, "ran", "menu\n", 1);
	kill(init_of(pid), SIGTERM);
	assert_int_equal(wait_end(pid), 128 + SIGHUP);
}

static void a_menu_that_cannot_run_gives_way_to_a_shell(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init(s, "");
	unsigned int at;

	NEED_INIT(pid);
	put(s, "do-menu", "die");
	wait_for(s, "ran", "daemon", 1);
	listen_there(s);
	wait_for(s, NULL, "again and again", 1);
	wait_for(s, NULL, "s gives a shell", 1);
	/* Not where the settings lock the machine. */
	at = count(console_text(), "s gives a shell");
	put(s, "run/vmboot/no-shell", "");
	assert_int_equal(write(tty.ends[0], "x", 1), 1);
	wait_for(s, NULL, "again and again", 3);
	assert_int_equal(count(console_text(), "s gives a shell"), at);
	/* The machine can be switched off all the same. */
	kill(init_of(pid), SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
}

/* One that lives and never listens: whoever sits there is told, has the shell, and the menu when it comes after all. */
static void a_daemon_that_never_answers_leaves_the_shell(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init(s, "");

	NEED_INIT(pid);
	wait_for(s, "ran", "daemon", 1);
	wait_for(s, NULL, "the menu waits for the daemon, which does not answer", 1);
	wait_for(s, NULL, "s gives a shell", 1);
	assert_int_equal(count(file_text(s, "ran"), "menu"), 0);
	listen_there(s);
	usleep(200000);
	assert_int_equal(write(tty.ends[0], "x", 1), 1);
	wait_for(s, "ran", "menu --socket", 1);
	kill(init_of(pid), SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
}

/* Neither another console's terminal nor all of a CPU is taken for it. */
static void a_console_that_is_gone_is_left_alone(void **state)
{
	struct scratch *s = *state;
	pid_t pid;

	put(s, "dev/kmsg", "");
	pid = start_init_on(s, "console-a console-b\n", "");
	NEED_INIT(pid);
	wait_for(s, "ran", "daemon", 1);
	listen_there(s);
	wait_for(s, "dev/kmsg", "menu on console-b ended with status 1, again and again", 1);
	usleep(1500000);
	assert_in_range(count(file_text(s, "dev/kmsg"), "menu on console-b"), 3, 5);
	assert_int_equal(count(file_text(s, "ran"), "menu --socket"), 1);
	kill(init_of(pid), SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
}

static void no_menu_begins_while_the_machine_ends(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init(s, ""), init;

	NEED_INIT(pid);
	init = init_of(pid);
	wait_for(s, "ran", "daemon", 1);
	put(s, "do-daemon", "stay");
	crash(s, "daemon");
	wait_for(s, "ran", "daemon --socket", 2);
	usleep(200000);
	kill(init, SIGUSR2);
	usleep(200000);
	/* It answers only now, while its guest switches itself off. */
	listen_there(s);
	usleep(500000);
	kill(init, SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
	assert_int_equal(count(file_text(s, "ran"), "menu"), 0);
}

/* Types LINE into what has the console and waits for WORD, which LINE itself does not have. */
static void type(const struct scratch *s, const char *line, const char *word)
{
	assert_int_equal(write(tty.ends[0], line, strlen(line)), (int)strlen(line));
	wait_for(s, NULL, word, 1);
}

/* The first process crashes and the machine goes on: its console is a shell's, also when that ends, and no menu's. */
static void init_itself_may_crash(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX], to[PATH_MAX];
	pid_t pid;

	assert_int_equal(mkdir(scratch_path(s, "dev", path), 0755), 0);
	assert_int_equal(symlink("console-a", scratch_path(s, "dev/console", to)), 0);
	pid = start_init(s, "");
	NEED_INIT(pid);
	wait_for(s, "ran", "daemon --socket", 1);
	listen_there(s);
	wait_for(s, "ran", "menu --socket", 1);
	kill(init_of(pid), SIGSEGV);
	wait_for(s, "ran", "menu ends", 1);
	wait_for(s, NULL, "init itself has crashed; this is a shell in its place", 1);
	type(s, "echo al''ive; exit\n", "alive");
	wait_for(s, NULL, "init itself has crashed", 2);
	type(s, "echo ag''ain\n", "again");
	assert_int_equal(count(file_text(s, "ran"), "daemon ends"), 0);
	kill(init_of(pid), SIGKILL);
	assert_int_equal(wait_end(pid), 128 + SIGKILL);
}

/* Without a descriptor there is neither loop nor menu, and a shell all the same. */
static void without_anything_there_is_a_shell(void **state)
{
	struct scratch *s = *state;
	pid_t pid = start_init_after(s, "console-a\n", "", leave_nothing);

	NEED_INIT(pid);
	wait_for(s, NULL, "not even the beginnings of memory and descriptors", 1);
	/* One that needs no libraries, as the appliance's, would go on from here. */
	wait_for(s, NULL, "recovery shell", 1);
	kill(init_of(pid), SIGKILL);
	assert_int_equal(wait_end(pid), 128 + SIGKILL);
}

/* What others leave behind is init's to bury. */
static void orphans_are_reaped(void **state)
{
	struct scratch *s = *state;
	char path[PATH_MAX];
	int status, left;
	pid_t pid = start_init(s, "");

	NEED_INIT(pid);
	wait_for(s, "ran", "daemon --socket", 1);
	/* A process of that namespace whose own parent ends before it. */
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)init_of(pid));
	left = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(left >= 0);
	if (fork() == 0) {
		if (setns(left, CLONE_NEWPID) < 0)
			_exit(77);
		if (fork() == 0) {
			if (fork() == 0) {
				usleep(100000);
				_exit(0);
			}
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	close(left);
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	usleep(100000);
	for (int i = 0; i < DEADLINE_MS / 20; i++) {
		if (sh("! grep -qs '^State:.Z' $(sed 's,[0-9]*,/proc/&/status,g' "
		       "/proc/%d/task/%d/children)",
		       (int)init_of(pid), (int)init_of(pid)))
			break;
		usleep(20000);
		assert_true(i + 1 < DEADLINE_MS / 20);
	}
	kill(init_of(pid), SIGUSR2);
	assert_int_equal(wait_end(pid), 128 + SIGINT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(daemon_and_menu_are_kept_running),
		TEST(a_daemon_that_cannot_run_is_not_waited_for),
		TEST(a_menu_that_cannot_run_gives_way_to_a_shell),
		TEST(a_daemon_that_never_answers_leaves_the_shell),
		TEST(a_console_that_is_gone_is_left_alone),
		TEST(no_menu_begins_while_the_machine_ends),
		TEST(init_itself_may_crash),
		TEST(without_anything_there_is_a_shell),
		TEST(orphans_are_reaped),
	};

	return cmocka_run_group_tests_name("init_pid1", tests, NULL, NULL);
}
