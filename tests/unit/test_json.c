/* SPDX-License-Identifier: Apache-2.0 */
/* util/json: what the reader refuses and keeps exact, what the writer writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "joey/json.h"

#define MAX_BYTES (16u << 20)

struct doc {
	struct joey_arena arena;
	struct joey_json *root;
};

static int parse(struct doc *d, const char *text, size_t len, struct joey_err *err)
{
	return joey_json_parse(text, len, MAX_BYTES, &d->arena, &d->root, err);
}

static void expect_error(const char *text, size_t len, const char *error)
{
	struct doc d = { JOEY_ARENA_INIT, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	if (parse(&d, text, len, &err) == 0)
		fail_msg("accepted: %.80s", text);
	assert_null(d.root);
	assert_non_null(err.msg);
	if (!strstr(err.msg, error))
		fail_msg("%.80s: expected '%s', got '%s'", text, error, err.msg);
	assert_non_null(strstr(err.msg, " byte"));
	joey_arena_done(&d.arena);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "premature EOF" },
		{ "   ", "premature EOF" },
		{ "{", "premature EOF" },
		{ "[1,", "premature EOF" },
		{ "{\"a\":1}x", "trailing garbage" },
		{ "{} {}", "trailing garbage" },
		{ "1 2", "trailing garbage" },
		{ "/* c */ {}", "error" },
		{ "[1,]", "parse error" },
		{ "{\"a\" 1}", "parse error" },
		{ "{a:1}", "error" },
		{ "[01]", "parse error" },
		{ "[+1]", "error" },
		{ "[1.]", "error" },
		{ "nul", "error" },
		{ "[NaN]", "error" },
		{ "[\"a\nb\"]", "error" },
		{ "[\"\\x\"]", "error" },
		{ "{\"a\":1,\"a\":2}", "duplicate key \"a\"" },
		{ "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"\\u0061\":10}",
		  "duplicate key \"a\"" },
		{ "[\"a\\u0000b\"]", "NUL" },
		{ "{\"a\\u0000b\":1}", "NUL" },
		{ "[\"\xff\"]", "UTF-8" },
		{ "[\"\xc0\x80\"]", "UTF-8" },
		{ "[\"\xed\xa0\x80\"]", "UTF-8" },
		{ "[\"\xf4\x90\x80\x80\"]", "UTF-8" },
		{ "[\"\xe2\x82\"]", "UTF-8" },
		{ "{\"\xff\":1}", "UTF-8" },
		{ "\xef\xbb\xbf{}", "error" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++)
		expect_error(cases[i].text, strlen(cases[i].text), cases[i].error);
	expect_error("[1\0]", 4, "error");
	expect_error("{}\0", 3, "");
}

static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
	struct joey_str s = JOEY_STR_INIT;

	joey_str_add(&s, before);
	for (size_t i = 0; i < n; i++)
		joey_str_add(&s, unit);
	joey_str_add(&s, after);
	return joey_str_take(&s);
}

