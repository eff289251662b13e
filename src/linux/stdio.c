/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two small repairs right after the pivot: standard streams that are the host's /dev/null become the container's, and
 * the working directory is made while the rootfs can still be written.
 *
 * A device node of an image is never opened before it is known what it is: O_PATH first.
 */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "joey/syscalls.h"
#include "linux/linux-internal.h"

static bool is_null_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static int open_null(struct joey_setup *s, struct joey_err *err)
{
	autoclose int path = inroot_open(s->root_fd, "/dev/null", O_PATH, RESOLVE_NO_SYMLINKS);
	int fd;

	if (path < 0)
		return joey_err_sys(err, -path, "open the container's /dev/null");
	if (!is_null_device(path))
		return joey_err_set(err, JOEY_EK_OTHER, ENODEV, "the container's /dev/null is not the null device");
	fd = inroot_open(s->root_fd, "/dev/null", O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return joey_err_sys(err, -fd, "open the container's /dev/null");
	if (!is_null_device(fd)) {
		joey_close(fd);
		return joey_err_sys(err, ESTALE, "open the container's /dev/null");
	}
	return fd;
}

int step_stdio_devnull(struct joey_setup *s, struct joey_err *err)
{
	autoclose int null = -EBADF;

	/* A /dev that is bound from elsewhere is not ours to judge, and it is the host's null device anyway. */
	if (!wants_devices(s))
		return 0;
	for (int fd = 0; fd <= 2; fd++) {
		if (!is_null_device(fd))
			continue;
		if (null < 0) {
			null = open_null(s, err);
			if (null < 0)
				return null;
		}
		if (dup3(null, fd, 0) < 0)
			return joey_err_sys(err, errno, "replace descriptor %d", fd);
	}
	return 0;
}

int step_make_cwd(struct joey_setup *s, struct joey_err *err)
{
	const char *cwd = s->process->cwd;
	autoclose int fd = -EBADF;

	if (!cwd || joey_streq(cwd, "/"))
		return 0;
	fd = inroot_open(s->root_fd, cwd, O_PATH, 0);
	if (fd == -ENOENT)
		fd = inroot_make(s->root_fd, cwd, INROOT_DIR, 0755);
	/* Whether the user may enter it is chdir's question. */
	if (fd < 0 && fd != -EACCES && fd != -EPERM)
		return joey_err_sys(err, -fd, "create the working directory %s", cwd);
	return 0;
}
