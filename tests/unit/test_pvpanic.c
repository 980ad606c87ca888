/* The panic port: which words it offers, what it makes of those written. */
#include "test.h"

#include "vmm/platform/platform.h"

static unsigned int panics, crashes;

static void panicked(void *ctx, bool crash_loaded)
{
	assert_ptr_equal(ctx, &panics);
	if (crash_loaded)
		crashes++;
	else
		panics++;
}

static int setup(void **state)
{
	struct pvpanic *pvpanic;

	panics = crashes = 0;
	assert_int_equal(pvpanic_create(panicked, &panics, &pvpanic), 0);
	*state = pvpanic;
	return 0;
}

static int teardown(void **state)
{
	pvpanic_destroy(*state);
	return 0;
}

/* Linux's driver uses only the events that the read announces: bit 0 panicked, bit 1 crash loaded. */
static void both_events_are_offered(void **state)
{
	assert_int_equal(pvpanic_bus_ops.read(*state, 0, 1), 3);
	pvpanic_bus_ops.write(*state, 0, 1, 1);
	assert_int_equal(pvpanic_bus_ops.read(*state, 0, 1), 3);
}

/* Every byte a guest may write; what is neither is nothing. */
static void words_are_understood(void **state)
{
	for (unsigned int v = 0; v < 256; v++) {
		panics = crashes = 0;
		pvpanic_bus_ops.write(*state, 0, 1, v);
		assert_int_equal(crashes, (v & 2) != 0);
		assert_int_equal(panics, (v & 3) == 1);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(both_events_are_offered),
		T(words_are_understood),
	};

	return cmocka_run_group_tests_name("pvpanic", tests, NULL, NULL);
}
