/*
 * A guest at the clock, while the host's time jumps. Promise: whatever it did, it can set the time in each
 * of the four formats, the clock stands while it does, and then goes on by the host's seconds.
 */
#include "fuzz.h"

#include "vmm/platform/platform.h"

#define REG_A	0x0A
#define REG_B	0x0B
#define REG_C	0x0C
#define REG_D	0x0D
#define CENTURY 0x32
#define SET	0x80
#define BINARY	0x04
#define HOURS24 0x02

struct clock {
	struct rtc *rtc;
	struct timespec now;
};

static void read_clock(void *ctx, struct timespec *ret)
{
	*ret = ((struct clock *)ctx)->now;
}

static uint8_t get(struct clock *clock, uint8_t index)
{
	rtc_bus_ops.write(clock->rtc, 0, 1, index);
	return (uint8_t)rtc_bus_ops.read(clock->rtc, 1, 1);
}

static void put(struct clock *clock, uint8_t index, uint8_t value)
{
	rtc_bus_ops.write(clock->rtc, 0, 1, index);
	rtc_bus_ops.write(clock->rtc, 1, 1, value);
}

static void one_step(struct input *in, struct clock *clock)
{
	uint8_t op = (uint8_t)take(in, 1);

	switch (op & 7) {
	case 0:
	case 1: put(clock, op >> 3 & 15, (uint8_t)take(in, 1)); break;
	case 2: put(clock, (uint8_t)take(in, 1), (uint8_t)take(in, 1)); break;
	case 3: (void)get(clock, op >> 3 & 15); break;
	case 4: (void)get(clock, (uint8_t)take(in, 1)); break;
	case 5:
		rtc_bus_ops.write(clock->rtc, op >> 7, 1u << (op >> 3 & 1), take(in, 2));
		(void)rtc_bus_ops.read(clock->rtc, op >> 7, 1u << (op >> 4 & 1));
		break;
	case 6:
		/* A little on, far on, or back. */
		clock->now.tv_sec += (int32_t)take(in, 4) >> (op >> 3);
		clock->now.tv_nsec = (long)(take(in, 2) * 15000);
		break;
	default:
		if (op >> 6 == 0)
			rtc_reset(clock->rtc);
		break;
	}
}

static uint8_t encode(uint8_t b, unsigned int value)
{
	return (uint8_t)(b & BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t encode_hour(uint8_t b, unsigned int hour)
{
	if (b & HOURS24)
		return encode(b, hour);
	return encode(b, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

/* Sets 2026-11-09 HOUR:20:10, lets SECONDS of less than half an hour pass, reads it back. */
static void set_and_read(struct clock *clock, uint8_t b, unsigned int hour, unsigned int seconds)
{
	unsigned int at = 20 * 60 + 10 + seconds;

	put(clock, REG_A, 0x26);
	put(clock, REG_B, SET | b);
	put(clock, 0x00, encode(b, 10));
	put(clock, 0x02, encode(b, 20));
	put(clock, 0x04, encode_hour(b, hour));
	put(clock, 0x07, encode(b, 9));
	put(clock, 0x08, encode(b, 11));
	put(clock, 0x09, encode(b, 26));
	put(clock, CENTURY, encode(b, 20));
	clock->now.tv_sec += 3600; /* it stands */
	must(get(clock, 0x00) == encode(b, 10));
	put(clock, REG_B, b);
	(void)get(clock, REG_C);
	clock->now.tv_sec += seconds;
	must(get(clock, 0x00) == encode(b, at % 60));
	must(get(clock, 0x02) == encode(b, at / 60));
	must(get(clock, 0x04) == encode_hour(b, hour));
	must(get(clock, 0x07) == encode(b, 9));
	must(get(clock, 0x08) == encode(b, 11));
	must(get(clock, 0x09) == encode(b, 26));
	must(get(clock, CENTURY) == encode(b, 20));
	must(get(clock, 0x06) == 2); /* a Monday */
	must(!(get(clock, REG_C) & 0x10) == (seconds == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct clock clock = {.now = {.tv_sec = 1700000000}};
	const struct rtc_params params = {
		.now = read_clock, .ctx = &clock, .low_end = 1 << 30, .high_size = 1 << 30};

	must(rtc_create(&params, &clock.rtc) == 0);
	while (in.left)
		one_step(&in, &clock);
	must(get(&clock, REG_D) == 0x80);
	clock.now.tv_nsec = 500000000;
	for (uint8_t format = 0; format < 4; format++)
		set_and_read(&clock, (uint8_t)(format << 1), ((unsigned int)size + format * 7) % 24,
			     (unsigned int)size % 1800);
	rtc_destroy(clock.rtc);
	return 0;
}
