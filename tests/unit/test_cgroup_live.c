/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real thing, on this host's cgroup2 mount: create, add, freeze, kill, device filter, nested cgroups, removal.
 * Skips with a reason where there is no mount or no permission.  Needs no controller, so a hybrid host will do.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

static char base[64]; /* id of this run's containers */

static char *here(const struct joey_cgroup *cg)
{
	static char path[4096];

	(void)snprintf(path, sizeof(path), "%s%s", cg->mount, cg->path);
	return path;
}

static void skip_because(const char *why)
{
	print_message("# skipped: %s\n", why);
	skip();
}

static struct joey_cgroup *new_cgroup(const char *name)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;
	char path[128];
	int r;

	(void)snprintf(path, sizeof(path), "/%s/%s", base, name);
	r = joey_cgroup_new(JOEY_CGROUP_CGROUPFS, path, "x", false, &cg, &err);
	if (r == -EOPNOTSUPP)
		skip_because(joey_err_text(&err));
	if (r < 0)
		fail_msg("%s", joey_err_text(&err));
	return cg;
}

static struct joey_cgroup *made_with(const char *name, const struct joey_resources *res)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = new_cgroup(name);
	int r = joey_cgroup_create(cg, res, &err);

	if (r == -EACCES || r == -EPERM || r == -EROFS) {
		joey_cgroup_free(cg);
		skip_because(joey_err_text(&err));
	}
	if (r < 0)
		fail_msg("%s", joey_err_text(&err));
	return cg;
}

static struct joey_cgroup *made(const char *name)
{
	struct joey_resources res = { 0 };

	return made_with(name, &res);
}

