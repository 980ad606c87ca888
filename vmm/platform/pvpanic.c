/*
 * pvpanic, ACPI device QEMU0001 (QEMU, docs/specs/pvpanic): one port by which a guest's kernel says
 * that it panicked. Reading tells which words it may say, writing says them.
 */
#include "vmm/platform/platform.h"

#include <errno.h>
#include <misc/pvpanic.h>
#include <stdlib.h>

struct pvpanic {
	void (*panicked)(void *ctx, bool crash_loaded);
	void *ctx;
};

static uint64_t pvpanic_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return PVPANIC_PANICKED | PVPANIC_CRASH_LOADED;
}

static void pvpanic_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pvpanic *pvpanic = dev;

	(void)size;
	if (offset != 0)
		return;
	/* A guest that says both is one whose crash kernel takes over. */
	if (value & PVPANIC_CRASH_LOADED)
		pvpanic->panicked(pvpanic->ctx, true);
	else if (value & PVPANIC_PANICKED)
		pvpanic->panicked(pvpanic->ctx, false);
}

const struct bus_ops pvpanic_bus_ops = {
	.read = pvpanic_read,
	.write = pvpanic_write,
};

int pvpanic_create(void (*panicked)(void *ctx, bool crash_loaded), void *ctx,
		   struct pvpanic **ret_pvpanic)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->panicked = panicked;
	pvpanic->ctx = ctx;
	*ret_pvpanic = pvpanic;
	return 0;
}

void pvpanic_destroy(struct pvpanic *pvpanic)
{
	free(pvpanic);
}
