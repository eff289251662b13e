/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_GVARIANT_H
#define JOEY_GVARIANT_H

/*
 * Values in GVariant's text form, as annotations and the messages to joey-sd-bus hold them: "true", "uint64 5",
 * "'text'", "['a', 'b']", "[('char-*', 'rwm')]", "@as []".
 *
 * A strict and bounded subset: booleans, integers, strings, arrays and tuples of them.  No floating point, byte
 * strings, dictionaries, maybes, variants; no control characters; no octal numbers.
 */

#include "joey/err.h"
#include "joey/util.h"

#define JOEY_GV_TEXT_MAX  (64u << 10)
#define JOEY_GV_NODES_MAX 8192u
#define JOEY_GV_DEPTH_MAX 4u

struct joey_gv {
	char type;       /* b y n q i u x t s, or 'a' array, 'r' tuple */
	const char *sig; /* the whole signature: "t", "a(ss)" */
	union {
		bool b;
		int64_t i;     /* n i x */
		uint64_t u;    /* y q u t */
		const char *s; /* s */
		struct {
			struct joey_gv **v;
			size_t n;
		} kids;
	} u;
};

/* Everything is allocated in *arena.  The error says what is wrong at which byte. */
int joey_gv_parse(const char *text, struct joey_arena *arena, struct joey_gv **ret, struct joey_err *err);

/* Appends text as a quoted string. */
void joey_gv_add_string(struct joey_str *s, const char *text);

#endif
