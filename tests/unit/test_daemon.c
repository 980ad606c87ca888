/*
 * The daemon, in a process of its own, from the side of its menus: what they are told and when, what
 * they can ask for, and that none of them can hurt it. Its vmm is the one of fake_vmm.h.
 */
#include "daemon_session.h"

/* ---- greeting and snapshot ---- */

static void a_menu_is_welcomed_and_told_everything(void **state)
{
	struct fixture *f = *state;
	struct menu_welcome *welcome = (struct menu_welcome *)f->body;
	struct menu_vm *vm = (struct menu_vm *)f->body;
	struct menu_list list;
	int size;

	start_daemon(f, "");
	greet(f, f->sock);
	assert_int_equal(welcome->version, MENU_PROTO_VERSION);
	assert_int_equal(welcome->host_cpus, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(welcome->host_memory >= welcome->host_memory_free);
	assert_true(welcome->host_memory_free > 0);
	assert_int_equal(welcome->kvm_ok, 1);
	assert_string_equal(welcome->kvm_text, "tested");
	assert_true(welcome->host_name[0] != '\0');
	assert_int_equal(hear(f, f->sock, &size), MENU_VM);
	assert_int_equal(vm->state, MENU_VM_NONE);
	/* In parts, where this computer has many. */
	for (list.last = 0, list.first = 1; !list.last;) {
		uint8_t first = list.first;

		size = hear_type(f, f->sock, MENU_DEVICES);
		memcpy(&list, f->body, sizeof(list));
		assert_int_equal(size, sizeof(list) + list.count * sizeof(struct menu_device));
		assert_int_equal(list.first, first);
		list.first = 0;
	}
	assert_int_equal(hear(f, f->sock, &size), MENU_FIRMWARES);
	memcpy(&list, f->body, sizeof(list));
	assert_int_equal(size, sizeof(list) + list.count * sizeof(struct menu_firmware));
	/* It goes on telling until the scan is over, and begins anew when asked. */
	for (int i = 0; i < 2; i++) {
		do {
			hear_type(f, f->sock, MENU_DEVICES);
			memcpy(&list, f->body, sizeof(list));
		} while (list.scanning);
		tell(f->sock, MENU_RESCAN, NULL, 0);
	}
}

/* How often process PID has given up the processor to wait. */
static unsigned long count_waits(pid_t pid)
{
	static const char field[] = "voluntary_ctxt_switches:";
	unsigned long waits = 0;
	char path[64], line[256];
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, field, sizeof(field) - 1) == 0)
			waits = strtoul(line + sizeof(field) - 1, NULL, 10);
	fclose(status);
	assert_true(waits > 0);
	return waits;
}

/*
 * With a menu connected and nothing to do, it sleeps. Disks of others may come and go on this computer, so one quiet
 * stretch of two seconds is enough, and a clock in it would not leave one.
 */
static void an_idle_daemon_does_not_wake_up(void **state)
{
	struct fixture *f = *state;
	struct menu_list list;

	start_daemon(f, "");
	greet(f, f->sock);
	do {
		hear_type(f, f->sock, MENU_DEVICES);
		memcpy(&list, f->body, sizeof(list));
	} while (list.scanning);
	for (int i = 0; i < 20; i++) {
		unsigned long before;

		usleep(200000);
		before = count_waits(f->daemon);
		usleep(2000000);
		if (count_waits(f->daemon) == before)
			return;
	}
	fail_msg("the daemon wakes up all the time");
}

static void another_version_is_refused_with_a_sentence(void **state)
{
	struct fixture *f = *state;
	struct menu_hello hello = {.version = MENU_PROTO_VERSION + 1};
	char words[80];

	start_daemon(f, "");
	tell(f->sock, MENU_HELLO, &hello, sizeof(hello));
	snprintf(words, sizeof(words), "version %d, the running daemon version %d.",
		 MENU_PROTO_VERSION + 1, MENU_PROTO_VERSION);
	expect_refusal(f, f->sock, MENU_HELLO, words);
	assert_dropped(f, f->sock);
	assert_int_equal(wait_daemon(f), 0);
}

