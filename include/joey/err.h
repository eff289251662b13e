/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_ERR_H
#define JOEY_ERR_H

/*
 * One error object per operation.  Control flow uses negative errno values; the object gathers the text
 * that a person reads, and is printed once, by src/cli/main.c.
 *
 * Rules:
 *  - the caller owns the object and starts it as `struct joey_err err = JOEY_ERR_INIT`;
 *  - success leaves it untouched;
 *  - errnum is never 0: a setter given 0 stores EINVAL (so `return joey_err_...()` is always < 0);
 *  - wrap where something new is known (which mount, which container), not at every return;
 *  - errno texts are lower case, as Go spells them, because engines match on them
 *    (shared/reference/engine-contract.md section 4).
 */

#include <stdarg.h>

enum joey_err_kind {
	JOEY_EK_OTHER = 0,
	JOEY_EK_NOT_FOUND,   /* no such container */
	JOEY_EK_EXISTS,      /* container id in use */
	JOEY_EK_STATE,       /* not possible in the container's state */
	JOEY_EK_CONFIG,      /* bad or unsupported value in a config; text holds the JSON path */
	JOEY_EK_USAGE,       /* bad command line */
	JOEY_EK_UNSUPPORTED, /* host, kernel or backend cannot do it */
	JOEY_EK_TIMEOUT,     /* a deadline passed */
	JOEY_EK_MAX,
};

struct joey_err {
	int errnum; /* > 0 once set */
	enum joey_err_kind kind;
	char *msg; /* heap, may be NULL when memory ran out: joey_err_text() copes */
};

#define JOEY_ERR_INIT               \
	{                           \
		0, JOEY_EK_OTHER, 0 \
	}

/* "<text>: <errno text>".  Returns -errnum. */
int joey_err_sys(struct joey_err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Text as it is.  Returns -errnum. */
int joey_err_set(struct joey_err *err, enum joey_err_kind kind, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "<text>: " before the present text.  Returns -err->errnum. */
int joey_err_wrap(struct joey_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Never NULL. */
const char *joey_err_text(const struct joey_err *err);

/* Stable name of a kind ("not-found", ...), used as "code" in JSON log lines. */
const char *joey_err_kind_to_string(enum joey_err_kind kind);

/* Frees the text and makes the object unset again; NULL is fine. */
void joey_err_clear(struct joey_err *err);

/* errno value (positive or negative) to Go-style lower-case text; static storage, async-signal-safe. */
const char *joey_errno_text(int errnum);

#define autoerr __attribute__((cleanup(joey_err_clear)))

#endif
