/* SPDX-License-Identifier: Apache-2.0 */
/* ps: no lock, and no look at the status: a stopped container may have processes left, and else has none. */
#include "runtime/runtime-internal.h"

int joey_rt_ps(const struct joey_runtime *rt, const char *id, pid_t **ret, size_t *ret_n, struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	int r = rt_target_find(&t, rt, id, err);

	if (r == 0)
		r = rt_target_load(&t, false, err);
	if (r < 0)
		return r;
	return t.be->pids ? t.be->pids(t.c, ret, ret_n, err) : rt_unsupported(&t, "ps", err);
}
