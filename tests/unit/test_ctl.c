/*
 * vmboot ctl against a daemon in a process of its own: what it prints, its exit status, that a
 * command has happened when it returns. The vmm is the one of fake_vmm.h.
 */
#include "daemon_session.h"

#include "cmd/ctl.h"
#include "daemon/net_card.h"
#include "daemon/vfio_devices.h"
#include "host_pci.h"
#include "probe_proto.h"

static char printed[65536]; /* what the last ctl() printed */

static char *output_path(const struct fixture *f, char path[PATH_MAX])
{
	return scratch_path(f->scratch, "output", path);
}

static void start_and_greet(struct fixture *f, const char *how)
{
	start_listening(f, how);
	f->sock = connect_menu(f);
	greet(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_NONE);
}

/* A daemon with a VM whose fake vmm behaves like HOW. */
static void run_vm(struct fixture *f, const char *how)
{
	struct vm_config *config = &f->config;
	char path[PATH_MAX];

	start_and_greet(f, how);
	config->memory = 128 << 20;
	text_copy(config->title, sizeof(config->title), "test \033[2Jmachine");
	write_file(scratch_path(f->scratch, "disk.img", path), NULL, 0, 1 << 20);
	text_copy(config->disks[0].path, sizeof(config->disks[0].path), path);
	config->disk_count = 1;
	text_copy(config->nets[0].name, sizeof(config->nets[0].name), "tap0");
	config->net_count = 1;
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
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

/* Stand in for the host's PCI devices, and for where it is noted who has them. */
int __wrap_host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err);
int __wrap_vfio_devices_open(const char *root, const struct vm_config *config,
			     struct vfio_devices *ret_devices, struct vmb_err *err);
int __wrap_daemon_path_pci(char *buf, size_t size);

int __wrap_host_pci_check(const char *root, const struct vm_config *config, struct vmb_err *err)
{
	(void)root;
	(void)config;
	(void)err;
	return 0;
}

int __wrap_vfio_devices_open(const char *root, const struct vm_config *config,
			     struct vfio_devices *ret_devices, struct vmb_err *err)
{
	(void)root;
	(void)config;
	(void)err;
	*ret_devices = (struct vfio_devices){.container = -1};
	return 0;
}

int __wrap_daemon_path_pci(char *buf, size_t size)
{
	const char *dir = getenv("TEST_PCI_DIR");

	return dir ? text_copy(buf, size, dir) : -ENOENT;
}

/* `vmboot pci`: every device has moved. */
static int fake_mover(void)
{
	const struct probe_done done = {0};

	return proto_send(PROBE_CONTROL_FD, PROBE_DONE, &done, sizeof(done), NULL, 0) < 0;
}

/* Runs `vmboot ctl --socket ... COMMAND` (a few words); its exit status, its output of both kinds in PRINTED. */
static int ctl_at(struct fixture *f, const char *socket_path, const char *command)
{
	char name[] = "ctl", option[] = "--socket", path[PATH_MAX], words[32], *rest = words;
	char output[PATH_MAX];
	char *argv[8] = {name, option, path, NULL};
	int argc = 3, status, fd = open(output_path(f, output), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
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
	n = pread(fd, printed, sizeof(printed) - 1, 0);
	assert_true(n >= 0);
	printed[n] = '\0';
	close(fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int ctl(struct fixture *f, const char *command)
{
	return ctl_at(f, f->socket_path, command);
}

static void expect_text(const char *words)
{
	if (!strstr(printed, words))
		fail_msg("\"%s\" is not in: %s", words, printed);
}

static const char *const commands[] = {"list",	"status", "pause", "resume",
				       "reset", "power",  "kill",  "console"};

static void without_a_daemon_every_command_says_so(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		assert_int_equal(ctl(f, commands[i]), 2);
		expect_text("No daemon answers on ");
		expect_text(f->socket_path);
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

	start_and_greet(f, "echo");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		bool harmless = !strcmp(commands[i], "list") || !strcmp(commands[i], "console");

		assert_int_equal(ctl(f, commands[i]), harmless ? 0 : 1);
		if (strcmp(commands[i], "console") != 0)
			expect_text("No virtual machine is running.");
		else
			assert_string_equal(printed, "");
	}
}

static void status_shows_state_and_counters(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "list"), 0);
	/* Its title is the menu's, and a menu is not trusted with a terminal. */
	expect_text("test \\x1b[2Jmachine  running  0:00:0");
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("running");
	expect_text("vCPU 0: exits for ports 1001, device memory 1002, other reasons 1003\n");
	expect_text("unclaimed: ports 17, device memory 0\n");
	expect_text("disk 0: 11 reads (0), 12 writes (0), 13 others, 14 errors");
	expect_text("disk.img");
	expect_text("input and output: threads\n");
}

static void pause_and_resume_have_happened_when_they_return(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ctl(f, "pause"), 0);
		assert_int_equal(ctl(f, "pause"), 0);
		assert_int_equal(ctl(f, "list"), 0);
		expect_text("  paused  ");
		assert_int_equal(ctl(f, "resume"), 0);
		assert_int_equal(ctl(f, "resume"), 0);
		assert_int_equal(ctl(f, "list"), 0);
		expect_text("  running  ");
	}
}

static void resets_are_counted(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	for (int i = 0; i < 3; i++)
		assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text("resets 3");
}

static void expect_no_text(const char *text)
{
	assert_null(strstr(printed, text));
}

