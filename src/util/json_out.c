/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON out, over yajl_gen.  Every call after a failure is a no-op; joey_json_out_finish() reports it.
 * An opened object or array is held back until its first child comes, so that empty ones are written as {} and []
 * also when indenting.
 */
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "joey/json.h"
#include "util/json-internal.h"

enum { MAX_DEPTH = 100 }; /* below yajl's own limit of 128 */

struct joey_json_out {
	yajl_gen gen;
	bool failed;
	int errnum;
	char pending; /* '{' or '[': opened, not yet written; 0: none */
	char stack[MAX_DEPTH];
	unsigned depth;
	char indent[17]; /* yajl keeps a pointer to it */
};

struct joey_json_out *joey_json_out_new(unsigned indent)
{
	struct joey_json_out *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->gen = yajl_gen_alloc(NULL);
	if (!o->gen) {
		free(o);
		return NULL;
	}
	if (indent > sizeof(o->indent) - 1)
		indent = sizeof(o->indent) - 1;
	memset(o->indent, ' ', indent);
	if (indent > 0) {
		yajl_gen_config(o->gen, yajl_gen_beautify, 1);
		yajl_gen_config(o->gen, yajl_gen_indent_string, o->indent);
	}
	return o;
}

void joey_json_out_free(struct joey_json_out *o)
{
	if (!o)
		return;
	yajl_gen_free(o->gen);
	free(o);
}

static void fail(struct joey_json_out *o, int errnum)
{
	if (!o->failed)
		o->errnum = errnum;
	o->failed = true;
}

static void check(struct joey_json_out *o, yajl_gen_status st)
{
	if (st != yajl_gen_status_ok)
		fail(o, EINVAL);
}

static void flush_pending(struct joey_json_out *o)
{
	if (o->pending == '{')
		check(o, yajl_gen_map_open(o->gen));
	else if (o->pending == '[')
		check(o, yajl_gen_array_open(o->gen));
	o->pending = 0;
}

static void put_bytes(struct joey_json_out *o, const char *text, size_t len)
{
	check(o, yajl_gen_string(o->gen, (const unsigned char *)text, len));
}

/* Replaces each byte that is not part of well-formed UTF-8 by U+FFFD. */
static void put_repaired(struct joey_json_out *o, const char *text, size_t len)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	for (size_t at = 0; at < len;) {
		size_t good = json_utf8_span(text + at, len - at);

		joey_str_addn(&s, text + at, good);
		at += good;
		if (at < len) {
			joey_str_addn(&s, "\xef\xbf\xbd", 3);
			at++;
		}
	}
	if (s.failed)
		fail(o, ENOMEM);
	else
		put_bytes(o, s.buf, s.len);
}

static void put_string(struct joey_json_out *o, const char *text)
{
	size_t len = strlen(text);

	if (json_utf8_span(text, len) == len)
		put_bytes(o, text, len);
	else
		put_repaired(o, text, len);
}

/* Writes what must stand before a value; false when nothing more may be written. */
static bool begin(struct joey_json_out *o, const char *key)
{
	bool in_object = o && o->depth > 0 && o->stack[o->depth - 1] == '{';

	if (!o || o->failed)
		return false;
	if (in_object != (key != NULL)) {
		fail(o, EINVAL);
		return false;
	}
	flush_pending(o);
	if (key)
		put_string(o, key);
	return !o->failed;
}

static void open_container(struct joey_json_out *o, const char *key, char kind)
{
	if (!begin(o, key))
		return;
	if (o->depth == MAX_DEPTH) {
		fail(o, E2BIG);
		return;
	}
	o->stack[o->depth++] = kind;
	o->pending = kind;
}

void joey_json_out_object(struct joey_json_out *o, const char *key)
{
	open_container(o, key, '{');
}

void joey_json_out_array(struct joey_json_out *o, const char *key)
{
	open_container(o, key, '[');
}

void joey_json_out_end(struct joey_json_out *o)
{
	if (!o || o->failed)
		return;
	if (o->depth == 0) {
		fail(o, EINVAL);
		return;
	}
	o->depth--;
	if (o->pending) /* yajl_gen_number() writes its text as it is */
		check(o, yajl_gen_number(o->gen, o->pending == '{' ? "{}" : "[]", 2));
	else if (o->stack[o->depth] == '{')
		check(o, yajl_gen_map_close(o->gen));
	else
		check(o, yajl_gen_array_close(o->gen));
	o->pending = 0;
}

void joey_json_out_string(struct joey_json_out *o, const char *key, const char *value)
{
	if (!value)
		joey_json_out_null(o, key);
	else if (begin(o, key))
		put_string(o, value);
}

static void put_number(struct joey_json_out *o, const char *text)
{
	check(o, yajl_gen_number(o->gen, text, strlen(text)));
}

void joey_json_out_u64(struct joey_json_out *o, const char *key, uint64_t value)
{
	char text[24];

	if (!begin(o, key))
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put_number(o, text);
}

void joey_json_out_i64(struct joey_json_out *o, const char *key, int64_t value)
{
	char text[24];

	if (!begin(o, key))
		return;
	snprintf(text, sizeof(text), "%lld", (long long)value);
	put_number(o, text);
}

void joey_json_out_bool(struct joey_json_out *o, const char *key, bool value)
{
	if (begin(o, key))
		check(o, yajl_gen_bool(o->gen, value));
}

void joey_json_out_null(struct joey_json_out *o, const char *key)
{
	if (begin(o, key))
		check(o, yajl_gen_null(o->gen));
}

/* Depth is bounded by the reader. */
void joey_json_out_value(struct joey_json_out *o, const char *key, const struct joey_json *value)
{
	switch (value->type) {
	case JOEY_JSON_NULL:
		joey_json_out_null(o, key);
		break;
	case JOEY_JSON_BOOL:
		joey_json_out_bool(o, key, value->u.boolean);
		break;
	case JOEY_JSON_NUMBER:
		if (begin(o, key))
			put_number(o, value->u.text);
		break;
	case JOEY_JSON_STRING:
		joey_json_out_string(o, key, value->u.text);
		break;
	case JOEY_JSON_ARRAY:
		joey_json_out_array(o, key);
		for (size_t i = 0; i < value->u.array.n; i++)
			joey_json_out_value(o, NULL, value->u.array.v[i]);
		joey_json_out_end(o);
		break;
	case JOEY_JSON_OBJECT:
		joey_json_out_object(o, key);
		for (size_t i = 0; i < value->u.object.n; i++)
			joey_json_out_value(o, value->u.object.keys[i], value->u.object.v[i]);
		joey_json_out_end(o);
		break;
	}
}

int joey_json_out_finish(struct joey_json_out *o, char **ret, size_t *ret_len)
{
	const unsigned char *buf;
	size_t len;
	char *copy;

	if (!o)
		return -ENOMEM;
	if (o->failed)
		return -o->errnum;
	if (o->depth != 0 || yajl_gen_get_buf(o->gen, &buf, &len) != yajl_gen_status_ok || len == 0)
		return -EINVAL;
	while (len > 0 && buf[len - 1] == '\n') /* yajl ends an indented document with one */
		len--;
	copy = strndup((const char *)buf, len);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	if (ret_len)
		*ret_len = len;
	return 0;
}
