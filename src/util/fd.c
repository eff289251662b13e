/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: close, read and write whole files, descriptor passing, close_range. */
#include <dirent.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "joey/syscalls.h"
#include "joey/util.h"

int joey_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		/* Linux frees the descriptor whatever close(2) says: never retried. */
		(void)close(fd);
		errno = saved;
	}
	return -EBADF;
}

int joey_read_fd(int fd, size_t max, char **ret, size_t *ret_len)
{
	autofree char *buf = NULL;
	size_t len = 0, cap = 0, size = 0;
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		if ((uint64_t)st.st_size > max)
			return -EFBIG;
		size = (size_t)st.st_size;
		cap = size + 2;
	}
	if (cap < 512)
		cap = 512;
	for (;;) {
		char *p;
		ssize_t n;

		if (!buf || len + 1 >= cap) {
			if (buf)
				cap *= 2;
			p = realloc(buf, cap);
			if (!p)
				return -ENOMEM;
			buf = p;
		}
		n = read(fd, buf + len, cap - len - 1);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return -EFBIG;
		/* All there was when it was opened; where the size is not known (/proc) or not true (/sys) it takes a
		 * 0. */
		if (size > 0 && len == size)
			break;
	}
	buf[len] = '\0';
	*ret = joey_take_ptr(buf);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int joey_read_file_at(int dirfd, const char *name, int extra_flags, size_t max, char **ret, size_t *ret_len)
{
	autoclose int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | extra_flags);

	if (fd < 0)
		return -errno;
	return joey_read_fd(fd, max, ret, ret_len);
}

int joey_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int joey_write_file_at(int dirfd, const char *name, const char *data)
{
	autoclose int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t len = strlen(data);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int joey_replace_file_at(int dirfd, const char *name, mode_t mode, const void *data, size_t len)
{
	char tmp[NAME_MAX + 1];
	autoclose int fd = -EBADF;
	int r;

	/* The pid keeps two writers apart; a leftover of a killed process with the same pid is overwritten. */
	r = snprintf(tmp, sizeof(tmp), ".%s.%d", name, (int)getpid());
	if (r < 0 || (size_t)r >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	r = joey_write_all(fd, data, len);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}

ssize_t joey_send_fds(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg(2) does not write through it */
	if (n_fds > 16)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t joey_recv_fds(int sock, void *data, size_t len, int *ret_fds, size_t max_fds, size_t *ret_n_fds, int flags)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	size_t kept = 0;
	bool surplus = false; /* CMSG_SPACE() rounds up: one more may fit than was asked for */
	ssize_t n;

	if (max_fds > 16)
		return -EINVAL;
	if (max_fds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * max_fds);
	}
	do
		n = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t i, count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (kept < max_fds)
				ret_fds[kept++] = fd;
			else {
				joey_close(fd);
				surplus = true;
			}
		}
	}
	if (surplus || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (kept > 0)
			joey_close(ret_fds[--kept]);
		return -EMSGSIZE;
	}
	if (ret_n_fds)
		*ret_n_fds = kept;
	return n;
}

/* Kernels before 5.9 (or 5.11 for CLOEXEC) lack close_range(2): walk the descriptor table instead. */
static int each_fd(unsigned first, unsigned last, bool do_close)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		uint32_t fd;

		if (joey_parse_u32(e->d_name, &fd) < 0 || fd < first || fd > last || (int)fd == dirfd(d))
			continue;
		if (do_close)
			joey_close((int)fd);
		else
			(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(d);
	return 0;
}

int joey_cloexec_from(unsigned first)
{
	int r = joey_sys_close_range(first, ~0U, CLOSE_RANGE_CLOEXEC);

	return r == -ENOSYS || r == -EINVAL ? each_fd(first, ~0U, false) : r;
}

int joey_close_range(unsigned first, unsigned last)
{
	int r = joey_sys_close_range(first, last, 0);

	return r == -ENOSYS ? each_fd(first, last, true) : r;
}

uint64_t joey_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int joey_close_all_but(unsigned first, int *keep, size_t n)
{
	int r = 0;

	qsort(keep, n, sizeof(keep[0]), by_number);
	for (size_t i = 0; i < n && r >= 0; i++) {
		if (keep[i] < (int)first)
			continue;
		if ((unsigned)keep[i] > first)
			r = joey_close_range(first, (unsigned)keep[i] - 1);
		first = (unsigned)keep[i] + 1;
	}
	return r < 0 ? r : joey_close_range(first, ~0U);
}
