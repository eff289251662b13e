/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources, of config.json and alone for `update`.  Ranges only: what -1, 0 and a missing value mean, and
 * rules between fields, belong to src/cgroups, because `update` merges.
 */
#include <string.h>

#include "oci/oci-internal.h"

#define FIELD(key, type, member, parse)                                               \
	{                                                                             \
		key, JOEY_JSON_##type, offsetof(struct joey_resources, member), parse \
	}

static int limit(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 *o = field;
	int r = oci_opt_i64(c, v, o);

	if (r == 0 && o->v < -1)
		return oci_fail(c, "%s is below -1 (unlimited)", v->u.text);
	return r;
}

static int swappiness(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_u64 *o = field;
	int r = oci_opt_u64(c, v, o);

	if (r == 0 && o->v > 100)
		return oci_fail(c, "%s is not from 0 to 100", v->u.text);
	return r;
}

static int memory(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("limit", NUMBER, memory.limit, limit),
		FIELD("reservation", NUMBER, memory.reservation, limit),
		FIELD("swap", NUMBER, memory.swap, limit),
		FIELD("kernel", NUMBER, memory.kernel, limit),
		FIELD("kernelTCP", NUMBER, memory.kernel_tcp, limit),
		FIELD("swappiness", NUMBER, memory.swappiness, swappiness),
		FIELD("disableOOMKiller", BOOL, memory.disable_oom_killer, oci_opt_bool),
		FIELD("useHierarchy", BOOL, memory.use_hierarchy, oci_opt_bool),
		FIELD("checkBeforeUpdate", BOOL, memory.check_before_update, oci_opt_bool),
	};

	return OCI_OBJECT(c, v, fields, field);
}

static int idle(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_opt_i64 *o = field;
	int r = oci_opt_i64(c, v, o);

	if (r == 0 && (o->v < 0 || o->v > 1))
		return oci_fail(c, "%s is neither 0 nor 1", v->u.text);
	return r;
}

static int cpu(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("shares", NUMBER, cpu.shares, oci_opt_u64),
		FIELD("quota", NUMBER, cpu.quota, oci_opt_i64),
		FIELD("burst", NUMBER, cpu.burst, oci_opt_u64),
		FIELD("period", NUMBER, cpu.period, oci_opt_u64),
		FIELD("realtimeRuntime", NUMBER, cpu.realtime_runtime, oci_opt_i64),
		FIELD("realtimePeriod", NUMBER, cpu.realtime_period, oci_opt_u64),
		FIELD("cpus", STRING, cpu.cpus, oci_line),
		FIELD("mems", STRING, cpu.mems, oci_line),
		FIELD("idle", NUMBER, cpu.idle, idle),
	};

	return OCI_OBJECT(c, v, fields, field);
}

static int pids(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("limit", NUMBER, pids_limit, oci_opt_i64),
	};

	return OCI_OBJECT(c, v, fields, field);
}

/* ---- huge pages -------------------------------------------------------------------------------------------------- */

/* As the kernel spells hugetlb.<size>.max: 64KB, 2MB, 1GB. */
static int page_size(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	size_t digits = strspn(v->u.text, "0123456789");
	const char *unit = v->u.text + digits;

	if (digits == 0 || digits > 10 || v->u.text[0] == '0' || strlen(unit) != 2 || !strchr("KMG", unit[0]) ||
	    unit[1] != 'B')
		return oci_fail(c, "\"%.40s\" is not a page size such as 64KB, 2MB or 1GB", v->u.text);
	return oci_any_string(c, v, field);
}

static int hugepage_limit(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "pageSize", JOEY_JSON_STRING, offsetof(struct joey_hugepage_limit, page_size), page_size },
		{ "limit", JOEY_JSON_NUMBER, offsetof(struct joey_hugepage_limit, limit), oci_u64 },
	};
	int r = oci_require(c, v, "pageSize");

	if (r == 0)
		r = oci_require(c, v, "limit");
	return r < 0 ? r : OCI_OBJECT(c, v, fields, element);
}

static int hugepage_limits(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_resources *res = field;

	return oci_array(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_hugepage_limit), hugepage_limit, &res->hugepage,
			 &res->n_hugepage);
}

/* ---- network ---------------------------------------------------------------------------------------------------- */

static int priority(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	(void)element;
	return oci_require(c, v, "name");
}

/* cgroup v2 has no net_prio: only the number of entries is kept. */
static int priorities(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_resources *res = field;
	char *ignored;

	return oci_array(c, v, JOEY_JSON_OBJECT, 1, priority, &ignored, &res->network.n_priorities);
}

static int network(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		FIELD("classID", NUMBER, network.class_id, oci_opt_u32),
		{ "priorities", JOEY_JSON_ARRAY, 0, priorities },
	};

	return OCI_OBJECT(c, v, fields, field);
}

/* ---- rdma, unified ---------------------------------------------------------------------------------------------- */

static int rdma_device(struct oci_ctx *c, const struct joey_json *v, void *element)
{
	static const struct oci_field fields[] = {
		{ "hcaHandles", JOEY_JSON_NUMBER, offsetof(struct joey_rdma, hca_handles), oci_opt_u32 },
		{ "hcaObjects", JOEY_JSON_NUMBER, offsetof(struct joey_rdma, hca_objects), oci_opt_u32 },
	};
	struct joey_rdma *d = element;

	if (!oci_is_word(c->at->key))
		return oci_fail(c, "invalid RDMA device name");
	d->device = (char *)(uintptr_t)c->at->key;
	return OCI_OBJECT(c, v, fields, d);
}

static int rdma(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_resources *res = field;

	return oci_members(c, v, JOEY_JSON_OBJECT, sizeof(struct joey_rdma), rdma_device, &res->rdma, &res->n_rdma);
}

static int unified(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	struct joey_pairs *pairs = field;
	int r = oci_pairs(c, v, pairs);

	for (size_t i = 0; r == 0 && i < pairs->n; i++) {
		const char *key = pairs->v[i].key, *dot = strchr(key, '.');

		if (strchr(key, '/'))
			return oci_fail(c, "unified resource \"%.100s\" must be a file name (no slashes)", key);
		if (!dot || dot == key || !dot[1])
			return oci_fail(c, "unified resource \"%.100s\" must be in the form CONTROLLER.PARAMETER", key);
	}
	return r;
}

/* ---- the object ------------------------------------------------------------------------------------------------- */

int oci_resources(struct oci_ctx *c, const struct joey_json *v, void *field)
{
	static const struct oci_field fields[] = {
		{ "devices", JOEY_JSON_ARRAY, 0, oci_device_rules },
		{ "memory", JOEY_JSON_OBJECT, 0, memory },
		{ "cpu", JOEY_JSON_OBJECT, 0, cpu },
		{ "pids", JOEY_JSON_OBJECT, 0, pids },
		{ "blockIO", JOEY_JSON_OBJECT, 0, oci_block_io },
		{ "hugepageLimits", JOEY_JSON_ARRAY, 0, hugepage_limits },
		{ "network", JOEY_JSON_OBJECT, 0, network },
		{ "rdma", JOEY_JSON_OBJECT, 0, rdma },
		FIELD("unified", OBJECT, unified, unified),
	};
	struct joey_resources *res = joey_arena_alloc(c->arena, sizeof(*res));
	int r;

	if (!res)
		return oci_nomem(c);
	r = OCI_OBJECT(c, v, fields, res);
	if (r == 0)
		*(struct joey_resources **)field = res;
	return r;
}
