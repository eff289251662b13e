/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime-internal.h"

int joey_rt_create(const struct joey_runtime *rt, const struct joey_create_opts *o, struct joey_err *err)
{
	autolaunch struct rt_launch l;
	int r;

	rt_launch_init(&l, rt, o, false);
	rt_interrupt_begin();
	r = rt_launch(&l, err);
	if (r == 0) {
		r = rt_pidfile_write(o->pid_file, l.c->state.pid, err);
		if (r < 0)
			rt_launch_undo(&l, err);
	}
	rt_interrupt_end();
	return r;
}
