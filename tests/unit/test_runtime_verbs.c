/* SPDX-License-Identifier: Apache-2.0 */
/* src/runtime over the fake backend: pause, resume, update, ps, events. */
#include <fcntl.h>
#include <string.h>

#include "runtime/runtime-internal.h"
#include "runtime_fixture.h"

static void make(struct fixture *f)
{
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_ok(f, joey_rt_start(&f->rt, "c1", &f->err));
	joey_str_done(&fake.trace);
}

static void stop(struct fixture *f)
{
	assert_ok(f, joey_rt_kill(&f->rt, "c1", SIGKILL, false, &f->err));
	assert_int_equal(joey_wait_pid(fake.pid, &(int){ 0 }), 0);
	joey_str_done(&fake.trace);
}

/* ---- pause ----------------------------------------------------------------------------------------------------- */

static void test_pause(void **state)
{
	struct fixture *f = *state;

	assert_error(f, joey_rt_pause(&f->rt, "c1", &f->err), "container does not exist");
	assert_error(f, joey_rt_resume(&f->rt, "../c1", &f->err), "");
	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_error(f, joey_rt_resume(&f->rt, "c1", &f->err), "container not paused");
	assert_ok(f, joey_rt_pause(&f->rt, "c1", &f->err));
	assert_error(f, joey_rt_pause(&f->rt, "c1", &f->err), "container not running");
	assert_error(f, joey_rt_start(&f->rt, "c1", &f->err), "cannot start a container in the paused state");
	assert_ok(f, joey_rt_resume(&f->rt, "c1", &f->err));
	assert_string_equal(fake_trace(), "create save save pause resume");
	stop(f);
	assert_error(f, joey_rt_pause(&f->rt, "c1", &f->err), "container not running");
	assert_error(f, joey_rt_resume(&f->rt, "c1", &f->err), "container not paused");
	assert_string_equal(fake_trace(), "");
}

/* ---- update ---------------------------------------------------------------------------------------------------- */

static char *stored(struct fixture *f)
{
	char path[128];
	char *text = NULL;

	snprintf(path, sizeof(path), "%s/c1/resources.json", f->root);
	return joey_read_file_at(AT_FDCWD, path, 0, 1 << 20, &text, NULL) < 0 ? NULL : text;
}

static void test_update(void **state)
{
	struct joey_update_opts o = { .id = "c1" };
	struct fixture *f = *state;
	autofree char *first = NULL, *second = NULL, *third = NULL;

	make(f);
	assert_false(fixture_exists(f, "c1/resources.json"));
	o.resources.pids_limit = (struct joey_opt_i64){ true, 7 };
	assert_ok(f, joey_rt_update(&f->rt, &o, &f->err));
	assert_string_equal(fake_trace(), "update");
	assert_int_equal(fake.updated_pids, 7);
	first = stored(f);
	assert_non_null(strstr(first, "\"pids\":{\"limit\":7}"));

	/* The next one starts from it, and says only what is new. */
	memset(&o.resources, 0, sizeof(o.resources));
	o.resources.memory.limit = (struct joey_opt_i64){ true, 4096 };
	assert_ok(f, joey_rt_update(&f->rt, &o, &f->err));
	assert_int_equal(fake.updated_pids, 0);
	second = stored(f);
	assert_non_null(strstr(second, "\"pids\":{\"limit\":7}"));
	assert_non_null(strstr(second, "\"memory\":{\"limit\":4096}"));

	/* What failed is not stored. */
	fake.fail_update = true;
	o.resources.memory.limit.v = 8192;
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "fake update failure");
	third = stored(f);
	assert_string_equal(third, second);
	fake.fail_update = false;

	stop(f);
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "container not running");
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
	assert_false(fixture_exists(f, "c1"));
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "container does not exist");
}

