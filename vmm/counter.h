/*
 * Event counters that cost next to nothing: each belongs to one thread, which alone writes it; any
 * other may read it at any time and sees a value that was true a moment ago.
 */
#ifndef VMB_VMM_COUNTER_H
#define VMB_VMM_COUNTER_H

#include <stdatomic.h>
#include <stdint.h>

/* Any thread. */
static inline uint64_t counter_get(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

/* On the counter's thread: no locked instruction. */
static inline void counter_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, counter_get(c) + n, memory_order_relaxed);
}

#endif
