/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL of a creating joey at every point, creates that hang, signals during create: afterwards `delete --force`
 * leaves nothing, and what is reported in between makes sense.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "runtime/runtime-internal.h"
#include "runtime_fixture.h"

static pid_t create_in_child(struct fixture *f, bool run)
{
	pid_t pid = fork();

	if (pid == 0) {
		int code;
		int r = run ? joey_rt_run(&f->rt, &f->o, &code, &f->err) : joey_rt_create(&f->rt, &f->o, &f->err);

		_exit(r < 0 ? 1 : 0);
	}
	return pid;
}

static void test_killed_create(void **state)
{
	static const struct {
		enum fake_point point;
		bool partial;
	} cases[] = {
		{ FAKE_BEFORE_SAVE1, true }, { FAKE_AFTER_SAVE1, false }, { FAKE_AFTER_HOOKS, false },
		{ FAKE_AFTER_SAVE2, false }, { FAKE_AT_END, false },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(cases) * 4; i++) {
		bool force = i & 1, run = i & 2, partial = cases[i / 4].partial;
		int wstatus;
		pid_t pid;

		fake_reset();
		fake.die_at = cases[i / 4].point;
		pid = create_in_child(f, run);
		assert_int_equal(waitpid(pid, &wstatus, 0), pid);
		assert_int_equal(WTERMSIG(wstatus), SIGKILL);
		assert_true(fixture_exists(f, "c1"));
		/* the payload dies with its creator, but it takes a moment */
		for (int n = 0; !partial && n < 200 && fixture_status(f, "c1") != JOEY_ST_STOPPED; n++)
			usleep(10000);
		if (!partial)
			assert_int_equal(fixture_status(f, "c1"), JOEY_ST_STOPPED);
		assert_error(f, joey_rt_create(&f->rt, &f->o, &f->err), "already exists");
		assert_ok(f, joey_rt_delete(&f->rt, "c1", force, &f->err));
		assert_false(fixture_exists(f, "c1"));
	}
}

/* Files in all stages of being written. */
static void test_leftover_files(void **state)
{
	static const char *const files[] = { "config.json", ".state.json.4711", "exec.fifo", "notify/notify.sock" };
	struct fixture *f = *state;
	char path[256];

	assert_int_equal(mkdir(f->root, 0700), 0);
	snprintf(path, sizeof(path), "%s/c1", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/c1/notify", f->root);
	assert_int_equal(mkdir(path, 0700), 0);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/c1/%s", f->root, files[i]);
		assert_int_equal(mknod(path, (i & 1 ? S_IFREG : S_IFIFO) | 0600, 0), 0);
	}
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_false(fixture_exists(f, "c1"));
}

static void wait_for(const struct fixture *f, const char *name)
{
	for (int i = 0; i < 500 && !fixture_exists(f, name); i++)
		usleep(10000);
	assert_true(fixture_exists(f, name));
}

/* A create that hangs and holds the lock: seen as creating, not deletable without force, ended by force. */
static void test_hanging_create(void **state)
{
	struct fixture *f = *state;
	uint64_t begin;
	int wstatus;
	pid_t pid;

	fake.hang_at = FAKE_AFTER_SAVE1;
	pid = create_in_child(f, false);
	fake.hang_at = FAKE_NOWHERE;
	wait_for(f, "c1/state.json");
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_CREATING);
	assert_error(f, joey_rt_kill(&f->rt, "c1", 9, false, &f->err), "container not running");
	begin = joey_now_ms();
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_true(joey_now_ms() - begin < 15000);
	assert_false(fixture_exists(f, "c1"));
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_true(WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGKILL);
}

/* The recorded creator's pid was reused: that process must not be hit, and the end must come all the same. */
static void test_creator_reused(void **state)
{
	struct fixture *f = *state;
	autocontainer struct joey_container *c = NULL;
	autoclose int root_fd = -EBADF;
	int wstatus;
	pid_t pid;

	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_ok(f, joey_root_open(f->root, false, &root_fd, &f->err));
	assert_ok(f, joey_container_load(root_fd, "c1", false, &c, &f->err));
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	c->state.creating = true;
	c->state.creator_pid = pid;
	c->state.creator_start = 1; /* long before that process */
	assert_ok(f, joey_container_save(c, &f->err));
	assert_int_equal(fixture_status(f, "c1"), JOEY_ST_STOPPED);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
	assert_int_equal(waitpid(pid, &wstatus, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, &wstatus, 0);
	assert_false(fixture_exists(f, "c1"));
}

/* SIGTERM while a hook runs: noted, and everything undone at the next step. */
static void test_interrupted_create(void **state)
{
	struct fixture *f = *state;
	int wstatus;
	pid_t pid;

	for (int run = 0; run < 2; run++) {
		fake_reset();
		pid = fork();
		if (pid == 0) {
			int code, r;

			alarm(5);
			if (fork() == 0) {
				usleep(100000);
				_exit(kill(getppid(), SIGTERM) < 0);
			}
			fixture_config(f, false, "{\"prestart\":[{\"path\":\"/p\"}]}");
			fake.fail_hook = "sleep:prestart";
			r = run ? joey_rt_run(&f->rt, &f->o, &code, &f->err) : joey_rt_create(&f->rt, &f->o, &f->err);
			_exit(r < 0 && strstr(joey_err_text(&f->err), "interrupted by signal 15") ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &wstatus, 0), pid);
		assert_int_equal(wstatus, 0);
		assert_false(fixture_exists(f, "c1"));
	}
}

/* Two starts at once: one works, the other is told why not; none hangs. */
static void test_concurrent_start(void **state)
{
	struct fixture *f = *state;
	struct rt_target t = RT_TARGET_INIT;
	int wstatus;
	pid_t pid;

	assert_ok(f, joey_rt_create(&f->rt, &f->o, &f->err));
	assert_ok(f, rt_target_find(&t, &f->rt, "c1", &f->err));
	assert_ok(f, joey_container_lock(t.c, 1000, &f->err)); /* as if another start were at work */
	pid = fork();
	if (pid == 0) {
		int r;

		fake.status = JOEY_ST_RUNNING; /* what it will find */
		joey_close(t.c->dir_fd);
		r = joey_rt_start(&f->rt, "c1", &f->err);
		_exit(r < 0 && strstr(joey_err_text(&f->err), "already running") ? 0 : 1);
	}
	usleep(100000);
	assert_int_equal(waitpid(pid, &wstatus, WNOHANG), 0); /* waits for the lock */
	rt_target_done(&t);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_int_equal(wstatus, 0);
	assert_ok(f, joey_rt_delete(&f->rt, "c1", true, &f->err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_fixture(test_killed_create),    test_with_fixture(test_leftover_files),
		test_with_fixture(test_creator_reused),   test_with_fixture(test_interrupted_create),
		test_with_fixture(test_concurrent_start), test_with_fixture(test_hanging_create),
	};

	return cmocka_run_group_tests_name("runtime kill", tests, NULL, NULL);
}
