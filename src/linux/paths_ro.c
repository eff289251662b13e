/* SPDX-License-Identifier: Apache-2.0 */
/*
 * maskedPaths and readonlyPaths.
 *
 * The masks are ours, not the container's (its /dev/null may be anything): a clone of the host's /dev/null, verified,
 * and one empty read-only tmpfs, both made before the pivot and detached.  Each is attached once; every further place
 * gets a clone of it, so all masked directories share one superblock.
 * Only a path that does not exist is passed over; any other failure is an error, as an unmasked path would be a hole.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

static bool is_null_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

bool wants_masks(const struct joey_setup *s)
{
	return s->config->masked_paths.n > 0;
}

static int clone_null(struct joey_setup *s, struct joey_err *err)
{
	autoclose int fd = joey_sys_open_tree(s->host_root_fd, "dev/null",
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return joey_err_sys(err, -fd, "clone the host's /dev/null");
	if (fstat(fd, &st) < 0)
		return joey_err_sys(err, errno, "stat the host's /dev/null");
	if (!is_null_device(&st))
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENODEV, "the host's /dev/null is not the null device");
	joey_close(s->devnull_fd);
	s->devnull_fd = joey_take_fd(&fd);
	return 0;
}

/* Some kernels count an inode more than the root's. */
static int make_empty_dir(struct joey_setup *s, struct joey_err *err)
{
	static const char *const few[] = { "nr_blocks=1", "nr_inodes=1", "mode=0755", NULL };
	static const char *const more[] = { "nr_blocks=1", "nr_inodes=2", "mode=0755", NULL };
	struct mount_fs_args a = {
		.fstype = "tmpfs",
		.source = "tmpfs",
		.params = few,
		.attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
		.label = s->config->mount_label,
		.label_key = "context",
	};
	int fd = -EBADF, r = mount_fs_make(&a, &fd, err);

	if (r == -ENOSPC) {
		joey_err_clear(err);
		a.params = more;
		r = mount_fs_make(&a, &fd, err);
	}
	if (r == 0)
		s->masked_dir_fd = fd;
	return r;
}

int step_prepare_masks(struct joey_setup *s, struct joey_err *err)
{
	int r = clone_null(s, err);

	return r < 0 ? r : make_empty_dir(s, err);
}

/* What is put over one path. The first use attaches the mask itself, to be cloned from then on: a detached mount
 * cannot be cloned before Linux 6.15. */
static int cover(int mask_fd, bool *used, int target)
{
	autoclose int clone = -EBADF;

	if (!*used) {
		*used = true;
		return mount_attach(mask_fd, target, "");
	}
	clone = joey_sys_open_tree(mask_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	return clone < 0 ? clone : mount_attach(clone, target, "");
}

bool wants_masked_paths(const struct joey_setup *s)
{
	return s->config->masked_paths.n > 0;
}

int step_masked_paths(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_strlist *paths = &s->config->masked_paths;
	bool dir_used = false, null_used = false;
	struct stat empty;

	if (fstat(s->masked_dir_fd, &empty) < 0)
		return joey_err_sys(err, errno, "stat the empty directory");
	for (size_t i = 0; i < paths->n; i++) {
		autoclose int target = inroot_open(s->root_fd, paths->v[i], O_PATH, 0);
		struct stat st;
		int r;

		if (target == -ENOENT)
			continue;
		if (target < 0 || fstat(target, &st) < 0)
			return joey_err_sys(err, target < 0 ? -target : errno, "mask path %s", paths->v[i]);
		/* listed twice */
		if (is_null_device(&st) || (st.st_dev == empty.st_dev && st.st_ino == empty.st_ino))
			continue;
		r = S_ISDIR(st.st_mode) ? cover(s->masked_dir_fd, &dir_used, target)
					: cover(s->devnull_fd, &null_used, target);
		if (r < 0)
			return joey_err_sys(err, -r, "mask path %s", paths->v[i]);
	}
	s->masked_dir_fd = joey_close(s->masked_dir_fd);
	s->devnull_fd = joey_close(s->devnull_fd);
	return 0;
}

bool wants_readonly_paths(const struct joey_setup *s)
{
	return s->config->readonly_paths.n > 0;
}

static int make_readonly(int target)
{
	autoclose int clone =
		joey_sys_open_tree(target, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	int r;

	if (clone < 0)
		return clone;
	r = mount_attr(clone, false, MOUNT_ATTR_RDONLY, 0, 0);
	return r < 0 ? r : mount_attach(clone, target, "");
}

/* Nothing can be mounted over the root of a process that is there already. */
static bool is_root(const struct joey_setup *s, int target)
{
	struct statx root, here;

	return statx(s->root_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &root) == 0 &&
	       statx(target, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &here) == 0 && root.stx_ino == here.stx_ino &&
	       root.stx_mnt_id == here.stx_mnt_id;
}

int step_readonly_paths(struct joey_setup *s, struct joey_err *err)
{
	const struct joey_strlist *paths = &s->config->readonly_paths;

	for (size_t i = 0; i < paths->n; i++) {
		autoclose int target = inroot_open(s->root_fd, paths->v[i], O_PATH, 0);
		int r;

		if (target == -ENOENT)
			continue;
		if (target >= 0 && is_root(s, target))
			r = mount_attr(target, false, MOUNT_ATTR_RDONLY, 0, 0);
		else
			r = target < 0 ? target : make_readonly(target);
		if (r < 0)
			return joey_err_sys(err, -r, "make path %s read-only", paths->v[i]);
	}
	return 0;
}
