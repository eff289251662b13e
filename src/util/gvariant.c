/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of GVariant text.  Input is hostile (annotations): length, depth and number of values are bounded, and
 * what is not understood is refused.  A type that is known from before ("@at", or the first element of an array)
 * is handed down as `want`, a signature; the reading then gives a value of that type or fails.
 */
#include <string.h>

#include "joey/gvariant.h"

struct reader {
	const char *text, *p;
	struct joey_arena *arena;
	struct joey_err *err;
	unsigned nodes;
};

struct int_type {
	char type;
	bool is_signed;
	const char *word;
	int64_t min;
	uint64_t max;
};

static const struct int_type int_types[] = {
	{ 'y', false, "byte", 0, UINT8_MAX },    { 'n', true, "int16", INT16_MIN, INT16_MAX },
	{ 'q', false, "uint16", 0, UINT16_MAX }, { 'i', true, "int32", INT32_MIN, INT32_MAX },
	{ 'u', false, "uint32", 0, UINT32_MAX }, { 'x', true, "int64", INT64_MIN, INT64_MAX },
	{ 't', false, "uint64", 0, UINT64_MAX },
};

static int read_value(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret);

static int bad(struct reader *r, const char *what)
{
	return joey_err_set(r->err, JOEY_EK_CONFIG, EINVAL, "%s at byte %zu", what, (size_t)(r->p - r->text));
}

static int no_memory(struct reader *r)
{
	return joey_err_sys(r->err, ENOMEM, "parse a value");
}

static void skip_blanks(struct reader *r)
{
	r->p += strspn(r->p, " \t");
}

static const struct int_type *int_type_of(char type)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(int_types); i++)
		if (int_types[i].type == type)
			return &int_types[i];
	return NULL;
}

/* Length of the first complete type of sig; 0: none that is supported. */
static size_t type_len(const char *sig, unsigned depth)
{
	size_t n = 1, k;

	if (depth > JOEY_GV_DEPTH_MAX)
		return 0;
	if (*sig == 'b' || *sig == 's' || int_type_of(*sig))
		return 1;
	if (*sig == 'a') {
		k = type_len(sig + 1, depth + 1);
		return k ? k + 1 : 0;
	}
	if (*sig != '(' || sig[1] == ')')
		return 0;
	while (sig[n] != ')') {
		k = type_len(sig + n, depth + 1);
		if (k == 0)
			return 0;
		n += k;
	}
	return n + 1;
}

static int new_node(struct reader *r, char type, const char *sig, struct joey_gv **ret)
{
	struct joey_gv *v;

	if (++r->nodes > JOEY_GV_NODES_MAX)
		return bad(r, "too many values");
	v = joey_arena_alloc(r->arena, sizeof(*v));
	if (!v || !sig)
		return no_memory(r);
	v->type = type;
	v->sig = sig;
	*ret = v;
	return 0;
}

/* want NULL fits anything */
static bool fits(const char *want, const char *sig)
{
	return !want || strcmp(want, sig) == 0;
}

/* ---- scalars ------------------------------------------------------------------------------------------- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

static bool is_word(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits without sign; "0x" for hexadecimal. */
static int read_digits(struct reader *r, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t v = 0;
	const char *begin;

	if (r->p[0] == '0' && (r->p[1] == 'x' || r->p[1] == 'X')) {
		base = 16;
		r->p += 2;
	} else if (r->p[0] == '0' && r->p[1] >= '0' && r->p[1] <= '9') {
		return bad(r, "octal number");
	}
	for (begin = r->p; (unsigned)digit_of(*r->p) < base; r->p++)
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, (unsigned)digit_of(*r->p), &v))
			return bad(r, "number out of range");
	if (r->p == begin || is_word(*r->p) || *r->p == '.')
		return bad(r, "not an integer");
	*ret = v;
	return 0;
}

static int read_number(struct reader *r, const char *want, struct joey_gv **ret)
{
	const struct int_type *t = int_type_of(want ? *want : 'i');
	bool negative = *r->p == '-';
	struct joey_gv *v;
	char sig[2] = { 0 };
	uint64_t u = 0;
	int k;

	if (!t || (want && want[1]))
		return bad(r, "a number where another type is expected");
	r->p += *r->p == '-' || *r->p == '+';
	k = read_digits(r, &u);
	if (k < 0)
		return k;
	if (negative ? u > (uint64_t)0 - (uint64_t)t->min : u > t->max)
		return bad(r, "number out of range");
	sig[0] = t->type;
	k = new_node(r, t->type, joey_arena_strdup(r->arena, sig), &v);
	if (k < 0)
		return k;
	if (negative)
		u = (uint64_t)0 - u;
	if (t->is_signed)
		memcpy(&v->u.i, &u, sizeof(u));
	else
		v->u.u = u;
	*ret = v;
	return 0;
}

