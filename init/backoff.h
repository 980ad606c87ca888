/* How soon what ended is started again. */
#ifndef VMB_INIT_BACKOFF_H
#define VMB_INIT_BACKOFF_H

#include <stdint.h>

#define BACKOFF_STEADY_MS 10000 /* what ran so long works: an end after that counts anew */
#define BACKOFF_MAX_MS	  30000
#define BACKOFF_BROKEN	  3 /* so many failures in a row, and it is taken for broken */

struct backoff {
	unsigned int failures; /* in a row */
};

/* It failed after RAN_MS; returns how many milliseconds to wait: half a second, then twice as long each time. */
unsigned int backoff_failed(struct backoff *backoff, uint64_t ran_ms);

#endif
