/* SPDX-License-Identifier: Apache-2.0 */
/* src/util/protobuf.c, src/native/criu_rpc.c: what is written, and what foreign bytes do. */
#include "unit.h"

#include <string.h>

#include "native/criu.h"

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ })

static void writes_the_wire_format(void **state)
{
	autostr struct joey_str m = JOEY_STR_INIT, inner = JOEY_STR_INIT;
	static const uint8_t want[] = { 0x08, 0xac, 0x02,                                                 /* 1: 300 */
					0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 2: -1 */
					0xfa, 0x03, 0x02, 'h',  'i',                                      /* 63: "hi" */
					0x1a, 0x02, 0x08, 0x01, /* 3: { 1: true } */
					0x22, 0x00 };           /* 4: {} */

	(void)state;
	joey_pb_u64(&m, 1, 300);
	joey_pb_i32(&m, 2, -1);
	joey_pb_string(&m, 63, "hi");
	joey_pb_bool(&inner, 1, true);
	joey_pb_message(&m, 3, &inner);
	joey_pb_message(&m, 4, &(struct joey_str)JOEY_STR_INIT);
	assert_false(m.failed);
	assert_int_equal(m.len, sizeof(want));
	assert_memory_equal(m.buf, want, sizeof(want));
}

static void failure_sticks(void **state)
{
	autostr struct joey_str m = JOEY_STR_INIT;
	struct joey_str inner = { NULL, 0, 0, true };

	(void)state;
	joey_pb_message(&m, 1, &inner);
	assert_true(m.failed);
}

static void reads_what_it_writes(void **state)
{
	static const uint64_t values[] = { 0, 1, 127, 128, 16383, 16384, UINT32_MAX, INT64_MAX, UINT64_MAX };
	autostr struct joey_str m = JOEY_STR_INIT;
	struct joey_pb_field f;
	struct joey_pb_in in;

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(values); i++)
		joey_pb_u64(&m, (uint32_t)i * 1000 + 1, values[i]);
	in = (struct joey_pb_in){ (const uint8_t *)m.buf, m.len };
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(values); i++) {
		assert_int_equal(joey_pb_next(&in, &f), 1);
		assert_int_equal(f.number, i * 1000 + 1);
		assert_true(f.v == values[i]);
	}
	assert_int_equal(joey_pb_next(&in, &f), 0);
}

static int first(const uint8_t *data, size_t len)
{
	struct joey_pb_in in = { data, len };
	struct joey_pb_field f;

	return joey_pb_next(&in, &f);
}

static void refuses_broken_fields(void **state)
{
	(void)state;
	assert_int_equal(first(BYTES(0x08)), -EPROTO);            /* no value */
	assert_int_equal(first(BYTES(0x08, 0x80)), -EPROTO);      /* unfinished varint */
	assert_int_equal(first(BYTES(0x00, 0x01)), -EPROTO);      /* field 0 */
	assert_int_equal(first(BYTES(0x0b)), -EPROTO);            /* group */
	assert_int_equal(first(BYTES(0x0a, 0x02, 'x')), -EPROTO); /* longer than what is left */
	assert_int_equal(first(BYTES(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)), -EPROTO);
	assert_int_equal(first(BYTES(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02)), -EPROTO);
	assert_int_equal(first(BYTES(0x09, 1, 2, 3)), -EPROTO); /* half a fixed64 */
	assert_int_equal(first(BYTES(0x0d, 1, 2, 3, 4)), 1);
	assert_int_equal(first(BYTES(0x09, 1, 2, 3, 4, 5, 6, 7, 8)), 1);
}

