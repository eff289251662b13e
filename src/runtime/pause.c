/* SPDX-License-Identifier: Apache-2.0 */
/* pause and resume: no lock, so that a hook may call them, and a container whose start hangs can be paused. */
#include "runtime/runtime-internal.h"

static int set_paused(const struct joey_runtime *rt, const char *id, bool paused, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	struct joey_query q;
	int r = rt_target_find(&t, rt, id, err);

	if (r == 0)
		r = rt_target_load(&t, false, err);
	if (r == 0)
		r = rt_status(&t, &q, err);
	if (r == 0)
		r = joey_op_check(paused ? JOEY_OP_PAUSE : JOEY_OP_RESUME, q.status, id, err);
	if (r < 0)
		return r;
	if (!t.be->set_paused)
		return rt_unsupported(&t, paused ? "pause" : "resume", err);
	return t.be->set_paused(t.c, paused, err);
}

int joey_rt_pause(const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	return set_paused(rt, id, true, err);
}

int joey_rt_resume(const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	return set_paused(rt, id, false, err);
}
