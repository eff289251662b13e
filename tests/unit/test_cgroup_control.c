/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup in use: its numbers, its events, and changes of its limits that are made as a whole or not at all. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cgroup_tmp.h"
#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

#define SET(x)                        \
	{                             \
		.set = true, .v = (x) \
	}

struct fixture {
	struct tmp_dir t;
	struct joey_cgroup *cg;
	struct joey_arena arena;
	struct joey_str writes;
	const char *refuse; /* file */
	unsigned warnings;
};

static void count_warning(void *arg, enum joey_log_level level, const char *text)
{
	struct fixture *f = arg;

	(void)text;
	f->warnings += level == JOEY_LOG_WARNING;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	tmp_make(&f->t);
	assert_int_equal(cgroup_new_for_test(dup(f->t.fd), &f->cg), 0);
	joey_log_set_sink(count_warning, f, JOEY_LOG_WARNING);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	joey_cgroup_free(f->cg);
	joey_arena_done(&f->arena);
	joey_str_done(&f->writes);
	tmp_remove(&f->t);
	free(f);
	return 0;
}

/* ---- statistics ---------------------------------------------------------------------------------------------- */

static struct joey_stats read_stats(struct fixture *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_stats s = { 0 };

	if (joey_cgroup_stats(f->cg, &f->arena, &s, &err) < 0)
		fail_msg("%s", joey_err_text(&err));
	return s;
}

static void stats_of_nothing(void **state)
{
	struct joey_stats s, zero;

	tmp_file(&((struct fixture *)*state)->t, "cgroup.procs", "11\n12\n13\n");
	s = read_stats(*state);
	assert_int_equal(s.pids.current, 3);
	memset(&zero, 0, sizeof(zero));
	s.pids.current = 0;
	s.memory.raw = NULL;
	assert_memory_equal(&s, &zero, sizeof(s));
}

static void stats_cpu(void **state)
{
	struct fixture *f = *state;
	struct joey_stats s;

	tmp_file(&f->t, "cpu.stat",
		 "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_periods 7\nnr_throttled 2\nthrottled_usec 9\n"
		 "future_key what is this\n");
	tmp_file(&f->t, "cpu.pressure",
		 "some avg10=1.25 avg60=0.00 avg300=100.00 total=123456\nfull avg10=0.07 avg60=0.10 avg300=99.99 "
		 "total=1\n");
	tmp_file(&f->t, "cpuset.cpus.effective", "0-2,5\n");
	tmp_file(&f->t, "cpuset.mems.effective", "0\n");
	s = read_stats(f);
	assert_int_equal(s.cpu.total, 5000000);
	assert_int_equal(s.cpu.user, 3000000);
	assert_int_equal(s.cpu.kernel, 2000000);
	assert_int_equal(s.cpu.periods, 7);
	assert_int_equal(s.cpu.throttled_periods, 2);
	assert_int_equal(s.cpu.throttled_time, 9000);
	assert_true(s.cpu.psi.set);
	assert_int_equal(s.cpu.psi.some.avg10, 125);
	assert_int_equal(s.cpu.psi.some.avg300, 10000);
	assert_int_equal(s.cpu.psi.some.total, 123456);
	assert_int_equal(s.cpu.psi.full.avg10, 7);
	assert_int_equal(s.cpu.psi.full.avg60, 10);
	assert_int_equal(s.cpu.psi.full.avg300, 9999);
	assert_int_equal(s.cpus.n, 4);
	assert_int_equal(s.cpus.v[3], 5);
	assert_int_equal(s.mems.n, 1);
}

