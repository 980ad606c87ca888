/*
 * A guest that writes anything to the ports of the board's small devices, in any width, while bytes
 * arrive on the serial line and the power button is pressed. Promise: what firmware and drivers wait
 * for keeps coming (THRE, VRT, a timer that moves, a controller that takes commands), the interrupt
 * pins are what the registers say, the guest's time can be set again, flash shows its bytes when it is
 * told to, and keeps to them.
 */
#include "fuzz.h"

#include <errno.h>

#include "log.h"
#include "vmm/layout.h"
#include "vmm/platform/platform.h"

#define FLASH	   0x10000 /* behind the ports: an MMIO device as good as any */
#define FLASH_SIZE (2 * CFI_FLASH_BLOCK)

struct board {
	struct bus *ports;
	struct uart *uart;
	struct rtc *rtc;
	struct pm *pm;
	struct i8042 *i8042;
	struct debugcon *debugcon;
	struct pvpanic *pvpanic;
	struct watchdog *watchdog;
	struct fw_cfg *fw_cfg;
	struct piix4 *piix4;
	struct cfi_flash *flash;
	uint8_t flash_bytes[FLASH_SIZE];
	struct ring *ring;
	bool uart_irq, ged_irq;
	unsigned int offs, resets;
	int64_t now;
};

static void set_uart_irq(void *ctx, bool level)
{
	((struct board *)ctx)->uart_irq = level;
}

static void set_ged_irq(void *ctx, bool level)
{
	((struct board *)ctx)->ged_irq = level;
}

static void power_off(void *ctx)
{
	((struct board *)ctx)->offs++;
}

static void reset(void *ctx)
{
	((struct board *)ctx)->resets++;
}

static void panicked(void *ctx, bool crash_loaded)
{
	(void)ctx;
	(void)crash_loaded;
}

/* Never: every read is to come here. */
static int map_flash(void *ctx, bool map)
{
	(void)ctx;
	return map ? -ENOMEM : 0;
}

static void transmit(void *ctx, uint8_t byte)
{
	(void)ctx;
	(void)byte;
}

/* Takes more as soon as there is room, from inside the access that made it: the worst moment. */
static void receive_ready(void *ctx)
{
	(void)uart_receive(((struct board *)ctx)->uart, (const uint8_t *)"more of it", 10);
}

static void read_clock(void *ctx, struct timespec *ret)
{
	*ret = (struct timespec){.tv_sec = ((struct board *)ctx)->now};
}

static void claim(struct board *b, uint64_t base, uint64_t len, const struct bus_ops *ops,
		  void *dev)
{
	must(bus_add(b->ports,
		     &(struct bus_range){.base = base, .len = len, .ops = ops, .dev = dev}) == 0);
}

static void board_create(struct board *b)
{
	const struct uart_params uart = {
		.irq = {set_uart_irq, b},
		.transmit = transmit,
		.receive_ready = receive_ready,
		.ctx = b,
	};
	const struct rtc_params rtc = {
		.now = read_clock, .ctx = b, .low_end = 1 << 30, .high_size = 1 << 30};
	const struct pm_params pm = {
		.ged_irq = {set_ged_irq, b}, .power_off = power_off, .reset = reset, .ctx = b};

	const struct cfi_flash_params flash = {.bytes = b->flash_bytes, .map = map_flash};
	const struct acpi_params acpi = {.cpus = 2, .pci32_base = LAYOUT_PCI32_I440FX};
	struct watchdog_params watchdog = {.expired = reset, .ctx = b};

	must(bus_create(&b->ports) == 0 && uart_create(&uart, &b->uart) == 0 &&
	     rtc_create(&rtc, &b->rtc) == 0 && pm_create(&pm, &b->pm) == 0 &&
	     i8042_create(reset, b, &b->i8042) == 0 && debugcon_create(&b->debugcon) == 0 &&
	     pvpanic_create(panicked, b, &b->pvpanic) == 0 && fw_cfg_create(2, &b->fw_cfg) == 0 &&
	     acpi_load(b->fw_cfg, &acpi) == 0 && cfi_flash_create(&flash, &b->flash) == 0 &&
	     piix4_create(b->pm, power_off, b, &b->piix4) == 0 &&
	     ring_create("fuzz", 8, RING_AUTO, &b->ring, NULL) == 0);
	watchdog.ring = b->ring;
	must(watchdog_create(&watchdog, &b->watchdog) == 0);
	claim(b, LAYOUT_PORT_UART, 8, &uart_bus_ops, b->uart);
	claim(b, LAYOUT_PORT_RTC, 2, &rtc_bus_ops, b->rtc);
	claim(b, LAYOUT_PORT_PM, 4, &pm_bus_ops, b->pm);
	claim(b, LAYOUT_PORT_PM_TIMER, 4, &pm_timer_bus_ops, b->pm);
	claim(b, LAYOUT_PORT_GED, 1, &pm_ged_bus_ops, b->pm);
	claim(b, 0xCF9, 1, &pm_cf9_bus_ops, b->pm);
	claim(b, LAYOUT_PORT_I8042, 5, &i8042_bus_ops, b->i8042);
	claim(b, LAYOUT_PORT_DEBUGCON, 1, &debugcon_bus_ops, b->debugcon);
	claim(b, LAYOUT_PORT_PVPANIC, 1, &pvpanic_bus_ops, b->pvpanic);
	claim(b, LAYOUT_PORT_WATCHDOG, 8, &watchdog_bus_ops, b->watchdog);
	claim(b, LAYOUT_PORT_FW_CFG, 2, &fw_cfg_bus_ops, b->fw_cfg);
	claim(b, LAYOUT_PORT_PIIX4, 12, &piix4_bus_ops, b->piix4);
	claim(b, FLASH, FLASH_SIZE, &cfi_flash_bus_ops, b->flash);
}

