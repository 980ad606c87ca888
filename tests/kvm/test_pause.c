/* Pause and resume: nothing runs, nothing is lost, and everything else works meanwhile. */
#include "machine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUIET_MS 300

static struct machine *start_running(void **state, const char *guest, const char *text)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = guest, .cpus = 2});

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
	};

	return cmocka_run_group_tests_name("kvm pause", tests, NULL, NULL);
}
