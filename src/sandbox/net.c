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

/* The child answers as the guest does: a REPLY, and perhaps a descriptor with it. */
static void say(int sock, const struct joey_err *err, const char *text, int fd)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX);

	if (err->errnum)
		text = joey_err_text(err);
	if (joey_wire_put_reply(&out, 0, err->errnum, err->kind, text, text ? strlen(text) : 0) == 0)
		(void)joey_send_fds(sock, out.buf + out.from, out.to - out.from, &fd, fd >= 0 ? 1 : 0);
}

enum job { JOB_OPEN, JOB_CONNECT };

static int open_namespace(pid_t pid, struct joey_err *err)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? joey_err_sys(err, errno, "open the network namespace of process %d", (int)pid) : fd;
}

static _Noreturn void work(enum job job, pid_t pid, int sock)
{
	struct joey_err err = JOEY_ERR_INIT;
	int fd = -EBADF, ns;
	char *text = NULL;

	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	ns = open_namespace(pid, &err);
	if (!err.errnum && setns(ns, CLONE_NEWNET) < 0)
		joey_err_sys(&err, errno, "enter the network namespace of process %d", (int)pid);
	if (!err.errnum)
		switch (job) {
		case JOB_OPEN:
			(void)joey_net_tap_open(&fd, &err);
			break;
		case JOB_CONNECT:
			(void)joey_net_tap_connect(&text, &err);
			break;
		}
	say(sock, &err, text, fd);
	_exit(0);
}

static int take(int sock, char **ret_text, int *ret_fd, struct joey_err *err)
{
	const size_t max = JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX;
	autofree uint8_t *buf = malloc(max);
	autoclose int fd = -EBADF;
	size_t n_fds = 0, used, len;
	const uint8_t *text;
	struct joey_frame f;
	ssize_t n;
	int r;

	if (!buf)
		return joey_err_sys(err, ENOMEM, "set up the sandbox's network");
	n = joey_recv_fds(sock, buf, max, &fd, 1, &n_fds, 0);
	if (n <= 0 || joey_wire_parse(buf, (size_t)n, &f, &used) <= 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "set up the sandbox's network: no answer");
	r = joey_frame_reply(&f, &text, &len, err);
	if (r < 0)
		return r;
	if (ret_fd)
		*ret_fd = joey_take_fd(&fd);
	if (!ret_text || len == 0)
		return 0;
	*ret_text = strndup((const char *)text, len);
	return *ret_text ? 0 : joey_err_sys(err, ENOMEM, "set up the sandbox's network");
}

static int in_namespace_of(pid_t pid, enum job job, char **ret_text, int *ret_fd, struct joey_err *err)
{
	int pair[2], wstatus, r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	child = fork();
	if (child == 0)
		work(job, pid, pair[1]);
	joey_close(pair[1]);
	r = child < 0 ? joey_err_sys(err, errno, "fork") : take(pair[0], ret_text, ret_fd, err);
	joey_close(pair[0]);
	if (child > 0)
		(void)joey_wait_pid(child, &wstatus);
	return r;
}

int net_open_tap(pid_t pid, int *ret_fd, struct joey_err *err)
{
	return in_namespace_of(pid, JOB_OPEN, NULL, ret_fd, err);
}

int net_connect(pid_t pid, char **ret_json, struct joey_err *err)
{
	*ret_json = NULL;
	return in_namespace_of(pid, JOB_CONNECT, ret_json, NULL, err);
}
