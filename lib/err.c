/* See include/err.h. */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>

#include "text.h"

int vmb_err_set(struct vmb_err *err, int code, const char *fmt, ...)
{
	char raw[sizeof(err->text)];
	va_list ap;
	int n;

	if (!err)
		return -code;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n < 0)
		n = 0;
	if ((size_t)n >= sizeof(raw))
		n = sizeof(raw) - 1;
	text_escape(err->text, sizeof(err->text), raw, (size_t)n);
	err->code = code;
	return -code;
}
