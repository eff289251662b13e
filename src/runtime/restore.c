/* SPDX-License-Identifier: Apache-2.0 */
/* restore: a run whose processes come from images. */
#include "runtime/runtime-internal.h"

int joey_rt_restore(const struct joey_runtime *rt, const struct joey_restore_opts *o, int *ret_exit,
		    struct joey_err *err)
{
	autolaunch struct rt_launch l;
	struct joey_image image = { .image_fd = -EBADF, .work_fd = -EBADF };
	const struct joey_restore how = {
		.image = &image,
		.lsm_profile = o->lsm_profile,
		.lsm_mount_context = o->lsm_mount_context,
	};
	int r;

	rt_launch_init(&l, rt, &o->create, true);
	l.restore = &how;
	/* joey's own descriptors are made after the caller's have been looked at (inherit.c): these two are ours. */
	r = rt_image_open(&o->i, false, &image, err);
	if (r == 0) {
		rt_interrupt_begin();
		r = rt_run(&l, ret_exit, err);
		rt_interrupt_end();
	}
	rt_image_done(&image);
	return r;
}
