/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of events, in the form that runc's users know: keys and units are those of its types/events.go. */
#include "runtime/runtime-internal.h"

/* Hundredths as a number with a fraction. */
static void average(struct joey_json_out *o, const char *key, uint32_t v)
{
	char text[24];
	const struct joey_json number = { .type = JOEY_JSON_NUMBER, .u.text = text };

	(void)snprintf(text, sizeof(text), "%u.%02u", v / 100, v % 100);
	joey_json_out_value(o, key, &number);
}

static void psi_line(struct joey_json_out *o, const char *key, const struct joey_psi_line *p)
{
	joey_json_out_object(o, key);
	average(o, "avg10", p->avg10);
	average(o, "avg60", p->avg60);
	average(o, "avg300", p->avg300);
	joey_json_out_u64(o, "total", p->total);
	joey_json_out_end(o);
}

static void psi(struct joey_json_out *o, const struct joey_psi *p)
{
	if (!p->set)
		return;
	joey_json_out_object(o, "psi");
	psi_line(o, "some", &p->some);
	psi_line(o, "full", &p->full);
	joey_json_out_end(o);
}

static void cpu(struct joey_json_out *o, const struct joey_stats *s)
{
	joey_json_out_object(o, "cpu");
	joey_json_out_object(o, "usage");
	joey_json_out_u64(o, "total", s->cpu.total);
	joey_json_out_u64(o, "kernel", s->cpu.kernel);
	joey_json_out_u64(o, "user", s->cpu.user);
	joey_json_out_end(o);
	joey_json_out_object(o, "throttling");
	joey_json_out_u64(o, "periods", s->cpu.periods);
	joey_json_out_u64(o, "throttledPeriods", s->cpu.throttled_periods);
	joey_json_out_u64(o, "throttledTime", s->cpu.throttled_time);
	joey_json_out_end(o);
	psi(o, &s->cpu.psi);
	joey_json_out_end(o);
}

static void numbers(struct joey_json_out *o, const char *key, const struct joey_number_list *l)
{
	if (l->n == 0)
		return;
	joey_json_out_array(o, key);
	for (size_t i = 0; i < l->n; i++)
		joey_json_out_u64(o, NULL, l->v[i]);
	joey_json_out_end(o);
}

static void cpuset(struct joey_json_out *o, const struct joey_stats *s)
{
	/* cgroup v1's switches, which v2 has not */
	static const char *const zeros[] = {
		"cpu_exclusive",   "mem_hardwall",       "mem_exclusive",
		"memory_migrate",  "memory_spread_page", "memory_spread_slab",
		"memory_pressure", "sched_load_balance", "sched_relax_domain_level",
	};

	joey_json_out_object(o, "cpuset");
	numbers(o, "cpus", &s->cpus);
	numbers(o, "mems", &s->mems);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(zeros); i++)
		joey_json_out_u64(o, zeros[i], 0);
	joey_json_out_end(o);
}

static void memory_use(struct joey_json_out *o, const char *key, const struct joey_memory_use *u)
{
	joey_json_out_object(o, key);
	joey_json_out_u64(o, "limit", u->limit);
	joey_json_out_u64(o, "usage", u->usage);
	joey_json_out_u64(o, "max", u->max);
	joey_json_out_u64(o, "failcnt", 0);
	joey_json_out_end(o);
}

static void memory(struct joey_json_out *o, const struct joey_stats *s)
{
	static const struct joey_memory_use none;

	joey_json_out_object(o, "memory");
	joey_json_out_u64(o, "cache", s->memory.cache);
	memory_use(o, "usage", &s->memory.use);
	memory_use(o, "swap", &s->memory.swap);
	memory_use(o, "kernel", &none);
	memory_use(o, "kernelTCP", &none);
	if (s->memory.n_raw > 0) {
		joey_json_out_object(o, "raw");
		for (size_t i = 0; i < s->memory.n_raw; i++)
			joey_json_out_u64(o, s->memory.raw[i].name, s->memory.raw[i].value);
		joey_json_out_end(o);
	}
	psi(o, &s->memory.psi);
	joey_json_out_end(o);
}

static void pids(struct joey_json_out *o, const struct joey_stats *s)
{
	joey_json_out_object(o, "pids");
	joey_json_out_u64(o, "current", s->pids.current);
	joey_json_out_u64(o, "limit", s->pids.limit);
	joey_json_out_end(o);
}

static void io_entry(struct joey_json_out *o, const struct joey_io_use *io, const char *op, uint64_t value)
{
	joey_json_out_object(o, NULL);
	joey_json_out_u64(o, "major", io->major);
	joey_json_out_u64(o, "minor", io->minor);
	joey_json_out_string(o, "op", op);
	joey_json_out_u64(o, "value", value);
	joey_json_out_end(o);
}

