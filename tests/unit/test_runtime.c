/* SPDX-License-Identifier: Apache-2.0 */
/* src/runtime over the fake backend: order of a life, refusals, hooks, failed creates, list. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "runtime/runtime-internal.h"
#include "runtime_fixture.h"

#define ALL_HOOKS                                                                                                    \
	"{\"prestart\":[{\"path\":\"/p\"}],\"createRuntime\":[{\"path\":\"/p\"}],\"poststart\":[{\"path\":\"/p\"}]," \
	"\"poststop\":[{\"path\":\"/p\"}]}"

static void test_life(void **state)
{
	struct fixture *f = *state;
	autofree char *json = NULL, *text = NULL;

	f->o.pid_file = f->pid_file;
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_string_equal(fake_trace(), "create save save");
	assert_true(fixture_exists(f, "c1/state.json"));
	assert_true(fixture_exists(f, "c1/config.json"));
	assert_int_equal(joey_read_file_at(AT_FDCWD, f->pid_file, 0, 100, &text, NULL), 0);
	assert_int_equal(strspn(text, "0123456789"), strlen(text)); /* no newline */
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_CREATED);
	assert_ok(f, joey_rt_start(&f->rt, "c1", &f->err));
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_RUNNING);
	assert_error(f, joey_rt_start(&f->rt, "c1", &f->err), "cannot start an already running container");
	assert_error(f, joey_rt_delete(&f->rt, "c1", false, &f->err),
		     "cannot delete container c1 that is not stopped: running");
	assert_ok(f, joey_rt_kill(&f->rt, "c1", 0, false, &f->err));
	assert_ok(f, joey_rt_kill(&f->rt, "c1", SIGKILL, false, &f->err));
	assert_int_equal(joey_wait_pid(fake.pid, &(int){ 0 }), 0);
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_STOPPED);
	assert_error(f, joey_rt_kill(&f->rt, "c1", SIGTERM, false, &f->err), "container not running");
	assert_ok(f, joey_rt_kill(&f->rt, "c1", 0, true, &f->err));
	assert_error(f, joey_rt_start(&f->rt, "c1", &f->err), "cannot start a container that has stopped");
	assert_ok(f, joey_rt_state(&f->rt, "c1", &json, &f->err));
	assert_non_null(strstr(json, "\"pid\": 0,"));
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
	assert_false(fixture_exists(f, "c1"));
	assert_error(f, joey_rt_delete(&f->rt, "c1", false, &f->err), "container does not exist");
}

static void test_state_document(void **state)
{
	static const char *const keys[] = { "ociVersion", "id",      "pid",         "status", "bundle",
					    "rootfs",     "created", "annotations", "owner" };
	struct fixture *f = *state;
	autofree char *json = NULL;
	autostr struct joey_str want = JOEY_STR_INIT;
	const char *at;

	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_ok(f, joey_rt_state(&f->rt, "c1", &json, &f->err));
	at = json;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(keys); i++) {
		char line[64];

		snprintf(line, sizeof(line), "\n  \"%s\": ", keys[i]);
		at = strstr(at, line);
		assert_non_null(at);
	}
	joey_str_printf(&want, "\"bundle\": \"%s\",\n  \"rootfs\": \"%s/rootfs\",", f->bundle, f->bundle);
	assert_non_null(strstr(json, want.buf));
	assert_non_null(strstr(json, "\"owner\": \"\""));
	assert_non_null(strstr(json, "\"a.b\": \"c\""));
	assert_true(json[strlen(json) - 1] == '}' || json[strlen(json) - 1] == '\n');
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	char *json = NULL;

	/* without a root, then with one */
	for (int i = 0; i < 2; i++) {
		assert_error(f, joey_rt_start(&f->rt, "x", &f->err), "container does not exist");
		assert_error(f, joey_rt_state(&f->rt, "x", &json, &f->err), "container does not exist");
		assert_error(f, joey_rt_kill(&f->rt, "x", 9, false, &f->err), "container does not exist");
		assert_error(f, joey_rt_kill(&f->rt, "x", 9, true, &f->err), "container does not exist");
		assert_error(f, joey_rt_delete(&f->rt, "x", false, &f->err), "container does not exist");
		assert_ok(f, joey_rt_delete(&f->rt, "x", true, &f->err));
		(void)mkdir(f->root, 0700);
	}
	assert_error(f, joey_rt_start(&f->rt, "../x", &f->err), "invalid container id");
	assert_error(f, joey_rt_delete(&f->rt, "a/b", true, &f->err), "invalid container id");
}

static void test_exists(void **state)
{
	struct fixture *f = *state;

	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "container with given ID already exists");
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_CREATED);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err)); /* created: killed first */
	assert_false(fixture_exists(f, "c1"));
}

