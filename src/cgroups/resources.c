/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of an OCI config -> cgroup v2 files: one table, one row per subject, in the order of writing.
 *
 * A row's function says what it wants written (oci-checklist 8.2 holds the formulas) and does not care who listens:
 * the same rows answer "which controllers are needed", "is there any limit" and "write it".  A value of zero or an
 * absent one says nothing, but for pids.limit, where 0 is a limit.
 */
#include <string.h>

#include "cgroups/systemd-internal.h"
#include "joey/log.h"

/* ---- conversions ------------------------------------------------------------------------------------- */

/* Logarithm to base 2 and power of ten without libm, which would be linked in for this one formula.  Both are exact to
 * about 1e-15 relative; the nearest any of the 262142 arguments comes to an integer result without being
 * one is about 1e-6. */
static double log2_of(uint64_t v)
{
	int k = 63 - __builtin_clzll(v);
	double m = (double)v / (double)(1ULL << k); /* 1 <= m < 2 */
	double z = (m - 1) / (m + 1), z2 = z * z, term = z, sum = 0;
	int i;

	for (i = 1; i < 40; i += 2) {
		sum += term / i;
		term *= z2;
	}
	return k + 2 * sum / 0.69314718055994530942;
}

static double pow10_of(double e)
{
	double x = e * 2.30258509299404568402 / 16, term = 1, sum = 1;
	int i;

	for (i = 1; i < 24; i++) {
		term *= x / i;
		sum += term;
	}
	sum *= sum;
	sum *= sum;
	sum *= sum;
	return sum * sum;
}

uint64_t cgroup_weight_from_shares(uint64_t shares)
{
	double l, w;
	uint64_t whole;

	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of(shares);
	w = pow10_of((l * l + 125 * l) / 612 - 7.0 / 34);
	whole = (uint64_t)(w + 1e-9);
	return w - (double)whole > 1e-9 ? whole + 1 : whole;
}

uint64_t cgroup_weight_from_blkio(uint32_t weight)
{
	return weight == 0 ? 0 : 1 + ((uint64_t)weight - 10) * 9999 / 990;
}

int cgroup_swap_convert(const struct joey_opt_i64 *swap, const struct joey_opt_i64 *limit, bool *ret_set, int64_t *ret,
			struct joey_err *err)
{
	int64_t s = swap->set ? swap->v : 0, m = limit->set ? limit->v : 0;

	*ret_set = false;
	if (s == 0 && m != -1)
		return 0;
	if (s <= 0 || m == -1) {
		*ret = s == 0 ? -1 : s; /* unlimited memory alone frees swap too, as it did in v1 */
	} else {
		if (m == 0)
			return joey_err_set(
				err, JOEY_EK_CONFIG, EINVAL,
				"linux.resources.memory.swap: unable to set swap limit without memory limit");
		if (s < m)
			return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
					    "linux.resources.memory.swap: memory+swap limit should be >= memory limit");
		*ret = s - m;
	}
	*ret_set = true;
	return 0;
}

/* ---- emitting ------------------------------------------------------------------------------------------ */

typedef struct cgroup_knob_out out_t;

static int put(out_t *o, const char *file, const char *text, unsigned flags, struct joey_err *err)
{
	if (joey_startswith(text, "max"))
		flags |= CGROUP_KNOB_NO_LIMIT;
	return o->emit(o, file, text, flags, err);
}

__attribute__((format(printf, 5, 6))) static int putf(out_t *o, const char *file, unsigned flags, struct joey_err *err,
						      const char *fmt, ...)
{
	autostr struct joey_str s = JOEY_STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	joey_str_vprintf(&s, fmt, ap);
	va_end(ap);
	if (s.failed)
		return joey_err_sys(err, ENOMEM, "linux.resources.%s", o->key);
	return put(o, file, s.buf ? s.buf : "", flags, err);
}

/* -1 is "max" */
static int put_limit(out_t *o, const char *file, int64_t v, unsigned flags, struct joey_err *err)
{
	if (v == -1)
		return put(o, file, "max", flags, err);
	return putf(o, file, flags, err, "%lld", (long long)v);
}

