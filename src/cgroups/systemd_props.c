/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What joey tells systemd about a container, so that `systemctl daemon-reload`, which writes a unit's settings
 * again, writes the same values that joey does: one row per subject (systemd.resource-control(5)).  joey writes
 * the files itself all the same, for systemd knows only some of them.
 */
#include <string.h>

#include "cgroups/systemd-internal.h"
#include "joey/gvariant.h"

#define BITS_MAX 8192 /* CPUs or memory nodes; the kernel's largest NR_CPUS */

/* ---- limits -------------------------------------------------------------------------------------------- */

static int no_memory(struct joey_err *err)
{
	return joey_err_sys(err, ENOMEM, "cgroup: tell systemd about limits");
}

/* -1 (and what is below): infinity, which is the largest number. */
static void put_limit(struct joey_str *s, const char *name, int64_t v)
{
	joey_str_printf(s, "%s=uint64 %llu\n", name, (unsigned long long)(v < 0 ? UINT64_MAX : (uint64_t)v));
}

uint64_t cgroup_sd_cpu_usec(int64_t quota, uint64_t period)
{
	uint64_t usec;

	if (quota <= 0)
		return UINT64_MAX;
	if (period == 0)
		period = 100000;
	if (__builtin_mul_overflow((uint64_t)quota, 1000000u, &usec) || usec / period > UINT64_MAX - 10000)
		return UINT64_MAX;
	usec /= period;
	return (usec + 9999) / 10000 * 10000;
}

int cgroup_sd_props_bits(const char *list, struct joey_str *s)
{
	unsigned char bits[BITS_MAX / 8] = { 0 };
	autofree char *copy = strdup(list);
	char *p = copy, *range;
	size_t n = 0;

	if (!copy)
		return -ENOMEM;
	while ((range = strsep(&p, ",")) != NULL) {
		char *to = range, *from = strsep(&to, "-");
		uint32_t a, b;

		if (joey_parse_u32(from, &a) < 0 || joey_parse_u32(to ? to : from, &b) < 0 || a > b || b >= BITS_MAX)
			return -EINVAL;
		for (; a <= b; a++)
			bits[a / 8] = (unsigned char)(bits[a / 8] | 1u << a % 8);
		n = n > b / 8 + 1 ? n : b / 8 + 1;
	}
	joey_str_add(s, "[");
	for (size_t i = 0; i < n; i++)
		joey_str_printf(s, "%sbyte 0x%02x", i ? ", " : "", bits[i]);
	joey_str_add(s, "]");
	return 0;
}

static int put_bits(struct joey_str *s, const char *name, const char *key, const char *list, struct joey_err *err)
{
	int r;

	if (!list || !*list)
		return 0;
	joey_str_printf(s, "%s=", name);
	r = cgroup_sd_props_bits(list, s);
	joey_str_add(s, "\n");
	if (r == -EINVAL)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "linux.resources.%s: \"%.200s\" is not a list such as "
				    "\"0-3,7\"",
				    key, list);
	return r < 0 ? no_memory(err) : 0;
}

static int limits_memory(const struct joey_resources *r, struct joey_str *s, struct joey_err *err)
{
	int64_t swap = 0;
	bool set;
	int k = cgroup_swap_convert(&r->memory.swap, &r->memory.limit, &set, &swap, err);

	if (k < 0)
		return k;
	if (r->memory.limit.set && r->memory.limit.v != 0)
		put_limit(s, "MemoryMax", r->memory.limit.v);
	if (r->memory.reservation.set && r->memory.reservation.v != 0)
		put_limit(s, "MemoryLow", r->memory.reservation.v);
	if (set)
		put_limit(s, "MemorySwapMax", swap);
	return 0;
}

static void put_quota(struct joey_str *s, int64_t quota, uint64_t period)
{
	if (period != 0)
		joey_str_printf(s, "CPUQuotaPeriodUSec=uint64 %llu\n", (unsigned long long)period);
	joey_str_printf(s, "CPUQuotaPerSecUSec=uint64 %llu\n", (unsigned long long)cgroup_sd_cpu_usec(quota, period));
}

static void limits_cpu(const struct joey_resources *r, struct joey_str *s)
{
	int64_t quota = r->cpu.quota.set ? r->cpu.quota.v : 0;
	uint64_t period = r->cpu.period.set ? r->cpu.period.v : 0;
	bool idle = r->cpu.idle.set && r->cpu.idle.v != 0;

	/* An idle cgroup has no weight; to systemd before 252 that cannot be told. */
	if (r->cpu.shares.set && r->cpu.shares.v != 0 && !idle)
		joey_str_printf(s, "CPUWeight=uint64 %llu\n",
				(unsigned long long)cgroup_weight_from_shares(r->cpu.shares.v));
	if (quota != 0 || period != 0)
		put_quota(s, quota, period);
}

static void put_tasks(struct joey_str *s, int64_t limit, bool starting)
{
	if (limit == 0) /* as pids.max: none besides init */
		limit = 1;
	if (starting && limit > 0 && limit <= CGROUP_SD_SLOTS)
		limit += CGROUP_SD_SLOTS;
	put_limit(s, "TasksMax", limit);
}

