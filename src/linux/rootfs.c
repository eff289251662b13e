/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's root as a mount of its own: a recursive clone of the rootfs directory, put over that directory.
 *
 * Propagation comes first.  A new mount namespace is a copy whose mounts are peers of the host's: what is mounted or
 * unmounted here would happen there.  One recursive mount_setattr(2) on "/" cuts that for every mount there is;
 * nothing is read from mountinfo, so nothing can be missed while the host's table changes.
 *
 * A descriptor opened before the namespace was copied still names the host's mount, and neither open_tree(2) nor
 * move_mount(2) accepts it here.  So the starting points are opened once more, by the only absolute paths that
 * set-up uses, and compared with what the parent verified.
 */
#include <fcntl.h>
#include <sys/mount.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

static int reopen(struct joey_setup *s, int *fd, const char *path, const char *what, struct joey_err *err)
{
	int now = inroot_open(s->host_root_fd, path, O_PATH | O_DIRECTORY, 0);
	struct stat a, b;

	if (now < 0)
		return joey_err_sys(err, -now, "open %s %s in the container's mount namespace", what, path);
	/* A joined namespace has mounts of its own. */
	if (joey_config_new_ns(s->config, JOEY_NS_MNT) &&
	    (fstat(*fd, &a) < 0 || fstat(now, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)) {
		joey_close(now);
		return joey_err_sys(err, ESTALE, "open %s %s: it was replaced", what, path);
	}
	joey_close(*fd);
	*fd = now;
	return 0;
}

static bool needs_bundle(const struct joey_config *c)
{
	for (size_t i = 0; i < c->n_mounts; i++)
		if ((c->mounts[i].opts->bind || c->mounts[i].opts->rbind) && c->mounts[i].source &&
		    c->mounts[i].source[0] != '/')
			return true;
	return false;
}

static int reopen_host(struct joey_setup *s, struct joey_err *err)
{
	int root, r;

	root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return joey_err_sys(err, errno, "open the host's root");
	joey_close(s->host_root_fd);
	s->host_root_fd = root;
	r = reopen(s, &s->rootfs_fd, s->rootfs, "rootfs", err);
	if (r == 0 && needs_bundle(s->config))
		r = reopen(s, &s->bundle_fd, s->bundle, "bundle", err);
	return r;
}

/* The mount that holds the rootfs, found by climbing: mount_setattr(2) is EINVAL for what is not a mount's root. */
static int leave_peer_group(const struct joey_setup *s, uint64_t type)
{
	autoclose int dir = openat(s->rootfs_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (int depth = 0; dir >= 0 && depth < PATH_MAX / 2; depth++) {
		int r = mount_attr(dir, false, 0, 0, type), up;

		if (r != -EINVAL)
			return r;
		up = openat(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return -errno;
		joey_close(dir);
		dir = up;
	}
	return dir < 0 ? -errno : -ELOOP;
}

static uint64_t host_propagation(const struct joey_setup *s)
{
	return s->config->rootfs_propagation ? s->config->rootfs_propagation : (uint64_t)(MS_SLAVE | MS_REC);
}

bool rootfs_cuts_host(const struct joey_setup *s)
{
	uint64_t p = host_propagation(s);

	return (p & MS_REC) && (p & (MS_SLAVE | MS_PRIVATE));
}

static int cut_propagation(struct joey_setup *s, struct joey_err *err)
{
	uint64_t p = host_propagation(s);
	int r = mount_attr(s->host_root_fd, p & MS_REC, 0, 0, p & ~(uint64_t)MS_REC);

	if (r == -EINVAL)
		return joey_err_sys(err, EINVAL, "set propagation of / (joey's root is not a mount point: a chroot?)");
	if (r < 0)
		return joey_err_sys(err, -r, "set propagation of /");
	/* pivot_root(2) refuses a shared parent, and mounting on it would reach the host; a slave still hears of the
	 * host. */
	r = rootfs_cuts_host(s) ? 0 : leave_peer_group(s, p & MS_SLAVE ? MS_SLAVE : MS_PRIVATE);
	return r < 0 ? joey_err_sys(err, -r, "separate the mount that holds the rootfs from the host's") : 0;
}

int step_prepare_rootfs(struct joey_setup *s, struct joey_err *err)
{
	bool own_ns = joey_config_new_ns(s->config, JOEY_NS_MNT);
	autoclose int root = -EBADF;
	int r;

	/* The host's mount namespace: nothing may be mounted in it, the directory itself is the root. */
	if (!s->config->ns[JOEY_NS_MNT].present) {
		s->root_fd = openat(s->rootfs_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		return s->root_fd < 0 ? joey_err_sys(err, errno, "open the rootfs at %s", s->rootfs) : 0;
	}
	r = reopen_host(s, err);
	if (r == 0 && own_ns)
		r = cut_propagation(s, err);
	if (r < 0)
		return r;
	/* Mount points are made with the modes they are asked for, whatever the caller's umask. */
	umask(022);
	root = joey_sys_open_tree(s->rootfs_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (root < 0)
		return joey_err_sys(err, -root, "clone the tree at %s", s->rootfs);
	if (!own_ns) {
		/* Others live in this namespace: what happens below the rootfs stays below it. */
		r = mount_attr(root, true, 0, 0, MS_PRIVATE);
		if (r < 0)
			return joey_err_sys(err, -r, "make the rootfs private");
	}
	if (s->config->rootfs_attr) {
		r = mount_attr(root, false, s->config->rootfs_attr,
			       s->config->rootfs_attr & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0, 0);
		if (r < 0)
			return joey_err_sys(err, -r, "set mount attributes of the rootfs");
	}
	r = mount_attach(root, s->rootfs_fd, "");
	if (r < 0)
		return joey_err_sys(err, -r, "mount the rootfs at %s", s->rootfs);
	s->root_fd = joey_take_fd(&root);
	return 0;
}

bool wants_readonly_root(const struct joey_setup *s)
{
	return s->config->rootfs_readonly;
}

int step_readonly_root(struct joey_setup *s, struct joey_err *err)
{
	int r = mount_attr(s->root_fd, false, MOUNT_ATTR_RDONLY, 0, 0);

	return r < 0 ? joey_err_sys(err, -r, "make / read-only") : 0;
}

bool wants_readonly_late(const struct joey_setup *s)
{
	for (size_t i = 0; s->mount_readonly_late && i < s->config->n_mounts; i++)
		if (s->mount_readonly_late[i])
			return true;
	return false;
}

/* EBUSY: somebody (a peer in a shared volume, the close of a file that is still on its way) may write. */
static int make_readonly(int mnt_fd)
{
	int r;

	for (int tries = 0;; tries++) {
		r = mount_attr(mnt_fd, false, MOUNT_ATTR_RDONLY, 0, 0);
		if (r != -EBUSY || tries == 20)
			return r;
		usleep(5000);
	}
}

int step_readonly_late(struct joey_setup *s, struct joey_err *err)
{
	for (size_t i = 0; i < s->config->n_mounts; i++) {
		int r = s->mount_readonly_late[i] ? make_readonly(s->mount_fds[i]) : 0;

		if (r < 0)
			return joey_err_sys(err, -r, "remount %s read-only", s->config->mounts[i].destination);
		s->mount_fds[i] = joey_close(s->mount_fds[i]);
	}
	return 0;
}
