/* SPDX-License-Identifier: Apache-2.0 */
/* oci: linux.resources. */
#include "oci_test.h"

#define BEFORE "{" BASE ",\"linux\":{\"resources\":{"
#define AFTER  "}}}"
#define P      "linux.resources."

static const struct oci_case cases[] = {
	{ "", NULL },
	{ "\"memory\":null,\"cpu\":null,\"devices\":null,\"unified\":null", NULL },
	{ "\"memory\":{\"limit\":-1,\"swap\":-1,\"reservation\":0,\"kernel\":0,\"kernelTCP\":-1}", NULL },
	{ "\"memory\":{\"limit\":9223372036854775807}", NULL },
	{ "\"memory\":{\"limit\":9223372036854775808}",
	  P "memory.limit: 9223372036854775808 is not a whole number from -9223372036854775808 to "
	    "9223372036854775807" },
	{ "\"memory\":{\"limit\":-2}", P "memory.limit: -2 is below -1 (unlimited)" },
	{ "\"memory\":{\"swap\":-2}", P "memory.swap: -2 is below -1 (unlimited)" },
	{ "\"memory\":{\"swappiness\":101}", P "memory.swappiness: 101 is not from 0 to 100" },
	{ "\"memory\":{\"disableOOMKiller\":false,\"useHierarchy\":true,\"checkBeforeUpdate\":true}", NULL },
	{ "\"memory\":{\"disableOOMKiller\":0}", P "memory.disableOOMKiller: must be true or false" },
	{ "\"memory\":{\"limit\":\"1G\"}", P "memory.limit: must be a number" },
	{ "\"cpu\":{\"shares\":18446744073709551615,\"quota\":-1,\"period\":0,\"burst\":0,\"idle\":1}", NULL },
	{ "\"cpu\":{\"shares\":-1}", P "cpu.shares: -1 is not a whole number from 0 to 18446744073709551615" },
	{ "\"cpu\":{\"idle\":2}", P "cpu.idle: 2 is neither 0 nor 1" },
	{ "\"cpu\":{\"idle\":-1}", P "cpu.idle: -1 is neither 0 nor 1" },
	{ "\"cpu\":{\"cpus\":\"0-1\\n\"}", P "cpu.cpus: must not contain control characters" },
	{ "\"pids\":{\"limit\":0}", NULL },
	{ "\"pids\":{\"limit\":-1}", NULL },
	{ "\"pids\":{}", NULL },
	{ "\"pids\":{\"limit\":1.5}",
	  P "pids.limit: 1.5 is not a whole number from -9223372036854775808 to 9223372036854775807" },
	{ "\"blockIO\":{\"weight\":10,\"leafWeight\":1000}", NULL },
	{ "\"blockIO\":{\"weight\":0}", NULL },
	{ "\"blockIO\":{\"weight\":9}", P "blockIO.weight: 9 is not a weight from 10 to 1000" },
	{ "\"blockIO\":{\"weight\":1001}", P "blockIO.weight: 1001 is not a weight from 10 to 1000" },
	{ "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":500}]}", NULL },
	{ "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0}]}",
	  P "blockIO.weightDevice[0]: weight or leafWeight must be given" },
	{ "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"weight\":500}]}",
	  P "blockIO.weightDevice[0].minor: must be given" },
	{ "\"blockIO\":{\"weightDevice\":[{\"major\":8,\"minor\":0,\"weight\":1}]}",
	  P "blockIO.weightDevice[0].weight: 1 is not a weight from 10 to 1000" },
	{ "\"blockIO\":{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":18446744073709551615}]}", NULL },
	{ "\"blockIO\":{\"throttleWriteBpsDevice\":[{\"major\":8,\"minor\":0}]}",
	  P "blockIO.throttleWriteBpsDevice[0].rate: must be given" },
	{ "\"blockIO\":{\"throttleReadIOPSDevice\":[{\"minor\":0,\"rate\":1}]}",
	  P "blockIO.throttleReadIOPSDevice[0].major: must be given" },
	{ "\"blockIO\":{\"throttleWriteIOPSDevice\":[{\"major\":5000,\"minor\":0,\"rate\":1}]}",
	  P "blockIO.throttleWriteIOPSDevice[0].major: 5000 is not a whole number from 0 to 4095" },
	{ "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0},{\"pageSize\":\"64KB\",\"limit\":1}]", NULL },
	{ "\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":0}]",
	  P "hugepageLimits[0].pageSize: \"2M\" is not a page size such as 64KB, 2MB or 1GB" },
	{ "\"hugepageLimits\":[{\"pageSize\":\"../2MB\",\"limit\":0}]",
	  P "hugepageLimits[0].pageSize: \"../2MB\" is not a page size such as 64KB, 2MB or 1GB" },
	{ "\"hugepageLimits\":[{\"pageSize\":\"02MB\",\"limit\":0}]",
	  P "hugepageLimits[0].pageSize: \"02MB\" is not a page size such as 64KB, 2MB or 1GB" },
	{ "\"hugepageLimits\":[{\"limit\":0}]", P "hugepageLimits[0].pageSize: must be given" },
	{ "\"hugepageLimits\":[{\"pageSize\":\"2MB\"}]", P "hugepageLimits[0].limit: must be given" },
	{ "\"network\":{\"classID\":4294967295,\"priorities\":[{\"name\":\"eth0\",\"priority\":1}]}", NULL },
	{ "\"network\":{\"classID\":4294967296}",
	  P "network.classID: 4294967296 is not a whole number from 0 to 4294967295" },
	{ "\"network\":{\"priorities\":[{\"priority\":1}]}", P "network.priorities[0].name: must be given" },
	{ "\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3,\"hcaObjects\":10000}}", NULL },
	{ "\"rdma\":{\"a b\":{}}", P "rdma.a b: invalid RDMA device name" },
	{ "\"rdma\":{\"a\":{\"hcaHandles\":-1}}",
	  P "rdma.a.hcaHandles: -1 is not a whole number from 0 to 4294967295" },
	{ "\"unified\":{\"memory.high\":\"1\",\"some.new.key\":\"a\\nb\"}", NULL },
	{ "\"unified\":{\"a/memory.high\":\"1\"}",
	  P "unified: unified resource \"a/memory.high\" must be a file name (no slashes)" },
	{ "\"unified\":{\"../x\":\"1\"}", P "unified: unified resource \"../x\" must be a file name (no slashes)" },
	{ "\"unified\":{\"memory\":\"1\"}",
	  P "unified: unified resource \"memory\" must be in the form CONTROLLER.PARAMETER" },
	{ "\"unified\":{\"..\":\"1\"}", P "unified: unified resource \"..\" must be in the form CONTROLLER.PARAMETER" },
	{ "\"unified\":{\"memory.\":\"1\"}",
	  P "unified: unified resource \"memory.\" must be in the form CONTROLLER.PARAMETER" },
	{ "\"unified\":{\"memory.high\":1}", P "unified.memory.high: must be a string" },
	{ "\"devices\":[{\"allow\":false,\"access\":\"rwm\"},{\"allow\":true,\"type\":\"c\",\"major\":-1,\"minor\":"
	  "null}]",
	  NULL },
	{ "\"devices\":[{\"allow\":true},{\"allow\":true,\"access\":\"\"}]",
	  P "devices[1].access: device access at 1 field cannot be empty" },
	{ "\"devices\":[{\"allow\":true,\"access\":\"rx\"}]", P "devices[0].access: \"rx\" is not made of r, w and m" },
	{ "\"devices\":[{\"allow\":true,\"type\":\"p\"}]", P "devices[0].type: invalid cgroup device type \"p\"" },
	{ "\"devices\":[{\"allow\":true,\"major\":-2}]", P "devices[0].major: -2 is not a device number" },
	{ "\"devices\":[{\"allow\":1}]", P "devices[0].allow: must be true or false" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES(BEFORE, cases, AFTER);
}