/* Runs the daemon as nobody, with directories of the fixture's own: root's are the machine's. Skips where that cannot be. */
static void start_daemon_at_home(struct fixture *f, const char *how, char home[PATH_MAX])
{
	if (geteuid() != 0) {
		print_message("skipped: needs root to become somebody else\n");
		skip();
	}
	assert_int_equal(chmod(f->scratch->dir, 0755), 0);
	assert_int_equal(chmod(f->config_path, 0755), 0);
	assert_int_equal(chmod(f->config.firmware_path, 0644), 0);
	scratch_path(f->scratch, "home", home);
	assert_true(sh("mkdir -p %s/vmboot && chmod -R a+rwX %s", home, home));
	setenv("XDG_STATE_HOME", home, 1);
	setenv("XDG_RUNTIME_DIR", home, 1);
	start_daemon_as(f, how, 65534);
	unsetenv("XDG_STATE_HOME");
	unsetenv("XDG_RUNTIME_DIR");
}

/* The variable file and the log's room are those of the machine that the daemon runs on. */
static void a_menu_is_told_of_the_files_of_a_start(void **state)
{
	struct fixture *f = *state;
	char home[PATH_MAX], path[PATH_MAX];
	const struct menu_welcome *w = (const struct menu_welcome *)f->body;

	start_daemon_at_home(f, "", home);
	greet(f, f->sock);
	snprintf(path, sizeof(path), "%.200s/vmboot", home);
	assert_string_equal(w->vars_path, path);
	assert_int_equal(w->vars_size, 0);
	snprintf(path, sizeof(path), "%.200s/vmboot/console.log", home);
	assert_string_equal(w->log_path, path);
	assert_true(w->log_room > 0);
	/* Asked again it is what is there now. */
	assert_true(sh("truncate -s 540672 %s/vmboot/serial-A.vars && touch -d @1000000000 "
		       "%s/vmboot/serial-A.vars",
		       home, home));
	greet(f, f->sock);
	assert_int_equal(w->vars_size, 540672);
	assert_int_equal(w->vars_changed, 1000000000);
	close(f->sock);
	f->sock = -1;
	assert_int_equal(wait_daemon(f), 0);
}

/* Nobody has to think of it: what is known of the crash is on disk, and the result says where. */
static void a_vmm_that_dies_leaves_a_report(void **state)
{
	struct fixture *f = *state;
	const struct menu_vm *vm;
	char home[PATH_MAX], path[sizeof(vm->text)];
	struct menu_report_to to = {{0}};
	const char *at;

	start_daemon_at_home(f, "die", home);
	greet(f, f->sock);
	/* At most three: a fourth crash leaves none. */
	for (int i = 0; i < 3; i++) {
		start_vm(f, f->sock);
		do
			vm = hear_vm(f, f->sock, MENU_VM_ENDED);
		while (!strstr(vm->text, "Report saved: "));
		assert_int_equal(vm->reason, 0);
		assert_non_null(strstr(vm->text, "was killed by signal 9"));
		at = strstr(vm->text, "Report saved: ") + strlen("Report saved: ");
		text_copy(path, sizeof(path), at);
		assert_memory_equal(path, home, strlen(home));
		assert_true(sh("grep -q 'ended' %s/settings.txt && test -s %s/log.txt", path, path));
		tell(f->sock, MENU_VM_FORGET, NULL, 0);
		hear_vm(f, f->sock, MENU_VM_NONE);
	}
	start_vm(f, f->sock);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	tell(f->sock, MENU_VM_FORGET, NULL, 0);
	assert_null(strstr(vm->text, "Report saved"));
	hear_vm(f, f->sock, MENU_VM_NONE);
	/* Nor is one being written: a menu's would be refused meanwhile. */
	text_copy(to.target, sizeof(to.target), home);
	tell(f->sock, MENU_REPORT, &to, sizeof(to));
	hear_type(f, f->sock, MENU_REPORTED);
	assert_true(sh("test $(ls -d %s/vmboot/vmboot-report-* | wc -l) = 3", home));
}

