/* SPDX-License-Identifier: Apache-2.0 */
/* Growing string. After a failed append everything else is a no-op, so callers check once, at joey_str_take(). */
#include <string.h>

#include "joey/util.h"

static bool reserve(struct joey_str *s, size_t extra)
{
	size_t need, cap;
	char *p;

	if (s->failed)
		return false;
	if (__builtin_add_overflow(s->len, extra, &need) || __builtin_add_overflow(need, 1, &need) ||
	    need > SIZE_MAX / 2)
		goto fail;
	if (need <= s->cap)
		return true;
	for (cap = s->cap ? s->cap : 128; cap < need; cap *= 2)
		;
	p = realloc(s->buf, cap);
	if (!p)
		goto fail;
	s->buf = p;
	s->cap = cap;
	return true;
fail:
	s->failed = true;
	return false;
}

void joey_str_addn(struct joey_str *s, const char *bytes, size_t n)
{
	if (!reserve(s, n))
		return;
	memcpy(s->buf + s->len, bytes, n);
	s->len += n;
	s->buf[s->len] = '\0';
}

void joey_str_add(struct joey_str *s, const char *text)
{
	joey_str_addn(s, text, strlen(text));
}

void joey_str_vprintf(struct joey_str *s, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		s->failed = true;
		return;
	}
	if (!reserve(s, (size_t)n))
		return;
	vsnprintf(s->buf + s->len, (size_t)n + 1, fmt, ap);
	s->len += (size_t)n;
}

void joey_str_printf(struct joey_str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	joey_str_vprintf(s, fmt, ap);
	va_end(ap);
}

/* Length of the character at p, if it may be shown on a terminal: printable ASCII, or UTF-8 from U+00A0 on. */
static size_t printable(const uint8_t *p, size_t n)
{
	static const struct {
		uint8_t mask, lead, len;
		uint32_t min;
	} forms[] = { { 0xe0, 0xc0, 2, 0xa0 }, { 0xf0, 0xe0, 3, 0x800 }, { 0xf8, 0xf0, 4, 0x10000 } };
	uint32_t c;

	if (p[0] >= 0x20 && p[0] < 0x7f)
		return 1;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(forms); i++) {
		if ((p[0] & forms[i].mask) != forms[i].lead || n < forms[i].len)
			continue;
		c = p[0] & (uint8_t)~forms[i].mask;
		for (size_t k = 1; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[k] & 0x3f);
		}
		return c >= forms[i].min && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) ? forms[i].len : 0;
	}
	return 0;
}

void joey_str_add_visible(struct joey_str *s, const void *bytes, size_t n, const char *keep)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		size_t len = *p && strchr(keep, *p) ? 1 : printable(p, n);

		if (len > 0)
			joey_str_addn(s, (const char *)p, len);
		else
			joey_str_printf(s, *p == '\n' ? "\\n" : "\\x%02x", *p);
		len += len == 0;
		p += len;
		n -= len;
	}
}

char *joey_str_take(struct joey_str *s)
{
	char *p = NULL;

	if (!s->failed && (s->buf || reserve(s, 0))) {
		p = s->buf;
		p[s->len] = '\0';
		s->buf = NULL;
	}
	joey_str_done(s);
	return p;
}

void joey_str_done(struct joey_str *s)
{
	free(s->buf);
	*s = (struct joey_str)JOEY_STR_INIT;
}

char *joey_str_trim(char *s)
{
	size_t len;

	s += strspn(s, " \t");
	len = strlen(s);
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		s[--len] = '\0';
	return s;
}

void joey_hex(const uint8_t *bytes, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*ret++ = digits[bytes[i] >> 4];
		*ret++ = digits[bytes[i] & 15];
	}
	*ret = '\0';
}
