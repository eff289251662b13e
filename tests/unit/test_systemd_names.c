/* SPDX-License-Identifier: Apache-2.0 */
/* The systemd driver without systemd: names and paths of units, what limits and annotations become. */
#include "unit.h"

#include <string.h>

#include "cgroups/systemd-internal.h"

#define SET(x)                        \
	{                             \
		.set = true, .v = (x) \
	}

static void paths(void **state)
{
	static const struct {
		const char *given;
		bool user;
		const char *path, *unit; /* NULL: refused */
	} rows[] = {
		{ NULL, false, "/system.slice/joey-c1.scope", "joey-c1.scope" },
		{ "", false, "/system.slice/joey-c1.scope", "joey-c1.scope" },
		{ NULL, true, "/user.slice/joey-c1.scope", "joey-c1.scope" },
		{ "a.slice:docker:x", false, "/a.slice/docker-x.scope", "docker-x.scope" },
		{ "a-b-c.slice:p:x", false, "/a.slice/a-b.slice/a-b-c.slice/p-x.scope", "p-x.scope" },
		{ ":p:x", false, "/system.slice/p-x.scope", "p-x.scope" },
		{ "-.slice:p:x", false, "/p-x.scope", "p-x.scope" },
		{ "a.slice::x", false, "/a.slice/-x.scope", "-x.scope" },
		{ "system.slice::a-b.slice", false, "/a.slice/a-b.slice", "a-b.slice" },
		{ "/a/b", false, NULL, NULL },
		{ "a:b", false, NULL, NULL },
		{ "a:b:c:d", false, NULL, NULL },
		{ "a.slice:b:", false, NULL, NULL },
		{ "a:b:c", false, NULL, NULL },
		{ "a--b.slice:p:x", false, NULL, NULL },
		{ "-a.slice:p:x", false, NULL, NULL },
		{ "a-.slice:p:x", false, NULL, NULL },
		{ ".slice:p:x", false, NULL, NULL },
		{ "../../x", false, NULL, NULL },
		{ "a/../../b", false, NULL, NULL },
		{ "system.slice:..:x", false, NULL, NULL },
		{ "system.slice:../p:x", false, NULL, NULL },
		{ "system.slice:p:x/../../y", false, NULL, NULL },
		{ "a/b.slice:p:x", false, NULL, NULL },
		{ "..slice:p:x", false, NULL, NULL },
		{ "a.slice:p:x y", false, NULL, NULL },
		{ "a.slice:p:x\ny", false, NULL, NULL },
		{ "a.slice:p:x'y", false, NULL, NULL },
		{ "a.slice:p:-.slice", false, "", "-.slice" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		struct cgroup_sd_unit u = { 0 };
		autofree char *path = NULL;
		int r = cgroup_sd_unit_parse(rows[i].given, "c1", rows[i].user, &u, &err);

		if (r == 0)
			r = cgroup_sd_unit_path(&u, "", &path, &err);
		if ((r == 0) != (rows[i].path != NULL))
			fail_msg("%s: %d %s", rows[i].given, r, joey_err_text(&err));
		if (r == 0) {
			assert_string_equal(path, rows[i].path);
			assert_string_equal(u.unit, rows[i].unit);
		}
		cgroup_sd_unit_done(&u);
	}
}

static void paths_of_a_user(void **state)
{
	static const char manager[] = "/user.slice/user-5.slice/user@5.service";
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct cgroup_sd_unit u = { 0 };
	autofree char *path = NULL;
	uid_t uid = 0;

	(void)state;
	assert_int_equal(cgroup_sd_unit_parse("user.slice:libpod:x", "c1", true, &u, &err), 0);
	assert_int_equal(cgroup_sd_unit_path(&u, manager, &path, &err), 0);
	assert_string_equal(path, "/user.slice/user-5.slice/user@5.service/user.slice/libpod-x.scope");
	assert_int_equal(cgroup_sd_user_of_path(path, &uid), 0);
	assert_int_equal(uid, 5);
	assert_int_equal(cgroup_sd_user_of_path("/system.slice/joey-x.scope", &uid), -ENOENT);
	assert_int_equal(cgroup_sd_user_of_path("/a/user@.service/x.scope", &uid), -ENOENT);
	assert_int_equal(cgroup_sd_user_of_path("/a/user@5x.service/x.scope", &uid), -ENOENT);
	cgroup_sd_unit_done(&u);
	assert_int_equal(cgroup_sd_unit_in_path("/a.slice/b.scope"), 16);
	assert_int_equal(cgroup_sd_unit_in_path("/a.slice/b.scope/c"), 16);
	assert_int_equal(cgroup_sd_unit_in_path("/a.slice/b.scope/c.scope"), 16);
	assert_int_equal(cgroup_sd_unit_in_path("/a.slice/b.slice"), 16);
	assert_int_equal(cgroup_sd_unit_in_path("/user@5.service/b.scope/c"), 23);
}

static void names_by_annotation(void **state)
{
	static const struct {
		const char *value, *want;
		bool bad;
	} rows[] = {
		{ "", NULL, false },
		{ "x", "x", false },
		{ "/x", "x", false },
		{ "//x-1.scope", "x-1.scope", false },
		{ "/", NULL, true },
		{ "x/", NULL, true },
		{ "x/y", NULL, true },
		{ "..", NULL, true },
		{ ".x", NULL, true },
		{ "x\ny", NULL, true },
		{ "cgroup.procs", NULL, true },
	};
	char key[] = "run.oci.delegate-cgroup", value[32];
	struct joey_pair pair = { key, value };
	struct joey_pairs pairs = { &pair, 1 };

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autofree char *name = NULL;
		int r;

		strcpy(value, rows[i].value);
		r = cgroup_annotation_name(&pairs, key, &name, &err);
		assert_int_equal(r, rows[i].bad ? -EINVAL : 0);
		if (rows[i].want)
			assert_string_equal(name, rows[i].want);
		else
			assert_null(name);
	}
}

