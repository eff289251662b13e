/* SPDX-License-Identifier: Apache-2.0 */
/* The one log sink (see log.h). Formats only what the sink wants to see. */
#include "joey/log.h"

#include <stdarg.h>

#include "joey/util.h"

static struct {
	joey_log_sink_fn fn;
	void *arg;
	enum joey_log_level max;
} sink;

void joey_log_set_sink(joey_log_sink_fn fn, void *arg, enum joey_log_level max_level)
{
	sink.fn = fn;
	sink.arg = arg;
	sink.max = max_level;
}

void joey_log(enum joey_log_level level, const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	int saved = errno;
	va_list ap;

	if (!sink.fn || level > sink.max)
		return;
	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	if (!s.failed && s.buf)
		sink.fn(sink.arg, level, s.buf);
	errno = saved;
}
