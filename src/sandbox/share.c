/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest sees of the host.  A mount namespace of the sandbox process's own holds it, so nothing of it is in the
 * host's mount table, and all of it is gone with that process and QEMU:
 *
 *    /        tmpfs, nothing else in it
 *    /share   a tiny tmpfs, read-only: the root of the guest's 9p share; sources are mounted on its directories, and as
 * it is a shared mount (and QEMU's copy of it a slave), QEMU sees them come and go /rw      the same tmpfs, writable:
 * where joey makes the mount points
 *
 * Sources are opened on the host as detached mounts by the same code that opens them for a normal container, and what
 * is read-only is made so here, not in the guest (security.md V1).  joey itself attaches them, in a child that joins
 * the mount namespace: the sandbox process, which hears the guest, needs no privilege for it.  Nothing below a source
 * is ever walked.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "joey/json.h"
#include "joey/mount_opts.h"
#include "joey/setup.h"
#include "joey/syscalls.h"
#include "sandbox/sandbox-internal.h"

enum { SOURCES_MAX = 1024, OLD_ROOTS_MAX = 64 };
#define OLD_ROOT "old"

/* ---- the sandbox process's side --------------------------------------------------------------------------------- */

int share_make_tmpfs(const char *size, uint64_t attrs, int *ret, struct joey_err *err)
{
	autoclose int fs = joey_sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return joey_err_sys(err, fs, "make a tmpfs");
	if (joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0755", 0) < 0 ||
	    joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    joey_sys_fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", "65536", 0) < 0 ||
	    joey_sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return joey_err_sys(err, errno, "set up a tmpfs");
	fd = joey_sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)(attrs | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID));
	if (fd < 0)
		return joey_err_sys(err, fd, "mount a tmpfs");
	*ret = fd;
	return 0;
}

static int attach(int mount, int dir, const char *name, struct joey_err *err)
{
	int r = joey_sys_move_mount(mount, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH);

	return r < 0 ? joey_err_sys(err, r, "attach %s", name) : 0;
}

static int fill_root(int root, int *ret_share_fd, struct joey_err *err)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_SHARED };
	autoclose int rw = -EBADF, share = -EBADF;
	int r = share_make_tmpfs("1m", MOUNT_ATTR_NOEXEC, &rw, err);

	if (r < 0)
		return r;
	share = joey_sys_open_tree(rw, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (share < 0 || joey_sys_mount_setattr(share, "", AT_EMPTY_PATH, &ro) < 0)
		return joey_err_sys(err, errno, "clone the share");
	if (mkdirat(root, "share", 0755) < 0 || mkdirat(root, "rw", 0700) < 0 || mkdirat(root, OLD_ROOT, 0700) < 0)
		return joey_err_sys(err, errno, "make the directories of the share");
	r = attach(rw, root, "rw", err);
	if (r == 0)
		r = attach(share, root, "share", err);
	if (r < 0)
		return r;
	*ret_share_fd = openat(root, "share", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return *ret_share_fd < 0 ? joey_err_sys(err, errno, "open the share") : 0;
}

int share_init(int *ret_share_fd, struct joey_err *err)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	autoclose int root = -EBADF;
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return joey_err_sys(err, errno, "make a mount namespace");
	r = joey_sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private);
	if (r < 0)
		return joey_err_sys(err, r, "make mounts private");
	r = share_make_tmpfs("64k", MOUNT_ATTR_NOEXEC, &root, err);
	if (r == 0)
		r = joey_sys_move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
	if (r < 0)
		return joey_err_sys(err, r, "attach the root of the share");
	/* It lies over "/" now, which those who have the old root as theirs do not see. */
	r = fill_root(root, ret_share_fd, err);
	if (r == 0 && fchdir(root) < 0)
		r = joey_err_sys(err, errno, "enter the root of the share");
	return r;
}

/* The old root goes below the new one, never over it: who joins the namespace meanwhile (in_namespace()) gets what is
 * on top, and that must not be the host's for a moment.  It may be several mounts on top of each other. */
