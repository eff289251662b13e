/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal of a state directory.  It holds a few files and at most one level of directories (notify/), so the
 * walk is bounded; nothing is followed, mounts are not crossed (a mount point gives EBUSY).
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "state/state-internal.h"

enum { MAX_DEPTH = 4 };

static int empty_dir(int dir_fd, unsigned depth);

static int remove_entry(int dir_fd, const char *name, unsigned depth)
{
	autoclose int sub = -EBADF;
	int r;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth >= MAX_DEPTH)
		return -ELOOP;
	sub = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (sub < 0)
		return errno == ENOENT ? 0 : -errno;
	r = empty_dir(sub, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int empty_dir(int dir_fd, unsigned depth)
{
	/* Not dup(2): the copy would share the position with the caller's descriptor. */
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		joey_close(fd);
		return r;
	}
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0)
		if (!joey_streq(e->d_name, ".") && !joey_streq(e->d_name, ".."))
			r = remove_entry(dir_fd, e->d_name, depth);
	if (r == 0 && errno)
		r = -errno;
	closedir(d);
	return r;
}

int state_empty_dir(int dir_fd)
{
	return empty_dir(dir_fd, 0);
}
