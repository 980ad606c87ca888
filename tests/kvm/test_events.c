/* What a guest says of itself, and its watchdog of it. */
#include "machine.h"

#include <string.h>
#include <unistd.h>

#define PANICKED     0x01
#define CRASH_LOADED 0x02

static uint32_t expect_event(struct machine *m)
{
	uint32_t event = 0;

	assert_int_equal(machine_next_message(m, &event, sizeof(event)), VMM_GUEST_EVENT);
	return event;
}

static struct machine *start_panic(void **state, uint32_t word, bool stop)
{
	struct machine *m = machine_start_for(
		state,
		&(struct machine_config){.guest = "panic", .seed = word, .stop_on_panic = stop});

	machine_expect_message(m, VMM_STARTED);
	return m;
}

static void panic_is_told_once_and_the_guest_kept(void **state)
{
	struct machine *m = start_panic(state, PANICKED, false);
	struct vmm_exited exited;

	assert_int_equal(expect_event(m), VMM_GUEST_PANICKED);
	machine_expect_output(m, "00000003 said\n");
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, &exited), 0);
	assert_non_null(strstr(exited.text, "stopped"));
	assert_non_null(strstr(exited.text, "kernel had panicked"));
}

static void panic_is_told_again_after_a_reset(void **state)
{
	struct machine *m = start_panic(state, PANICKED, false);

	assert_int_equal(expect_event(m), VMM_GUEST_PANICKED);
	machine_expect_output(m, "said\n");
	machine_send(m, VMM_RESET);
	machine_expect_message(m, VMM_WAS_RESET);
	assert_int_equal(expect_event(m), VMM_GUEST_PANICKED);
}

/* A guest that resets for ever, with something to tell of each life. */
static void a_storm_of_resets_fills_no_log(void **state)
{
	const unsigned int resets = 300;
	struct machine *m =
		machine_start_for(state, &(struct machine_config){.guest = "vars", .seed = 3});
	uint64_t begin = machine_now_ms(), windows;
	unsigned int seen = 0, lines = 0;
	static char log[65536];
	ssize_t n;

	while (seen < resets) {
		uint32_t type = machine_next_message(m, NULL, 0);

		assert_int_not_equal(type, 0);
		seen += type == VMM_WAS_RESET;
	}
	machine_send(m, VMM_STOP);
	while (machine_next_message(m, NULL, 0) != 0)
		;
	windows = (machine_now_ms() - begin) / 10000 + 2;
	n = pread(m->log, log, sizeof(log) - 1, 0);
	assert_in_range(n, 1, sizeof(log) - 1);
	for (const char *at = log; (at = strchr(at, '\n')); at++)
		lines++;
	/* Of the panic and of the variables ten in ten seconds each, what was left out, and how it began and ended. */
	assert_in_range(lines, 1, windows * 2 * 11 + 10);
}

static void crash_kernel_is_told_apart(void **state)
{
	struct machine *m = start_panic(state, CRASH_LOADED, true);

	/* Whatever is to be done about a panic: the crash kernel may write its dump. */
	assert_int_equal(expect_event(m), VMM_GUEST_CRASH_LOADED);
	machine_expect_output(m, "said\n");
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
}

static void panic_ends_the_machine_when_asked_to(void **state)
{
	struct machine *m = start_panic(state, PANICKED, true);
	struct vmm_exited exited;

	assert_int_equal(expect_event(m), VMM_GUEST_PANICKED);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_GUEST_FAULT, &exited), 1);
	assert_non_null(strstr(exited.text, "kernel panicked"));
}

static void watchdog_resets_and_says_so(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "watchdog"});
	struct vmm_exited exited;

	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, "served no more\n");
	assert_int_equal(expect_event(m), VMM_GUEST_WATCHDOG);
	machine_expect_message(m, VMM_WAS_RESET);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, &exited), 0);
	machine_expect_output(m, "reset by the watchdog\n");
	assert_int_equal(exited.resets, 1);
}

/* Paused for longer than its watchdog waits, the guest finds it as it was. */
static void watchdog_stands_still_in_a_pause(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "watchdog"});

	machine_expect_message(m, VMM_STARTED);
	machine_expect_output(m, "served\n");
	machine_send(m, VMM_PAUSE);
	machine_expect_message(m, VMM_PAUSED);
	usleep(2500000);
	machine_send(m, VMM_RESUME);
	machine_expect_message(m, VMM_RESUMED);
	machine_expect_output(m, "served no more\n");
	assert_int_equal(expect_event(m), VMM_GUEST_WATCHDOG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(panic_is_told_once_and_the_guest_kept),
		MACHINE_TEST(panic_is_told_again_after_a_reset),
		MACHINE_TEST(a_storm_of_resets_fills_no_log),
		MACHINE_TEST(crash_kernel_is_told_apart),
		MACHINE_TEST(panic_ends_the_machine_when_asked_to),
		MACHINE_TEST(watchdog_resets_and_says_so),
		MACHINE_TEST(watchdog_stands_still_in_a_pause),
	};

	return cmocka_run_group_tests_name("kvm events", tests, NULL, NULL);
}
