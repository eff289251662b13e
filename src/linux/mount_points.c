/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a restore: the rootfs as a mount, and the mount points that the config needs, made by mounting everything once
 * as a create does, in a mount namespace that is thrown away.  So a restored container finds the same directories.
 */
#include "linux/linux-internal.h"

int joey_setup_rootfs(struct joey_setup *s, struct joey_err *err)
{
	return step_prepare_rootfs(s, err);
}

int joey_setup_mount_points(struct joey_setup *s, struct joey_err *err)
{
	int r = step_prepare_rootfs(s, err);

	if (r == 0 && wants_mounts(s))
		r = step_mounts(s, err);
	if (r == 0 && wants_devices(s))
		r = step_devices(s, err);
	return r;
}
