/* SPDX-License-Identifier: Apache-2.0 */
/* oci: the process object. */
#include "oci_test.h"

#include <linux/sched.h>
#include <sys/resource.h>

#include "joey/json.h"

#define BEFORE "{" ROOT ",\"process\":{"
#define AFTER  "}}"
#define CMD    "\"cwd\":\"/\",\"args\":[\"sh\"]"

static const struct oci_case basics[] = {
	{ CMD, NULL },
	{ "\"args\":[\"sh\"]", "process.cwd: Cwd property must not be empty" },
	{ "\"args\":[\"sh\"],\"cwd\":\"\"", "process.cwd: Cwd property must not be empty" },
	{ "\"args\":[\"sh\"],\"cwd\":\"tmp\"", "process.cwd: Cwd must be an absolute path" },
	{ "\"args\":[\"sh\"],\"cwd\":null", "process.cwd: Cwd property must not be empty" },
	{ "\"args\":[\"sh\"],\"cwd\":1", "process.cwd: must be a string" },
	{ "\"cwd\":\"/\"", "process.args: args must not be empty" },
	{ "\"cwd\":\"/\",\"args\":[]", "process.args: args must not be empty" },
	{ "\"cwd\":\"/\",\"args\":null", "process.args: args must not be empty" },
	{ "\"cwd\":\"/\",\"args\":[1]", "process.args[0]: must be a string" },
	{ "\"cwd\":\"/\",\"args\":[\"a\",null]", "process.args[1]: must be a string" },
	{ CMD ",\"commandLine\":\"x\",\"user\":{\"username\":\"joe\"},\"futureKey\":[{}]", NULL },
	{ CMD ",\"terminal\":1", "process.terminal: must be true or false" },
	{ CMD ",\"terminal\":true,\"consoleSize\":{\"height\":70000,\"width\":1}",
	  "process.consoleSize: height and width must be below 65536" },
	{ CMD ",\"consoleSize\":{\"height\":70000,\"width\":1}", NULL },
	{ CMD ",\"consoleSize\":{\"height\":-1,\"width\":1}",
	  "process.consoleSize.height: -1 is not a whole number from 0 to 4294967295" },
	{ CMD ",\"env\":[\"A=b\",\"C\"]", "process.env[1]: invalid environment variable: missing '='" },
	{ CMD ",\"env\":[\"=b\"]", "process.env[0]: invalid environment variable: name cannot be empty" },
	{ CMD ",\"env\":[\"A=\"]", NULL },
	{ CMD ",\"env\":null,\"capabilities\":null,\"rlimits\":null,\"oomScoreAdj\":null,\"scheduler\":null", NULL },
	{ CMD ",\"oomScoreAdj\":-1001", "process.oomScoreAdj: -1001 is not from -1000 to 1000" },
	{ CMD ",\"oomScoreAdj\":1001", "process.oomScoreAdj: 1001 is not from -1000 to 1000" },
	{ CMD ",\"oomScoreAdj\":1.0",
	  "process.oomScoreAdj: 1.0 is not a whole number from -9223372036854775808 to 9223372036854775807" },
	{ CMD ",\"apparmorProfile\":\"a\\nb\"", "process.apparmorProfile: must not contain control characters" },
	{ CMD ",\"selinuxLabel\":\"a\\tb\"", "process.selinuxLabel: must not contain control characters" },
	{ CMD ",\"execCPUAffinity\":{\"initial\":\"0-3,8\",\"final\":\"\"}", NULL },
	{ CMD ",\"execCPUAffinity\":{\"initial\":\"3-1\"}",
	  "process.execCPUAffinity.initial: \"3-1\" is not a list of CPUs" },
	{ CMD ",\"execCPUAffinity\":{\"final\":\"1,\"}",
	  "process.execCPUAffinity.final: \"1,\" is not a list of CPUs" },
};

