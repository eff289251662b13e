/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options as Go's programs spell them: durations ("1m30s"), sizes ("512M"). No floating point. */
#include <ctype.h>
#include <string.h>

#include "cli/cli-internal.h"

/* "12" or "12.25" -> whole and a fraction of at most six digits, as num/den; the rest of the text. */
static const char *take_decimal(const char *p, uint64_t *ret_whole, uint64_t *ret_num, uint64_t *ret_den)
{
	uint64_t whole = 0, num = 0, den = 1;
	const char *start = p;

	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10U, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return NULL;
	if (p == start)
		return NULL;
	if (*p == '.') {
		start = ++p;
		for (; isdigit((unsigned char)*p); p++) {
			if (den >= 1000000)
				continue;
			num = num * 10 + (uint64_t)(*p - '0');
			den *= 10;
		}
		if (p == start)
			return NULL;
	}
	*ret_whole = whole;
	*ret_num = num;
	*ret_den = den;
	return p;
}

static int scale(uint64_t whole, uint64_t num, uint64_t den, uint64_t unit, uint64_t *ret)
{
	uint64_t v, part;

	if (__builtin_mul_overflow(whole, unit, &v) || __builtin_mul_overflow(num, unit, &part) ||
	    __builtin_add_overflow(v, part / den, &v))
		return -ERANGE;
	*ret = v;
	return 0;
}

int duration_from_string(const char *text, uint64_t *ret_ms)
{
	static const struct {
		const char *name;
		uint64_t us;
	} units[] = {
		/* "ms" before "m" */
		{ "us", 1 }, { "µs", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 }, { "h", 3600000000U },
	};
	uint64_t total = 0;

	if (joey_streq(text, "0")) {
		*ret_ms = 0;
		return 0;
	}
	if (!*text)
		return -EINVAL;
	while (*text) {
		uint64_t whole, num, den, us;
		size_t i;

		text = take_decimal(text, &whole, &num, &den);
		if (!text)
			return -EINVAL;
		for (i = 0; i < JOEY_ARRAY_SIZE(units) && !joey_startswith(text, units[i].name); i++)
			;
		if (i == JOEY_ARRAY_SIZE(units))
			return -EINVAL;
		text += strlen(units[i].name);
		if (scale(whole, num, den, units[i].us, &us) < 0 || __builtin_add_overflow(total, us, &total))
			return -ERANGE;
	}
	/* A century: sums with the clock cannot overflow. */
	if (total / 1000 > 100ULL * 366 * 86400 * 1000)
		return -ERANGE;
	*ret_ms = total / 1000 + (total % 1000 ? 1 : 0);
	return 0;
}

int size_from_string(const char *text, int64_t *ret)
{
	static const char letters[] = "kmgtp";
	uint64_t whole, num, den, v, unit = 1;
	const char *letter;

	if (joey_streq(text, "-1")) {
		*ret = -1;
		return 0;
	}
	text = take_decimal(text, &whole, &num, &den);
	if (!text)
		return -EINVAL;
	if (*text == ' ' && text[1])
		text++;
	letter = *text ? strchr(letters, tolower((unsigned char)*text)) : NULL;
	if (letter) {
		unit = UINT64_C(1) << (10 * (letter - letters + 1));
		text++;
		if (*text == 'i' || *text == 'I')
			text++;
	}
	if (*text == 'b' || *text == 'B')
		text++;
	if (*text)
		return -EINVAL;
	if (scale(whole, num, den, unit, &v) < 0 || v > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)v;
	return 0;
}