static void stats_memory(void **state)
{
	struct fixture *f = *state;
	struct joey_stats s;

	tmp_file(&f->t, "memory.stat", "anon 100\nfile 4096\nkernel 18446744073709551615\n");
	tmp_file(&f->t, "memory.current", "5000\n");
	tmp_file(&f->t, "memory.max", "1048576\n");
	tmp_file(&f->t, "memory.peak", "6000\n");
	tmp_file(&f->t, "memory.swap.current", "300\n");
	tmp_file(&f->t, "memory.swap.max", "1000\n");
	tmp_file(&f->t, "memory.swap.peak", "400\n");
	s = read_stats(f);
	assert_int_equal(s.memory.cache, 4096);
	assert_int_equal(s.memory.n_raw, 3);
	assert_string_equal(s.memory.raw[0].name, "anon");
	assert_true(s.memory.raw[2].value == UINT64_MAX);
	assert_int_equal(s.memory.use.usage, 5000);
	assert_int_equal(s.memory.use.limit, 1048576);
	assert_int_equal(s.memory.use.max, 6000);
	assert_int_equal(s.memory.swap.usage, 5300);
	assert_int_equal(s.memory.swap.limit, 1049576);
	assert_int_equal(s.memory.swap.max, 0);
	assert_false(s.memory.psi.set);

	tmp_file(&f->t, "memory.max", "max\n");
	s = read_stats(f);
	assert_true(s.memory.use.limit == UINT64_MAX);
	assert_true(s.memory.swap.limit == UINT64_MAX);
}

static void stats_pids(void **state)
{
	struct fixture *f = *state;
	struct joey_stats s;

	tmp_file(&f->t, "pids.current", "12\n");
	tmp_file(&f->t, "pids.max", "max\n");
	s = read_stats(f);
	assert_int_equal(s.pids.current, 12);
	assert_int_equal(s.pids.limit, 0);
	tmp_file(&f->t, "pids.max", "99\n");
	assert_int_equal(read_stats(f).pids.limit, 99);
}

static void stats_io(void **state)
{
	struct fixture *f = *state;
	struct joey_stats s;

	/* The second line is what some kernels print for a device without numbers. */
	tmp_file(&f->t, "io.stat",
		 "8:16 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=3 dios=4\n7:1 7:0 253:3 rbytes=5 wbytes=6 rios=7 "
		 "wios=8\n");
	s = read_stats(f);
	assert_int_equal(s.n_io, 2);
	assert_int_equal(s.io[0].major, 8);
	assert_int_equal(s.io[0].minor, 16);
	assert_int_equal(s.io[0].written_bytes, 20);
	assert_int_equal(s.io[0].reads, 1);
	assert_int_equal(s.io[1].major, 253);
	assert_int_equal(s.io[1].writes, 8);
	tmp_file(&f->t, "io.stat", "rbytes=1 nonsense 8:x 1:2:3 =\n");
	assert_int_equal(read_stats(f).n_io, 0);
}

static void stats_hugetlb(void **state)
{
	struct fixture *f = *state;
	struct joey_stats s;

	tmp_file(&f->t, "hugetlb.2MB.events", "max 4\n");
	tmp_file(&f->t, "hugetlb.2MB.events.local", "max 1\n");
	tmp_file(&f->t, "hugetlb.2MB.current", "1\n");
	tmp_file(&f->t, "hugetlb.2MB.rsvd.current", "2097152\n");
	s = read_stats(f);
	assert_int_equal(s.n_hugetlb, 1);
	assert_string_equal(s.hugetlb[0].page_size, "2MB");
	assert_int_equal(s.hugetlb[0].usage, 2097152);
	assert_int_equal(s.hugetlb[0].failures, 4);
}

static void stats_of_a_cgroup_that_is_gone(void **state)
{
	struct fixture *f = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_watch w = { .fd = -EBADF };
	struct joey_stats s;

	f->cg->dir_fd = joey_close(f->cg->dir_fd);
	assert_int_equal(joey_cgroup_stats(f->cg, &f->arena, &s, &err), -ENODEV);
	assert_int_equal(err.kind, JOEY_EK_STATE);
	joey_err_clear(&err);
	assert_int_equal(joey_cgroup_watch(f->cg, &w, &err), -ENODEV);
	assert_int_equal(w.fd, -EBADF);
}

/* ---- events -------------------------------------------------------------------------------------------------- */