static void test_refused_before_anything(void **state)
{
	struct fixture *f = *state;
	char path[128];

	f->o.id = "bad/id";
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "invalid container id");
	f->o.id = "c1";
	f->o.bundle = "/nonexistent";
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "open bundle /nonexistent: no such file or directory");
	f->o.bundle = f->bundle;
	f->rt.cgroup_driver = JOEY_CGROUP_SYSTEMD;
	if (joey_cgroup_driver_check(JOEY_CGROUP_SYSTEMD, NULL) < 0)
		assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "systemd cgroup driver");
	f->rt.cgroup_driver = JOEY_CGROUP_DISABLED;
	snprintf(path, sizeof(path), "%s/config.json", f->bundle);
	assert_int_equal(unlink(path), 0);
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "JSON specification file config.json not found");
	assert_string_equal(fake_trace(), "");
	assert_false(fixture_exists(f, "c1"));
}

static void test_terminal_rules(void **state)
{
	struct fixture *f = *state;
	int code;

	f->o.console_socket = "/x";
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "cannot use console socket if joey will not detach");
	fixture_config(f, true, "");
	assert_error(f, joey_rt_run(&f->rt, &f->o, &code, &f->err), "cannot use console socket if joey will not");
	f->o.console_socket = NULL;
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "cannot allocate tty if joey will detach");
	f->o.detach = true;
	assert_error(f, joey_rt_run(&f->rt, &f->o, &code, &f->err), "cannot allocate tty if joey will detach");
	assert_string_equal(fake_trace(), "");
	f->o.console_socket = "/x";
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_string_equal(fake_trace(), "connect create save save");
}

static void test_hook_order(void **state)
{
	struct fixture *f = *state;

	fixture_config(f, false, ALL_HOOKS);
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_string_equal(fake_trace(), "create save hook:prestart hook:createRuntime save");
	assert_non_null(strstr(fake.hook_state, "\"status\":\"creating\",\"pid\":"));
	assert_ok(f, joey_rt_start(&f->rt, "c1", &f->err));
	assert_non_null(strstr(fake_trace(), "save start hook:poststart"));
	assert_non_null(strstr(fake.hook_state, "\"status\":\"running\",\"pid\":"));
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_non_null(strstr(fake_trace(), "destroy hook:poststop"));
	assert_non_null(strstr(fake.hook_state, "\"status\":\"stopped\",\"bundle\""));
	assert_non_null(strstr(fake.hook_state, "\"annotations\":{\"a.b\":\"c\"}"));
}

/* Every way a create fails leaves nothing, and runs poststop hooks. */
static void test_failed_create(void **state)
{
	static const enum fake_point points[] = { FAKE_BEFORE_SAVE1, FAKE_AFTER_SAVE1, FAKE_AFTER_HOOKS,
						  FAKE_AFTER_SAVE2, FAKE_AT_END };
	struct fixture *f = *state;

	fixture_config(f, false, ALL_HOOKS);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(points); i++) {
		fake_reset();
		fake.fail_at = points[i];
		assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err),
			     "unable to start container process: fake failure");
		assert_non_null(strstr(fake_trace(), "destroy hook:poststop"));
		assert_false(fixture_exists(f, "c1"));
	}
	fake_reset();
	fake.fail_hook = "createRuntime";
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err),
		     "unable to start container process: error running createRuntime hook #0: exit status 1");
	assert_string_equal(fake_trace(), "create save hook:prestart hook:createRuntime destroy hook:poststop");
	assert_false(fixture_exists(f, "c1"));
	fake_reset();
	f->o.pid_file = "/nonexistent/pid";
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err),
		     "write pid file /nonexistent/pid: no such file or directory");
	assert_non_null(strstr(fake_trace(), "destroy hook:poststop"));
	assert_false(fixture_exists(f, "c1"));
}

/* What the backend could not undo must stay findable. */
static void test_failed_undo(void **state)
{
	struct fixture *f = *state;

	fake.fail_at = FAKE_AFTER_SAVE1;
	fake.fail_destroy = true;
	assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err),
		     "fake failure 2 (and cleaning up failed: fake destroy failure; try delete --force)");
	assert_true(fixture_exists(f, "c1/state.json"));
	fake.fail_destroy = false;
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_false(fixture_exists(f, "c1"));
}

static void test_failed_poststart(void **state)
{
	struct fixture *f = *state;

	fixture_config(f, false, ALL_HOOKS);
	fake.fail_hook = "poststart";
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_error(f, joey_rt_start(&f->rt, "c1", &f->err), "error running poststart hook #0");
	assert_non_null(strstr(fake_trace(), "start hook:poststart signal:9/all"));
	assert_int_equal(joey_wait_pid(fake.pid, &(int){ 0 }), 0);
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_STOPPED);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
}