static void test_values(void **state)
{
	struct joey_config *c = parse_good(
		BEFORE,
		"\"memory\":{\"limit\":9007199254740993,\"swap\":-1,\"disableOOMKiller\":false,\"swappiness\":0},"
		"\"cpu\":{\"shares\":0,\"quota\":-1,\"period\":100000,\"cpus\":\"0-1\",\"mems\":\"\"},"
		"\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":500,"
		"\"weightDevice\":[{\"major\":8,\"minor\":16,\"leafWeight\":10}],"
		"\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":600}],"
		"\"throttleWriteIOPSDevice\":[{\"major\":8,\"minor\":1,\"rate\":0}]},"
		"\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":209715200}],"
		"\"network\":{\"priorities\":[{\"name\":\"a\",\"priority\":1},{\"name\":\"b\",\"priority\":2}]},"
		"\"rdma\":{\"mlx5_1\":{\"hcaHandles\":3}},\"unified\":{\"memory.high\":\"max\"},"
		"\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"b\",\"major\":8,\"access\":\"rm\"}]",
		AFTER);
	const struct joey_resources *r = c->resources;

	(void)state;
	assert_true(r->memory.limit.set && r->memory.limit.v == INT64_C(9007199254740993));
	assert_true(r->memory.swap.v == -1 && !r->memory.reservation.set);
	assert_true(r->memory.disable_oom_killer.set && !r->memory.disable_oom_killer.v);
	assert_true(r->memory.swappiness.set && r->memory.swappiness.v == 0);
	assert_true(r->cpu.shares.set && r->cpu.quota.v == -1 && !r->cpu.burst.set && !r->cpu.idle.set);
	assert_string_equal(r->cpu.cpus, "0-1");
	assert_null(r->cpu.mems);
	assert_true(r->pids_limit.set && r->pids_limit.v == 0);
	assert_int_equal(r->block_io.weight.v, 500);
	assert_false(r->block_io.weight_device[0].weight.set);
	assert_int_equal(r->block_io.weight_device[0].leaf_weight.v, 10);
	assert_int_equal(r->block_io.read_bps.v[0].rate, 600);
	assert_int_equal(r->block_io.write_iops.v[0].minor, 1);
	assert_int_equal(r->block_io.write_bps.n, 0);
	assert_string_equal(r->hugepage[0].page_size, "2MB");
	assert_int_equal(r->network.n_priorities, 2);
	assert_string_equal(r->rdma[0].device, "mlx5_1");
	assert_true(r->rdma[0].hca_handles.set && !r->rdma[0].hca_objects.set);
	assert_string_equal(r->unified.v[0].value, "max");
	assert_int_equal(r->n_devices, 2);
	assert_true(!r->devices[0].allow && r->devices[0].type == 'a' && r->devices[0].major == -1);
	assert_int_equal(r->devices[0].access, JOEY_DEV_READ | JOEY_DEV_WRITE | JOEY_DEV_MKNOD);
	assert_true(r->devices[1].allow && r->devices[1].type == 'b' && r->devices[1].minor == -1);
	assert_int_equal(r->devices[1].access, JOEY_DEV_READ | JOEY_DEV_MKNOD);
	joey_config_free(c);
}

static void test_never_null(void **state)
{
	struct joey_config *c = parse_good("{" BASE, "", "}");

	(void)state;
	assert_non_null(c->resources);
	assert_false(c->resources->memory.limit.set);
	joey_config_free(c);
}

/* update --resources */
static void test_alone(void **state)
{
	static const char good[] = "{\"memory\":{\"limit\":5}}", bad[] = "{\"cpu\":{\"idle\":7}}";
	struct joey_arena arena = JOEY_ARENA_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources *r = NULL;

	(void)state;
	assert_int_equal(joey_resources_parse(good, strlen(good), &arena, &r, &err), 0);
	assert_int_equal(r->memory.limit.v, 5);
	r = NULL;
	assert_int_equal(joey_resources_parse(bad, strlen(bad), &arena, &r, &err), -EINVAL);
	assert_null(r);
	assert_string_equal(err.msg, "resources: cpu.idle: 7 is neither 0 nor 1");
	joey_arena_done(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_never_null),
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests_name("oci resources", tests, NULL, NULL);
}
