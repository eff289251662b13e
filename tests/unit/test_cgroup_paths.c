/* SPDX-License-Identifier: Apache-2.0 */
/* Path rules of cgroups (oci-checklist 8.1.1, security.md C8), /proc/PID/cgroup, small file helpers, names. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup_tmp.h"
#include "cgroups/cgroups-internal.h"

static void clean_table(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "", "/" },
		{ "/", "/" },
		{ "a", "/a" },
		{ "//a///b//", "/a/b" },
		{ "/a/./b/.", "/a/b" },
		{ "/a/../b", "/b" },
		{ "../../x", "/x" },
		{ "a/../../b", "/b" },
		{ "/../../..", "/" },
		{ "/a/b/c/../../d", "/a/d" },
		{ "...", "/..." },
		{ "/a..b/.c", "/a..b/.c" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		char *p = NULL;

		assert_int_equal(cgroup_path_clean(rows[i].in, &p), 0);
		assert_string_equal(p, rows[i].out);
		free(p);
	}
}

static void build_table(void **state)
{
	static const struct {
		const char *given, *own_parent, *want; /* want NULL: refused */
	} rows[] = {
		{ NULL, "/", "/c1" },
		{ NULL, "/user.slice/me", "/user.slice/me/c1" },
		{ "", "/x", "/x/c1" },
		{ "/abs/p", "/x", "/abs/p" },
		{ "rel/p", "/x", "/x/rel/p" },
		{ "../../x", "/own", "/own/x" },
		{ "a/../../b", "/own", "/own/b" },
		{ "/../../b", "/own", "/b" },
		{ "system.slice:..:x", "/", "/system.slice:..:x" },
		{ "system.slice:runc:id", "/p", "/p/system.slice:runc:id" },
		{ "/", "/x", NULL },
		{ ".", "/x", NULL },
		{ "a/..", "/x", NULL },
		{ "/..", "/x", NULL },
		{ "/a\nb", "/x", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autofree char *p = NULL;
		int r = cgroup_path_build(rows[i].given, "c1", rows[i].own_parent, &p, &err);

		if (rows[i].want) {
			assert_int_equal(r, 0);
			assert_string_equal(p, rows[i].want);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(err.kind, JOEY_EK_CONFIG);
			assert_null(p);
		}
	}
}

static void too_long(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	char name[5000];
	char *p = NULL;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[0] = '/';
	name[257] = '\0';
	assert_int_equal(cgroup_path_build(name, "c1", NULL, &p, &err), -ENAMETOOLONG);
	joey_err_clear(&err);
	name[256] = '\0';
	assert_int_equal(cgroup_path_build(name, "c1", NULL, &p, &err), 0);
	free(p);
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < sizeof(name) - 1; i += 100)
		name[i] = '/';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(cgroup_path_build(name, "c1", NULL, &p, &err), -ENAMETOOLONG);
}

static void own_line(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "0::/\n", "/" },
		{ "9:name=systemd:/\n1:cpu:/x\n0::/a/b\n", "/a/b" },
		{ "0::/a:b/c", "/a:b/c" },
		{ "10::/no\n0::/yes\n", "/yes" },
		{ "1:cpu:/x\n", NULL },
		{ "", NULL },
		{ "1:name=0::/trap:/x\n", NULL },
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autofree char *p = NULL;
		int r = cgroup_host_parse_own(rows[i].text, &p);

		assert_int_equal(r, rows[i].want ? 0 : -ENOENT);
		if (rows[i].want)
			assert_string_equal(p, rows[i].want);
	}
}

static void flat_files(void **state)
{
	uint64_t v = 77;

	(void)state;
	assert_int_equal(cgroup_flat_u64("populated 1\nfrozen 0\n", "frozen", &v), 0);
	assert_int_equal(v, 0);
	assert_int_equal(cgroup_flat_u64("populated 1\nfrozen 0", "populated", &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(cgroup_flat_u64("xpopulated 1\n", "populated", &v), -ENOENT);
	assert_int_equal(cgroup_flat_u64("populated 1x\n", "populated", &v), -EINVAL);
	assert_int_equal(cgroup_flat_u64("populated 99999999999999999999999999\n", "populated", &v), -ERANGE);
	assert_int_equal(cgroup_flat_u64("", "populated", &v), -ENOENT);
	assert_true(cgroup_word_in("cpu io memory", "io"));
	assert_false(cgroup_word_in("cpuset io", "cpu"));
	assert_false(cgroup_word_in("", "cpu"));
}

static void driver_names(void **state)
{
	unsigned i;
	enum joey_cgroup_driver d;

	(void)state;
	for (i = 0; i < JOEY_CGROUP_DRIVER_MAX; i++) {
		assert_int_equal(
			joey_cgroup_driver_from_string(joey_cgroup_driver_to_string((enum joey_cgroup_driver)i), &d),
			0);
		assert_int_equal(d, i);
	}
	assert_int_equal(joey_cgroup_driver_from_string("Cgroupfs", &d), -EINVAL);
	assert_int_equal(joey_cgroup_driver_from_string("", &d), -EINVAL);
}

static void systemd_wants_three_parts(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;

	(void)state;
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_SYSTEMD, "/a/b", "c1", false, &cg, &err), -EINVAL);
	assert_int_equal(err.kind, JOEY_EK_CONFIG);
	assert_string_equal(joey_err_text(&err),
			    "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, "
			    "got \"/a/b\" instead");
	assert_null(cg);
}

