/* SPDX-License-Identifier: Apache-2.0 */
/*
 * joey run and exec in the foreground, after the payload was executed: every signal is blocked and taken one by one,
 * most are sent on; children that are not the payload (joey is a subreaper) are reaped.
 * Without a terminal or notify socket one sigwaitinfo(2) is all there is; else poll(2) with a signalfd.
 */
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "runtime/runtime-internal.h"

/* Reaps orphans.  True when pid has ended (it is left for the caller), or is no child of ours. */
static bool has_ended(pid_t pid)
{
	for (;;) {
		pid_t ended = joey_wait_peek();

		if (ended == 0)
			return false;
		if (ended < 0 || ended == pid)
			return true;
		(void)waitpid(ended, NULL, WNOHANG);
	}
}

static void forward(const struct rt_watch *w, int sig, pid_t sender)
{
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
	w->forward(w->arg, sig);
}

static void wait_asleep(const struct rt_watch *w, const sigset_t *all)
{
	while (!has_ended(w->pid)) {
		siginfo_t si;

		memset(&si, 0, sizeof(si));
		if (sigwaitinfo(all, &si) > 0)
			forward(w, si.si_signo, si.si_pid);
	}
}

static void take_signals(const struct rt_watch *w, int sigfd, const struct rt_terminal *t)
{
	struct signalfd_siginfo si;

	while (read(sigfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGWINCH)
			rt_terminal_resize(t);
		forward(w, (int)si.ssi_signo, (pid_t)si.ssi_pid);
	}
}

static int wait_busy(const struct rt_watch *w, const sigset_t *all, struct rt_terminal *t, struct joey_err *err)
{
	autoclose int sigfd = signalfd(-1, all, SFD_CLOEXEC | SFD_NONBLOCK);

	if (sigfd < 0)
		return joey_err_sys(err, errno, "make signalfd");
	while (!has_ended(w->pid)) {
		struct pollfd p[5];

		rt_terminal_want(t, p);
		p[3] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
		p[4] = (struct pollfd){ .fd = w->notify ? w->notify->sock : -EBADF, .events = POLLIN };
		if (poll(p, JOEY_ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return joey_err_sys(err, errno, "wait for container");
		}
		if (p[3].revents)
			take_signals(w, sigfd, t);
		rt_terminal_move(t, p);
		if (p[4].revents && rt_notify_take(w->notify, w->pid))
			rt_notify_done(w->notify);
	}
	return 0;
}

int rt_foreground(const struct rt_watch *w, sigset_t *ret_mask, struct joey_err *err)
{
	struct rt_terminal t;
	sigset_t all;
	int r = 0;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, ret_mask);
	/* One that came while the payload was being started. */
	if (rt_interrupt_pending())
		forward(w, rt_interrupt_pending(), 0);
	rt_terminal_begin(&t, w->pty);
	if (w->pty < 0 && (!w->notify || w->notify->sock < 0))
		wait_asleep(w, &all);
	else
		r = wait_busy(w, &all, &t, err);
	rt_terminal_end(&t);
	return r;
}

int rt_exit_code(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}
