/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey's own program file, out of reach of containers (CVE-2019-5736).
 *
 * Until it executes the payload, a container's first process is joey.  An image whose entry point, "#!" line or ELF
 * interpreter is /proc/self/exe makes the kernel execute joey once more, inside; from there the file can be opened
 * through /proc/PID/exe, and written as soon as nobody runs it.  No check of the program to be executed closes this:
 * the image's files can change between check and execve(2), and the kernel resolves "#!" lines by itself.
 *
 * So a joey that is about to make a process in a container executes itself once more, first of all, from a detached
 * read-only mount of the file (open_tree(2), mount_setattr(2): no copy): whatever is opened through its /proc/PID/exe
 * is then on a mount that is in no mount namespace, cannot be reached by a path, and so never becomes writable.  A file
 * on a read-only mount already, or one that the caller's own user may not write to, needs none of that.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "joey/syscalls.h"
#include "joey/util.h"

/* The path crosses the exec in this variable; it is believed only if it names the very same file. */
#define PATH_VARIABLE "_JOEY_SELF"

static char self_path[PATH_MAX];

const char *joey_self_path(void)
{
	ssize_t n;

	if (!self_path[0]) {
		n = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);
		self_path[n > 0 ? n : 0] = '\0';
	}
	return self_path;
}

static void take_path(const struct stat *self)
{
	const char *path = getenv(PATH_VARIABLE);
	struct stat st;

	if (path && path[0] == '/' && strlen(path) < sizeof(self_path) && stat(path, &st) == 0 &&
	    st.st_dev == self->st_dev && st.st_ino == self->st_ino)
		memcpy(self_path, path, strlen(path) + 1);
	(void)unsetenv(PATH_VARIABLE);
}

static bool is_sealed(int exe)
{
	autoclose int fd = openat(exe, "", O_RDONLY | O_CLOEXEC);
	int seals;

	if (fd < 0)
		fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & F_SEAL_WRITE);
}

static bool is_protected(int exe, const struct stat *st)
{
	struct statvfs vfs;

	if (fstatvfs(exe, &vfs) == 0 && (vfs.f_flag & ST_RDONLY))
		return true;
	if (geteuid() != 0 && st->st_uid != geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return true;
	return st->st_nlink == 0 && is_sealed(exe);
}

static int read_only_mount(int exe)
{
	struct mount_attr ro = { .attr_set = MOUNT_ATTR_RDONLY };
	autoclose int tree = joey_sys_open_tree(exe, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	int r = tree < 0 ? tree : joey_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &ro);

	return r < 0 ? r : joey_take_fd(&tree);
}

/* Without the right to mount. */
static int sealed_copy(const struct stat *st)
{
	autoclose int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	autoclose int to = memfd_create("joey", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	off_t left = st->st_size;

	if (from < 0 || to < 0)
		return -errno;
	while (left > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)left);

		if (n == 0 || (n < 0 && errno != EINTR))
			return n < 0 ? -errno : -EIO;
		left -= n > 0 ? n : 0;
	}
	if (fchmod(to, 0500) < 0 ||
	    fcntl(to, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return joey_take_fd(&to);
}

int joey_self_protect(char *const argv[])
{
	autoclose int exe = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	autoclose int copy = -EBADF;
	struct stat st;

	if (exe < 0 || fstat(exe, &st) < 0)
		return -errno;
	if (is_protected(exe, &st)) {
		take_path(&st);
		(void)prctl(PR_SET_NAME, "joey"); /* executed by descriptor, it may be called by a number */
		return 0;
	}
	if (setenv(PATH_VARIABLE, joey_self_path(), 1) < 0)
		return -errno;
	copy = read_only_mount(exe);
	if (copy < 0)
		copy = sealed_copy(&st);
	if (copy < 0)
		return copy;
	(void)execveat(copy, "", argv, environ, AT_EMPTY_PATH);
	return -errno;
}
