/*
 * Pause and resume: nothing runs, nothing is lost, and everything else works meanwhile. The status
 * of a machine: its counters count, its progress is told.
 */
#include "machine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 300

static struct machine *start_running(void **state, const char *guest, const char *text)
{
	struct machine *m =
		machine_start_for(state, &(struct machine_config){.guest = guest, .cpus = 2});

	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, text);
	return m;
}

static void pause_it(struct machine *m)
{
	machine_send(m, VMM_PAUSE);
	machine_expect_message(m, VMM_PAUSED);
}

static void resume_it(struct machine *m)
{
	machine_send(m, VMM_RESUME);
	machine_expect_message(m, VMM_RESUMED);
}

/* Takes what was printed before the pause; then nothing more may come. */
static void expect_silence(struct machine *m)
{
	struct pollfd pfd = {.fd = m->console, .events = POLLIN};
	size_t before;

	do {
		before = m->output_len;
		usleep(QUIET_MS * 1000);
		machine_take_output(m);
	} while (m->output_len != before && m->output_len < MACHINE_OUTPUT);
	assert_int_equal(poll(&pfd, 1, QUIET_MS), 0);
}

/* Every line but the last, which may be cut, is the number after the one before. */
static void expect_counting(const struct machine *m, unsigned int at_least)
{
	const char *at = m->output;
	unsigned int n = 0;

	for (const char *end; (end = strchr(at, '\n')); at = end + 1, n++)
		if (end - at != 8 || strtoul(at, NULL, 16) != n)
			fail_msg("line %u is \"%.*s\"", n, (int)(end - at), at);
	assert_in_range(n, at_least, 1000000);
}

static void paused_guest_prints_nothing_and_goes_on(void **state)
{
	struct machine *m = start_running(state, "ticks", "00000010\n");
	char next[32];

	pause_it(m);
	expect_silence(m);
	resume_it(m);
	snprintf(next, sizeof(next), "%08zx\n", m->output_len / 9 + 16);
	machine_expect_output(m, next);
	pause_it(m);
	expect_silence(m);
	expect_counting(m, 32);
}

/* The guest does little but port I/O, so that nearly every pause meets some. */
static void pauses_during_port_io_lose_nothing(void **state)
{
	struct machine *m = start_running(state, "ticks", "00000010\n");

	for (int i = 0; i < 300; i++) {
		pause_it(m);
		machine_take_output(m);
		resume_it(m);
		usleep((unsigned int)(i % 7) * 150);
	}
	pause_it(m);
	expect_silence(m);
	expect_counting(m, 300);
}

static void repeated_pause_and_resume_are_answered(void **state)
{
	struct machine *m = start_running(state, "ticks", "00000010\n");

	resume_it(m);
	pause_it(m);
	pause_it(m);
	expect_silence(m);
	resume_it(m);
	resume_it(m);
	machine_expect_output(m, "0000");
}

static void reset_while_paused_stays_paused(void **state)
{
	struct machine *m = start_running(state, "spin", "spinning\n");

	pause_it(m);
	for (int i = 0; i < 3; i++) {
		machine_send(m, VMM_RESET);
		machine_expect_message(m, VMM_WAS_RESET);
	}
	expect_silence(m);
	resume_it(m);
	machine_expect_output(m, "spinning\n");
}

