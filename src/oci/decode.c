/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table walker and the parsers of plain fields.  Owns the policy on unknown keys (ignored), on null (absent) and
 * the form of error texts.  Knows no OCI object.
 */
#include <limits.h>
#include <string.h>

#include "oci/oci-internal.h"

enum { MAX_TEXT = 1024 }; /* of an error: strings in a config may be a megabyte long */

static void add_path(struct joey_str *s, const struct oci_frame *f)
{
	if (!f)
		return;
	add_path(s, f->up);
	if (f->key)
		joey_str_printf(s, "%s%.100s", f->up ? "." : "", f->key);
	else
		joey_str_printf(s, "[%zu]", f->index);
}

/* One line, whatever the config holds. */
static void defuse(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
}

static int fail_with(struct oci_ctx *c, const struct oci_frame *at, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static int fail_with(struct oci_ctx *c, const struct oci_frame *at, const char *fmt, va_list ap)
{
	autostr struct joey_str s = JOEY_STR_INIT;

	joey_str_printf(&s, "%s: ", c->document);
	if (at) {
		add_path(&s, at);
		joey_str_add(&s, ": ");
	}
	joey_str_vprintf(&s, fmt, ap);
	if (s.failed)
		return oci_nomem(c);
	defuse(s.buf);
	return joey_err_set(c->err, JOEY_EK_CONFIG, EINVAL, "%.*s%s", MAX_TEXT, s.buf, s.len > MAX_TEXT ? "..." : "");
}

int oci_fail(struct oci_ctx *c, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_with(c, c->at, fmt, ap);
	va_end(ap);
	return r;
}

int oci_fail_at(struct oci_ctx *c, const char *key, const char *fmt, ...)
{
	struct oci_frame f = { c->at, key, 0 };
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = fail_with(c, &f, fmt, ap);
	va_end(ap);
	return r;
}

int oci_nomem(struct oci_ctx *c)
{
	return joey_err_set(c->err, JOEY_EK_OTHER, ENOMEM, "%s: cannot allocate memory", c->document);
}

static const char *const type_names[] = {
	[JOEY_JSON_NULL] = "null",       [JOEY_JSON_BOOL] = "true or false", [JOEY_JSON_NUMBER] = "a number",
	[JOEY_JSON_STRING] = "a string", [JOEY_JSON_ARRAY] = "an array",     [JOEY_JSON_OBJECT] = "an object",
};

static int call(struct oci_ctx *c, const struct oci_frame *f, const struct joey_json *v, enum joey_json_type type,
		oci_parser parse, void *field)
{
	const struct oci_frame *up = c->at;
	int r;

	c->at = f;
	r = v->type == type ? parse(c, v, field) : oci_fail(c, "must be %s", type_names[type]);
	c->at = up;
	return r;
}

int oci_object(struct oci_ctx *c, const struct joey_json *v, const struct oci_field *fields, size_t n, void *base)
{
	for (size_t i = 0; i < v->u.object.n; i++) {
		const struct joey_json *member = v->u.object.v[i];
		const char *key = v->u.object.keys[i];
		struct oci_frame f = { c->at, key, 0 };

		if (member->type == JOEY_JSON_NULL)
			continue;
		for (size_t j = 0; j < n; j++) {
			int r;

			if (fields[j].key[0] != key[0] || strcmp(fields[j].key, key) != 0)
				continue;
			r = call(c, &f, member, fields[j].type, fields[j].parse, (char *)base + fields[j].offset);
			if (r < 0)
				return r;
			break;
		}
	}
	return 0;
}

/* One more element than asked for, zero: lists of strings end in NULL. */
static void *new_array(struct oci_ctx *c, size_t n, size_t size)
{
	void *p = joey_arena_array(c->arena, n + 1, size);

	if (!p)
		oci_nomem(c);
	return p;
}

int oci_array(struct oci_ctx *c, const struct joey_json *v, enum joey_json_type type, size_t size, oci_parser parse,
	      void *ret_array, size_t *ret_n)
{
	char *array = new_array(c, v->u.array.n, size);

	if (!array)
		return -ENOMEM;
	for (size_t i = 0; i < v->u.array.n; i++) {
		struct oci_frame f = { c->at, NULL, i };
		int r = call(c, &f, v->u.array.v[i], type, parse, array + i * size);

		if (r < 0)
			return r;
	}
	*(void **)ret_array = array;
	*ret_n = v->u.array.n;
	return 0;
}

int oci_members(struct oci_ctx *c, const struct joey_json *v, enum joey_json_type type, size_t size, oci_parser parse,
		void *ret_array, size_t *ret_n)
{
	char *array = new_array(c, v->u.object.n, size);
	size_t n = 0;

	if (!array)
		return -ENOMEM;
	for (size_t i = 0; i < v->u.object.n; i++) {
		struct oci_frame f = { c->at, v->u.object.keys[i], 0 };
		int r;

		if (v->u.object.v[i]->type == JOEY_JSON_NULL)
			continue;
		r = call(c, &f, v->u.object.v[i], type, parse, array + n * size);
		if (r < 0)
			return r;
		n++;
	}
	*(void **)ret_array = array;
	*ret_n = n;
	return 0;
}

bool oci_has(const struct joey_json *v, const char *key)
{
	return joey_json_get(v, key) != NULL;
}

int oci_require(struct oci_ctx *c, const struct joey_json *v, const char *key)
{
	return oci_has(v, key) ? 0 : oci_fail_at(c, key, "must be given");
}

/* ---- plain fields ------------------------------------------------------------------------------------------ */

int oci_bool(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	(void)c;
	*(bool *)field = v->u.boolean;
	return 0;
}

int oci_opt_bool(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	(void)c;
	*(struct joey_opt_bool *)field = (struct joey_opt_bool){ true, v->u.boolean };
	return 0;
}

/* The tree lives in the arena of the result, so its strings can be used as they are. */
int oci_any_string(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	(void)c;
	*(char **)field = (char *)(uintptr_t)v->u.text;
	return 0;
}

int oci_string(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return v->u.text[0] ? oci_any_string(c, v, field) : 0;
}

int oci_abs_path(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] && v->u.text[0] != '/')
		return oci_fail(c, "must be an absolute path");
	return oci_string(c, v, field);
}

