/* SPDX-License-Identifier: Apache-2.0 */
/* oci: linux.seccomp. */
#include "oci_test.h"

#include <linux/seccomp.h>
#include <seccomp.h>

#define BEFORE  "{" BASE ",\"linux\":{\"seccomp\":{"
#define AFTER   "}}}"
#define P       "linux.seccomp"
#define DENY    "\"defaultAction\":\"SCMP_ACT_ERRNO\""
#define RULE(x) DENY ",\"syscalls\":[{" x "}]"
#define ARGS(x) RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{" x "}]")

static const struct oci_case cases[] = {
	{ "", NULL },
	{ DENY, NULL },
	{ "\"defaultAction\":\"SCMP_ACT_FOO\"",
	  P ".defaultAction: string SCMP_ACT_FOO is not a valid action for seccomp" },
	{ "\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/s\"",
	  P ".defaultAction: SCMP_ACT_NOTIFY cannot be used as default action" },
	{ "\"syscalls\":[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}]", P ".defaultAction: must be given" },
	{ DENY ",\"defaultErrnoRet\":0", NULL },
	{ DENY ",\"defaultErrnoRet\":4095", NULL },
	{ DENY ",\"defaultErrnoRet\":4096", P ".defaultErrnoRet: 4096 is not from 0 to 4095" },
	{ "\"defaultAction\":\"SCMP_ACT_TRACE\",\"defaultErrnoRet\":5", NULL },
	{ "\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":5",
	  P ".defaultErrnoRet: SCMP_ACT_ALLOW does not take an errno" },
	{ "\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":null", NULL },
	{ DENY ",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_LOONGARCH64\"]", NULL },
	{ DENY ",\"architectures\":[\"SCMP_ARCH_VAX\"]",
	  P ".architectures[0]: string SCMP_ARCH_VAX is not a valid arch for seccomp" },
	{ DENY ",\"architectures\":[\"x86_64\"]",
	  P ".architectures[0]: string x86_64 is not a valid arch for seccomp" },
	{ DENY ",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"]", NULL },
	{ DENY ",\"flags\":[\"SECCOMP_FILTER_FLAG_X\"]",
	  P ".flags[0]: seccomp flag SECCOMP_FILTER_FLAG_X is not known to joey" },
	{ DENY ",\"listenerPath\":\"s\"", P ".listenerPath: must be an absolute path" },
	{ DENY ",\"listenerMetadata\":\"m\"", P ".listenerMetadata: seccomp listenerMetadata needs a listenerPath" },
	{ DENY ",\"listenerPath\":\"/s\",\"listenerMetadata\":\"m\"", NULL },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\""), NULL },
	{ RULE("\"names\":[\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\",\"comment\":\"\",\"includes\":{}"), NULL },
	{ RULE("\"names\":[],\"action\":\"SCMP_ACT_ALLOW\""), P ".syscalls[0].names: must not be empty" },
	{ RULE("\"action\":\"SCMP_ACT_ALLOW\""), P ".syscalls[0].names: must not be empty" },
	{ RULE("\"names\":[\"\"],\"action\":\"SCMP_ACT_ALLOW\""),
	  P ".syscalls[0].names[0]: empty string is not a valid syscall" },
	{ RULE("\"names\":[\"read\"]"), P ".syscalls[0].action: must be given" },
	{ RULE("\"names\":[\"read\"],\"action\":\"allow\""),
	  P ".syscalls[0].action: string allow is not a valid action for seccomp" },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38"), NULL },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":38"),
	  P ".syscalls[0].errnoRet: SCMP_ACT_KILL_THREAD does not take an errno" },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":-1"),
	  P ".syscalls[0].errnoRet: -1 is not a whole number from 0 to 4294967295" },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\""), P ": seccomp listenerPath is not set" },
	{ RULE("\"names\":[\"read\"],\"action\":\"SCMP_ACT_NOTIFY\"") ",\"listenerPath\":\"/s\"", NULL },
	{ RULE("\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_NOTIFY\"") ",\"listenerPath\":\"/s\"",
	  P ".syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall" },
	{ ARGS("\"index\":5,\"value\":18446744073709551615,\"valueTwo\":1,\"op\":\"SCMP_CMP_MASKED_EQ\""), NULL },
	{ ARGS("\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\""),
	  P ".syscalls[0].args[0].index: 6 is not an argument index from 0 to 5" },
	{ ARGS("\"index\":0,\"value\":1,\"op\":\"EQ\""),
	  P ".syscalls[0].args[0].op: string EQ is not a valid operator for seccomp" },
	{ ARGS("\"index\":0,\"value\":1"), P ".syscalls[0].args[0].op: must be given" },
	{ ARGS("\"index\":0,\"op\":\"SCMP_CMP_EQ\""), P ".syscalls[0].args[0].value: must be given" },
	{ ARGS("\"value\":0,\"op\":\"SCMP_CMP_EQ\""), P ".syscalls[0].args[0].index: must be given" },
	{ ARGS("\"index\":0,\"value\":-1,\"op\":\"SCMP_CMP_EQ\""),
	  P ".syscalls[0].args[0].value: -1 is not a whole number from 0 to 18446744073709551615" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES(BEFORE, cases, AFTER);
}