int share_close_root(struct joey_err *err)
{
	int r = joey_sys_pivot_root(".", OLD_ROOT);

	if (r < 0)
		return joey_err_sys(err, r, "pivot into the root of the share");
	if (chdir("/") < 0)
		return joey_err_sys(err, errno, "enter the root of the share");
	for (int i = 0; r == 0 && i < OLD_ROOTS_MAX; i++)
		r = umount2("/" OLD_ROOT, MNT_DETACH) < 0 ? -errno : 0;
	/* no mount any more */
	if (r != -EINVAL || rmdir("/" OLD_ROOT) < 0)
		return joey_err_sys(err, r ? r : -ELOOP, "leave the host's root");
	return 0;
}

/* ---- sources ---------------------------------------------------------------------------------------------------- */

/* What the mount has now, as MOUNT_ATTR_*: the guest's mount of it is to have the same. */
static uint64_t attrs_of(int fd)
{
	static const struct {
		unsigned long st;
		uint64_t attr;
	} rows[] = {
		{ ST_RDONLY, MOUNT_ATTR_RDONLY },   { ST_NOSUID, MOUNT_ATTR_NOSUID },
		{ ST_NODEV, MOUNT_ATTR_NODEV },     { ST_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ ST_NOATIME, MOUNT_ATTR_NOATIME }, { ST_NODIRATIME, MOUNT_ATTR_NODIRATIME },
		{ 0x2000, MOUNT_ATTR_NOSYMFOLLOW }, /* ST_NOSYMFOLLOW, of Linux 5.10 */
	};
	struct statvfs st;
	uint64_t attrs = 0;

	if (fstatvfs(fd, &st) < 0)
		return 0;
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(rows); i++)
		if (st.f_flag & rows[i].st)
			attrs |= rows[i].attr;
	return attrs;
}

/* What the guest must not be able to undo; devices are never of use through 9p. */
static int harden(int fd, const struct joey_mount_opts *o, struct joey_err *err)
{
	struct mount_attr a = { .attr_set = MOUNT_ATTR_NODEV }, top = { .attr_set = 0 };
	int r = joey_sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a);

	if (r == 0 && o && (o->rattr_set & MOUNT_ATTR_RDONLY)) {
		a.attr_set = MOUNT_ATTR_RDONLY;
		r = joey_sys_mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &a);
	}
	if (r < 0 || !o)
		return r < 0 ? joey_err_sys(err, r, "restrict a mount source") : 0;
	top.attr_set = o->attr_set & MOUNT_ATTR_RDONLY;
	/* as for a normal container: rw is for the new mount, whatever the source's is */
	top.attr_clr = o->attr_clear & MOUNT_ATTR_RDONLY & ~top.attr_set;
	if (top.attr_set || top.attr_clr)
		r = joey_sys_mount_setattr(fd, "", AT_EMPTY_PATH, &top);
	return r < 0 ? joey_err_sys(err, r, "restrict a mount source") : 0;
}

static int open_rootfs(const struct joey_create *args, struct vm_source *ret, struct joey_err *err)
{
	struct stat st;
	int fd = joey_sys_open_tree(AT_FDCWD, args->rootfs,
				    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

	if (fd < 0)
		return joey_err_sys(err, fd, "open rootfs %s", args->rootfs);
	ret->fd = fd;
	ret->attrs = attrs_of(fd);
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return joey_err_sys(err, ENOTDIR, "open rootfs %s", args->rootfs);
	/* A read-only root is sealed when the guest has made the mount points: share_seal(). */
	return harden(fd, NULL, err);
}

/* A link that is not to be followed cannot be mounted on anything that the 9p server would show as a link. */
static int read_link(struct vm_source *v, struct joey_err *err)
{
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fstat(v->fd, &st) < 0)
		return joey_err_sys(err, errno, "stat the source");
	if (!S_ISLNK(st.st_mode))
		return 0;
	n = readlinkat(v->fd, "", text, sizeof(text));
	if (n < 0 || (size_t)n >= sizeof(text))
		return joey_err_sys(err, n < 0 ? errno : ENAMETOOLONG, "read the symbolic link");
	v->link = strndup(text, (size_t)n);
	return v->link ? 0 : joey_err_sys(err, ENOMEM, "read the symbolic link");
}

static bool is_empty(int fd)
{
	int dir_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
	const struct dirent *e;
	bool empty = dir;

	if (!dir) {
		joey_close(dir_fd);
		return false;
	}
	while (empty && (e = readdir(dir)))
		empty = joey_streq(e->d_name, ".") || joey_streq(e->d_name, "..");
	(void)closedir(dir);
	return empty;
}

