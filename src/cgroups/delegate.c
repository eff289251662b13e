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

static int chown_file(const struct joey_cgroup *cg, const char *name, uid_t uid, struct joey_err *err)
{
	if (strchr(name, '/') || name[0] == '.')
		return 0;
	/* The list names files of every controller; most are not here. */
	if (fchownat(cg->dir_fd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "cgroup: chown %s of %s to %u", name, cgroup_name(cg), (unsigned)uid);
	return 0;
}

int joey_cgroup_delegate(struct joey_cgroup *cg, uid_t uid, struct joey_err *err)
{
	autofree char *list = NULL;
	char *p, *name;
	int r;

	if (cg->dir_fd < 0)
		return 0;
	r = joey_read_file_at(AT_FDCWD, "/sys/kernel/cgroup/delegate", 0, 1u << 16, &list, NULL);
	if (r < 0) {
		list = strdup(fallback);
		if (!list)
			return joey_err_sys(err, ENOMEM, "cgroup: delegate %s", cgroup_name(cg));
	}
	if (fchownat(cg->dir_fd, "", uid, (gid_t)-1, AT_EMPTY_PATH) < 0)
		return joey_err_sys(err, errno, "cgroup: chown %s to %u", cgroup_name(cg), (unsigned)uid);
	p = list;
	r = 0;
	while (r == 0 && (name = strsep(&p, "\n")) != NULL)
		if (*name)
			r = chown_file(cg, name, uid, err);
	return r;
}