static void write_resources(struct fixture *f, char *path, size_t size, const char *text)
{
	int fd;

	snprintf(path, size, "%s/resources", f->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(joey_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static void test_update_from_file(void **state)
{
	struct joey_update_opts o = { .id = "c1" };
	struct fixture *f = *state;
	char path[128];
	int saved;

	make(f);
	o.resources.pids_limit = (struct joey_opt_i64){ true, 7 }; /* the file says everything */
	o.resources_file = path;
	write_resources(f, path, sizeof(path), "{\"pids\":{\"limit\":11},\"devices\":null,\"unknown\":{}}");
	assert_ok(f, joey_rt_update(&f->rt, &o, &f->err));
	assert_int_equal(fake.updated_pids, 11);
	write_resources(f, path, sizeof(path), "{\"pids\":{\"limit\":\"x\"}}");
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "pids.limit");
	write_resources(f, path, sizeof(path), "{");
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "resources from ");
	o.resources_file = "/nonexistent/r.json";
	assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "no such file or directory");
	/* standard input */
	write_resources(f, path, sizeof(path), "{\"pids\":{\"limit\":12}}");
	saved = dup(0);
	close(0);
	assert_int_equal(open(path, O_RDONLY | O_CLOEXEC), 0);
	o.resources_file = "-";
	assert_ok(f, joey_rt_update(&f->rt, &o, &f->err));
	assert_int_equal(fake.updated_pids, 12);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
}

/* The record may be anything: it is as little trusted as state.json. */
static void test_update_of_bad_record(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "{\"pids\":5}" };
	struct joey_update_opts o = { .id = "c1" };
	struct fixture *f = *state;
	char path[128];

	make(f);
	snprintf(path, sizeof(path), "%s/c1/resources.json", f->root);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(bad); i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		assert_int_equal(joey_write_all(fd, bad[i], strlen(bad[i])), 0);
		close(fd);
		assert_error(f, joey_rt_update(&f->rt, &o, &f->err), "resources.json of container c1");
	}
	stop(f);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", false, &f->err));
}

/* ---- ps -------------------------------------------------------------------------------------------------------- */

static void test_ps(void **state)
{
	struct fixture *f = *state;
	autofree pid_t *pids = NULL;
	autofree char *text = NULL;
	char *args[] = { (char *)(uintptr_t) "-o", (char *)(uintptr_t) "comm,pid", (char *)(uintptr_t) "-e" };
	char *bad[] = { (char *)(uintptr_t) "-o", (char *)(uintptr_t) "comm" };
	size_t n;

	assert_error(f, joey_rt_ps(&f->rt, "c1", &pids, &n, &f->err), "container does not exist");
	make(f);
	assert_ok(f, joey_rt_ps(&f->rt, "c1", &pids, &n, &f->err));
	assert_int_equal(n, 2);
	assert_int_equal(pids[0], fake.pid);
	if (access("/usr/bin/ps", X_OK) < 0)
		return;
	assert_ok(f, joey_rt_ps_table(&f->rt, "c1", args, 3, &text, &f->err));
	assert_true(joey_startswith(text, "COMMAND"));
	n = 0;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		n++;
	assert_int_equal(n, 3); /* header, the container, this test */
	assert_error(f, joey_rt_ps_table(&f->rt, "c1", bad, 2, &text, &f->err), "couldn't find PID field");
	args[0] = (char *)(uintptr_t) "--no-such-option";
	assert_error(f, joey_rt_ps_table(&f->rt, "c1", args, 1, &text, &f->err), "ps: exit status");
}

static void test_ps_filter(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{ "UID PID C\nroot 7 x\nroot 70 x\nroot 12 7\n", "UID PID C\nroot 7 x\nroot 12 7\n" },
		{ "  PID CMD\n    7 a\n   17 b", "  PID CMD\n    7 a\n" },
		{ "PID\tX\n7\tq\n- -\n", "PID\tX\n7\tq\n" },
		{ "A PID\nonly\n\n\n", "A PID\n" },
		{ "PID", "PID\n" },
		{ "PPID PID\n7 1\n1 7\n1 99999999999999999999\n1 +7\n", "PPID PID\n1 7\n" },
	};
	static const pid_t pids[] = { 7, 12 };
	struct fixture *f = *state;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autofree char *text = NULL;

		assert_ok(f, rt_ps_filter(rows[i].in, pids, 2, &text, &f->err));
		assert_string_equal(text, rows[i].out);
	}
	assert_error(f, rt_ps_filter("", pids, 2, NULL, &f->err), "PID");
	assert_error(f, rt_ps_filter("PIDS\nPID\n", pids, 2, NULL, &f->err), "PID");
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

struct lines {
	struct joey_str types; /* "so": stats, oom */
	char last[4096];
	int fail;
};