/*
 * What engines mount on /dev/shm of a pod's containers: a tmpfs of its own, empty yet.  Its files could be shown
 * through the share, but memory that two containers map from one of them would not be the same.  The host's own is not
 * meant: who asks for that asks for the host's files.
 */
static bool is_shm(const struct joey_mount *m, int fd)
{
	static const char dest[] = "/dev/shm";
	const char *d = m->destination;
	struct stat st, host;
	struct statfs fs;
	size_t n = strlen(d);

	while (n > 1 && d[n - 1] == '/')
		n--;
	return n == strlen(dest) && memcmp(d, dest, n) == 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_ino == 1 && fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
	       (stat(dest, &host) < 0 || host.st_dev != st.st_dev) && is_empty(fd);
}

static int open_source(const struct joey_mount *m, int host_root, int bundle, struct vm_source *v, struct joey_err *err)
{
	int r = joey_mount_source_open(m, host_root, bundle, -EBADF, &v->fd, err);

	if (r == 0) {
		v->attrs = attrs_of(v->fd);
		v->shm = is_shm(m, v->fd);
		r = read_link(v, err);
	}
	if (r < 0)
		return joey_err_wrap(err,
				     "error during container init: mount: error mounting \"%s\" to rootfs at \"%s\"",
				     m->source ? m->source : "", m->destination);
	return harden(v->fd, m->opts, err);
}

static int open_sources(const struct joey_create *args, bool rootfs, int host_root, int bundle, struct vm_sources *s,
			struct joey_err *err)
{
	const struct joey_config *c = args->config;
	int r = rootfs ? open_rootfs(args, &s->v[0], err) : 0;

	snprintf(s->v[0].name, sizeof(s->v[0].name), "rootfs");
	s->n = rootfs ? 1 : 0;
	for (size_t i = 0; i < c->n_mounts && r == 0; i++) {
		const struct joey_mount *m = &c->mounts[i];
		struct vm_source *v = &s->v[s->n];

		if (!m->opts->bind)
			continue;
		v->fd = -EBADF;
		v->number = (unsigned)i + 1;
		snprintf(v->name, sizeof(v->name), "m%u", (unsigned)i);
		s->n++;
		r = open_source(m, host_root, bundle, v, err);
	}
	return r;
}

int share_open(const struct joey_create *args, bool rootfs, struct vm_sources *ret, struct joey_err *err)
{
	autoclose int host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autoclose int bundle = open(args->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (host_root < 0 || bundle < 0)
		return joey_err_sys(err, errno, "open bundle %s", args->bundle);
	if (args->config->n_mounts > SOURCES_MAX)
		return joey_err_set(err, JOEY_EK_CONFIG, E2BIG, "mounts: more than %d in a sandbox", SOURCES_MAX);
	ret->v = calloc(args->config->n_mounts + 1, sizeof(*ret->v));
	if (!ret->v)
		return joey_err_sys(err, ENOMEM, "list mount sources");
	ret->v[0].fd = -EBADF;
	return open_sources(args, rootfs, host_root, bundle, ret, err);
}

void share_done(struct vm_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		joey_close(s->v[i].fd);
		free(s->v[i].link);
	}
	free(s->v);
	*s = (struct vm_sources){ NULL, 0 };
}

/* Most have none. */
void share_write_attrs(const struct vm_sources *s, struct joey_json_out *o)
{
	unsigned number = 0;
	size_t n = s->n;

	while (n > 0 && s->v[n - 1].attrs == 0)
		n--;
	if (n == 0)
		return;
	joey_json_out_array(o, "attrs");
	for (size_t i = 0; i < n; i++) {
		for (; number < s->v[i].number; number++)
			joey_json_out_u64(o, NULL, 0);
		joey_json_out_u64(o, NULL, s->v[i].attrs);
		number++;
	}
	joey_json_out_end(o);
}

void share_write_shm(const struct vm_sources *s, struct joey_json_out *o)
{
	struct statfs fs;
	struct stat st;
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i].shm || fstat(s->v[i].fd, &st) < 0 || fstatfs(s->v[i].fd, &fs) < 0)
			continue;
		if (!any)
			joey_json_out_array(o, "shm");
		any = true;
		joey_json_out_object(o, NULL);
		joey_json_out_u64(o, "mount", s->v[i].number - 1);
		joey_json_out_u64(o, "key", st.st_dev);
		joey_json_out_u64(o, "size", (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize);
		joey_json_out_u64(o, "mode", st.st_mode & 07777);
		joey_json_out_u64(o, "uid", st.st_uid);
		joey_json_out_u64(o, "gid", st.st_gid);
		joey_json_out_end(o);
	}
	if (any)
		joey_json_out_end(o);
}

