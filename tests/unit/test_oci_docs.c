/* SPDX-License-Identifier: Apache-2.0 */
/* oci: the name tables, and the documents of `joey spec` and `joey features`. */
#include "oci_test.h"

#include <ctype.h>
#include <sys/resource.h>

#include "joey/json.h"
#include "oci/oci-internal.h"

/* Every name leads to its value, and every value back to a name of that value. */
static void test_round_trip(void **state)
{
	size_t total = 0;

	(void)state;
	for (size_t t = 0; oci_names_all[t]; t++) {
		const struct oci_names *names = oci_names_all[t];
		uint64_t value = 0;

		assert_true(names->n > 0);
		for (size_t i = 0; i < names->n; i++) {
			uint64_t back = ~names->v[i].value;

			assert_true(oci_name_lookup(names, names->v[i].name, &value));
			assert_int_equal(value, names->v[i].value);
			assert_true(oci_name_lookup(names, oci_name_of(names, value), &back));
			assert_int_equal(back, value);
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(names->v[i].name, names->v[j].name);
			total++;
		}
		assert_false(oci_name_lookup(names, "no such name", &value));
		assert_false(oci_name_lookup(names, "", &value));
		assert_null(oci_name_of(names, UINT64_C(0xdeadbeefdeadbeef)));
	}
	print_message("%zu names\n", total);
}

static void test_every_enum_has_a_name(void **state)
{
	(void)state;
	for (unsigned ns = 0; ns < JOEY_NS_MAX; ns++)
		assert_non_null(oci_name_of(&oci_names_namespaces, ns));
	for (unsigned kind = 0; kind < JOEY_HOOK_MAX; kind++)
		assert_non_null(joey_hook_kind_to_string((enum joey_hook_kind)kind));
	for (unsigned r = 0; r < RLIM_NLIMITS; r++)
		assert_non_null(oci_name_of(&oci_names_rlimits, r));
	assert_string_equal(joey_hook_kind_to_string(JOEY_HOOK_CREATE_CONTAINER), "createContainer");
	assert_string_equal(oci_name_of(&oci_names_seccomp_actions, 0), "SCMP_ACT_KILL_THREAD");
}

static void test_lists(void **state)
{
	static const char *const good[] = { "0", "0-3", "0,2,4-7", "65535", "7-7" };
	static const char *const bad[] = {
		"", ",", "1,", ",1", "1-", "-1", "3-2", "a", "1 ", "65536", "1--2", "0-1-2"
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(good); i++)
		assert_true(oci_is_list(good[i]));
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++)
		assert_false(oci_is_list(bad[i]));
	assert_true(oci_is_word("mlx5_0"));
	assert_false(oci_is_word(""));
	assert_false(oci_is_word("a b"));
	assert_false(oci_is_word("a\n"));
	assert_false(oci_is_word("\xc3\xbc"));
}

/* ---- spec ------------------------------------------------------------------------------------------------------- */

static struct joey_config *parse_spec(bool rootless)
{
	struct joey_config *c = NULL;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *text = NULL;

	assert_int_equal(joey_spec_default(rootless, 1000, 1001, &text, &err), 0);
	assert_int_equal(text[strlen(text) - 1], '\n');
	c = parse_text(text, &err);
	if (!c)
		fail_msg("%s", joey_err_text(&err));
	return c;
}

static void test_spec(void **state)
{
	struct joey_config *c = parse_spec(false);
	static const bool present[JOEY_NS_MAX] = {
		[JOEY_NS_PID] = true, [JOEY_NS_NET] = true, [JOEY_NS_IPC] = true,
		[JOEY_NS_UTS] = true, [JOEY_NS_MNT] = true, [JOEY_NS_CGROUP] = true,
	};

	(void)state;
	assert_string_equal(c->hostname, "joey");
	assert_string_equal(c->rootfs, "rootfs");
	assert_true(c->rootfs_readonly);
	assert_true(c->process->terminal && c->process->no_new_privileges);
	assert_string_equal(c->process->cwd, "/");
	assert_string_equal(c->process->args.v[0], "sh");
	assert_int_equal(c->process->env.n, 2);
	assert_int_equal(c->process->caps->bounding, 1u << 29 | 1u << 5 | 1u << 10);
	assert_int_equal(c->process->caps->permitted, c->process->caps->effective);
	assert_int_equal(c->process->caps->inheritable, 0);
	assert_int_equal(c->process->caps->ambient, 0);
	assert_int_equal(c->process->rlimits[0].resource, RLIMIT_NOFILE);
	assert_true(c->process->rlimits[0].soft == 1024 && c->process->rlimits[0].hard == 1024);
	for (unsigned ns = 0; ns < JOEY_NS_MAX; ns++)
		assert_int_equal(c->ns[ns].present, present[ns]);
	assert_int_equal(c->n_mounts, 7);
	assert_int_equal(c->masked_paths.n, 11);
	assert_int_equal(c->readonly_paths.n, 5);
	assert_int_equal(c->resources->n_devices, 1);
	assert_false(c->resources->devices[0].allow);
	joey_config_free(c);
}

