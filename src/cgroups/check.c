/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup mode and controllers of this host, for `joey check`. */
#include <string.h>

#include "cgroups/cgroups-internal.h"
#include "joey/check.h"

static const struct {
	const char *name, *cost;
} controllers[] = {
	{ "cpu", "no CPU limits" },      { "cpuset", "containers cannot be tied to CPUs" },
	{ "io", "no block I/O limits" }, { "memory", "no memory limits" },
	{ "pids", "no process limits" }, { "hugetlb", "no huge page limits" },
	{ "rdma", "no RDMA limits" },
};

static int check_controllers(struct joey_findings *f, int mnt)
{
	char list[1024] = "";
	int r = 0;

	if (cgroup_read(mnt, "cgroup.controllers", list, sizeof(list)) < 0)
		list[0] = '\0';
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(controllers) && r == 0; i++) {
		bool there = cgroup_word_in(list, controllers[i].name);

		r = joey_findings_add(f, "cgroup", controllers[i].name, there ? JOEY_FINDING_OK : JOEY_FINDING_LIMITED,
				      controllers[i].cost,
				      there ? "controller there" : "no such controller on cgroup v2");
	}
	return r;
}

int joey_check_cgroup(struct joey_findings *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int mnt = -EBADF;
	const char *mount = NULL;
	bool pure;
	int r;

	if (cgroup_host_open(&mnt, &mount, &err) < 0) {
		mnt = -EBADF;
		return joey_findings_add(f, "cgroup", "mode", JOEY_FINDING_MISSING,
					 "containers run with --cgroup-manager=disabled only", "%s",
					 joey_err_text(&err));
	}
	pure = joey_streq(mount, "/sys/fs/cgroup");
	r = joey_findings_add(f, "cgroup", "mode", pure ? JOEY_FINDING_OK : JOEY_FINDING_LIMITED,
			      "limits only where cgroup v2 has the controller; cgroup v1 is not supported",
			      pure ? "cgroup v2 at %s" : "hybrid: cgroup v2 at %s", mount);
	return r < 0 ? r : check_controllers(f, mnt);
}