static const struct oci_case users[] = {
	{ CMD ",\"user\":{\"uid\":4294967294,\"gid\":0,\"additionalGids\":[1,2],\"umask\":511}", NULL },
	{ CMD ",\"user\":{\"uid\":4294967295}",
	  "process.user.uid: 4294967295 is not a whole number from 0 to 4294967294" },
	{ CMD ",\"user\":{\"gid\":-1}", "process.user.gid: -1 is not a whole number from 0 to 4294967294" },
	{ CMD ",\"user\":{\"umask\":512}", "process.user.umask: 512 is not a file mode mask from 0 to 511" },
	{ CMD ",\"user\":{\"additionalGids\":[0,4294967295]}",
	  "process.user.additionalGids[1]: 4294967295 is not a whole number from 0 to 4294967294" },
	{ CMD ",\"user\":{\"additionalGids\":[\"0\"]}", "process.user.additionalGids[0]: must be a number" },
	{ CMD ",\"user\":[]", "process.user: must be an object" },
};

#define RL(type) "{\"type\":\"" type "\",\"soft\":1,\"hard\":2}"

static const struct oci_case rlimits[] = {
	{ CMD ",\"rlimits\":[" RL("RLIMIT_NOFILE") "," RL("RLIMIT_CORE") "]", NULL },
	{ CMD ",\"rlimits\":[" RL("RLIMIT_FOO") "]", "process.rlimits[0].type: wrong rlimit value: RLIMIT_FOO" },
	{ CMD ",\"rlimits\":[" RL("rlimit_core") "]", "process.rlimits[0].type: wrong rlimit value: rlimit_core" },
	{ CMD ",\"rlimits\":[" RL("RLIMIT_AS") "," RL("RLIMIT_AS") "]",
	  "process.rlimits: duplicate rlimit \"RLIMIT_AS\"" },
	{ CMD ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2,\"hard\":1}]",
	  "process.rlimits[0]: soft limit is above the hard limit" },
	{ CMD ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":2}]", "process.rlimits[0].hard: must be given" },
	{ CMD ",\"rlimits\":[{\"soft\":2,\"hard\":2}]", "process.rlimits[0].type: must be given" },
	{ CMD ",\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":18446744073709551616,\"hard\":2}]",
	  "process.rlimits[0].soft: 18446744073709551616 is not a whole number from 0 to 18446744073709551615" },
	{ CMD ",\"rlimits\":[null]", "process.rlimits[0]: must be an object" },
};

#define SCHED(x) CMD ",\"scheduler\":{" x "}"

static const struct oci_case scheds[] = {
	{ SCHED("\"policy\":\"SCHED_BATCH\",\"nice\":-20"), NULL },
	{ SCHED("\"policy\":\"SCHED_FIFO\",\"priority\":10,\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]"), NULL },
	{ SCHED("\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,\"period\":3"), NULL },
	{ SCHED(""), "process.scheduler: scheduler policy is required" },
	{ SCHED("\"policy\":\"\""), "process.scheduler.policy: scheduler policy is required" },
	{ SCHED("\"policy\":\"SCHED_FOO\""), "process.scheduler.policy: invalid scheduler policy: SCHED_FOO" },
	{ SCHED("\"policy\":\"SCHED_OTHER\",\"flags\":[\"X\"]"),
	  "process.scheduler.flags[0]: invalid scheduler flag: X" },
	{ SCHED("\"policy\":\"SCHED_OTHER\",\"nice\":20"), "process.scheduler: invalid scheduler.nice: 20" },
	{ SCHED("\"policy\":\"SCHED_OTHER\",\"nice\":-21"), "process.scheduler: invalid scheduler.nice: -21" },
	{ SCHED("\"policy\":\"SCHED_RR\",\"nice\":1"),
	  "process.scheduler: scheduler.nice can only be specified for SchedOther or SchedBatch policy" },
	{ SCHED("\"policy\":\"SCHED_OTHER\",\"priority\":1"),
	  "process.scheduler: scheduler.priority can only be specified for SchedFIFO or SchedRR policy" },
	{ SCHED("\"policy\":\"SCHED_RR\",\"period\":1"),
	  "process.scheduler: scheduler runtime/deadline/period can only be specified for SchedDeadline policy" },
};

#define IOPRIO(x) CMD ",\"ioPriority\":{" x "}"

