/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroupfs driver: joey makes and removes the directory itself.
 *
 * Paths are cleaned lexically and then opened below the mount's descriptor without symlinks and without leaving the
 * file system.  Only the last directory is ever removed, and only if this file made it; the levels above are
 * left, because an engine that names "/docker" as parent expects it to stay.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "cgroups/cgroups-internal.h"
#include "joey/log.h"
#include "joey/syscalls.h"

int cgroup_path_clean(const char *path, char **ret)
{
	size_t len = strlen(path), out = 0;
	autofree char *buf = malloc(len + 2);
	const char *p = path;

	if (!buf)
		return -ENOMEM;
	while (*(p += strspn(p, "/"))) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			while (out > 0 && buf[--out] != '/')
				;
		} else if (n != 1 || p[0] != '.') {
			buf[out++] = '/';
			memcpy(buf + out, p, n);
			out += n;
		}
		p += n;
	}
	if (out == 0)
		buf[out++] = '/';
	buf[out] = '\0';
	*ret = joey_take_ptr(buf);
	return 0;
}

static int check_names(const char *path, struct joey_err *err)
{
	const char *p = path;

	if (strlen(path) >= PATH_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, ENAMETOOLONG, "linux.cgroupsPath is longer than %d bytes",
				    PATH_MAX - 1);
	/* The kernel refuses it too: it would forge lines of /proc/PID/cgroup. */
	if (strchr(path, '\n'))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "linux.cgroupsPath holds a newline");
	while (*(p += strspn(p, "/"))) {
		size_t n = strcspn(p, "/");

		if (n > NAME_MAX)
			return joey_err_set(err, JOEY_EK_CONFIG, ENAMETOOLONG,
					    "linux.cgroupsPath has a component longer than %d bytes", NAME_MAX);
		p += n;
	}
	return 0;
}

int cgroup_path_build(const char *cgroups_path, const char *id, const char *own_parent, char **ret,
		      struct joey_err *err)
{
	const char *given = cgroups_path && *cgroups_path ? cgroups_path : id;
	autofree char *inner = NULL, *full = NULL;
	int r = cgroup_path_clean(given, &inner);

	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: work out the path");
	if (inner[1] == '\0')
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "linux.cgroupsPath \"%s\" names no cgroup of the container's own", given);
	if (given[0] == '/' || own_parent[1] == '\0') {
		full = joey_take_ptr(inner);
	} else {
		autostr struct joey_str s = JOEY_STR_INIT;

		joey_str_printf(&s, "%s%s", own_parent, inner);
		full = joey_str_take(&s);
		if (!full)
			return joey_err_sys(err, ENOMEM, "cgroup: work out the path");
	}
	r = check_names(full, err);
	if (r < 0)
		return r;
	*ret = joey_take_ptr(full);
	return 0;
}

static int cgroupfs_locate(struct joey_cgroup *cg, const char *cgroups_path, const char *id, struct joey_err *err)
{
	autofree char *own_parent = NULL;
	int r;

	if (!cgroups_path || cgroups_path[0] != '/') {
		r = cgroup_host_own_parent(cg->mnt_fd, &own_parent, err);
		if (r < 0)
			return r;
	}
	return cgroup_path_build(cgroups_path, id, own_parent, &cg->path, err);
}

const char *cgroup_leaf(const struct joey_cgroup *cg)
{
	return strrchr(cg->path, '/') + 1;
}

/* "/a/b" -> the part between the slashes; "" for "/b". Heap. */
static int parent_path(const struct joey_cgroup *cg, char **ret)
{
	const char *leaf = cgroup_leaf(cg);
	size_t n = (size_t)(leaf - cg->path);
	char *p = strndup(cg->path + 1, n > 1 ? n - 2 : 0);

	if (!p)
		return -ENOMEM;
	*ret = p;
	return 0;
}

int cgroup_parent_open(struct joey_cgroup *cg, int *ret_fd)
{
	autofree char *dir = NULL;
	int r = 0;

	if (cgroup_leaf(cg) == cg->path + 1) {
		*ret_fd = cg->mnt_fd;
		return 0;
	}
	if (cg->parent_fd < 0) {
		r = parent_path(cg, &dir);
		if (r == 0)
			r = cgroup_opendir_at(cg->mnt_fd, dir, O_PATH);
		if (r < 0)
			return r;
		cg->parent_fd = r;
	}
	*ret_fd = cg->parent_fd;
	return 0;
}