static void test_values(void **state)
{
	struct joey_config *c = parse_good(
		"{" BASE ",\"annotations\":{\"run.oci.seccomp_fail_unknown_syscall\":\"1\"},\"linux\":{\"seccomp\":{",
		DENY ",\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X32\"],"
		     "\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],"
		     "\"listenerPath\":\"/s\",\"listenerMetadata\":\"m\",\"syscalls\":["
		     "{\"names\":[\"read\",\"open\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		     "{\"index\":1,\"value\":9007199254740993,\"valueTwo\":2,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
		     "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38},"
		     "{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":0},"
		     "{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_NOTIFY\"}]",
		AFTER);
	const struct joey_seccomp *s = c->seccomp;

	(void)state;
	assert_int_equal(s->default_action, SCMP_ACT_ERRNO(1));
	assert_int_equal(s->n_archs, 2);
	assert_int_equal(s->archs[0], SCMP_ARCH_X86_64);
	assert_int_equal(s->archs[1], SCMP_ARCH_X32);
	assert_true(s->flags_given);
	assert_int_equal(s->filter_flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_string_equal(s->listener_path, "/s");
	assert_string_equal(s->listener_metadata, "m");
	assert_true(s->uses_notify && s->fail_unknown_syscall);
	assert_int_equal(s->n_rules, 4);
	assert_int_equal(s->rules[0].names.n, 2);
	assert_int_equal(s->rules[0].action, SCMP_ACT_ALLOW);
	assert_true(s->rules[0].args[0].value == UINT64_C(9007199254740993));
	assert_int_equal(s->rules[0].args[0].op, SCMP_CMP_MASKED_EQ);
	assert_int_equal(s->rules[1].action, SCMP_ACT_ERRNO(38));
	assert_int_equal(s->rules[2].action, SCMP_ACT_TRACE(0));
	assert_int_equal(s->rules[3].action, SCMP_ACT_NOTIFY);
	joey_config_free(c);
}

static void test_empty_is_off(void **state)
{
	struct joey_config *c = parse_good(BEFORE, "\"syscalls\":null,\"architectures\":[]", AFTER);

	(void)state;
	assert_null(c->seccomp);
	joey_config_free(c);
}

static void test_flags_absent(void **state)
{
	struct joey_config *c = parse_good(BEFORE, DENY, AFTER);

	(void)state;
	assert_false(c->seccomp->flags_given);
	assert_false(c->seccomp->fail_unknown_syscall);
	joey_config_free(c);
	c = parse_good(BEFORE, DENY ",\"flags\":[]", AFTER);
	assert_true(c->seccomp->flags_given);
	assert_int_equal(c->seccomp->filter_flags, 0);
	joey_config_free(c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_empty_is_off),
		cmocka_unit_test(test_flags_absent),
	};

	return cmocka_run_group_tests_name("oci seccomp", tests, NULL, NULL);
}
