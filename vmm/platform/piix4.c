/*
 * The ports of the PIIX4's power management (Intel 290562, 7.2) that OVMF uses by itself: it switches the
 * machine off by PM1 control and takes its time from the PM timer. Operating systems go by the ACPI tables,
 * which are hardware-reduced and name the registers of pm.c.
 *
 *   0  PM1 status: nothing ever happens
 *   2  PM1 enable: of nothing
 *   4  PM1 control: SCI_EN is remembered; SLP_EN with SLP_TYP 0 (soft off) switches off
 *   8  PM timer, pm.c's
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PM1_CONTROL 4
#define PM1_SCI_EN  0x0001
#define PM1_SLP_TYP 0x1C00
#define PM1_SLP_EN  0x2000
#define PM_TIMER    8

struct piix4 {
	struct pm *pm;
	void (*power_off)(void *ctx);
	void *ctx;
	_Atomic uint16_t control;
};

static uint64_t piix4_read(void *dev, uint64_t offset, unsigned int size)
{
	struct piix4 *piix4 = dev;

	if (offset >= PM_TIMER)
		return pm_timer_bus_ops.read(piix4->pm, offset - PM_TIMER, size);
	if (offset == PM1_CONTROL)
		return atomic_load(&piix4->control);
	return 0;
}

static void piix4_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct piix4 *piix4 = dev;

	if (offset != PM1_CONTROL || size < 2)
		return;
	atomic_store(&piix4->control, value & (PM1_SCI_EN | PM1_SLP_TYP));
	if ((value & PM1_SLP_EN) && !(value & PM1_SLP_TYP))
		piix4->power_off(piix4->ctx);
}

const struct bus_ops piix4_bus_ops = {
	.read = piix4_read,
	.write = piix4_write,
};

void piix4_reset(struct piix4 *piix4)
{
	atomic_store(&piix4->control, 0);
}

int piix4_create(struct pm *pm, void (*power_off)(void *ctx), void *ctx, struct piix4 **ret_piix4)
{
	struct piix4 *piix4 = calloc(1, sizeof(*piix4));

	if (!piix4)
		return -ENOMEM;
	*piix4 = (struct piix4){.pm = pm, .power_off = power_off, .ctx = ctx};
	*ret_piix4 = piix4;
	return 0;
}

void piix4_destroy(struct piix4 *piix4)
{
	free(piix4);
}
