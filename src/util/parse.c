/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers from text: the whole string or -EINVAL; out of range is -ERANGE.  No white space, no '+', no "0x", so that
 * an id like "1x" or " 1" can never turn into something else (security.md C7).
 */
#include "joey/util.h"

int joey_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!s || !*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned digit = (unsigned)(*s - '0');

		if (*s < '0' || digit > 9)
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	*ret = v;
	return 0;
}

int joey_parse_i64(const char *s, int64_t *ret)
{
	bool negative = s && *s == '-';
	uint64_t v;
	int r = joey_parse_u64(negative ? s + 1 : s, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int joey_parse_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = joey_parse_u64(s, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -ERANGE;
	*ret = (uint32_t)v;
	return 0;
}

int joey_parse_id(const char *s, uint32_t *ret)
{
	uint32_t v;
	int r = joey_parse_u32(s, &v);

	if (r < 0)
		return r;
	if (v == UINT32_MAX) /* (uid_t)-1 means "no change" to the kernel */
		return -ERANGE;
	*ret = v;
	return 0;
}
