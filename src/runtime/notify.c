/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) for containers: the payload talks to a socket of ours in /run/notify, and the one message that
 * matters to the service manager outside, READY, is passed on, with the pid that it knows.
 *
 * The socket is bound through /proc/self/fd, for root and id may be longer than sun_path.  What comes from
 * the container is bounded and only the READY line of it is repeated.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "joey/syscalls.h"
#include "runtime/runtime-internal.h"

#define NOTIFY_DIR    "notify"
#define NOTIFY_FILE   "notify.sock"
#define NOTIFY_INSIDE "/run/notify/" NOTIFY_FILE

enum { BARRIER_MS = 30000, MESSAGE_MAX = 4096 };

static const char *host_socket(void)
{
	const char *s = getenv("NOTIFY_SOCKET");

	return s && (*s == '/' || *s == '@') && s[1] ? s : NULL;
}

int rt_notify_prepare(struct rt_notify *n, struct joey_container *c, struct joey_config *config, struct joey_err *err)
{
	n->host = host_socket();
	if (!n->host)
		return 0;
	if (mkdirat(c->dir_fd, NOTIFY_DIR, 0755) < 0)
		return joey_err_sys(err, errno, "make notify directory");
	if (rt_notify_find(n, c, err) < 0)
		return -err->errnum;
	/* umask(2) may have taken the container's user's way in. */
	if (fchmod(n->dir_fd, 0755) < 0)
		return joey_err_sys(err, errno, "chmod notify directory");
	if (rt_env_set(config, "NOTIFY_SOCKET", NOTIFY_INSIDE) < 0)
		return joey_err_sys(err, ENOMEM, "set NOTIFY_SOCKET");
	return 0;
}

int rt_notify_find(struct rt_notify *n, struct joey_container *c, struct joey_err *err)
{
	n->host = host_socket();
	if (!n->host)
		return 0;
	n->dir_fd = openat(c->dir_fd, NOTIFY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* Without it create was not told of a NOTIFY_SOCKET: the payload has none either. */
	if (n->dir_fd < 0 && errno != ENOENT)
		return joey_err_sys(err, errno, "open notify directory");
	if (n->dir_fd < 0)
		n->dir_fd = -EBADF;
	return 0;
}

int rt_notify_bind(struct rt_notify *n, struct joey_err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!n->host || n->dir_fd < 0)
		return 0;
	n->sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->sock < 0)
		return joey_err_sys(err, errno, "make notify socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/" NOTIFY_FILE, n->dir_fd);
	(void)unlinkat(n->dir_fd, NOTIFY_FILE, 0);
	if (bind(n->sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return joey_err_sys(err, errno, "bind notify socket");
	if (fchmodat(n->dir_fd, NOTIFY_FILE, 0777, 0) < 0)
		return joey_err_sys(err, errno, "chmod notify socket");
	return 0;
}

static int connect_host(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	autoclose int sock = -EBADF, dir_fd = -EBADF;
	size_t len = strlen(path);
	const char *name;
	int r;

	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	if (len < sizeof(addr.sun_path)) {
		memcpy(addr.sun_path, path, len);
		if (*path == '@')
			addr.sun_path[0] = '\0';
	} else {
		r = *path == '@' ? -ENAMETOOLONG : rt_path_parent(path, &dir_fd, &name);
		if (r < 0)
			return r;
		r = snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
		if (r < 0 || (size_t)r >= sizeof(addr.sun_path))
			return -ENAMETOOLONG;
		len = (size_t)r;
	}
	if (connect(sock, (const struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) <
	    0)
		return -errno;
	return joey_take_fd(&sock);
}

/* sd_notify_barrier(3): the manager has read everything when it closes our pipe's other end. */
static int barrier(int sock)
{
	autoclose int mine = -EBADF, theirs = -EBADF;
	struct pollfd p;
	int fds[2];
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	mine = fds[0];
	theirs = fds[1];
	n = joey_send_fds(sock, "BARRIER=1", strlen("BARRIER=1"), &theirs, 1);
	if (n < 0)
		return (int)n;
	theirs = joey_close(theirs);
	p = (struct pollfd){ .fd = mine };
	return poll(&p, 1, BARRIER_MS) < 0 ? -errno : 0;
}

static int tell_host(const char *host, const char *ready, pid_t pid)
{
	autoclose int sock = connect_host(host);
	char text[32];
	ssize_t n;

	if (sock < 0)
		return sock;
	n = joey_send_fds(sock, ready, strlen(ready), NULL, 0);
	if (n < 0)
		return (int)n;
	snprintf(text, sizeof(text), "MAINPID=%d", (int)pid);
	n = joey_send_fds(sock, text, strlen(text), NULL, 0);
	return n < 0 ? (int)n : barrier(sock);
}

/* The line in place, terminated; NULL if there is none. */
static char *ready_line(char *text)
{
	while (text) {
		char *end = strchr(text, '\n');

		if (end)
			*end++ = '\0';
		if (joey_startswith(text, "READY="))
			return text;
		text = end;
	}
	return NULL;
}

bool rt_notify_take(struct rt_notify *n, pid_t pid)
{
	char text[MESSAGE_MAX + 1];
	const char *line;
	ssize_t len;
	int r;

	/* Descriptors that come along are dropped by the kernel: there is no room for them here. */
	len = recv(n->sock, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (len <= 0)
		return false;
	text[len] = '\0';
	line = ready_line(text);
	if (!line)
		return false;
	r = tell_host(n->host, line, pid);
	if (r < 0)
		joey_warn("pass READY on to %s: %s", n->host, joey_errno_text(r));
	return true;
}

void rt_notify_relay(struct rt_notify *n, pid_t pid)
{
	autoclose int pidfd = -EBADF;
	struct pollfd p[2];

	if (n->sock < 0)
		return;
	pidfd = joey_sys_pidfd_open(pid, 0);
	if (pidfd < 0)
		return;
	p[0] = (struct pollfd){ .fd = n->sock, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents && rt_notify_take(n, pid))
			return;
		if (p[1].revents)
			return;
	}
}

void rt_notify_done(struct rt_notify *n)
{
	n->sock = joey_close(n->sock);
	n->dir_fd = joey_close(n->dir_fd);
}