static int bad_value(const out_t *o, struct joey_err *err, const char *what)
{
	return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "linux.resources.%s: %s", o->key, what);
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

/* Known fields that cgroup v2 has nothing for: an error where it would change what runs, else a warning. */
static int knob_v1_only(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	static const char no_v2[] = "not supported on cgroup v2";
	bool leaf = r->block_io.leaf_weight.set && r->block_io.leaf_weight.v != 0;
	size_t i;

	for (i = 0; i < r->block_io.n_weight_device; i++)
		leaf |= r->block_io.weight_device[i].leaf_weight.set && r->block_io.weight_device[i].leaf_weight.v != 0;
	const struct {
		bool set;
		const char *key;
	} refused[] = {
		{ r->cpu.realtime_period.set && r->cpu.realtime_period.v != 0, "cpu.realtimePeriod" },
		{ r->cpu.realtime_runtime.set && r->cpu.realtime_runtime.v != 0, "cpu.realtimeRuntime" },
		{ leaf, "blockIO.leafWeight" },
		{ r->memory.disable_oom_killer.set && r->memory.disable_oom_killer.v, "memory.disableOOMKiller" },
		{ r->network.class_id.set && r->network.class_id.v != 0, "network.classID" },
		{ r->network.n_priorities > 0, "network.priorities" },
	};

	for (i = 0; i < JOEY_ARRAY_SIZE(refused); i++) {
		o->key = refused[i].key;
		if (refused[i].set)
			return bad_value(o, err, no_v2);
	}
	return 0;
}

static int knob_pids(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	int64_t v = r->pids_limit.v;

	if (!r->pids_limit.set)
		return 0;
	/* pids.max 0 would keep even init from existing; systemd and runc take 1 for "none besides init" */
	return put_limit(o, "pids.max", v < 0 ? -1 : v == 0 ? 1 : v, 0, err);
}

static int check_usage(const struct joey_resources *r, const out_t *o, struct joey_err *err)
{
	int64_t limit = r->memory.limit.set ? r->memory.limit.v : 0, swap = r->memory.swap.set ? r->memory.swap.v : 0;
	uint64_t usage;
	char buf[32];

	if (!r->memory.check_before_update.set || !r->memory.check_before_update.v || o->dir_fd < 0)
		return 0;
	/* Best effort: a cgroup without the file uses nothing. */
	if (cgroup_read(o->dir_fd, "memory.current", buf, sizeof(buf)) < 0 || joey_parse_u64(buf, &usage) < 0)
		return 0;
	if (swap > 0 && (uint64_t)swap <= usage)
		return joey_err_set(err, JOEY_EK_OTHER, EBUSY, "rejecting memory+swap limit %lld <= usage %llu",
				    (long long)swap, (unsigned long long)usage);
	if (limit > 0 && (uint64_t)limit <= usage)
		return joey_err_set(err, JOEY_EK_OTHER, EBUSY, "rejecting memory limit %lld <= usage %llu",
				    (long long)limit, (unsigned long long)usage);
	return 0;
}

static int knob_swap(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	const struct {
		const struct joey_opt_i64 *v;
		const char *key;
	} all[] = {
		{ &r->memory.limit, "memory.limit" },
		{ &r->memory.reservation, "memory.reservation" },
		{ &r->memory.swap, "memory.swap" },
	};
	int64_t v = 0;
	bool set;
	size_t i;
	int ret;

	for (i = 0; i < JOEY_ARRAY_SIZE(all); i++) {
		o->key = all[i].key;
		if (all[i].v->set && all[i].v->v < -1)
			return bad_value(o, err, "negative value other than -1");
	}
	o->key = "memory.swap";
	ret = check_usage(r, o, err);
	if (ret == 0)
		ret = cgroup_swap_convert(&r->memory.swap, &r->memory.limit, &set, &v, err);
	if (ret < 0 || !set)
		return ret;
	/* Without swap accounting there is no file: then neither "no swap" nor "any" needs one. */
	return put_limit(o, "memory.swap.max", v, v == 0 ? CGROUP_KNOB_NO_LIMIT : 0, err);
}

