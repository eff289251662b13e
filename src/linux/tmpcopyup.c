/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpcopyup: the new tmpfs starts with a copy of what its mount point held.  Types, modes, owners, extended attributes
 * and times are kept; links are copied, never followed.  The source is image-controlled: it is read through a private
 * clone on which device nodes do not open (nodev), every open is (directory fd, name) with O_NOFOLLOW, and the depth
 * is bounded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { MAX_DEPTH = 128, XATTR_LIST_MAX_BYTES = 65536, XATTR_VALUE_MAX_BYTES = 65536, COPY_BUFFER_BYTES = 65536 };

static int copy_tree(int from, int to, unsigned depth);

static int copy_xattr(int from, int to, const char *name)
{
	autofree char *value = NULL;
	ssize_t n = fgetxattr(from, name, NULL, 0);

	if (n < 0)
		return errno == ENODATA ? 0 : -errno;
	if (n > XATTR_VALUE_MAX_BYTES)
		return -E2BIG;
	value = malloc((size_t)n + 1);
	if (!value)
		return -ENOMEM;
	n = fgetxattr(from, name, value, (size_t)n);
	if (n < 0)
		return -errno;
	/* tmpfs without user.* (before 6.6) or without ACLs: the content matters more. */
	if (fsetxattr(to, name, value, (size_t)n, 0) < 0 && errno != EOPNOTSUPP && errno != EPERM)
		return -errno;
	return 0;
}

static int copy_xattrs(int from, int to)
{
	ssize_t n = flistxattr(from, NULL, 0);
	autofree char *list = NULL;

	if (n <= 0)
		return n == 0 || errno == EOPNOTSUPP ? 0 : -errno;
	if (n > XATTR_LIST_MAX_BYTES)
		return -E2BIG;
	list = malloc((size_t)n);
	if (!list)
		return -ENOMEM;
	n = flistxattr(from, list, (size_t)n);
	if (n < 0)
		return -errno;
	for (char *p = list; p < list + n; p += strlen(p) + 1) {
		int r = copy_xattr(from, to, p);

		if (r < 0)
			return r;
	}
	return 0;
}

/* chown(2) clears set-id bits and capabilities, so owner first, then mode, then the rest. */
static int copy_meta(int from, int to, const struct stat *st)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_xattrs(from, to);
	if (r < 0)
		return r;
	return futimens(to, times) < 0 ? -errno : 0;
}

/* The buffer is on the heap: this may be inlined into a recursion. */
static int copy_data(int from, int to)
{
	autofree char *buf = malloc(COPY_BUFFER_BYTES);

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t n = read(from, buf, COPY_BUFFER_BYTES);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		r = joey_write_all(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	autoclose int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	autoclose int to = -EBADF;
	struct stat now;
	int r;

	if (from < 0 || fstat(from, &now) < 0)
		return -errno;
	if (!S_ISREG(now.st_mode) || now.st_ino != st->st_ino)
		return -ESTALE;
	to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	r = copy_data(from, to);
	return r < 0 ? r : copy_meta(from, to, &now);
}

static int copy_link(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	autofree char *target = malloc(PATH_MAX);
	ssize_t n;

	if (!target)
		return -ENOMEM;
	n = readlinkat(from_dir, name, target, PATH_MAX);
	if (n < 0)
		return -errno;
	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	target[n] = '\0';
	if (symlinkat(target, to_dir, name) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(int to_dir, const char *name, const struct stat *st)
{
	/* The umask cannot be trusted to let all bits through; the tmpfs is not attached yet, so the name is ours. */
	if (mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(to_dir, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int copy_dir(int from_dir, int to_dir, const char *name, unsigned depth)
{
	autoclose int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), to = -EBADF;
	struct stat st;
	int r;

	if (from < 0 || fstat(from, &st) < 0 || mkdirat(to_dir, name, 0700) < 0)
		return -errno;
	to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return -errno;
	r = copy_tree(from, to, depth + 1);
	return r < 0 ? r : copy_meta(from, to, &st);
}

static int copy_entry(int from, int to, const char *name, unsigned depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_dir(from, to, name, depth);
	case S_IFREG:
		return copy_file(from, to, name, &st);
	case S_IFLNK:
		return copy_link(from, to, name, &st);
	default:
		return copy_node(to, name, &st);
	}
}

static int copy_tree(int from, int to, unsigned depth)
{
	int r = 0, dup_fd;
	DIR *dir;

	if (depth > MAX_DEPTH)
		return -ELOOP;
	dup_fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
	if (dup_fd < 0)
		return -errno;
	dir = fdopendir(dup_fd);
	if (!dir) {
		r = -errno;
		joey_close(dup_fd);
		return r;
	}
	while (r == 0) {
		struct dirent *d;

		errno = 0;
		d = readdir(dir);
		if (!d) {
			r = -errno;
			break;
		}
		if (!joey_streq(d->d_name, ".") && !joey_streq(d->d_name, ".."))
			r = copy_entry(from, to, d->d_name, depth);
	}
	closedir(dir);
	return r;
}

static int copy_root(int dir_fd, int to_fd, bool keep_root_owner)
{
	/* Recursive: in a user namespace the parts of a tree can only be cloned together. */
	autoclose int clone =
		joey_sys_open_tree(dir_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	autoclose int from = -EBADF, to = -EBADF;
	struct stat st;
	int r;

	if (clone < 0)
		return clone;
	r = mount_attr(clone, true, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return r;
	from = openat(clone, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return -errno;
	r = copy_tree(from, to, 0);
	if (r < 0)
		return r;
	if (!keep_root_owner && (st.st_uid || st.st_gid) && fchown(to, st.st_uid, st.st_gid) < 0)
		return -errno;
	return copy_xattrs(from, to);
}

int tmpcopyup(int dir_fd, int to_fd, bool keep_root_owner, struct joey_err *err)
{
	int r = copy_root(dir_fd, to_fd, keep_root_owner);

	return r < 0 ? joey_err_sys(err, -r, "copy the content of the mount point up") : 0;
}