/* Everything on an object without a cgroup is harmless. */
static void disabled(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autocgroup struct joey_cgroup *cg = NULL, *again = NULL;
	struct joey_resources res = { 0 };
	struct joey_cgroup_record rec;
	autofree pid_t *pids = NULL;
	bool flag = true;
	size_t n = 9;

	(void)state;
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_DISABLED, "/x", "c1", false, &cg, &err), 0);
	assert_int_equal(joey_cgroup_create(cg, &res, &err), 0);
	assert_int_equal(joey_cgroup_fd(cg), -EBADF);
	joey_cgroup_get_record(cg, &rec);
	assert_int_equal(rec.driver, JOEY_CGROUP_DISABLED);
	assert_null(rec.path);
	assert_false(rec.created);
	assert_int_equal(joey_cgroup_open(&rec, &again, &err), 0);
	assert_int_equal(joey_cgroup_apply(again, &res, &err), 0);
	assert_int_equal(joey_cgroup_apply_devices(again, &res, false, &err), 0);
	assert_int_equal(joey_cgroup_add(again, 1, &err), 0);
	assert_int_equal(joey_cgroup_is_frozen(again, &flag, &err), 0);
	assert_false(flag);
	flag = true;
	assert_int_equal(joey_cgroup_is_populated(again, &flag), 0);
	assert_false(flag);
	assert_int_equal(joey_cgroup_pids(again, &pids, &n, &err), 0);
	assert_int_equal(n, 0);
	assert_int_equal(joey_cgroup_kill(again, &err), 0);
	assert_int_equal(joey_cgroup_destroy(again, &err), 0);
	assert_int_equal(err.errnum, 0);
	assert_int_equal(joey_cgroup_set_frozen(again, true, &err), -EOPNOTSUPP);
	joey_err_clear(&err);
	res.pids_limit.set = true;
	res.pids_limit.v = 5;
	assert_int_equal(joey_cgroup_apply(again, &res, &err), -EOPNOTSUPP);
}

static void hostile_records(void **state)
{
	static const char *const paths[] = { "/", "", "a", "/a/../b", "/a/", "/../etc", "//a" };
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(paths); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autofree char *path = strdup(paths[i]);
		struct joey_cgroup_record rec = { .driver = JOEY_CGROUP_CGROUPFS, .path = path, .created = true };
		struct joey_cgroup *cg = NULL;

		assert_int_equal(joey_cgroup_open(&rec, &cg, &err), -EBADMSG);
		assert_null(cg);
	}
}

static int count_enter(int fd, void *arg)
{
	(void)fd;
	++*(int *)arg;
	return 0;
}

static int rm(int parent_fd, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* A container can nest as deep as it likes: neither the stack nor the descriptor table may give out. */
static void deep_tree(void **state)
{
	static const struct cgroup_visit count = { .enter = count_enter }, remove = { .leave = rm };
	struct tmp_dir t;
	autoclose int cur = -EBADF;
	int i, n = 0;

	(void)state;
	tmp_make(&t);
	cur = dup(t.fd);
	for (i = 0; i < 3000; i++) {
		int next;

		assert_int_equal(mkdirat(cur, "d", 0700), 0);
		if (i % 100 == 0) {
			assert_int_equal(mkdirat(cur, "side", 0700), 0);
			assert_int_equal(mkdirat(cur, "also", 0700), 0);
		}
		next = openat(cur, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		joey_close(cur);
		cur = next;
	}
	assert_int_equal(cgroup_tree_walk(t.fd, &count, &n), 0);
	assert_int_equal(n, 3061);
	assert_int_equal(cgroup_tree_walk(t.fd, &remove, NULL), 0);
	n = 0;
	assert_int_equal(cgroup_tree_walk(t.fd, &count, &n), 0);
	assert_int_equal(n, 1);
	tmp_remove(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_table),     cmocka_unit_test(build_table),
		cmocka_unit_test(too_long),        cmocka_unit_test(own_line),
		cmocka_unit_test(flat_files),      cmocka_unit_test(driver_names),
		cmocka_unit_test(disabled),        cmocka_unit_test(systemd_wants_three_parts),
		cmocka_unit_test(hostile_records), cmocka_unit_test(deep_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