static void cpu_time(void **state)
{
	(void)state;
	assert_true(cgroup_sd_cpu_usec(50000, 100000) == 500000);
	assert_true(cgroup_sd_cpu_usec(33333, 100000) == 340000);
	assert_true(cgroup_sd_cpu_usec(1000, 100000) == 10000);
	assert_true(cgroup_sd_cpu_usec(1, 1000000) == 10000);
	assert_true(cgroup_sd_cpu_usec(200000, 0) == 2000000);
	assert_true(cgroup_sd_cpu_usec(-1, 100000) == UINT64_MAX);
	assert_true(cgroup_sd_cpu_usec(INT64_MAX, 1) == UINT64_MAX);
}

static void bit_arrays(void **state)
{
	static const struct {
		const char *list, *want;
	} rows[] = {
		{ "0", "[byte 0x01]" },
		{ "0-3,7", "[byte 0x8f]" },
		{ "8", "[byte 0x00, byte 0x01]" },
		{ "1,1,0-1", "[byte 0x03]" },
		{ "3-1", NULL },
		{ "a", NULL },
		{ "1-", NULL },
		{ "1,", NULL },
		{ "99999999", NULL },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autostr struct joey_str s = JOEY_STR_INIT;

		assert_int_equal(cgroup_sd_props_bits(rows[i].list, &s), rows[i].want ? 0 : -EINVAL);
		if (rows[i].want)
			assert_string_equal(s.buf, rows[i].want);
	}
}

static void limits(void **state)
{
	static char cpus[] = "0-1", high[] = "memory.high", high_value[] = "4096", max[] = "cpu.max",
		    max_value[] = "max 50000", other[] = "misc.max", other_value[] = "x";
	struct joey_pair unified[] = { { high, high_value }, { max, max_value }, { other, other_value } };
	struct joey_resources res = {
		.memory = { .limit = SET(1048576), .swap = SET(2097152), .reservation = SET(-1) },
		.cpu = { .shares = SET(1024), .quota = SET(33333), .period = SET(100000), .cpus = cpus },
		.pids_limit = SET(0),
		.unified = { unified, 3 },
	};
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str s = JOEY_STR_INIT, late = JOEY_STR_INIT, none = JOEY_STR_INIT;
	struct joey_resources empty = { 0 }, one = { .pids_limit = SET(0) };

	(void)state;
	assert_int_equal(cgroup_sd_props_limits(&res, true, &s, &err), 0);
	assert_string_equal(s.buf, "MemoryMax=uint64 1048576\n"
				   "MemoryLow=uint64 18446744073709551615\n"
				   "MemorySwapMax=uint64 1048576\n"
				   "CPUWeight=uint64 100\n"
				   "CPUQuotaPeriodUSec=uint64 100000\n"
				   "CPUQuotaPerSecUSec=uint64 340000\n"
				   "TasksMax=uint64 4\n"
				   "AllowedCPUs=[byte 0x03]\n"
				   "MemoryHigh=uint64 4096\n"
				   "CPUQuotaPeriodUSec=uint64 50000\n"
				   "CPUQuotaPerSecUSec=uint64 18446744073709551615\n");
	assert_int_equal(cgroup_sd_props_limits(&one, false, &late, &err), 0);
	assert_string_equal(late.buf, "TasksMax=uint64 1\n");
	assert_int_equal(cgroup_sd_props_limits(&empty, true, &none, &err), 0);
	assert_int_equal(none.len, 0);
}

