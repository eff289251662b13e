/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of bind mounts: detached clones made by open_tree(2), so that attributes and id maps are in place before
 * anything in the container can see the mount.  A source is the host's: links in it are followed as usual.
 *
 * A tree can be cloned only in the mount namespace it is in (EINVAL otherwise), so descriptors that the parent opened
 * before the clone are of no use here but for comparing.  In a user namespace the parent helps: it may
 * pass where the container's root may not, and it can clone one mount of a tree whose parts are locked together.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

static int idmap(int mnt_fd, bool recursive, int userns_fd, struct joey_err *err)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns_fd };
	int r = joey_sys_mount_setattr(mnt_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &a);

	if (r == -EINVAL)
		return joey_err_sys(err, EINVAL,
				    "set id mapping of the mount (the file system may not support idmapped mounts)");
	return r < 0 ? joey_err_sys(err, -r, "set id mapping of the mount") : 0;
}

int joey_mount_source_open(const struct joey_mount *m, int host_root_fd, int bundle_fd, int userns_fd, int *ret_fd,
			   struct joey_err *err)
{
	const struct joey_mount_opts *o = m->opts;
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	const char *path = m->source ? m->source : "";
	int base = path[0] == '/' ? host_root_fd : bundle_fd;
	autoclose int fd = -EBADF;

	if (!*path)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "bind mount without a source");
	if (o->rbind)
		flags |= AT_RECURSIVE;
	if (o->src_nofollow || o->copy_symlink)
		flags |= AT_SYMLINK_NOFOLLOW;
	path += strspn(path, "/");
	fd = joey_sys_open_tree(base, *path ? path : ".", flags);
	if (fd < 0)
		return joey_err_sys(err, -fd, "open bind source %s", m->source);
	if (userns_fd >= 0) {
		int r = idmap(fd, o->ridmap, userns_fd, err);

		if (r < 0)
			return r;
	}
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static bool parent_may_do_better(int r)
{
	return r == -EACCES || r == -EPERM || r == -EINVAL;
}

int mount_bind_source(struct joey_setup *s, size_t index, int *ret_fd, struct joey_err *err)
{
	const struct joey_mount *m = &s->config->mounts[index];
	int r;

	/* The kernel takes an id mapping from a privileged process only, and making one needs the host's procfs. */
	if (m->opts->idmap) {
		if (!s->parent.mount_source)
			return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOSYS, "id-mapped mounts need a parent's help");
		return s->parent.mount_source(s->parent.arg, index, ret_fd, err);
	}
	r = joey_mount_source_open(m, s->host_root_fd, s->bundle_fd, -EBADF, ret_fd, err);
	if (r < 0 && s->in_userns && s->parent.mount_source && parent_may_do_better(r)) {
		joey_err_clear(err);
		r = s->parent.mount_source(s->parent.arg, index, ret_fd, err);
	}
	return r;
}

static bool same_inode(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

int mount_clone_dir(struct joey_setup *s, int fd, int *ret_fd)
{
	char link[40], path[PATH_MAX];
	autoclose int here = -EBADF;
	ssize_t n;
	int r;

	r = joey_sys_open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (r != -EINVAL) {
		if (r >= 0)
			*ret_fd = r;
		return r < 0 ? r : 0;
	}
	snprintf(link, sizeof(link), "proc/self/fd/%d", fd);
	n = readlinkat(s->host_root_fd, link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (path[0] != '/')
		return -EXDEV;
	here = inroot_open(s->host_root_fd, path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	if (here < 0)
		return here;
	if (!same_inode(here, fd))
		return -ESTALE;
	r = joey_sys_open_tree(here, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (r >= 0)
		*ret_fd = r;
	return r < 0 ? r : 0;
}
