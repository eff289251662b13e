/* SPDX-License-Identifier: Apache-2.0 */
/* ps --guest, logs --guest: no lock, as ps. */
#include "runtime/runtime-internal.h"

static int find(struct rt_target *t, const struct joey_runtime *rt, const char *id, struct joey_err *err)
{
	int r = rt_target_find(t, rt, id, err);

	return r < 0 ? r : rt_target_load(t, false, err);
}

static int no_guest(const char *id, struct joey_err *err)
{
	return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "container %s is not sandboxed: it has no guest", id);
}

int joey_rt_guest_processes(const struct joey_runtime *rt, const char *id, struct joey_guest_processes *ret,
			    struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	int r = find(&t, rt, id, err);

	if (r < 0)
		return r;
	return t.be->guest_processes ? t.be->guest_processes(t.c, ret, err) : no_guest(id, err);
}

int joey_rt_guest_console(const struct joey_runtime *rt, const char *id, char **ret, size_t *ret_n,
			  struct joey_err *err)
{
	autotarget struct rt_target t = RT_TARGET_INIT;
	int r = find(&t, rt, id, err);

	if (r < 0)
		return r;
	return t.be->guest_console ? t.be->guest_console(t.c, ret, ret_n, err) : no_guest(id, err);
}
