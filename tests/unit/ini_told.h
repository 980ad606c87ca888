/* What an INI parser tells of a text: "LINE!ERROR" or "LINE~WARNING", a line each. */
#ifndef VMB_TESTS_UNIT_INI_TOLD_H
#define VMB_TESTS_UNIT_INI_TOLD_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ini_keys.h"

static char told[8192];

static inline void on_tell(void *ctx, int line, bool error, const char *text)
{
	size_t n = strlen(told);

	(void)ctx;
	snprintf(told + n, sizeof(told) - n, "%d%c%s\n", line, error ? '!' : '~', text);
}

static const struct ini_report report = {.tell = on_tell};

#endif
