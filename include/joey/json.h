/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOEY_JSON_H
#define JOEY_JSON_H

/*
 * JSON in: yajl's streaming parser fills a bounded tree in an arena.  JSON out: yajl's generator.
 *
 * Input is hostile: at most max_bytes, depth 64, 65536 elements per array or object, 1 MiB per string;
 * duplicate keys, embedded NUL (\u0000), invalid UTF-8, comments and trailing data are refused.
 * Numbers keep their text, so 64-bit values stay exact.
 */

#include "joey/err.h"
#include "joey/util.h"

enum joey_json_type {
	JOEY_JSON_NULL,
	JOEY_JSON_BOOL,
	JOEY_JSON_NUMBER,
	JOEY_JSON_STRING,
	JOEY_JSON_ARRAY,
	JOEY_JSON_OBJECT,
};

struct joey_json {
	enum joey_json_type type;
	union {
		bool boolean;
		const char *text; /* STRING and NUMBER */
		struct {
			struct joey_json **v;
			size_t n;
		} array;
		struct {
			const char **keys;
			struct joey_json **v;
			size_t n;
		} object;
	} u;
};

/* Error text: "<reason> at byte N"; the caller wraps it with the name of the document. */
int joey_json_parse(const char *text, size_t len, size_t max_bytes, struct joey_arena *arena, struct joey_json **ret,
		    struct joey_err *err);

/* NULL if o is NULL, not an object, has no such key, or the value is null. */
const struct joey_json *joey_json_get(const struct joey_json *o, const char *key);
/* Of a key of o; NULL / -ENOENT when absent, -EINVAL when of another type or out of range. */
const char *joey_json_get_string(const struct joey_json *o, const char *key);
int joey_json_get_u64(const struct joey_json *o, const char *key, uint64_t *ret);
int joey_json_get_bool(const struct joey_json *o, const char *key, bool *ret);

/* ---- writer: a sticky failure flag, checked once by joey_json_out_finish() ----------------------------- */

struct joey_json_out; /* opaque */

/* indent 0: one line. */
struct joey_json_out *joey_json_out_new(unsigned indent);
void joey_json_out_free(struct joey_json_out *o);
#define autojsonout __attribute__((cleanup(joey_json_out_freep)))
static inline void joey_json_out_freep(struct joey_json_out **o)
{
	joey_json_out_free(*o);
}

/* key NULL inside arrays and at top level.  Strings that are not UTF-8 get U+FFFD for the bad bytes. */
void joey_json_out_object(struct joey_json_out *o, const char *key);
void joey_json_out_array(struct joey_json_out *o, const char *key);
void joey_json_out_end(struct joey_json_out *o); /* closes the innermost object or array */
void joey_json_out_string(struct joey_json_out *o, const char *key, const char *value);
void joey_json_out_u64(struct joey_json_out *o, const char *key, uint64_t value);
void joey_json_out_i64(struct joey_json_out *o, const char *key, int64_t value);
void joey_json_out_bool(struct joey_json_out *o, const char *key, bool value);
void joey_json_out_null(struct joey_json_out *o, const char *key);
/* A parsed value, as it was. */
void joey_json_out_value(struct joey_json_out *o, const char *key, const struct joey_json *value);
/* Heap text (no trailing newline); -ENOMEM or -EINVAL if any call failed. */
int joey_json_out_finish(struct joey_json_out *o, char **ret, size_t *ret_len);

#endif