static void reads_answers(void **state)
{
	struct criu_answer a;

	(void)state;
	/* NOTIFY, success, { script "x\n", pid 300 } */
	assert_int_equal(criu_answer_decode(BYTES(0x08, 6, 0x10, 1, 0x2a, 7, 0x0a, 2, 'x', '\n', 0x10, 0xac, 0x02), &a),
			 0);
	assert_int_equal(a.type, CRIU_NOTIFY);
	assert_true(a.success);
	assert_string_equal(a.script, "x?");
	assert_int_equal(a.pid, 300);
	/* VERSION { 4, 1, sublevel 1 } */
	assert_int_equal(criu_answer_decode(BYTES(0x08, 10, 0x10, 1, 0x52, 6, 0x08, 4, 0x10, 1, 0x20, 1), &a), 0);
	assert_int_equal(a.version, 40101);
	/* RESTORE, failed, errno -2 as an int32, unknown field 99 */
	assert_int_equal(criu_answer_decode(BYTES(0x08, 2, 0x10, 0, 0x38, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
						  0xff, 0xff, 0x01, 0x98, 0x06, 1),
					    &a),
			 0);
	assert_false(a.success);
	assert_int_equal(a.errnum, -2);
	/* without type, without success, with a broken part */
	assert_int_equal(criu_answer_decode(BYTES(0x10, 1), &a), -EPROTO);
	assert_int_equal(criu_answer_decode(BYTES(0x08, 6), &a), -EPROTO);
	assert_int_equal(criu_answer_decode(BYTES(0x08, 6, 0x10, 1, 0x2a, 1, 0x0a), &a), -EPROTO);
	assert_int_equal(criu_answer_decode("", 0, &a), -EPROTO);
}

static void keeps_long_texts_short(void **state)
{
	autostr struct joey_str m = JOEY_STR_INIT;
	char text[CRIU_TEXT_MAX * 2];
	struct criu_answer a;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	joey_pb_u64(&m, 1, CRIU_DUMP);
	joey_pb_bool(&m, 2, false);
	joey_pb_string(&m, 9, text);
	assert_int_equal(criu_answer_decode(m.buf, m.len, &a), 0);
	assert_int_equal(strlen(a.text), CRIU_TEXT_MAX - 1);
}

static void cgroup_modes(void **state)
{
	uint32_t mode = 99;

	(void)state;
	assert_int_equal(criu_cgroups_mode(NULL, &mode), 0);
	assert_int_equal(mode, 3);
	assert_int_equal(criu_cgroups_mode("ignore", &mode), 0);
	assert_int_equal(mode, 0);
	assert_int_equal(criu_cgroups_mode("Soft", &mode), -EINVAL);
	assert_int_equal(criu_cgroups_mode("", &mode), -EINVAL);
}

static void stdio_round_trip(void **state)
{
	char null[] = "/dev/null", pipe[] = "pipe:[12]";
	const struct criu_stdio in = { { null, pipe, NULL } };
	autofree char *text = NULL;
	struct criu_stdio out;

	(void)state;
	assert_int_equal(criu_stdio_text(&in, &text, NULL), 0);
	assert_string_equal(text, "[\"/dev/null\",\"pipe:[12]\",\"\"]");
	assert_int_equal(criu_stdio_parse(text, strlen(text), &out, NULL), 0);
	assert_string_equal(out.v[1], pipe);
	assert_string_equal(out.v[2], "");
	criu_stdio_done(&out);
	/* runc writes this when it knows nothing */
	assert_int_equal(criu_stdio_parse("null", 4, &out, NULL), 0);
	assert_null(out.v[0]);
}

static void stdio_refusals(void **state)
{
	static const char *const bad[] = {
		"", "{}", "\"pipe:[1]\"", "[1]", "[null]", "[\"a\"", "[\"a\",\"b\",\"c\",\"d\"]", "[[]]"
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct criu_stdio out;

		assert_true(criu_stdio_parse(bad[i], strlen(bad[i]), &out, &err) < 0);
		assert_true(err.errnum > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_wire_format), cmocka_unit_test(failure_sticks),
		cmocka_unit_test(reads_what_it_writes),   cmocka_unit_test(refuses_broken_fields),
		cmocka_unit_test(reads_answers),          cmocka_unit_test(keeps_long_texts_short),
		cmocka_unit_test(cgroup_modes),           cmocka_unit_test(stdio_round_trip),
		cmocka_unit_test(stdio_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