static void nonsense_costs_the_menu_its_connection_and_nothing_else(void **state)
{
	static const struct {
		bool greeted;
		uint32_t type;
		size_t size;
	} bad[] = {
		{false, MENU_START, sizeof(struct vm_config)},
		{false, MENU_RESCAN, 0},
		{false, MENU_HELLO, 3},
		{false, MENU_HELLO, sizeof(struct menu_hello) + 1},
		{true, MENU_START, sizeof(struct vm_config) - 1},
		{true, MENU_START, 0},
		{true, MENU_INPUT, 0},
		{true, MENU_INPUT, 4097},
		{true, MENU_INPUT, 60000},
		{true, MENU_VM_KILL, 1},
		{true, 0, 0},
		{true, 50, 0},
		{true, MENU_WELCOME, 0},
		{true, UINT32_MAX, 17},
	};
	static uint8_t junk[PROTO_MAX_BODY];
	struct fixture *f = *state;
	int witness, sock;

	start_listening(f, "");
	witness = connect_menu(f);
	greet(f, witness);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sock = connect_menu(f);
		if (bad[i].greeted)
			greet(f, sock);
		tell(sock, bad[i].type, junk, bad[i].size);
		assert_dropped(f, sock);
		close(sock);
	}
	/* A datagram shorter than its header says, and one without a header. */
	sock = connect_menu(f);
	assert_int_equal(send(sock, "\1\0\0\0\xFF\0\0\0x", 9, 0), 9);
	assert_dropped(f, sock);
	close(sock);
	sock = connect_menu(f);
	assert_int_equal(send(sock, "x", 1, 0), 1);
	assert_dropped(f, sock);
	close(sock);
	tell(witness, MENU_RESCAN, NULL, 0);
	hear_type(f, witness, MENU_DEVICES);
	close(witness);
}

static void a_configuration_without_ends_is_refused(void **state)
{
	struct fixture *f = *state;

	start_daemon(f, "");
	greet(f, f->sock);
	memset(f->config.vars_path, 'A', sizeof(f->config.vars_path));
	start_vm(f, f->sock);
	expect_refusal(f, f->sock, MENU_START, "text without an end");
	f->config.vars_path[0] = '\0';
	f->config.disk_count = UINT32_MAX;
	start_vm(f, f->sock);
	expect_refusal(f, f->sock, MENU_START, "disks");
}

/* ---- the virtual machine ---- */

static void a_vm_lives_and_ends(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm;

	start_daemon(f, "");
	greet(f, f->sock);
	start_vm(f, f->sock);
	vm = hear_vm(f, f->sock, MENU_VM_STARTING);
	assert_string_equal(vm->config.firmware_path, f->config.firmware_path);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_POWER_OFF);
	assert_int_equal(vm->run_ms, 1234);
	assert_int_equal(vm->resets, 2);
	assert_string_equal(vm->text, "The guest switched itself off.");
	assert_int_equal(vm->vars_saved, 0); /* none were asked for */
	tell(f->sock, MENU_VM_FORGET, NULL, 0);
	vm = hear_vm(f, f->sock, MENU_VM_NONE);
	assert_string_equal(vm->text, "");
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_ENDED);
}

static void refused_starts_say_why(void **state)
{
	struct fixture *f = *state;

	start_daemon(f, "echo");
	greet(f, f->sock);
	text_copy(f->config.disks[0].path, sizeof(f->config.disks[0].path), "/nonexistent");
	f->config.disk_count = 1;
	start_vm(f, f->sock);
	expect_refusal(f, f->sock, MENU_START, "Disk /nonexistent does not exist");
	f->config.disk_count = 0;
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	start_vm(f, f->sock);
	expect_refusal(f, f->sock, MENU_START, "running already");
}

static void console_and_keys_pass(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm;

	start_daemon(f, "echo");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	tell(f->sock, MENU_INPUT, "h\033[Ai\0x", 7);
	hear_console(f, f->sock, "h\033[Ai");
	tell(f->sock, MENU_VM_RESET, NULL, 0);
	vm = hear_vm(f, f->sock, MENU_VM_RUNNING);
	assert_int_equal(vm->resets, 1);
	/* Closed: nothing comes. Opened again: first what was there. */
	tell(f->sock, MENU_CONSOLE_CLOSE, NULL, 0);
	tell(f->sock, MENU_INPUT, "second", 6);
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	hear_console(f, f->sock, "second");
	tell(f->sock, MENU_VM_POWER, NULL, 0);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_POWER_OFF);
	/* The end does not take the last screen away. */
	tell(f->sock, MENU_CONSOLE_OPEN, NULL, 0);
	hear_console(f, f->sock, "second");
}

static void a_vm_can_be_killed(void **state)
{
	struct fixture *f = *state;
	struct menu_vm *vm;

	start_daemon(f, "hang");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	vm = hear_vm(f, f->sock, MENU_VM_ENDED);
	assert_int_equal(vm->reason, VMM_EXIT_STOPPED);
}

static void a_guest_that_reads_nothing_blocks_nobody(void **state)
{
	static uint8_t keys[4096];
	struct fixture *f = *state;

	start_daemon(f, "hang");
	greet(f, f->sock);
	start_vm(f, f->sock);
	hear_vm(f, f->sock, MENU_VM_RUNNING);
	for (int i = 0; i < 1000; i++)
		tell(f->sock, MENU_INPUT, keys, sizeof(keys));
	tell(f->sock, MENU_VM_KILL, NULL, 0);
	hear_vm(f, f->sock, MENU_VM_ENDED);
}

