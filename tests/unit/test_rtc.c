/* The clock against a wall clock that the test holds in its hand: MC146818A data sheet. */
#include "test.h"

#include "vmm/platform/platform.h"

#define NS 1000000000LL

/* 2024-02-29 23:59:58 UTC, a Thursday. */
#define LEAP_NIGHT 1709251198LL

struct clock {
	struct rtc *rtc;
	int64_t now_ns;
};

static void clock_now(void *ctx, struct timespec *ret)
{
	struct clock *clock = ctx;

	ret->tv_sec = clock->now_ns / NS;
	ret->tv_nsec = clock->now_ns % NS;
}

static int setup(void **state)
{
	static struct clock clock;
	struct rtc_params params = {
		.now = clock_now,
		.ctx = &clock,
		.low_end = 0xC0000000,
		.high_size = 5ULL << 30,
	};

	memset(&clock, 0, sizeof(clock));
	clock.now_ns = LEAP_NIGHT * NS;
	assert_int_equal(rtc_create(&params, &clock.rtc), 0);
	*state = &clock;
	return 0;
}

static int teardown(void **state)
{
	rtc_destroy(((struct clock *)*state)->rtc);
	return 0;
}

static uint8_t in(struct clock *clock, uint8_t index)
{
	rtc_bus_ops.write(clock->rtc, 0, 1, index);
	return (uint8_t)rtc_bus_ops.read(clock->rtc, 1, 1);
}

static void out(struct clock *clock, uint8_t index, uint8_t value)
{
	rtc_bus_ops.write(clock->rtc, 0, 1, index);
	rtc_bus_ops.write(clock->rtc, 1, 1, value);
}

/* Seconds, minutes, hours, day of week, day, month, year, century. */
static void assert_time(struct clock *clock, const uint8_t want[8])
{
	static const uint8_t regs[] = {0, 2, 4, 6, 7, 8, 9, 0x32};

	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(in(clock, regs[i]), want[i]);
}

static void set_time(struct clock *clock, const uint8_t time[8])
{
	static const uint8_t regs[] = {0, 2, 4, 6, 7, 8, 9, 0x32};

	for (unsigned int i = 0; i < 8; i++)
		out(clock, regs[i], time[i]);
}

static void power_on_state(void **state)
{
	struct clock *clock = *state;

	assert_int_equal(in(clock, 0x0A), 0x26);
	assert_int_equal(in(clock, 0x0B), 0x02); /* 24 h, BCD, as the firmware expects to find it */
	assert_int_equal(in(clock, 0x0D), 0x80);
	assert_int_equal(in(clock, 0x0F), 0x00); /* 0xFE would be an S3 resume to EDK2 */
}

/* EDK2 reads port 0x70, ORs bit 7 in and writes it back. */
static void index_is_readable_and_masked(void **state)
{
	struct clock *clock = *state;

	rtc_bus_ops.write(clock->rtc, 0, 1, 0x8D);
	assert_int_equal(rtc_bus_ops.read(clock->rtc, 0, 1), 0x0D);
	assert_int_equal(rtc_bus_ops.read(clock->rtc, 1, 1), 0x80);
	/* OUTW to 0x70 is index and data. */
	rtc_bus_ops.write(clock->rtc, 0, 2, 0x5AC0);
	assert_int_equal(in(clock, 0x40), 0x5A);
}

static void time_in_bcd_and_binary(void **state)
{
	struct clock *clock = *state;

	assert_time(clock, (uint8_t[]){0x58, 0x59, 0x23, 5, 0x29, 0x02, 0x24, 0x20});
	out(clock, 0x0B, 0x06);
	assert_time(clock, (uint8_t[]){58, 59, 23, 5, 29, 2, 24, 20});
	clock->now_ns += 2 * NS;
	assert_time(clock, (uint8_t[]){0, 0, 0, 6, 1, 3, 24, 20});
}

