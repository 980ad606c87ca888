/*
 * `vmboot run` as an operator meets it, on a pseudo-terminal: keys, the prefix key, and the
 * terminal given back on every way out.
 */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <utmp.h>
#include <unistd.h>

#define VMBOOT "build/san/vmboot"
#define GUEST  "build/gen/tests/kvm/guests/echo"

struct terminal {
	pid_t pid;
	int master, slave; /* SLAVE keeps the terminal alive to look at its settings afterwards */
	struct termios before;
	char out[1 << 16];
	size_t len, seen;
};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct terminal));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	struct terminal *t = *state;

	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	if (t->master > 0)
		close(t->master);
	if (t->slave > 0)
		close(t->slave);
	free(t);
	return 0;
}

static void start(struct terminal *t)
{
	char *const argv[] = {(char[]){"vmboot"},
			      (char[]){"run"},
			      (char[]){"--firmware"},
			      (char[]){GUEST},
			      (char[]){"--memory"},
			      (char[]){"64M"},
			      NULL};

	machine_need_kvm();
	assert_int_equal(openpty(&t->master, &t->slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(t->slave, &t->before), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		close(t->master);
		if (login_tty(t->slave) == 0)
			execv(VMBOOT, argv);
		_exit(126);
	}
}

/* Reads what the terminal shows until TEXT appears behind what was expected before. */
static void expect(struct terminal *t, const char *text)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	struct pollfd p = {.fd = t->master, .events = POLLIN};
	const char *at;
	ssize_t n;

	while (!(at = memmem(t->out + t->seen, t->len - t->seen, text, strlen(text)))) {
		if (machine_now_ms() > until || t->len == sizeof(t->out))
			fail_msg("\"%s\" did not come; the terminal shows: %.*s", text,
				 (int)(t->len - t->seen), t->out + t->seen);
		if (poll(&p, 1, 100) <= 0)
			continue;
		n = read(t->master, t->out + t->len, sizeof(t->out) - t->len);
		if (n > 0)
			t->len += (size_t)n;
		else if (n < 0 && errno != EAGAIN)
			fail_msg("\"%s\" did not come before the end: %.*s", text, (int)t->len,
				 t->out);
	}
	t->seen = (size_t)(at - t->out) + strlen(text);
}

static void type(struct terminal *t, const char *bytes)
{
	assert_int_equal(write(t->master, bytes, strlen(bytes)), strlen(bytes));
}

/* Waits for the process without reading the terminal; its wait status. */
static int wait_status(struct terminal *t)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;
	int status;

	while (waitpid(t->pid, &status, WNOHANG) == 0) {
		if (machine_now_ms() > until)
			fail_msg("vmboot run does not end");
		usleep(10000);
	}
	t->pid = 0;
	return status;
}

static void expect_exit(struct terminal *t, int code)
{
	int status = wait_status(t);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
		fail_msg("wait status %#x instead of exit status %d: %.*s", status, code,
			 (int)t->len, t->out);
}

static void expect_terminal_restored(struct terminal *t)
{
	struct termios now;

	assert_int_equal(tcgetattr(t->slave, &now), 0);
	assert_int_equal(now.c_iflag, t->before.c_iflag);
	assert_int_equal(now.c_oflag, t->before.c_oflag);
	assert_int_equal(now.c_cflag, t->before.c_cflag);
	assert_int_equal(now.c_lflag, t->before.c_lflag);
	assert_memory_equal(now.c_cc, t->before.c_cc, sizeof(now.c_cc));
}

static void expect_raw(struct terminal *t)
{
	struct termios now;

	assert_int_equal(tcgetattr(t->slave, &now), 0);
	assert_false(now.c_lflag & (ICANON | ECHO | ISIG));
	assert_false(now.c_oflag & OPOST);
}

/* The vmm: the only child of `vmboot run`. */
static pid_t vmm_of(struct terminal *t)
{
	char path[64], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", t->pid, t->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	return atoi(line);
}

/* Gone, or a zombie that only waits to be collected by a parent that is not ours. */
static void expect_gone(pid_t pid)
{
	uint64_t until = machine_now_ms() + MACHINE_WAIT_MS;

	while (kill(pid, 0) == 0) {
		char path[64], stat[256] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "r");
		if (f && fgets(stat, sizeof(stat), f) && strstr(stat, ") Z ")) {
			fclose(f);
			return;
		}
		if (f)
			fclose(f);
		if (machine_now_ms() > until)
			fail_msg("process %d is still there", pid);
		usleep(10000);
	}
}