static void watch(void **state)
{
	struct fixture *f = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_watch w;

	tmp_file(&f->t, "cgroup.events", "populated 1\nfrozen 0\n");
	tmp_file(&f->t, "memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2\n");
	assert_int_equal(joey_cgroup_watch(f->cg, &w, &err), 0);
	assert_int_equal(w.take(&w), 0); /* what was before is not told */
	tmp_file(&f->t, "memory.events", "low 0\nhigh 9\nmax 6\noom 2\noom_kill 2\n");
	assert_int_equal(w.take(&w), 0);
	tmp_file(&f->t, "memory.events", "low 0\nhigh 9\nmax 6\noom 3\noom_kill 4\n");
	assert_int_equal(w.take(&w), JOEY_EVENT_OOM);
	assert_int_equal(w.take(&w), 0);
	tmp_file(&f->t, "memory.events", "oom_kill 5\n");
	tmp_file(&f->t, "cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(w.take(&w), JOEY_EVENT_OOM | JOEY_EVENT_EMPTY);
	w.done(&w);
	assert_int_equal(w.fd, -EBADF);
	w.done(&w);
}

static void watch_without_the_memory_controller(void **state)
{
	struct fixture *f = *state;
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_watch w;

	assert_int_equal(joey_cgroup_watch(f->cg, &w, &err), -ENOENT);
	joey_err_clear(&err);
	tmp_file(&f->t, "cgroup.events", "populated 1\n");
	assert_int_equal(joey_cgroup_watch(f->cg, &w, &err), 0);
	assert_int_equal(w.take(&w), 0);
	w.done(&w);
}

/* ---- update -------------------------------------------------------------------------------------------------- */

static int hook(void *arg, const char *file, const char *text)
{
	struct fixture *f = arg;

	if (f->refuse && strcmp(f->refuse, file) == 0)
		return -EINVAL;
	joey_str_printf(&f->writes, "%s=%s;", file, text);
	return 0;
}

static void update(struct fixture *f, const struct joey_resources *res, int want, const char *writes)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;

	f->cg->write_hook = hook;
	f->cg->write_arg = f;
	joey_str_done(&f->writes);
	assert_int_equal(joey_cgroup_update(f->cg, res, &err), want);
	assert_int_equal(err.errnum, -want);
	assert_string_equal(f->writes.buf ? f->writes.buf : "", writes);
}

static void update_all(void **state)
{
	const struct joey_resources res = { .pids_limit = SET(5), .memory.limit = SET(1000), .cpu.shares = SET(1024) };

	update(*state, &res, 0, "pids.max=5;memory.max=1000;cpu.weight=100;");
}

static void update_taken_back(void **state)
{
	static char all[] = "0-3";
	struct joey_throttle known = { 8, 0, 100 }, fresh = { 8, 16, 200 }, both[] = { known, fresh };
	struct joey_hugepage_limit huge = { (char *)(uintptr_t) "2MB", 7 };
	const struct joey_resources res = {
		.pids_limit = SET(5),
		.memory.limit = SET(1000),
		.cpu.cpus = all,
		.cpu.quota = SET(10000),
		.block_io.read_bps = { both, 2 },
		.hugepage = &huge,
		.n_hugepage = 1,
	};
	struct fixture *f = *state;

	tmp_file(&f->t, "pids.max", "max\n");
	tmp_file(&f->t, "memory.max", "4096\n");
	tmp_file(&f->t, "io.max", "1:0 rbps=1 wbps=max riops=max wiops=max\n8:0 rbps=7 wbps=max riops=3 wiops=max\n");
	tmp_file(&f->t, "cpu.max", "max 100000\n");
	tmp_file(&f->t, "cpuset.cpus", "\n");
	tmp_file(&f->t, "hugetlb.2MB.max", "max\n");
	f->refuse = "hugetlb.2MB.max";
	update(f, &res, -EINVAL,
	       "pids.max=5;memory.max=1000;io.max=8:0 rbps=100;io.max=8:16 rbps=200;cpu.max=10000 "
	       "100000;cpuset.cpus=0-3;"
	       /* and back */
	       "cpuset.cpus=\n;cpu.max=max 100000;io.max=8:16 rbps=max wbps=max riops=max wiops=max;"
	       "io.max=8:0 rbps=7 wbps=max riops=3 wiops=max;memory.max=4096;pids.max=max;");
	assert_int_equal(f->warnings, 0);
	/* The first write fails: nothing was done, nothing is taken back. */
	f->refuse = "pids.max";
	update(f, &res, -EINVAL, "");
}

