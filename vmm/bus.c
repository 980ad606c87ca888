/*
 * The table behind bus.h: ranges sorted by base in a fixed array, found by bisection. Readers hold
 * a read-write lock only while they look; what they found is copied, so that a handler may change
 * the bus. Devices outlive their ranges (see vm.c), hence a handler that runs while its range is
 * removed is harmless.
 */
#include "vmm/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BUS_MAX_RANGES 256

struct bus {
	pthread_rwlock_t lock;
	unsigned int count;
	struct bus_range ranges[BUS_MAX_RANGES];
	_Atomic uint64_t unclaimed;
};

int bus_create(struct bus **ret_bus)
{
	struct bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return -ENOMEM;
	pthread_rwlock_init(&bus->lock, NULL);
	*ret_bus = bus;
	return 0;
}

void bus_destroy(struct bus *bus)
{
	if (!bus)
		return;
	pthread_rwlock_destroy(&bus->lock);
	free(bus);
}

/* Index of the first range whose base is above ADDR. */
static unsigned int upper_bound(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0, high = bus->count;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (bus->ranges[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int bus_add(struct bus *bus, const struct bus_range *range)
{
	uint64_t last = range->base + (range->len - 1);
	unsigned int at;
	int r = 0;

	if (range->len == 0 || last < range->base)
		return -EINVAL;
	pthread_rwlock_wrlock(&bus->lock);
	at = upper_bound(bus, range->base);
	if (bus->count == BUS_MAX_RANGES) {
		r = -ENOSPC;
	} else if ((at > 0 && range->base - bus->ranges[at - 1].base < bus->ranges[at - 1].len) ||
		   (at < bus->count && bus->ranges[at].base <= last)) {
		r = -EEXIST;
	} else {
		memmove(&bus->ranges[at + 1], &bus->ranges[at],
			(bus->count - at) * sizeof(bus->ranges[0]));
		bus->ranges[at] = *range;
		bus->count++;
	}
	pthread_rwlock_unlock(&bus->lock);
	return r;
}

int bus_remove(struct bus *bus, uint64_t base, const void *dev)
{
	unsigned int at;
	int r = -ENOENT;

	pthread_rwlock_wrlock(&bus->lock);
	at = upper_bound(bus, base);
	if (at > 0 && bus->ranges[at - 1].base == base && bus->ranges[at - 1].dev == dev) {
		memmove(&bus->ranges[at - 1], &bus->ranges[at],
			(bus->count - at) * sizeof(bus->ranges[0]));
		bus->count--;
		r = 0;
	}
	pthread_rwlock_unlock(&bus->lock);
	return r;
}

/* Copies the range that holds all SIZE bytes at ADDR; counts a miss. */
static bool find(struct bus *bus, uint64_t addr, unsigned int size, struct bus_range *ret_range)
{
	bool found = false;
	unsigned int at;

	pthread_rwlock_rdlock(&bus->lock);
	at = upper_bound(bus, addr);
	if (at > 0) {
		const struct bus_range *range = &bus->ranges[at - 1];
		uint64_t offset = addr - range->base;

		found = offset < range->len && size <= range->len - offset;
		if (found)
			*ret_range = *range;
	}
	pthread_rwlock_unlock(&bus->lock);
	if (!found)
		atomic_fetch_add_explicit(&bus->unclaimed, 1, memory_order_relaxed);
	return found;
}

static uint64_t size_mask(unsigned int size)
{
	return size >= 8 ? UINT64_MAX : (1ULL << (size * 8)) - 1;
}

uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int size)
{
	struct bus_range range;

	if (!find(bus, addr, size, &range) || !range.ops->read)
		return size_mask(size);
	return range.ops->read(range.dev, addr - range.base, size) & size_mask(size);
}

void bus_write(struct bus *bus, uint64_t addr, unsigned int size, uint64_t value)
{
	struct bus_range range;

	if (find(bus, addr, size, &range) && range.ops->write)
		range.ops->write(range.dev, addr - range.base, size, value & size_mask(size));
}

uint64_t bus_unclaimed(const struct bus *bus)
{
	return atomic_load_explicit(&bus->unclaimed, memory_order_relaxed);
}
