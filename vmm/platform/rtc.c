/*
 * The clock and its CMOS RAM: an MC146818A (Motorola data sheet) as PCs wire it, index at port 0x70
 * and data at 0x71. The time registers are computed from the host's wall clock plus the offset that
 * the guest has set. Flags of register C are computed when it is read.
 *
 * Not here: interrupts. The enable bits of register B read back as zero and the DSDT names no
 * interrupt for the clock, so that drivers poll; nothing wakes up the host for a clock.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_DAY_OF_WEEK = 0x06,
	RTC_DAY_OF_MONTH = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_REG_A = 0x0A,
	RTC_REG_B = 0x0B,
	RTC_REG_C = 0x0C,
	RTC_REG_D = 0x0D,
};

/* Register A */
#define RTC_UIP		  0x80
#define RTC_DIVIDER_RESET 0x60 /* DV2 and DV1: the divider is held, the clock stands */
#define RTC_RATE_SELECT	  0x0F
#define RTC_REG_A_DEFAULT 0x26 /* 32768 Hz, periodic rate 1024 Hz */
/* Register B */
#define RTC_SET		 0x80
#define RTC_SQWE	 0x08
#define RTC_DM_BINARY	 0x04
#define RTC_24H		 0x02
#define RTC_DST_EN	 0x01
#define RTC_REG_B_STORED (RTC_SET | RTC_SQWE | RTC_DM_BINARY | RTC_24H | RTC_DST_EN)
/* Register C */
#define RTC_PF 0x40
#define RTC_AF 0x20
#define RTC_UF 0x10
/* Register D */
#define RTC_VRT 0x80

/* CMOS RAM */
#define RTC_RAM_SIZE	  128
#define RTC_BASE_MEM_LOW  0x15
#define RTC_BASE_MEM_HIGH 0x16
#define RTC_EXT_MEM_LOW	  0x17 /* and again in 0x30/0x31: KiB above 1 MiB, at most 0xFFFF */
#define RTC_EXT_MEM_LOW2  0x30
#define RTC_CENTURY	  0x32
#define RTC_MEM16_LOW	  0x34 /* 64 KiB units above 16 MiB and below 4 GiB */
#define RTC_HIGH_MEM	  0x5B /* three bytes, 64 KiB units above 4 GiB */

#define RTC_HOUR_PM 0x80
#define RTC_UIP_US  244 /* "update in progress" is seen this long before the second ends */
/* Microseconds: 64 bits of nanoseconds end in 2262, which is a date a guest may set. */
#define US_PER_SEC 1000000LL

struct rtc {
	struct rtc_params params;
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t ram[RTC_RAM_SIZE]; /* time registers in here count only while the clock stands */
	int64_t offset_us;	   /* guest's time minus the host's */
	int64_t flags_seen_us;	   /* guest's time when register C was last read */
};

static int64_t rtc_host_us(const struct rtc *rtc)
{
	struct timespec ts;

	if (rtc->params.now)
		rtc->params.now(rtc->params.ctx, &ts);
	else
		clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * US_PER_SEC + ts.tv_nsec / 1000;
}

static bool rtc_stands(const struct rtc *rtc)
{
	return (rtc->ram[RTC_REG_B] & RTC_SET) ||
	       (rtc->ram[RTC_REG_A] & RTC_DIVIDER_RESET) == RTC_DIVIDER_RESET;
}

static int64_t rtc_guest_us(const struct rtc *rtc)
{
	return rtc_host_us(rtc) + rtc->offset_us;
}

/* Where in its second the moment US lies, and which second that is; before 1970 too. */
static int64_t rtc_phase(int64_t us)
{
	int64_t phase = us % US_PER_SEC;

	return phase < 0 ? phase + US_PER_SEC : phase;
}

static int64_t rtc_seconds(int64_t us)
{
	return (us - rtc_phase(us)) / US_PER_SEC;
}

/* ---- registers <-> numbers, in the formats that register B chooses ---- */

