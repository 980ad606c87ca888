/*
 * vmboot as PID 1. What it reads, below a directory of our own; then the whole in a PID namespace of its own, where
 * daemon and menus are a script and reboot(2) ends the namespace with a signal (pid_namespaces(7)).
 */
#include "storage_test.h"

#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "init.h"
#include "init/backoff.h"
#include "init/boot_options.h"
#include "init/consoles.h"
#include "init/modules.h"
#include "init/spawn.h"
#include "init/system.h"
#include "log.h"

#define DEADLINE_MS 20000

static int setup(void **state)
{
	log_init(-1, LOG_LEVEL_ERROR, "test");
	return scratch_setup(state);
}

/* ---- the kernel's command line ---- */

static void the_command_line_is_read(void **state)
{
	struct boot_options o;

	(void)state;
	boot_options_parse(
		"BOOT_IMAGE=/vmlinuz console=ttyS0 vmboot.entry=debian vmboot.timeout=0 "
		"vmboot.config=\"/a dir\" vmboot.shell vmboot.debug=1 vmboot.net=dhcp,eth1 quiet\n",
		&o);
	assert_int_equal(o.note_count, 0);
	assert_string_equal(o.entry, "debian");
	assert_string_equal(o.timeout, "0");
	assert_string_equal(o.config, "/a dir");
	assert_true(o.shell && o.debug && o.dhcp);
	assert_string_equal(o.card, "eth1");
	boot_options_parse("vmboot.shell=0 vmboot.net=dhcp vmboot.timeout=off xvmboot.shell", &o);
	assert_int_equal(o.note_count, 0);
	assert_false(o.shell || o.debug);
	assert_true(o.dhcp);
	assert_string_equal(o.card, "");
	assert_string_equal(o.timeout, "off");
	boot_options_parse("", &o);
	assert_false(o.note_count || o.shell || o.debug || o.dhcp || o.entry[0] || o.timeout[0] ||
		     o.config[0]);
}

/* Each is said with what was expected, and is as if it were not there. */
static void what_is_not_understood_is_said(void **state)
{
	static const char *const cases[][2] = {
		{"vmboot.bogus=1", "vmboot.bogus=1 is not understood; expected entry, timeout,"},
		{"vmboot.=", "vmboot. is not understood"},
		{"vmboot.entry", "vmboot.entry is not understood; expected the name of a file"},
		{"vmboot.entry=../x/y", "vmboot.entry=../x/y is not"},
		{"vmboot.timeout=soon", "expected seconds from 0, or off"},
		{"vmboot.timeout=-1", "expected seconds from 0, or off"},
		{"vmboot.config=etc", "expected a directory, /PATH"},
		{"vmboot.shell=maybe", "expected nothing, 1 or 0"},
		{"vmboot.net=static", "expected dhcp, or dhcp,CARD"},
		{"vmboot.net=dhcp,", "expected dhcp, or dhcp,CARD"},
		{"vmboot.net=dhcp,a/b", "expected dhcp, or dhcp,CARD"},
		{"vmboot.x=\033[2J", "vmboot.x=\\x1b[2J is not"},
	};
	struct boot_options o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		boot_options_parse(cases[i][0], &o);
		assert_int_equal(o.note_count, 1);
		if (!strstr(o.notes[0], cases[i][1]))
			fail_msg("%s: %s", cases[i][0], o.notes[0]);
		assert_false(o.shell || o.debug || o.dhcp || o.entry[0] || o.timeout[0] ||
			     o.config[0]);
	}
}

static void a_hostile_command_line_does_no_harm(void **state)
{
	static char text[65536];
	struct boot_options o;

	(void)state;
	for (size_t i = 0; i + 10 < sizeof(text); i += 9)
		memcpy(text + i, "vmboot.a ", 9);
	boot_options_parse(text, &o);
	assert_int_equal(o.note_count, BOOT_OPTIONS_NOTES);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "vmboot.config=/", 15);
	boot_options_parse(text, &o);
	assert_int_equal(o.note_count + (o.config[0] != '\0'), 1);
	boot_options_parse("\"vmboot.shell", &o);
	assert_true(o.shell);
}

/* ---- consoles ---- */

