/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: the default devices, linux.devices, and the customary links.
 *
 * /dev must be a directory and never a link: an image that says otherwise is refused, for everything here would be made
 * or removed wherever it points.  In a tmpfs that this process has just mounted nobody else can act, so a node that
 * mknodat(2) made is right; anywhere else it is looked at again through an O_PATH descriptor, and one that was there
 * before must be what the config asks for.
 *
 * Where nodes cannot be made (a user namespace, no CAP_MKNOD), the host's node of the same path is bound, after it was
 * seen to be the device that is meant.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static const struct {
	const char *path;
	uint32_t major, minor;
} default_devices[] = {
	{ "/dev/null", 1, 3 },   { "/dev/zero", 1, 5 },    { "/dev/full", 1, 7 },
	{ "/dev/random", 1, 8 }, { "/dev/urandom", 1, 9 }, { "/dev/tty", 5, 0 },
};

static const struct {
	const char *target, *name, *host; /* host: only if this exists there */
} links[] = {
	{ "/proc/self/fd", "fd", NULL },         { "/proc/self/fd/0", "stdin", NULL },
	{ "/proc/self/fd/1", "stdout", NULL },   { "/proc/self/fd/2", "stderr", NULL },
	{ "/proc/kcore", "core", "proc/kcore" },
};

struct dev_ctx {
	struct joey_setup *s;
	int dev_fd;    /* /dev */
	bool fresh;    /* our tmpfs, which nobody else can have touched */
	bool no_mknod; /* known to be refused */
	struct joey_err *err;
};

struct node {
	const struct joey_device *d;
	int dir;          /* borrowed */
	const char *name; /* in dir */
	bool trusted;     /* dir is fresh */
};

static mode_t device_type(const struct joey_device *d)
{
	return d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
}

static mode_t device_mode(const struct joey_device *d)
{
	return d->file_mode.set ? d->file_mode.v & 07777 : 0666;
}

static dev_t device_number(const struct joey_device *d)
{
	return d->type == 'p' ? 0 : makedev(d->major, d->minor);
}

static bool is_device(const struct stat *st, const struct joey_device *d)
{
	return (st->st_mode & S_IFMT) == device_type(d) && (d->type == 'p' || st->st_rdev == device_number(d));
}

/* An O_PATH descriptor takes fchmodat2(2) (Linux 6.6) or, as here before that, the host's /proc/self/fd. */
static int chmod_fd(const struct dev_ctx *c, int fd, mode_t mode)
{
	char link[40];

	if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0)
		return 0;
	if (errno != ENOSYS)
		return -errno;
	snprintf(link, sizeof(link), "proc/self/fd/%d", fd);
	return fchmodat(c->s->host_root_fd, link, mode, 0) < 0 ? -errno : 0;
}

