/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy: the host process that stands for one process in the guest.  It has the engine's descriptors (or a
 * terminal's slave side), is in the container's cgroup, takes every signal that can be taken and sends it on, and ends
 * as the process in the guest has ended.  It executes nothing, and nothing of the container is in it; what it is told
 * comes from the sandbox process, by the rules of wire.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "joey/log.h"
#include "joey/setup.h"
#include "joey/syscalls.h"
#include "sandbox/sandbox-internal.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum {
	OUT_MAX = 256 << 10,
	FLUSH_MS = 5000,    /* a reader that takes nothing for so long after the end gets no more */
	PROXY_FDS_FROM = 3, /* what is above is not the engine's */
	TITLE_MAX = 256,
};

struct proxy {
	int sock, sigfd, leash, tty; /* tty: slave side, -EBADF without terminal */
	struct joey_gate gate;
	bool waiting; /* for start */
	struct joey_relay relay;
	struct joey_wire_in in;
	struct joey_wire_out out;
	bool exited;
	uint32_t wstatus;
	uint64_t flush_until;
};

/* ---- the end ---------------------------------------------------------------------------------------------------- */

/* As the process in the guest did; without leaving a core of ours. */
static _Noreturn void end_as(uint32_t wstatus)
{
	static const struct rlimit none = { 0, 0 };
	int status = (int)wstatus;

	if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);
		sigset_t set;

		(void)setrlimit(RLIMIT_CORE, &none);
		(void)prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
		(void)signal(sig, SIG_DFL);
		sigemptyset(&set);
		sigaddset(&set, sig);
		(void)kill(getpid(), sig);
		(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
		_exit(128 + sig);
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

/* The sandbox process is gone, or speaks nonsense: so is the guest. */
static _Noreturn void end_killed(void)
{
	end_as(SIGKILL);
}

/* ---- terminal ---------------------------------------------------------------------------------------------------- */

/* A pty of the host's.  Its slave side is ours: raw, for it is the guest's pty that has a line discipline; and our
 * controlling terminal, so that a change of its size and its hang-up are signals. */
static int open_terminal(const struct joey_process *p, int *ret_master, int *ret_slave, struct joey_err *err)
{
	struct winsize ws = { .ws_row = (unsigned short)(p->console_height <= UINT16_MAX ? p->console_height : 0),
			      .ws_col = (unsigned short)(p->console_width <= UINT16_MAX ? p->console_width : 0) };
	autoclose int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -EBADF;
	struct termios raw;
	int unlock = 0;

	if (master < 0)
		return joey_err_sys(err, errno, "open /dev/ptmx");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return joey_err_sys(err, errno, "unlock the pty");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return joey_err_sys(err, errno, "open the pty's peer");
	if (tcgetattr(slave, &raw) < 0)
		return joey_err_sys(err, errno, "read the pty's settings");
	cfmakeraw(&raw);
	if (tcsetattr(slave, TCSANOW, &raw) < 0)
		return joey_err_sys(err, errno, "make the pty raw");
	if (ws.ws_row && ws.ws_col)
		(void)ioctl(master, TIOCSWINSZ, &ws);
	(void)fcntl(slave, F_SETFL, O_NONBLOCK);
	*ret_master = joey_take_fd(&master);
	*ret_slave = joey_take_fd(&slave);
	return 0;
}

static void tell_size(struct proxy *p)
{
	struct winsize ws;
	uint8_t size[4];

	if (p->tty < 0 || ioctl(p->tty, TIOCGWINSZ, &ws) < 0 || ws.ws_row == 0 || ws.ws_col == 0)
		return;
	joey_wire_put16(size, ws.ws_row);
	joey_wire_put16(size + 2, ws.ws_col);
	(void)joey_wire_put(&p->out, JOEY_WIRE_RESIZE, 0, 0, size, sizeof(size));
}

/* ---- what can happen -------------------------------------------------------------------------------------------- */

static void take_signals(struct proxy *p)
{
	struct signalfd_siginfo si;

	while (read(p->sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		int sig = (int)si.ssi_signo;

		if (sig == SIGWINCH && p->tty >= 0)
			tell_size(p);
		else if (sig != SIGCHLD && !(sig == SIGPIPE && si.ssi_pid == (uint32_t)getpid()))
			(void)joey_wire_put_u32(&p->out, JOEY_WIRE_SIGNAL, 0, 0, (uint32_t)sig);
	}
}

static void take_gate(struct proxy *p)
{
	char byte;

	if (read(p->gate.start, &byte, 1) != 1)
		return;
	p->waiting = false;
	(void)joey_wire_put(&p->out, JOEY_WIRE_START, 0, 1, "{}", 2);
}

/* Started: the gate's files are closed, which says so.  Not started: why. */
static void take_reply(struct proxy *p, const struct joey_frame *f)
{
	autoerr struct joey_err err = JOEY_ERR_INIT;
	const uint8_t *data;
	size_t n;

	if (joey_frame_reply(f, &data, &n, &err) < 0 && p->gate.report >= 0)
		(void)joey_gate_report(&p->gate, &err);
	joey_gate_done(&p->gate);
}

static int take_frame(struct proxy *p, const struct joey_frame *f)
{
	switch (f->type) {
	case JOEY_WIRE_DATA:
	case JOEY_WIRE_EOF:
	case JOEY_WIRE_CREDIT:
		return joey_relay_take(&p->relay, f, &p->out);
	case JOEY_WIRE_EXIT:
		p->exited = true;
		p->flush_until = joey_now_ms() + FLUSH_MS;
		return joey_frame_u32(f, &p->wstatus);
	case JOEY_WIRE_REPLY:
		take_reply(p, f);
		return 0;
	default:
		return -EPROTO;
	}
}

static void take_frames(struct proxy *p)
{
	struct joey_frame f;
	int r = joey_wire_read(&p->in, p->sock), n;

	while ((n = joey_wire_next(&p->in, &f)) > 0)
		if (take_frame(p, &f) < 0)
			end_killed();
	if (n < 0 || (r < 0 && r != -EAGAIN && !p->exited))
		end_killed();
}

/* joey has let us go, or has died while the container was not finished. */
static void take_leash(struct proxy *p)
{
	char byte;

	if (read(p->leash, &byte, 1) != 1)
		_exit(1);
	(void)prctl(PR_SET_PDEATHSIG, 0UL, 0UL, 0UL, 0UL);
	(void)send(p->leash, &byte, 1, MSG_NOSIGNAL);
	p->leash = joey_close(p->leash);
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

enum { P_SOCK, P_SIG, P_LEASH, P_GATE, P_RELAY, P_N = P_RELAY + 3 };

/* Not before joey has let us go: it is told of a success only by a proxy that is there, however short the process was.
 */
static bool is_over(const struct proxy *p)
{
	return p->exited && p->leash < 0 && (!joey_relay_pending(&p->relay) || joey_now_ms() >= p->flush_until);
}

static int time_left(const struct proxy *p)
{
	uint64_t now = joey_now_ms();

	return p->exited && now < p->flush_until ? (int)(p->flush_until - now) : -1;
}

static void run(struct proxy *p)
{
	while (!is_over(p)) {
		struct pollfd pf[P_N];
		int timeout = time_left(p);

		pf[P_SOCK] = (struct pollfd){ .fd = p->exited ? -1 : p->sock, .events = POLLIN };
		if (joey_wire_waits(&p->out))
			pf[P_SOCK].events |= POLLOUT;
		pf[P_SIG] = (struct pollfd){ .fd = p->sigfd, .events = POLLIN };
		pf[P_LEASH] = (struct pollfd){ .fd = p->leash, .events = POLLIN };
		pf[P_GATE] = (struct pollfd){ .fd = p->waiting ? p->gate.start : -1, .events = POLLIN };
		joey_relay_want(&p->relay, !joey_wire_waits(&p->out), pf + P_RELAY);
		if (poll(pf, P_N, timeout) < 0 && errno != EINTR)
			end_killed();
		if (pf[P_SIG].revents)
			take_signals(p);
		if (pf[P_LEASH].revents)
			take_leash(p);
		if (pf[P_GATE].revents)
			take_gate(p);
		if (pf[P_SOCK].revents & (POLLIN | POLLHUP | POLLERR))
			take_frames(p);
		if (joey_relay_move(&p->relay, pf + P_RELAY, &p->out) < 0 ||
		    (!p->exited && joey_wire_flush(&p->out, p->sock) < 0))
			take_frames(p); /* EXIT may be there already */
	}
	end_as(p->wstatus);
}

/* Only what is needed stays open: an engine waits for the end of its pipes. */
static void close_others(const struct proxy *p)
{
	int keep[] = { p->sock, p->sigfd, p->leash, p->tty, p->gate.start, p->gate.report };

	(void)joey_close_all_but(PROXY_FDS_FROM, keep, JOEY_ARRAY_SIZE(keep));
}

static void add_streams(struct proxy *p)
{
	joey_relay_init(&p->relay, 0);
	if (p->tty >= 0) {
		joey_relay_add(&p->relay, 0, p->tty, JOEY_RELAY_SEND, false, true);
		joey_relay_add(&p->relay, 1, p->tty, JOEY_RELAY_RECEIVE, false, true);
		return;
	}
	/* closed with the stream: who reads them waits for the end */
	joey_relay_add(&p->relay, 0, STDIN_FILENO, JOEY_RELAY_SEND, true, false);
	joey_relay_add(&p->relay, 1, STDOUT_FILENO, JOEY_RELAY_RECEIVE, true, false);
	joey_relay_add(&p->relay, 2, STDERR_FILENO, JOEY_RELAY_RECEIVE, true, false);
}

static bool has_own_netns(const struct vm_proxy *v)
{
	return v->netns >= 0 || v->new_netns;
}

/* joey waits to hear of it: hooks and the tap find the namespace by our pid. */
static int enter_netns(const struct vm_proxy *v, int leash)
{
	char byte = 0;

	if (!has_own_netns(v))
		return 0;
	if ((v->netns >= 0 ? setns(v->netns, CLONE_NEWNET) : unshare(CLONE_NEWNET)) < 0)
		byte = (char)errno;
	return send(leash, &byte, 1, MSG_NOSIGNAL) == 1 && byte == 0 ? 0 : -1;
}

/* What ps(1) shows of it, and with that what an engine lists: the payload's command. */
static void set_title(const struct joey_process *process)
{
	char title[TITLE_MAX] = "joey-proxy:";
	size_t at = strlen(title);

	for (size_t i = 0; i < process->args.n; i++) {
		int n = snprintf(title + at, sizeof(title) - at, " %s", process->args.v[i]);

		if (n < 0 || (size_t)n >= sizeof(title) - at)
			break;
		at += (size_t)n;
	}
	joey_title_set(title, NULL);
}

static _Noreturn void proxy_main(const struct vm_proxy *v, int sock, int leash, int tty)
{
	struct proxy p = {
		.sock = sock,
		.leash = leash,
		.tty = tty,
		.gate = v->gate ? *v->gate : (struct joey_gate)JOEY_GATE_INIT,
		.waiting = v->gate,
		.in = JOEY_WIRE_IN_INIT,
		.out = JOEY_WIRE_OUT_INIT(OUT_MAX),
	};
	sigset_t all;

	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	(void)prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL, 0UL, 0UL, 0UL);
	(void)prctl(PR_SET_NAME, "joey-proxy");
	set_title(v->process);
	(void)prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	p.sigfd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p.sigfd < 0 || enter_netns(v, leash) < 0)
		_exit(1);
	if (tty >= 0) {
		(void)setsid();
		(void)ioctl(tty, TIOCSCTTY, 0);
		/* The engine's own descriptors are not ours to hold. */
		for (int fd = 0; fd <= STDERR_FILENO; fd++)
			(void)dup2(tty, fd);
	}
	close_others(&p);
	if (chdir("/") < 0)
		_exit(1);
	add_streams(&p);
	tell_size(&p); /* set before it was our terminal, and no signal came */
	run(&p);
	_exit(255);
}

/* ---- joey's side ------------------------------------------------------------------------------------------------ */

static int give_master(const struct vm_proxy *p, int *master, struct joey_err *err)
{
	if (p->console_sock >= 0)
		return joey_send_one_fd(p->console_sock, "/dev/ptmx", *master, err);
	if (p->ret_pty)
		*p->ret_pty = joey_take_fd(master);
	return 0;
}

static int spawn(struct vm_proxy *p, int sock, int leash, int tty, struct joey_err *err)
{
	bool moved = false;

	p->pid = joey_clone_into(0, p->cgroup_fd, &p->pidfd, &moved);
	if (p->pid == 0)
		proxy_main(p, sock, leash, tty);
	if (p->pid < 0)
		return joey_err_sys(err, p->pid, "clone the proxy process");
	return p->cgroup && p->cgroup_fd >= 0 && !moved ? joey_cgroup_add(p->cgroup, p->pid, err) : 0;
}

static int connect_pair(int type, int pair[2], struct joey_err *err)
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return joey_err_sys(err, errno, "make a socket pair");
	return 0;
}