static void board_destroy(struct board *b)
{
	bus_destroy(b->ports);
	uart_destroy(b->uart);
	rtc_destroy(b->rtc);
	pm_destroy(b->pm);
	i8042_destroy(b->i8042);
	debugcon_destroy(b->debugcon);
	pvpanic_destroy(b->pvpanic);
	ring_destroy(b->ring);
	watchdog_destroy(b->watchdog);
	fw_cfg_destroy(b->fw_cfg);
	piix4_destroy(b->piix4);
	cfi_flash_destroy(b->flash);
}

static void one_step(struct input *in, struct board *b)
{
	static const struct {
		uint32_t base, len;
	} ranges[] = {{LAYOUT_PORT_UART, 8},	{LAYOUT_PORT_RTC, 2},
		      {LAYOUT_PORT_PM, 24},	{0xCF9, 1},
		      {LAYOUT_PORT_I8042, 5},	{LAYOUT_PORT_DEBUGCON, 1},
		      {LAYOUT_PORT_PVPANIC, 1}, {LAYOUT_PORT_FW_CFG, 2},
		      {LAYOUT_PORT_PIIX4, 12},	{FLASH, FLASH_SIZE}};
	uint8_t op = (uint8_t)take(in, 1), where = (uint8_t)take(in, 1);
	unsigned int which = op % 10, size = 1u << (op >> 6 & 1) << (op >> 7 & 1);
	uint64_t port = ranges[which].base + where * 33 % ranges[which].len;
	uint8_t bytes[32] = {0};

	switch (op / 10 % 5) {
	case 0:
	case 1: bus_write(b->ports, port, size, take(in, 4)); break;
	case 2: (void)bus_read(b->ports, port, size); break;
	case 3: must(uart_receive(b->uart, bytes, where % 32) <= 16); break;
	default:
		b->now = (int64_t)take(in, 4) << (where & 7);
		if (where & 8)
			pm_press_power_button(b->pm);
		if (where & 16)
			uart_reset(b->uart);
		if (where & 32)
			rtc_reset(b->rtc);
		if (where & 64)
			pm_reset(b->pm);
		if (where & 128)
			watchdog_pause(b->watchdog);
		else
			watchdog_resume(b->watchdog);
		break;
	}
}

static uint8_t cmos(struct board *b, uint8_t index)
{
	bus_write(b->ports, LAYOUT_PORT_RTC, 1, index);
	return (uint8_t)bus_read(b->ports, LAYOUT_PORT_RTC + 1, 1);
}

static void set_cmos(struct board *b, uint8_t index, uint8_t value)
{
	bus_write(b->ports, LAYOUT_PORT_RTC, 1, index);
	bus_write(b->ports, LAYOUT_PORT_RTC + 1, 1, value);
}

/* What must hold whatever the guest did before. */
static void check(struct board *b)
{
	static const uint8_t time[][2] = {{0x00, 0x10}, {0x02, 0x20}, {0x04, 0x13}, {0x07, 0x09},
					  {0x08, 0x11}, {0x09, 0x26}, {0x32, 0x20}};
	unsigned int offs = b->offs, resets = b->resets;

	must((bus_read(b->ports, LAYOUT_PORT_UART + 5, 1) & 0x60) == 0x60);
	must(b->uart_irq == !(bus_read(b->ports, LAYOUT_PORT_UART + 2, 1) & 1));
	must((bus_read(b->ports, LAYOUT_PORT_I8042 + 4, 1) & 2) == 0);
	must(bus_read(b->ports, LAYOUT_PORT_DEBUGCON, 1) == 0xE9);
	must(b->ged_irq == (bus_read(b->ports, LAYOUT_PORT_GED, 1) != 0));
	must(!b->ged_irq);
	must(cmos(b, 0x0D) == 0x80);
	/* Whatever it was told: one that is switched off has nothing left. */
	bus_write(b->ports, LAYOUT_PORT_WATCHDOG, 1, 0);
	must(bus_read(b->ports, LAYOUT_PORT_WATCHDOG, 1) == 0);
	must(bus_read(b->ports, LAYOUT_PORT_WATCHDOG + 6, 2) == 0);
	set_cmos(b, 0x0A, 0x26);
	set_cmos(b, 0x0B, 0x82);
	for (unsigned int i = 0; i < sizeof(time) / sizeof(time[0]); i++)
		set_cmos(b, time[i][0], time[i][1]);
	set_cmos(b, 0x0B, 0x02);
	for (unsigned int i = 0; i < sizeof(time) / sizeof(time[0]); i++)
		must(cmos(b, time[i][0]) == time[i][1]);
	/* The first of these may have been data. */
	bus_write(b->ports, FLASH, 1, 0xFF);
	bus_write(b->ports, FLASH, 1, 0xFF);
	for (unsigned int i = 0; i < FLASH_SIZE; i += 8)
		must(bus_read(b->ports, FLASH + i, 1) == b->flash_bytes[i]);
	bus_write(b->ports, LAYOUT_PORT_FW_CFG, 2, 0);
	must(bus_read(b->ports, LAYOUT_PORT_FW_CFG + 1, 1) == 'Q');
	/* Looking around and setting the clock switches nothing off. */
	must(b->offs == offs && b->resets == resets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct board b = {.now = 1700000000};

	log_init(-1, LOG_LEVEL_ERROR, "fuzz");
	board_create(&b);
	while (in.left)
		one_step(&in, &b);
	check(&b);
	board_destroy(&b);
	return 0;
}
