/* SPDX-License-Identifier: Apache-2.0 */
/* start: the lock makes a second start wait and then see "running"; nothing is written, status is derived. */
#include "runtime/runtime-internal.h"

static int poststart(const struct rt_target *t, struct joey_err *err)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	int r = rt_hooks_run(t->c, JOEY_HOOK_POSTSTART, JOEY_ST_RUNNING, t->c->state.pid, err);

	/* runtime-spec 1.3: the container is stopped, and remains to be deleted. */
	if (r < 0 && t->be->signal(t->c, SIGKILL, JOEY_SIGNAL_ALL, &sub) < 0 && sub.kind != JOEY_EK_STATE)
		joey_warn("container %s: kill after failed poststart hook: %s", t->c->id, joey_err_text(&sub));
	return r;
}

int joey_rt_start(const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	struct rt_notify notify = RT_NOTIFY_INIT;
	struct joey_query q;
	int r;

	r = rt_target_find(&t, rt, id, err);
	if (r == 0)
		r = joey_container_lock(t.c, RT_LOCK_MS, err);
	if (r == 0)
		r = rt_target_load(&t, false, err);
	if (r == 0)
		r = rt_status(&t, &q, err);
	if (r == 0)
		r = joey_op_check(JOEY_OP_START, q.status, id, err);
	if (r == 0)
		r = rt_notify_find(&notify, t.c, err);
	if (r == 0)
		r = rt_notify_bind(&notify, err);
	if (r == 0)
		r = t.be->start(t.c, err);
	if (r == 0)
		r = poststart(&t, err);
	if (r == 0) {
		joey_container_unlock(t.c);
		rt_notify_relay(&notify, q.pid);
	}
	rt_notify_done(&notify);
	return r;
}
