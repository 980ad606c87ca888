/* Sleep and reset registers, the PM timer, power button events, and 0xCF9: what each write does and does not. */
#include "test.h"

#include <time.h>

#include "vmm/platform/platform.h"

struct board {
	struct pm *pm;
	unsigned int offs, resets, irq_calls;
	bool irq;
};

static void board_off(void *ctx)
{
	((struct board *)ctx)->offs++;
}

static void board_reset(void *ctx)
{
	((struct board *)ctx)->resets++;
}

static void board_irq(void *ctx, bool level)
{
	struct board *board = ctx;

	board->irq = level;
	board->irq_calls++;
}

static int setup(void **state)
{
	static struct board board;
	struct pm_params params = {
		.ged_irq = {.set = board_irq, .ctx = &board},
		.power_off = board_off,
		.reset = board_reset,
		.ctx = &board,
	};

	memset(&board, 0, sizeof(board));
	assert_int_equal(pm_create(&params, &board.pm), 0);
	*state = &board;
	return 0;
}

static int teardown(void **state)
{
	pm_destroy(((struct board *)*state)->pm);
	return 0;
}

/* Of 256 values one resets, and those with SLP_EN (bit 5) and SLP_TYP (bits 2-4) 5 switch off. */
static void sleep_control(void **state)
{
	struct board *board = *state;

	for (unsigned int v = 0; v < 256; v++) {
		board->offs = board->resets = 0;
		pm_bus_ops.write(board->pm, 0, 1, v);
		assert_int_equal(board->resets, v == 1);
		assert_int_equal(board->offs, (v & 0x20) && ((v >> 2) & 7) == 5);
	}
	board->offs = 0;
	pm_bus_ops.write(board->pm, 0, 1, 0x34); /* what EDK2 writes */
	assert_int_equal(board->offs, 1);
}

static void sleep_status_and_its_neighbours(void **state)
{
	struct board *board = *state;

	for (unsigned int offset = 1; offset < 4; offset++) {
		pm_bus_ops.write(board->pm, offset, 1, 0x34);
		pm_bus_ops.write(board->pm, offset, 1, 0x01);
		pm_bus_ops.write(board->pm, offset, 1, 0x80);
	}
	assert_int_equal(board->offs + board->resets, 0);
	/* WAK_STS (bit 7) set would tell an OS that it has just woken up. */
	for (unsigned int offset = 0; offset < 4; offset++)
		assert_int_equal(pm_bus_ops.read(board->pm, offset, 1) & 0x80, 0);
}

static uint32_t timer(struct board *board)
{
	return (uint32_t)pm_timer_bus_ops.read(board->pm, 0, 4);
}

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* 3.579545 MHz, measured against the clock: the reading lies between those of the clock around it. */
static void timer_rate(void **state)
{
	struct board *board = *state;
	uint64_t before1, after1, before2, after2, ticks;
	struct timespec pause = {.tv_nsec = 50000000};
	uint32_t first, second;

	before1 = monotonic_ns();
	first = timer(board);
	after1 = monotonic_ns();
	nanosleep(&pause, NULL);
	before2 = monotonic_ns();
	second = timer(board);
	after2 = monotonic_ns();
	ticks = second - first;
	assert_in_range(ticks, (before2 - after1) * 3579545 / 1000000000 - 1,
			(after2 - before1) * 3579545 / 1000000000 + 1);
}

static void timer_never_goes_back_and_moves(void **state)
{
	struct board *board = *state;
	uint32_t last = timer(board), now = last;

	for (unsigned int i = 0; i < 100000; i++) {
		now = timer(board);
		assert_true(now - last < 1U << 31);
		last = now;
	}
	assert_true(now != 0);
}

static void timer_starts_at_zero_and_is_read_only(void **state)
{
	struct board *board = *state;
	struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
	assert_true(timer(board) > 3579545 / 100);
	pm_timer_bus_ops.write(board->pm, 0, 4, 0);
	assert_true(timer(board) > 3579545 / 100);
	pm_reset(board->pm);
	assert_true(timer(board) < 3579545); /* a second is enough for a machine under load */
}

/* Byte reads give the bytes of the count. */
static void timer_bytes(void **state)
{
	struct board *board = *state;
	uint32_t low, high, byte;

	do {
		low = timer(board) >> 16;
		byte = pm_timer_bus_ops.read(board->pm, 2, 1) & 0xFF;
		high = timer(board) >> 16;
	} while (low != high);
	assert_int_equal(byte, low & 0xFF);
}