static void test_failed_poststop(void **state)
{
	struct fixture *f = *state;

	fixture_config(f, false, ALL_HOOKS);
	fake.fail_hook = "poststop";
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
	assert_non_null(f->warnings);
	assert_non_null(strstr(f->warnings, "poststop"));
	assert_false(fixture_exists(f, "c1"));
}

/* The engine may change the bundle after create. */
static void test_config_is_frozen(void **state)
{
	struct fixture *f = *state;
	char path[128];

	fixture_config(f, false, ALL_HOOKS);
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	snprintf(path, sizeof(path), "%s/config.json", f->bundle);
	assert_int_equal(unlink(path), 0);
	assert_ok(f, joey_rt_start(&f->rt, "c1", &f->err));
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_non_null(strstr(fake_trace(), "hook:poststart"));
	assert_non_null(strstr(fake_trace(), "hook:poststop"));
}

/* ---- states x ops -------------------------------------------------------------------------------------------- */

#define OK NULL

static const struct {
	enum joey_op op;
	const char *text[JOEY_ST_MAX]; /* creating, created, running, paused, stopped */
} expected[] = {
	{ JOEY_OP_START,
	  { "cannot start a container in the creating state", OK, "cannot start an already running container",
	    "cannot start a container in the paused state", "cannot start a container that has stopped" } },
	{ JOEY_OP_KILL, { "container not running", OK, OK, OK, "container not running" } },
	{ JOEY_OP_DELETE,
	  { "cannot delete container c1 that is not stopped: creating", OK,
	    "cannot delete container c1 that is not stopped: running",
	    "cannot delete container c1 that is not stopped: paused", OK } },
	{ JOEY_OP_EXEC,
	  { "cannot exec in a container in the creating state", OK, OK,
	    "cannot exec in a paused container (use --ignore-paused to override)",
	    "cannot exec in a stopped container" } },
	{ JOEY_OP_PAUSE, { "container not running", OK, OK, "container not running", "container not running" } },
	{ JOEY_OP_RESUME,
	  { "container not paused", "container not paused", "container not paused", OK, "container not paused" } },
	{ JOEY_OP_UPDATE, { "container not running", OK, OK, OK, "container not running" } },
	{ JOEY_OP_EVENTS,
	  { "container with id c1 is not running", OK, OK, OK, "container with id c1 is not running" } },
	{ JOEY_OP_CHECKPOINT,
	  { "Container cannot be checkpointed in creating state", "Container cannot be checkpointed in created state",
	    OK, OK, "Container cannot be checkpointed in stopped state" } },
};

static void test_lifecycle_table(void **state)
{
	(void)state;
	assert_int_equal(JOEY_ARRAY_SIZE(expected), JOEY_OP_MAX);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(expected); i++) {
		for (int s = 0; s < JOEY_ST_MAX; s++) {
			autoerr struct joey_err err = JOEY_ERR_INIT;
			int r = joey_op_check(expected[i].op, (enum joey_status)s, "c1", &err);

			assert_int_equal(r == 0, expected[i].text[s] == NULL);
			if (r == 0)
				continue;
			assert_string_equal(err.msg, expected[i].text[s]);
			assert_int_equal(err.kind, JOEY_EK_STATE);
		}
	}
}

/* ---- list ------------------------------------------------------------------------------------------------------ */

static void write_state(struct fixture *f, const char *id, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->root, id);
	assert_int_equal(mkdir(path, 0700), 0);
	if (!text)
		return;
	snprintf(path, sizeof(path), "%s/%s/state.json", f->root, id);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(joey_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_list(void **state)
{
	static const char *const ids[] = { "zz", "b", "a" };
	struct fixture *f = *state;
	struct joey_list l = { NULL, 0 };

	assert_error(f, joey_rt_list(&f->rt, true, &l, &f->err), "open state root");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(ids); i++) {
		f->o.id = ids[i];
		assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
		fake.status = JOEY_ST_CREATED;
	}
	write_state(f, "bad", "{");
	write_state(f, "partial", NULL);
	assert_ok(f, joey_rt_list(&f->rt, true, &l, &f->err));
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].id, "a");
	assert_string_equal(l.v[1].id, "b");
	assert_string_equal(l.v[2].id, "zz");
	assert_non_null(strstr(l.v[0].json, "\"owner\":\""));
	assert_null(strstr(l.v[0].json, "\"owner\":\"\""));
	assert_non_null(f->warnings);
	assert_non_null(strstr(f->warnings, "partial")); /* the last one */
	joey_list_done(&l);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(ids); i++)
		assert_ok(f, joey_rt_delete(&f->rt, ids[i], true, &f->err));
}

