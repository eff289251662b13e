/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config's mounts, one by one in listed order (a later source may lie inside an earlier mount).  mount_bind.c
 * and mount_fs.c make the detached mounts, mount_target.c knows where they may go; here they meet, fd to fd.
 *
 * Read-only.  tmpfs and /dev must take mount points and nodes that come later: their "ro" waits for
 * step_readonly_late.
 */
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "linux/linux-internal.h"

enum {
	FSK_REAL_DIR = 1,    /* no link anywhere on the way to the mount point */
	FSK_NO_LABEL = 2,    /* mountLabel is not for it */
	FSK_LABEL_XATTR = 4, /* the kernel refuses context=: label the root */
	FSK_DIR_MODE = 8,    /* takes the mode of what it covers; "ro" waits */
	FSK_CGROUP = 16,
	FSK_NO_DATA = 32, /* options of cgroup v1 mean nothing to cgroup2 */
};

struct fs_kind {
	const char *type, *fstype;
	unsigned flags;
};

static const struct fs_kind fs_kinds[] = {
	{ "proc", "proc", FSK_REAL_DIR | FSK_NO_LABEL },
	{ "sysfs", "sysfs", FSK_REAL_DIR | FSK_NO_LABEL },
	{ "mqueue", "mqueue", FSK_LABEL_XATTR },
	{ "tmpfs", "tmpfs", FSK_DIR_MODE },
	{ "cgroup", "cgroup2", FSK_CGROUP | FSK_NO_LABEL | FSK_NO_DATA },
	{ "cgroup2", "cgroup2", FSK_CGROUP | FSK_NO_LABEL },
};

struct job {
	struct joey_setup *s;
	const struct joey_mount *m;
	size_t index;
	struct fs_kind kind;
	bool is_bind;
	bool parents_shared; /* a mount made so far may be shared: attaching to it makes the new one shared, too */
	struct mount_target at;
};

static struct fs_kind kind_of(const struct joey_mount *m)
{
	struct fs_kind k = { m->type, m->type, 0 };

	for (size_t i = 0; m->type && i < JOEY_ARRAY_SIZE(fs_kinds); i++)
		if (joey_streq(fs_kinds[i].type, m->type))
			k = fs_kinds[i];
	return k;
}

/* Attributes are set before anybody can see the mount; propagation, too, unless the attachment would change it. */
static int attach(const struct job *j, int mnt, bool made, struct joey_err *err)
{
	int r = mount_attr_options(mnt, j->m, made, !j->parents_shared, err);

	if (r == 0)
		r = mount_target_attach(&j->at, mnt, err);
	if (r == 0 && j->parents_shared)
		r = mount_attr_propagation(mnt, j->m, 0, err);
	return r;
}

static int copy_link(const struct job *j, int source, struct joey_err *err)
{
	char target[PATH_MAX], present[PATH_MAX];
	const char *name;
	ssize_t n = readlinkat(source, "", target, sizeof(target)), m;
	autoclose int dir = -EBADF;

	if (n < 0 || (size_t)n >= sizeof(target))
		return joey_err_sys(err, n < 0 ? errno : ENAMETOOLONG, "read the symbolic link");
	target[n] = '\0';
	dir = inroot_make_parent(j->s->root_fd, j->at.dest, &name);
	if (dir < 0)
		return joey_err_sys(err, -dir, "create the directory of the symbolic link");
	if (symlinkat(target, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return joey_err_sys(err, errno, "create the symbolic link");
	m = readlinkat(dir, name, present, sizeof(present));
	if (m != n || memcmp(target, present, (size_t)n) != 0)
		return joey_err_sys(err, EEXIST, "create the symbolic link");
	return 0;
}

static int mount_bind(struct job *j, struct joey_err *err)
{
	autoclose int source = -EBADF;
	struct stat st;
	int r;

	if (j->m->opts->data.n)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "bind mounts cannot have any filesystem-specific options applied");
	r = mount_bind_source(j->s, j->index, &source, err);
	if (r < 0)
		return r;
	if (j->m->opts->copy_symlink || j->at.fd < 0) {
		if (fstat(source, &st) < 0)
			return joey_err_sys(err, errno, "stat the source");
		if (j->m->opts->copy_symlink && S_ISLNK(st.st_mode))
			return copy_link(j, source, err);
	}
	if (j->at.fd < 0) {
		r = mount_target_make(&j->at, S_ISDIR(st.st_mode) ? INROOT_DIR : INROOT_FILE, err);
		if (r < 0)
			return r;
	}
	return attach(j, source, false, err);
}

static const char *label_key(const struct joey_config *c)
{
	static const char *const keys[] = { "context", "fscontext", "defcontext", "rootcontext" };
	const char *wanted = joey_config_annotation(c, "run.oci.mount_context_type");

	for (size_t i = 0; wanted && i < JOEY_ARRAY_SIZE(keys); i++)
		if (joey_streq(wanted, keys[i]))
			return keys[i];
	return wanted ? NULL : keys[0];
}

static int fill_args(const struct job *j, const struct stat *dir, struct mount_fs_args *a, struct joey_err *err)
{
	const struct joey_mount_opts *o = j->m->opts;

	*a = (struct mount_fs_args){
		.fstype = j->kind.fstype,
		.source = j->m->source,
		.mount = (j->kind.flags & FSK_NO_DATA) ? NULL : j->m,
		.attrs = ((o->rattr_set & ~o->attr_clear) | o->attr_set) & ~(uint64_t)MOUNT_ATTR_IDMAP,
		.dir = dir,
	};
	if (!j->s->config->mount_label || (j->kind.flags & FSK_NO_LABEL))
		return 0;
	a->label = j->s->config->mount_label;
	if (j->kind.flags & FSK_LABEL_XATTR)
		return 0;
	a->label_key = label_key(j->s->config);
	if (!a->label_key)
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "annotation run.oci.mount_context_type: unknown value '%s'",
				    joey_config_annotation(j->s->config, "run.oci.mount_context_type"));
	return 0;
}

