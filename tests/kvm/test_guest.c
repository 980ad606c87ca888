/* What a guest sees: ports, MMIO, configuration space, interrupts, other CPUs; and many resets. */
#include "machine.h"

#include <string.h>

static void ports_mmio_and_configuration_space(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "pio"});

	machine_expect_output(m, "string io\n");
	/* Nobody there: all ones in the width of the access; INS fills three elements and no more. */
	machine_expect_output(m, "ports 000000ff 0000ffff ffffffff ffffffff ffffffff 12345678 \n");
	machine_expect_output(m, "mmio 000000ff 0000ffff ffffffff \n");
	/* 8086:0d57 by CF8/CFC, by ECAM, its upper half alone, and an absent device. */
	machine_expect_output(m, "pci 0d578086 0d578086 00000d57 ffffffff \n");
	machine_expect_output(m, "timer runs\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void interrupts_wake_a_sleeping_cpu(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "irq"});

	machine_expect_output(m, "12345 done\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void four_cpus_come_up_with_their_own_ids(void **state)
{
	struct machine *m = machine_start_for(
		state, &(struct machine_config){.guest = "smp", .cpus = 4, .seed = 4});

	/* Three others; APIC ids (the boot CPU does not enter its own, 0); four logical CPUs. */
	machine_expect_output(m, "00000003 00000000 00000001 00000002 00000003 00000004 \n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

/* The guest leaves traces everywhere, lets a second CPU run on, and resets in three ways in turn. */
static void hundred_resets_leave_no_trace(void **state)
{
	struct machine *m = machine_start_for(
		state, &(struct machine_config){.guest = "reset", .cpus = 2, .seed = 2});
	struct vmm_exited exited;
	unsigned int fds = 0;
	uint64_t rss = 0;

	machine_expect_message(m, VMM_STARTED);
	for (int i = 0; i < 100; i++) {
		machine_expect_message(m, VMM_WAS_RESET);
		if (i == 9) {
			rss = machine_rss(m);
			fds = machine_fd_count(m);
		}
	}
	assert_int_equal(machine_fd_count(m), fds);
	assert_in_range(machine_rss(m), 0, rss + (1 << 20));
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, &exited), 0);
	assert_in_range(exited.resets, 100, 100000);
	machine_read_all_output(m);
	/* Every life found the machine as new, and none executed the '!' behind its reset. */
	for (char *line = strtok(m->output, "\n"); line; line = strtok(NULL, "\n"))
		if (strcmp(line, "end of check") != 0 &&
		    strncmp("end of check", line, strlen(line)) != 0)
			fail_msg("a reset left something: %s", line);
}

static void operators_reset_works_in_any_state(void **state)
{
	static const char *const guests[] = {"spin", "halt", "button"};

	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		struct machine *m = machine_start_for(
			state, &(struct machine_config){.guest = guests[i], .cpus = 2});

		machine_expect_message(m, VMM_STARTED);
		for (int n = 0; n < 10; n++) {
			machine_expect_output(m, "ing\n");
			machine_send(m, VMM_RESET);
			machine_expect_message(m, VMM_WAS_RESET);
		}
		machine_expect_output(m, "ing\n");
		machine_free(m);
		*state = NULL;
	}
}

/*
 * The interrupt of a button that nobody looked at, at the second PIC, is none for who starts next. And until a system has set
 * the PICs up they hold everything back: their vectors are exceptions.
 */
static void a_reset_forgets_the_power_button(void **state)
{
	struct machine *m = machine_start_for(state, &(struct machine_config){.guest = "halt"});

	machine_expect_message(m, VMM_STARTED);
	for (int n = 0; n < 3; n++) {
		machine_expect_output(m, "0000ffff 00000000 halting\n");
		machine_send(m, VMM_POWER_BUTTON);
		machine_send(m, VMM_RESET);
		machine_expect_message(m, VMM_WAS_RESET);
	}
	machine_expect_output(m, "0000ffff 00000000 halting\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MACHINE_TEST(ports_mmio_and_configuration_space),
		MACHINE_TEST(interrupts_wake_a_sleeping_cpu),
		MACHINE_TEST(four_cpus_come_up_with_their_own_ids),
		MACHINE_TEST(hundred_resets_leave_no_trace),
		MACHINE_TEST(operators_reset_works_in_any_state),
		MACHINE_TEST(a_reset_forgets_the_power_button),
	};

	return cmocka_run_group_tests_name("kvm guest", tests, NULL, NULL);
}