static int hear_of_netns(const struct vm_proxy *p, struct joey_err *err)
{
	char byte = 0;
	ssize_t n;

	if (!has_own_netns(p))
		return 0;
	do {
		n = recv(p->leash, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the proxy process has ended");
	return byte ? joey_err_sys(err, byte, "enter the container's network namespace") : 0;
}

int proxy_spawn(struct vm_proxy *p, struct joey_err *err)
{
	autoclose int master = -EBADF, tty = -EBADF;
	int io[2] = { -EBADF, -EBADF }, leash[2] = { -EBADF, -EBADF };
	int r = p->process->terminal ? open_terminal(p->process, &master, &tty, err) : 0;

	if (r == 0)
		r = connect_pair(SOCK_STREAM | SOCK_NONBLOCK, io, err);
	if (r == 0)
		r = connect_pair(SOCK_STREAM, leash, err);
	p->sock = io[0];
	p->leash = leash[0];
	if (r == 0)
		r = spawn(p, io[1], leash[1], tty, err);
	joey_close(io[1]);
	joey_close(leash[1]);
	if (r == 0)
		r = hear_of_netns(p, err);
	return r < 0 || master < 0 ? r : give_master(p, &master, err);
}

int proxy_let_go(struct vm_proxy *p, struct joey_err *err)
{
	char byte = 0;

	if (send(p->leash, &byte, 1, MSG_NOSIGNAL) != 1 || recv(p->leash, &byte, 1, 0) != 1)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the proxy process has ended");
	p->leash = joey_close(p->leash);
	return 0;
}

void proxy_abort(struct vm_proxy *p)
{
	int wstatus;

	if (p->pid <= 0)
		return;
	(void)joey_sys_pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
	(void)joey_wait_pid(p->pid, &wstatus);
	p->pid = 0;
}

void proxy_done(struct vm_proxy *p)
{
	joey_close(p->pidfd);
	joey_close(p->sock);
	joey_close(p->leash);
}