/* So many that child processes share the work. */
static void test_long_list(void **state)
{
	enum { MANY = 450 };
	struct fixture *f = *state;
	struct joey_list l = { NULL, 0 };
	char id[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "c%03d", i);
		f->o.id = id;
		assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	}
	fake.status = JOEY_ST_CREATED;
	write_state(f, "c001bad", "{");
	write_state(f, "c400bad", "{");
	for (int json = 0; json < 2; json++) {
		assert_ok(f, joey_rt_list(&f->rt, json, &l, &f->err));
		assert_int_equal(l.n, MANY);
		for (int i = 0; i < MANY; i++) {
			snprintf(id, sizeof(id), "c%03d", i);
			assert_string_equal(l.v[i].id, id);
			assert_string_equal(l.v[i].bundle, l.v[0].bundle);
			assert_string_equal(l.v[i].owner, l.v[0].owner);
			assert_int_equal(l.v[i].status, JOEY_ST_CREATED);
			assert_true(l.v[i].pid > 0);
			assert_true(json ? strstr(l.v[i].json, id) != NULL : !l.v[i].json);
		}
		joey_list_done(&l);
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "c%03d", i);
		assert_ok(f, joey_rt_delete(&f->rt, id, true, &f->err));
	}
}

static void test_broken_state(void **state)
{
	struct fixture *f = *state;
	char *json = NULL;

	assert_int_equal(mkdir(f->root, 0700), 0);
	write_state(f, "bad", "{\"version\":1}");
	assert_error(f, joey_rt_state(&f->rt, "bad", &json, &f->err), "container bad: state.json: id: missing");
	assert_error(f, joey_rt_delete(&f->rt, "bad", false, &f->err), "state.json: id: missing");
	assert_ok(f, joey_rt_delete(&f->rt, "bad", true, &f->err));
	assert_non_null(strstr(f->warnings, "processes and a cgroup may be left"));
	assert_false(fixture_exists(f, "bad"));

	write_state(f, "half", NULL);
	assert_error(f, joey_rt_state(&f->rt, "half", &json, &f->err), "container does not exist");
	assert_ok(f, joey_rt_delete(&f->rt, "half", false, &f->err));
	assert_false(fixture_exists(f, "half"));
	write_state(f, "half", NULL);
	assert_ok(f, joey_rt_delete(&f->rt, "half", true, &f->err));
	assert_false(fixture_exists(f, "half"));
	assert_string_equal(fake_trace(), "destroy"); /* of the unreadable one: a machine has a record of its own */
}

static void test_owner(void **state)
{
	struct rt_users u = { strdup("root:x:0:0::/:/bin/sh\nbroken\n:x:5:\nu5:x:5\nu6:x:6:\nu7:x:0x7:\nu8::8:8:"),
			      true };
	autofree char *root = rt_owner_name(&u, 0), *six = rt_owner_name(&u, 6), *five = rt_owner_name(&u, 5),
		      *eight = rt_owner_name(&u, 8), *none = rt_owner_name(&u, 4294967295U);

	(void)state;
	assert_string_equal(root, "root");
	assert_string_equal(six, "u6");
	assert_string_equal(five, "5");
	assert_string_equal(eight, "u8");
	assert_string_equal(none, "4294967295");
	rt_users_done(&u);
}

static void test_paths(void **state)
{
	static const struct {
		const char *base, *path, *want;
	} cases[] = {
		{ "/b", "rootfs", "/b/rootfs" },
		{ "/b", "./r//x/", "/b/r/x" },
		{ "/b", "/abs/./x", "/abs/x" },
		{ "/b/c", "../r", "/b/r" },
		{ "/", "r", "/r" },
		{ "/b", "../../../r", "/r" },
		{ "/b", ".", "/b" },
		{ "/b", "..", "/" },
		{ "/b", "..r", "/b/..r" },
	};

	(void)state;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases); i++) {
		autofree char *got = rt_path_join(cases[i].base, cases[i].path);

		assert_string_equal(got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_fixture(test_life),
		test_with_fixture(test_state_document),
		test_with_fixture(test_unknown),
		test_with_fixture(test_exists),
		test_with_fixture(test_refused_before_anything),
		test_with_fixture(test_terminal_rules),
		test_with_fixture(test_hook_order),
		test_with_fixture(test_failed_create),
		test_with_fixture(test_failed_undo),
		test_with_fixture(test_failed_poststart),
		test_with_fixture(test_failed_poststop),
		test_with_fixture(test_config_is_frozen),
		test_with_fixture(test_list),
		test_with_fixture(test_long_list),
		test_with_fixture(test_broken_state),
		cmocka_unit_test(test_lifecycle_table),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
