/* How virtual machines begin and end, and who may end them. */
#include "machine.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "varstore.h"

static struct machine *start_running(void **state, const char *guest, const char *text)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = guest});

	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, text);
	return m;
}

static void power_off_ends_with_status_0(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "hello"});
	struct vmm_exited exited;

	machine_expect_message(m, VMM_STARTED);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, &exited), 0);
	machine_read_all_output(m);
	/* All of it, and nothing after the write that switched off. */
	assert_string_equal(m->output, "hello from the guest\n");
	assert_int_equal(exited.resets, 0);
}

static void high_memory_and_many_cpus_start(void **state)
{
	struct machine *m = machine_start_for(
		state, &(struct machine_config){.guest = "hello", .cpus = 8, .memory = 5ULL << 30});

	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void devices_without_their_descriptors_are_refused(void **state)
{
	static const uint32_t fd_counts[] = {0, 1, 2, UINT32_MAX};

	for (size_t i = 0; i < sizeof(fd_counts) / sizeof(fd_counts[0]); i++) {
		struct machine *m = machine_start_for(
			state, &(struct machine_config){.guest = "hello",
							.vfio_count = 1,
							.vfio_fd_count = fd_counts[i]});
		struct vmm_exited exited;

		assert_int_not_equal(machine_expect_exit(m, VMM_EXIT_ERROR, &exited), 0);
		assert_non_null(strstr(exited.text, "1 devices and sent 4 descriptors"));
		machine_free(m);
		*state = NULL;
	}
}

/* Of the thread of process PID whose name begins with NAME. */
static int nice_of(pid_t pid, const char *name)
{
	char path[64], comm[32];
	int nice = INT_MIN;
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/comm", (int)pid, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && strncmp(comm, name, strlen(name)) == 0)
			nice = getpriority(PRIO_PROCESS, (id_t)atoi(entry->d_name));
		fclose(file);
	}
	closedir(tasks);
	assert_int_not_equal(nice, INT_MIN);
	return nice;
}

/* A guest that polls for its answer must not keep the CPU from the thread that gives it. */
static void threads_that_serve_come_before_vcpus(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");
	int ours = getpriority(PRIO_PROCESS, 0);

	assert_int_equal(nice_of(m->pid, "vcpu0"), ours);
	if (geteuid() == 0)
		assert_true(nice_of(m->pid, "io") < ours);
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void stop_ends_a_spinning_guest(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");

	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void stop_ends_a_sleeping_guest(void **state)
{
	struct machine *m = start_running(state, "halt", "halting\n");

	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void sigterm_is_a_stop(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");
	struct vmm_exited exited;

	kill(m->pid, SIGTERM);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, &exited), 0);
	assert_non_null(strstr(exited.text, "SIGTERM"));
}

static void keyboard_signals_are_not_for_the_vmm(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");

	kill(m->pid, SIGINT);
	kill(m->pid, SIGQUIT);
	kill(m->pid, SIGHUP);
	machine_send(m, VMM_RESET);
	machine_expect_message(m, VMM_WAS_RESET);
	machine_expect_output(m, "spinning\n");
}

static void launcher_that_ends_ends_the_machine(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");

	close(m->control);
	m->control = -1;
	assert_int_equal(machine_reap(m), 0);
}

static void closed_console_does_not_matter(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");

	close(m->console);
	m->console = -1;
	machine_send(m, VMM_RESET);
	machine_expect_message(m, VMM_WAS_RESET);
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

/* 200,000 bytes into a console that nobody reads: the guest must get to its end. */
static void blocked_console_does_not_stall_the_guest(void **state)
{
	struct machine *m = machine_start_for(
		state, &(struct machine_config){.guest = "flood", .tiny_console = true});
	struct vmm_exited exited;

	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, &exited), 0);
	machine_read_all_output(m);
	/* Its beginning is there, and no more than the buffers hold. */
	assert_in_range(m->output_len, 1, 150000);
}

