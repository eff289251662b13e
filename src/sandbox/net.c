/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's network devices and the container's network namespace on the host: taps are made in it before the
 * machine starts; when the hooks have set the namespace up, its devices are redirected to the taps, and the guest's get
 * their names, addresses and routes.  The work is done by a child that has entered the namespace.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "joey/log.h"
#include "joey/setup.h"
#include "sandbox/sandbox-internal.h"

_Static_assert((int)JOEY_NET_DEVICES_MAX == (int)JOEY_VMM_NETS_MAX, "a machine can have what a namespace may");

enum job { JOB_OPEN, JOB_CONNECT };

struct work {
	enum job job;
	pid_t pid; /* in whose namespace */
	unsigned taps;
};

/* The child answers as the guest does: a REPLY, and perhaps descriptors with it. */
static void say(int sock, struct joey_err *err, const char *text, const int *fds, size_t n)
{
	struct joey_wire_out out = JOEY_WIRE_OUT_INIT(JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX);

	if (text && strlen(text) > JOEY_WIRE_PAYLOAD_MAX / 2)
		joey_err_sys(err, E2BIG, "describe the network namespace to the sandbox");
	if (err->errnum)
		text = joey_err_text(err);
	if (joey_wire_put_reply(&out, 0, err->errnum, err->kind, text, text ? strlen(text) : 0) == 0)
		(void)joey_send_fds(sock, out.buf + out.from, out.to - out.from, fds, err->errnum ? 0 : n);
}

static int open_namespace(pid_t pid, struct joey_err *err)
{
	char path[48];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? joey_err_sys(err, errno, "open the network namespace of process %d", (int)pid) : fd;
}

static _Noreturn void work(const struct work *w, int sock)
{
	int fds[JOEY_NET_DEVICES_MAX], ns;
	struct joey_err err = JOEY_ERR_INIT;
	char *text = NULL;

	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	ns = open_namespace(w->pid, &err);
	if (!err.errnum && setns(ns, CLONE_NEWNET) < 0)
		joey_err_sys(&err, errno, "enter the network namespace of process %d", (int)w->pid);
	if (!err.errnum)
		switch (w->job) {
		case JOB_OPEN:
			(void)joey_net_tap_open(fds, w->taps, &err);
			break;
		case JOB_CONNECT:
			(void)joey_net_tap_connect(w->taps, &text, &err);
			break;
		}
	say(sock, &err, text, fds, w->job == JOB_OPEN ? w->taps : 0);
	_exit(0);
}

static int take(int sock, char **ret_text, int *ret_fds, unsigned taps, struct joey_err *err)
{
	const size_t max = JOEY_WIRE_HEADER + JOEY_WIRE_PAYLOAD_MAX;
	autofree uint8_t *buf = malloc(max);
	int none, *fds = ret_fds ? ret_fds : &none;
	size_t n_fds = 0, used, len;
	const uint8_t *text;
	struct joey_frame f;
	ssize_t n;
	int r;

	if (!buf)
		return joey_err_sys(err, ENOMEM, "set up the sandbox's network");
	n = joey_recv_fds(sock, buf, max, fds, ret_fds ? taps : 0, &n_fds, 0);
	if (n <= 0 || joey_wire_parse(buf, (size_t)n, &f, &used) <= 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "set up the sandbox's network: no answer");
	r = joey_frame_reply(&f, &text, &len, err);
	if (r < 0)
		return r;
	if (ret_fds && n_fds != taps)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "set up the sandbox's network: not enough taps");
	if (!ret_text || len == 0)
		return 0;
	*ret_text = strndup((const char *)text, len);
	return *ret_text ? 0 : joey_err_sys(err, ENOMEM, "set up the sandbox's network");
}

static int in_namespace(const struct work *w, char **ret_text, int *ret_fds, struct joey_err *err)
{
	int pair[2], wstatus, r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	child = fork();
	if (child == 0)
		work(w, pair[1]);
	joey_close(pair[1]);
	r = child < 0 ? joey_err_sys(err, errno, "fork") : take(pair[0], ret_text, ret_fds, w->taps, err);
	joey_close(pair[0]);
	if (child > 0)
		(void)joey_wait_pid(child, &wstatus);
	return r;
}

int net_count(pid_t pid, unsigned *ret, struct joey_err *err)
{
	autoclose int ns = open_namespace(pid, err);

	return ns < 0 ? ns : joey_net_tap_count(ns, ret, err);
}

int net_open_taps(pid_t pid, unsigned n, int *ret_fds, struct joey_err *err)
{
	return in_namespace(&(struct work){ .job = JOB_OPEN, .pid = pid, .taps = n }, NULL, ret_fds, err);
}

int net_connect(pid_t pid, unsigned taps, char **ret_json, struct joey_err *err)
{
	*ret_json = NULL;
	return in_namespace(&(struct work){ .job = JOB_CONNECT, .pid = pid, .taps = taps }, ret_json, NULL, err);
}

void net_release(const char *path)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	autoclose int ns = open(path, O_RDONLY | O_CLOEXEC);

	if (ns >= 0 && joey_net_tap_release(ns, &err) < 0)
		joey_debug("network namespace %s: %s", path, joey_err_text(&err));
}