static void twelve_hours(void **state)
{
	static const uint8_t bcd[24] = {0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
					0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91};
	struct clock *clock = *state;
	int64_t midnight = (LEAP_NIGHT / 86400) * 86400 * NS;

	out(clock, 0x0B, 0x00);
	for (unsigned int hour = 0; hour < 24; hour++) {
		clock->now_ns = midnight + hour * 3600 * NS;
		assert_int_equal(in(clock, 4), bcd[hour]);
	}
	/* And back: 12 AM is midnight, 12 PM is noon; told in 24 hours afterwards. */
	for (unsigned int hour = 0; hour < 24; hour++) {
		out(clock, 0x0B, 0x80);
		set_time(clock, (uint8_t[]){0, 0, bcd[hour], 1, 1, 1, 0x30, 0x20});
		out(clock, 0x0B, 0x00);
		assert_int_equal(in(clock, 4), bcd[hour]);
		out(clock, 0x0B, 0x06);
		assert_int_equal(in(clock, 4), hour);
	}
}

static void setting_the_time(void **state)
{
	struct clock *clock = *state;

	out(clock, 0x0B, 0x82); /* SET: the clock stands */
	set_time(clock, (uint8_t[]){0x30, 0x15, 0x07, 1, 0x04, 0x07, 0x99, 0x19});
	clock->now_ns += 60 * NS;
	assert_time(clock, (uint8_t[]){0x30, 0x15, 0x07, 1, 0x04, 0x07, 0x99, 0x19});
	out(clock, 0x0B, 0x02);
	clock->now_ns += 5 * NS;
	assert_time(clock, (uint8_t[]){0x35, 0x15, 0x07, 1, 0x04, 0x07, 0x99, 0x19}); /* a Sunday */
	/* It is the guest's time: a reset of the machine does not change it. */
	rtc_reset(clock->rtc);
	assert_time(clock, (uint8_t[]){0x35, 0x15, 0x07, 1, 0x04, 0x07, 0x99, 0x19});
}

/* Far dates keep ticking: nothing here ends in 1970, 2038 or 2262. */
static void far_years(void **state)
{
	static const uint8_t centuries[] = {0x17, 0x19, 0x20, 0x23, 0x99};
	struct clock *clock = *state;

	for (unsigned int i = 0; i < sizeof(centuries); i++) {
		out(clock, 0x0B, 0x82);
		set_time(clock, (uint8_t[]){0x59, 0x59, 0x23, 1, 0x28, 0x02, 0x01, centuries[i]});
		out(clock, 0x0B, 0x02);
		clock->now_ns += NS;
		assert_int_equal(in(clock, 0), 0);
		assert_int_equal(in(clock, 7), 0x01);
		assert_int_equal(in(clock, 8), 0x03);
		assert_int_equal(in(clock, 9), 0x01);
		assert_int_equal(in(clock, 0x32), centuries[i]);
	}
}

/* Reading while SET stands shows the moment it was set, whatever changed in register B by the same write. */
static void set_freezes_the_time(void **state)
{
	struct clock *clock = *state;

	out(clock, 0x0B, 0x86);
	clock->now_ns += 1234 * NS;
	assert_time(clock, (uint8_t[]){58, 59, 23, 5, 29, 2, 24, 20});
	out(clock, 0x0B, 0x06);
	assert_time(clock, (uint8_t[]){58, 59, 23, 5, 29, 2, 24, 20});
}

static void writes_without_set_work_too(void **state)
{
	struct clock *clock = *state;

	out(clock, 4, 0x07);
	out(clock, 2, 0x08);
	assert_int_equal(in(clock, 4), 0x07);
	assert_int_equal(in(clock, 2), 0x08);
	assert_int_equal(in(clock, 0), 0x58);
}

/*
 * Register A, UIP: the time does not change for at least 244 us while it is clear, and it is set for
 * 2228 us of a second at most, since drivers wait for its end.
 */
