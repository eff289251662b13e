/* SPDX-License-Identifier: Apache-2.0 */
/* oci: resources of an update over those that hold, and resources as JSON again. */
#include "unit.h"

#include <string.h>

#include "joey/json.h"
#include "joey/oci.h"

static struct joey_resources *parse(struct joey_arena *a, const char *text)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources *res = NULL;

	if (joey_resources_parse(text, strlen(text), a, &res, &err) < 0)
		fail_msg("%s: %s", text, joey_err_text(&err));
	return res;
}

static char *write_out(const struct joey_resources *res)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	char *text = NULL;

	joey_resources_write(o, NULL, res);
	assert_int_equal(joey_json_out_finish(o, &text, NULL), 0);
	return text;
}

/* The same object with all its members, so that texts can be compared. */
static char *normal(struct joey_arena *a, const char *text)
{
	return write_out(parse(a, text));
}

static void merge(void **state)
{
	static const struct {
		const char *have, *ask, *merged, *apply;
	} rows[] = {
		{ "{}", "{}", "{}", "{}" },
		{ "{\"pids\":{\"limit\":5}}", "{}", "{\"pids\":{\"limit\":5}}", "{}" },
		{ "{\"pids\":{\"limit\":5}}", "{\"pids\":{\"limit\":0}}", "{\"pids\":{\"limit\":0}}",
		  "{\"pids\":{\"limit\":0}}" },
		/* zeros and empty texts are what engines without option types send */
		{ "{\"cpu\":{\"shares\":7,\"quota\":1,\"period\":2,\"cpus\":\"0\"},\"memory\":{\"limit\":9}}",
		  "{\"cpu\":{\"shares\":0,\"quota\":0,\"period\":0,\"cpus\":\"\",\"mems\":\"\"},"
		  "\"memory\":{\"limit\":0,\"swap\":0,\"reservation\":0},\"blockIO\":{\"weight\":0}}",
		  "{\"cpu\":{\"shares\":7,\"quota\":1,\"period\":2,\"cpus\":\"0\"},\"memory\":{\"limit\":9}}", "{}" },
		/* quota and period are one file */
		{ "{\"cpu\":{\"quota\":50000,\"period\":200000}}", "{\"cpu\":{\"quota\":10000}}",
		  "{\"cpu\":{\"quota\":10000,\"period\":200000}}", "{\"cpu\":{\"quota\":10000,\"period\":200000}}" },
		{ "{\"cpu\":{\"quota\":50000}}", "{\"cpu\":{\"period\":70000}}",
		  "{\"cpu\":{\"quota\":50000,\"period\":70000}}", "{\"cpu\":{\"quota\":50000,\"period\":70000}}" },
		{ "{\"cpu\":{\"quota\":50000}}", "{\"cpu\":{\"quota\":-1}}", "{\"cpu\":{\"quota\":-1}}",
		  "{\"cpu\":{\"quota\":-1}}" },
		{ "{\"cpu\":{\"burst\":5}}", "{\"cpu\":{\"burst\":0}}", "{\"cpu\":{\"burst\":0}}",
		  "{\"cpu\":{\"burst\":0}}" },
		/* shares come back when idle ends */
		{ "{\"cpu\":{\"shares\":512,\"idle\":1}}", "{\"cpu\":{\"idle\":0}}",
		  "{\"cpu\":{\"shares\":512,\"idle\":0}}", "{\"cpu\":{\"shares\":512,\"idle\":0}}" },
		/* swap holds memory, too */
		{ "{\"memory\":{\"limit\":100,\"swap\":300}}", "{\"memory\":{\"limit\":200}}",
		  "{\"memory\":{\"limit\":200,\"swap\":300}}", "{\"memory\":{\"limit\":200,\"swap\":300}}" },
		{ "{\"memory\":{\"limit\":100,\"swap\":300}}", "{\"memory\":{\"swap\":400}}",
		  "{\"memory\":{\"limit\":100,\"swap\":400}}", "{\"memory\":{\"limit\":100,\"swap\":400}}" },
		{ "{\"memory\":{\"limit\":100,\"swap\":300}}", "{\"memory\":{\"limit\":-1}}",
		  "{\"memory\":{\"limit\":-1,\"swap\":-1}}", "{\"memory\":{\"limit\":-1,\"swap\":-1}}" },
		{ "{\"memory\":{\"limit\":100}}", "{\"memory\":{\"reservation\":50,\"checkBeforeUpdate\":true}}",
		  "{\"memory\":{\"limit\":100,\"reservation\":50}}",
		  "{\"memory\":{\"reservation\":50,\"checkBeforeUpdate\":true}}" },
		/* lists by name */
		{ "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"1GB\",\"limit\":2}]}",
		  "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":3},{\"pageSize\":\"64KB\",\"limit\":4}]}",
		  "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1},{\"pageSize\":\"1GB\",\"limit\":3},"
		  "{\"pageSize\":\"64KB\",\"limit\":4}]}",
		  "{\"hugepageLimits\":[{\"pageSize\":\"1GB\",\"limit\":3},{\"pageSize\":\"64KB\",\"limit\":4}]}" },
		{ "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]}}",
		  "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}],"
		  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":5}]}}",
		  "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}],"
		  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":5}]}}",
		  "{\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":0}],"
		  "\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":5}]}}" },
		{ "{\"unified\":{\"a.b\":\"1\",\"c.d\":\"2\"},\"rdma\":{\"x\":{\"hcaHandles\":1}}}",
		  "{\"unified\":{\"c.d\":\"3\"},\"rdma\":{\"x\":{\"hcaObjects\":2}}}",
		  "{\"unified\":{\"a.b\":\"1\",\"c.d\":\"3\"},\"rdma\":{\"x\":{\"hcaObjects\":2}}}",
		  "{\"unified\":{\"c.d\":\"3\"},\"rdma\":{\"x\":{\"hcaObjects\":2}}}" },
		{ "{\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":1,\"minor\":2,\"weight\":30}]}}",
		  "{\"blockIO\":{\"weight\":20,\"weightDevice\":[{\"major\":1,\"minor\":3,\"weight\":40}]}}",
		  "{\"blockIO\":{\"weight\":20,\"weightDevice\":[{\"major\":1,\"minor\":2,\"weight\":30},"
		  "{\"major\":1,\"minor\":3,\"weight\":40}]}}",
		  "{\"blockIO\":{\"weight\":20,\"weightDevice\":[{\"major\":1,\"minor\":3,\"weight\":40}]}}" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct joey_arena a = JOEY_ARENA_INIT;
		struct joey_resources merged, apply;
		autofree char *m = NULL, *p = NULL, *want_m = normal(&a, rows[i].merged),
			      *want_p = normal(&a, rows[i].apply);

		assert_int_equal(joey_resources_merge(&a, parse(&a, rows[i].have), parse(&a, rows[i].ask), &merged,
						      &apply, &err),
				 0);
		m = write_out(&merged);
		p = write_out(&apply);
		assert_string_equal(m, want_m);
		assert_string_equal(p, want_p);
		joey_arena_done(&a);
	}
}

