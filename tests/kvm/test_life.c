/* How virtual machines begin and end. */
#include "machine.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static void hello_and_power_off(void **state)
{
	struct machine *m;
	struct vmm_exited exited;

	(void)state;
	machine_need_kvm();
	m = machine_start(&(struct machine_config){.guest = "hello"});
	machine_expect_message(m, VMM_STARTED);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, &exited), 0);
	machine_read_all_output(m);
	assert_string_equal(m->output, "hello from the guest\n");
	assert_int_equal(exited.resets, 0);
	machine_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_and_power_off),
	};

	return cmocka_run_group_tests_name("kvm life", tests, NULL, NULL);
}
