/*
 * vmboot ctl against a daemon in a process of its own: what it prints, its exit status, that a
 * command has happened when it returns. The vmm is the one of fake_vmm.h.
 */
#include "storage_test.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cmd/cmd.h"
#include "cmd/ctl.h"
#include "daemon.h"
#include "daemon/net_card.h"
#include "daemon_path.h"
#include "fake_vmm.h"
#include "log.h"
#include "menu_proto.h"
#include "proto.h"
#include "text.h"

#define DEADLINE_MS 20000

int __wrap_host_check_kvm(struct vmb_err *err);
int __wrap_host_check_kvm(struct vmb_err *err)
{
	(void)err;
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

struct fixture {
	struct scratch *scratch;
	pid_t daemon;
	int sock; /* a menu's */
	char socket_path[PATH_MAX];
	char output[PATH_MAX];
	char text[65536]; /* what the last ctl() printed */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *scratch;

	if (scratch_setup(&scratch) < 0)
		return -1;
	f->scratch = scratch;
	f->sock = -1;
	scratch_path(f->scratch, "run/daemon.sock", f->socket_path);
	scratch_path(f->scratch, "output", f->output);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *scratch = f->scratch;

	if (f->sock >= 0)
		close(f->sock);
	if (f->daemon > 0) {
		kill(f->daemon, SIGTERM);
		waitpid(f->daemon, NULL, 0);
	}
	free(f);
	return scratch_teardown(&scratch);
}

static void run_daemon(struct fixture *f)
{
	struct daemon_options options = {
		.client_fd = -1,
		.socket_path = f->socket_path,
		.kvm_ok = true,
	};
	struct vmb_err err = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_init(-1, LOG_LEVEL_ERROR, "test");
	_exit(daemon_run(&options, &err) < 0 ? 1 : 0);
}

/* Skips what a menu is told until MENU_VM says STATE. */
static void wait_vm(struct fixture *f, uint32_t state)
{
	static uint8_t body[PROTO_MAX_BODY];
	struct pollfd pfd = {.fd = f->sock, .events = POLLIN};
	struct menu_vm vm = {0};
	uint32_t type;

	do {
		int n;

		assert_int_equal(poll(&pfd, 1, DEADLINE_MS), 1);
		n = proto_recv(f->sock, &type, body, sizeof(body), NULL, 0, NULL);
		assert_true(n >= 0);
		assert_int_not_equal(type, MENU_REFUSED);
		if (type == MENU_VM)
			memcpy(&vm, body, sizeof(vm));
	} while (type != MENU_VM || vm.state != state);
}

static void start_daemon(struct fixture *f)
{
	const struct menu_hello hello = {.version = MENU_PROTO_VERSION};

	f->daemon = fork();
	if (f->daemon == 0)
		run_daemon(f);
	for (int i = 0; daemon_path_connect(f->socket_path, &f->sock) < 0; i++) {
		assert_true(i < DEADLINE_MS / 10);
		usleep(10000);
	}
	assert_int_equal(proto_send(f->sock, MENU_HELLO, &hello, sizeof(hello), NULL, 0), 0);
	wait_vm(f, MENU_VM_NONE);
}

/* A daemon with a VM whose fake vmm behaves like HOW. */
static void start_vm(struct fixture *f, const char *how)
{
	struct vm_config config;
	char path[PATH_MAX];

	setenv("FAKE_VMM", how, 1);
	start_daemon(f);
	vm_config_init(&config);
	config.memory = 128 << 20;
	text_copy(config.title, sizeof(config.title), "test \033[2Jmachine");
	fake_firmware(scratch_path(f->scratch, "fw.fd", path));
	text_copy(config.firmware_path, sizeof(config.firmware_path), path);
	write_file(scratch_path(f->scratch, "disk.img", path), NULL, 0, 1 << 20);
	text_copy(config.disks[0].path, sizeof(config.disks[0].path), path);
	config.disk_count = 1;
	text_copy(config.nets[0].name, sizeof(config.nets[0].name), "tap0");
	config.net_count = 1;
	assert_int_equal(proto_send(f->sock, MENU_START, &config, sizeof(config), NULL, 0), 0);
	wait_vm(f, MENU_VM_RUNNING);
}

/* Stands in for the host's tap. */
int __wrap_net_card_open(const struct vm_config *config, unsigned int number, struct net_card *ret_card,
			 struct vmb_err *err);
int __wrap_net_card_open(const struct vm_config *config, unsigned int number, struct net_card *ret_card,
			 struct vmb_err *err)
{
	(void)config;
	(void)number;
	(void)err;
	*ret_card = (struct net_card){.info.queues = 1, .taps[0] = open("/dev/null", O_RDWR | O_CLOEXEC)};
	return 0;
}

/* Runs `vmboot ctl --socket ... COMMAND` (a few words); its exit status, its output of both kinds in F->text. */
static int ctl_at(struct fixture *f, const char *socket_path, const char *command)
{
	char name[] = "ctl", option[] = "--socket", path[PATH_MAX], words[32], *rest = words;
	char *argv[8] = {name, option, path, NULL};
	int argc = 3, status, fd = open(f->output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;
	pid_t pid;

	text_copy(path, sizeof(path), socket_path);
	text_copy(words, sizeof(words), command);
	while (argc < 7 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		status = cmd_ctl(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(fd, f->text, sizeof(f->text) - 1, 0);
	assert_true(n >= 0);
	f->text[n] = '\0';
	close(fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int ctl(struct fixture *f, const char *command)
{
	return ctl_at(f, f->socket_path, command);
}

static void expect_text(const struct fixture *f, const char *words)
{
	if (!strstr(f->text, words))
		fail_msg("\"%s\" is not in: %s", words, f->text);
}

static const char *const commands[] = {"list",	"status", "pause", "resume",
				       "reset", "power",  "kill",  "console"};

static void without_a_daemon_every_command_says_so(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		assert_int_equal(ctl(f, commands[i]), 2);
		expect_text(f, "No daemon answers on ");
		expect_text(f, f->socket_path);
	}
}

static void unknown_commands_are_wrong_usage(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ctl(f, "explode"), CMD_USAGE);
	assert_int_equal(ctl(f, ""), CMD_USAGE);
}

static void without_a_vm_nothing_can_be_done_to_it(void **state)
{
	struct fixture *f = *state;

	start_daemon(f);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		bool harmless = !strcmp(commands[i], "list") || !strcmp(commands[i], "console");

		assert_int_equal(ctl(f, commands[i]), harmless ? 0 : 1);
		if (strcmp(commands[i], "console") != 0)
			expect_text(f, "No virtual machine is running.");
		else
			assert_string_equal(f->text, "");
	}
}

static void status_shows_state_and_counters(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "list"), 0);
	/* Its title is the menu's, and a menu is not trusted with a terminal. */
	expect_text(f, "test \\x1b[2Jmachine  running  0:00:0");
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "running");
	expect_text(f, "vCPU 0: exits for ports 1001, device memory 1002, other reasons 1003\n");
	expect_text(f, "unclaimed: ports 17, device memory 0\n");
	expect_text(f, "disk 0: 11 reads (0), 12 writes (0), 13 others, 14 errors");
	expect_text(f, "disk.img");
	expect_text(f, "input and output: threads\n");
}

