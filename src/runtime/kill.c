/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill: no lock, so that a container whose create or start hangs can be killed.
 * With --all whatever is left in the cgroup gets the signal, also after init is dead (engines do that to containers
 * without a pid namespace), and having nothing to signal is success.
 */
#include "runtime/runtime-internal.h"

int joey_rt_kill(const struct joey_runtime *rt, const char *id, int sig, bool all, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	autoerr struct joey_err sub = JOEY_ERR_INIT;
	struct joey_query q;
	int r;

	r = rt_target_find(&t, rt, id, err);
	if (r == 0)
		r = rt_target_load(&t, false, err);
	if (r < 0)
		return r;
	if (!all) {
		r = rt_status(&t, &q, err);
		if (r == 0)
			r = joey_op_check(JOEY_OP_KILL, q.status, id, err);
		return r < 0 ? r : t.be->signal(t.c, sig, 0, err);
	}
	r = t.be->signal(t.c, sig, JOEY_SIGNAL_ALL, &sub);
	if (r == 0 || sub.kind == JOEY_EK_STATE)
		return 0;
	return rt_err_move(err, &sub);
}