/* Type and number of what is at the name now, and owner and mode as asked. */
static int settle(const struct dev_ctx *c, const struct node *n, bool made)
{
	autoclose int fd = openat(n->dir, n->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return joey_err_sys(c->err, errno, "open device %s", n->d->path);
	if (!is_device(&st, n->d))
		return joey_err_set(c->err, JOEY_EK_CONFIG, EEXIST, "create device %s: something else is already there",
				    n->d->path);
	/* A node of the image keeps its owner and mode: it is the image's. */
	if (!made)
		return 0;
	if ((st.st_uid != n->d->uid || st.st_gid != n->d->gid) &&
	    fchownat(fd, "", n->d->uid, n->d->gid, AT_EMPTY_PATH) < 0)
		return joey_err_sys(c->err, errno, "change the owner of device %s", n->d->path);
	if ((st.st_mode & 07777) != device_mode(n->d)) {
		int r = chmod_fd(c, fd, device_mode(n->d));

		if (r < 0)
			return joey_err_sys(c->err, -r, "change the mode of device %s", n->d->path);
	}
	return 0;
}

/* A clone of the host's node at a path below dir, if it is the device asked for. */
static int clone_node(int dir, const char *path, const struct joey_device *d)
{
	autoclose int fd = joey_sys_open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return is_device(&st, d) ? joey_take_fd(&fd) : -ENODEV;
}

/* The device under another name in the host's /dev. */
static int clone_any_node(const struct dev_ctx *c, const struct joey_device *d)
{
	int fd = openat(c->s->host_root_fd, "dev", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENODEV;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	struct stat st;

	if (!dir) {
		joey_close(fd);
		return -ENODEV;
	}
	while (r < 0 && (e = readdir(dir)))
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_device(&st, d))
			r = clone_node(dirfd(dir), e->d_name, d);
	(void)closedir(dir);
	return r;
}

enum { MOUNT_POINT_MODE = S_IFREG | 0600 };

/*
 * In a user namespace the host's node covers whatever file is there.  Elsewhere the config is as wrong as if nodes
 * could be made (the root is on a file system that refuses them): but for the node itself, which the file system may
 * show without letting it be used, and for a mount point that we made the last time.
 */
static bool may_cover(const struct dev_ctx *c, const struct node *n)
{
	struct stat st;

	if (c->s->in_userns)
		return true;
	if (fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return is_device(&st, n->d) || (st.st_mode == MOUNT_POINT_MODE && st.st_size == 0);
}

static int make_mount_point(const struct dev_ctx *c, const struct node *n)
{
	if (mknodat(n->dir, n->name, MOUNT_POINT_MODE, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return joey_err_sys(c->err, errno, "create the mount point of device %s", n->d->path);
	if (!may_cover(c, n))
		return joey_err_set(c->err, JOEY_EK_CONFIG, EEXIST, "create device %s: something else is already there",
				    n->d->path);
	return 0;
}

static int bind_node(const struct dev_ctx *c, const struct node *n)
{
	const char *path = n->d->path + strspn(n->d->path, "/");
	autoclose int fd = clone_node(c->s->host_root_fd, path, n->d);
	int r;

	if (fd == -ENOENT || fd == -ENODEV || fd == -ENOTDIR)
		fd = clone_any_node(c, n->d);
	if (fd == -ENODEV)
		return joey_err_set(c->err, JOEY_EK_UNSUPPORTED, ENODEV,
				    "bind device %s: the host has no such device there or in its /dev", n->d->path);
	if (fd < 0)
		return joey_err_sys(c->err, -fd, "clone the host's device %s", n->d->path);
	r = make_mount_point(c, n);
	if (r < 0)
		return r;
	/* Without MOVE_MOUNT_T_SYMLINKS a link at the name is not followed. */
	r = mount_attach(fd, n->dir, n->name);
	return r < 0 ? joey_err_sys(c->err, -r, "bind device %s", n->d->path) : 0;
}

static int make_node(struct dev_ctx *c, const struct node *n)
{
	const struct joey_device *d = n->d;

	if (c->no_mknod && d->type != 'p')
		return bind_node(c, n);
	if (mknodat(n->dir, n->name, device_type(d) | device_mode(d), device_number(d)) == 0)
		return n->trusted && !d->uid && !d->gid ? 0 : settle(c, n, true);
	if (errno == EEXIST)
		return settle(c, n, false);
	if (errno != EPERM || d->type == 'p')
		return joey_err_sys(c->err, errno, "create device %s", d->path);
	c->no_mknod = true;
	return bind_node(c, n);
}

static int make_device(struct dev_ctx *c, const struct joey_device *d)
{
	autofree char *path = inroot_clean(d->path);
	bool in_dev = path && joey_startswith(path, "/dev/") && path[5];
	struct node n = { .d = d, .trusted = in_dev && c->fresh };
	autoclose int dir = -EBADF;

	if (!path)
		return joey_err_sys(c->err, ENOMEM, "create device %s", d->path);
	if (in_dev && !strchr(path + 5, '/')) {
		n.dir = c->dev_fd;
		n.name = path + 5;
		return make_node(c, &n);
	}
	dir = inroot_make_parent(in_dev ? c->dev_fd : c->s->root_fd, in_dev ? path + 5 : path, &n.name);
	if (dir < 0)
		return joey_err_sys(c->err, -dir, "create the directory of device %s", d->path);
	if (!*n.name)
		return joey_err_set(c->err, JOEY_EK_CONFIG, EINVAL, "device path %s is not usable", d->path);
	n.dir = dir;
	return make_node(c, &n);
}

static bool is_at(const struct joey_device *d, const char *path)
{
	autofree char *clean = inroot_clean(d->path);

	return clean && joey_streq(clean, path);
}

static bool is_replaced(const struct joey_config *c, const char *path)
{
	for (size_t i = 0; i < c->n_devices; i++)
		if (is_at(&c->devices[i], path))
			return true;
	return false;
}

static int make_devices(struct dev_ctx *c)
{
	const struct joey_config *config = c->s->config;

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(default_devices); i++) {
		char path[16];
		struct joey_device d = {
			.path = path, .type = 'c', .major = default_devices[i].major, .minor = default_devices[i].minor
		};
		int r;

		snprintf(path, sizeof(path), "%s", default_devices[i].path);
		r = is_replaced(config, path) ? 0 : make_device(c, &d);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < config->n_devices; i++) {
		int r = is_at(&config->devices[i], "/dev/ptmx") ? 0 : make_device(c, &config->devices[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_links(const struct dev_ctx *c)
{
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(links); i++) {
		if (links[i].host && faccessat(c->s->host_root_fd, links[i].host, F_OK, AT_EACCESS) < 0)
			continue;
		if (symlinkat(links[i].target, c->dev_fd, links[i].name) < 0 && errno != EEXIST)
			return joey_err_sys(c->err, errno, "create the link /dev/%s", links[i].name);
	}
	return 0;
}

/* The devpts instance of this container is the only right one, so whatever the image has is replaced. */
static int make_ptmx(const struct dev_ctx *c)
{
	static const char target[] = "pts/ptmx";
	char present[sizeof(target) + 1];

	if (symlinkat(target, c->dev_fd, "ptmx") == 0)
		return 0;
	if (errno == EEXIST) {
		ssize_t n = readlinkat(c->dev_fd, "ptmx", present, sizeof(present));

		if (n == (ssize_t)strlen(target) && memcmp(present, target, (size_t)n) == 0)
			return 0;
		if (unlinkat(c->dev_fd, "ptmx", 0) == 0 && symlinkat(target, c->dev_fd, "ptmx") == 0)
			return 0;
	}
	return joey_err_sys(c->err, errno, "create the link /dev/ptmx");
}

/* The last mount on /dev decides; NULL: none. */
static const struct joey_mount *dev_mount(const struct joey_config *c, size_t *ret_index)
{
	for (size_t i = c->n_mounts; i-- > 0;)
		if (mount_is_at(&c->mounts[i], "/dev") && !c->mounts[i].opts->remount) {
			*ret_index = i;
			return &c->mounts[i];
		}
	return NULL;
}

bool wants_devices(const struct joey_setup *s)
{
	size_t i;
	const struct joey_mount *m = dev_mount(s->config, &i);

	return !m || !(m->opts->bind || m->opts->rbind);
}

static int open_dev(struct dev_ctx *c)
{
	struct joey_setup *s = c->s;
	size_t i = 0;
	const struct joey_mount *m = dev_mount(s->config, &i);

	c->fresh = m && joey_streq(m->type, "tmpfs") && !m->opts->tmpcopyup && s->mount_fds && s->mount_fds[i] >= 0;
	if (c->fresh)
		return s->mount_fds[i];
	if (mkdirat(s->root_fd, "dev", 0755) < 0 && errno != EEXIST)
		return joey_err_sys(c->err, errno, "create /dev");
	c->dev_fd = inroot_open(s->root_fd, "/dev", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
	return c->dev_fd < 0 ? joey_err_sys(c->err, -c->dev_fd, "open /dev of the rootfs, which must be a directory")
			     : c->dev_fd;
}

int step_devices(struct joey_setup *s, struct joey_err *err)
{
	struct dev_ctx c = { .s = s, .dev_fd = -EBADF, .no_mknod = s->in_userns, .err = err };
	mode_t old;
	int r = open_dev(&c);

	if (r < 0)
		return r;
	c.dev_fd = r;
	/* so that mknodat(2) gives the modes that are asked for */
	old = umask(0);
	r = make_devices(&c);
	umask(old);
	if (r == 0)
		r = make_links(&c);
	if (r == 0)
		r = make_ptmx(&c);
	if (!c.fresh)
		joey_close(c.dev_fd);
	return r;
}
