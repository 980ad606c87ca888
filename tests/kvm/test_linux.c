/* A directly booted kernel: what it finds at its 64-bit entry, again after a reset; what is refused. */
#include "machine.h"

#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
	*state = NULL;
	return 0;
}

static int teardown(void **state)
{
	machine_free(*state);
	return 0;
}

static struct machine *start(void **state, const struct machine_config *config)
{
	machine_need_kvm();
	*state = machine_start(config);
	return *state;
}

static void kernel_finds_what_the_protocol_promises(void **state)
{
	struct machine *m = start(state, &(struct machine_config){.kernel = "bzimage",
								  .cmdline = "console=ttyS0 quiet",
								  .initrd = "an initrd"});

	/* At its preferred address + 0x200; CS, DS, SS, ES; RFLAGS without interrupts. */
	machine_expect_output(m, "entry 01000200 00000010 00000018 00000018 00000018 00000");
	/* "HdrS", entries of the memory map, size of the initrd, "RSD " */
	machine_expect_output(m, "\nparams 53726448 00000004 0000000a 20445352 \n");
	machine_expect_output(m, "cmdline [console=ttyS0 quiet]\n");
	machine_expect_output(m, "initrd [an initrd]\nend\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void kernel_alone(void **state)
{
	struct machine *m = start(state, &(struct machine_config){.kernel = "bzimage"});

	machine_expect_output(m, "params 53726448 00000004 00000000 20445352 \n");
	machine_expect_output(m, "cmdline []\ninitrd []\nend\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

/* The guest spoils kernel, header, command line, initrd and RSDP before each reset. */
static void reset_loads_everything_again(void **state)
{
	struct machine *m = start(state, &(struct machine_config){.kernel = "bzimage",
								  .cpus = 2,
								  .cmdline = "reset",
								  .initrd = "an initrd"});

	machine_expect_message(m, VMM_STARTED);
	for (int i = 0; i < 20; i++) {
		machine_expect_output(m,
				      "entry 01000200 00000010 00000018 00000018 00000018 00000");
		machine_expect_output(m, "\nparams 53726448 00000004 0000000a 20445352 \n");
		machine_expect_output(m, "cmdline [reset]\ninitrd [an initrd]\nend\n");
		machine_expect_message(m, VMM_WAS_RESET);
	}
	machine_send(m, VMM_STOP);
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_STOPPED, NULL), 0);
	machine_read_all_output(m);
	assert_null(strchr(m->output, 'X'));
}

/* The same platform by the other door: a PVH image handed over as a kernel. */
static void pvh_kernel_runs(void **state)
{
	struct machine *m =
		start(state, &(struct machine_config){.kernel = "hello", .cmdline = "x"});

	machine_expect_output(m, "hello from the guest\n");
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_POWER_OFF, NULL), 0);
}

static void too_long_a_command_line_is_told(void **state)
{
	struct vmm_exited exited;
	struct machine *m;
	char text[257];

	memset(text, 'x', 256);
	text[256] = '\0';
	m = start(state, &(struct machine_config){.kernel = "bzimage", .cmdline = text});
	assert_int_equal(machine_expect_exit(m, VMM_EXIT_ERROR, &exited), 2);
	assert_non_null(strstr(exited.text, "has 256 characters, the kernel takes 255"));
}

static void initrd_too_big_is_told(void **state)
{
	struct vmm_exited exited;
	struct machine *m = start(state, &(struct machine_config){.kernel = "bzimage",
								  .initrd = "begins like this",
								  .initrd_size = 48 << 20});

	assert_int_equal(machine_expect_exit(m, VMM_EXIT_ERROR, &exited), 2);
	assert_non_null(strstr(exited.text, "The initrd has 48M"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(kernel_finds_what_the_protocol_promises),
		TEST(kernel_alone),
		TEST(reset_loads_everything_again),
		TEST(pvh_kernel_runs),
		TEST(too_long_a_command_line_is_told),
		TEST(initrd_too_big_is_told),
	};

	return cmocka_run_group_tests_name("kvm linux", tests, NULL, NULL);
}