static int unescape(struct reader *r, char *ret)
{
	static const char from[] = "\\'\"nt", to[] = "\\'\"\n\t";
	const char *at = *r->p ? strchr(from, *r->p) : NULL;

	if (!at)
		return bad(r, "unknown escape");
	*ret = to[at - from];
	r->p++;
	return 0;
}

static int read_string(struct reader *r, const char *want, struct joey_gv **ret)
{
	char quote = *r->p++, *out;
	struct joey_gv *v;
	size_t n = 0;
	int k;

	if (!fits(want, "s"))
		return bad(r, "a string where another type is expected");
	out = joey_arena_alloc(r->arena, strlen(r->p) + 1);
	if (!out)
		return no_memory(r);
	while (*r->p != quote) {
		if ((unsigned char)*r->p < ' ' || *r->p == 0x7f)
			return bad(r, *r->p ? "control character in a string" : "string without an end");
		if (*r->p != '\\') {
			out[n++] = *r->p++;
			continue;
		}
		r->p++;
		k = unescape(r, &out[n++]);
		if (k < 0)
			return k;
	}
	r->p++;
	k = new_node(r, 's', "s", &v);
	if (k < 0)
		return k;
	v->u.s = out;
	*ret = v;
	return 0;
}

/* "true", or the name of a type and a value of it. */
static int read_word(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret)
{
	const char *begin = r->p;
	char type[2] = { 0 };
	struct joey_gv *v;
	size_t n;
	int k;

	while (is_word(*r->p))
		r->p++;
	n = (size_t)(r->p - begin);
	if ((n == 4 && memcmp(begin, "true", n) == 0) || (n == 5 && memcmp(begin, "false", n) == 0)) {
		if (!fits(want, "b"))
			return bad(r, "a boolean where another type is expected");
		k = new_node(r, 'b', "b", &v);
		if (k < 0)
			return k;
		v->u.b = n == 4;
		*ret = v;
		return 0;
	}
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(int_types); i++)
		if (strlen(int_types[i].word) == n && memcmp(begin, int_types[i].word, n) == 0)
			type[0] = int_types[i].type;
	if (n == 7 && memcmp(begin, "boolean", n) == 0)
		type[0] = 'b';
	if (n == 6 && memcmp(begin, "string", n) == 0)
		type[0] = 's';
	if (!type[0] || (*r->p != ' ' && *r->p != '\t'))
		return bad(r, "unknown word");
	if (!fits(want, type))
		return bad(r, "a type where another one is expected");
	return read_value(r, type, depth + 1, ret);
}

/* ---- containers ---------------------------------------------------------------------------------------- */

struct list {
	struct joey_gv **v;
	size_t n, cap;
};

static int list_add(struct reader *r, struct list *l, struct joey_gv *v)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct joey_gv **p = joey_arena_array(r->arena, cap, sizeof(struct joey_gv *));

		if (!p)
			return no_memory(r);
		if (l->n)
			memcpy(p, l->v, l->n * sizeof(*p));
		l->v = p;
		l->cap = cap;
	}
	l->v[l->n++] = v;
	return 0;
}

static int finish_list(struct reader *r, char type, const char *sig, const struct list *l, struct joey_gv **ret)
{
	struct joey_gv *v;
	int k = new_node(r, type, sig, &v);

	if (k < 0)
		return k;
	v->u.kids.v = l->v;
	v->u.kids.n = l->n;
	*ret = v;
	return 0;
}

static int read_array(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret)
{
	const char *element = want ? want + 1 : NULL;
	struct list l = { NULL, 0, 0 };
	struct joey_gv *v;
	int k;

	if (want && *want != 'a')
		return bad(r, "an array where another type is expected");
	r->p++;
	skip_blanks(r);
	while (*r->p != ']') {
		k = read_value(r, element, depth + 1, &v);
		if (k == 0)
			k = list_add(r, &l, v);
		if (k < 0)
			return k;
		element = v->sig;
		skip_blanks(r);
		if (*r->p == ',')
			r->p++;
		else if (*r->p != ']')
			return bad(r, "no ',' or ']' after an element");
		else
			break;
	}
	if (!element)
		return bad(r, "empty array of unknown type");
	r->p++;
	return finish_list(r, 'a', joey_arena_printf(r->arena, "a%s", element), &l, ret);
}