static void update_of_keyed_files(void **state)
{
	struct joey_weight_device wd = { 8, 0, SET(100), { 0 } };
	struct joey_rdma rdma = { (char *)(uintptr_t) "mlx5_0", SET(1), { 0 } };
	struct joey_pair pair = { (char *)(uintptr_t) "x.y", (char *)(uintptr_t) "1" };
	const struct joey_resources res = {
		.block_io.weight = SET(100),
		.block_io.weight_device = &wd,
		.block_io.n_weight_device = 1,
		.rdma = &rdma,
		.n_rdma = 1,
		.unified = { &pair, 1 },
	};
	struct fixture *f = *state;

	tmp_file(&f->t, "io.bfq.weight", "default 500\n");
	tmp_file(&f->t, "rdma.max", "mlx5_1 hca_handle=1 hca_object=max\n");
	tmp_file(&f->t, "cgroup.controllers", "x\n");
	f->refuse = "x.y";
	update(f, &res, -EINVAL,
	       "io.bfq.weight=100;io.bfq.weight=8:0 100;rdma.max=mlx5_0 hca_handle=1;"
	       "rdma.max=mlx5_0 hca_handle=max hca_object=max;io.bfq.weight=8:0 default;io.bfq.weight=default 500;");
}

/* In use: memory.current is above the new limit, and the caller wants to be told. */
static void update_checks_before(void **state)
{
	const struct joey_resources res = { .memory.limit = SET(1000), .memory.check_before_update = SET(true) };
	struct fixture *f = *state;

	tmp_file(&f->t, "memory.current", "5000\n");
	update(f, &res, -EBUSY, "");
	tmp_file(&f->t, "memory.current", "500\n");
	update(f, &res, 0, "memory.max=1000;");
}

static int told(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct fixture *f = cg->write_arg;

	(void)res;
	joey_str_add(&f->writes, "told;");
	return f->refuse && strcmp(f->refuse, "manager") == 0 ? joey_err_set(err, JOEY_EK_OTHER, EIO, "no") : 0;
}

/* A driver's manager hears of it when the kernel has agreed, and what it makes of it does not stay. */
static void update_with_a_manager(void **state)
{
	const struct joey_resources res = { .pids_limit = SET(5), .memory.limit = SET(1000) };
	static const struct cgroup_driver driver = { .announce = told };
	struct fixture *f = *state;

	f->cg->driver = &driver;
	tmp_file(&f->t, "pids.max", "7\n");
	update(f, &res, 0, "pids.max=5;memory.max=1000;told;pids.max=5;memory.max=1000;");
	f->refuse = "memory.max";
	update(f, &res, -EINVAL, "pids.max=5;pids.max=7;");
	f->refuse = "manager";
	update(f, &res, -EIO, "pids.max=5;memory.max=1000;told;pids.max=7;");
}

static void update_never_touches_devices(void **state)
{
	struct joey_device_rule rule = { .allow = false, .type = 'a', .major = -1, .minor = -1, .access = 7 };
	const struct joey_resources res = { .devices = &rule, .n_devices = 1 };

	update(*state, &res, 0, "");
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stats_of_nothing),
		T(stats_cpu),
		T(stats_memory),
		T(stats_pids),
		T(stats_io),
		T(stats_hugetlb),
		T(stats_of_a_cgroup_that_is_gone),
		T(watch),
		T(watch_without_the_memory_controller),
		T(update_all),
		T(update_taken_back),
		T(update_of_keyed_files),
		T(update_checks_before),
		T(update_with_a_manager),
		T(update_never_touches_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