static void pause_and_resume_have_happened_when_they_return(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ctl(f, "pause"), 0);
		assert_int_equal(ctl(f, "pause"), 0);
		assert_int_equal(ctl(f, "list"), 0);
		expect_text(f, "  paused  ");
		assert_int_equal(ctl(f, "resume"), 0);
		assert_int_equal(ctl(f, "resume"), 0);
		assert_int_equal(ctl(f, "list"), 0);
		expect_text(f, "  running  ");
	}
}

static void resets_are_counted(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	for (int i = 0; i < 3; i++)
		assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text(f, "resets 3");
}

static void expect_no_text(const struct fixture *f, const char *text)
{
	assert_null(strstr(f->text, text));
}

static void panic_shows_until_the_reset(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "panic");
	assert_int_equal(ctl(f, "pause"), 0); /* it has told by now */
	assert_int_equal(ctl(f, "list"), 0);
	expect_text(f, "kernel panicked");
	assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_no_text(f, "panicked");
}

static void watchdog_shows_after_its_reset(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "watchdog");
	assert_int_equal(ctl(f, "pause"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text(f, "resets 1");
	expect_text(f, "did not serve its watchdog");
	assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_no_text(f, "watchdog");
}

static void the_cable_of_a_card(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "network card 0: link up, received 21 packets (22), 23 dropped, sent 24 (25), 26 dropped  tap=tap0\n");
	assert_int_equal(ctl(f, "link 0 down"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "network card 0: link down");
	assert_int_equal(ctl(f, "link 0 up"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "network card 0: link up");
	assert_int_equal(ctl(f, "link 1 down"), 1);
	expect_text(f, "There is no network card 1: the virtual machine has 1 of them");
	assert_int_equal(ctl(f, "link"), CMD_USAGE);
	assert_int_equal(ctl(f, "link 0"), CMD_USAGE);
	assert_int_equal(ctl(f, "link 0 sideways"), CMD_USAGE);
	assert_int_equal(ctl(f, "link 0 up again"), CMD_USAGE);
	assert_int_equal(ctl(f, "link x up"), CMD_USAGE);
	assert_int_equal(ctl(f, "link 8 up"), CMD_USAGE);
}

static void balloon_is_asked_for_and_shown(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "balloon"), CMD_USAGE);
	assert_int_equal(ctl(f, "balloon nonsense"), CMD_USAGE);
	assert_int_equal(ctl(f, "pause 64M"), CMD_USAGE);
	assert_int_equal(ctl(f, "balloon 64M"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "balloon: 32M of 64M asked for");
	assert_int_equal(ctl(f, "balloon 0"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text(f, "balloon: 0 of 0 asked for");
	/* More than the guest can live without. */
	assert_int_equal(ctl(f, "balloon 100G"), 1);
	expect_text(f, "The guest cannot give back 100G: it has ");
}

static void resized_disk_is_looked_at_and_shown(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "resize"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize sda"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize -1"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize 0"), 0);
	expect_text(f, "disk 0: 2M\n");
	assert_int_equal(ctl(f, "resize 1"), 1);
	expect_text(f, "The virtual machine has no disk 1: it has 1, and they are counted from 0.");
}

static void kill_returns_when_it_is_dead(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "kill"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text(f, "  ended  ");
	expect_text(f, "Stopped.");
	assert_int_equal(ctl(f, "kill"), 1);
	expect_text(f, "No virtual machine is running.");
	assert_int_equal(ctl(f, "status"), 1);
}

static void the_power_button_is_pressed(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(ctl(f, "power"), 0);
	wait_vm(f, MENU_VM_ENDED);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text(f, "The power button was pressed.");
}

static void a_vmm_that_hangs_is_not_waited_for_for_ever(void **state)
{
	struct fixture *f = *state;

	start_vm(f, "hang");
	assert_int_equal(ctl(f, "pause"), 2);
	expect_text(f, "does not answer");
	assert_int_equal(ctl(f, "kill"), 0);
}

/* Into a file byte for byte, whatever it is. */
static void console_prints_what_the_guest_wrote(void **state)
{
	static const char bytes[] = "first\r\n\033[2J\033[31mred\033[0m \xFF\x80 last";
	struct fixture *f = *state;

	start_vm(f, "echo");
	assert_int_equal(proto_send(f->sock, MENU_INPUT, bytes, sizeof(bytes) - 1, NULL, 0), 0);
	for (int i = 0; i < 200 && ctl(f, "console") == 0 && !strstr(f->text, "last"); i++)
		usleep(10000);
	assert_string_equal(f->text, bytes);
	assert_int_equal(ctl(f, "kill"), 0);
	assert_int_equal(ctl(f, "console"), 0);
	assert_string_equal(f->text, bytes);
}

static void a_terminal_gets_no_control_characters(void **state)
{
	static const char bytes[] =
		"one\r\n\033[2J\033[01;31mred\033[0m\ttwo\n\007\xFF\033c\nend\033[";
	struct fixture *f = *state;
	struct ctl_text text;
	int out = dup(STDOUT_FILENO), fd;
	ssize_t n;

	fflush(stdout);
	fd = open(f->output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	ctl_text_begin(&text, true);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		ctl_text_put(&text, (const uint8_t *)bytes + i, 1);
	ctl_text_end(&text);
	dup2(out, STDOUT_FILENO);
	close(out);
	n = pread(fd, f->text, sizeof(f->text) - 1, 0);
	close(fd);
	f->text[n > 0 ? n : 0] = '\0';
	assert_string_equal(f->text, "one\nred two\n\\x07\\xff\nend\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_daemon_every_command_says_so),
		TEST(unknown_commands_are_wrong_usage),
		TEST(without_a_vm_nothing_can_be_done_to_it),
		TEST(status_shows_state_and_counters),
		TEST(pause_and_resume_have_happened_when_they_return),
		TEST(resets_are_counted),
		TEST(panic_shows_until_the_reset),
		TEST(watchdog_shows_after_its_reset),
		TEST(the_cable_of_a_card),
		TEST(balloon_is_asked_for_and_shown),
		TEST(resized_disk_is_looked_at_and_shown),
		TEST(kill_returns_when_it_is_dead),
		TEST(the_power_button_is_pressed),
		TEST(a_vmm_that_hangs_is_not_waited_for_for_ever),
		TEST(console_prints_what_the_guest_wrote),
		TEST(a_terminal_gets_no_control_characters),
	};

	if (argc > 1 && strcmp(argv[1], "vmm") == 0)
		return fake_vmm_main();
	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return cmd_probe(argc - 1, argv + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