static void panic_shows_until_the_reset(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "panic");
	assert_int_equal(ctl(f, "pause"), 0); /* it has told by now */
	assert_int_equal(ctl(f, "list"), 0);
	expect_text("kernel panicked");
	assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_no_text("panicked");
}

static void watchdog_shows_after_its_reset(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "watchdog");
	assert_int_equal(ctl(f, "pause"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text("resets 1");
	expect_text("did not serve its watchdog");
	assert_int_equal(ctl(f, "reset"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_no_text("watchdog");
}

static void the_cable_of_a_card(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("network card 0: link up, received 21 packets (22), 23 dropped, sent 24 (25), 26 dropped  tap=tap0\n");
	assert_int_equal(ctl(f, "link 0 down"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("network card 0: link down");
	assert_int_equal(ctl(f, "link 0 up"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("network card 0: link up");
	assert_int_equal(ctl(f, "link 1 down"), 1);
	expect_text("There is no network card 1: the virtual machine has 1 of them");
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

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "balloon"), CMD_USAGE);
	assert_int_equal(ctl(f, "balloon nonsense"), CMD_USAGE);
	assert_int_equal(ctl(f, "pause 64M"), CMD_USAGE);
	assert_int_equal(ctl(f, "balloon 64M"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("balloon: 32M of 64M asked for");
	assert_int_equal(ctl(f, "balloon 0"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("balloon: 0 of 0 asked for");
	/* More than the guest can live without. */
	assert_int_equal(ctl(f, "balloon 100G"), 1);
	expect_text("The guest cannot give back 100G: it has ");
}

static void balloon_is_refused_where_memory_is_locked(void **state)
{
	struct fixture *f = *state;
	char path[PATH_MAX];

	setenv("TEST_PCI_DIR", scratch_path(f->scratch, "pci", path), 1);
	text_copy(f->config.vfio[0].address, sizeof(f->config.vfio[0].address), "0000:01:00.0");
	f->config.vfio_count = 1;
	run_vm(f, "echo");
	assert_int_equal(ctl(f, "balloon 64M"), 1);
	expect_text("cannot give back memory: a PCI device is passed through to it");
	assert_int_equal(ctl(f, "balloon 0"), 0);
	assert_int_equal(ctl(f, "status"), 0);
	expect_text("balloon: none, since all memory is locked");
}

static void resized_disk_is_looked_at_and_shown(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "resize"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize sda"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize -1"), CMD_USAGE);
	assert_int_equal(ctl(f, "resize 0"), 0);
	expect_text("disk 0: 2M\n");
	assert_int_equal(ctl(f, "resize 1"), 1);
	expect_text("The virtual machine has no disk 1: it has 1, and they are counted from 0.");
}

static void kill_returns_when_it_is_dead(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "kill"), 0);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text("  ended  ");
	expect_text("Stopped.");
	assert_int_equal(ctl(f, "kill"), 1);
	expect_text("No virtual machine is running.");
	assert_int_equal(ctl(f, "status"), 1);
}

static void the_power_button_is_pressed(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(ctl(f, "power"), 0);
	hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(ctl(f, "list"), 0);
	expect_text("The power button was pressed.");
}

static void a_vmm_that_hangs_is_not_waited_for_for_ever(void **state)
{
	struct fixture *f = *state;

	run_vm(f, "hang");
	assert_int_equal(ctl(f, "pause"), 2);
	expect_text("does not answer");
	assert_int_equal(ctl(f, "kill"), 0);
}

/* Into a file byte for byte, whatever it is. */
static void console_prints_what_the_guest_wrote(void **state)
{
	static const char bytes[] = "first\r\n\033[2J\033[31mred\033[0m \xFF\x80 last";
	struct fixture *f = *state;

	run_vm(f, "echo");
	assert_int_equal(proto_send(f->sock, MENU_INPUT, bytes, sizeof(bytes) - 1, NULL, 0), 0);
	for (int i = 0; i < 200 && ctl(f, "console") == 0 && !strstr(printed, "last"); i++)
		usleep(10000);
	assert_string_equal(printed, bytes);
	assert_int_equal(ctl(f, "kill"), 0);
	assert_int_equal(ctl(f, "console"), 0);
	assert_string_equal(printed, bytes);
}

static void a_terminal_gets_no_control_characters(void **state)
{
	static const char bytes[] =
		"one\r\n\033[2J\033[01;31mred\033[0m\ttwo\n\007\xFF\033c\nend\033[";
	struct fixture *f = *state;
	struct ctl_text text;
	char output[PATH_MAX];
	int out = dup(STDOUT_FILENO), fd;
	ssize_t n;

	fflush(stdout);
	fd = open(output_path(f, output), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	ctl_text_begin(&text, true);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++)
		ctl_text_put(&text, (const uint8_t *)bytes + i, 1);
	ctl_text_end(&text);
	dup2(out, STDOUT_FILENO);
	close(out);
	n = pread(fd, printed, sizeof(printed) - 1, 0);
	close(fd);
	printed[n > 0 ? n : 0] = '\0';
	assert_string_equal(printed, "one\nred two\n\\x07\\xff\nend\n");
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
		TEST(balloon_is_refused_where_memory_is_locked),
		TEST(resized_disk_is_looked_at_and_shown),
		TEST(kill_returns_when_it_is_dead),
		TEST(the_power_button_is_pressed),
		TEST(a_vmm_that_hangs_is_not_waited_for_for_ever),
		TEST(console_prints_what_the_guest_wrote),
		TEST(a_terminal_gets_no_control_characters),
	};
	int status;

	if (argc > 1 && strcmp(argv[1], "pci") == 0)
		return fake_mover();
	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
