/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openat2(2), and a stand-in for hosts where it is missing or hidden by a seccomp profile (ENOSYS; some answer EPERM
 * for every unknown call).  The stand-in walks one component at a time with O_PATH|O_NOFOLLOW.  It serves the case
 * that has no symbolic link on the way; where a link is met it follows it inside the root only for
 * RESOLVE_IN_ROOT, with a bounded number of hops.  RESOLVE_NO_XDEV is checked by st_dev and mount id.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "joey/syscalls.h"
#include "joey/util.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

enum { MAX_DEPTH = 256, MAX_LINKS = 40 };

struct walk {
	uint64_t resolve;
	uint64_t mnt_id;
	int fds[MAX_DEPTH]; /* fds[0] is the (borrowed) root; the others are ours */
	unsigned depth;
	unsigned links;
};

static int mount_id(int fd, uint64_t *ret)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) < 0)
		return -errno;
	if (!(sx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	*ret = sx.stx_mnt_id;
	return 0;
}

static void walk_up(struct walk *w, unsigned to)
{
	while (w->depth > to)
		joey_close(w->fds[w->depth--]);
}

static bool is_last(const char *rest)
{
	return rest[strspn(rest, "/")] == '\0';
}

static int check_mount(struct walk *w, int fd)
{
	uint64_t id;
	int r;

	if (!(w->resolve & RESOLVE_NO_XDEV))
		return 0;
	r = mount_id(fd, &id);
	if (r < 0)
		return r;
	return id == w->mnt_id ? 0 : -EXDEV;
}

static int walk_path(struct walk *w, const char *path, const struct open_how *how, unsigned nesting);

/* A magic link (as in /proc/self/fd) has no text that means what it does: refused on procfs. */
static int follow_link(struct walk *w, int linkfd, const char *rest, const struct open_how *how, unsigned nesting)
{
	char target[PATH_MAX + PATH_MAX];
	struct statfs sfs;
	size_t n_rest = strlen(rest);
	ssize_t n;

	if (w->resolve & RESOLVE_NO_SYMLINKS || ++w->links > MAX_LINKS || nesting > MAX_LINKS)
		return -ELOOP;
	if (fstatfs(linkfd, &sfs) < 0)
		return -errno;
	if (sfs.f_type == 0x9fa0 /* PROC_SUPER_MAGIC */)
		return -ELOOP;
	n = readlinkat(linkfd, "", target, PATH_MAX - 1);
	if (n < 0)
		return -errno;
	if (n == 0)
		return -ENOENT;
	if (target[0] == '/') {
		if (!(w->resolve & RESOLVE_IN_ROOT))
			return -EXDEV;
		walk_up(w, 0);
	}
	if ((size_t)n + n_rest + 2 > sizeof(target))
		return -ENAMETOOLONG;
	target[n] = '\0';
	if (n_rest > 0) {
		target[n] = '/';
		memcpy(target + n + 1, rest, n_rest + 1);
	}
	return walk_path(w, target, how, nesting + 1);
}

static int open_last(struct walk *w, const char *name, const struct open_how *how)
{
	autoclose int fd = openat(w->fds[w->depth], name, (int)how->flags | O_NOFOLLOW | O_CLOEXEC, (mode_t)how->mode);
	int r;

	if (fd < 0)
		return -errno;
	r = check_mount(w, fd);
	return r < 0 ? r : joey_take_fd(&fd);
}

/* One component; 1 = go on, else the final fd (>= 0 is encoded by *ret_fd) or an error. */
static int walk_component(struct walk *w, const char *name, const char *rest, const struct open_how *how,
			  unsigned nesting, int *ret_fd)
{
	bool last = is_last(rest);
	autoclose int fd = -EBADF;
	struct stat st;
	int r;

	if (last && (how->flags & O_CREAT)) {
		*ret_fd = open_last(w, name, how);
		return 0;
	}
	fd = openat(w->fds[w->depth], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_mount(w, fd);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode) && !(last && (how->flags & O_NOFOLLOW))) {
		*ret_fd = follow_link(w, fd, rest, how, nesting);
		return 0;
	}
	if (last && !(S_ISDIR(st.st_mode) && (how->flags & O_PATH))) {
		*ret_fd = open_last(w, name, how);
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (w->depth + 1 >= MAX_DEPTH)
		return -ENAMETOOLONG;
	w->fds[++w->depth] = joey_take_fd(&fd);
	return 1;
}

static int walk_path(struct walk *w, const char *path, const struct open_how *how, unsigned nesting)
{
	char name[NAME_MAX + 1];
	int end;

	for (;;) {
		size_t n;
		int fd = -EBADF, r;

		path += strspn(path, "/");
		if (!*path)
			break;
		n = strcspn(path, "/");
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		if (joey_streq(name, "."))
			continue;
		if (joey_streq(name, "..")) {
			if (w->depth == 0 && (w->resolve & RESOLVE_BENEATH))
				return -EXDEV;
			walk_up(w, w->depth ? w->depth - 1 : 0);
			continue;
		}
		r = walk_component(w, name, path, how, nesting, &fd);
		if (r < 0)
			return r;
		if (r == 0)
			return fd;
	}
	/* ended on a directory that is already open as O_PATH */
	end = openat(w->fds[w->depth], ".", (int)(how->flags & ~(uint64_t)O_CREAT) | O_CLOEXEC);
	return end < 0 ? -errno : end;
}

static int fallback(int dirfd, const char *path, const struct open_how *how)
{
	struct walk w = { .resolve = how->resolve, .fds = { dirfd } };
	int r;

	if (!(how->resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH)) && !(how->resolve & RESOLVE_NO_SYMLINKS))
		return -ENOSYS;
	if (path[0] == '/' && !(how->resolve & RESOLVE_IN_ROOT))
		return -EXDEV;
	if (how->resolve & RESOLVE_NO_XDEV) {
		r = mount_id(dirfd, &w.mnt_id);
		if (r < 0)
			return r;
	}
	r = walk_path(&w, path, how, 0);
	walk_up(&w, 0);
	return r;
}

int joey_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	static bool missing;
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
	unsigned tries;

	for (tries = 0; !missing; tries++) {
		int r = joey_sys_openat2(dirfd, path, &how);

		/* EAGAIN: a rename or mount elsewhere raced with a ".." component (openat2(2)). */
		if ((r == -EAGAIN || r == -EINTR) && tries < 64)
			continue;
		if (r != -ENOSYS)
			return r;
		missing = true;
	}
	return fallback(dirfd, path, &how);
}
