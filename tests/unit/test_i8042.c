/* The keyboard controller that is none: resets, and keeps no driver waiting. */
#include "test.h"

#include "vmm/platform/platform.h"

#define DATA	0
#define COMMAND 4

static unsigned int resets;

static void count_reset(void *ctx)
{
	assert_ptr_equal(ctx, &resets);
	resets++;
}

static int setup(void **state)
{
	struct i8042 *i8042;

	resets = 0;
	assert_int_equal(i8042_create(count_reset, &resets, &i8042), 0);
	*state = i8042;
	return 0;
}

static int teardown(void **state)
{
	i8042_destroy(*state);
	return 0;
}

/* Commands 0xF0..0xFF pulse the lines whose bit is 0; line 0 is the reset. */
static void which_commands_reset(void **state)
{
	for (unsigned int v = 0; v < 256; v++) {
		resets = 0;
		i8042_bus_ops.write(*state, COMMAND, 1, v);
		assert_int_equal(resets, v >= 0xF0 && !(v & 1));
	}
	resets = 0;
	for (unsigned int v = 0; v < 256; v++)
		for (unsigned int offset = 0; offset < COMMAND; offset++)
			i8042_bus_ops.write(*state, offset, 1, v);
	assert_int_equal(resets, 0);
}

/* Linux (kb_wait) and everybody who sends a command first wait for bit 1, input buffer full, to clear. */
static void ready_for_commands(void **state)
{
	for (unsigned int v = 0; v < 256; v++) {
		assert_int_equal(i8042_bus_ops.read(*state, COMMAND, 1) & 2, 0);
		i8042_bus_ops.write(*state, COMMAND, 1, v);
		i8042_bus_ops.write(*state, DATA, 1, v);
	}
}

/* i8042_flush(): a buffer that is still full after 16 reads means "No controller found". */
static void linux_gives_up_at_once(void **state)
{
	for (unsigned int i = 0; i < 17; i++) {
		assert_int_equal(i8042_bus_ops.read(*state, COMMAND, 1) & 1, 1);
		assert_int_equal(i8042_bus_ops.read(*state, DATA, 1) & 0xFF, 0xFF);
	}
}

/* EDK2's keyboard driver: parity (7) and timeout (6) error at once mean that there is no controller. */
static void edk2_gives_up_at_once(void **state)
{
	assert_int_equal(i8042_bus_ops.read(*state, COMMAND, 1) & 0xC0, 0xC0);
}

static void neighbours_read_as_nothing(void **state)
{
	for (unsigned int offset = 1; offset < COMMAND; offset++)
		assert_int_equal(i8042_bus_ops.read(*state, offset, 1) & 0xFF, 0xFF);
	i8042_reset(*state);
	assert_int_equal(resets, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(which_commands_reset),  T(ready_for_commands),	 T(linux_gives_up_at_once),
		T(edk2_gives_up_at_once), T(neighbours_read_as_nothing),
	};

	return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
