/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the root.  With a mount namespace of our own, pivot_root(2) and the host's tree goes away; with --no-pivot
 * (a root that is an initramfs cannot be pivoted) the rootfs is moved over "/" and the host's tree stays below it;
 * without such a namespace, chroot(2).  Afterwards s->root_fd is "/", and so is the working directory.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "joey/mountinfo.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum { MOUNTINFO_MAX_BYTES = 64 << 20 };

static int pivot(struct joey_setup *s, struct joey_err *err)
{
	int r;

	if (fchdir(s->root_fd) < 0)
		return joey_err_sys(err, errno, "enter the rootfs");
	/* pivot_root(2), NOTES: the old root comes to lie over the new one at ".". */
	r = joey_sys_pivot_root(".", ".");
	if (r < 0)
		return joey_err_sys(err, -r, "pivot_root");
	/* Unmounting a shared tree would unmount it at the host; slaves do not talk back. */
	if (!rootfs_cuts_host(s)) {
		r = mount_attr(s->host_root_fd, true, 0, 0, MS_SLAVE);
		if (r < 0)
			return joey_err_sys(err, -r, "make the old root a slave");
	}
	r = joey_drop_old_root();
	return r < 0 ? joey_err_sys(err, r, "unmount the old root") : 0;
}

/*
 * A full proc or sysfs that stays mounted below "/" would let a nested user namespace mount a fresh one without the
 * masks of this container (mount_namespaces(7), "fully visible").  So each is unmounted, or covered where it is locked.
 */
struct hide {
	struct joey_setup *s;
	struct joey_err *err;
};

static int cover(struct hide *h, int dir, const char *target)
{
	static const struct mount_fs_args empty = {
		.fstype = "tmpfs",
		.source = "tmpfs",
		.attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	};
	autoclose int mnt = -EBADF;
	int r = mount_fs_make(&empty, &mnt, h->err);

	if (r < 0)
		return r;
	r = mount_attach(mnt, dir, "");
	return r < 0 ? joey_err_sys(h->err, -r, "cover the host's %s", target) : 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int hide_mount(const struct joey_mountinfo *m, void *arg)
{
	struct hide *h = arg;
	autoclose int dir = -EBADF;
	struct statfs sfs;

	if ((!joey_streq(m->fstype, "proc") && !joey_streq(m->fstype, "sysfs")) || !joey_streq(m->root, "/") ||
	    is_below(m->target, h->s->rootfs))
		return 0;
	dir = inroot_open(h->s->host_root_fd, m->target, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	/* gone with a mount that was unmounted before, or covered by another */
	if (dir < 0)
		return 0;
	if (fstatfs(dir, &sfs) == 0 && sfs.f_type != PROC_SUPER_MAGIC && sfs.f_type != SYSFS_MAGIC)
		return 0;
	if (fchdir(dir) < 0)
		return joey_err_sys(h->err, errno, "enter the host's %s", m->target);
	return umount2(".", MNT_DETACH) == 0 ? 0 : cover(h, dir, m->target);
}

static int move_over(struct joey_setup *s, struct joey_err *err)
{
	struct hide h = { s, err };
	autofree char *text = NULL;
	size_t len;
	int r = joey_read_file_at(s->host_root_fd, "proc/self/mountinfo", 0, MOUNTINFO_MAX_BYTES, &text, &len);

	if (r < 0)
		return joey_err_sys(err, -r, "read the host's mounts");
	r = joey_mountinfo_parse(text, len, hide_mount, &h);
	if (r < 0)
		return err->errnum ? r : joey_err_sys(err, -r, "read the host's mounts");
	r = mount_attach(s->root_fd, s->host_root_fd, "");
	return r < 0 ? joey_err_sys(err, -r, "move the rootfs to /") : 0;
}

static int chroot_here(struct joey_setup *s, struct joey_err *err)
{
	if (fchdir(s->root_fd) < 0)
		return joey_err_sys(err, errno, "enter the rootfs");
	return chroot(".") < 0 ? joey_err_sys(err, errno, "chroot") : 0;
}

int step_pivot(struct joey_setup *s, struct joey_err *err)
{
	int r = 0;

	if (joey_config_new_ns(s->config, JOEY_NS_MNT) && !s->no_pivot) {
		r = pivot(s, err);
	} else {
		if (joey_config_new_ns(s->config, JOEY_NS_MNT))
			r = move_over(s, err);
		if (r == 0)
			r = chroot_here(s, err);
	}
	if (r < 0)
		return r;
	if (chdir("/") < 0)
		return joey_err_sys(err, errno, "enter /");
	for (size_t i = 0; s->mount_fds && i < s->config->n_mounts; i++)
		if (!s->mount_readonly_late[i])
			s->mount_fds[i] = joey_close(s->mount_fds[i]);
	/* Nothing of the host is needed from here on, and nothing of it may be reached. */
	s->host_root_fd = joey_close(s->host_root_fd);
	s->bundle_fd = joey_close(s->bundle_fd);
	s->rootfs_fd = joey_close(s->rootfs_fd);
	return 0;
}

/* private was done to the parent mount before the pivot; the others are about "/" as it is now. */
bool wants_root_propagation(const struct joey_setup *s)
{
	return s->config->rootfs_propagation && !(s->config->rootfs_propagation & MS_PRIVATE) &&
	       joey_config_new_ns(s->config, JOEY_NS_MNT);
}

int step_root_propagation(struct joey_setup *s, struct joey_err *err)
{
	uint64_t p = s->config->rootfs_propagation;
	int r = mount_attr(s->root_fd, p & MS_REC, 0, 0, p & ~(uint64_t)MS_REC);

	return r < 0 ? joey_err_sys(err, -r, "set propagation of the container's /") : 0;
}