int oci_line(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	for (const char *p = v->u.text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return oci_fail(c, "must not contain control characters");
	return oci_string(c, v, field);
}

int oci_strings(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_strlist *list = field;

	return oci_array(c, v, JOEY_JSON_STRING, sizeof(char *), oci_any_string, &list->v, &list->n);
}

static int required_abs_path(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	if (v->u.text[0] != '/')
		return oci_fail(c, "must be an absolute path");
	return oci_any_string(c, v, field);
}

int oci_abs_paths(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_strlist *list = field;

	return oci_array(c, v, JOEY_JSON_STRING, sizeof(char *), required_abs_path, &list->v, &list->n);
}

static int pair(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_pair *p = field;

	if (!c->at->key[0])
		return oci_fail(c, "a key must not be empty");
	p->key = (char *)(uintptr_t)c->at->key;
	p->value = (char *)(uintptr_t)v->u.text;
	return 0;
}

int oci_pairs(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_pairs *pairs = field;

	return oci_members(c, v, JOEY_JSON_STRING, sizeof(struct joey_pair), pair, &pairs->v, &pairs->n);
}

static int number_u64(struct oci_ctx *c, const struct joey_json *v, uint64_t max, uint64_t *ret)
{
	uint64_t value;

	if (joey_parse_u64(v->u.text, &value) < 0 || value > max)
		return oci_fail(c, "%.40s is not a whole number from 0 to %llu", v->u.text, (unsigned long long)max);
	*ret = value;
	return 0;
}

static int number_i64(struct oci_ctx *c, const struct joey_json *v, int64_t min, int64_t max, int64_t *ret)
{
	int64_t value;

	if (joey_parse_i64(v->u.text, &value) < 0 || value < min || value > max)
		return oci_fail(c, "%.40s is not a whole number from %lld to %lld", v->u.text, (long long)min,
				(long long)max);
	*ret = value;
	return 0;
}

static int number_u32(struct oci_ctx *c, const struct joey_json *v, uint32_t max, uint32_t *ret)
{
	uint64_t value = 0;
	int r = number_u64(c, v, max, &value);

	if (r == 0)
		*ret = (uint32_t)value;
	return r;
}

int oci_u32(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return number_u32(c, v, UINT32_MAX, field);
}

int oci_id(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return number_u32(c, v, UINT32_MAX - 1, field);
}

int oci_dev_major(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return number_u32(c, v, (1u << 12) - 1, field);
}

int oci_dev_minor(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return number_u32(c, v, (1u << 20) - 1, field);
}

int oci_i32(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	int64_t value = 0;
	int r = number_i64(c, v, INT32_MIN, INT32_MAX, &value);

	if (r == 0)
		*(int32_t *)field = (int32_t)value;
	return r;
}

int oci_u64(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	return number_u64(c, v, UINT64_MAX, field);
}

int oci_opt_u32(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u32 *o = field;

	o->set = true;
	return number_u32(c, v, UINT32_MAX, &o->v);
}

int oci_opt_u64(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u64 *o = field;

	o->set = true;
	return number_u64(c, v, UINT64_MAX, &o->v);
}

int oci_opt_i64(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 *o = field;

	o->set = true;
	return number_i64(c, v, INT64_MIN, INT64_MAX, &o->v);
}