static void read_console_loses_nothing(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "flood"});

	machine_read_all_output(m);
	assert_int_equal(m->output_len, 200000);
	assert_int_equal(strspn(m->output, "x"), 200000);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void input_reaches_the_guest_in_order(void **state)
{
	struct machine *m = start_running(state, "echo", "ready\n");
	static char sent[8193];
	size_t at = 0;

	for (size_t i = 0; i < sizeof(sent) - 1; i++)
		sent[i] = (char)('a' + i % 16);
	/* More than the receive FIFO and the vmm's own buffer hold: the rest waits in the socket. */
	while (at < sizeof(sent) - 1) {
		ssize_t n = write(m->console, sent + at, sizeof(sent) - 1 - at);

		assert_true(n > 0);
		at += (size_t)n;
	}
	machine_expect_output(m, sent);
	assert_int_equal(write(m->console, "q", 1), 1);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void power_button_reaches_the_guest(void **state)
{
	struct machine *m = start_running(state, "button", "waiting\n");

	machine_send(m, VMM_POWER_BUTTON);
	machine_expect_output(m, "pressed\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void triple_fault_is_told_with_its_place(void **state)
{
	struct machine *m = start_running(state, "triple", "falling\n");
	struct vmm_exited exited;

	assert_int_equal(machine_expect_exit(m, VMM_EXIT_GUEST_FAULT, &exited), 1);
	assert_non_null(strstr(exited.text, "vCPU 0"));
	assert_non_null(strstr(exited.text, "triple fault"));
	/* On AMD the place is lost, and said to be. */
	if (!strstr(exited.text, "Where is not known")) {
		assert_non_null(strstr(exited.text, "RIP 0x10"));
		assert_non_null(strstr(exited.text, "0f 0b"));
	}
}

static void code_outside_memory_stops_the_machine(void **state)
{
	struct machine *m = start_running(state, "nowhere", "jumping\n");
	struct vmm_exited exited;

	assert_int_equal(machine_expect_exit(m, VMM_EXIT_GUEST_FAULT, &exited), 1);
	assert_non_null(strstr(exited.text, "vCPU 0"));
	assert_non_null(strstr(exited.text, "RIP 0xd0000000"));
	assert_non_null(strstr(exited.text, "not readable"));
}

/* ---- what cannot start ---- */

static void bad_firmware_is_refused_with_a_sentence(void **state)
{
	static const char text[] = "this is no firmware, but a text file\n";
	struct vmm_exited exited;
	struct machine *m;

	m = machine_start_for(state, &(struct machine_config){.firmware_fd = machine_sealed_memfd(
								      text, sizeof(text) - 1)});
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_ERROR, &exited), 2);
	assert_non_null(strstr(exited.text, "holds text"));
}

static void impossible_shapes_are_refused(void **state)
{
	static const struct {
		uint32_t cpus;
		uint64_t memory;
		const char *word;
	} cases[] = {
		{255, 64 << 20, "vCPUs"},     {UINT32_MAX, 64 << 20, "vCPUs"},
		{1, 63 << 20, "at least 64"}, {1, (64 << 20) + 4096, "whole MiB"},
		{1, 1ULL << 62, "memory"},    {1, 1ULL << 50, "memory"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmm_exited exited;
		struct machine *m = machine_start_for(
			state, &(struct machine_config){.guest = "hello",
							.cpus = cases[i].cpus,
							.memory = cases[i].memory});

		assert_int_equal(machine_expect_exit(m, VMM_EXIT_ERROR, &exited), 2);
		if (!strstr(exited.text, cases[i].word))
			fail_msg("case %zu: %s", i, exited.text);
		machine_free(m);
		*state = NULL;
	}
}

/* ---- UEFI variables ---- */

static void read_vars(const struct machine *m, uint8_t *both)
{
	assert_int_equal(pread(m->vars, both, 2 * VARSTORE_SIZE, 0), 2 * VARSTORE_SIZE);
}

static void changed_variables_become_the_good_copy(void **state)
{
	struct machine *m =
		machine_start_for(state, &(struct machine_config){.guest = "vars", .seed = 1});
	uint8_t *both = malloc(2 * VARSTORE_SIZE);

	assert_non_null(both);
	machine_expect_message(m, VMM_STARTED);
	machine_expect_message(m, VMM_VARS_CHANGED);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
	/* "_FVH" as a number, and erased space. */
	machine_expect_output(m, "4856465f ffffffff");
	read_vars(m, both);
	assert_int_equal(both[VARSTORE_SIZE + 0x83FF0], 0x5A);
	assert_memory_equal(both, both + VARSTORE_SIZE, VARSTORE_SIZE);
	free(both);
}

static void destroyed_variables_are_restored_at_reset(void **state)
{
	struct machine *m =
		machine_start_for(state, &(struct machine_config){.guest = "vars", .seed = 2});
	uint8_t *both = malloc(2 * VARSTORE_SIZE);

	assert_non_null(both);
	machine_expect_message(m, VMM_STARTED);
	for (int i = 0; i < 3; i++) {
		machine_expect_output(m, "4856465f");
		machine_expect_message(m, VMM_WAS_RESET);
	}
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
	read_vars(m, both);
	assert_int_equal(varstore_check(both, VARSTORE_SIZE, NULL), 0);
	assert_int_equal(varstore_check(both + VARSTORE_SIZE, VARSTORE_SIZE, NULL), 0);
	free(both);
}

/* What OVMF finds on its platform, from the reset vector on; its flash keeps what it programs, its code is not written. */
static void firmware_in_flash(void **state)
{
	static const char found[] =
		"bridge 12378086 pm 0000b001 fw_cfg 554d4551 store 4856465f probe 0000008d spare ";
	struct machine *m = machine_start_for(state, &(struct machine_config){.flash = "flash"});
	uint8_t *both = malloc(2 * VARSTORE_SIZE);

	assert_non_null(both);
	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, found);
	machine_expect_output(m, "000000ff programmed 00005a80 read ffffff5a ");
	machine_expect_message(m, VMM_VARS_CHANGED);
	machine_expect_message(m, VMM_WAS_RESET);
	machine_expect_output(m, found);
	machine_expect_output(m, "0000005a changed 00000000 ");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
	read_vars(m, both);
	assert_int_equal(both[0x83FF0], 0x5A);
	assert_memory_equal(both, both + VARSTORE_SIZE, VARSTORE_SIZE);
	free(both);
}

/* The live half is the launcher's even when the vmm is killed outright. */
static void variables_survive_sigkill(void **state)
{
	struct machine *m =
		machine_start_for(state, &(struct machine_config){.guest = "vars", .seed = 2});
	uint8_t *both = malloc(2 * VARSTORE_SIZE);

	assert_non_null(both);
	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, "4856465f");
	kill(m->pid, SIGKILL);
	assert_int_equal(machine_reap(m), -SIGKILL);
	read_vars(m, both);
	assert_int_equal(varstore_check(both + VARSTORE_SIZE, VARSTORE_SIZE, NULL), 0);
	free(both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(power_off_ends_with_status_0),
		MACHINE_TEST(high_memory_and_many_cpus_start),
		MACHINE_TEST(devices_without_their_descriptors_are_refused),
		MACHINE_TEST(threads_that_serve_come_before_vcpus),
		MACHINE_TEST(stop_ends_a_spinning_guest),
		MACHINE_TEST(stop_ends_a_sleeping_guest),
		MACHINE_TEST(sigterm_is_a_stop),
		MACHINE_TEST(keyboard_signals_are_not_for_the_vmm),
		MACHINE_TEST(launcher_that_ends_ends_the_machine),
		MACHINE_TEST(closed_console_does_not_matter),
		MACHINE_TEST(blocked_console_does_not_stall_the_guest),
		MACHINE_TEST(read_console_loses_nothing),
		MACHINE_TEST(input_reaches_the_guest_in_order),
		MACHINE_TEST(power_button_reaches_the_guest),
		MACHINE_TEST(triple_fault_is_told_with_its_place),
		MACHINE_TEST(code_outside_memory_stops_the_machine),
		MACHINE_TEST(bad_firmware_is_refused_with_a_sentence),
		MACHINE_TEST(impossible_shapes_are_refused),
		MACHINE_TEST(changed_variables_become_the_good_copy),
		MACHINE_TEST(firmware_in_flash),
		MACHINE_TEST(destroyed_variables_are_restored_at_reset),
		MACHINE_TEST(variables_survive_sigkill),
	};

	return cmocka_run_group_tests_name("kvm life", tests, NULL, NULL);
}