static void bytes_pass_as_they_are(void **state)
{
	struct terminal *t = *state;

	start(t);
	expect(t, "ready");
	expect_raw(t);
	/* UTF-8, a broken sequence, ESC, ^C, ^S, ^Q, ^Z, DEL: all the guest's business. */
	type(t, "<\xc3\xbc\xe2\x94\x80\xff\xc3\033[A\x03\x13\x11\x1a\x7f>");
	expect(t, "<\xc3\xbc\xe2\x94\x80\xff\xc3\033[A\x03\x13\x11\x1a\x7f>");
	type(t, "(\x1d\x1d)");
	expect(t, "(\x1d)");
	type(t, "q");
	expect(t, "switched itself off");
	expect_exit(t, 0);
	expect_terminal_restored(t);
}

static void prefix_key_commands(void **state)
{
	struct terminal *t = *state;
	size_t before;

	start(t);
	expect(t, "ready");
	type(t, "\x1d?");
	expect(t, "^] k");
	expect(t, "^] ^]");
	type(t, "\x1dz");
	expect(t, "^] ? lists");
	type(t, "\x1dp"); /* this guest does not care, and goes on */
	type(t, "a");
	expect(t, "a");
	before = t->seen;
	type(t, "\x1dr");
	/* Our own line comes at any moment around the guest's first words: wait for it, then talk. */
	expect(t, "was reset");
	type(t, "(still here)");
	expect(t, "(still here)");
	assert_non_null(memmem(t->out + before, t->len - before, "ready", 5));
	type(t, "\x1dk");
	expect_exit(t, 3);
	expect_terminal_restored(t);
}

static void signals_end_it_and_give_the_terminal_back(void **state)
{
	static const int signals[] = {SIGTERM, SIGHUP, SIGINT};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct terminal *t = *state;
		pid_t vmm;

		start(t);
		expect(t, "ready");
		vmm = vmm_of(t);
		kill(t->pid, signals[i]);
		expect_exit(t, 3);
		expect_terminal_restored(t);
		expect_gone(vmm);
		close(t->master);
		close(t->slave);
		memset(t, 0, sizeof(*t));
	}
}

static void death_of_the_vmm_is_told(void **state)
{
	struct terminal *t = *state;

	start(t);
	expect(t, "ready");
	kill(vmm_of(t), SIGKILL);
	expect(t, "killed by signal 9");
	expect_exit(t, 1);
	expect_terminal_restored(t);
}

static void crash_of_run_itself_gives_the_terminal_back(void **state)
{
	struct terminal *t = *state;
	pid_t vmm;

	start(t);
	expect(t, "ready");
	vmm = vmm_of(t);
	kill(t->pid, SIGSEGV);
	wait_status(t);
	expect_terminal_restored(t);
	expect_gone(vmm);
}