static void consoles_are_the_kernels(void **state)
{
	struct scratch *s = *state;
	char names[CONSOLES_MAX][16];

	/* proc(5): netconsole is no terminal, ttyS1 is off, tty0 is the one that is shown. */
	put(s, "proc/consoles",
	    "ttyS0                -W- (EC p  a)    4:64\n"
	    "tty0                 -WU (E  p  )    4:2\n"
	    "netcon0              -W- (E  p  a)\n"
	    "ttyS1                -W- (   p  a)    4:65\n"
	    "hvc0                 -W- (E  p  )  229:0\n");
	put(s, "sys/class/tty/tty0/active", "tty2\n");
	assert_int_equal(consoles_list(s->dir, names), 3);
	assert_string_equal(names[0], "ttyS0");
	assert_string_equal(names[1], "tty2");
	assert_string_equal(names[2], "hvc0");
	/* The same by two names is one. */
	put(s, "proc/consoles", "tty0 -WU (EC p  )    4:2\ntty2 -WU (E  p  )    4:2\n");
	assert_int_equal(consoles_list(s->dir, names), 1);
}

static void without_proc_sysfs_has_the_consoles(void **state)
{
	struct scratch *s = *state;
	char names[CONSOLES_MAX][16];

	assert_int_equal(consoles_list(s->dir, names), 0);
	put(s, "sys/class/tty/console/active", "tty0 ttyS1\n");
	assert_int_equal(consoles_list(s->dir, names), 2);
	assert_string_equal(names[0], "tty1");
	assert_string_equal(names[1], "ttyS1");
	put(s, "sys/class/tty/console/active",
	    "../../x averyveryverylongname a b c d e f g h i j\n");
	assert_int_equal(consoles_list(s->dir, names), CONSOLES_MAX);
	assert_string_equal(names[0], "a");
}

static void terminals_are_what_they_can_do(void **state)
{
	(void)state;
	assert_string_equal(consoles_term("tty1"), "linux");
	assert_string_equal(consoles_term("ttyS0"), "vt220");
	assert_string_equal(consoles_term("ttyUSB0"), "vt220");
	assert_string_equal(consoles_term("hvc0"), "vt220");
}

/* ---- starting again ---- */

static void what_fails_at_once_waits_longer_each_time(void **state)
{
	struct backoff b = {.failures = 0};
	unsigned int wait = 0, before = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		wait = backoff_failed(&b, 100);
		assert_in_range(wait, before ? before : 1, BACKOFF_MAX_MS);
		before = wait;
	}
	assert_int_equal(wait, BACKOFF_MAX_MS);
	/* What worked for a while is started at once again. */
	assert_in_range(backoff_failed(&b, BACKOFF_STEADY_MS), 1, 1000);
	assert_int_equal(b.failures, 1);
}

/* ---- modules ---- */

static void on_idle(void *ctx)
{
	(*(unsigned int *)ctx)++;
}