/* Bytes of the console that arrive before the VM's end, and how many were said to be lost. */
static void count_console(struct fixture *f, int sock, uint64_t *ret_got, uint64_t *ret_lost)
{
	uint64_t got = 0, lost = 0, n;
	uint8_t last[3] = {0};
	uint32_t type;
	int size;

	while (memcmp(last, "END", 3) != 0) {
		type = hear(f, sock, &size);
		assert_true(size >= 0);
		if (type == MENU_CONSOLE_LOST) {
			assert_int_equal(size, sizeof(n));
			memcpy(&n, f->body, sizeof(n));
			assert_true(n > 0);
			lost += n;
		} else if (type == MENU_CONSOLE) {
			got += (uint64_t)size;
			if (size >= 3)
				memcpy(last, f->body + size - 3, 3);
		}
	}
	*ret_got = got;
	*ret_lost = lost;
}

static void a_slow_menu_loses_bytes_and_knows_how_many(void **state)
{
	struct fixture *f = *state;
	uint64_t got, lost;
	int slow, quick;

	start_listening(f, "flood");
	slow = connect_menu(f);
	quick = connect_menu(f);
	greet(f, slow);
	greet(f, quick);
	tell(slow, MENU_CONSOLE_OPEN, NULL, 0);
	/* The slow one reads nothing while 4 MiB pass; the other is served all the same. */
	start_vm(f, quick);
	hear_vm(f, quick, MENU_VM_ENDED);
	count_console(f, slow, &got, &lost);
	assert_int_equal(got + lost, 64 * 65536 + 3);
	assert_true(lost > 0);
	/* What a late one gets: the replay, whole. */
	tell(quick, MENU_CONSOLE_OPEN, NULL, 0);
	count_console(f, quick, &got, &lost);
	assert_int_equal(got, 65536);
	assert_int_equal(lost, 0);
	close(slow);
	close(quick);
}

static void every_menu_sees_the_same(void **state)
{
	struct fixture *f = *state;
	const struct menu_vm *vm;
	uint64_t me;
	int one, two;

	start_listening(f, "echo");
	one = connect_menu(f);
	two = connect_menu(f);
	greet(f, one);
	greet(f, two);
	me = ((const struct menu_welcome *)f->body)->client;
	start_vm(f, one);
	hear_vm(f, one, MENU_VM_RUNNING);
	vm = hear_vm(f, two, MENU_VM_RUNNING);
	assert_int_not_equal(vm->keyboard, 0);
	assert_int_not_equal(vm->keyboard, me);
	/* The keyboard is of the one that started it, until that leaves. */
	tell(two, MENU_CONSOLE_OPEN, NULL, 0);
	tell(two, MENU_INPUT, "not yet", 7);
	expect_refusal(f, two, MENU_INPUT, "has the keyboard of the guest. Take it first.");
	close(one);
	/* A menu that leaves takes nothing else with it. */
	while (vm->keyboard != me)
		vm = hear_vm(f, two, MENU_VM_RUNNING);
	tell(two, MENU_INPUT, "still here", 10);
	hear_console(f, two, "still here");
	/* One that comes late is told. */
	one = connect_menu(f);
	greet(f, one);
	hear_vm(f, one, MENU_VM_RUNNING);
	tell(one, MENU_VM_POWER, NULL, 0);
	hear_vm(f, two, MENU_VM_ENDED);
	close(one);
	close(two);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_menu_is_welcomed_and_told_everything),
		TEST(an_idle_daemon_does_not_wake_up),
		TEST(another_version_is_refused_with_a_sentence),
		TEST(a_menu_is_told_of_the_files_of_a_start),
		TEST(a_vmm_that_dies_leaves_a_report),
		TEST(nonsense_costs_the_menu_its_connection_and_nothing_else),
		TEST(a_configuration_without_ends_is_refused),
		TEST(a_vm_lives_and_ends),
		TEST(refused_starts_say_why),
		TEST(console_and_keys_pass),
		TEST(a_vm_can_be_killed),
		TEST(a_guest_that_reads_nothing_blocks_nobody),
		TEST(a_slow_menu_loses_bytes_and_knows_how_many),
		TEST(every_menu_sees_the_same),
	};
	int status;

	if (daemon_session_role(argc, argv, &status))
		return status;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
