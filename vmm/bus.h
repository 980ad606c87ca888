/*
 * An address space of device registers: one for ports (0..0xFFFF), one for MMIO. vCPU threads
 * dispatch exits here; what nobody claims reads all-ones, swallows writes and is counted.
 */
#ifndef VMB_VMM_BUS_H
#define VMB_VMM_BUS_H

#include <stdint.h>

struct bus;

/*
 * A device's registers. OFFSET counts from the range's base; SIZE is 1, 2, 4 or 8 and the access
 * lies inside the range. Called from any vCPU thread, several at once: the device locks itself.
 * The bus holds no lock during the call, so a handler may change the bus.
 */
struct bus_ops {
	uint64_t (*read)(void *dev, uint64_t offset, unsigned int size);
	void (*write)(void *dev, uint64_t offset, unsigned int size, uint64_t value);
};

struct bus_range {
	uint64_t base;
	uint64_t len;
	const struct bus_ops *ops;
	void *dev;
};

/* 0 or -ENOMEM. */
int bus_create(struct bus **ret_bus);
void bus_destroy(struct bus *bus); /* NULL is fine; the devices stay their owners' */

/* Adds RANGE (copied). 0, -EINVAL (empty, wraps), -EEXIST (overlaps another), -ENOSPC. */
int bus_add(struct bus *bus, const struct bus_range *range);

/* Removes the range of exactly this base and device. 0 or -ENOENT. */
int bus_remove(struct bus *bus, uint64_t base, const void *dev);

/*
 * One access of SIZE bytes. An unclaimed read, or one that crosses a range's end, gives all-ones in SIZE bytes; such a
 * write does nothing. Any thread.
 */
uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int size);
void bus_write(struct bus *bus, uint64_t addr, unsigned int size, uint64_t value);

/* How many accesses nobody claimed so far. */
uint64_t bus_unclaimed(const struct bus *bus);

#endif