static void blkio(struct joey_json_out *o, const struct joey_stats *s)
{
	joey_json_out_object(o, "blkio");
	if (s->n_io > 0) {
		joey_json_out_array(o, "ioServiceBytesRecursive");
		for (size_t i = 0; i < s->n_io; i++) {
			io_entry(o, &s->io[i], "Read", s->io[i].read_bytes);
			io_entry(o, &s->io[i], "Write", s->io[i].written_bytes);
		}
		joey_json_out_end(o);
		joey_json_out_array(o, "ioServicedRecursive");
		for (size_t i = 0; i < s->n_io; i++) {
			io_entry(o, &s->io[i], "Read", s->io[i].reads);
			io_entry(o, &s->io[i], "Write", s->io[i].writes);
		}
		joey_json_out_end(o);
	}
	psi(o, &s->io_psi);
	joey_json_out_end(o);
}

static void hugetlb(struct joey_json_out *o, const struct joey_stats *s)
{
	joey_json_out_object(o, "hugetlb");
	for (size_t i = 0; i < s->n_hugetlb; i++) {
		joey_json_out_object(o, s->hugetlb[i].page_size);
		joey_json_out_u64(o, "usage", s->hugetlb[i].usage);
		joey_json_out_u64(o, "max", 0); /* a peak, which v2 does not keep */
		joey_json_out_u64(o, "failcnt", s->hugetlb[i].failures);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void text(struct joey_json_out *o, const char *key, const char *value)
{
	if (value)
		joey_json_out_string(o, key, value);
}

static void l3_cache(struct joey_json_out *o, const struct joey_rdt_use *u)
{
	if (!u->l3.set)
		return;
	joey_json_out_object(o, "l3_cache_info");
	joey_json_out_string(o, "cbm_mask", u->l3.cbm_mask);
	joey_json_out_u64(o, "min_cbm_bits", u->l3.min_cbm_bits);
	joey_json_out_u64(o, "num_closids", u->l3.num_closids);
	joey_json_out_end(o);
	text(o, "l3_cache_schema_root", u->l3.root);
	text(o, "l3_cache_schema", u->l3.own);
}

static void mem_bw(struct joey_json_out *o, const struct joey_rdt_use *u)
{
	if (!u->mb.set)
		return;
	joey_json_out_object(o, "mem_bw_info");
	joey_json_out_u64(o, "bandwidth_gran", u->mb.bandwidth_gran);
	joey_json_out_u64(o, "delay_linear", u->mb.delay_linear);
	joey_json_out_u64(o, "min_bandwidth", u->mb.min_bandwidth);
	joey_json_out_u64(o, "num_closids", u->mb.num_closids);
	joey_json_out_end(o);
	text(o, "mem_bw_schema_root", u->mb.root);
	text(o, "mem_bw_schema", u->mb.own);
}

static void rdt_lists(struct joey_json_out *o, const struct joey_rdt_use *u)
{
	if (u->schemata.n > 0) {
		joey_json_out_array(o, "schemata");
		for (size_t i = 0; i < u->schemata.n; i++)
			joey_json_out_string(o, NULL, u->schemata.v[i]);
		joey_json_out_end(o);
	}
	if (u->n_mbm > 0) {
		joey_json_out_array(o, "mbm_stats");
		for (size_t i = 0; i < u->n_mbm; i++) {
			joey_json_out_object(o, NULL);
			joey_json_out_u64(o, "mbm_total_bytes", u->mbm[i].total);
			joey_json_out_u64(o, "mbm_local_bytes", u->mbm[i].local);
			joey_json_out_end(o);
		}
		joey_json_out_end(o);
	}
	if (u->n_llc > 0) {
		joey_json_out_array(o, "cmt_stats");
		for (size_t i = 0; i < u->n_llc; i++) {
			joey_json_out_object(o, NULL);
			joey_json_out_u64(o, "llc_occupancy", u->llc[i]);
			joey_json_out_end(o);
		}
		joey_json_out_end(o);
	}
}

static void intel_rdt(struct joey_json_out *o, const struct joey_rdt_use *u)
{
	joey_json_out_object(o, "intel_rdt");
	if (u->set) {
		l3_cache(o, u);
		mem_bw(o, u);
		rdt_lists(o, u);
	}
	joey_json_out_end(o);
}

static void data(struct joey_json_out *o, const struct joey_stats *s)
{
	joey_json_out_object(o, "data");
	cpu(o, s);
	cpuset(o, s);
	memory(o, s);
	pids(o, s);
	blkio(o, s);
	hugetlb(o, s);
	intel_rdt(o, &s->rdt);
	joey_json_out_null(o, "network_interfaces");
	joey_json_out_end(o);
}

int rt_event_line(const char *id, const char *type, const struct joey_stats *stats, char **ret, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	int r;

	if (!o)
		return joey_err_sys(err, ENOMEM, "write event");
	joey_json_out_object(o, NULL);
	joey_json_out_string(o, "type", type);
	joey_json_out_string(o, "id", id);
	if (stats)
		data(o, stats);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, ret, NULL);
	return r < 0 ? joey_err_sys(err, -r, "write event") : 0;
}