/* The next type of a tuple's signature, as a string of its own; NULL in *ret at its end. */
static int next_wanted(struct reader *r, const char **sig, const char **ret)
{
	size_t n;

	*ret = NULL;
	if (!*sig)
		return 0;
	n = type_len(*sig, 0);
	if (n == 0)
		return bad(r, "more values than expected in a tuple");
	*ret = joey_arena_strndup(r->arena, *sig, n);
	*sig += n;
	return *ret ? 0 : no_memory(r);
}

static int read_tuple(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret)
{
	const char *rest = want ? want + 1 : NULL, *element;
	autostr struct joey_str sig = JOEY_STR_INIT;
	struct list l = { NULL, 0, 0 };
	struct joey_gv *v;
	int k;

	if (want && *want != '(')
		return bad(r, "a tuple where another type is expected");
	joey_str_add(&sig, "(");
	do {
		r->p++;
		skip_blanks(r);
		if (l.n == 1 && *r->p == ')') /* "('one',)" */
			break;
		k = next_wanted(r, &rest, &element);
		if (k == 0)
			k = read_value(r, element, depth + 1, &v);
		if (k == 0)
			k = list_add(r, &l, v);
		if (k < 0)
			return k;
		joey_str_add(&sig, v->sig);
		skip_blanks(r);
	} while (*r->p == ',');
	if (*r->p != ')' || (rest && *rest != ')'))
		return bad(r, "no ')' at the end of a tuple, or too few values");
	r->p++;
	joey_str_add(&sig, ")");
	if (sig.failed)
		return no_memory(r);
	return finish_list(r, 'r', joey_arena_strdup(r->arena, sig.buf), &l, ret);
}

/* "@as []" */
static int read_typed(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret)
{
	size_t n = type_len(++r->p, 0);
	const char *sig;

	if (n == 0 || (r->p[n] != ' ' && r->p[n] != '\t'))
		return bad(r, "bad or unsupported type");
	sig = joey_arena_strndup(r->arena, r->p, n);
	if (!sig)
		return no_memory(r);
	if (!fits(want, sig))
		return bad(r, "a type where another one is expected");
	r->p += n;
	return read_value(r, sig, depth + 1, ret);
}

static int read_value(struct reader *r, const char *want, unsigned depth, struct joey_gv **ret)
{
	skip_blanks(r);
	if (depth > JOEY_GV_DEPTH_MAX)
		return bad(r, "nested too deeply");
	switch (*r->p) {
	case '@':
		return read_typed(r, want, depth, ret);
	case '[':
		return read_array(r, want, depth, ret);
	case '(':
		return read_tuple(r, want, depth, ret);
	case '\'':
	case '"':
		return read_string(r, want, ret);
	case '\0':
		return bad(r, "value missing");
	default:
		break;
	}
	if (*r->p == '-' || *r->p == '+' || (*r->p >= '0' && *r->p <= '9'))
		return read_number(r, want, ret);
	return read_word(r, want, depth, ret);
}

int joey_gv_parse(const char *text, struct joey_arena *arena, struct joey_gv **ret, struct joey_err *err)
{
	struct reader r = { .text = text, .p = text, .arena = arena, .err = err };
	struct joey_gv *v;
	int k;

	if (strlen(text) > JOEY_GV_TEXT_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, EFBIG, "longer than %u bytes", JOEY_GV_TEXT_MAX);
	k = read_value(&r, NULL, 0, &v);
	if (k < 0)
		return k;
	skip_blanks(&r);
	if (*r.p)
		return bad(&r, "something after the value");
	*ret = v;
	return 0;
}

void joey_gv_add_string(struct joey_str *s, const char *text)
{
	joey_str_add(s, "'");
	for (; *text; text++) {
		if (*text == '\n' || *text == '\t') {
			joey_str_add(s, *text == '\n' ? "\\n" : "\\t");
			continue;
		}
		if (*text == '\'' || *text == '\\')
			joey_str_add(s, "\\");
		joey_str_addn(s, text, 1);
	}
	joey_str_add(s, "'");
}
