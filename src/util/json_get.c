/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed access to a parsed tree, and the UTF-8 check shared by reader and writer.  Allocates nothing.
 */
#include <string.h>

#include "joey/json.h"
#include "util/json-internal.h"

const struct joey_json *joey_json_get(const struct joey_json *o, const char *key)
{
	if (!o || o->type != JOEY_JSON_OBJECT)
		return NULL;
	for (size_t i = 0; i < o->u.object.n; i++)
		if (*o->u.object.keys[i] == *key && strcmp(o->u.object.keys[i], key) == 0)
			return o->u.object.v[i]->type == JOEY_JSON_NULL ? NULL : o->u.object.v[i];
	return NULL;
}

const char *joey_json_get_string(const struct joey_json *o, const char *key)
{
	const struct joey_json *v = joey_json_get(o, key);

	return v && v->type == JOEY_JSON_STRING ? v->u.text : NULL;
}

int joey_json_get_u64(const struct joey_json *o, const char *key, uint64_t *ret)
{
	const struct joey_json *v = joey_json_get(o, key);

	if (!v)
		return -ENOENT;
	return v->type == JOEY_JSON_NUMBER && joey_parse_u64(v->u.text, ret) == 0 ? 0 : -EINVAL;
}

int joey_json_get_bool(const struct joey_json *o, const char *key, bool *ret)
{
	const struct joey_json *v = joey_json_get(o, key);

	if (!v)
		return -ENOENT;
	if (v->type != JOEY_JSON_BOOL)
		return -EINVAL;
	*ret = v->u.boolean;
	return 0;
}

static bool continues(const unsigned char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Bytes of the well-formed sequence at s, 0 if there is none. */
static size_t utf8_sequence(const unsigned char *s, size_t len)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return len >= 2 && continues(s + 1, 1) ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		if (len < 3 || !continues(s + 1, 2) || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
			return 0;
		return 3;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		if (len < 4 || !continues(s + 1, 3) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

size_t json_utf8_span(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t n = utf8_sequence((const unsigned char *)text + at, len - at);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}
