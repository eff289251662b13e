/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handing a cgroup to the container's user (8.1.6; kernel: cgroup-v2.rst, "Delegation"): the directory and those
 * files that the kernel names for it, nothing else, so that the limits stay with the host.
 */
#include <limits.h>
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/syscalls.h"

/* When /sys/kernel/cgroup/delegate is absent (before Linux 4.15, or no sysfs). */
static const char fallback[] = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

static int chown_file(int dir_fd, const char *dir, const char *name, uid_t uid, struct joey_err *err)
{
	if (strchr(name, '/') || name[0] == '.')
		return 0;
	/* The list names files of every controller; most are not here. */
	if (fchownat(dir_fd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "cgroup: chown %s of %s to %u", name, dir, (unsigned)uid);
	return 0;
}

int cgroup_delegate(int dir_fd, const char *dir, uid_t uid, struct joey_err *err)
{
	autofree char *list = NULL;
	char *p, *name;
	int r;

	r = joey_read_file_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", 0, 1u << 16, &list, NULL);
	if (r < 0) {
		list = strdup(fallback);
		if (!list)
			return joey_err_sys(err, ENOMEM, "cgroup: delegate %s", dir);
	}
	if (fchownat(dir_fd, "", uid, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return joey_err_sys(err, errno, "cgroup: chown %s to %u", dir, (unsigned)uid);
	p = list;
	r = 0;
	while (r == 0 && (name = strsep(&p, "\n")) != NULL)
		if (*name)
			r = chown_file(dir_fd, dir, name, uid, err);
	return r;
}

int joey_cgroup_delegate(struct joey_cgroup *cg, uid_t uid, struct joey_err *err)
{
	return cg->dir_fd < 0 ? 0 : cgroup_delegate(cg->dir_fd, cgroup_name(cg), uid, err);
}