/* Our modprobe writes down what it is asked for. */
static char *asked(const struct scratch *s, struct modules *m)
{
	static char text[8192];
	char path[PATH_MAX];
	int status, fd;
	ssize_t n;
	pid_t pid;

	while ((pid = waitpid(-1, &status, 0)) > 0)
		modules_reap(m, pid);
	fd = open(scratch_path(s, "asked", path), O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void each_alias_is_asked_for_once(void **state)
{
	struct scratch *s = *state;
	unsigned int idle = 0;
	struct modules *m;
	char *text;

	put(s, "bin/modprobe", "");
	sh("chmod 755 %s/bin/modprobe; printf '#!/bin/sh\\nshift; printf \"%%%%s\\\\n\" \"$@\" "
	   ">>%s/asked\\n' "
	   ">%s/bin/modprobe; mkdir -p %s/lib/modules/$(uname -r); touch %s/lib/modules/$(uname "
	   "-r)/modules.dep",
	   s->dir, s->dir, s->dir, s->dir, s->dir);
	setenv("PATH", scratch_path(s, "bin:/bin:/usr/bin", (char[PATH_MAX]){0}), 1);
	put(s, "sys/devices/pci0/0000:01:00.0/modalias", "pci:v00008086d0000\n");
	put(s, "sys/devices/pci0/0000:01:00.0/usb1/1-1/modalias", "usb:v1D6Bp0002\n");
	put(s, "sys/devices/pci0/0000:02:00.0/modalias", "pci:v00008086d0000\n");
	put(s, "sys/devices/odd/modalias", "--remove=everything\n");
	put(s, "sys/devices/empty/modalias", "");
	assert_true(sh("ln -s ../../pci0 %s/sys/devices/pci0/loop", s->dir));
	assert_int_equal(modules_create(s->dir, on_idle, &idle, &m), 0);
	modules_load_all(m);
	text = asked(s, m);
	assert_int_equal(idle, 1);
	assert_non_null(strstr(text, "pci:v00008086d0000\n"));
	assert_non_null(strstr(text, "usb:v1D6Bp0002\n"));
	assert_null(strstr(strstr(text, "pci:") + 1, "pci:"));
	assert_null(strstr(text, "remove"));
	/* A device that comes later; the same one once more asks for nothing. */
	modules_add(m, "usb:v1D6Bp0002");
	modules_add(m, "usb:v05ACp1234");
	modules_begin(m);
	text = asked(s, m);
	assert_int_equal(idle, 2);
	assert_non_null(strstr(text, "usb:v05ACp1234\n"));
	assert_null(strstr(strstr(text, "usb:v1D6B") + 1, "usb:v1D6B"));
	modules_destroy(m);
}

static void a_kernel_without_modules_asks_for_none(void **state)
{
	struct scratch *s = *state;
	unsigned int idle = 0;
	struct modules *m;

	put(s, "sys/devices/a/modalias", "pci:v1\n");
	assert_int_equal(modules_create(s->dir, on_idle, &idle, &m), 0);
	modules_load_all(m);
	assert_int_equal(idle, 1);
	modules_add(m, "pci:v2");
	modules_begin(m);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	modules_destroy(m);
}

static void wait_long(void)
{
	for (;;)
		pause();
}

static void wait_not(void)
{
}

/* A disk that does not answer holds up whoever writes to it, and not the end of the machine. */
static void what_never_ends_is_left_alone(void **state)
{
	(void)state;
	assert_true(spawn_wait_for(wait_not, DEADLINE_MS));
	assert_false(spawn_wait_for(wait_long, 100));
	assert_true(waitpid(-1, NULL, 0) > 0);
}

static void the_kernels_time_is_kept(void **state)
{
	struct scratch *s = *state;

	assert_false(system_clock_is_set(s->dir));
	put(s, "sys/class/rtc/rtc0/hctosys", "0\n");
	assert_false(system_clock_is_set(s->dir));
	put(s, "sys/class/rtc/rtc0/hctosys", "1\n");
	assert_true(system_clock_is_set(s->dir));
}

/* ---- the whole, as PID 1 of a namespace ---- */

/*
 * Stands in for vmboot: each role does what the file of its name says ("run", "die"), and writes down that it ran. A
 * shell cannot make the daemon's socket: the test does.
 */
static const char program_text[] = "#!/bin/sh\n"
				   "echo \"$*\" >>%s/ran\n"
				   "trap 'echo \"$1 ends\" >>%s/ran; exit 0' TERM PWR\n"
				   "trap '' HUP\n"
				   "[ \"$(cat %s/do-$1)\" != stay ] || trap '' PWR\n"
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

/* The terminal that is the console, and what was shown on it. */
static struct {
	int ends[2];
	char text[65536];
	size_t n;
} tty;

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
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/vmboot/daemon.sock", s->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
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

/*
 * Init as the first process of a PID namespace below the scratch directory, with CONSOLES of which only console-a is a
 * terminal; 0 where there are no such namespaces.
 */
static pid_t start_init_on(const struct scratch *s, const char *consoles, const char *cmdline)
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
		init = fork();
		if (init == 0) {
			(void)!write(ready[1], "y", 1);
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
	pid_t pid = start_init(s, "vmboot.entry=a vmboot.timeout=7 vmboot.nonsense");

	NEED_INIT(pid);
	/* The daemon first, with what it has to know; the menu once the daemon answers. */
	wait_for(s, "ran", "daemon --socket", 1);
	assert_non_null(strstr(file_text(s, "ran"),
			       "--entry a --timeout 7 --note kernel command line: "
			       "vmboot.nonsense is not understood"));
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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_command_line_is_read),
		TEST(what_is_not_understood_is_said),
		TEST(a_hostile_command_line_does_no_harm),
		TEST(consoles_are_the_kernels),
		TEST(without_proc_sysfs_has_the_consoles),
		TEST(terminals_are_what_they_can_do),
		TEST(what_fails_at_once_waits_longer_each_time),
		TEST(each_alias_is_asked_for_once),
		TEST(a_kernel_without_modules_asks_for_none),
		TEST(what_never_ends_is_left_alone),
		TEST(the_kernels_time_is_kept),
		TEST(daemon_and_menu_are_kept_running),
		TEST(a_daemon_that_cannot_run_is_not_waited_for),
		TEST(a_menu_that_cannot_run_gives_way_to_a_shell),
		TEST(a_daemon_that_never_answers_leaves_the_shell),
		TEST(a_console_that_is_gone_is_left_alone),
		TEST(no_menu_begins_while_the_machine_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
