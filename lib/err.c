/* See include/err.h. */
#include "err.h"

#include <stdarg.h>

#include "text.h"

int vmb_err_set(struct vmb_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -code;
	va_start(ap, fmt);
	text_escape_format(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	err->code = code;
	return -code;
}
