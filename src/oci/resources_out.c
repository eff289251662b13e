/* SPDX-License-Identifier: Apache-2.0 */
/* struct joey_resources as JSON, as src/oci/resources.c reads it. What is not set is left out; devices always are. */
#include "joey/json.h"
#include "joey/oci.h"

static void i64(struct joey_json_out *o, const char *key, const struct joey_opt_i64 *v)
{
	if (v->set)
		joey_json_out_i64(o, key, v->v);
}

static void u64(struct joey_json_out *o, const char *key, const struct joey_opt_u64 *v)
{
	if (v->set)
		joey_json_out_u64(o, key, v->v);
}

static void u32(struct joey_json_out *o, const char *key, const struct joey_opt_u32 *v)
{
	if (v->set)
		joey_json_out_u64(o, key, v->v);
}

static void boolean(struct joey_json_out *o, const char *key, const struct joey_opt_bool *v)
{
	if (v->set)
		joey_json_out_bool(o, key, v->v);
}

static void text(struct joey_json_out *o, const char *key, const char *v)
{
	if (v)
		joey_json_out_string(o, key, v);
}

static void memory(struct joey_json_out *o, const struct joey_resources *r)
{
	joey_json_out_object(o, "memory");
	i64(o, "limit", &r->memory.limit);
	i64(o, "reservation", &r->memory.reservation);
	i64(o, "swap", &r->memory.swap);
	i64(o, "kernel", &r->memory.kernel);
	i64(o, "kernelTCP", &r->memory.kernel_tcp);
	u64(o, "swappiness", &r->memory.swappiness);
	boolean(o, "disableOOMKiller", &r->memory.disable_oom_killer);
	boolean(o, "useHierarchy", &r->memory.use_hierarchy);
	boolean(o, "checkBeforeUpdate", &r->memory.check_before_update);
	joey_json_out_end(o);
}

static void cpu(struct joey_json_out *o, const struct joey_resources *r)
{
	joey_json_out_object(o, "cpu");
	u64(o, "shares", &r->cpu.shares);
	i64(o, "quota", &r->cpu.quota);
	u64(o, "burst", &r->cpu.burst);
	u64(o, "period", &r->cpu.period);
	i64(o, "realtimeRuntime", &r->cpu.realtime_runtime);
	u64(o, "realtimePeriod", &r->cpu.realtime_period);
	text(o, "cpus", r->cpu.cpus);
	text(o, "mems", r->cpu.mems);
	i64(o, "idle", &r->cpu.idle);
	joey_json_out_end(o);
}

static void throttles(struct joey_json_out *o, const char *key, const struct joey_throttles *t)
{
	if (t->n == 0)
		return;
	joey_json_out_array(o, key);
	for (size_t i = 0; i < t->n; i++) {
		joey_json_out_object(o, NULL);
		joey_json_out_u64(o, "major", t->v[i].major);
		joey_json_out_u64(o, "minor", t->v[i].minor);
		joey_json_out_u64(o, "rate", t->v[i].rate);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void block_io(struct joey_json_out *o, const struct joey_resources *r)
{
	joey_json_out_object(o, "blockIO");
	u32(o, "weight", &r->block_io.weight);
	u32(o, "leafWeight", &r->block_io.leaf_weight);
	if (r->block_io.n_weight_device > 0) {
		joey_json_out_array(o, "weightDevice");
		for (size_t i = 0; i < r->block_io.n_weight_device; i++) {
			const struct joey_weight_device *d = &r->block_io.weight_device[i];

			joey_json_out_object(o, NULL);
			joey_json_out_u64(o, "major", d->major);
			joey_json_out_u64(o, "minor", d->minor);
			u32(o, "weight", &d->weight);
			u32(o, "leafWeight", &d->leaf_weight);
			joey_json_out_end(o);
		}
		joey_json_out_end(o);
	}
	throttles(o, "throttleReadBpsDevice", &r->block_io.read_bps);
	throttles(o, "throttleWriteBpsDevice", &r->block_io.write_bps);
	throttles(o, "throttleReadIOPSDevice", &r->block_io.read_iops);
	throttles(o, "throttleWriteIOPSDevice", &r->block_io.write_iops);
	joey_json_out_end(o);
}

static void hugepages(struct joey_json_out *o, const struct joey_resources *r)
{
	joey_json_out_array(o, "hugepageLimits");
	for (size_t i = 0; i < r->n_hugepage; i++) {
		joey_json_out_object(o, NULL);
		joey_json_out_string(o, "pageSize", r->hugepage[i].page_size);
		joey_json_out_u64(o, "limit", r->hugepage[i].limit);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

static void rdma(struct joey_json_out *o, const struct joey_resources *r)
{
	joey_json_out_object(o, "rdma");
	for (size_t i = 0; i < r->n_rdma; i++) {
		joey_json_out_object(o, r->rdma[i].device);
		u32(o, "hcaHandles", &r->rdma[i].hca_handles);
		u32(o, "hcaObjects", &r->rdma[i].hca_objects);
		joey_json_out_end(o);
	}
	joey_json_out_end(o);
}

void joey_resources_write(struct joey_json_out *o, const char *key, const struct joey_resources *res)
{
	joey_json_out_object(o, key);
	memory(o, res);
	cpu(o, res);
	if (res->pids_limit.set) {
		joey_json_out_object(o, "pids");
		joey_json_out_i64(o, "limit", res->pids_limit.v);
		joey_json_out_end(o);
	}
	block_io(o, res);
	hugepages(o, res);
	if (res->network.class_id.set) {
		joey_json_out_object(o, "network");
		joey_json_out_u64(o, "classID", res->network.class_id.v);
		joey_json_out_end(o);
	}
	rdma(o, res);
	joey_json_out_object(o, "unified");
	for (size_t i = 0; i < res->unified.n; i++)
		joey_json_out_string(o, res->unified.v[i].key, res->unified.v[i].value);
	joey_json_out_end(o);
	joey_json_out_end(o);
}