static uint8_t rtc_encode(const struct rtc *rtc, int value)
{
	if (rtc->ram[RTC_REG_B] & RTC_DM_BINARY)
		return (uint8_t)value;
	return (uint8_t)((value / 10 % 10) << 4 | value % 10);
}

static int rtc_decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_REG_B] & RTC_DM_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0x0F);
}

static uint8_t rtc_encode_hour(const struct rtc *rtc, int hour)
{
	if (rtc->ram[RTC_REG_B] & RTC_24H)
		return rtc_encode(rtc, hour);
	return rtc_encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? RTC_HOUR_PM : 0);
}

static int rtc_decode_hour(const struct rtc *rtc, uint8_t value)
{
	if (rtc->ram[RTC_REG_B] & RTC_24H)
		return rtc_decode(rtc, value);
	return rtc_decode(rtc, value & (uint8_t)~RTC_HOUR_PM) % 12 + (value & RTC_HOUR_PM ? 12 : 0);
}

/* Writes the time SECONDS (since the epoch) into the registers. */
static void rtc_store_time(struct rtc *rtc, time_t seconds)
{
	struct tm tm;
	int year;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	/* The month before January of the year 0 is one that a guest can ask for. */
	year = tm.tm_year < -1900 ? 0 : tm.tm_year + 1900;
	rtc->ram[RTC_SECONDS] = rtc_encode(rtc, tm.tm_sec);
	rtc->ram[RTC_MINUTES] = rtc_encode(rtc, tm.tm_min);
	rtc->ram[RTC_HOURS] = rtc_encode_hour(rtc, tm.tm_hour);
	rtc->ram[RTC_DAY_OF_WEEK] = rtc_encode(rtc, tm.tm_wday + 1);
	rtc->ram[RTC_DAY_OF_MONTH] = rtc_encode(rtc, tm.tm_mday);
	rtc->ram[RTC_MONTH] = rtc_encode(rtc, tm.tm_mon + 1);
	rtc->ram[RTC_YEAR] = rtc_encode(rtc, year % 100);
	rtc->ram[RTC_CENTURY] = rtc_encode(rtc, year / 100);
}

/* The time in the registers; nonsense is normalised the way timegm() does, the day of the week is ignored. */
static int64_t rtc_load_time_us(const struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = rtc_decode(rtc, rtc->ram[RTC_SECONDS]),
		.tm_min = rtc_decode(rtc, rtc->ram[RTC_MINUTES]),
		.tm_hour = rtc_decode_hour(rtc, rtc->ram[RTC_HOURS]),
		.tm_mday = rtc_decode(rtc, rtc->ram[RTC_DAY_OF_MONTH]),
		.tm_mon = rtc_decode(rtc, rtc->ram[RTC_MONTH]) - 1,
		.tm_year = rtc_decode(rtc, rtc->ram[RTC_YEAR]) +
			   (rtc_decode(rtc, rtc->ram[RTC_CENTURY]) - 19) * 100,
	};

	return (int64_t)timegm(&tm) * US_PER_SEC;
}

/* ---- register A's UIP and register C's flags ---- */

static uint8_t rtc_read_a(const struct rtc *rtc)
{
	int64_t in_second = rtc_phase(rtc_guest_us(rtc));

	if (!rtc_stands(rtc) && in_second >= US_PER_SEC - RTC_UIP_US)
		return rtc->ram[RTC_REG_A] | RTC_UIP;
	return rtc->ram[RTC_REG_A];
}

/* Period of the periodic flag in us, 0 when it is off. Rates 1 and 2 are those of 8 and 9 with this crystal. */
static int64_t rtc_period_us(const struct rtc *rtc)
{
	unsigned int rate = rtc->ram[RTC_REG_A] & RTC_RATE_SELECT;

	if (!rate)
		return 0;
	if (rate < 3)
		rate += 7;
	return (US_PER_SEC << (rate - 1)) / 32768;
}

/* An alarm register matches VALUE when equal, or always with its two top bits set. */
static bool rtc_alarm_matches(uint8_t alarm, uint8_t value)
{
	return alarm >= 0xC0 || alarm == value;
}

