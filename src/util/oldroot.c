/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of pivot_root(2): the old root goes away, with all that lay over it. */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "joey/util.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

enum { STACK_MAX = 64 };

static int mount_of(const char *path, uint64_t *ret)
{
	struct statx sx;

	if (statx(AT_FDCWD, path, 0, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret = sx.stx_mnt_id;
	return 0;
}

/*
 * Each umount2(".") takes what lies on top.  If something was mounted over the old root that is not the old root yet,
 * which then stays within reach: "/.." leads to the top of the stack at the root, "." does not.
 */
int joey_drop_old_root(void)
{
	uint64_t here, top;

	for (int i = 0; i < STACK_MAX; i++) {
		int r = mount_of(".", &here);

		if (r == 0)
			r = mount_of("/..", &top);
		if (r < 0)
			return r;
		if (here == top)
			return chdir("/") < 0 ? -errno : 0;
		if (umount2(".", MNT_DETACH) < 0)
			return -errno;
	}
	return -ELOOP;
}