/* ---- unified: those keys that are properties of systemd, too -------------------------------------------- */

static const struct {
	const char *key, *name;
} unified_limits[] = {
	{ "memory.min", "MemoryMin" }, { "memory.low", "MemoryLow" },          { "memory.high", "MemoryHigh" },
	{ "memory.max", "MemoryMax" }, { "memory.swap.max", "MemorySwapMax" }, { "memory.zswap.max", "MemoryZSwapMax" },
	{ "cpu.weight", "CPUWeight" },
};

/* What systemd would not understand is left to the kernel, whose answer is the better error. */
static bool parse_limit(const char *text, int64_t *ret)
{
	if (joey_streq(text, "max"))
		*ret = -1;
	else if (joey_parse_i64(text, ret) < 0 || *ret < 0)
		return false;
	return true;
}

static void unified_cpu_max(const char *text, struct joey_str *s)
{
	autofree char *copy = strdup(text);
	char *period_text = copy, *quota_text = strsep(&period_text, " ");
	uint64_t period = 100000;
	int64_t quota;

	if (quota_text && parse_limit(quota_text, &quota) &&
	    (!period_text || joey_parse_u64(period_text, &period) == 0))
		put_quota(s, quota, period);
}

static void limits_unified(const struct joey_resources *r, bool starting, struct joey_str *s)
{
	for (size_t i = 0; i < r->unified.n; i++) {
		const struct joey_pair *u = &r->unified.v[i];
		int64_t v;

		for (size_t k = 0; k < JOEY_ARRAY_SIZE(unified_limits); k++)
			if (joey_streq(u->key, unified_limits[k].key) && parse_limit(u->value, &v))
				put_limit(s, unified_limits[k].name, v);
		if (joey_streq(u->key, "pids.max") && parse_limit(u->value, &v))
			put_tasks(s, v, starting);
		else if (joey_streq(u->key, "cpu.max"))
			unified_cpu_max(u->value, s);
		else if (joey_streq(u->key, "cpuset.cpus") || joey_streq(u->key, "cpuset.mems")) {
			autostr struct joey_str bits = JOEY_STR_INIT;

			if (cgroup_sd_props_bits(u->value, &bits) == 0)
				joey_str_printf(s, "%s=%s\n",
						joey_streq(u->key, "cpuset.cpus") ? "AllowedCPUs"
										  : "AllowedMemoryNodes",
						bits.buf);
		}
	}
}

int cgroup_sd_props_limits(const struct joey_resources *res, bool starting, struct joey_str *s, struct joey_err *err)
{
	int r = limits_memory(res, s, err);

	if (r < 0)
		return r;
	limits_cpu(res, s);
	if (res->pids_limit.set)
		put_tasks(s, res->pids_limit.v, starting);
	if (res->block_io.weight.set && res->block_io.weight.v >= 10 && res->block_io.weight.v <= 1000)
		joey_str_printf(s, "IOWeight=uint64 %llu\n",
				(unsigned long long)cgroup_weight_from_blkio(res->block_io.weight.v));
	r = put_bits(s, "AllowedCPUs", "cpu.cpus", res->cpu.cpus, err);
	if (r == 0)
		r = put_bits(s, "AllowedMemoryNodes", "cpu.mems", res->cpu.mems, err);
	if (r < 0)
		return r;
	limits_unified(res, starting, s);
	return s->failed ? no_memory(err) : 0;
}

/* ---- devices ------------------------------------------------------------------------------------------- */

/* 8.3.2 */
static const char *const default_devices[] = {
	"('char-*', 'm')",
	"('block-*', 'm')",
	"('/dev/char/1:3', 'rwm')",
	"('/dev/char/1:5', 'rwm')",
	"('/dev/char/1:7', 'rwm')",
	"('/dev/char/1:8', 'rwm')",
	"('/dev/char/1:9', 'rwm')",
	"('/dev/char/5:0', 'rwm')",
	"('/dev/char/5:2', 'rwm')",
	"('char-136', 'rwm')",
	"('/dev/char/10:200', 'rwm')",
};

static void put_device(struct joey_str *s, const char *kind, const struct joey_device_rule *d)
{
	char access[4] = { 0 };
	size_t n = 0;

	if (d->access & JOEY_DEV_READ)
		access[n++] = 'r';
	if (d->access & JOEY_DEV_WRITE)
		access[n++] = 'w';
	if (d->access & JOEY_DEV_MKNOD)
		access[n++] = 'm';
	if (d->major < 0) /* any minor goes with any major here: systemd cannot say it more narrowly */
		joey_str_printf(s, ", ('%s-*', '%s')", kind, access);
	else if (d->minor < 0)
		joey_str_printf(s, ", ('%s-%lld', '%s')", kind, (long long)d->major, access);
	else
		joey_str_printf(s, ", ('/dev/%s/%lld:%lld', '%s')", kind, (long long)d->major, (long long)d->minor,
				access);
}