static int knob_memory(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	if (!r->memory.limit.set || r->memory.limit.v == 0)
		return 0;
	return put_limit(o, "memory.max", r->memory.limit.v, 0, err);
}

static int knob_reservation(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	if (!r->memory.reservation.set || r->memory.reservation.v == 0)
		return 0;
	return put_limit(o, "memory.low", r->memory.reservation.v, 0, err);
}

static int check_io_weight(uint32_t w, const out_t *o, struct joey_err *err)
{
	return w >= 10 && w <= 1000 ? 0 : bad_value(o, err, "outside of 10..1000");
}

static int knob_io_weight(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	uint32_t w = r->block_io.weight.v;
	int ret;

	if (!r->block_io.weight.set || w == 0)
		return 0;
	ret = check_io_weight(w, o, err);
	if (ret == 0)
		ret = putf(o, "io.bfq.weight", CGROUP_KNOB_TRY_ENOENT, err, "%u", w);
	if (ret == -ENOENT)
		ret = putf(o, "io.weight", 0, err, "%llu", (unsigned long long)cgroup_weight_from_blkio(w));
	return ret;
}

static int knob_io_weight_device(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	size_t i;

	for (i = 0; i < r->block_io.n_weight_device; i++) {
		const struct joey_weight_device *d = &r->block_io.weight_device[i];
		int ret;

		if (!d->weight.set || d->weight.v == 0)
			continue;
		ret = check_io_weight(d->weight.v, o, err);
		/* EINVAL: bfq of a kernel before 5.4 knows no devices */
		if (ret == 0)
			ret = putf(o, "io.bfq.weight", CGROUP_KNOB_TRY_ENOENT | CGROUP_KNOB_TRY_EINVAL, err, "%u:%u %u",
				   d->major, d->minor, d->weight.v);
		if (ret == -ENOENT || ret == -EINVAL) {
			if (err->errnum != 0)
				return ret;
			ret = putf(o, "io.weight", 0, err, "%u:%u %llu", d->major, d->minor,
				   (unsigned long long)cgroup_weight_from_blkio(d->weight.v));
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int put_throttles(const struct joey_throttles *t, const char *name, out_t *o, struct joey_err *err)
{
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < t->n; i++) {
		const struct joey_throttle *d = &t->v[i];

		if (d->rate == 0) /* the kernel refuses 0; in v1 it lifted the limit */
			ret = putf(o, "io.max", CGROUP_KNOB_NO_LIMIT, err, "%u:%u %s=max", d->major, d->minor, name);
		else
			ret = putf(o, "io.max", 0, err, "%u:%u %s=%llu", d->major, d->minor, name,
				   (unsigned long long)d->rate);
	}
	return ret;
}

static int knob_read_bps(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return put_throttles(&r->block_io.read_bps, "rbps", o, err);
}

static int knob_write_bps(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return put_throttles(&r->block_io.write_bps, "wbps", o, err);
}

static int knob_read_iops(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return put_throttles(&r->block_io.read_iops, "riops", o, err);
}

static int knob_write_iops(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return put_throttles(&r->block_io.write_iops, "wiops", o, err);
}

static bool is_idle(const struct joey_resources *r)
{
	return r->cpu.idle.set && r->cpu.idle.v != 0;
}

static int knob_cpu_idle(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	if (!r->cpu.idle.set)
		return 0;
	/* 0 is what a new cgroup has */
	return putf(o, "cpu.idle", r->cpu.idle.v == 0 ? CGROUP_KNOB_NO_LIMIT : 0, err, "%lld",
		    (long long)r->cpu.idle.v);
}

static int knob_cpu_shares(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	/* An idle cgroup refuses any weight (EINVAL). */
	if (!r->cpu.shares.set || r->cpu.shares.v == 0 || is_idle(r))
		return 0;
	return putf(o, "cpu.weight", 0, err, "%llu", (unsigned long long)cgroup_weight_from_shares(r->cpu.shares.v));
}

static int put_burst(const struct joey_resources *r, out_t *o, unsigned flags, struct joey_err *err)
{
	o->key = "cpu.burst";
	if (r->cpu.burst.v == 0)
		flags |= CGROUP_KNOB_NO_LIMIT;
	return putf(o, "cpu.max.burst", flags, err, "%llu", (unsigned long long)r->cpu.burst.v);
}

/* The value that systemd will write again some day must be the one that is there. */
static int64_t rounded_quota(int64_t quota, uint64_t period)
{
	uint64_t usec = cgroup_sd_cpu_usec(quota, period);

	return __builtin_mul_overflow(usec, period, &usec) || usec / 1000000 > INT64_MAX ? quota
											 : (int64_t)(usec / 1000000);
}

/* A burst above the present quota is EINVAL, and so is a quota below the present burst: burst, quota, burst. */
static int knob_cpu_max(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	int64_t quota = r->cpu.quota.set ? r->cpu.quota.v : 0;
	uint64_t period = r->cpu.period.set ? r->cpu.period.v : 0;
	bool again = false;
	int ret = 0;

	if (r->cpu.burst.set) {
		ret = put_burst(r, o, quota != 0 ? CGROUP_KNOB_TRY_EINVAL : 0, err);
		again = ret == -EINVAL && quota != 0 && err->errnum == 0;
		if (ret < 0 && !again)
			return ret;
	}
	if (quota == 0 && period == 0)
		return 0;
	o->key = quota != 0 ? "cpu.quota" : "cpu.period";
	if (period == 0)
		period = 100000;
	if (quota > 0 && o->whole_percents)
		quota = rounded_quota(quota, period);
	if (quota > 0)
		ret = putf(o, "cpu.max", 0, err, "%lld %llu", (long long)quota, (unsigned long long)period);
	else
		ret = putf(o, "cpu.max", 0, err, "max %llu", (unsigned long long)period);
	return ret == 0 && again ? put_burst(r, o, 0, err) : ret;
}

static int knob_cpus(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return r->cpu.cpus && *r->cpu.cpus ? put(o, "cpuset.cpus", r->cpu.cpus, 0, err) : 0;
}

static int knob_mems(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	return r->cpu.mems && *r->cpu.mems ? put(o, "cpuset.mems", r->cpu.mems, 0, err) : 0;
}

/* "2MB", "1GB", "64KB": it becomes part of a file name. */
static bool page_size_ok(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits > 0 && digits < 16 && s[0] != '0' && s[digits] && strchr("KMGTPE", s[digits]) &&
	       joey_streq(s + digits + 1, "B");
}

static int knob_hugetlb(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	bool rsvd = true;
	size_t i;

	for (i = 0; i < r->n_hugepage; i++) {
		const struct joey_hugepage_limit *h = &r->hugepage[i];
		char file[64], value[24];
		int ret;

		if (!page_size_ok(h->page_size))
			return bad_value(o, err, "pageSize must look like 64KB, 2MB or 1GB");
		(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)h->limit);
		(void)snprintf(file, sizeof(file), "hugetlb.%s.max", h->page_size);
		ret = put(o, file, value, 0, err);
		if (ret < 0)
			return ret;
		(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", h->page_size);
		ret = rsvd ? put(o, file, value, CGROUP_KNOB_TRY_ENOENT, err) : 0;
		if (ret == -ENOENT)
			rsvd = false; /* a kernel before 5.7: no use in trying the next size */
		else if (ret < 0)
			return ret;
	}
	return 0;
}

static int knob_rdma(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	size_t i;

	for (i = 0; i < r->n_rdma; i++) {
		const struct joey_rdma *d = &r->rdma[i];
		autostr struct joey_str s = JOEY_STR_INIT;
		int ret;

		if (!d->hca_handles.set && !d->hca_objects.set)
			continue;
		joey_str_add(&s, d->device);
		if (d->hca_handles.set)
			joey_str_printf(&s, " hca_handle=%u", d->hca_handles.v);
		if (d->hca_objects.set)
			joey_str_printf(&s, " hca_object=%u", d->hca_objects.v);
		ret = s.failed ? joey_err_sys(err, ENOMEM, "linux.resources.rdma") : put(o, "rdma.max", s.buf, 0, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int put_unified(const struct joey_pair *u, out_t *o, struct joey_err *err)
{
	const char *dot = strchr(u->key, '.'), *line = u->value;

	o->key = u->key;
	if (strchr(u->key, '/'))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "unified resource \"%s\" must be a file name (no slashes)", u->key);
	if (!dot || dot == u->key)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "unified resource \"%s\" must be in the form CONTROLLER.PARAMETER", u->key);
	o->controller = u->key;
	o->controller_len = (int)(dot - u->key);
	do {
		int n = (int)strcspn(line, "\n");
		/* An empty value ("all cpus") reaches the kernel only as a newline. */
		int ret = *line ? putf(o, u->key, 0, err, "%.*s", n, line) : put(o, u->key, "\n", 0, err);

		if (ret < 0)
			return ret;
		line += n;
		line += *line == '\n' ? 1 : 0;
	} while (*line);
	return 0;
}

static int knob_unified(const struct joey_resources *r, out_t *o, struct joey_err *err)
{
	size_t i;
	int ret = 0;

	o->unified = true;
	for (i = 0; ret == 0 && i < r->unified.n; i++)
		ret = put_unified(&r->unified.v[i], o, err);
	o->unified = false;
	return ret;
}

/* In the order of writing: swap before memory (a limit that shrinks), unified last, as it overrides. */
static const struct knob {
	const char *key, *controller;
	int (*run)(const struct joey_resources *r, out_t *o, struct joey_err *err);
} knobs[] = {
	{ "", "", knob_v1_only },
	{ "pids.limit", "pids", knob_pids },
	{ "memory.swap", "memory", knob_swap },
	{ "memory.limit", "memory", knob_memory },
	{ "memory.reservation", "memory", knob_reservation },
	{ "blockIO.weight", "io", knob_io_weight },
	{ "blockIO.weightDevice", "io", knob_io_weight_device },
	{ "blockIO.throttleReadBpsDevice", "io", knob_read_bps },
	{ "blockIO.throttleWriteBpsDevice", "io", knob_write_bps },
	{ "blockIO.throttleReadIOPSDevice", "io", knob_read_iops },
	{ "blockIO.throttleWriteIOPSDevice", "io", knob_write_iops },
	{ "cpu.idle", "cpu", knob_cpu_idle },
	{ "cpu.shares", "cpu", knob_cpu_shares },
	{ "cpu.quota", "cpu", knob_cpu_max },
	{ "cpu.cpus", "cpuset", knob_cpus },
	{ "cpu.mems", "cpuset", knob_mems },
	{ "hugepageLimits", "hugetlb", knob_hugetlb },
	{ "rdma", "rdma", knob_rdma },
	{ "unified", "", knob_unified },
};

int cgroup_knobs_each(const struct joey_resources *res, struct cgroup_knob_out *out, struct joey_err *err)
{
	size_t i;

	for (i = 0; i < JOEY_ARRAY_SIZE(knobs); i++) {
		int r;

		out->key = knobs[i].key;
		out->controller = knobs[i].controller;
		out->controller_len = (int)strlen(knobs[i].controller);
		out->unified = false;
		r = knobs[i].run(res, out, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- listeners ---------------------------------------------------------------------------------------- */

static int note_limit(out_t *o, const char *file, const char *text, unsigned flags, struct joey_err *err)
{
	bool *any = o->arg;

	(void)file;
	(void)text;
	(void)err;
	if (!(flags & CGROUP_KNOB_NO_LIMIT))
		*any = true;
	return 0;
}

bool joey_resources_has_limits(const struct joey_resources *res)
{
	autoerr struct joey_err ignored = JOEY_ERR_INIT;
	bool any = false;
	struct cgroup_knob_out out = { .emit = note_limit, .arg = &any, .dir_fd = -EBADF };

	/* A value that is refused was asked for all the same. */
	return cgroup_knobs_each(res, &out, &ignored) < 0 || any;
}

static int absent_file(const struct joey_cgroup *cg, const out_t *o, const char *file, struct joey_err *err)
{
	char have[1024], name[64];

	if (o->controller_len > 0 && (size_t)o->controller_len < sizeof(name) &&
	    cgroup_read(cg->dir_fd, "cgroup.controllers", have, sizeof(have)) >= 0) {
		memcpy(name, o->controller, (size_t)o->controller_len);
		name[o->controller_len] = '\0';
		if (!cgroup_word_in(have, name) && o->unified)
			return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
					    "unified resource \"%s\" can't be set: controller \"%s\" not available",
					    o->key, name);
		if (!cgroup_word_in(have, name))
			return joey_err_set(
				err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				"cgroup: linux.resources.%s needs the controller \"%s\", which %s does not have",
				o->key, name, cgroup_name(cg));
	}
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
			    "cgroup: %s%s needs the file %s, which %s lacks (kernel too old or built without it?)",
			    o->unified ? "unified resource " : "linux.resources.", o->key, file, cgroup_name(cg));
}

int cgroup_put(struct joey_cgroup *cg, const char *file, const char *text)
{
	return cg->write_hook ? cg->write_hook(cg->write_arg, file, text) : cgroup_write(cg->dir_fd, file, text);
}

int cgroup_knob_write(struct joey_cgroup *cg, out_t *o, const char *file, const char *text, unsigned flags,
		      struct joey_err *err)
{
	int r = cgroup_put(cg, file, text);

	if (r == 0 || (r == -ENOENT && (flags & CGROUP_KNOB_NO_LIMIT)))
		return 0;
	if ((r == -ENOENT && (flags & CGROUP_KNOB_TRY_ENOENT)) || (r == -EINVAL && (flags & CGROUP_KNOB_TRY_EINVAL)))
		return r;
	if (r == -ENOENT)
		return absent_file(cg, o, file, err);
	if (o->unified)
		return joey_err_sys(err, -r, "unable to set unified resource \"%s\" to \"%s\" on %s", o->key, text,
				    cgroup_name(cg));
	return joey_err_sys(err, -r, "cgroup: linux.resources.%s: write \"%s\" to %s of %s", o->key, text, file,
			    cgroup_name(cg));
}

static int write_limit(out_t *o, const char *file, const char *text, unsigned flags, struct joey_err *err)
{
	return cgroup_knob_write(o->arg, o, file, text, flags, err);
}

/* Fields that are accepted without effect, said once and only when limits are really written. */
void cgroup_warn_ignored(const struct joey_resources *r)
{
	if ((r->memory.kernel.set && r->memory.kernel.v != 0) ||
	    (r->memory.kernel_tcp.set && r->memory.kernel_tcp.v != 0))
		joey_warn("Kernel memory settings are ignored and will be removed");
	if (r->memory.swappiness.set)
		joey_warn("linux.resources.memory.swappiness has no effect on cgroup v2");
	if (is_idle(r) && r->cpu.shares.set && r->cpu.shares.v != 0)
		joey_warn("unable to apply both cpu.shares and cpu.idle: the shares are left out");
}

int joey_cgroup_apply(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	struct cgroup_knob_out out = {
		.emit = write_limit, .arg = cg, .dir_fd = cg->dir_fd, .whole_percents = cg->kind == JOEY_CGROUP_SYSTEMD
	};
	int r = 0;

	if (cg->dir_fd < 0) {
		if (!joey_resources_has_limits(res))
			return 0;
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: limits are set in linux.resources, but the container has no cgroup");
	}
	cgroup_warn_ignored(res);
	if (cg->driver->announce)
		r = cg->driver->announce(cg, res, err);
	return r < 0 ? r : cgroup_knobs_each(res, &out, err);
}
