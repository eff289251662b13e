/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: create and start in one go, the payload's first instruction comes before the backend's create returns.
 * In the foreground joey stays as its parent: without a terminal the payload has joey's own descriptors 0-2 and
 * joey only sleeps.
 */
#include <sys/prctl.h>

#include "runtime/runtime-internal.h"

static int after_exec(struct rt_launch *l, struct joey_err *err)
{
	pid_t pid = l->c->state.pid;
	int r = rt_hooks_run(l->c, JOEY_HOOK_POSTSTART, JOEY_ST_RUNNING, pid, err);

	if (r == 0)
		r = rt_pidfile_write(l->o->pid_file, pid, err);
	if (r < 0)
		rt_launch_undo(l, err);
	else
		joey_container_unlock(l->c);
	return r;
}

static void forward_to_init(void *arg, int sig)
{
	struct rt_launch *l = arg;
	autoerr struct joey_err sub = JOEY_ERR_INIT;

	if (l->be->signal(l->c, sig, 0, &sub) < 0)
		joey_debug("forward signal %d: %s", sig, joey_err_text(&sub));
}

/* Somebody else may have deleted the container meanwhile; the poststop hooks were his then. */
static int remove_after_run(struct rt_launch *l, struct joey_err *err)
{
	struct rt_target t = { l->root_fd, l->c, l->be };
	int r = joey_container_lock(l->c, RT_LOCK_MS, err);

	if (r < 0)
		return r;
	return joey_container_is_gone(l->c) ? 0 : rt_remove(&t, err);
}

static int run_foreground(struct rt_launch *l, int *ret_exit, struct joey_err *err)
{
	const struct rt_watch w = { l->c->state.pid, l->pty, &l->notify, forward_to_init, l };
	int wstatus = 0, r;
	sigset_t mask;

	r = rt_foreground(&w, &mask, err);
	if (r == 0)
		r = l->be->wait(l->c, &wstatus, err);
	/* Hooks inherit the mask; the handlers of interrupt.c keep a late ^C from stopping the clean-up half way. */
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	if (r < 0) {
		rt_launch_undo(l, err);
		return r;
	}
	if (!l->o->keep) {
		r = remove_after_run(l, err);
		if (r < 0)
			return r;
	}
	*ret_exit = rt_exit_code(wstatus);
	return 0;
}

int rt_run(struct rt_launch *l, int *ret_exit, struct joey_err *err)
{
	int r;

	/* Orphans of a container without a pid namespace come to us, not to whoever called. */
	if (rt_launch_foreground(l) && prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0)
		return joey_err_sys(err, errno, "become child subreaper");
	r = rt_launch(l, err);
	if (r == 0)
		r = after_exec(l, err);
	if (r < 0)
		return r;
	if (rt_launch_foreground(l))
		return run_foreground(l, ret_exit, err);
	rt_notify_relay(&l->notify, l->c->state.pid);
	*ret_exit = 0;
	return 0;
}

int joey_rt_run(const struct joey_runtime *rt, const struct joey_create_opts *o, int *ret_exit, struct joey_err *err)
{
	autolaunch struct rt_launch l;
	int r;

	rt_launch_init(&l, rt, o, true);
	rt_interrupt_begin();
	r = rt_run(&l, ret_exit, err);
	rt_interrupt_end();
	return r;
}
