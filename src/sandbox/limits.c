/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of the machine's own cgroup on the host.  The guest enforces the containers' limits; here the machine as a
 * whole is kept within what it is made of, and the processor time that its containers may use, as far as this host's
 * cgroup2 has the controllers.  A limit must never be the reason why a guest that stays within its own ends: memory is
 * what the guest has and what the hypervisor takes beside it at most.
 */
#include <fcntl.h>
#include <string.h>

#include "sandbox/sandbox-internal.h"

/* QEMU has at most 64 threads for the share's files, and one for each processor; while a template is made there are two
 * of it.  Emulation keeps translated code, at most 1 GiB of it. */
enum { PIDS = 192, SHARES = 1024, SHARES_MAX = 262144, PERIOD = 100000 };
#define MEMORY_SPARE      ((uint64_t)192 << 20) /* hypervisor, sandbox process, what is left of making a template */
#define MEMORY_TRANSLATED ((uint64_t)1 << 30)

uint64_t limits_memory(enum joey_accel accel, uint64_t guest)
{
	return guest + MEMORY_SPARE + (accel == JOEY_ACCEL_KVM ? 0 : MEMORY_TRANSLATED);
}

/* ---- processor time of all containers together ------------------------------------------------------------------- */

void limits_add(struct vm_cpu *sum, const struct joey_resources *r)
{
	uint64_t period = r && r->cpu.period.set && r->cpu.period.v > 0 ? r->cpu.period.v : PERIOD;
	uint64_t shares = r && r->cpu.shares.set && r->cpu.shares.v > 0 ? r->cpu.shares.v : SHARES;
	int64_t quota = r && r->cpu.quota.set ? r->cpu.quota.v : 0;
	uint64_t scaled;

	/* of the usual period, rounded up; one without a quota leaves the machine without one */
	if (quota <= 0 || __builtin_mul_overflow((uint64_t)quota, (uint64_t)PERIOD, &scaled) ||
	    __builtin_add_overflow(sum->quota, (int64_t)((scaled + period - 1) / period), &sum->quota))
		sum->unlimited = true;
	sum->shares = shares > SHARES_MAX - sum->shares ? SHARES_MAX : sum->shares + shares;
}

/* ---- the cgroup's files -------------------------------------------------------------------------------------------
 */

static bool has(int dir, const char *file)
{
	return dir >= 0 && faccessat(dir, file, W_OK, 0) == 0;
}

static void set_i64(struct joey_opt_i64 *o, uint64_t v)
{
	o->set = true;
	o->v = v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int limits_apply(struct joey_cgroup *cg, struct vm_place *p, const struct vm_cpu *sum, struct joey_err *err)
{
	int dir = cg ? joey_cgroup_fd(cg) : -EBADF, r;
	struct joey_resources res = vm_no_limits;

	if (has(dir, "memory.max"))
		set_i64(&res.memory.limit, limits_memory(p->accel, p->memory));
	if (has(dir, "pids.max"))
		set_i64(&res.pids_limit, PIDS + 2 * (uint64_t)p->vcpus);
	if (has(dir, "cpu.max")) {
		res.cpu.quota.set = res.cpu.period.set = true;
		res.cpu.quota.v = sum->unlimited || sum->quota == 0 ? -1 : sum->quota;
		res.cpu.period.v = PERIOD;
	}
	if (has(dir, "cpu.weight")) {
		res.cpu.shares.set = true;
		res.cpu.shares.v = sum->shares ? sum->shares : SHARES;
	}
	p->host_limits = joey_resources_has_limits(&res);
	r = p->host_limits ? joey_cgroup_update(cg, &res, err) : 0;
	return r < 0 ? joey_err_wrap(err, "limit the machine of sandbox %s", p->id) : 0;
}

/* ---- containers of a machine ---------------------------------------------------------------------------------------
 */

static void add_one(int root_fd, const char *id, const char *sandbox, struct vm_cpu *sum)
{
	autocontainer struct joey_container *c = NULL;
	const struct joey_config *config = NULL;
	struct vm_data d;

	if (joey_container_load(root_fd, id, false, &c, NULL) == 0 && data_load(c, &d, NULL) == 0 &&
	    joey_streq(d.sandbox, sandbox) && joey_container_config(c, &config, NULL) == 0)
		limits_add(sum, config->resources);
}

int limits_refresh(const struct joey_container *c, struct vm_place *p, const struct joey_resources *own,
		   struct joey_err *err)
{
	autocgroup struct joey_cgroup *cg = NULL;
	struct vm_cpu sum = { .quota = 0 };
	char **ids = NULL;
	size_t n = 0;
	int r;

	if (!p->host_limits || !p->cgroup.path)
		return 0;
	r = joey_container_list(c->root_fd, &ids, &n, err);
	for (size_t i = 0; i < n; i++) {
		if (!joey_streq(ids[i], c->id))
			add_one(c->root_fd, ids[i], p->id, &sum);
		free(ids[i]);
	}
	free(ids);
	if (own)
		limits_add(&sum, own);
	if (r == 0)
		r = joey_cgroup_open(&p->cgroup, &cg, err);
	return r < 0 ? r : limits_apply(cg, p, &sum, err);
}