static void check_bound(const char *before, const char *unit, size_t most, const char *after, const char *error)
{
	struct doc d = { JOEY_ARENA_INIT, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *fits = repeat(before, unit, most, after);
	autofree char *more = repeat(before, unit, most + 1, after);

	assert_int_equal(parse(&d, fits, strlen(fits), &err), 0);
	joey_arena_done(&d.arena);
	expect_error(more, strlen(more), error);
}

static void test_bounds(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *deep = repeat("", "[", 64, "");
	autofree char *full = NULL, *deeper = NULL;
	struct doc d = { JOEY_ARENA_INIT, NULL };

	(void)state;
	full = repeat(deep, "]", 64, "");
	assert_int_equal(parse(&d, full, strlen(full), &err), 0);
	joey_arena_done(&d.arena);
	deeper = repeat("[", full, 1, "]");
	expect_error(deeper, strlen(deeper), "nested too deeply");
	check_bound("[0", ",0", 65535, "]", "too many elements");
	check_bound("[\"", "x", 1 << 20, "\"]", "string too long");
	check_bound("[", "1", 1024, "]", "number too long");
	assert_true(joey_json_parse("[1]", 3, 2, &d.arena, &d.root, &err) < 0);
	assert_string_equal(err.msg, "larger than 2 bytes");
}

/* 65536 arrays of 17 values each: more values than are allowed in all. */
static void test_node_bound(void **state)
{
	autofree char *many = repeat("[[0]", ",[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]", 65535, "]");

	(void)state;
	expect_error(many, strlen(many), "too many values");
}

/* A duplicate among many keys must be found, and not by comparing all with all. */
static void test_many_keys(void **state)
{
	struct doc d = { JOEY_ARENA_INIT, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str s = JOEY_STR_INIT;
	uint64_t start, value = 0;

	(void)state;
	for (unsigned i = 0; i < 65536; i++)
		joey_str_printf(&s, "%s\"key%u\":%u", i ? "," : "{", i, i);
	joey_str_add(&s, "}");
	start = joey_now_ms();
	assert_int_equal(parse(&d, s.buf, s.len, &err), 0);
	assert_true(joey_now_ms() - start < 5000);
	assert_int_equal(joey_json_get_u64(d.root, "key65535", &value), 0);
	assert_int_equal(value, 65535);
	joey_arena_done(&d.arena);
}

static void test_values(void **state)
{
	static const char text[] =
		"{\"max\":18446744073709551615,\"over\":18446744073709551616,"
		"\"min\":-9223372036854775808,\"exact\":9007199254740993,\"float\":1.5,\"exp\":1e3,"
		"\"none\":null,\"yes\":true,\"text\":\"gr\\u00fcn \\ud83d\\ude00\",\"empty\":{},\"list\":[]}";
	struct doc d = { JOEY_ARENA_INIT, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	uint64_t u = 0;
	bool b = false;

	(void)state;
	assert_int_equal(parse(&d, text, strlen(text), &err), 0);
	assert_int_equal(joey_json_get_u64(d.root, "max", &u), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(joey_json_get_u64(d.root, "over", &u), -EINVAL);
	assert_int_equal(joey_json_get_u64(d.root, "min", &u), -EINVAL);
	assert_int_equal(joey_json_get_u64(d.root, "exact", &u), 0);
	assert_true(u == UINT64_C(9007199254740993));
	assert_int_equal(joey_json_get_u64(d.root, "float", &u), -EINVAL);
	assert_int_equal(joey_json_get_u64(d.root, "exp", &u), -EINVAL);
	assert_int_equal(joey_json_get_u64(d.root, "none", &u), -ENOENT);
	assert_int_equal(joey_json_get_u64(d.root, "absent", &u), -ENOENT);
	assert_int_equal(joey_json_get_bool(d.root, "yes", &b), 0);
	assert_true(b);
	assert_int_equal(joey_json_get_bool(d.root, "text", &b), -EINVAL);
	assert_int_equal(joey_json_get_bool(d.root, "absent", &b), -ENOENT);
	assert_string_equal(joey_json_get_string(d.root, "text"), "gr\xc3\xbcn \xf0\x9f\x98\x80");
	assert_null(joey_json_get_string(d.root, "yes"));
	assert_null(joey_json_get(NULL, "x"));
	assert_null(joey_json_get(joey_json_get(d.root, "list"), "x"));
	assert_int_equal(joey_json_get(d.root, "empty")->u.object.n, 0);
	joey_arena_done(&d.arena);
}

static void test_writer(void **state)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(2);
	autofree char *text = NULL;
	size_t len = 0;

	(void)state;
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "s", "a\"\\\n\x01/\xc3\xbc");
	joey_json_out_u64(o, "u", UINT64_MAX);
	joey_json_out_i64(o, "i", INT64_MIN);
	joey_json_out_bool(o, "b", false);
	joey_json_out_null(o, "n");
	joey_json_out_object(o, "eo");
	joey_json_out_end(o);
	joey_json_out_array(o, "ea");
	joey_json_out_end(o);
	joey_json_out_array(o, "a");
	joey_json_out_array(o, NULL);
	joey_json_out_object(o, NULL);
	joey_json_out_end(o);
	joey_json_out_end(o);
	joey_json_out_u64(o, NULL, 1);
	joey_json_out_end(o);
	joey_json_out_end(o);
	assert_int_equal(joey_json_out_finish(o, &text, &len), 0);
	assert_int_equal(strlen(text), len);
	assert_string_equal(text, "{\n  \"s\": \"a\\\"\\\\\\n\\u0001/\xc3\xbc\",\n  \"u\": 18446744073709551615,\n"
				  "  \"i\": -9223372036854775808,\n  \"b\": false,\n  \"n\": null,\n  \"eo\": {},\n"
				  "  \"ea\": [],\n  \"a\": [\n    [\n      {}\n    ],\n    1\n  ]\n}");
}

static void test_writer_one_line(void **state)
{
	static const char doc[] = "{\"a\":[1,-2.5e3,null,true,\"x\",{}],\"b\":{\"c\":[]}}";
	struct doc d = { JOEY_ARENA_INIT, NULL };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;

	(void)state;
	assert_int_equal(parse(&d, doc, strlen(doc), &err), 0);
	joey_json_out_value(o, NULL, d.root);
	assert_int_equal(joey_json_out_finish(o, &text, NULL), 0);
	assert_string_equal(text, doc);
	joey_arena_done(&d.arena);
}

static void test_writer_repairs(void **state)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autofree char *text = NULL;

	(void)state;
	joey_json_out_array(o, NULL);
	joey_json_out_string(o, NULL, "a\xff\xc0z\xe2\x82");
	joey_json_out_string(o, NULL, NULL);
	joey_json_out_end(o);
	assert_int_equal(joey_json_out_finish(o, &text, NULL), 0);
	assert_string_equal(text, "[\"a\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\",null]");
}

enum misuse { KEY_MISSING, KEY_IN_ARRAY, UNCLOSED, END_TOO_MUCH, EMPTY, TOO_DEEP, TWO_DOCUMENTS, MISUSE_MAX };

static void test_writer_misuse(void **state)
{
	(void)state;
	for (int m = 0; m < MISUSE_MAX; m++) {
		autojsonout struct joey_json_out *o = joey_json_out_new(0);
		char *text = NULL;

		if (m == KEY_MISSING || m == UNCLOSED)
			joey_json_out_object(o, NULL);
		if (m == KEY_MISSING)
			joey_json_out_null(o, NULL);
		if (m == KEY_IN_ARRAY) {
			joey_json_out_array(o, NULL);
			joey_json_out_null(o, "k");
		}
		if (m == TWO_DOCUMENTS) {
			joey_json_out_null(o, NULL);
			joey_json_out_null(o, NULL);
		}
		for (int i = 0; m == TOO_DEEP && i < 200; i++)
			joey_json_out_array(o, NULL);
		for (int i = 0; m == TOO_DEEP && i < 200; i++)
			joey_json_out_end(o);
		if (m == END_TOO_MUCH || m == KEY_MISSING || m == KEY_IN_ARRAY)
			joey_json_out_end(o);
		assert_true(joey_json_out_finish(o, &text, NULL) < 0);
		assert_null(text);
	}
	joey_json_out_free(NULL);
	joey_json_out_null(NULL, NULL);
	joey_json_out_end(NULL);
	assert_true(joey_json_out_finish(NULL, NULL, NULL) < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),         cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_node_bound),      cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_values),          cmocka_unit_test(test_writer),
		cmocka_unit_test(test_writer_one_line), cmocka_unit_test(test_writer_repairs),
		cmocka_unit_test(test_writer_misuse),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