static void devices_stay(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_arena a = JOEY_ARENA_INIT;
	struct joey_resources merged, apply;
	const struct joey_resources *have = parse(&a, "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}");

	(void)state;
	assert_int_equal(joey_resources_merge(&a, have,
					      parse(&a, "{\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]}"), &merged,
					      &apply, &err),
			 0);
	assert_int_equal(merged.n_devices, 1);
	assert_false(merged.devices[0].allow);
	assert_int_equal(apply.n_devices, 0);
	joey_arena_done(&a);
}

/* Every member comes back as it was. */
static void round_trip(void **state)
{
	static const char all[] =
		"{\"memory\":{\"limit\":1,\"reservation\":2,\"swap\":3,\"kernel\":4,\"kernelTCP\":5,\"swappiness\":6,"
		"\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":true},"
		"\"cpu\":{\"shares\":1,\"quota\":-1,\"burst\":3,\"period\":4,\"realtimeRuntime\":5,\"realtimePeriod\":"
		"6,"
		"\"cpus\":\"0-1\",\"mems\":\"0\",\"idle\":1},\"pids\":{\"limit\":9},"
		"\"blockIO\":{\"weight\":10,\"leafWeight\":11,"
		"\"weightDevice\":[{\"major\":1,\"minor\":2,\"weight\":13,\"leafWeight\":14}],"
		"\"throttleReadBpsDevice\":[{\"major\":1,\"minor\":2,\"rate\":18446744073709551615}],"
		"\"throttleWriteBpsDevice\":[{\"major\":1,\"minor\":2,\"rate\":4}],"
		"\"throttleReadIOPSDevice\":[{\"major\":1,\"minor\":2,\"rate\":5}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":1,\"minor\":2,\"rate\":6}]},"
		"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":7}],\"network\":{\"classID\":8},"
		"\"rdma\":{\"mlx\":{\"hcaHandles\":1,\"hcaObjects\":2}},\"unified\":{\"memory.high\":\"1\\n2\"}}";
	struct joey_arena a = JOEY_ARENA_INIT;
	autofree char *text = normal(&a, all);

	(void)state;
	assert_string_equal(text, all);
	joey_arena_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge),
		cmocka_unit_test(devices_stay),
		cmocka_unit_test(round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
