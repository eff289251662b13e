/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey run in the foreground, after the payload was executed: every signal is blocked and taken one by one, most
 * are sent on; children that are not init (joey is a subreaper) are reaped.
 * Without a terminal or notify socket one sigwaitinfo(2) is all there is; else poll(2) with a signalfd.
 */
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "runtime/runtime-internal.h"

/* Reaps orphans.  True when init has ended (it is left for the backend), or is no child of ours. */
static bool init_ended(pid_t init)
{
	for (;;) {
		siginfo_t si;

		memset(&si, 0, sizeof(si));
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0) {
			if (errno == EINTR)
				continue;
			return true;
		}
		if (si.si_pid == 0)
			return false;
		if (si.si_pid == init)
			return true;
		(void)waitpid(si.si_pid, NULL, WNOHANG);
	}
}

static void forward(const struct rt_launch *l, int sig, pid_t sender)
{
	autoerr struct joey_err sub = JOEY_ERR_INIT;

	switch (sig) {
	case SIGCHLD:
	case SIGWINCH:
	case SIGURG:
		return;
	case SIGPIPE:
		if (sender == getpid()) /* our own write to a closed terminal */
			return;
		break;
	default:
		break;
	}
	if (l->be->signal(l->c, sig, 0, &sub) < 0)
		joey_debug("forward signal %d: %s", sig, joey_err_text(&sub));
}

static void wait_asleep(const struct rt_launch *l, const sigset_t *all)
{
	while (!init_ended(l->c->state.pid)) {
		siginfo_t si;

		memset(&si, 0, sizeof(si));
		if (sigwaitinfo(all, &si) > 0)
			forward(l, si.si_signo, si.si_pid);
	}
}

static void take_signals(const struct rt_launch *l, int sigfd, const struct rt_terminal *t)
{
	struct signalfd_siginfo si;

	while (read(sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH)
			rt_terminal_resize(t);
		forward(l, (int)si.ssi_signo, (pid_t)si.ssi_pid);
	}
}

static int wait_busy(struct rt_launch *l, const sigset_t *all, struct rt_terminal *t, struct joey_err *err)
{
	autoclose int sigfd = signalfd(-1, all, SFD_CLOEXEC | SFD_NONBLOCK);
	pid_t init = l->c->state.pid;

	if (sigfd < 0)
		return joey_err_sys(err, errno, "make signalfd");
	while (!init_ended(init)) {
		struct pollfd p[5];

		rt_terminal_want(t, p);
		p[3] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
		p[4] = (struct pollfd){ .fd = l->notify.sock, .events = POLLIN };
		if (poll(p, JOEY_ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return joey_err_sys(err, errno, "wait for container");
		}
		if (p[3].revents)
			take_signals(l, sigfd, t);
		rt_terminal_move(t, p);
		if (p[4].revents && rt_notify_take(&l->notify, init))
			rt_notify_done(&l->notify);
	}
	return 0;
}

int rt_foreground(struct rt_launch *l, int *ret_wstatus, sigset_t *ret_mask, struct joey_err *err)
{
	struct rt_terminal t;
	sigset_t all;
	int r = 0;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, ret_mask);
	/* One that came while the payload was being started. */
	if (rt_interrupt_pending())
		forward(l, rt_interrupt_pending(), 0);
	rt_terminal_begin(&t, l->pty);
	if (l->pty < 0 && l->notify.sock < 0)
		wait_asleep(l, &all);
	else
		r = wait_busy(l, &all, &t, err);
	rt_terminal_end(&t);
	return r < 0 ? r : l->be->wait(l->c, ret_wstatus, err);
}