static void update_in_progress(void **state)
{
	struct clock *clock = *state;
	unsigned int busy_us = 0;
	uint8_t before;

	for (int64_t us = 0; us < 1000000; us += 61) {
		clock->now_ns = LEAP_NIGHT * NS + us * 1000;
		before = in(clock, 0);
		if (in(clock, 0x0A) & 0x80) {
			busy_us += 61;
			continue;
		}
		clock->now_ns += 243999;
		assert_int_equal(in(clock, 0), before);
	}
	assert_in_range(busy_us, 61, 2228);
	clock->now_ns = LEAP_NIGHT * NS + 999900000;
	assert_int_equal(in(clock, 0x0A), 0xA6);
	out(clock, 0x0A, 0xA6); /* UIP is read-only... */
	clock->now_ns += NS / 2;
	assert_int_equal(in(clock, 0x0A), 0x26);
	out(clock, 0x0B, 0x82); /* ...and never set while the clock stands */
	clock->now_ns = (LEAP_NIGHT + 5) * NS - 1000;
	assert_int_equal(in(clock, 0x0A), 0x26);
}

/* Linux sets the time with the divider in reset: the next second then begins 500 ms after it leaves it. */
static void divider_reset(void **state)
{
	struct clock *clock = *state;

	clock->now_ns += 123456789;
	out(clock, 0x0B, 0x82);
	out(clock, 0x0A, 0x76);
	set_time(clock, (uint8_t[]){0x10, 0, 0, 1, 1, 1, 0x25, 0x20});
	out(clock, 0x0B, 0x02);
	clock->now_ns += 10 * NS;
	assert_int_equal(in(clock, 0), 0x10); /* it stands */
	out(clock, 0x0A, 0x26);
	clock->now_ns += NS / 2 - 1000;
	assert_int_equal(in(clock, 0), 0x10);
	clock->now_ns += 1000;
	assert_int_equal(in(clock, 0), 0x11);
}

static void flags_of_register_c(void **state)
{
	struct clock *clock = *state;

	out(clock, 0x0A, 0x20); /* no periodic flag */
	in(clock, 0x0C);
	assert_int_equal(in(clock, 0x0C), 0);
	clock->now_ns += NS;
	assert_int_equal(in(clock, 0x0C), 0x10);
	assert_int_equal(in(clock, 0x0C), 0);
	/* Alarm at 00:00:05, two seconds before midnight; nothing at :04. */
	out(clock, 1, 0x05);
	out(clock, 3, 0x00);
	out(clock, 5, 0x00);
	clock->now_ns = (LEAP_NIGHT + 6) * NS;
	assert_int_equal(in(clock, 0x0C), 0x10);
	clock->now_ns += NS;
	assert_int_equal(in(clock, 0x0C), 0x30);
	/* "Don't care" in minutes and hours: every minute. */
	out(clock, 3, 0xFF);
	out(clock, 5, 0xC0);
	clock->now_ns += 60 * NS;
	assert_int_equal(in(clock, 0x0C), 0x30);
	/* The alarm is in the format of register B. */
	clock->now_ns += 30 * NS;
	in(clock, 0x0C);
	out(clock, 0x0B, 0x06);
	out(clock, 1, 45);
	clock->now_ns += 9 * NS;
	assert_int_equal(in(clock, 0x0C), 0x10);
	clock->now_ns += 1 * NS;
	assert_int_equal(in(clock, 0x0C), 0x30);
	/* Periodic at rate 15: 2 Hz. */
	out(clock, 0x0A, 0x2F);
	in(clock, 0x0C);
	clock->now_ns += NS / 4;
	assert_int_equal(in(clock, 0x0C), 0);
	clock->now_ns += NS / 4;
	assert_int_equal(in(clock, 0x0C), 0x40);
	/* A host clock that is set back breaks nothing. */
	clock->now_ns -= 3600 * NS;
	assert_int_equal(in(clock, 0x0C), 0);
	clock->now_ns += NS;
	assert_int_equal(in(clock, 0x0C) & 0x10, 0x10);
}

/* The DSDT gives the clock no interrupt; a driver that asks all the same sees its bits refused. */
static void no_interrupts_are_promised(void **state)
{
	struct clock *clock = *state;

	out(clock, 0x0B, 0x72);
	assert_int_equal(in(clock, 0x0B), 0x02);
	clock->now_ns += 100 * NS;
	assert_int_equal(in(clock, 0x0C) & 0x80, 0);
}