static int make_parents(struct joey_cgroup *cg, int *ret_fd)
{
	autoclose int cur = cgroup_opendir_at(cg->mnt_fd, ".", O_PATH);
	autofree char *dir = NULL;
	char *p, *name;
	int r;

	if (cur < 0)
		return cur;
	r = parent_path(cg, &dir);
	if (r < 0)
		return r;
	p = dir;
	while ((name = strsep(&p, "/")) != NULL) {
		int next = cgroup_opendir_at(cur, name, O_PATH);

		if (next == -ENOENT) {
			if (mkdirat(cur, name, 0755) < 0 && errno != EEXIST)
				return -errno;
			next = cgroup_opendir_at(cur, name, O_PATH);
		}
		if (next < 0)
			return next;
		joey_close(cur);
		cur = next;
	}
	cg->parent_fd = joey_take_fd(&cur);
	*ret_fd = cg->parent_fd;
	return 0;
}

static int open_leaf(struct joey_cgroup *cg, int parent_fd)
{
	autoclose int fd = cgroup_opendir_at(parent_fd, cgroup_leaf(cg), O_PATH);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	cg->inode = st.st_ino;
	cg->dir_fd = joey_take_fd(&fd);
	return 0;
}

/* The one step after which there is something to undo. */
static int make_leaf(struct joey_cgroup *cg, int parent_fd, struct joey_err *err)
{
	int r;

	if (mkdirat(parent_fd, cgroup_leaf(cg), 0755) < 0) {
		if (errno != EEXIST)
			return -errno;
		/* Someone was faster than we: theirs to remove. */
		cg->created = false;
	}
	r = open_leaf(cg, parent_fd);
	if (r < 0) {
		if (cg->created)
			(void)unlinkat(parent_fd, cgroup_leaf(cg), AT_REMOVEDIR);
		return r;
	}
	r = cg->created ? 0 : cgroup_check_unused(cg, err);
	if (r < 0) {
		/* In use by others: nothing of it may be killed when this container is taken back. */
		cg->dir_fd = joey_close(cg->dir_fd);
		cg->inode = 0;
	}
	return r;
}

static int create_failed(struct joey_cgroup *cg, int r, const struct joey_resources *res, struct joey_err *err)
{
	bool refused = r == -EACCES || r == -EPERM || r == -EROFS;

	if (err->errnum != 0) /* texts of check_unused */
		return r;
	if (refused && cg->rootless) {
		if (cg->path_given || joey_resources_has_limits(res))
			return joey_err_set(
				err, JOEY_EK_UNSUPPORTED, -r,
				"rootless needs no limits + no cgrouppath when no permission is granted for "
				"cgroups: mkdir %s%s: %s",
				cg->mount, cg->path, joey_errno_text(-r));
		joey_debug("cgroup: %s%s: %s; running without a cgroup", cg->mount, cg->path, joey_errno_text(-r));
		cg->kind = JOEY_CGROUP_DISABLED;
		cg->created = false;
		free(cg->path);
		cg->path = NULL;
		return 0;
	}
	if (r == -EAGAIN) /* cgroup.max.descendants, cgroup.max.depth */
		return joey_err_sys(err, -r, "cgroup: mkdir %s%s (a limit on nested cgroups is reached)", cg->mount,
				    cg->path);
	return joey_err_sys(err, -r, "cgroup: mkdir %s%s", cg->mount, cg->path);
}

static int cgroupfs_create(struct joey_cgroup *cg, const struct joey_resources *res, struct joey_err *err)
{
	autoerr struct joey_err step = JOEY_ERR_INIT;
	int parent_fd = -EBADF, r;

	r = cgroup_controllers_check(cg, res, err);
	if (r < 0)
		return r;
	if (cg->dir_fd < 0) {
		r = cgroup_parent_open(cg, &parent_fd);
		if (r == -ENOENT)
			r = make_parents(cg, &parent_fd);
		if (r == 0)
			r = make_leaf(cg, parent_fd, &step);
		if (r < 0)
			r = create_failed(cg, r, res, &step);
		if (r < 0) {
			*err = step;
			step = (struct joey_err)JOEY_ERR_INIT;
			cg->created = false;
			return r;
		}
		if (cg->kind == JOEY_CGROUP_DISABLED)
			return 0;
	}
	r = cgroup_controllers_enable(cg, res, err);
	if (r < 0 && cg->created) {
		cg->dir_fd = joey_close(cg->dir_fd);
		(void)unlinkat(parent_fd, cgroup_leaf(cg), AT_REMOVEDIR);
		cg->created = false;
	}
	return r;
}

static int cgroupfs_remove(struct joey_cgroup *cg)
{
	struct stat st;
	int fd, r = cgroup_parent_open(cg, &fd);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	/* Removed and made again by someone else since we opened it?  Then it is not ours. */
	if (fstatat(fd, cgroup_leaf(cg), &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (cg->inode != 0 && st.st_ino != cg->inode)
		return 0;
	if (unlinkat(fd, cgroup_leaf(cg), AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

const struct cgroup_driver cgroup_cgroupfs = {
	.locate = cgroupfs_locate,
	.create = cgroupfs_create,
	.remove = cgroupfs_remove,
};