static const struct oci_case ioprios[] = {
	{ IOPRIO("\"class\":\"IOPRIO_CLASS_BE\",\"priority\":7"), NULL },
	{ IOPRIO("\"class\":\"IOPRIO_CLASS_RT\",\"priority\":8"),
	  "process.ioPriority.priority: invalid ioPriority.Priority: 8" },
	{ IOPRIO("\"class\":\"IOPRIO_CLASS_RT\",\"priority\":-1"),
	  "process.ioPriority.priority: invalid ioPriority.Priority: -1" },
	{ IOPRIO("\"class\":\"BE\",\"priority\":1"), "process.ioPriority.class: invalid ioPriority.Class: \"BE\"" },
	{ IOPRIO("\"priority\":1"), "process.ioPriority.class: invalid ioPriority.Class: \"\"" },
};

static void test_cases(void **state)
{
	(void)state;
	CHECK_CASES(BEFORE, basics, AFTER);
	CHECK_CASES(BEFORE, users, AFTER);
	CHECK_CASES(BEFORE, rlimits, AFTER);
	CHECK_CASES(BEFORE, scheds, AFTER);
	CHECK_CASES(BEFORE, ioprios, AFTER);
}

static void test_values(void **state)
{
	struct joey_config *c = parse_good(
		BEFORE,
		CMD ",\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},\"noNewPrivileges\":true,"
		    "\"user\":{\"uid\":1,\"gid\":2,\"umask\":0,\"additionalGids\":[5,6]},"
		    "\"oomScoreAdj\":0,\"apparmorProfile\":\"p\",\"selinuxLabel\":\"\","
		    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1024,\"hard\":18446744073709551615}],"
		    "\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":3,"
		    "\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\",\"SCHED_FLAG_RECLAIM\"]},"
		    "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":0},"
		    "\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"1-2\"}",
		AFTER);
	const struct joey_process *p = c->process;

	(void)state;
	assert_true(p->terminal && p->no_new_privileges);
	assert_int_equal(p->console_height, 25);
	assert_int_equal(p->console_width, 80);
	assert_int_equal(p->user.uid, 1);
	assert_int_equal(p->user.gid, 2);
	assert_true(p->user.umask.set && p->user.umask.v == 0);
	assert_int_equal(p->user.n_additional_gids, 2);
	assert_int_equal(p->user.additional_gids[1], 6);
	assert_true(p->oom_score_adj.set && p->oom_score_adj.v == 0);
	assert_string_equal(p->apparmor_profile, "p");
	assert_null(p->selinux_label);
	assert_int_equal(p->n_rlimits, 1);
	assert_int_equal(p->rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(p->rlimits[0].hard == UINT64_MAX && p->rlimits[0].soft == 1024);
	assert_int_equal(p->scheduler->policy, SCHED_RR);
	assert_int_equal(p->scheduler->flags, 3);
	assert_int_equal(p->io_priority->class, 3);
	assert_string_equal(p->cpu_affinity_initial, "0");
	assert_string_equal(p->cpu_affinity_final, "1-2");
	assert_null(p->args.v[p->args.n]);
	assert_null(p->caps);
	joey_config_free(c);
}

static void test_absent(void **state)
{
	struct joey_config *c = parse_good(BEFORE, CMD ",\"consoleSize\":{\"height\":5,\"width\":5}", AFTER);

	(void)state;
	assert_false(c->process->oom_score_adj.set);
	assert_false(c->process->user.umask.set);
	assert_null(c->process->scheduler);
	assert_null(c->process->io_priority);
	/* without a terminal the size is ignored */
	assert_int_equal(c->process->console_height, 0);
	joey_config_free(c);
}

static void test_env(void **state)
{
	struct joey_config *c =
		parse_good(BEFORE, CMD ",\"env\":[\"A=1\",\"B=1\",\"AA=1\",\"A=2=3\",\"C=1\",\"A=\",\"B=2\"]", AFTER);
	const struct joey_strlist *env = &c->process->env;

	(void)state;
	assert_int_equal(env->n, 4);
	assert_string_equal(env->v[0], "AA=1");
	assert_string_equal(env->v[1], "C=1");
	assert_string_equal(env->v[2], "A=");
	assert_string_equal(env->v[3], "B=2");
	assert_null(env->v[4]);
	joey_config_free(c);
}

