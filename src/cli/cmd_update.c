/* SPDX-License-Identifier: Apache-2.0 */
/* Each option of a limit is one row: what kind of number its text is, and which member of linux.resources it sets. */
#include "cli/cli-internal.h"

struct update_opts {
	const char *resources, *cpuset_cpus, *cpuset_mems, *l3_cache_schema, *mem_bw_schema;
	const char *blkio_weight, *cpu_period, *cpu_quota, *cpu_burst, *cpu_share, *cpu_rt_period, *cpu_rt_runtime;
	const char *cpu_idle, *memory, *memory_reservation, *memory_swap, *kernel_memory, *kernel_memory_tcp;
	const char *pids_limit;
};

#define V(name, member, value, help)                                                   \
	{                                                                              \
		name, 0, OPT_STRING, offsetof(struct update_opts, member), value, help \
	}

static const struct opt opts[] = {
	{ "resources", 'r', OPT_STRING, offsetof(struct update_opts, resources), "FILE",
	  "read linux.resources as JSON from FILE, or from standard input (-); other limits are ignored" },
	V("blkio-weight", blkio_weight, "N", "block I/O weight, 10 to 1000"),
	V("cpu-period", cpu_period, "USEC", "CFS period"),
	V("cpu-quota", cpu_quota, "USEC", "CFS quota in a period, -1: none"),
	V("cpu-burst", cpu_burst, "USEC", "CFS burst"),
	V("cpu-share", cpu_share, "N", "relative CPU weight, 2 to 262144"),
	V("cpu-rt-period", cpu_rt_period, "USEC", "not on cgroup v2: only 0"),
	V("cpu-rt-runtime", cpu_rt_runtime, "USEC", "not on cgroup v2: only 0"),
	V("cpu-idle", cpu_idle, "0|1", "1: run only when the CPU is idle"),
	V("cpuset-cpus", cpuset_cpus, "LIST", "CPUs to use"),
	V("cpuset-mems", cpuset_mems, "LIST", "memory nodes to use"),
	V("memory", memory, "BYTES", "memory limit, -1: none"),
	V("memory-reservation", memory_reservation, "BYTES", "memory that is not reclaimed first"),
	V("memory-swap", memory_swap, "BYTES", "limit of memory and swap together, -1: none"),
	V("kernel-memory", kernel_memory, "BYTES", "ignored"),
	V("kernel-memory-tcp", kernel_memory_tcp, "BYTES", "ignored"),
	V("pids-limit", pids_limit, "N", "number of processes, -1: no limit"),
	V("l3-cache-schema", l3_cache_schema, "TEXT", "Intel RDT L3 schema"),
	V("mem-bw-schema", mem_bw_schema, "TEXT", "Intel RDT memory bandwidth schema"),
	OPT_END,
};
#undef V

enum kind { K_U64, K_I64, K_U32, K_SIZE };

#define R(name, kind, member, field)                                                                     \
	{                                                                                                \
		name, kind, offsetof(struct update_opts, member), offsetof(struct joey_resources, field) \
	}

static const struct {
	const char *name;
	enum kind kind;
	size_t text, value;
} rows[] = {
	R("blkio-weight", K_U32, blkio_weight, block_io.weight),
	R("cpu-period", K_U64, cpu_period, cpu.period),
	R("cpu-quota", K_I64, cpu_quota, cpu.quota),
	R("cpu-burst", K_U64, cpu_burst, cpu.burst),
	R("cpu-share", K_U64, cpu_share, cpu.shares),
	R("cpu-rt-period", K_U64, cpu_rt_period, cpu.realtime_period),
	R("cpu-rt-runtime", K_I64, cpu_rt_runtime, cpu.realtime_runtime),
	R("cpu-idle", K_I64, cpu_idle, cpu.idle),
	R("memory", K_SIZE, memory, memory.limit),
	R("memory-reservation", K_SIZE, memory_reservation, memory.reservation),
	R("memory-swap", K_SIZE, memory_swap, memory.swap),
	R("kernel-memory", K_SIZE, kernel_memory, memory.kernel),
	R("kernel-memory-tcp", K_SIZE, kernel_memory_tcp, memory.kernel_tcp),
	R("pids-limit", K_I64, pids_limit, pids_limit),
};
#undef R

static int store(enum kind kind, const char *text, void *value)
{
	struct joey_opt_u64 *u64 = value;
	struct joey_opt_u32 *u32 = value;
	struct joey_opt_i64 *i64 = value;

	switch (kind) {
	case K_U64:
		u64->set = true;
		return joey_parse_u64(text, &u64->v);
	case K_U32:
		u32->set = true;
		return joey_parse_u32(text, &u32->v);
	case K_I64:
		i64->set = true;
		return joey_parse_i64(text, &i64->v);
	case K_SIZE:
		i64->set = true;
		return size_from_string(text, &i64->v);
	}
	return -EINVAL;
}

static int bad_value(const char *name, int r, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "invalid value for %s: %s", name, joey_errno_text(r));
}

static int fill(const struct update_opts *o, struct joey_resources *res, struct joey_err *err)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++) {
		const char *text = *(const char *const *)(const void *)((const char *)o + rows[i].text);
		int r = text && *text ? store(rows[i].kind, text, (char *)res + rows[i].value) : 0;

		if (r < 0)
			return bad_value(rows[i].name, r, err);
	}
	/* As in the JSON form. */
	if (res->cpu.idle.set && (res->cpu.idle.v < 0 || res->cpu.idle.v > 1))
		return bad_value("cpu-idle", -EINVAL, err);
	return 0;
}

static char *writable(const char *text)
{
	char *p;

	__builtin_memcpy(&p, &text, sizeof(p)); /* argv's own words */
	return p;
}

static int run(const struct globals *g, const void *opts_in, char **argv, size_t argc, struct joey_err *err)
{
	const struct update_opts *o = opts_in;
	struct joey_update_opts u = {
		.id = argv[0],
		.resources_file = o->resources && *o->resources ? o->resources : NULL,
		.l3_cache_schema = o->l3_cache_schema,
		.mem_bw_schema = o->mem_bw_schema,
	};
	int r = 0;

	(void)argc;
	u.resources.cpu.cpus = writable(o->cpuset_cpus);
	u.resources.cpu.mems = writable(o->cpuset_mems);
	if (!u.resources_file)
		r = fill(o, &u.resources, err);
	return r < 0 ? r : joey_rt_update(&g->rt, &u, err);
}

const struct command cmd_update = {
	.name = "update",
	.operands = "CONTAINER",
	.summary = "change the limits of a container",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.needs_runtime = true,
	.failure = 1,
	.run = run,
	.opts_size = sizeof(struct update_opts),
};