/* Whether one of the seconds after FROM up to TO is the alarm's. A day shows every time there is. */
static bool rtc_alarm_between(const struct rtc *rtc, int64_t from, int64_t to)
{
	const uint8_t *ram = rtc->ram;
	int64_t t;

	if (to - from > 86400)
		from = to - 86400;
	for (t = from + 1; t <= to; t++) {
		int of_day = (int)(t % 86400);

		if (rtc_alarm_matches(ram[RTC_SECONDS_ALARM], rtc_encode(rtc, of_day % 60)) &&
		    rtc_alarm_matches(ram[RTC_MINUTES_ALARM], rtc_encode(rtc, of_day / 60 % 60)) &&
		    rtc_alarm_matches(ram[RTC_HOURS_ALARM], rtc_encode_hour(rtc, of_day / 3600)))
			return true;
	}
	return false;
}

/* What happened since the last read, which clears it. */
static uint8_t rtc_read_c(struct rtc *rtc)
{
	int64_t now, seen, period;
	uint8_t flags = 0;

	if (rtc_stands(rtc))
		return 0;
	now = rtc_guest_us(rtc);
	seen = rtc->flags_seen_us;
	rtc->flags_seen_us = now;
	if (now <= seen || seen < 0) /* the host's clock was set back */
		return 0;
	period = rtc_period_us(rtc);
	if (period && now / period != seen / period)
		flags |= RTC_PF;
	if (now / US_PER_SEC != seen / US_PER_SEC)
		flags |= RTC_UF;
	if ((flags & RTC_UF) && rtc_alarm_between(rtc, seen / US_PER_SEC, now / US_PER_SEC))
		flags |= RTC_AF;
	return flags;
}

/* ---- the register file ---- */

static bool rtc_is_time(uint8_t index)
{
	return index == RTC_SECONDS || index == RTC_MINUTES || index == RTC_HOURS ||
	       (index >= RTC_DAY_OF_WEEK && index <= RTC_YEAR) || index == RTC_CENTURY;
}

static uint8_t rtc_read_reg(struct rtc *rtc, uint8_t index)
{
	switch (index) {
	case RTC_REG_A: return rtc_read_a(rtc);
	case RTC_REG_C: return rtc_read_c(rtc);
	case RTC_REG_D: return RTC_VRT; /* the battery never ends */
	}
	if (rtc_is_time(index) && !rtc_stands(rtc))
		rtc_store_time(rtc, rtc_seconds(rtc_guest_us(rtc)));
	return rtc->ram[index];
}

/*
 * Registers A and B stop and start the clock. On stopping the time stays in the registers; on
 * starting it is taken from there. SET does not stop the divider, so the second in progress goes on;
 * a divider that leaves its reset makes the next second half a second later.
 */
static void rtc_write_control(struct rtc *rtc, uint8_t index, uint8_t value)
{
	bool stood = rtc_stands(rtc);
	int64_t host = rtc_host_us(rtc);
	int64_t phase = rtc_phase(host + rtc->offset_us);

	rtc->ram[index] = value;
	if (!stood)
		rtc_store_time(rtc, rtc_seconds(host + rtc->offset_us));
	if (!stood || rtc_stands(rtc))
		return;
	if (index == RTC_REG_A)
		phase = US_PER_SEC / 2;
	rtc->offset_us = rtc_load_time_us(rtc) + phase - host;
	rtc->flags_seen_us = host + rtc->offset_us;
}

static void rtc_write_time(struct rtc *rtc, uint8_t index, uint8_t value)
{
	int64_t host, guest;

	if (rtc_stands(rtc)) {
		rtc->ram[index] = value;
		return;
	}
	host = rtc_host_us(rtc);
	guest = host + rtc->offset_us;
	rtc_store_time(rtc, rtc_seconds(guest));
	rtc->ram[index] = value;
	rtc->offset_us = rtc_load_time_us(rtc) + rtc_phase(guest) - host;
	rtc->flags_seen_us = host + rtc->offset_us;
}