static void test_capabilities(void **state)
{
	struct warnings w = { 0 };
	struct joey_config *c;

	(void)state;
	joey_log_set_sink(note_warning, &w, JOEY_LOG_WARNING);
	c = parse_good(
		BEFORE,
		CMD ",\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\",\"CAP_FUTURE\"],"
		    "\"permitted\":[\"CAP_FUTURE\",\"\",\"cap_kill\",\"CAP_KILL\"],\"effective\":[],\"ambient\":null}",
		AFTER);
	joey_log_set_sink(NULL, NULL, JOEY_LOG_WARNING);
	assert_int_equal(w.n, 1);
	assert_string_equal(w.last, "ignoring unknown or unavailable capabilities: [CAP_FUTURE cap_kill]");
	assert_non_null(c->process->caps);
	assert_int_equal(c->process->caps->bounding, UINT64_C(1) << 0 | UINT64_C(1) << 21);
	assert_int_equal(c->process->caps->permitted, UINT64_C(1) << 5);
	assert_int_equal(c->process->caps->effective, 0);
	joey_config_free(c);

	c = parse_good(BEFORE, CMD ",\"capabilities\":{}", AFTER);
	assert_non_null(c->process->caps);
	joey_config_free(c);
}

static void test_cap_names(void **state)
{
	unsigned cap = 0;

	(void)state;
	assert_int_equal(joey_cap_from_string("CAP_CHECKPOINT_RESTORE", &cap), 0);
	assert_int_equal(cap, 40);
	assert_int_equal(joey_cap_from_string("cap_chown", &cap), -ENOENT);
	assert_int_equal(joey_cap_from_string("CHOWN", &cap), -ENOENT);
	assert_int_equal(joey_cap_from_string("CAP_", &cap), -ENOENT);
	assert_int_equal(joey_cap_from_string("CAP_12", &cap), -ENOENT);
	assert_int_equal(joey_cap_from_string("", &cap), -ENOENT);
	assert_int_equal(joey_cap_from_string("CAP_CHOWN ", &cap), -ENOENT);
}

/* exec --process: the same object alone */
static void test_alone(void **state)
{
	static const char good[] = "{" CMD ",\"env\":[\"A=b\"]}", bad[] = "{" CMD ",\"oomScoreAdj\":5000}";
	struct joey_arena arena = JOEY_ARENA_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_process *p = NULL;

	(void)state;
	assert_int_equal(joey_process_parse(good, strlen(good), &arena, &p, &err), 0);
	assert_string_equal(p->env.v[0], "A=b");
	p = NULL;
	assert_int_equal(joey_process_parse(bad, strlen(bad), &arena, &p, &err), -EINVAL);
	assert_null(p);
	assert_string_equal(err.msg, "process: oomScoreAdj: 5000 is not from -1000 to 1000");
	joey_err_clear(&err);
	assert_true(joey_process_parse("null", 4, &arena, &p, &err) < 0);
	joey_err_clear(&err);
	assert_true(joey_process_parse("[]", 2, &arena, &p, &err) < 0);
	assert_string_equal(err.msg, "process: must be an object");
	joey_arena_done(&arena);
}

/* ---- written ------------------------------------------------------------------------------------------------ */

static void parse_alone(const char *text, struct joey_arena *arena, struct joey_process **ret)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	int r = joey_process_parse(text, strlen(text), arena, ret, &err);

	if (r < 0)
		fail_msg("%s: %s", joey_err_text(&err), text);
}

static char *write_alone(const struct joey_process *p)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	char *text = NULL;

	joey_process_write(o, NULL, p);
	assert_int_equal(joey_json_out_finish(o, &text, NULL), 0);
	return text;
}

static void same_list(const struct joey_strlist *a, const struct joey_strlist *b)
{
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_string_equal(a->v[i], b->v[i]);
}

static void same_text(const char *a, const char *b)
{
	assert_true(joey_streq(a, b));
}

#define SAME_BLOCK(a, b, n)                                            \
	do {                                                           \
		assert_int_equal((a) == NULL, (b) == NULL);            \
		if ((a) && (n) > 0)                                    \
			assert_memory_equal(a, b, (n) * sizeof(*(a))); \
	} while (0)

