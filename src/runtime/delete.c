/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delete, and delete --force, which must clean up after a joey that was SIGKILLed anywhere, and must always end:
 *
 *   1. without the lock: the backend kills and removes what the state names.  A create or start that hangs on its
 *      container comes back then, and undoes its own part.
 *   2. the lock, with a deadline.  If it passes, the process that is creating the container is killed, and
 *      the lock tried once more (a dead holder has none).
 *   3. under the lock: state is read again, destroy once more (idempotent), directory, poststop hooks.
 */
#include "runtime/runtime-internal.h"

/* The config goes with the directory, so poststop hooks need it before. */
static void load_config_for(const struct rt_target *t, enum joey_hook_kind kind)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	const struct joey_config *config;

	if (!(t->c->state.hooks & (1U << kind)))
		return;
	if (joey_container_config(t->c, &config, &sub) < 0) {
		joey_warn("container %s: no poststop hooks: %s", t->c->id, joey_err_text(&sub));
		t->c->state.hooks &= ~(1U << kind);
	}
}

int rt_remove(const struct rt_target *t, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	int r = 0;

	load_config_for(t, JOEY_HOOK_POSTSTOP);
	if (!rt_is_partial(t->c))
		r = t->be->destroy(t->c, err);
	if (r == 0)
		r = joey_container_remove_dir(t->c, err);
	if (r < 0)
		return r;
	if (!rt_is_partial(t->c) && rt_hooks_run(t->c, JOEY_HOOK_POSTSTOP, JOEY_ST_STOPPED, 0, &sub) < 0)
		joey_warn("container %s: %s", t->c->id, joey_err_text(&sub));
	return 0;
}

static int delete_plain(struct rt_target *t, struct joey_err *err)
{
	struct joey_query q;
	int r = joey_container_lock(t->c, RT_LOCK_MS, err);

	if (r < 0)
		return r;
	if (joey_container_is_gone(t->c))
		return joey_err_set(err, JOEY_EK_NOT_FOUND, ENOENT, "container does not exist");
	r = rt_target_load(t, true, err);
	/* We hold the lock: no create is at work on a directory without state. */
	if (r == 0 && !rt_is_partial(t->c)) {
		r = rt_status(t, &q, err);
		if (r == 0)
			r = joey_op_check(JOEY_OP_DELETE, q.status, t->c->id, err);
	}
	return r < 0 ? r : rt_remove(t, err);
}

static void destroy_anyhow(struct rt_target *t)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;

	if (!rt_is_partial(t->c) && t->be->destroy(t->c, &sub) < 0)
		joey_debug("container %s: %s; trying again", t->c->id, joey_err_text(&sub));
}

static int lock_by_force(struct rt_target *t, struct joey_err *err)
{
	if (joey_container_lock(t->c, RT_LOCK_MS, NULL) == 0)
		return 0;
	if (rt_target_load(t, true, NULL) == 0) {
		joey_creator_kill(&t->c->state);
		destroy_anyhow(t);
	}
	return joey_container_lock(t->c, RT_LOCK_MS / 2, err);
}

/* What cannot be read cannot be killed by name either; the user asked for the end of it. */
static int delete_unreadable(struct rt_target *t, struct joey_err *err)
{
	const struct joey_backend *isolating = joey_backend_isolating();
	int r;

	joey_warn("%s: the directory is removed, processes and a cgroup may be left", joey_err_text(err));
	joey_err_clear(err);
	r = joey_container_lock(t->c, RT_LOCK_MS, err);
	/* A sandbox has its own record. */
	if (r == 0 && isolating)
		(void)isolating->destroy(t->c, NULL);
	return r < 0 ? r : joey_container_remove_dir(t->c, err);
}

static int delete_by_force(struct rt_target *t, struct joey_err *err)
{
	int r = rt_target_load(t, true, err);

	if (r == -EPROTO)
		return delete_unreadable(t, err);
	if (r < 0)
		return r;
	/* The result does not matter yet: what is left is tried again under the lock. */
	destroy_anyhow(t);
	r = lock_by_force(t, err);
	if (r < 0 || joey_container_is_gone(t->c))
		return r;
	r = rt_target_load(t, true, err);
	return r < 0 ? r : rt_remove(t, err);
}

int joey_rt_delete(const struct joey_runtime *rt, const char *id, bool force, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	int r = rt_target_find(&t, rt, id, &sub);

	if (r < 0)
		return force && sub.kind == JOEY_EK_NOT_FOUND ? 0 : rt_err_move(err, &sub);
	return force ? delete_by_force(&t, err) : delete_plain(&t, err);
}