static void cmos_ram(void **state)
{
	struct clock *clock = *state;

	/* What old EDK2 builds read: (low_end - 16 MiB) and high_size in 64 KiB. */
	assert_int_equal(in(clock, 0x34) | in(clock, 0x35) << 8, (0xC0000000U - (16 << 20)) >> 16);
	assert_int_equal(in(clock, 0x5B) | in(clock, 0x5C) << 8 | in(clock, 0x5D) << 16,
			 (5ULL << 30) >> 16);
	assert_int_equal(in(clock, 0x15) | in(clock, 0x16) << 8, 640);
	for (unsigned int index = 0x0E; index < 0x80; index++) {
		if (index == 0x32)
			continue;
		out(clock, (uint8_t)index, (uint8_t)(index ^ 0x5A));
		assert_int_equal(in(clock, (uint8_t)index), index ^ 0x5A);
	}
	out(clock, 0x0F, 0xFE);
	rtc_reset(clock->rtc);
	assert_int_equal(in(clock, 0x0F), 0);
	assert_int_equal(in(clock, 0x34) | in(clock, 0x35) << 8, (0xC0000000U - (16 << 20)) >> 16);
	/* C and D are read-only; EDK2 writes 0 to D and then wants VRT to be set. */
	out(clock, 0x0D, 0);
	assert_int_equal(in(clock, 0x0D), 0x80);
	out(clock, 0x0C, 0xFF);
	assert_int_equal(in(clock, 0x0C) & 0x0F, 0);
}

static void small_memory_is_told_rightly(void **state)
{
	struct rtc_params params = {.low_end = 8 << 20};
	struct clock small = {0};

	(void)state;
	assert_int_equal(rtc_create(&params, &small.rtc), 0);
	assert_int_equal(in(&small, 0x34) | in(&small, 0x35) << 8, 0);
	assert_int_equal(in(&small, 0x17) | in(&small, 0x18) << 8, 7 << 10);
	assert_int_equal(in(&small, 0x30) | in(&small, 0x31) << 8, 7 << 10);
	assert_int_equal(in(&small, 0x5B), 0);
	rtc_destroy(small.rtc);
}

/* Garbage in every register, in every format, with a clock that jumps about. */
static void hostile_guest(void **state)
{
	struct clock *clock = *state;
	uint32_t seed = 99;

	for (unsigned int i = 0; i < 300000; i++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 31)
			out(clock, (seed >> 8) & 0x0F, (uint8_t)(seed >> 16));
		else
			in(clock, (uint8_t)(seed >> 8));
		if ((seed & 0xFF0) == 0)
			clock->now_ns = (int64_t)(seed >> 3) * NS + (seed & 0xFFFFFF);
		if ((seed & 0xFFF0) == 0)
			out(clock, 0x32, (uint8_t)(seed >> 20));
		assert_int_equal(in(clock, 0x0D), 0x80);
		assert_int_equal(in(clock, 0x0B) & 0x70, 0);
	}
	/* It can be made a clock again. */
	out(clock, 0x0A, 0x26);
	out(clock, 0x0B, 0x82);
	set_time(clock, (uint8_t[]){0x00, 0x30, 0x12, 1, 0x01, 0x01, 0x26, 0x20});
	out(clock, 0x0B, 0x02);
	clock->now_ns += 60 * NS;
	assert_int_equal(in(clock, 2), 0x31);
	assert_int_equal(in(clock, 9), 0x26);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(power_on_state),
		T(index_is_readable_and_masked),
		T(time_in_bcd_and_binary),
		T(twelve_hours),
		T(setting_the_time),
		T(far_years),
		T(set_freezes_the_time),
		T(writes_without_set_work_too),
		T(update_in_progress),
		T(divider_reset),
		T(flags_of_register_c),
		T(no_interrupts_are_promised),
		T(cmos_ram),
		T(small_memory_is_told_rightly),
		T(hostile_guest),
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