static void destroyed(struct joey_cgroup *cg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	char *path = here(cg);

	if (joey_cgroup_destroy(cg, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_int_equal(access(path, F_OK), -1);
	joey_cgroup_free(cg);
}

/* A child that waits in the cgroup, and dies with the test. */
static pid_t sleeper(struct joey_cgroup *cg)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (joey_cgroup_add(cg, pid, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	return pid;
}

static int reap(pid_t pid)
{
	int status = 0;

	assert_int_equal(joey_wait_pid(pid, &status), 0);
	return status;
}

static void lifecycle(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = new_cgroup("life"), *again = NULL;
	struct joey_cgroup_record rec;
	struct joey_resources res = { 0 };
	autofree pid_t *pids = NULL;
	bool flag = true;
	size_t n = 0;
	pid_t pid;

	(void)state;
	joey_cgroup_get_record(cg, &rec);
	assert_true(rec.created);
	assert_int_equal(rec.inode, 0);
	assert_int_equal(joey_cgroup_fd(cg), -EBADF);
	joey_cgroup_free(cg);
	cg = made("life");
	joey_cgroup_get_record(cg, &rec);
	assert_true(rec.created && rec.inode != 0);
	assert_true(joey_cgroup_fd(cg) >= 0);
	assert_int_equal(joey_cgroup_apply(cg, &res, &err), 0);
	pid = sleeper(cg);
	assert_int_equal(joey_cgroup_open(&rec, &again, &err), 0);
	assert_int_equal(joey_cgroup_is_populated(again, &flag), 0);
	assert_true(flag);
	assert_int_equal(joey_cgroup_pids(again, &pids, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	assert_int_equal(joey_cgroup_signal(again, SIGTERM, &err), 0);
	assert_int_equal(WTERMSIG(reap(pid)), SIGTERM);
	destroyed(again);
	/* gone: everything answers "empty" */
	assert_int_equal(joey_cgroup_destroy(cg, &err), 0);
	assert_int_equal(joey_cgroup_is_populated(cg, &flag), 0);
	assert_false(flag);
	assert_int_equal(joey_cgroup_open(&rec, &again, &err), 0);
	joey_cgroup_free(cg);
	assert_int_equal(joey_cgroup_fd(again), -EBADF);
	assert_int_equal(joey_cgroup_kill(again, &err), 0);
	assert_int_equal(joey_cgroup_destroy(again, &err), 0);
	assert_true(joey_cgroup_set_frozen(again, true, &err) < 0);
	joey_cgroup_free(again);
}

static void clone_into(void **state)
{
	struct joey_cgroup *cg = made("clone");
	struct clone_args args = { .flags = CLONE_INTO_CGROUP,
				   .exit_signal = SIGCHLD,
				   .cgroup = (uint64_t)joey_cgroup_fd(cg) };
	bool busy = false;
	int pid = joey_sys_clone3(&args);

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	assert_int_equal(joey_cgroup_is_populated(cg, &busy), 0);
	assert_true(busy);
	destroyed(cg); /* kills it */
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
}

static void freeze(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = made("freeze"), *other = NULL;
	pid_t pid = sleeper(cg);
	bool frozen = true;

	(void)state;
	assert_int_equal(joey_cgroup_is_frozen(cg, &frozen, &err), 0);
	assert_false(frozen);
	if (joey_cgroup_set_frozen(cg, true, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_int_equal(joey_cgroup_is_frozen(cg, &frozen, &err), 0);
	assert_true(frozen);
	/* a signal passes, and the cgroup stays as it was */
	assert_int_equal(joey_cgroup_signal(cg, SIGTERM, &err), 0);
	assert_int_equal(joey_cgroup_is_frozen(cg, &frozen, &err), 0);
	assert_true(frozen);
	assert_int_equal(joey_cgroup_set_frozen(cg, false, &err), 0);
	assert_int_equal(WTERMSIG(reap(pid)), SIGTERM);
	/* an empty frozen cgroup is no place for a container */
	assert_int_equal(joey_cgroup_set_frozen(cg, true, &err), 0);
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_CGROUPFS, cg->path, "x", false, &other, &err), -EBUSY);
	assert_string_equal(joey_err_text(&err), "container's cgroup unexpectedly frozen");
	joey_err_clear(&err);
	assert_int_equal(joey_cgroup_set_frozen(cg, false, &err), 0);
	/* SIGKILL ends a frozen one */
	pid = sleeper(cg);
	assert_int_equal(joey_cgroup_set_frozen(cg, true, &err), 0);
	destroyed(cg);
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
}

/* Freezing that does not come about is taken back. The object's events file is made to lie by looking elsewhere. */
static void failed_freeze_thaws(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	char dir[] = "/tmp/joey-freeze-XXXXXX", text[8] = "";
	struct joey_cgroup *cg = NULL;
	autoclose int fd = -EBADF, f = -EBADF;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f = openat(fd, "cgroup.freeze", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(f >= 0);
	joey_close(openat(fd, "cgroup.events", O_RDWR | O_CREAT | O_CLOEXEC, 0600)); /* empty: no "frozen" in it */
	assert_int_equal(cgroup_new_for_test(dup(fd), &cg), 0);
	assert_true(joey_cgroup_set_frozen(cg, true, &err) < 0);
	assert_int_equal(pread(f, text, 1, 0), 1);
	assert_string_equal(text, "0");
	(void)unlinkat(fd, "cgroup.freeze", 0);
	(void)unlinkat(fd, "cgroup.events", 0);
	(void)rmdir(dir);
	joey_cgroup_free(cg);
}

static void occupied(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = made("busy"), *other = NULL;
	pid_t pid = sleeper(cg);
	struct joey_cgroup_record rec;

	(void)state;
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_CGROUPFS, cg->path, "x", false, &other, &err), -EBUSY);
	assert_string_equal(joey_err_text(&err), "container's cgroup is not empty: 1 process(es) found");
	joey_err_clear(&err);
	/* the inode is another one: not ours, so nobody dies and nothing goes */
	joey_cgroup_get_record(cg, &rec);
	rec.inode++;
	assert_int_equal(joey_cgroup_open(&rec, &other, &err), 0);
	assert_int_equal(joey_cgroup_destroy(other, &err), 0);
	joey_cgroup_free(other);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(access(here(cg), F_OK), 0);
	destroyed(cg);
	(void)reap(pid);
}

/* Made by someone else before: used, emptied, but left standing. */
static void foreign_cgroup_stays(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *theirs = made("theirs"), *cg = NULL;
	struct joey_resources res = { 0 };
	struct joey_cgroup_record rec;
	pid_t pid;

	(void)state;
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_CGROUPFS, theirs->path, "x", false, &cg, &err), 0);
	assert_int_equal(joey_cgroup_create(cg, &res, &err), 0);
	joey_cgroup_get_record(cg, &rec);
	assert_false(rec.created);
	assert_true(rec.inode != 0);
	pid = sleeper(cg);
	assert_int_equal(joey_cgroup_destroy(cg, &err), 0);
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	assert_int_equal(access(here(theirs), F_OK), 0);
	joey_cgroup_free(cg);
	destroyed(theirs);
}

/* Between new() and create() somebody makes the same directory: it is theirs. */
static void lost_race(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = new_cgroup("race"), *theirs = made("race");
	struct joey_resources res = { 0 };
	struct joey_cgroup_record rec;

	(void)state;
	joey_cgroup_get_record(cg, &rec);
	assert_true(rec.created);
	assert_int_equal(joey_cgroup_create(cg, &res, &err), 0);
	joey_cgroup_get_record(cg, &rec);
	assert_false(rec.created);
	assert_int_equal(joey_cgroup_destroy(cg, &err), 0);
	assert_int_equal(access(here(theirs), F_OK), 0);
	joey_cgroup_free(cg);
	destroyed(theirs);
}

/* The same, and it is in use already: the failed create must not cost its processes their lives. */
static void lost_race_to_others(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = new_cgroup("race2"), *theirs = made("race2"), *again = NULL;
	struct joey_resources res = { 0 };
	struct joey_cgroup_record rec;
	pid_t pid = sleeper(theirs);

	(void)state;
	assert_int_equal(joey_cgroup_create(cg, &res, &err), -EBUSY);
	joey_cgroup_get_record(cg, &rec);
	assert_false(rec.created);
	assert_int_equal(rec.inode, 0);
	assert_int_equal(joey_cgroup_destroy(cg, &err), 0);
	assert_int_equal(joey_cgroup_open(&rec, &again, &err), 0);
	assert_int_equal(joey_cgroup_kill(again, &err), 0);
	assert_int_equal(joey_cgroup_destroy(again, &err), 0);
	joey_cgroup_free(again);
	joey_cgroup_free(cg);
	cgroup_sleep_ms(20);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	destroyed(theirs);
	(void)reap(pid);
}

static void nested(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = made("nest");
	autofree pid_t *pids = NULL;
	size_t n = 0;
	pid_t top = sleeper(cg), deep = sleeper(cg);
	char num[16];
	autoclose int cur = cgroup_opendir_at(cg->dir_fd, ".", O_PATH);
	int i;

	(void)state;
	for (i = 0; i < 30; i++) {
		int next;

		assert_int_equal(mkdirat(cur, "a", 0755), 0);
		assert_int_equal(mkdirat(cur, "b", 0755), 0);
		next = cgroup_opendir_at(cur, "a", O_PATH);
		assert_true(next >= 0);
		joey_close(cur);
		cur = next;
	}
	(void)snprintf(num, sizeof(num), "%d", (int)deep);
	assert_int_equal(cgroup_write(cur, "cgroup.procs", num), 0);
	assert_int_equal(joey_cgroup_pids(cg, &pids, &n, &err), 0);
	assert_int_equal(n, 2);
	destroyed(cg);
	assert_int_equal(WTERMSIG(reap(top)), SIGKILL);
	assert_int_equal(WTERMSIG(reap(deep)), SIGKILL);
}

/* A container that forks as fast as it can does not outrun the kill; with and without cgroup.kill. */
static void fork_bomb(struct joey_cgroup *cg, bool one_by_one)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	pid_t pid = fork();
	bool busy = true;

	assert_true(pid >= 0);
	if (pid == 0) {
		char num[16];

		(void)snprintf(num, sizeof(num), "%d", (int)getpid());
		if (cgroup_write(cg->dir_fd, "cgroup.procs", num) < 0)
			_exit(1);
		(void)signal(SIGCHLD, SIG_IGN);
		for (;;)
			if (fork() == 0) {
				cgroup_sleep_ms(5);
				_exit(0);
			} else {
				struct timespec t = { 0, 200000 };

				(void)nanosleep(&t, NULL);
			}
	}
	cgroup_sleep_ms(30);
	assert_int_equal(one_by_one ? cgroup_kill_one_by_one(cg) : joey_cgroup_kill(cg, &err), 0);
	assert_int_equal(cgroup_wait_empty(cg, 5000), 0);
	assert_int_equal(joey_cgroup_is_populated(cg, &busy), 0);
	assert_false(busy);
	assert_int_equal(WTERMSIG(reap(pid)), SIGKILL);
	assert_int_equal(joey_cgroup_is_frozen(cg, &busy, &err), 0);
	assert_false(busy);
}

static void kill_everything(void **state)
{
	struct joey_cgroup *cg = made("kill");

	(void)state;
	fork_bomb(cg, false);
	destroyed(cg);
}

static void kill_without_cgroup_kill(void **state)
{
	struct joey_cgroup *cg = made("kill1");

	(void)state;
	fork_bomb(cg, true);
	destroyed(cg);
}

/* ---- device filter ------------------------------------------------------------------------------------------ */

/* Exit code of a child in the cgroup: bit i set = row i failed with EPERM; 100: something else. */
static const struct {
	const char *path;
	int flags;
} opens[] = {
	{ "/dev/null", O_RDWR },                              /* 1:3, in the defaults */
	{ "/dev/zero", O_RDONLY },                            /* 1:5 */
	{ "/dev/kmsg", O_RDONLY },                            /* 1:11 */
	{ "/dev/kmsg", O_WRONLY }, { "/dev/full", O_RDONLY }, /* 1:7 */
};

static int opens_in(struct joey_cgroup *cg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char num[16];
		int refused = 0;
		size_t i;

		(void)snprintf(num, sizeof(num), "%d", (int)getpid());
		if (cgroup_write(cg->dir_fd, "cgroup.procs", num) < 0)
			_exit(100);
		for (i = 0; i < JOEY_ARRAY_SIZE(opens); i++) {
			int fd = open(opens[i].path, opens[i].flags | O_CLOEXEC);

			if (fd < 0 && errno != EPERM)
				_exit(100);
			if (fd < 0)
				refused |= 1 << i;
			joey_close(fd);
		}
		_exit(refused);
	}
	status = reap(pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void need_kmsg(struct joey_cgroup *cg)
{
	int fd = open("/dev/kmsg", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		destroyed(cg);
		skip_because("/dev/kmsg cannot be opened here");
	}
	joey_close(fd);
}

static void apply_devices(struct joey_cgroup *cg, struct joey_device_rule *rules, size_t n)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources res = { .devices = rules, .n_devices = n };
	int r = joey_cgroup_apply_devices(cg, &res, false, &err);

	if (r == -EPERM) {
		destroyed(cg);
		skip_because(joey_err_text(&err));
	}
	if (r < 0)
		fail_msg("%s", joey_err_text(&err));
}

static void devices(void **state)
{
	struct joey_device_rule deny[] = { { false, 'a', -1, -1, 7 } };
	struct joey_device_rule read_kmsg[] = { { false, 'a', -1, -1, 7 }, { true, 'c', 1, 11, JOEY_DEV_READ } };
	struct joey_cgroup *cg = made("dev");

	(void)state;
	need_kmsg(cg);
	assert_int_equal(opens_in(cg), 0);
	apply_devices(cg, deny, 1);
	assert_int_equal(opens_in(cg), 1 << 2 | 1 << 3);
	destroyed(cg);
	cg = made("dev");
	apply_devices(cg, read_kmsg, 2);
	assert_int_equal(opens_in(cg), 1 << 3);
	destroyed(cg);
}

/* In a cgroup that was there before, the new program takes the place of the old ones. */
static void devices_replaced(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_device_rule deny[] = { { false, 'a', -1, -1, 7 } };
	struct joey_device_rule all[] = { { true, 'a', -1, -1, 7 } };
	struct joey_resources none = { 0 };
	struct joey_cgroup *theirs = made("rdev"), *cg = NULL;

	(void)state;
	need_kmsg(theirs);
	apply_devices(theirs, deny, 1);
	apply_devices(theirs, deny, 1); /* a second one, stacked */
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_CGROUPFS, theirs->path, "x", false, &cg, &err), 0);
	assert_int_equal(joey_cgroup_create(cg, &none, &err), 0);
	assert_int_equal(opens_in(cg), 1 << 2 | 1 << 3);
	apply_devices(cg, all, 1);
	assert_int_equal(opens_in(cg), 0);
	apply_devices(cg, deny, 1);
	assert_int_equal(opens_in(cg), 1 << 2 | 1 << 3);
	joey_cgroup_free(cg);
	destroyed(theirs);
}