/* Without the privilege to mount cgroup2 (a user namespace without a cgroup namespace), or with the kernel's EBUSY:
 * the container's own group if it would see only that, else the host's tree. */
static int cgroup_by_bind(const struct job *j, const struct mount_fs_args *a, int *ret_fd, struct joey_err *err)
{
	static const struct mount_fs_args nothing = {
		.fstype = "tmpfs",
		.source = "tmpfs",
		.attrs = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
	};
	struct joey_setup *s = j->s;
	autoclose int fd = -EBADF;
	int r;

	if (joey_config_new_ns(s->config, JOEY_NS_CGROUP)) {
		r = mount_clone_dir(s, s->cgroup_fd, &fd);
	} else {
		r = joey_sys_open_tree(s->host_root_fd, "sys/fs/cgroup",
				       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		fd = r;
	}
	if (r == -ENOENT && s->rootless)
		return mount_fs_make(&nothing, ret_fd, err);
	if (r < 0)
		return joey_err_sys(err, -r, "bind the cgroup tree");
	r = mount_attr(fd, false, a->attrs, 0, 0);
	if (r < 0)
		return joey_err_sys(err, -r, "set mount attributes");
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

static int make_fs(const struct job *j, const struct mount_fs_args *a, int *ret_fd, struct joey_err *err)
{
	bool own_view = joey_config_new_ns(j->s->config, JOEY_NS_CGROUP);
	int r = mount_fs_make(a, ret_fd, err);

	if ((r != -EPERM && r != -EBUSY) || !(j->kind.flags & FSK_CGROUP))
		return r;
	/* With a view of its own the container is never shown the host's tree instead. */
	if (own_view && j->s->cgroup_fd < 0)
		return r;
	joey_err_clear(err);
	return cgroup_by_bind(j, a, ret_fd, err);
}

static bool has_owner_option(const struct joey_mount_opts *o)
{
	for (size_t i = 0; i < o->data.n; i++)
		if (strstr(o->data.v[i], "uid=") || strstr(o->data.v[i], "gid="))
			return true;
	return false;
}

static int mount_by_name(struct job *j, const struct mount_fs_args *a, int *ret_fd, struct joey_err *err)
{
	int r = mount_fs_legacy(a, j->at.fd, j->s->host_root_fd, err);

	if (r < 0)
		return r;
	*ret_fd = inroot_open(j->s->root_fd, j->at.dest, O_PATH | O_DIRECTORY, 0);
	if (*ret_fd < 0)
		return joey_err_sys(err, -*ret_fd, "open the mount");
	return mount_attr_propagation(*ret_fd, j->m, 0, err);
}

static int mount_new(struct job *j, struct joey_err *err)
{
	bool existed = j->at.fd >= 0, is_dev = joey_streq(j->at.dest, "/dev"), late;
	autoclose int mnt = -EBADF;
	struct mount_fs_args a;
	struct stat st;
	int r;

	if (!j->m->type || !*j->m->type || joey_streq(j->m->type, "bind"))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL,
				    "mount without a file system type needs the option bind or rbind");
	if (!existed) {
		r = mount_target_make(&j->at, INROOT_DIR, err);
		if (r < 0)
			return r;
	} else if ((j->kind.flags & FSK_DIR_MODE) && fstat(j->at.fd, &st) < 0) {
		return joey_err_sys(err, errno, "stat the mount point");
	}
	r = fill_args(j, existed && (j->kind.flags & FSK_DIR_MODE) ? &st : NULL, &a, err);
	if (r < 0)
		return r;
	late = (a.attrs & MOUNT_ATTR_RDONLY) && (is_dev || (j->kind.flags & FSK_DIR_MODE));
	if (late)
		a.attrs &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	if (a.mount && mount_fs_needs_legacy(a.mount)) {
		r = mount_target_check(&j->at, j->at.fd, err);
		if (r == 0)
			r = mount_by_name(j, &a, &mnt, err);
	} else {
		r = make_fs(j, &a, &mnt, err);
		if (r == 0 && j->m->opts->tmpcopyup && existed)
			r = tmpcopyup(j->at.fd, mnt, has_owner_option(j->m->opts), err);
		if (r == 0)
			r = attach(j, mnt, true, err);
	}
	if (r < 0)
		return r;
	j->s->mount_readonly_late[j->index] = late;
	if (late || is_dev)
		j->s->mount_fds[j->index] = joey_take_fd(&mnt);
	return 0;
}

static int remount(struct job *j, struct joey_err *err)
{
	if (j->at.fd < 0)
		return joey_err_sys(err, ENOENT, "open the mount to change");
	if (j->m->opts->data.n || j->m->opts->sb_set || j->m->opts->sb_clear) {
		int r = mount_fs_reconfigure(j->at.fd, j->m, err);

		if (r < 0)
			return r;
	}
	return mount_attr_options(j->at.fd, j->m, false, true, err);
}

static int mount_job(struct job *j, struct joey_err *err)
{
	const struct joey_mount_opts *o = j->m->opts;
	int r;

	if (o->tmpcopyup && !joey_streq(j->m->type, "tmpfs"))
		return joey_err_set(err, JOEY_EK_CONFIG, EINVAL, "tmpcopyup is for tmpfs only");
	r = mount_target_find(&j->at, o->dest_nofollow, err);
	if (r < 0)
		return r;
	if (o->remount)
		r = remount(j, err);
	else
		r = j->is_bind ? mount_bind(j, err) : mount_new(j, err);
	joey_close(j->at.fd);
	return r;
}

static bool makes_shared(const struct joey_mount *m)
{
	for (size_t i = 0; i < m->opts->n_propagation; i++)
		if (m->opts->propagation[i].type == MS_SHARED)
			return true;
	return false;
}

static int mount_notify(struct joey_setup *s, struct joey_err *err)
{
	static const char at[] = "/run/notify";
	autoclose int clone = -EBADF, dir = inroot_open(s->root_fd, at, O_PATH | O_DIRECTORY, 0);
	int r, mnt;

	if (dir == -ENOENT)
		dir = inroot_make(s->root_fd, at, INROOT_DIR, 0755);
	if (dir < 0)
		return joey_err_sys(err, -dir, "create %s", at);
	r = mount_clone_dir(s, s->notify_dir_fd, &clone);
	/* Before 6.15 a detached clone, which the parent may have made, cannot be cloned again. */
	mnt = r == 0 ? clone : s->notify_dir_fd;
	r = mount_attach(mnt, dir, "");
	if (r == 0)
		r = mount_attr(mnt, false, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			       0, 0);
	return r < 0 ? joey_err_sys(err, -r, "bind the notify directory on %s", at) : 0;
}

bool mount_is_at(const struct joey_mount *m, const char *clean)
{
	autofree char *dest = inroot_clean(m->destination);

	return dest && joey_streq(dest, clean);
}

bool wants_mounts(const struct joey_setup *s)
{
	return s->config->n_mounts || s->notify_dir_fd >= 0;
}

int step_mounts(struct joey_setup *s, struct joey_err *err)
{
	size_t n = s->config->n_mounts;
	bool shared = s->config->rootfs_propagation & MS_SHARED;

	s->mount_fds = calloc(n + 1, sizeof(*s->mount_fds));
	for (size_t i = 0; s->mount_fds && i < n; i++)
		s->mount_fds[i] = -EBADF;
	s->mount_readonly_late = calloc(n + 1, sizeof(*s->mount_readonly_late));
	if (!s->mount_readonly_late || !s->mount_fds)
		return joey_err_sys(err, ENOMEM, "prepare mounts");
	for (size_t i = 0; i < n; i++) {
		const struct joey_mount *m = &s->config->mounts[i];
		autofree char *dest = inroot_clean(m->destination);
		struct job j = {
			.s = s,
			.m = m,
			.index = i,
			.kind = kind_of(m),
			.is_bind = m->opts->bind || m->opts->rbind,
			.parents_shared = shared,
			.at = { .root_fd = s->root_fd, .dest = dest, .fd = -EBADF },
		};

		if (!j.is_bind && (j.kind.flags & FSK_REAL_DIR))
			j.at.real_dir_for = m->type;
		if (!dest)
			return joey_err_sys(err, ENOMEM, "prepare mounts");
		if (m->destination[0] != '/')
			joey_warn("mount destination %s is not absolute: taken relative to /", m->destination);
		if (mount_job(&j, err) < 0)
			return joey_err_wrap(err, "error mounting \"%s\" to rootfs at \"%s\"",
					     m->source ? m->source : (m->type ? m->type : ""), m->destination);
		shared = shared || makes_shared(m);
	}
	return s->notify_dir_fd >= 0 ? mount_notify(s, err) : 0;
}
