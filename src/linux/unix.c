/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX for the protocols of engines: console socket, pidfd socket, seccomp agent. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "linux/linux-internal.h"

/* The directory as a descriptor makes the name short enough for sun_path. */
static int shorten(const char *path, struct sockaddr_un *sa, int *ret_dir)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir = NULL;
	autoclose int fd = -EBADF;
	int n;

	if (!slash || slash == path)
		return -ENAMETOOLONG;
	dir = strndup(path, (size_t)(slash - path));
	if (!dir)
		return -ENOMEM;
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", fd, slash + 1);
	if (n < 0 || (size_t)n >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	*ret_dir = joey_take_fd(&fd);
	return 0;
}

int joey_unix_connect(const char *path, int *ret_fd, struct joey_err *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	autoclose int dir = -EBADF;
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t len = strlen(path);
	int r;

	if (fd < 0)
		return joey_err_sys(err, errno, "open a socket");
	if (len == 0)
		return joey_err_sys(err, ENOENT, "connect to socket \"\"");
	if (len < sizeof(sa.sun_path)) {
		memcpy(sa.sun_path, path, len + 1);
	} else {
		r = shorten(path, &sa, &dir);
		if (r < 0)
			return joey_err_sys(err, r, "connect to socket %s", path);
	}
	do
		r = connect(fd, (const struct sockaddr *)&sa, sizeof(sa));
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return joey_err_sys(err, errno, "connect to socket %s", path);
	*ret_fd = joey_take_fd(&fd);
	return 0;
}

int joey_send_one_fd(int sock, const char *name, int fd, struct joey_err *err)
{
	size_t len = strlen(name);
	ssize_t n = joey_send_fds(sock, name, len, &fd, 1);

	if (n < 0)
		return joey_err_sys(err, (int)n, "send a descriptor (%s) over a socket", name);
	if ((size_t)n != len)
		return joey_err_sys(err, EIO, "send a descriptor (%s) over a socket", name);
	return 0;
}