/* ---- other facts ---------------------------------------------------------------------------------------------- */

static void delegation(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = made("deleg");
	static const struct {
		const char *file;
		uid_t uid;
	} rows[] = { { ".", 1234 },
		     { "cgroup.procs", 1234 },
		     { "cgroup.subtree_control", 1234 },
		     { "cgroup.threads", 1234 },
		     { "cgroup.freeze", 0 },
		     { "cgroup.kill", 0 },
		     { "cgroup.max.descendants", 0 },
		     { "cgroup.events", 0 } };
	size_t i;

	(void)state;
	if (fchownat(cg->dir_fd, "cgroup.procs", 1234, (gid_t)-1, 0) < 0) {
		destroyed(cg);
		skip_because("chown to user 1234 is not possible here");
	}
	assert_int_equal(joey_cgroup_delegate(cg, 1234, &err), 0);
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		struct stat st;

		if (fstatat(cg->dir_fd, rows[i].file, &st, 0) < 0)
			continue;
		assert_int_equal(st.st_uid, rows[i].uid);
		assert_int_equal(st.st_gid, 0);
	}
	destroyed(cg);
}

static void limits_without_controller(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = new_cgroup("limit");
	struct joey_resources res = { .memory.limit = { true, 1 << 20 } };
	char offered[512];
	char *path = here(cg);

	(void)state;
	assert_true(cgroup_read(cg->mnt_fd, "cgroup.controllers", offered, sizeof(offered)) >= 0);
	if (cgroup_word_in(offered, "memory")) {
		joey_cgroup_free(cg);
		skip_because("this host offers the memory controller");
	}
	assert_int_equal(joey_cgroup_create(cg, &res, &err), -EOPNOTSUPP);
	assert_non_null(
		strstr(joey_err_text(&err), "cgroup: linux.resources.memory.limit needs the controller \"memory\""));
	assert_int_equal(access(path, F_OK), -1);
	joey_cgroup_free(cg);
}

