/* See init/backoff.h. */
#include "backoff.h"

#define FIRST_MS 500

unsigned int backoff_failed(struct backoff *b, uint64_t ran_ms)
{
	if (ran_ms >= BACKOFF_STEADY_MS)
		b->failures = 0;
	b->failures++;
	/* 500 << 6 is beyond the limit. */
	if (b->failures > 6 || FIRST_MS << (b->failures - 1) > BACKOFF_MAX_MS)
		return BACKOFF_MAX_MS;
	return FIRST_MS << (b->failures - 1);
}