/*
 * systemd's list knows no denials.  It may allow more than the config: joey's own program, which systemd leaves
 * alone, stands beside systemd's, and both must agree.
 */
int cgroup_sd_props_devices(const struct joey_resources *res, struct joey_str *s, struct joey_err *err)
{
	bool all = false;

	for (size_t i = 0; i < res->n_devices; i++)
		all |= res->devices[i].allow && res->devices[i].type == 'a';
	if (all) {
		joey_str_add(s, "DevicePolicy='auto'\n");
		return s->failed ? no_memory(err) : 0;
	}
	joey_str_add(s, "DevicePolicy='strict'\nDeviceAllow=[");
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(default_devices); i++)
		joey_str_printf(s, "%s%s", i ? ", " : "", default_devices[i]);
	for (size_t i = 0; i < res->n_devices; i++)
		if (res->devices[i].allow && res->devices[i].access)
			put_device(s, res->devices[i].type == 'b' ? "block" : "char", &res->devices[i]);
	joey_str_add(s, "]\n");
	return s->failed ? no_memory(err) : 0;
}

/* ---- annotations --------------------------------------------------------------------------------------- */

/*
 * Nothing that starts, stops or orders other units in, changes where the unit is, what it may use or who may
 * change it: who sets annotations may not be who owns the host.
 */
static const char *const allowed[] = {
	"After",
	"Before",
	"CollectMode",
	"DefaultDependencies",
	"Description",
	"Documentation",
	"FinalKillSignal",
	"KillMode",
	"KillSignal",
	"ManagedOOMMemoryPressure",
	"ManagedOOMMemoryPressureLimit",
	"ManagedOOMPreference",
	"ManagedOOMSwap",
	"MemoryHigh",
	"OOMPolicy",
	"RuntimeMaxUSec",
	"SendSIGHUP",
	"SendSIGKILL",
	"TimeoutStopUSec",
};

static bool is_allowed(const char *name)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(allowed); i++)
		if (strcmp(name, allowed[i]) == 0)
			return true;
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int check_name(const char *key, const char *name, struct joey_err *err)
{
	size_t n = 0;

	while (is_letter(name[n]))
		n++;
	if (name[n] || n < 3 || n > 64)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "annotation %.200s name incorrect: 3 to 64 letters are expected after the prefix",
				    key);
	return 0;
}

/* "TimeoutStopSec" is how unit files say TimeoutStopUSec. */
static bool is_seconds(const char *name)
{
	size_t n = strlen(name);

	return n > 3 && strcmp(name + n - 3, "Sec") == 0 && name[n - 4] >= 'a' && name[n - 4] <= 'z';
}

static int put_seconds(const struct joey_pair *a, const struct joey_gv *v, struct joey_str *s, struct joey_err *err)
{
	bool is_signed = v->type == 'n' || v->type == 'i' || v->type == 'x';
	uint64_t usec = is_signed ? (uint64_t)v->u.i : v->u.u;

	if (!strchr("nixyqut", v->type) || (is_signed && v->u.i < 0) || __builtin_mul_overflow(usec, 1000000u, &usec))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "annotation %.200s=%.200s value parse error: not a "
				    "number of seconds",
				    a->key, a->value);
	joey_str_printf(s, "uint64 %llu\n", (unsigned long long)usec);
	return 0;
}

static int put_annotation(const struct joey_pair *a, const char *name, struct joey_str *s, struct joey_err *err)
{
	struct joey_arena arena = JOEY_ARENA_INIT;
	autofree char *real = NULL;
	struct joey_gv *v;
	int r = check_name(a->key, name, err);

	if (r < 0)
		return r;
	/* "Sec" -> "USec" */
	if (asprintf(&real, "%.*s%s", (int)strlen(name) - (is_seconds(name) ? 3 : 0), name,
		     is_seconds(name) ? "USec" : "") < 0) {
		real = NULL;
		return no_memory(err);
	}
	if (!is_allowed(real))
		return joey_err_set(err, JOEY_EK_CONFIG, EPERM,
				    "annotation %.200s: not one of the systemd properties that annotations may set",
				    a->key);
	r = joey_gv_parse(a->value, &arena, &v, err);
	if (r < 0) {
		joey_err_wrap(err, "annotation %.200s=%.200s value parse error", a->key, a->value);
	} else {
		joey_str_printf(s, "%s=", real);
		if (is_seconds(name))
			r = put_seconds(a, v, s, err);
		else
			joey_str_printf(s, "%s\n", a->value);
	}
	joey_arena_done(&arena);
	return r;
}

int cgroup_sd_props_annotations(const struct joey_pairs *annotations, struct joey_str *s, struct joey_err *err)
{
	static const char prefix[] = "org.systemd.property.";
	int r = 0;

	for (size_t i = 0; r == 0 && i < annotations->n; i++)
		if (joey_startswith(annotations->v[i].key, prefix))
			r = put_annotation(&annotations->v[i], annotations->v[i].key + strlen(prefix), s, err);
	if (r == 0 && s->failed)
		return no_memory(err);
	return r;
}