/* Runs a shell line; its output into OUT (SIZE bytes, terminated); its exit status. */
static int shell(const char *line, char *out, size_t size)
{
	FILE *f = popen(line, "r");
	size_t n;

	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

/* And where this host's KVM may be the reason, since it cannot run firmware, that is told, too. */
static void guest_fault_is_told(void **state)
{
	struct terminal *t = *state;
	char out[4096];

	start(t);
	expect(t, "ready");
	type(t, "T");
	expect(t, "vCPU 0");
	if (shell(VMBOOT " doctor --can-run-firmware", out, sizeof(out)) != 0)
		expect(t, "This machine's KVM cannot run firmware");
	expect_exit(t, 1);
	expect_terminal_restored(t);
}

static void blocked_terminal_stalls_nothing(void **state)
{
	struct terminal *t = *state;

	start(t);
	expect(t, "ready");
	/* More than all buffers hold, and nobody reads: the guest still gets to its end. */
	type(t, "F");
	expect_exit(t, 0);
	expect_terminal_restored(t);
}

/* A terminal that is read only after the guest has ended, and holds less than the guest has said. */
static void last_words_reach_a_slow_terminal(void **state)
{
	struct terminal *t = *state;
	pid_t vmm;

	start(t);
	expect(t, "ready");
	vmm = vmm_of(t);
	type(t, "L");
	expect_gone(vmm);
	expect(t, "and that was all");
	expect(t, "switched itself off");
	expect_exit(t, 0);
	expect_terminal_restored(t);
}

static void closed_terminal_ends_the_vm(void **state)
{
	struct terminal *t = *state;
	pid_t vmm;

	start(t);
	expect(t, "ready");
	vmm = vmm_of(t);
	close(t->master);
	t->master = -1;
	expect_exit(t, 3);
	expect_gone(vmm);
}

static void works_without_a_terminal(void **state)
{
	char out[4096];

	(void)state;
	machine_need_kvm();
	assert_int_equal(shell("(sleep 1; printf 'abcq') | " VMBOOT " run --firmware " GUEST
			       " --memory 64M 2>&1",
			       out, sizeof(out)),
			 0);
	assert_non_null(strstr(out, "ready\nabc"));
	/* No terminal, no escape sequences of ours. */
	assert_null(strchr(out, '\033'));
}

static void refusals_say_what_why_and_what_next(void **state)
{
	static const struct {
		const char *args, *why, *next;
	} cases[] = {
		{"--firmware /nonexistent/CLOUDHV.fd", "/nonexistent/CLOUDHV.fd does not exist",
		 "vmboot list"},
		{"--firmware /dev/null", "not a regular file", "Name the file"},
		{"--firmware /etc", "/etc is a directory", "Name a file in it"},
		{"--firmware $T/empty", "is empty", "Copy it again"},
		{"--firmware $T/truncated", "cut off", "Copy the image again"},
		{"--firmware /etc/passwd", "holds text", "CLOUDHV.fd"},
		{"--firmware $T/zeros", "not an ELF file", "CLOUDHV.fd"},
		{"--firmware " GUEST " --memory 32M", "32M is too small", "Give more"},
		{"--firmware " GUEST " --memory 100T", "100T is more than", "Give less"},
		{"--firmware " GUEST " --memory banana", "--memory banana", "a size such as 512M"},
		{"--firmware " GUEST " --cpus 0", "0 were asked for", "Give"},
		{"--firmware " GUEST " --cpus 10000", "10000 CPUs are more than", "Give fewer"},
		{"--firmware " GUEST " --disk /nonexistent.img", "/nonexistent.img does not exist",
		 "vmboot list"},
		{"--firmware " GUEST " --disk /etc", "/etc is a directory", "Name a block device"},
		{"--firmware " GUEST " --disk $T/empty", "is empty", "truncate -s"},
		{"--firmware " GUEST " --disk $T/odd", "513 bytes", "fill it up"},
		{"--firmware " GUEST " --disk $T/zeros --disk $T/zeros", "already attached",
		 "Stop that"},
		{"--firmware " GUEST " --disk $T/zeros,rw", "unknown option \"rw\"",
		 "known are ro, overlay"},
		{"--firmware " GUEST " --vars /etc/passwd", "was not touched", "fresh"},
		{"--firmware " GUEST " --vars /nonexistent/vars", "directory /nonexistent",
		 "Make it"},
		{"--firmware " GUEST " --log /nonexistent/log",
		 "/nonexistent/log cannot be written", "Name another file"},
		{"--firmware " GUEST " --log /dev/loop0", "/dev/loop0 is not a regular file",
		 "Name another one"},
		{"extra", "\"extra\" is not an option", "usage"},
		{"--nonsense", "--nonsense", "usage"},
	};
	char dir[] = "/tmp/vmboot-run-XXXXXX", line[1024], out[4096];

	(void)state;
	machine_need_kvm();
	assert_non_null(mkdtemp(dir));
	setenv("T", dir, 1);
	assert_int_equal(shell(": > $T/empty; head -c 513 /dev/zero > $T/odd; "
			       "head -c 1M /dev/zero > $T/zeros; head -c 100 " GUEST
			       " > $T/truncated",
			       out, sizeof(out)),
			 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status;

		snprintf(line, sizeof(line), "timeout 20 " VMBOOT " run %s 2>&1 </dev/null",
			 cases[i].args);
		status = shell(line, out, sizeof(out));
		if (status != 2 && status != 64)
			fail_msg("run %s: exit status %d: %s", cases[i].args, status, out);
		if (!strstr(out, cases[i].why) || !strstr(out, cases[i].next))
			fail_msg("run %s does not say \"%s\" and \"%s\": %s", cases[i].args,
				 cases[i].why, cases[i].next, out);
	}
	shell("rm -rf $T", out, sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_pass_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(prefix_key_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(signals_end_it_and_give_the_terminal_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(death_of_the_vmm_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(crash_of_run_itself_gives_the_terminal_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(guest_fault_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(blocked_terminal_stalls_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words_reach_a_slow_terminal, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_terminal_ends_the_vm, setup, teardown),
		cmocka_unit_test(works_without_a_terminal),
		cmocka_unit_test(refusals_say_what_why_and_what_next),
	};

	return cmocka_run_group_tests_name("kvm run", tests, NULL, NULL);
}
