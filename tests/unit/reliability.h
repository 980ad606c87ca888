/*
 * For tests that repeat something as often as one likes: in `make check` a little, with RELIABILITY=full
 * in the environment what `make reliability` promises, with RELIABILITY=10 a tenth of that. Each prints its figure as
 * `name value unit`.
 */
#ifndef VMB_TESTS_UNIT_RELIABILITY_H
#define VMB_TESTS_UNIT_RELIABILITY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* How often: QUICK, or as many percent of FULL as are asked for, where that is more. */
static inline uint64_t reliability_count(uint64_t quick, uint64_t full)
{
	const char *how = getenv("RELIABILITY");
	uint64_t percent = 0, count;

	if (how)
		percent = strcmp(how, "full") == 0 ? 100 : strtoul(how, NULL, 10);
	count = full * (percent < 100 ? percent : 100) / 100;
	return count > quick ? count : quick;
}

/* xorshift64: the same storm each time, from SEED that is not 0. */
static inline uint64_t reliability_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