static int take_line(void *arg, const char *text, struct joey_err *err)
{
	struct lines *l = arg;

	snprintf(l->last, sizeof(l->last), "%s", text);
	joey_str_add(&l->types, joey_startswith(text, "{\"type\":\"stats\",\"id\":\"c1\",\"data\":{") ? "s"
				: joey_streq(text, "{\"type\":\"oom\",\"id\":\"c1\"}")                ? "o"
												      : "?");
	return l->fail ? joey_err_sys(err, l->fail, "write") : 0;
}

static void test_events(void **state)
{
	struct lines l = { .types = JOEY_STR_INIT };
	struct joey_events_opts o = { .id = "c1", .interval_ms = 1, .line = take_line, .arg = &l };
	struct fixture *f = *state;

	make(f);
	o.once = true;
	assert_ok(f, joey_rt_events(&f->rt, &o, &f->err));
	assert_string_equal(l.types.buf, "s");
	assert_non_null(strstr(l.last, "\"psi\":{\"some\":{\"avg10\":1.05,\"avg60\":0.00,"));
	assert_non_null(strstr(l.last, "\"pids\":{\"current\":3,\"limit\":0}"));
	assert_non_null(strstr(l.last, "\"intel_rdt\":{},\"network_interfaces\":null}}"));
	assert_string_equal(fake_trace(), "");

	/* Until it is empty; what comes with the end is told before it. */
	o.once = false;
	joey_str_done(&l.types);
	o.interval_ms = 3600000;
	fake.events[0] = JOEY_EVENT_OOM;
	fake.events[2] = JOEY_EVENT_OOM | JOEY_EVENT_EMPTY;
	assert_ok(f, joey_rt_events(&f->rt, &o, &f->err));
	assert_string_equal(l.types.buf, "oo");
	assert_string_equal(fake_trace(), "unwatch");

	joey_str_done(&l.types);
	memset(fake.events, 0, sizeof(fake.events));
	fake.takes = 0;
	l.fail = EPIPE;
	o.interval_ms = 1;
	assert_error(f, joey_rt_events(&f->rt, &o, &f->err), "broken pipe");
	assert_string_equal(l.types.buf, "s");
	fake.fail_stats = true;
	assert_error(f, joey_rt_events(&f->rt, &o, &f->err), "fake stats failure");
	joey_str_done(&l.types);
	stop(f);
	assert_error(f, joey_rt_events(&f->rt, &o, &f->err), "container with id c1 is not running");
}

static void test_rdt_json(void **state)
{
	static char mb[] = "MB:0=50", l3[] = "L3:0=f";
	char *lines[] = { mb, l3, NULL };
	struct joey_rdt_bandwidth mbm = { 7, 5 };
	uint64_t llc = 9;
	struct joey_stats s = {
		.rdt = { .set = true,
			 .l3 = { .set = true, .cbm_mask = "7ff", .min_cbm_bits = 2, .num_closids = 16, .own = l3 },
			 .mb = { .set = true, .bandwidth_gran = 10, .root = "MB:0=100", .own = mb },
			 .schemata = { lines, 2 },
			 .mbm = &mbm,
			 .n_mbm = 1,
			 .llc = &llc,
			 .n_llc = 1 },
	};
	autofree char *line = NULL;

	(void)state;
	assert_int_equal(rt_event_line("c1", "stats", &s, &line, NULL), 0);
	assert_non_null(strstr(
		line, "\"intel_rdt\":{\"l3_cache_info\":{\"cbm_mask\":\"7ff\",\"min_cbm_bits\":2,\"num_closids\":16},"
		      "\"l3_cache_schema\":\"L3:0=f\",\"mem_bw_info\":{\"bandwidth_gran\":10,\"delay_linear\":0,"
		      "\"min_bandwidth\":0,\"num_closids\":0},\"mem_bw_schema_root\":\"MB:0=100\","
		      "\"mem_bw_schema\":\"MB:0=50\",\"schemata\":[\"MB:0=50\",\"L3:0=f\"],"
		      "\"mbm_stats\":[{\"mbm_total_bytes\":7,\"mbm_local_bytes\":5}],"
		      "\"cmt_stats\":[{\"llc_occupancy\":9}]},\"network_interfaces\":null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_fixture(test_pause),
		test_with_fixture(test_update),
		test_with_fixture(test_update_from_file),
		test_with_fixture(test_update_of_bad_record),
		test_with_fixture(test_ps),
		test_with_fixture(test_ps_filter),
		test_with_fixture(test_events),
		cmocka_unit_test(test_rdt_json),
	};

	return cmocka_run_group_tests_name("runtime_verbs", tests, NULL, NULL);
}