/* The one controller that a hybrid host tends to leave on v2: enabled on the way, written, read back. */
static void hugetlb_limit(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	static char size[] = "2MB";
	struct joey_hugepage_limit limit = { size, 4194304 };
	struct joey_resources res = { .hugepage = &limit, .n_hugepage = 1 };
	struct joey_cgroup *cg = new_cgroup("huge");
	char text[512];

	(void)state;
	if (cgroup_read(cg->mnt_fd, "cgroup.controllers", text, sizeof(text)) < 0 || !cgroup_word_in(text, "hugetlb")) {
		joey_cgroup_free(cg);
		skip_because("this host offers no hugetlb controller");
	}
	joey_cgroup_free(cg);
	cg = made_with("huge", &res);
	if (joey_cgroup_apply(cg, &res, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	assert_true(cgroup_read(cg->dir_fd, "hugetlb.2MB.max", text, sizeof(text)) > 0);
	assert_string_equal(text, "4194304");
	assert_true(cgroup_read(cg->dir_fd, "hugetlb.2MB.rsvd.max", text, sizeof(text)) > 0);
	assert_string_equal(text, "4194304");
	destroyed(cg);
}

static void default_path(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;
	struct joey_cgroup_record rec;
	autofree char *parent = NULL;
	const char *mount = NULL;
	char want[4096];

	(void)state;
	if (joey_cgroup2_mountpoint(&mount) < 0)
		skip_because("no cgroup2 mount");
	assert_int_equal(joey_cgroup_new(JOEY_CGROUP_CGROUPFS, NULL, base, false, &cg, &err), 0);
	assert_int_equal(cgroup_host_own_parent(cg->mnt_fd, &parent, &err), 0);
	(void)snprintf(want, sizeof(want), "%s%s%s", parent, parent[1] ? "/" : "", base);
	joey_cgroup_get_record(cg, &rec);
	assert_string_equal(rec.path, want);
	joey_cgroup_free(cg);
}

static int open_fds(void)
{
	int n = 0, fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void no_descriptor_leaks(void **state)
{
	int before = open_fds(), i;

	(void)state;
	for (i = 0; i < 20; i++)
		destroyed(made("fds"));
	assert_int_equal(open_fds(), before);
}

/* Runs fn in a child with its own mount namespace, where no cgroup2 is mounted at the usual places. Its exit code. */
static int without_mounts(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		while (umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0)
			;
		while (umount2("/sys/fs/cgroup", MNT_DETACH) == 0)
			;
		/* in a user namespace they are locked */
		_exit(access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0 ||
				      access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0
			      ? 77
			      : fn());
	}
	status = reap(pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip_because("no permission for a mount namespace");
	return WEXITSTATUS(status);
}

static int finds_nothing(void)
{
	struct joey_cgroup_record rec = { .driver = JOEY_CGROUP_CGROUPFS, .path = base, .created = true };
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;
	static char path[] = "/x";
	const char *mount;

	if (joey_cgroup_new(JOEY_CGROUP_CGROUPFS, "/x", "x", false, &cg, &err) != -EOPNOTSUPP)
		return 1;
	if (err.kind != JOEY_EK_UNSUPPORTED || !strstr(joey_err_text(&err), "--cgroup-manager=disabled"))
		return 2;
	/* an older container can still be deleted */
	joey_err_clear(&err);
	rec.path = path;
	if (joey_cgroup_open(&rec, &cg, &err) < 0 || joey_cgroup_destroy(cg, &err) < 0)
		return 3;
	joey_cgroup_free(cg);
	return joey_cgroup2_mountpoint(&mount) == -ENOENT ? 0 : 4;
}

static void no_mount(void **state)
{
	(void)state;
	assert_int_equal(without_mounts(finds_nothing), 0);
}

static int finds_odd_place(void)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;
	struct joey_resources res = { 0 };
	const char *where = NULL;
	int r = 0;

	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0 || mkdir("/mnt/c g", 0755) < 0 ||
	    mount("cgroup2", "/mnt/c g", "cgroup2", 0, NULL) < 0)
		return 77;
	if (joey_cgroup_new(JOEY_CGROUP_CGROUPFS, NULL, base, false, &cg, &err) < 0)
		return 1;
	if (joey_cgroup_create(cg, &res, &err) < 0)
		return 2;
	if (joey_cgroup2_mountpoint(&where) < 0 || strcmp(where, "/mnt/c g") != 0)
		r = 3;
	if (joey_cgroup_destroy(cg, &err) < 0)
		return 4;
	joey_cgroup_free(cg);
	return r;
}

static void mount_by_mountinfo(void **state)
{
	(void)state;
	assert_int_equal(without_mounts(finds_odd_place), 0);
}

/* Only a part of the hierarchy is visible: joey's own cgroup has the mount's root as prefix. */
static int finds_part(void)
{
	struct joey_err err = JOEY_ERR_INIT;
	struct joey_cgroup *cg = NULL;
	char path[256];
	int r = 0;

	if (mount("tmpfs", "/mnt", "tmpfs", 0, NULL) < 0 || mkdir("/mnt/c", 0755) < 0 || mkdir("/mnt/p", 0755) < 0 ||
	    mount("cgroup2", "/mnt/c", "cgroup2", 0, NULL) < 0)
		return 77;
	(void)snprintf(path, sizeof(path), "/mnt/c/%s/part", base);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return 77;
	if (mount(path, "/mnt/p", NULL, MS_BIND, NULL) < 0)
		return 77;
	(void)strcat(path, "/sub");
	if (mkdir(path, 0755) < 0)
		return 1;
	(void)strcat(path, "/own");
	if (mkdir(path, 0755) < 0 || joey_write_file_at(AT_FDCWD, strcat(path, "/cgroup.procs"), "0") < 0)
		r = 2;
	if (r == 0 && umount2("/mnt/c", MNT_DETACH) < 0)
		r = 3;
	if (r == 0 && joey_cgroup_new(JOEY_CGROUP_CGROUPFS, "rel", "x", false, &cg, &err) < 0)
		r = 4;
	if (r == 0 && strcmp(cg->path, "/sub/rel") != 0)
		r = 5;
	joey_cgroup_free(cg);
	return r;
}

static void mount_of_a_part(void **state)
{
	struct joey_cgroup *cg = made("part");

	(void)state;
	assert_int_equal(without_mounts(finds_part), 0);
	destroyed(cg); /* sub/own with it */
}

static int remove_base(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autocgroup struct joey_cgroup *cg = NULL;
	char path[80];
	struct joey_cgroup_record rec = { .driver = JOEY_CGROUP_CGROUPFS, .path = path, .created = true };

	(void)state;
	(void)snprintf(path, sizeof(path), "/%s", base);
	return joey_cgroup_open(&rec, &cg, &err) < 0 ? 0 : joey_cgroup_destroy(cg, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifecycle),
		cmocka_unit_test(clone_into),
		cmocka_unit_test(freeze),
		cmocka_unit_test(failed_freeze_thaws),
		cmocka_unit_test(occupied),
		cmocka_unit_test(foreign_cgroup_stays),
		cmocka_unit_test(lost_race),
		cmocka_unit_test(lost_race_to_others),
		cmocka_unit_test(nested),
		cmocka_unit_test(kill_everything),
		cmocka_unit_test(kill_without_cgroup_kill),
		cmocka_unit_test(devices),
		cmocka_unit_test(devices_replaced),
		cmocka_unit_test(delegation),
		cmocka_unit_test(limits_without_controller),
		cmocka_unit_test(hugetlb_limit),
		cmocka_unit_test(default_path),
		cmocka_unit_test(no_descriptor_leaks),
		cmocka_unit_test(no_mount),
		cmocka_unit_test(mount_by_mountinfo),
		cmocka_unit_test(mount_of_a_part),
	};

	(void)snprintf(base, sizeof(base), "joey-unit-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, remove_base);
}