static void devices(void **state)
{
	struct joey_device_rule rules[] = {
		{ .allow = false, .type = 'a', .major = -1, .minor = -1, .access = 7 },
		{ .allow = true, .type = 'c', .major = 10, .minor = 229, .access = JOEY_DEV_READ | JOEY_DEV_WRITE },
		{ .allow = true, .type = 'b', .major = 8, .minor = -1, .access = JOEY_DEV_READ },
		{ .allow = false, .type = 'b', .major = 8, .minor = 1, .access = JOEY_DEV_READ },
	};
	struct joey_resources res = { .devices = rules, .n_devices = 4 };
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autostr struct joey_str s = JOEY_STR_INIT, all = JOEY_STR_INIT;

	(void)state;
	assert_int_equal(cgroup_sd_props_devices(&res, &s, &err), 0);
	assert_non_null(strstr(s.buf, "DevicePolicy='strict'\nDeviceAllow=[('char-*', 'm'), "));
	assert_non_null(strstr(s.buf, ", ('/dev/char/10:229', 'rw'), ('block-8', 'r')]\n"));
	rules[0].allow = true;
	assert_int_equal(cgroup_sd_props_devices(&res, &all, &err), 0);
	assert_string_equal(all.buf, "DevicePolicy='auto'\n");
}

static void annotations(void **state)
{
	static const struct {
		const char *key, *value, *want; /* NULL: refused */
	} rows[] = {
		{ "org.systemd.property.TimeoutStopUSec", "uint64 5", "TimeoutStopUSec=uint64 5\n" },
		{ "org.systemd.property.TimeoutStopSec", "5", "TimeoutStopUSec=uint64 5000000\n" },
		{ "org.systemd.property.TimeoutStopSec", "uint64 18446744073709551615", NULL },
		{ "org.systemd.property.TimeoutStopSec", "-1", NULL },
		{ "org.systemd.property.TimeoutStopSec", "'5'", NULL },
		{ "org.systemd.property.CollectMode", "'inactive-or-failed'", "CollectMode='inactive-or-failed'\n" },
		{ "org.systemd.property.After", "['a.service']", "After=['a.service']\n" },
		{ "org.systemd.property.DefaultDependencies", "true", "DefaultDependencies=true\n" },
		{ "org.systemd.property.Description", "'a\nSlice=x'", NULL },
		{ "org.systemd.property.Description", "'a'\nSlice='x'", NULL },
		{ "org.systemd.property.Description", "", NULL },
		{ "org.systemd.property.Slice", "'system.slice'", NULL },
		{ "org.systemd.property.PIDs", "[uint32 1]", NULL },
		{ "org.systemd.property.Wants", "['reboot.target']", NULL },
		{ "org.systemd.property.Requires", "['reboot.target']", NULL },
		{ "org.systemd.property.OnFailure", "['reboot.target']", NULL },
		{ "org.systemd.property.FailureAction", "'reboot'", NULL },
		{ "org.systemd.property.Delegate", "true", NULL },
		{ "org.systemd.property.DeviceAllow", "[('/dev/sda', 'rwm')]", NULL },
		{ "org.systemd.property.a", "1", NULL },
		{ "org.systemd.property.", "1", NULL },
		{ "org.systemd.property.Kill Mode", "1", NULL },
		{ "org.systemd.property.After=x", "1", NULL },
		{ "org.systemd.propertyx", "1", "" },
		{ "other", "1", "" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autofree char *key = strdup(rows[i].key), *value = strdup(rows[i].value);
		struct joey_pair pair = { key, value };
		struct joey_pairs pairs = { &pair, 1 };
		autoerr struct joey_err err = JOEY_ERR_INIT;
		autostr struct joey_str s = JOEY_STR_INIT;
		int r = cgroup_sd_props_annotations(&pairs, &s, &err);

		if ((r == 0) != (rows[i].want != NULL))
			fail_msg("%s=%s: %d %s", key, value, r, joey_err_text(&err));
		if (r == 0)
			assert_string_equal(s.buf ? s.buf : "", rows[i].want);
		else
			assert_non_null(strstr(joey_err_text(&err), key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),       cmocka_unit_test(paths_of_a_user),     cmocka_unit_test(cpu_time),
		cmocka_unit_test(limits),      cmocka_unit_test(bit_arrays),          cmocka_unit_test(devices),
		cmocka_unit_test(annotations), cmocka_unit_test(names_by_annotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
