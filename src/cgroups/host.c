/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host facts: where cgroup2 is mounted, which cgroup joey itself is in.
 *
 * The usual places are tried with one open and one fstatfs each; mountinfo is read only when they fail.  The mount
 * found is remembered for the life of the process (it cannot sensibly move under a runtime that ends in a moment).
 * Paths from the host's root are legal here: no container exists yet.
 */
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "cgroups/cgroups-internal.h"
#include "joey/mountinfo.h"
#include "joey/syscalls.h"

#ifndef CGROUP2_SUPER_MAGIC
#define CGROUP2_SUPER_MAGIC 0x63677270
#endif

static const char *const usual_places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

static char *found_mount; /* NULL: not looked for, or nowhere */
static char *found_root;  /* directory of the hierarchy that is mounted there; NULL: not looked up, taken as "/" */

static int open_verified(const char *path)
{
	autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs sf;

	if (fd < 0)
		return -errno;
	if (fstatfs(fd, &sf) < 0)
		return -errno;
	if ((uint64_t)sf.f_type != CGROUP2_SUPER_MAGIC)
		return -ENOENT;
	return joey_take_fd(&fd);
}

static int remember(const char *mount, const char *root)
{
	autofree char *m = strdup(mount), *r = root ? strdup(root) : NULL;

	if (!m || (root && !r))
		return -ENOMEM;
	free(found_mount);
	free(found_root);
	found_mount = joey_take_ptr(m);
	found_root = joey_take_ptr(r);
	return 0;
}

struct scan {
	const char *only; /* a mount point already known, of which the root is wanted; or NULL */
	int fd;
};

static int scan_one(const struct joey_mountinfo *m, void *arg)
{
	struct scan *s = arg;
	int r;

	if (strcmp(m->fstype, "cgroup2") != 0)
		return 0;
	if (s->only && strcmp(s->only, m->target) != 0)
		return 0;
	/* Another mount may lie over it: only what opens as cgroup2 counts. */
	r = open_verified(m->target);
	if (r < 0)
		return 0;
	joey_close(s->fd);
	s->fd = r;
	r = remember(m->target, m->root);
	return r < 0 ? r : 1;
}

static int scan_mountinfo(const char *only, int *ret_fd)
{
	struct scan s = { .only = only, .fd = -EBADF };
	int r = joey_mountinfo_each("/proc/self/mountinfo", scan_one, &s);

	if (r <= 0) {
		joey_close(s.fd);
		return r < 0 ? r : -ENOENT;
	}
	*ret_fd = s.fd;
	return 0;
}

static int find_mount(int *ret_fd)
{
	size_t i;
	int r;

	if (found_mount) {
		r = open_verified(found_mount);
		if (r >= 0) {
			*ret_fd = r;
			return 0;
		}
		free(found_mount);
		found_mount = NULL;
	}
	for (i = 0; i < JOEY_ARRAY_SIZE(usual_places); i++) {
		autoclose int fd = open_verified(usual_places[i]);

		if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
			return fd;
		if (fd < 0)
			continue;
		r = remember(usual_places[i], NULL);
		if (r < 0)
			return r;
		*ret_fd = joey_take_fd(&fd);
		return 0;
	}
	return scan_mountinfo(NULL, ret_fd);
}

int cgroup_host_open(int *ret_fd, const char **ret_mount, struct joey_err *err)
{
	int fd = -EBADF;
	int r = find_mount(&fd);

	if (r == -ENOENT)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, EOPNOTSUPP,
				    "cgroup: no cgroup2 file system is mounted on this host (cgroup v1 is not "
				    "supported; --cgroup-manager=disabled runs containers without cgroups)");
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: find the cgroup2 mount");
	*ret_fd = fd;
	*ret_mount = found_mount;
	return 0;
}

int joey_cgroup2_mountpoint(const char **ret_mount)
{
	autoclose int fd = -EBADF;

	if (!found_mount) {
		int r = find_mount(&fd);

		if (r < 0)
			return r;
	}
	*ret_mount = found_mount;
	return 0;
}

int cgroup_host_parse_own(const char *text, char **ret)
{
	const char *line = text;

	while (line && *line) {
		if (joey_startswith(line, "0::/")) {
			char *p = strndup(line + 3, strcspn(line + 3, "\n"));

			if (!p)
				return -ENOMEM;
			*ret = p;
			return 0;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return -ENOENT;
}

/* Cuts the last component: "/a/b" -> "/a", "/a" -> "/". */
static void cut_leaf(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path ? 1 : 0] = '\0';
}

/*
 * A process outside of its cgroup namespace's root sees "/..": nothing of that can be named below the mount.
 * And where only a part of the hierarchy is mounted (an older container without a cgroup namespace), the mount's
 * root is a prefix of what /proc shows.
 */
static int fit_to_mount(int mnt_fd, char *path)
{
	size_t len = found_root ? strlen(found_root) : 0;
	autoclose int fd = -EBADF;

	if (joey_startswith(path, "/..")) {
		path[1] = '\0';
		return 0;
	}
	if (len > 1 && strncmp(path, found_root, len) == 0 && (path[len] == '/' || path[len] == '\0')) {
		memmove(path, path + len, strlen(path + len) + 1);
		if (path[0] == '\0')
			memcpy(path, "/", 2);
	}
	if (path[1] == '\0')
		return 0;
	fd = cgroup_opendir_at(mnt_fd, path + 1, O_PATH);
	return fd < 0 ? fd : 0;
}

int cgroup_host_own_parent(int mnt_fd, char **ret, struct joey_err *err)
{
	autofree char *text = NULL, *own = NULL;
	int r;

	r = joey_read_file_at(AT_FDCWD, "/proc/self/cgroup", 0, CGROUP_FILE_MAX, &text, NULL);
	if (r == 0)
		r = cgroup_host_parse_own(text, &own);
	if (r < 0)
		return joey_err_sys(err, -r, "cgroup: find joey's own cgroup in /proc/self/cgroup");
	cut_leaf(own);
	r = fit_to_mount(mnt_fd, own);
	if (r == -ENOENT && !found_root) {
		autofree char *mount = strdup(found_mount ? found_mount : "");
		autoclose int fd = -EBADF;

		if (!mount)
			return joey_err_sys(err, ENOMEM, "cgroup: find the root of the cgroup2 mount");
		/* Now the root is worth the reading of mountinfo. */
		if (scan_mountinfo(mount, &fd) == 0)
			r = fit_to_mount(mnt_fd, own);
	}
	if (r < 0)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, -r,
				    "cgroup: the cgroup above joey's own, %s, cannot be opened below %s (%s); "
				    "give an absolute linux.cgroupsPath",
				    own, found_mount ? found_mount : "the cgroup2 mount", joey_errno_text(-r));
	*ret = joey_take_ptr(own);
	return 0;
}
