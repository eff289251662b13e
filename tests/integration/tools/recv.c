/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's end of joey's sockets.  Listens, says "listening" by making SOCKET.ready, then:
 *   recv console SOCKET [TEXT]  takes one pty master: prints "name=.. fds=N tty=0|1 rows=R cols=C", writes TEXT to it,
 *                               then copies what the terminal says until it hangs up
 *   recv pidfd SOCKET           prints "name=.. fds=N" and the Pid: line of the pidfd
 *   recv seccomp SOCKET N       takes N listener messages: prints each JSON document on a line, "fds=N", and
 *                               answers each notification with errno 77 (until the filter is gone)
 *   recv notify SOCKET          datagrams: prints each; fds are counted and closed
 *   recv silent SOCKET          accepts nothing: a peer that hangs
 * Ends after 30 s whatever happens.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static ssize_t recv_with_fds(int s, char *buf, size_t len, int *fds, size_t max, size_t *n_fds)
{
	char cbuf[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = { buf, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = cbuf, .msg_controllen = sizeof cbuf };
	ssize_t n = recvmsg(s, &m, 0);
	*n_fds = 0;
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < k && *n_fds < max; i++)
			memcpy(&fds[(*n_fds)++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

static int listen_on(const char *path, int type)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char dir[4096], ready[4200];
	int s = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	/* A path may be longer than sun_path: bind by name from inside its directory. */
	snprintf(dir, sizeof dir, "%s", path);
	char *slash = strrchr(dir, '/');
	int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (slash) {
		*slash = 0;
		if (chdir(dir) < 0)
			return -1;
	}
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", slash ? slash + 1 : path);
	unlink(sa.sun_path);
	if (s < 0 || bind(s, (struct sockaddr *)&sa, sizeof sa) < 0 || (type == SOCK_STREAM && listen(s, 16) < 0)) {
		perror("recv: listen");
		exit(1);
	}
	chmod(sa.sun_path, 0777);
	if (fchdir(cwd) < 0)
		return -1;
	snprintf(ready, sizeof ready, "%s.ready", path);
	close(open(ready, O_CREAT | O_WRONLY, 0644));
	return s;
}

static int do_console(int s, const char *text)
{
	char buf[8192];
	int fds[16];
	size_t n_fds;
	int c = accept(s, NULL, NULL);
	ssize_t n = recv_with_fds(c, buf, sizeof buf - 1, fds, 16, &n_fds);
	buf[n < 0 ? 0 : n] = 0;
	struct winsize w = { 0 };
	if (n_fds)
		ioctl(fds[0], TIOCGWINSZ, &w);
	char extra;
	ssize_t more = recv(c, &extra, 1, 0); /* joey closes after one message */
	printf("name=%s fds=%zu tty=%d rows=%u cols=%u more=%zd\n", buf, n_fds, n_fds ? isatty(fds[0]) : 0, w.ws_row,
	       w.ws_col, more);
	fflush(stdout);
	if (!n_fds)
		return 1;
	if (text && write(fds[0], text, strlen(text)) < 0)
		perror("recv: write");
	while ((n = read(fds[0], buf, sizeof buf)) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		fflush(stdout);
	}
	return 0;
}

static int do_pidfd(int s)
{
	char buf[4096], path[64];
	int fds[16];
	size_t n_fds;
	int c = accept(s, NULL, NULL);
	ssize_t n = recv_with_fds(c, buf, sizeof buf - 1, fds, 16, &n_fds);
	buf[n < 0 ? 0 : n] = 0;
	printf("name=%s fds=%zu\n", buf, n_fds);
	if (!n_fds)
		return 1;
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fds[0]);
	FILE *f = fopen(path, "re");
	while (f && fgets(buf, sizeof buf, f))
		if (!strncmp(buf, "Pid:", 4))
			fputs(buf, stdout);
	fflush(stdout);
	struct pollfd p = { .fd = fds[0], .events = POLLIN };
	if (poll(&p, 1, 20000) == 1)
		printf("ended\n");
	return 0;
}

static void serve_notifications(int fd)
{
	struct seccomp_notif_sizes sz = { 0 };
	(void)sz;
	char reqbuf[4096], respbuf[4096];
	struct seccomp_notif *req = (void *)reqbuf;
	struct seccomp_notif_resp *resp = (void *)respbuf;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 20000) <= 0 || (p.revents & POLLHUP))
			return;
		memset(reqbuf, 0, sizeof reqbuf);
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, req) < 0) {
			if (errno == EINTR || errno == ENOENT)
				continue;
			return;
		}
		memset(respbuf, 0, sizeof respbuf);
		resp->id = req->id;
		resp->error = -77;
		ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, resp);
	}
}

static int do_seccomp(int s, int count)
{
	for (int i = 0; i < count; i++) {
		char buf[65536];
		int fds[16];
		size_t n_fds = 0, got = 0;
		int c = accept(s, NULL, NULL);
		ssize_t n = recv_with_fds(c, buf, sizeof buf - 1, fds, 16, &n_fds);
		while (n > 0) {
			got += (size_t)n;
			n = recv(c, buf + got, sizeof buf - 1 - got, 0);
		}
		buf[got] = 0;
		for (char *p = buf; *p; p++)
			if (*p == '\n')
				*p = ' ';
		printf("%s\nfds=%zu\n", buf, n_fds);
		fflush(stdout);
		close(c);
		if (n_fds && fork() == 0) {
			close(s);
			serve_notifications(fds[0]);
			_exit(0);
		}
		for (size_t k = 0; k < n_fds; k++)
			close(fds[k]);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

static int do_notify(int s)
{
	for (;;) {
		char buf[4096];
		int fds[16];
		size_t n_fds;
		ssize_t n = recv_with_fds(s, buf, sizeof buf - 1, fds, 16, &n_fds);
		if (n < 0)
			return 1;
		buf[n] = 0;
		printf("%s%s", buf, n && buf[n - 1] == '\n' ? "" : "\n");
		if (n_fds)
			printf("fds=%zu\n", n_fds);
		fflush(stdout);
		while (n_fds)
			close(fds[--n_fds]);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	alarm(30);
	int s = listen_on(argv[2], strcmp(argv[1], "notify") ? SOCK_STREAM : SOCK_DGRAM);
	if (!strcmp(argv[1], "console"))
		return do_console(s, argc > 3 ? argv[3] : NULL);
	if (!strcmp(argv[1], "pidfd"))
		return do_pidfd(s);
	if (!strcmp(argv[1], "seccomp"))
		return do_seccomp(s, argc > 3 ? atoi(argv[3]) : 1);
	if (!strcmp(argv[1], "notify"))
		return do_notify(s);
	return pause();
}
