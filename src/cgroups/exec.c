/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an exec'd process goes.  Normally the container's cgroup.  The kernel allows no processes in a cgroup that
 * has handed controllers to its children (cgroup-v2, "no internal processes"), as a container with an init system of
 * its own does: then the process joins init where that is now, which must still be below the container's cgroup.
 */
#include <string.h>

#include "cgroups/cgroups-internal.h"

static bool is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static int open_of_init(const struct joey_cgroup *cg, pid_t init, int *ret_fd, struct joey_err *err)
{
	autofree char *text = NULL, *path = NULL;
	char name[40];
	int r;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)init);
	r = joey_read_file_at(AT_FDCWD, name, 0, CGROUP_FILE_MAX, &text, NULL);
	if (r == 0)
		r = cgroup_host_parse_own(text, &path);
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: read the cgroup of the container's init");
	if (!is_below(path, cg->path))
		return joey_err_set(err, JOEY_EK_OTHER, EPERM, "cgroup: init of the container has left %s for %s",
				    cg->path, path);
	r = cgroup_opendir_at(cg->mnt_fd, path + strspn(path, "/"), O_PATH);
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: open %s%s", cg->mount, path);
	*ret_fd = r;
	return 0;
}

static int open_sub(const struct joey_cgroup *cg, const char *sub, int *ret_fd, struct joey_err *err)
{
	autofree char *clean = NULL;
	int r;

	/* Whoever names a place outside is not silently put somewhere inside. */
	for (const char *p = sub; (p = strstr(p, "..")); p += 2)
		if ((p == sub || p[-1] == '/') && (p[2] == '\0' || p[2] == '/'))
			return joey_err_set(err, JOEY_EK_USAGE, EINVAL, "bad sub cgroup path: %s", sub);
	r = cgroup_path_clean(sub, &clean);
	if (r == 0)
		r = cgroup_opendir_at(cg->dir_fd, clean[1] ? clean + 1 : ".", O_PATH);
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: open sub cgroup %s of %s%s", sub, cg->mount, cg->path);
	*ret_fd = r;
	return 0;
}

int joey_cgroup_open_for_exec(const struct joey_cgroup *cg, const char *sub, pid_t init, int *ret_fd,
			      struct joey_err *err)
{
	char enabled[1024];
	int fd;

	if (cg->kind == JOEY_CGROUP_DISABLED)
		return 0;
	if (sub)
		return open_sub(cg, sub, ret_fd, err);
	if (cg->dir_fd < 0 || cgroup_read(cg->dir_fd, "cgroup.subtree_control", enabled, sizeof(enabled)) > 0)
		return open_of_init(cg, init, ret_fd, err);
	fd = fcntl(cg->dir_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return joey_err_sys(err, errno, "cgroup: keep %s open", cg->path);
	*ret_fd = fd;
	return 0;
}
