/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing a descriptor whose O_NONBLOCK is not ours to set.  Where the kernel can be asked for one call
 * that does not wait (pipes since Linux 6.4, most files), it is.  Else poll(2) is: a pipe that polls writable takes
 * PIPE_BUF bytes, unless another process writes to it in between.
 */
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "wire/wire-internal.h"

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1;
}

/* Only memory or a disk stands between, and poll(2) always says yes. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static bool cannot_ask(int fd, int e)
{
	return e == EOPNOTSUPP || e == ENOSYS || e == EINVAL || e == ESPIPE || e == EPERM ||
	       (e == EAGAIN && is_file(fd));
}

ssize_t wire_read_some(int fd, bool blocking, void *buf, size_t n)
{
	struct iovec iov = { buf, n };
	ssize_t r;

	do {
		r = blocking ? preadv2(fd, &iov, 1, -1, RWF_NOWAIT) : read(fd, buf, n);
		if (r < 0 && blocking && cannot_ask(fd, errno)) {
			if (!is_ready(fd, POLLIN))
				return -EAGAIN;
			r = read(fd, buf, n);
		}
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

ssize_t wire_write_some(int fd, bool blocking, const void *buf, size_t n)
{
	struct iovec iov = { .iov_len = n };
	ssize_t r;

	__builtin_memcpy(&iov.iov_base, &buf, sizeof(buf)); /* pwritev2(2) does not write through it */
	do {
		r = blocking ? pwritev2(fd, &iov, 1, -1, RWF_NOWAIT) : write(fd, buf, n);
		if (r < 0 && blocking && cannot_ask(fd, errno)) {
			if (!is_ready(fd, POLLOUT))
				return -EAGAIN;
			r = write(fd, buf, n < PIPE_BUF ? n : PIPE_BUF);
		}
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return -EAGAIN;
	return r < 0 ? -errno : r;
}
