/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits -> files (oci-checklist 8.2): the formulas, what is written where and in which order, what is refused, and
 * what happens when a file or a controller is not there.
 */
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroup_tmp.h"
#include "cgroups/cgroups-internal.h"
#include "joey/log.h"

#define SET(x)                        \
	{                             \
		.set = true, .v = (x) \
	}

static char yes[] = "yes";

/* ---- formulas ------------------------------------------------------------------------------------------ */

static void shares(void **state)
{
	static const struct {
		uint64_t in, out;
	} rows[] = {
		{ 0, 0 },         { 1, 1 },          { 2, 1 },          { 3, 2 },           { 10, 4 },
		{ 100, 17 },      { 256, 35 },       { 512, 59 },       { 1024, 100 },      { 2048, 174 },
		{ 102400, 4429 }, { 262143, 10000 }, { 262144, 10000 }, { 1000000, 10000 }, { UINT64_MAX, 10000 },
	};
	uint64_t hash = 0, s;
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++)
		assert_int_equal(cgroup_weight_from_shares(rows[i].in), rows[i].out);
	/* Every value, against the same formula evaluated with libm (hash computed apart). */
	for (s = 0; s < 262200; s++)
		hash = hash * 31 + cgroup_weight_from_shares(s);
	assert_true(hash == 16693862558788165915ULL);
}

static void blkio_weight(void **state)
{
	(void)state;
	assert_int_equal(cgroup_weight_from_blkio(0), 0);
	assert_int_equal(cgroup_weight_from_blkio(10), 1);
	assert_int_equal(cgroup_weight_from_blkio(100), 910);
	assert_int_equal(cgroup_weight_from_blkio(500), 4950);
	assert_int_equal(cgroup_weight_from_blkio(1000), 10000);
}

