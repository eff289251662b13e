/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked of a container that exists, besides signals: by its cgroup, from state.json alone.  Nothing here
 * starts a process or enters a namespace.
 */
#include <string.h>

#include "joey/log.h"
#include "native/native-internal.h"

/* The container's cgroup; an error when it was made without one. */
static int need_cgroup(struct joey_container *c, struct joey_cgroup **ret, struct joey_err *err)
{
	int r = joey_init_cgroup(c, ret, err);

	if (r == 0 && !*ret)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP, "container %s runs without a cgroup", c->id);
	return r;
}

int native_set_paused(struct joey_container *c, bool paused, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = need_cgroup(c, &cg, err);

	return r < 0 ? r : joey_cgroup_set_frozen(cg, paused, err);
}

/* The group that create made or joined; monitoring is left as it is. */
static int update_rdt(struct joey_container *c, const struct joey_update *args, struct joey_err *err)
{
	struct joey_intel_rdt rdt;

	if (!args->l3_cache_schema && !args->mem_bw_schema)
		return 0;
	if (!args->config->intel_rdt)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "container %s was created without linux.intelRdt: it has no group to change",
				    c->id);
	rdt = (struct joey_intel_rdt){ .clos_id = args->config->intel_rdt->clos_id };
	memcpy(&rdt.l3_cache_schema, &args->l3_cache_schema, sizeof(rdt.l3_cache_schema));
	memcpy(&rdt.mem_bw_schema, &args->mem_bw_schema, sizeof(rdt.mem_bw_schema));
	return joey_intel_rdt_update(&rdt, c->id, err);
}

/* Schemata first: the kernel takes them or not, in one write, and the cgroup's part can be taken back. */
int native_update(struct joey_container *c, const struct joey_update *args, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = joey_init_cgroup(c, &cg, err);

	if (r == 0 && !cg && joey_resources_has_limits(args->apply))
		r = need_cgroup(c, &cg, err);
	if (r == 0)
		r = update_rdt(c, args, err);
	return r < 0 || !cg ? r : joey_cgroup_update(cg, args->apply, err);
}

/* Most hosts have no resctrl, and need not read the config for it. */
static int rdt_stats(struct joey_container *c, struct joey_arena *arena, struct joey_rdt_use *ret, struct joey_err *err)
{
	const struct joey_config *config;
	int r;

	if (!joey_intel_rdt_mounted())
		return 0;
	r = joey_container_config(c, &config, err);
	if (r < 0 || !config->intel_rdt)
		return r;
	return joey_intel_rdt_stats(config->intel_rdt, c->id, arena, ret, err);
}

int native_stats(struct joey_container *c, struct joey_arena *arena, struct joey_stats *ret, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = need_cgroup(c, &cg, err);

	if (r == 0)
		r = joey_cgroup_stats(cg, arena, ret, err);
	return r < 0 ? r : rdt_stats(c, arena, &ret->rdt, err);
}

int native_watch(struct joey_container *c, struct joey_watch *ret, struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	int r = need_cgroup(c, &cg, err);

	return r < 0 ? r : joey_cgroup_watch(cg, ret, err);
}
