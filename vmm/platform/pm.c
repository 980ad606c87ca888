/*
 * Power management of Cloud Hypervisor's platform, as its firmware and our own ACPI tables use it:
 *
 *   0x600  sleep control (ACPI 6.5, 4.8.3.7): SLP_EN with SLP_TYP 5 switches off; the value 1 resets
 *   0x601  sleep status: WAK_STS, never set, since there is no sleep to wake from
 *   0x608  PM timer: 32 bits counting at 3.579545 MHz (4.8.3.3)
 *   0x60C  generic event device (5.6.9): pending events, reading clears them and drops the interrupt
 *   0xCF9  reset control of Intel's chipsets: bit 1 kind of reset, bit 2 does it on its rising edge
 *
 * Not here: the soft (CPU only) reset of 0xCF9; both kinds reset the machine.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define PM_RESET_VALUE 0x01
#define PM_SLP_EN      (1 << 5)
#define PM_SLP_TYP(v)  (((v) >> 2) & 7)
#define PM_SLP_TYP_S5  5
#define PM_TIMER_HZ    3579545ULL
#define PM_TIMER_SHIFT 40 /* of the factor below: 64 bits of ns times 32 bits fit 128 */
#define PM_GED_POWER   0x01
#define CF9_SYSTEM     0x02
#define CF9_RESET_CPU  0x04
#define CF9_FULL       0x08
#define NS_PER_SEC     1000000000ULL

struct pm {
	struct pm_params params;
	_Atomic uint64_t timer_base_ns;
	pthread_mutex_t irq_lock; /* orders calls of the interrupt pin; taken before LOCK */
	pthread_mutex_t lock;	  /* everything below */
	uint8_t ged_pending;
	uint8_t cf9;
};

static uint64_t pm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- 0x600: sleep control and status ---- */

static uint64_t pm_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0; /* SLP_EN is write-only, WAK_STS is never set */
}

static void pm_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pm *pm = dev;
	uint8_t byte = (uint8_t)value;

	(void)size;
	if (offset != 0)
		return;
	if (byte == PM_RESET_VALUE)
		pm->params.reset(pm->params.ctx);
	else if ((byte & PM_SLP_EN) && PM_SLP_TYP(byte) == PM_SLP_TYP_S5)
		pm->params.power_off(pm->params.ctx);
}

const struct bus_ops pm_bus_ops = {
	.read = pm_read,
	.write = pm_write,
};

/* ---- 0x608: PM timer. The firmware spins on it, so: no lock, no division ---- */

static uint64_t pm_timer_read(void *dev, uint64_t offset, unsigned int size)
{
	static const uint64_t factor =
		(uint64_t)(((unsigned __int128)PM_TIMER_HZ << PM_TIMER_SHIFT) / NS_PER_SEC);
	struct pm *pm = dev;
	uint64_t ns = pm_now_ns() - atomic_load_explicit(&pm->timer_base_ns, memory_order_relaxed);
	uint32_t ticks = (uint32_t)(((unsigned __int128)ns * factor) >> PM_TIMER_SHIFT);

	(void)size;
	return ticks >> (8 * offset);
}

static void pm_timer_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value; /* read-only */
}

const struct bus_ops pm_timer_bus_ops = {
	.read = pm_timer_read,
	.write = pm_timer_write,
};

/* ---- 0x60C: generic event device ---- */

/* Makes the pin follow the pending events. No lock held. */
static void pm_drive_ged(struct pm *pm)
{
	bool level;

	pthread_mutex_lock(&pm->irq_lock);
	pthread_mutex_lock(&pm->lock);
	level = pm->ged_pending != 0;
	pthread_mutex_unlock(&pm->lock);
	irq_pin_set(&pm->params.ged_irq, level);
	pthread_mutex_unlock(&pm->irq_lock);
}

static uint64_t pm_ged_read(void *dev, uint64_t offset, unsigned int size)
{
	struct pm *pm = dev;
	uint8_t pending;

	(void)size;
	if (offset != 0)
		return 0;
	pthread_mutex_lock(&pm->lock);
	pending = pm->ged_pending;
	pm->ged_pending = 0;
	pthread_mutex_unlock(&pm->lock);
	if (pending)
		pm_drive_ged(pm);
	return pending;
}

static void pm_ged_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value; /* read-only */
}

const struct bus_ops pm_ged_bus_ops = {
	.read = pm_ged_read,
	.write = pm_ged_write,
};

void pm_press_power_button(struct pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->ged_pending |= PM_GED_POWER;
	pthread_mutex_unlock(&pm->lock);
	pm_drive_ged(pm);
}

/* ---- 0xCF9: reset control ---- */

static uint64_t pm_cf9_read(void *dev, uint64_t offset, unsigned int size)
{
	struct pm *pm = dev;
	uint8_t value;

	(void)offset;
	(void)size;
	pthread_mutex_lock(&pm->lock);
	value = pm->cf9;
	pthread_mutex_unlock(&pm->lock);
	return value;
}

static void pm_cf9_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pm *pm = dev;
	uint8_t before;

	(void)size;
	if (offset != 0)
		return;
	pthread_mutex_lock(&pm->lock);
	before = pm->cf9;
	pm->cf9 = value & (CF9_SYSTEM | CF9_RESET_CPU | CF9_FULL);
	pthread_mutex_unlock(&pm->lock);
	if (~before & value & CF9_RESET_CPU)
		pm->params.reset(pm->params.ctx);
}

const struct bus_ops pm_cf9_bus_ops = {
	.read = pm_cf9_read,
	.write = pm_cf9_write,
};

void pm_reset(struct pm *pm)
{
	bool was_pending;

	atomic_store(&pm->timer_base_ns, pm_now_ns());
	pthread_mutex_lock(&pm->lock);
	was_pending = pm->ged_pending != 0;
	pm->ged_pending = 0;
	pm->cf9 = 0;
	pthread_mutex_unlock(&pm->lock);
	if (was_pending)
		pm_drive_ged(pm);
}

int pm_create(const struct pm_params *params, struct pm **ret_pm)
{
	struct pm *pm = calloc(1, sizeof(*pm));

	if (!pm)
		return -ENOMEM;
	pm->params = *params;
	pthread_mutex_init(&pm->irq_lock, NULL);
	pthread_mutex_init(&pm->lock, NULL);
	pm_reset(pm);
	*ret_pm = pm;
	return 0;
}

void pm_destroy(struct pm *pm)
{
	if (!pm)
		return;
	pthread_mutex_destroy(&pm->lock);
	pthread_mutex_destroy(&pm->irq_lock);
	free(pm);
}