static void swap(void **state)
{
	static const struct {
		struct joey_opt_i64 swap, limit;
		int r;
		bool set;
		int64_t want;
	} rows[] = {
		{ { 0 }, { 0 }, 0, false, 0 },
		{ { 0 }, SET(100), 0, false, 0 },
		{ SET(0), SET(100), 0, false, 0 },
		{ { 0 }, SET(-1), 0, true, -1 },
		{ SET(0), SET(-1), 0, true, -1 },
		{ SET(-1), SET(100), 0, true, -1 },
		{ SET(-1), { 0 }, 0, true, -1 },
		{ SET(100), SET(100), 0, true, 0 },
		{ SET(300), SET(100), 0, true, 200 },
		{ SET(300), SET(-1), 0, true, 300 },
		{ SET(300), { 0 }, -EINVAL, false, 0 },
		{ SET(300), SET(0), -EINVAL, false, 0 },
		{ SET(50), SET(100), -EINVAL, false, 0 },
		{ SET(INT64_MAX), SET(1), 0, true, INT64_MAX - 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		int64_t v = 4711;
		bool set = true;

		assert_int_equal(cgroup_swap_convert(&rows[i].swap, &rows[i].limit, &set, &v, &err), rows[i].r);
		assert_int_equal(set, rows[i].set);
		if (set)
			assert_int_equal(v, rows[i].want);
	}
}

/* ---- what is written ------------------------------------------------------------------------------------- */

struct log {
	struct joey_str s;
	const char *absent, *refused_once; /* file names: ENOENT, EINVAL at the first write */
};

static int hook(void *arg, const char *file, const char *text)
{
	struct log *l = arg;

	if (l->absent && strstr(l->absent, file))
		return -ENOENT;
	if (l->refused_once && strcmp(l->refused_once, file) == 0) {
		l->refused_once = NULL;
		return -EINVAL;
	}
	joey_str_printf(&l->s, "%s=%s;", file, text);
	return 0;
}

/* Applies res to a recording cgroup. *l is the caller's; the text of an error stays in *err. */
static int record(const struct joey_resources *res, struct log *l, struct joey_err *err)
{
	struct joey_cgroup *cg = NULL;
	struct tmp_dir t;
	int r;

	tmp_make(&t);
	assert_int_equal(cgroup_new_for_test(dup(t.fd), &cg), 0);
	tmp_file(&t, "cgroup.controllers", "cpu memory\n");
	cg->write_hook = hook;
	cg->write_arg = l;
	joey_str_done(&l->s);
	joey_str_add(&l->s, "");
	r = joey_cgroup_apply(cg, res, err);
	joey_cgroup_free(cg);
	tmp_remove(&t);
	return r;
}

#define expect_writes(want, ...)                                     \
	do {                                                         \
		autoerr struct joey_err e_ = JOEY_ERR_INIT;          \
		struct log l_ = { .s = JOEY_STR_INIT };              \
		struct joey_resources r_ = { __VA_ARGS__ };          \
		int x_ = record(&r_, &l_, &e_);                      \
		if (x_ < 0)                                          \
			print_message("# %s\n", joey_err_text(&e_)); \
		assert_int_equal(x_, 0);                             \
		assert_string_equal(l_.s.buf ? l_.s.buf : "", want); \
		joey_str_done(&l_.s);                                \
	} while (0)

#define expect_refused(text, ...)                                                  \
	do {                                                                       \
		autoerr struct joey_err e_ = JOEY_ERR_INIT;                        \
		struct log l_ = { .s = JOEY_STR_INIT };                            \
		struct joey_resources r_ = { __VA_ARGS__ };                        \
		assert_true(record(&r_, &l_, &e_) < 0);                            \
		if (!strstr(joey_err_text(&e_), text))                             \
			fail_msg("\"%s\" lacks \"%s\"", joey_err_text(&e_), text); \
		joey_str_done(&l_.s);                                              \
	} while (0)

static void nothing(void **state)
{
	struct joey_resources res = { 0 };

	(void)state;
	expect_writes("", 0);
	assert_false(joey_resources_has_limits(&res));
}

static void pids(void **state)
{
	(void)state;
	expect_writes("pids.max=100;", .pids_limit = SET(100));
	expect_writes("pids.max=max;", .pids_limit = SET(-1));
	expect_writes("pids.max=max;", .pids_limit = SET(-7));
	expect_writes("pids.max=1;", .pids_limit = SET(0));
}

static void memory(void **state)
{
	(void)state;
	expect_writes("memory.max=1048576;", .memory.limit = SET(1048576));
	expect_writes("memory.swap.max=max;memory.max=max;", .memory.limit = SET(-1));
	expect_writes("memory.swap.max=0;memory.max=100;", .memory.limit = SET(100), .memory.swap = SET(100));
	expect_writes("memory.swap.max=50;memory.max=100;", .memory.limit = SET(100), .memory.swap = SET(150));
	expect_writes("memory.max=100;", .memory.limit = SET(100), .memory.swap = SET(0));
	expect_writes("memory.low=77;", .memory.reservation = SET(77));
	expect_writes("memory.low=max;", .memory.reservation = SET(-1));
	expect_writes("", .memory.limit = SET(0), .memory.reservation = SET(0));
	expect_refused("memory+swap limit should be >= memory limit", .memory.limit = SET(9), .memory.swap = SET(8));
	expect_refused("unable to set swap limit without memory limit", .memory.swap = SET(8));
	expect_refused("linux.resources.memory.limit", .memory.limit = SET(-2));
	/* accepted without effect */
	expect_writes("", .memory.kernel = SET(5), .memory.swappiness = SET(60), .memory.use_hierarchy = SET(true),
		      .memory.disable_oom_killer = SET(false));
	expect_refused("disableOOMKiller", .memory.disable_oom_killer = SET(true));
}

static void memory_without_swap_accounting(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct log l = { .s = JOEY_STR_INIT, .absent = "memory.swap.max" };
	struct joey_resources res = { .memory.limit = SET(100), .memory.swap = SET(100) };

	(void)state;
	assert_int_equal(record(&res, &l, &err), 0);
	assert_string_equal(l.s.buf, "memory.max=100;");
	res.memory.swap.v = -1;
	assert_int_equal(record(&res, &l, &err), 0);
	res.memory.swap.v = 150;
	assert_int_equal(record(&res, &l, &err), -EOPNOTSUPP);
	assert_non_null(strstr(joey_err_text(&err), "memory.swap.max"));
	joey_str_done(&l.s);
}

static void check_before_update(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources res = { .memory.limit = SET(1000), .memory.check_before_update = SET(true) };
	struct joey_cgroup *cg = NULL;
	struct tmp_dir t;

	(void)state;
	tmp_make(&t);
	tmp_file(&t, "memory.max", "");
	tmp_file(&t, "memory.swap.max", "");
	assert_int_equal(cgroup_new_for_test(dup(t.fd), &cg), 0);
	assert_int_equal(joey_cgroup_apply(cg, &res, &err), 0); /* no memory.current: nothing in use */
	tmp_file(&t, "memory.current", "1000\n");
	assert_true(joey_cgroup_apply(cg, &res, &err) < 0);
	assert_string_equal(joey_err_text(&err), "rejecting memory limit 1000 <= usage 1000");
	joey_err_clear(&err);
	tmp_file(&t, "memory.current", "3000\n");
	res.memory.swap.set = true;
	res.memory.swap.v = 2000;
	assert_true(joey_cgroup_apply(cg, &res, &err) < 0);
	assert_string_equal(joey_err_text(&err), "rejecting memory+swap limit 2000 <= usage 3000");
	joey_err_clear(&err);
	tmp_file(&t, "memory.current", "999\n");
	assert_int_equal(joey_cgroup_apply(cg, &res, &err), 0);
	tmp_expect(&t, "memory.max", "1000");
	tmp_expect(&t, "memory.swap.max", "1000");
	joey_cgroup_free(cg);
	tmp_remove(&t);
}

static void cpu(void **state)
{
	static char cpus[] = "0-1", mems[] = "0", empty[] = "";

	(void)state;
	expect_writes("cpu.weight=100;", .cpu.shares = SET(1024));
	expect_writes("", .cpu.shares = SET(0));
	expect_writes("cpu.max=50000 100000;", .cpu.quota = SET(50000));
	expect_writes("cpu.max=50000 20000;", .cpu.quota = SET(50000), .cpu.period = SET(20000));
	expect_writes("cpu.max=max 20000;", .cpu.period = SET(20000));
	expect_writes("cpu.max=max 100000;", .cpu.quota = SET(-1));
	expect_writes("", .cpu.quota = SET(0), .cpu.period = SET(0));
	expect_writes("cpu.max.burst=5000;cpu.max=50000 100000;", .cpu.burst = SET(5000), .cpu.quota = SET(50000));
	expect_writes("cpu.idle=1;", .cpu.idle = SET(1), .cpu.shares = SET(1024));
	expect_writes("cpu.idle=0;cpu.weight=100;", .cpu.idle = SET(0), .cpu.shares = SET(1024));
	expect_writes("cpuset.cpus=0-1;cpuset.mems=0;", .cpu.cpus = cpus, .cpu.mems = mems);
	expect_writes("", .cpu.cpus = empty, .cpu.mems = empty);
	expect_writes("", .cpu.realtime_period = SET(0), .cpu.realtime_runtime = SET(0));
	expect_refused("linux.resources.cpu.realtimePeriod: not supported on cgroup v2", .cpu.realtime_period = SET(1));
	expect_refused("realtimeRuntime", .cpu.realtime_runtime = SET(-1));
}

/* A burst above the old quota is refused until the new quota stands. */
static void burst_after_quota(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct log l = { .s = JOEY_STR_INIT, .refused_once = "cpu.max.burst" };
	struct joey_resources res = { .cpu.burst = SET(5000), .cpu.quota = SET(50000) };

	(void)state;
	assert_int_equal(record(&res, &l, &err), 0);
	assert_string_equal(l.s.buf, "cpu.max=50000 100000;cpu.max.burst=5000;");
	res.cpu.quota.set = false;
	l.refused_once = "cpu.max.burst";
	assert_int_equal(record(&res, &l, &err), -EINVAL);
	assert_non_null(strstr(joey_err_text(&err), "linux.resources.cpu.burst"));
	joey_str_done(&l.s);
}

static void io(void **state)
{
	struct joey_weight_device wd[] = { { .major = 8, .minor = 0, .weight = SET(500) },
					   { .major = 8, .minor = 16 } };
	struct joey_throttle th[] = { { 8, 0, 1048576 }, { 8, 16, 0 } };
	struct log l = { .s = JOEY_STR_INIT, .absent = "io.bfq.weight" };
	struct joey_resources res = { .block_io.weight = SET(100),
				      .block_io.weight_device = wd,
				      .block_io.n_weight_device = 2 };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	expect_writes("io.bfq.weight=100;", .block_io.weight = SET(100));
	expect_writes("", .block_io.weight = SET(0));
	expect_refused("linux.resources.blockIO.weight: outside of 10..1000", .block_io.weight = SET(9));
	expect_refused("outside of 10..1000", .block_io.weight = SET(1001));
	expect_writes("io.bfq.weight=8:0 500;", .block_io.weight_device = wd, .block_io.n_weight_device = 2);
	assert_int_equal(record(&res, &l, &err), 0);
	assert_string_equal(l.s.buf, "io.weight=910;io.weight=8:0 4950;");
	l.absent = NULL;
	l.refused_once = "io.bfq.weight"; /* the whole-group weight is refused for real */
	assert_int_equal(record(&res, &l, &err), -EINVAL);
	joey_err_clear(&err);
	res.block_io.weight.set = false;
	l.refused_once = "io.bfq.weight"; /* but for devices it means an old bfq */
	assert_int_equal(record(&res, &l, &err), 0);
	assert_string_equal(l.s.buf, "io.weight=8:0 4950;");
	joey_str_done(&l.s);
	expect_writes("io.max=8:0 rbps=1048576;io.max=8:16 rbps=max;", .block_io.read_bps = { th, 2 });
	expect_writes("io.max=8:0 wbps=1048576;", .block_io.write_bps = { th, 1 });
	expect_writes("io.max=8:0 riops=1048576;", .block_io.read_iops = { th, 1 });
	expect_writes("io.max=8:0 wiops=1048576;", .block_io.write_iops = { th, 1 });
	expect_writes("", .block_io.leaf_weight = SET(0));
	expect_refused("leafWeight", .block_io.leaf_weight = SET(10));
	wd[1].leaf_weight.set = true;
	wd[1].leaf_weight.v = 10;
	expect_refused("leafWeight", .block_io.weight_device = wd, .block_io.n_weight_device = 2);
}

static void hugetlb_and_rdma(void **state)
{
	static char mb[] = "2MB", gb[] = "1GB", bad[] = "../2MB", dev[] = "mlx5_1";
	struct joey_hugepage_limit h[] = { { mb, 4194304 }, { gb, 0 } }, hb[] = { { bad, 1 } };
	struct joey_rdma rd[] = { { dev, SET(3), SET(10000) }, { dev, { 0 }, SET(5) }, { dev, { 0 }, { 0 } } };
	struct log l = { .s = JOEY_STR_INIT, .absent = "hugetlb.2MB.rsvd.max" };
	struct joey_resources res = { .hugepage = h, .n_hugepage = 2 };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	expect_writes("hugetlb.2MB.max=4194304;hugetlb.2MB.rsvd.max=4194304;hugetlb.1GB.max=0;hugetlb.1GB.rsvd.max=0;",
		      .hugepage = h, .n_hugepage = 2);
	assert_int_equal(record(&res, &l, &err), 0);
	assert_string_equal(l.s.buf, "hugetlb.2MB.max=4194304;hugetlb.1GB.max=0;");
	joey_str_done(&l.s);
	expect_refused("pageSize", .hugepage = hb, .n_hugepage = 1);
	expect_writes("rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=mlx5_1 hca_object=5;", .rdma = rd,
		      .n_rdma = 3);
}

static void network_is_refused(void **state)
{
	(void)state;
	expect_writes("", .network.class_id = SET(0));
	expect_refused("linux.resources.network.classID", .network.class_id = SET(1));
	expect_refused("linux.resources.network.priorities", .network.n_priorities = 1);
}

static void unified(void **state)
{
	static char k_high[] = "memory.high", v_high[] = "1000", k_io[] = "io.max",
		    v_io[] = "8:0 rbps=1\n8:16 wbps=2\n", k_cpus[] = "cpuset.cpus", v_empty[] = "", k_slash[] = "a/b.c",
		    k_nodot[] = "memory", k_dot[] = ".x", k_dots[] = "..";
	struct joey_pair ok[] = { { k_high, v_high }, { k_io, v_io }, { k_cpus, v_empty } };
	struct joey_pair slash[] = { { k_slash, yes } }, nodot[] = { { k_nodot, yes } }, dot[] = { { k_dot, yes } },
			 dots[] = { { k_dots, yes } }, absent[] = { { k_io, yes } }, absent2[] = { { k_high, yes } };
	struct log l = { .s = JOEY_STR_INIT, .absent = "io.max memory.high" };
	struct joey_resources res = { .unified = { absent, 1 } };
	autoerr struct joey_err err = JOEY_ERR_INIT;

	(void)state;
	expect_writes("memory.max=5;memory.high=1000;io.max=8:0 rbps=1;io.max=8:16 wbps=2;cpuset.cpus=\n;",
		      .unified = { ok, 3 }, .memory.limit = SET(5));
	expect_refused("unified resource \"a/b.c\" must be a file name (no slashes)", .unified = { slash, 1 });
	expect_refused("unified resource \"memory\" must be in the form CONTROLLER.PARAMETER", .unified = { nodot, 1 });
	expect_refused("must be in the form CONTROLLER.PARAMETER", .unified = { dot, 1 });
	expect_refused("must be in the form CONTROLLER.PARAMETER", .unified = { dots, 1 });
	/* the fake cgroup has cpu and memory only */
	assert_int_equal(record(&res, &l, &err), -EOPNOTSUPP);
	assert_string_equal(joey_err_text(&err),
			    "unified resource \"io.max\" can't be set: controller \"io\" not available");
	joey_err_clear(&err);
	res.unified.v = absent2;
	assert_int_equal(record(&res, &l, &err), -EOPNOTSUPP);
	assert_non_null(strstr(joey_err_text(&err), "needs the file memory.high"));
	joey_str_done(&l.s);
}

static void order(void **state)
{
	static char cpus[] = "0", mb[] = "2MB", dev[] = "d", k[] = "cpu.weight", v[] = "7";
	struct joey_hugepage_limit h[] = { { mb, 1 } };
	struct joey_rdma rd[] = { { dev, SET(3), { 0 } } };
	struct joey_pair u[] = { { k, v } };

	(void)state;
	expect_writes("pids.max=9;memory.max=100;memory.low=50;io.bfq.weight=10;cpu.weight=100;cpu.max=1000 100000;"
		      "cpuset.cpus=0;hugetlb.2MB.max=1;hugetlb.2MB.rsvd.max=1;rdma.max=d hca_handle=3;cpu.weight=7;",
		      .pids_limit = SET(9), .memory.limit = SET(100), .memory.reservation = SET(50),
		      .block_io.weight = SET(10), .cpu.shares = SET(1024), .cpu.quota = SET(1000), .cpu.cpus = cpus,
		      .hugepage = h, .n_hugepage = 1, .rdma = rd, .n_rdma = 1, .unified = { u, 1 });
}

static void has_limits(void **state)
{
	const struct {
		struct joey_resources r;
		bool want;
	} rows[] = {
		{ { .pids_limit = SET(5) }, true },   { { .pids_limit = SET(0) }, true },
		{ { .pids_limit = SET(-1) }, false }, { { .memory.limit = SET(-1) }, false },
		{ { .memory.limit = SET(1) }, true }, { { .memory.kernel = SET(1) }, false },
		{ { .cpu.shares = SET(0) }, false },  { { .cpu.shares = SET(2) }, true },
		{ { .cpu.idle = SET(0) }, false },    { { .n_devices = 0 }, false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++)
		assert_int_equal(joey_resources_has_limits(&rows[i].r), rows[i].want);
}

/* ---- files and controllers ------------------------------------------------------------------------------- */

/* A mount with its root, and one cgroup in it, all plain files. */
static struct joey_cgroup *fake_mount(struct tmp_dir *t, const char *offered, const char *have)
{
	struct joey_cgroup *cg = NULL;

	tmp_make(t);
	assert_int_equal(mkdirat(t->fd, "test", 0700), 0);
	tmp_file(t, "cgroup.controllers", offered);
	tmp_file(t, "cgroup.subtree_control", "");
	tmp_file(t, "test/cgroup.controllers", have);
	tmp_file(t, "test/cgroup.type", "domain\n");
	assert_int_equal(cgroup_new_for_test(openat(t->fd, "test", O_PATH | O_DIRECTORY | O_CLOEXEC), &cg), 0);
	cg->mount = "/sys/fs/cgroup/unified";
	cg->mnt_fd = dup(t->fd);
	return cg;
}

static void fake_mount_done(struct tmp_dir *t, struct joey_cgroup *cg)
{
	joey_cgroup_free(cg);
	(void)unlinkat(t->fd, "test/cgroup.controllers", 0);
	(void)unlinkat(t->fd, "test/cgroup.type", 0);
	(void)unlinkat(t->fd, "test", AT_REMOVEDIR);
	tmp_remove(t);
}

static void absent_controller_is_named(void **state)
{
	static char k[] = "memory.high", kc[] = "cgroup.max.depth", km[] = "made_up.x";
	struct joey_pair core[] = { { kc, yes } }, made_up[] = { { km, yes } }, high[] = { { k, yes } };
	const struct {
		struct joey_resources r;
		const char *text; /* NULL: fine */
	} rows[] = {
		{ { .memory.limit = SET(1) },
		  "cgroup: linux.resources.memory.limit needs the controller \"memory\", which /sys/fs/cgroup/unified "
		  "does "
		  "not offer (host in hybrid mode? controllers are mounted as cgroup v1, which joey does not "
		  "support)" },
		{ { .pids_limit = SET(1) }, "linux.resources.pids.limit needs the controller \"pids\"" },
		{ { .cpu.shares = SET(1) }, "linux.resources.cpu.shares needs the controller \"cpu\"" },
		{ { .cpu.quota = SET(1) }, "linux.resources.cpu.quota needs the controller \"cpu\"" },
		{ { .cpu.cpus = yes }, "linux.resources.cpu.cpus needs the controller \"cpuset\"" },
		{ { .block_io.weight = SET(10) }, "linux.resources.blockIO.weight needs the controller \"io\"" },
		{ { .unified = { high, 1 } },
		  "unified resource \"memory.high\" can't be set: controller \"memory\" not" },
		{ { .unified = { made_up, 1 } }, "controller \"made_up\" not available" },
		{ { .unified = { core, 1 } }, NULL },
		{ { .pids_limit = SET(-1) }, NULL },
		{ { .memory.limit = SET(-1) }, NULL },
		{ { .cpu.shares = SET(0) }, NULL },
	};
	struct tmp_dir t;
	struct joey_cgroup *cg = fake_mount(&t, "hugetlb\n", "");
	size_t i;

	(void)state;
	for (i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		autoerr struct joey_err err = JOEY_ERR_INIT;
		int r = cgroup_controllers_check(cg, &rows[i].r, &err);

		assert_int_equal(r, rows[i].text ? -EOPNOTSUPP : 0);
		if (rows[i].text && !strstr(joey_err_text(&err), rows[i].text))
			fail_msg("\"%s\" lacks \"%s\"", joey_err_text(&err), rows[i].text);
	}
	fake_mount_done(&t, cg);
}

/* Only hugetlb on offer: nothing is enabled for a container that does not ask for it. */
static void hybrid_host_is_left_alone(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources none = { 0 };
	struct tmp_dir t;
	struct joey_cgroup *cg = fake_mount(&t, "hugetlb\n", "");

	(void)state;
	assert_int_equal(cgroup_controllers_enable(cg, &none, &err), 0);
	tmp_expect(&t, "cgroup.subtree_control", "");
	fake_mount_done(&t, cg);
}

static void controllers_are_enabled(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources none = { 0 }, limit = { .memory.limit = SET(1) };
	struct tmp_dir t;
	struct joey_cgroup *cg = fake_mount(&t, "cpuset cpu io memory pids rdma\n", "");

	(void)state;
	cg->mount = "/sys/fs/cgroup";
	assert_int_equal(cgroup_controllers_enable(cg, &none, &err), 0);
	tmp_expect(&t, "cgroup.subtree_control", "+cpuset +cpu +io +memory +pids +rdma");
	/* plain files enable nothing: with a limit that is an error, and it names the cause */
	assert_int_equal(cgroup_controllers_enable(cg, &limit, &err), -EOPNOTSUPP);
	assert_non_null(
		strstr(joey_err_text(&err),
		       "linux.resources.memory.limit needs the controller \"memory\", which could not be enabled"));
	joey_err_clear(&err);
	/* all there: nothing is written */
	tmp_file(&t, "cgroup.subtree_control", "");
	tmp_file(&t, "test/cgroup.controllers", "cpuset cpu io memory pids\n");
	assert_int_equal(cgroup_controllers_enable(cg, &limit, &err), 0);
	tmp_expect(&t, "cgroup.subtree_control", "");
	fake_mount_done(&t, cg);
}

static void threaded_parents(void **state)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	struct joey_resources none = { 0 }, limit = { .memory.limit = SET(1) };
	struct tmp_dir t;
	struct joey_cgroup *cg = fake_mount(&t, "cpu memory pids\n", "cpu pids\n");

	(void)state;
	cg->mount = "/sys/fs/cgroup";
	tmp_file(&t, "test/cgroup.type", "domain invalid\n");
	assert_int_equal(cgroup_controllers_enable(cg, &limit, &err), -EOPNOTSUPP);
	assert_string_equal(joey_err_text(&err), "cannot enter cgroupv2 \"/sys/fs/cgroup/test\" with domain "
						 "controllers -- it is in an invalid state");
	joey_err_clear(&err);
	tmp_file(&t, "test/cgroup.type", "threaded\n");
	assert_int_equal(cgroup_controllers_enable(cg, &limit, &err), -EOPNOTSUPP);
	assert_non_null(strstr(joey_err_text(&err), "it is in threaded mode"));
	joey_err_clear(&err);
	tmp_file(&t, "test/cgroup.type", "domain invalid\n");
	assert_int_equal(cgroup_controllers_enable(cg, &none, &err), 0);
	tmp_expect(&t, "test/cgroup.type", "threadednvalid\n"); /* a plain file is not truncated */
	fake_mount_done(&t, cg);
}

static void warning_sink(void *arg, enum joey_log_level level, const char *text)
{
	(void)level;
	joey_str_printf(arg, "%s;", text);
}

static void warnings(void **state)
{
	struct joey_str said = JOEY_STR_INIT;

	(void)state;
	joey_log_set_sink(warning_sink, &said, JOEY_LOG_WARNING);
	expect_writes("", .memory.kernel = SET(5));
	assert_string_equal(said.buf, "Kernel memory settings are ignored and will be removed;");
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	joey_str_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(blkio_weight),
		cmocka_unit_test(swap),
		cmocka_unit_test(nothing),
		cmocka_unit_test(pids),
		cmocka_unit_test(memory),
		cmocka_unit_test(memory_without_swap_accounting),
		cmocka_unit_test(check_before_update),
		cmocka_unit_test(cpu),
		cmocka_unit_test(burst_after_quota),
		cmocka_unit_test(io),
		cmocka_unit_test(hugetlb_and_rdma),
		cmocka_unit_test(network_is_refused),
		cmocka_unit_test(unified),
		cmocka_unit_test(order),
		cmocka_unit_test(has_limits),
		cmocka_unit_test(absent_controller_is_named),
		cmocka_unit_test(hybrid_host_is_left_alone),
		cmocka_unit_test(controllers_are_enabled),
		cmocka_unit_test(threaded_parents),
		cmocka_unit_test(warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