/* The line stays up until the event byte was read, once for however many presses. */
static void power_button(void **state)
{
	struct board *board = *state;

	assert_int_equal(pm_ged_bus_ops.read(board->pm, 0, 1), 0);
	assert_false(board->irq);
	pm_press_power_button(board->pm);
	assert_true(board->irq);
	pm_press_power_button(board->pm);
	assert_true(board->irq);
	pm_ged_bus_ops.write(board->pm, 0, 1, 0xFF); /* does not acknowledge */
	assert_true(board->irq);
	assert_int_equal(pm_ged_bus_ops.read(board->pm, 0, 1), 1);
	assert_false(board->irq);
	assert_int_equal(pm_ged_bus_ops.read(board->pm, 0, 1), 0);
	assert_int_equal(board->offs, 0); /* the guest decides */
}

static void reset_forgets_the_button(void **state)
{
	struct board *board = *state;

	pm_press_power_button(board->pm);
	pm_cf9_bus_ops.write(board->pm, 0, 1, 0x02);
	pm_reset(board->pm);
	assert_false(board->irq);
	assert_int_equal(pm_ged_bus_ops.read(board->pm, 0, 1), 0);
	assert_int_equal(pm_cf9_bus_ops.read(board->pm, 0, 1), 0);
	assert_int_equal(board->resets, 0);
}

/* Bit 2 resets on its rising edge, whatever the others say; they are remembered. */
static void cf9(void **state)
{
	static const struct {
		uint8_t write, read;
		unsigned int resets;
	} steps[] = {
		{0x00, 0x00, 0}, {0x02, 0x02, 0}, {0x06, 0x06, 1}, {0x06, 0x06, 0},
		{0x0E, 0x0E, 0}, {0x0A, 0x0A, 0}, {0x0E, 0x0E, 1}, {0x00, 0x00, 0},
		{0x04, 0x04, 1}, {0xF1, 0x00, 0}, {0xFF, 0x0E, 1},
	};
	struct board *board = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		board->resets = 0;
		pm_cf9_bus_ops.write(board->pm, 0, 1, steps[i].write);
		assert_int_equal(board->resets, steps[i].resets);
		assert_int_equal(pm_cf9_bus_ops.read(board->pm, 0, 1), steps[i].read);
	}
	/* EDK2's cold reset is one write to a register that is zero. */
	pm_reset(board->pm);
	board->resets = 0;
	pm_cf9_bus_ops.write(board->pm, 0, 1, 0x06);
	assert_int_equal(board->resets, 1);
}

/* Anything to any register in any width: only the writes above do something. */
static void hostile_guest(void **state)
{
	static const unsigned int sizes[] = {1, 2, 4};
	struct board *board = *state;
	const struct {
		const struct bus_ops *ops;
		unsigned int len;
	} devices[] = {{&pm_bus_ops, 4},
		       {&pm_timer_bus_ops, 4},
		       {&pm_ged_bus_ops, 1},
		       {&pm_cf9_bus_ops, 1}};
	uint32_t seed = 7;

	for (unsigned int i = 0; i < 200000; i++) {
		unsigned int which, size, offset;

		seed = seed * 1664525 + 1013904223;
		which = seed >> 30;
		size = sizes[(seed >> 8) % 3];
		if (size > devices[which].len)
			size = 1;
		offset = (seed >> 12) % (devices[which].len - size + 1);
		if (seed & 1 << 28)
			devices[which].ops->write(board->pm, offset, size, seed * 2654435761U);
		else
			devices[which].ops->read(board->pm, offset, size);
		if ((seed & 0xFF00) == 0)
			pm_press_power_button(board->pm);
	}
	pm_ged_bus_ops.read(board->pm, 0, 1);
	assert_false(board->irq);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(sleep_control),
		T(sleep_status_and_its_neighbours),
		T(timer_rate),
		T(timer_never_goes_back_and_moves),
		T(timer_starts_at_zero_and_is_read_only),
		T(timer_bytes),
		T(power_button),
		T(reset_forgets_the_button),
		T(cf9),
		T(hostile_guest),
	};

	return cmocka_run_group_tests_name("pm", tests, NULL, NULL);
}
