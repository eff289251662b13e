/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object (see err.h): negative errno for control flow, one line of text for people.
 * If memory runs out while a text is made, the object keeps errnum and kind, and joey_err_text() falls back to the
 * errno text: an error is never lost.
 */
#include "joey/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "joey/util.h"

static const char *const kind_names[JOEY_EK_MAX] = {
	[JOEY_EK_OTHER] = "other",
	[JOEY_EK_NOT_FOUND] = "not-found",
	[JOEY_EK_EXISTS] = "exists",
	[JOEY_EK_STATE] = "state",
	[JOEY_EK_CONFIG] = "config",
	[JOEY_EK_USAGE] = "usage",
	[JOEY_EK_UNSUPPORTED] = "unsupported",
	[JOEY_EK_TIMEOUT] = "timeout",
};

const char *joey_err_kind_to_string(enum joey_err_kind kind)
{
	return (unsigned)kind < JOEY_EK_MAX ? kind_names[kind] : "other";
}

/* glibc's descriptions differ from Go's by the first letter only; the few that start with an acronym stay. */
const char *joey_errno_text(int errnum)
{
	static char lowered[134][64];
	const char *s;

	if (errnum < 0)
		errnum = -errnum;
	s = strerrordesc_np(errnum);
	if (!s)
		return "unknown error";
	if (!isupper((unsigned char)s[0]) || isupper((unsigned char)s[1]) || errnum >= (int)JOEY_ARRAY_SIZE(lowered) ||
	    strlen(s) >= sizeof(lowered[0]))
		return s;
	if (!lowered[errnum][0]) {
		strcpy(lowered[errnum] + 1, s + 1);
		lowered[errnum][0] = (char)tolower((unsigned char)s[0]);
	}
	return lowered[errnum];
}

static int store(struct joey_err *err, enum joey_err_kind kind, int errnum, char *msg)
{
	if (errnum < 0)
		errnum = -errnum;
	if (errnum == 0)
		errnum = EINVAL;
	if (!err) {
		free(msg);
		return -errnum;
	}
	free(err->msg);
	err->errnum = errnum;
	err->kind = kind;
	err->msg = msg;
	return -errnum;
}

int joey_err_sys(struct joey_err *err, int errnum, const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	joey_str_printf(&s, ": %s", joey_errno_text(errnum ? errnum : EINVAL));
	return store(err, JOEY_EK_OTHER, errnum, joey_str_take(&s));
}

int joey_err_set(struct joey_err *err, enum joey_err_kind kind, int errnum, const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	return store(err, kind, errnum, joey_str_take(&s));
}

int joey_err_wrap(struct joey_err *err, const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	char *joined;
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	joey_str_printf(&s, ": %s", joey_err_text(err));
	joined = joey_str_take(&s);
	if (joined) {
		free(err->msg);
		err->msg = joined;
	}
	if (err->errnum <= 0)
		err->errnum = EINVAL;
	return -err->errnum;
}

const char *joey_err_text(const struct joey_err *err)
{
	return err->msg ? err->msg : joey_errno_text(err->errnum);
}

void joey_err_clear(struct joey_err *err)
{
	if (!err)
		return;
	free(err->msg);
	*err = (struct joey_err)JOEY_ERR_INIT;
}
