/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's network device and the container's network namespace on the host: a tap is made in it before the
 * machine starts; when the hooks have set the namespace up, its device is redirected to the tap, and the guest's gets
 * its name, addresses and routes.  The work is done by a child that has entered the namespace.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "joey/setup.h"
#include "sandbox/sandbox-internal.h"

enum { TEXT_MAX = 60 << 10 };

/* What the child says: 0 and the result, or kind, errno and text of its error. */
struct message {
	uint32_t errnum, kind, len;
};

static void say(int sock, int r, const struct joey_err *err, const char *text, int fd)
{
	struct message m = { .errnum = 0 };
	char buf[sizeof(m) + TEXT_MAX];

	if (r < 0) {
		m.errnum = (uint32_t)err->errnum;
		m.kind = (uint32_t)err->kind;
		text = joey_err_text(err);
	}
	m.len = (uint32_t)strnlen(text ? text : "", TEXT_MAX);
	memcpy(buf, &m, sizeof(m));
	memcpy(buf + sizeof(m), text ? text : "", m.len);
	(void)joey_send_fds(sock, buf, sizeof(m) + m.len, &fd, fd >= 0 ? 1 : 0);
}

static _Noreturn void work(pid_t pid, bool connect, int sock)
{
	struct joey_err err = JOEY_ERR_INIT;
	char path[48], *text = NULL;
	int fd = -EBADF, ns, r = 0;

	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		r = joey_err_sys(&err, errno, "enter the container's network namespace");
	if (r == 0)
		r = connect ? joey_net_tap_connect(&text, &err) : joey_net_tap_open(&fd, &err);
	say(sock, r, &err, text, fd);
	_exit(0);
}

static int take(int sock, char **ret_text, int *ret_fd, struct joey_err *err)
{
	autofree char *buf = malloc(sizeof(struct message) + TEXT_MAX + 1);
	struct message m;
	size_t n_fds = 0;
	int fd = -EBADF;
	ssize_t n;

	if (!buf)
		return joey_err_sys(err, ENOMEM, "set up the sandbox's network");
	n = joey_recv_fds(sock, buf, sizeof(m) + TEXT_MAX, &fd, 1, &n_fds, 0);
	if (n < (ssize_t)sizeof(m))
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "set up the sandbox's network: no answer");
	memcpy(&m, buf, sizeof(m));
	buf[n] = '\0';
	if (m.errnum)
		return joey_err_set(err, m.kind < JOEY_EK_MAX ? (enum joey_err_kind)m.kind : JOEY_EK_OTHER,
				    (int)m.errnum, "%s", buf + sizeof(m));
	if (ret_fd)
		*ret_fd = n_fds ? fd : -EBADF;
	if (ret_text && m.len > 0) {
		*ret_text = strdup(buf + sizeof(m));
		if (!*ret_text)
			return joey_err_sys(err, ENOMEM, "set up the sandbox's network");
	}
	return 0;
}

static int in_namespace_of(pid_t pid, bool connect, char **ret_text, int *ret_fd, struct joey_err *err)
{
	int pair[2], wstatus, r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	child = fork();
	if (child == 0)
		work(pid, connect, pair[1]);
	joey_close(pair[1]);
	r = child < 0 ? joey_err_sys(err, errno, "fork") : take(pair[0], ret_text, ret_fd, err);
	joey_close(pair[0]);
	if (child > 0)
		(void)joey_wait_pid(child, &wstatus);
	return r;
}

int net_open_tap(pid_t pid, int *ret_fd, struct joey_err *err)
{
	return in_namespace_of(pid, false, NULL, ret_fd, err);
}

int net_connect(pid_t pid, char **ret_json, struct joey_err *err)
{
	*ret_json = NULL;
	return in_namespace_of(pid, true, ret_json, NULL, err);
}