static void test_spec_rootless(void **state)
{
	struct joey_config *c = parse_spec(true);

	(void)state;
	assert_true(c->ns[JOEY_NS_USER].present);
	assert_false(c->ns[JOEY_NS_NET].present);
	assert_int_equal(c->uid_mappings.v[0].host_id, 1000);
	assert_int_equal(c->gid_mappings.v[0].host_id, 1001);
	assert_int_equal(c->gid_mappings.v[0].size, 1);
	assert_int_equal(c->resources->n_devices, 0);
	for (size_t i = 0; i < c->n_mounts; i++) {
		const struct joey_mount *m = &c->mounts[i];

		for (size_t j = 0; j < m->options.n; j++)
			assert_false(joey_startswith(m->options.v[j], "gid="));
		if (joey_streq(m->destination, "/sys"))
			assert_true(m->opts->rbind);
	}
	joey_config_free(c);
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

static bool has_string(const struct joey_json *list, const char *text)
{
	assert_non_null(list);
	assert_int_equal(list->type, JOEY_JSON_ARRAY);
	for (size_t i = 0; i < list->u.array.n; i++)
		if (joey_streq(list->u.array.v[i]->u.text, text))
			return true;
	return false;
}

static const struct joey_json *find(const struct joey_json *o, const char *path)
{
	char part[64];

	while (*path) {
		size_t n = strcspn(path, "/");

		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		o = joey_json_get(o, part);
		if (!o)
			fail_msg("features lacks %s", part);
		path += n;
		path += *path == '/';
	}
	return o;
}

static void test_features(void **state)
{
	static const char *const objects[] = {
		"linux/cgroup/v1",          "linux/cgroup/v2",           "linux/cgroup/systemd",
		"linux/cgroup/systemdUser", "linux/cgroup/rdma",         "linux/seccomp/enabled",
		"linux/apparmor/enabled",   "linux/selinux/enabled",     "linux/intelRdt/enabled",
		"linux/intelRdt/schemata",  "linux/intelRdt/monitoring", "linux/mountExtensions/idmap/enabled",
		"linux/netDevices/enabled",
	};
	static const struct {
		const char *list, *member;
	} members[] = {
		{ "hooks", "createRuntime" },
		{ "hooks", "poststop" },
		{ "mountOptions", "rro" },
		{ "mountOptions", "rnodev" },
		{ "linux/namespaces", "user" },
		{ "linux/namespaces", "time" },
		{ "linux/capabilities", "CAP_CHECKPOINT_RESTORE" },
		{ "linux/seccomp/actions", "SCMP_ACT_NOTIFY" },
		{ "linux/seccomp/operators", "SCMP_CMP_MASKED_EQ" },
		{ "linux/seccomp/archs", "SCMP_ARCH_AARCH64" },
		{ "linux/seccomp/knownFlags", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" },
		{ "linux/memoryPolicy/modes", "MPOL_WEIGHTED_INTERLEAVE" },
		{ "linux/memoryPolicy/flags", "MPOL_F_STATIC_NODES" },
		{ "potentiallyUnsafeConfigAnnotations", "bundle" },
		{ "potentiallyUnsafeConfigAnnotations", "org.systemd.property." },
		{ "potentiallyUnsafeConfigAnnotations", "run.oci." },
	};
	struct joey_arena arena = JOEY_ARENA_INIT;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autofree char *text = NULL;
	struct joey_json *doc = NULL;
	const struct joey_json *annotations;

	(void)state;
	assert_int_equal(joey_features("1.2.3", "abc", NULL, &text, &err), 0);
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_int_equal(joey_json_parse(text, strlen(text), 1 << 20, &arena, &doc, &err), 0);
	assert_string_equal(joey_json_get_string(doc, "ociVersionMin"), "1.0.0");
	assert_string_equal(joey_json_get_string(doc, "ociVersionMax"), "1.3.0");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(objects); i++)
		assert_int_equal(find(doc, objects[i])->type, JOEY_JSON_BOOL);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(members); i++)
		if (!has_string(find(doc, members[i].list), members[i].member))
			fail_msg("%s lacks %s", members[i].list, members[i].member);
	assert_int_equal(find(doc, "linux/capabilities")->u.array.n, 41);
	assert_int_equal(find(doc, "linux/seccomp/supportedFlags")->type, JOEY_JSON_ARRAY);
	annotations = find(doc, "annotations");
	for (size_t i = 0; i < annotations->u.object.n; i++) {
		assert_int_equal(annotations->u.object.v[i]->type, JOEY_JSON_STRING);
		assert_null(strchr(annotations->u.object.v[i]->u.text, '\n'));
	}
	assert_string_equal(joey_json_get_string(annotations, "io.joey.version"), "1.2.3");
	joey_arena_done(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_every_enum_has_a_name),
		cmocka_unit_test(test_lists),         cmocka_unit_test(test_spec),
		cmocka_unit_test(test_spec_rootless), cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests_name("oci documents", tests, NULL, NULL);
}