static void stop_while_paused_ends_it(void **state)
{
	struct machine *m = start_running(state, "ticks", "00000010\n");

	pause_it(m);
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void power_button_while_paused_waits_for_the_guest(void **state)
{
	struct machine *m = start_running(state, "button", "waiting\n");

	pause_it(m);
	machine_send(m, VMM_POWER_BUTTON);
	expect_silence(m);
	resume_it(m);
	machine_expect_output(m, "pressed\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

/* The guest resets itself all the time: sooner or later a pause comes while it asks for that. */
static void pause_and_the_guests_own_reset_do_not_disturb_each_other(void **state)
{
	struct machine *m = machine_start_for(
		state, &(struct machine_config){.guest = "reset", .cpus = 2, .seed = 2});

	machine_expect_message(m, VMM_STARTED);
	for (int i = 0; i < 100; i++) {
		uint32_t type;

		machine_send(m, VMM_PAUSE);
		machine_send(m, VMM_RESUME);
		do {
			type = machine_next_message(m, NULL, 0);
			assert_true(type == VMM_PAUSED || type == VMM_WAS_RESET ||
				    type == VMM_RESUMED || type == VMM_VARS_CHANGED);
		} while (type != VMM_RESUMED);
		usleep((unsigned int)(i % 5) * 1000);
	}
	machine_expect_message(m, VMM_WAS_RESET);
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
	machine_read_all_output(m);
	assert_null(strchr(m->output, '!'));
	assert_null(strstr(m->output, "memory"));
}

static void get_status(struct machine *m, struct vmm_status *ret_status)
{
	machine_send(m, VMM_GET_STATUS);
	assert_int_equal(machine_next_message(m, ret_status, sizeof(*ret_status)), VMM_STATUS);
}

/* What the test knows of it: 16 numbers printed before, each with an OUTS, an OUT and an IN. */
static void status_counts_what_the_guest_does(void **state)
{
	struct machine *m = start_running(state, "ticks", "00000010\n");
	struct vmm_status first, paused, later;

	get_status(m, &first);
	assert_int_equal(first.cpu_count, 2);
	assert_int_equal(first.disk_count, 0);
	assert_int_equal(first.paused, 0);
	assert_in_range(first.cpus[0].io, 3 * 16, 100000000);
	assert_int_equal(first.cpus[1].io, 0);
	assert_int_equal(first.cpus[0].mmio, 0);
	assert_int_equal(first.unclaimed_ports, 0);
	assert_true(!strcmp(first.engine, "io_uring") || !strcmp(first.engine, "threads"));

	pause_it(m);
	get_status(m, &paused);
	assert_int_equal(paused.paused, 1);
	assert_true(paused.cpus[0].io >= first.cpus[0].io);
	assert_true(paused.run_ms >= first.run_ms);
	usleep(50000);
	get_status(m, &later);
	assert_memory_equal(later.cpus, paused.cpus, sizeof(later.cpus));
	assert_true(later.run_ms >= paused.run_ms + 50);

	machine_send(m, VMM_RESET);
	machine_expect_message(m, VMM_WAS_RESET);
	get_status(m, &later);
	assert_int_equal(later.resets, 1);
	assert_true(later.cpus[0].io >= paused.cpus[0].io);
}

static void status_counts_accesses_that_nobody_answers(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "poke"});
	struct vmm_status status;

	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, "poked\n");
	get_status(m, &status);
	assert_int_equal(status.unclaimed_ports, 3);
	assert_int_equal(status.unclaimed_mmio, 2);
	assert_in_range(status.cpus[0].mmio, 2, 1000);
}

/* Messages until the guest's progress is STAGE. */
static void expect_stage(struct machine *m, uint32_t stage)
{
	struct vmm_status status;

	for (int i = 0; i < 1000 && m->stage != stage; i++) {
		get_status(m, &status);
		usleep(2000);
	}
	assert_int_equal(m->stage, stage);
}

static void progress_is_told_as_it_comes(void **state)
{
	static const uint32_t stages[] = {VMM_STAGE_SEC, VMM_STAGE_PEI, VMM_STAGE_DXE,
					  VMM_STAGE_BDS, VMM_STAGE_LOADER};
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "phases"});

	machine_expect_message(m, VMM_STARTED);
	for (int life = 0; life < 2; life++) {
		for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
			expect_stage(m, stages[i]);
			assert_int_equal(write(m->console, ".", 1), 1);
		}
		machine_expect_message(m, VMM_WAS_RESET);
	}
	expect_stage(m, VMM_STAGE_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(paused_guest_prints_nothing_and_goes_on),
		MACHINE_TEST(pauses_during_port_io_lose_nothing),
		MACHINE_TEST(repeated_pause_and_resume_are_answered),
		MACHINE_TEST(reset_while_paused_stays_paused),
		MACHINE_TEST(stop_while_paused_ends_it),
		MACHINE_TEST(power_button_while_paused_waits_for_the_guest),
		MACHINE_TEST(pause_and_the_guests_own_reset_do_not_disturb_each_other),
		MACHINE_TEST(status_counts_what_the_guest_does),
		MACHINE_TEST(status_counts_accesses_that_nobody_answers),
		MACHINE_TEST(progress_is_told_as_it_comes),
	};

	return cmocka_run_group_tests_name("kvm pause", tests, NULL, NULL);
}
