/* SPDX-License-Identifier: Apache-2.0 */
/* GVariant text: what is read as what, and what is refused. */
#include "unit.h"

#include <string.h>

#include "joey/gvariant.h"

/* The value as text that shows every type; a parser that mixes types up shows here. */
static void show(const struct joey_gv *v, struct joey_str *s)
{
	switch (v->type) {
	case 'b':
		joey_str_printf(s, "b:%d", v->u.b);
		break;
	case 'y':
	case 'q':
	case 'u':
	case 't':
		joey_str_printf(s, "%c:%llu", v->type, (unsigned long long)v->u.u);
		break;
	case 'n':
	case 'i':
	case 'x':
		joey_str_printf(s, "%c:%lld", v->type, (long long)v->u.i);
		break;
	case 's':
		joey_str_printf(s, "s:%s", v->u.s);
		break;
	default:
		joey_str_printf(s, "%s{", v->sig);
		for (size_t i = 0; i < v->u.kids.n; i++) {
			joey_str_add(s, i ? " " : "");
			show(v->u.kids.v[i], s);
		}
		joey_str_add(s, "}");
	}
}

static void table(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "true", "b:1" },
		{ " false ", "b:0" },
		{ "boolean true", "b:1" },
		{ "5", "i:5" },
		{ "-5", "i:-5" },
		{ "+5", "i:5" },
		{ "0", "i:0" },
		{ "0x1F", "i:31" },
		{ "2147483647", "i:2147483647" },
		{ "2147483648", NULL },
		{ "-2147483648", "i:-2147483648" },
		{ "-2147483649", NULL },
		{ "byte 255", "y:255" },
		{ "byte 256", NULL },
		{ "byte -1", NULL },
		{ "int16 -32768", "n:-32768" },
		{ "uint16 65535", "q:65535" },
		{ "uint32 4294967295", "u:4294967295" },
		{ "uint32 4294967296", NULL },
		{ "int64 -9223372036854775808", "x:-9223372036854775808" },
		{ "int64 9223372036854775808", NULL },
		{ "uint64 18446744073709551615", "t:18446744073709551615" },
		{ "uint64 18446744073709551616", NULL },
		{ "@t 7", "t:7" },
		{ "@t -7", NULL },
		{ "'a b'", "s:a b" },
		{ "\"it's\"", "s:it's" },
		{ "'it\\'s \\\\ \\\"'", "s:it's \\ \"" },
		{ "''", "s:" },
		{ "string 'x'", "s:x" },
		{ "'\\x41'", NULL },
		{ "'open", NULL },
		{ "'\\", NULL },
		{ "'a\nb'", NULL },
		{ "'a'\n", NULL },
		{ "['a', 'b']", "as{s:a s:b}" },
		{ "['a']", "as{s:a}" },
		{ "['a',]", "as{s:a}" },
		{ "@as []", "as{}" },
		{ "[]", NULL },
		{ "[1, 'a']", NULL },
		{ "['a' 'b']", NULL },
		{ "['a'", NULL },
		{ "[byte 1, 2]", "ay{y:1 y:2}" },
		{ "[byte 1, 256]", NULL },
		{ "@ay [1, 2]", "ay{y:1 y:2}" },
		{ "[('/dev/null', 'rwm'), ('char-*', 'm')]", "a(ss){(ss){s:/dev/null s:rwm} (ss){s:char-* s:m}}" },
		{ "[('a', uint64 1), ('b', 2)]", "a(st){(st){s:a t:1} (st){s:b t:2}}" },
		{ "[('a', 1), ('b', 'c')]", NULL },
		{ "[('a', 1), ('b',)]", NULL },
		{ "[('a', 1), ('b', 1, 1)]", NULL },
		{ "('a',)", "(s){s:a}" },
		{ "()", NULL },
		{ "[[[[[1]]]]]", NULL },
		{ "@aaaaaas []", NULL },
		{ "@a{sv} {}", NULL },
		{ "@q", NULL },
		{ "1.5", NULL },
		{ "1e3", NULL },
		{ "010", NULL },
		{ "0x", NULL },
		{ "--1", NULL },
		{ "1 2", NULL },
		{ "true false", NULL },
		{ "truely", NULL },
		{ "uint64", NULL },
		{ "uint64'5'", NULL },
		{ "uint64 '5'", NULL },
		{ "uint64 uint32 5", NULL },
		{ "nothing", NULL },
		{ "<1>", NULL },
		{ "b'abc'", NULL },
		{ "", NULL },
		{ " ", NULL },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autostr struct joey_str s = JOEY_STR_INIT;
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct joey_gv *v;
		int r = joey_gv_parse(rows[i].text, &arena, &v, &err);

		if ((r == 0) != (rows[i].want != NULL))
			fail_msg("%s: %s", rows[i].text, joey_err_text(&err));
		if (r == 0) {
			show(v, &s);
			assert_string_equal(s.buf, rows[i].want);
		} else {
			assert_int_equal(err.kind, JOEY_EK_CONFIG);
		}
		joey_arena_done(&arena);
	}
}

static void bounds(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str s = JOEY_STR_INIT;
	struct joey_arena arena = JOEY_ARENA_INIT;
	struct joey_gv *v;

	(void)state;
	joey_str_add(&s, "[1");
	for (unsigned i = 0; i < JOEY_GV_NODES_MAX; i++)
		joey_str_add(&s, ",1");
	joey_str_add(&s, "]");
	assert_int_equal(joey_gv_parse(s.buf, &arena, &v, &err), -EINVAL);
	assert_non_null(strstr(joey_err_text(&err), "too many"));
	joey_err_clear(&err);
	while (s.len <= JOEY_GV_TEXT_MAX)
		joey_str_add(&s, "                                                                ");
	assert_int_equal(joey_gv_parse(s.buf, &arena, &v, &err), -EFBIG);
	joey_arena_done(&arena);
}

static void written_strings_are_read(void **state)
{
	static const char *const texts[] = { "", "plain", "it's", "back\\slash", "two\nlines\tand a tab", "\"q\"" };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(texts); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autostr struct joey_str s = JOEY_STR_INIT;
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct joey_gv *v;

		joey_gv_add_string(&s, texts[i]);
		assert_null(strchr(s.buf, '\n'));
		assert_int_equal(joey_gv_parse(s.buf, &arena, &v, &err), 0);
		assert_string_equal(v->u.s, texts[i]);
		joey_arena_done(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(bounds),
		cmocka_unit_test(written_strings_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