/* ---- joey's side, in a child that has joined the mount namespace ------------------------------------------------ */

static int attach_one(int rw, int share, const struct vm_source *s)
{
	struct stat st;
	int fd;

	if (s->shm)
		return 0;
	if (s->link)
		return symlinkat(s->link, rw, s->name) < 0 ? -errno : 0;
	if (fstat(s->fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		if (mkdirat(rw, s->name, 0755) < 0)
			return -errno;
	} else {
		fd = openat(rw, s->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		joey_close(fd);
	}
	return joey_sys_move_mount(s->fd, "", share, s->name, MOVE_MOUNT_F_EMPTY_PATH);
}

static int attach_all(uint32_t handle, const struct vm_sources *s)
{
	autoclose int rw = -EBADF, share = -EBADF;
	char dir[32];
	int r = 0;

	snprintf(dir, sizeof(dir), "/rw/%u", handle);
	if (mkdir(dir, 0755) < 0)
		return -errno;
	rw = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(dir, sizeof(dir), "/share/%u", handle);
	share = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rw < 0 || share < 0)
		return -errno;
	for (size_t i = 0; i < s->n && r == 0; i++)
		r = attach_one(rw, share, &s->v[i]);
	return r;
}

static void detach_one(uint32_t handle, int rw, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/share/%u/%.16s", handle, name);
	while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) /* there are two after share_seal() */
		;
	if (unlinkat(rw, name, 0) < 0)
		(void)unlinkat(rw, name, AT_REMOVEDIR);
}

/* The directory is ours, and has what attach_all() made: the guest cannot write there. */
static int detach_all(uint32_t handle, const struct vm_sources *unused)
{
	const struct dirent *e;
	char path[48];
	DIR *dir;

	(void)unused;
	snprintf(path, sizeof(path), "/rw/%u", handle);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			detach_one(handle, dirfd(dir), e->d_name);
	closedir(dir);
	return rmdir(path) < 0 ? -errno : 0;
}

/* From now on the host refuses to write to the container's root, whatever the guest thinks of it.  A new mount over the
 * old one, for that goes on to QEMU's mount namespace; a changed flag would not. */
static int seal(uint32_t handle, const struct vm_sources *unused)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int fd = -EBADF;
	char path[48];
	int r;

	(void)unused;
	snprintf(path, sizeof(path), "/share/%u/rootfs", handle);
	fd = joey_sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	if (fd < 0)
		return fd;
	r = joey_sys_mount_setattr(fd, "", AT_EMPTY_PATH, &ro);
	return r < 0 ? r : joey_sys_move_mount(fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static int in_namespace(pid_t daemon, int (*what)(uint32_t handle, const struct vm_sources *s), uint32_t handle,
			const struct vm_sources *s)
{
	autoclose int pidfd = joey_sys_pidfd_open(daemon, 0);
	int wstatus = 0, r;
	pid_t pid;

	if (pidfd < 0)
		return pidfd;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
		if (setns(pidfd, CLONE_NEWNS) < 0)
			_exit(errno & 0xff);
		_exit(-what(handle, s) & 0xff);
	}
	r = joey_wait_pid(pid, &wstatus);
	if (r < 0)
		return r;
	return WIFEXITED(wstatus) ? -WEXITSTATUS(wstatus) : -EINTR;
}

int share_attach(pid_t daemon, uint32_t handle, struct vm_sources *s, struct joey_err *err)
{
	int r = in_namespace(daemon, attach_all, handle, s);

	return r < 0 ? joey_err_sys(err, r, "show rootfs and mounts to the sandbox") : 0;
}

void share_detach(pid_t daemon, uint32_t handle)
{
	(void)in_namespace(daemon, detach_all, handle, NULL);
}

int share_seal(pid_t daemon, uint32_t handle, struct joey_err *err)
{
	int r = in_namespace(daemon, seal, handle, NULL);

	return r < 0 ? joey_err_sys(err, r, "make the root of the container read-only") : 0;
}