static void rtc_write_reg(struct rtc *rtc, uint8_t index, uint8_t value)
{
	if (index == RTC_REG_A)
		rtc_write_control(rtc, index, value & (uint8_t)~RTC_UIP);
	else if (index == RTC_REG_B)
		rtc_write_control(rtc, index, value & RTC_REG_B_STORED);
	else if (rtc_is_time(index))
		rtc_write_time(rtc, index, value);
	else if (index != RTC_REG_C && index != RTC_REG_D)
		rtc->ram[index] = value;
}

static uint64_t rtc_read(void *dev, uint64_t offset, unsigned int size)
{
	struct rtc *rtc = dev;
	uint64_t value = 0;
	unsigned int i;

	pthread_mutex_lock(&rtc->lock);
	for (i = 0; i < size; i++) {
		uint8_t byte = offset + i ? rtc_read_reg(rtc, rtc->index) : rtc->index;

		value |= (uint64_t)byte << (8 * i);
	}
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

/* Bit 7 of the index masks NMI on a PC; there is none here, and firmware ORs it in. */
static void rtc_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct rtc *rtc = dev;
	unsigned int i;

	pthread_mutex_lock(&rtc->lock);
	for (i = 0; i < size; i++, value >>= 8) {
		if (offset + i)
			rtc_write_reg(rtc, rtc->index, (uint8_t)value);
		else
			rtc->index = value & (RTC_RAM_SIZE - 1);
	}
	pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_bus_ops = {
	.read = rtc_read,
	.write = rtc_write,
};

/* What a PC's firmware leaves in CMOS about memory; old EDK2 builds size RAM from it. */
static void rtc_store_memory(struct rtc *rtc)
{
	uint64_t low = rtc->params.low_end, units;
	uint8_t *ram = rtc->ram;

	ram[RTC_BASE_MEM_LOW] = 640 & 0xFF;
	ram[RTC_BASE_MEM_HIGH] = 640 >> 8;
	units = low > (1 << 20) ? (low - (1 << 20)) >> 10 : 0;
	units = units > 0xFFFF ? 0xFFFF : units;
	ram[RTC_EXT_MEM_LOW] = ram[RTC_EXT_MEM_LOW2] = (uint8_t)units;
	ram[RTC_EXT_MEM_LOW + 1] = ram[RTC_EXT_MEM_LOW2 + 1] = (uint8_t)(units >> 8);
	units = low > (16 << 20) ? (low - (16 << 20)) >> 16 : 0;
	ram[RTC_MEM16_LOW] = (uint8_t)units;
	ram[RTC_MEM16_LOW + 1] = (uint8_t)(units >> 8);
	units = rtc->params.high_size >> 16;
	units = units > 0xFFFFFF ? 0xFFFFFF : units;
	ram[RTC_HIGH_MEM] = (uint8_t)units;
	ram[RTC_HIGH_MEM + 1] = (uint8_t)(units >> 8);
	ram[RTC_HIGH_MEM + 2] = (uint8_t)(units >> 16);
}

void rtc_reset(struct rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	/* A stopped clock starts again with the offset it had: the guest never finished setting it. */
	/* 0x0F, the shutdown status, is cleared with the rest: 0xFE would be an S3 resume to EDK2. */
	memset(rtc->ram, 0, sizeof(rtc->ram));
	rtc->ram[RTC_REG_A] = RTC_REG_A_DEFAULT;
	rtc->ram[RTC_REG_B] = RTC_24H;
	rtc_store_memory(rtc);
	rtc->index = RTC_REG_D;
	rtc->flags_seen_us = rtc_guest_us(rtc);
	pthread_mutex_unlock(&rtc->lock);
}

int rtc_create(const struct rtc_params *params, struct rtc **ret_rtc)
{
	struct rtc *rtc = calloc(1, sizeof(*rtc));

	if (!rtc)
		return -ENOMEM;
	rtc->params = *params;
	pthread_mutex_init(&rtc->lock, NULL);
	rtc_reset(rtc);
	*ret_rtc = rtc;
	return 0;
}

void rtc_destroy(struct rtc *rtc)
{
	if (!rtc)
		return;
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}