static void same_process(const struct joey_process *a, const struct joey_process *b)
{
	assert_int_equal(a->terminal, b->terminal);
	assert_int_equal(a->console_height, b->console_height);
	assert_int_equal(a->console_width, b->console_width);
	same_text(a->cwd, b->cwd);
	same_list(&a->args, &b->args);
	same_list(&a->env, &b->env);
	assert_int_equal(a->user.uid, b->user.uid);
	assert_int_equal(a->user.gid, b->user.gid);
	assert_int_equal(a->user.umask.set, b->user.umask.set);
	assert_int_equal(a->user.umask.v, b->user.umask.v);
	assert_int_equal(a->user.n_additional_gids, b->user.n_additional_gids);
	SAME_BLOCK(a->user.additional_gids, b->user.additional_gids, a->user.n_additional_gids);
	SAME_BLOCK(a->caps, b->caps, 1);
	assert_int_equal(a->n_rlimits, b->n_rlimits);
	SAME_BLOCK(a->rlimits, b->rlimits, a->n_rlimits);
	assert_int_equal(a->no_new_privileges, b->no_new_privileges);
	same_text(a->apparmor_profile, b->apparmor_profile);
	same_text(a->selinux_label, b->selinux_label);
	assert_int_equal(a->oom_score_adj.set, b->oom_score_adj.set);
	assert_int_equal(a->oom_score_adj.v, b->oom_score_adj.v);
	SAME_BLOCK(a->scheduler, b->scheduler, 1);
	SAME_BLOCK(a->io_priority, b->io_priority, 1);
	same_text(a->cpu_affinity_initial, b->cpu_affinity_initial);
	same_text(a->cpu_affinity_final, b->cpu_affinity_final);
}

static void test_written(void **state)
{
	static const char *const processes[] = {
		"{" CMD "}",
		"{\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},\"cwd\":\"/a b\","
		"\"args\":[\"sh\",\"-c\",\"\",\"caf\u00e9 \\n\\\"\\u0001\"],\"env\":[\"A=\",\"B=c=d\"],"
		"\"user\":{\"uid\":4294967294,\"gid\":7,\"umask\":0,\"additionalGids\":[0,4294967294]},"
		"\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_CHECKPOINT_RESTORE\"],\"effective\":[\"CAP_KILL\"]"
		","
		"\"inheritable\":[\"CAP_SYS_ADMIN\"],\"permitted\":[\"CAP_BPF\"],\"ambient\":[\"CAP_AUDIT_READ\"]},"
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":18446744073709551615},"
		"{\"type\":\"RLIMIT_STACK\",\"soft\":1,\"hard\":2}],"
		"\"noNewPrivileges\":true,\"apparmorProfile\":\"p\",\"selinuxLabel\":\"a:b:c:s0\",\"oomScoreAdj\":-"
		"1000,"
		"\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"flags\":[\"SCHED_FLAG_RECLAIM\",\"SCHED_FLAG_RESET_ON_"
		"FORK\"],"
		"\"runtime\":1,\"deadline\":18446744073709551615,\"period\":3},"
		"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":7},"
		"\"execCPUAffinity\":{\"initial\":\"0-3,8\",\"final\":\"1\"}}",
		"{" CMD
		",\"oomScoreAdj\":0,\"capabilities\":{},\"user\":{\"umask\":511},\"execCPUAffinity\":{\"final\":\"2\"},"
		"\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":-20}}",
		"{" CMD ",\"scheduler\":{\"policy\":\"SCHED_RR\",\"priority\":99},"
		"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_RT\"}}",
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(processes); i++) {
		struct joey_arena arena = JOEY_ARENA_INIT;
		struct joey_process *a = NULL, *b = NULL;
		autofree char *text = NULL;

		parse_alone(processes[i], &arena, &a);
		text = write_alone(a);
		parse_alone(text, &arena, &b);
		same_process(a, b);
		joey_arena_done(&arena);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_values),       cmocka_unit_test(test_absent),
		cmocka_unit_test(test_env),   cmocka_unit_test(test_capabilities), cmocka_unit_test(test_cap_names),
		cmocka_unit_test(test_alone), cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests_name("oci process", tests, NULL, NULL);
}
