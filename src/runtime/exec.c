/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: no lock is taken, so that probes run side by side with each other and with slow operations.  What could change
 * meanwhile is only that init ends, and then joining its namespaces fails.
 */
#include <sys/prctl.h>

#include "joey/setup.h"
#include "runtime/runtime-internal.h"

struct exec_run {
	struct rt_target t;
	const struct joey_exec_opts *o;
	struct joey_exec args;
	int console_sock, pidfd_sock, pty;
	pid_t pid;
};

static void exec_run_done(struct exec_run *x)
{
	joey_close(x->console_sock);
	joey_close(x->pidfd_sock);
	joey_close(x->pty);
	rt_target_done(&x->t);
}

static int find(struct exec_run *x, const struct joey_runtime *rt, struct joey_err *err)
{
	struct joey_query q;
	int r = rt_target_find(&x->t, rt, x->o->id, err);

	if (r == 0)
		r = rt_target_load(&x->t, false, err);
	if (r == 0)
		r = rt_status(&x->t, &q, err);
	if (r < 0)
		return r;
	if (!x->t.be->exec)
		return joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP, "exec is not supported by backend %s",
				    x->t.be->name);
	if (q.status == JOEY_ST_PAUSED && x->o->ignore_paused)
		return 0;
	return joey_op_check(JOEY_OP_EXEC, q.status, x->o->id, err);
}

static int connect_sockets(struct exec_run *x, bool terminal, struct joey_err *err)
{
	const struct joey_exec_opts *o = x->o;
	int r = 0;

	if (terminal && o->detach && !o->console_socket)
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
				    "cannot allocate tty if joey will detach without setting console socket");
	if (o->console_socket && !(terminal && o->detach))
		return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
				    "cannot use console socket if joey will not detach or allocate tty");
	if (o->console_socket)
		r = joey_unix_connect(o->console_socket, &x->console_sock, err);
	if (r == 0 && o->pidfd_socket)
		r = joey_unix_connect(o->pidfd_socket, &x->pidfd_sock, err);
	return r;
}

static int prepare(struct exec_run *x, const struct joey_runtime *rt, struct joey_err *err)
{
	const struct joey_config *config;
	struct joey_process *process = NULL;
	struct rt_inherit in;
	int r = rt_inherit_scan(x->o->preserve_fds, &in, err);

	if (r < 0)
		return r;
	if (in.open < in.preserve)
		return joey_err_sys(err, EBADF, "unable to stat preserved-fd %u (of %u)", 3 + in.open, in.preserve);
	(void)joey_cloexec_from(3 + in.preserve);
	r = find(x, rt, err);
	if (r == 0)
		r = joey_container_config(x->t.c, &config, err);
	if (r == 0)
		r = rt_exec_process(x->t.c, config, x->o, &process, err);
	if (r == 0 && x->o->adapt)
		x->o->adapt(x->o->adapt_arg, process);
	if (r == 0)
		r = connect_sockets(x, process->terminal, err);
	if (r < 0)
		return r;
	if (!x->o->detach)
		rt_terminal_preset(process);
	x->args = (struct joey_exec){
		.config = config,
		.process = process,
		.console_sock = x->console_sock,
		.pidfd_sock = x->pidfd_sock,
		.ret_pty = process->terminal && !x->o->detach ? &x->pty : NULL,
		.preserve_fds = in.preserve,
		.cgroup = x->o->cgroup,
		.rootless = rt->rootless,
	};
	return 0;
}

static void forward_to_process(void *arg, int sig)
{
	const struct exec_run *x = arg;

	/* Ours to reap, so the pid names nobody else. */
	if (kill(x->pid, sig) < 0)
		joey_debug("forward signal %d: %s", sig, joey_errno_text(errno));
}

static void give_up(struct exec_run *x)
{
	int wstatus;

	(void)kill(x->pid, SIGKILL);
	(void)joey_wait_pid(x->pid, &wstatus);
}

static int wait_for(struct exec_run *x, int *ret_exit, struct joey_err *err)
{
	const struct rt_watch w = { x->pid, x->pty, NULL, forward_to_process, x };
	sigset_t mask;
	int wstatus = 0, r = rt_foreground(&w, &mask, err);

	if (r < 0)
		give_up(x);
	else
		r = joey_wait_pid(x->pid, &wstatus);
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	if (r == 0)
		*ret_exit = rt_exit_code(wstatus);
	return r;
}

static int run(struct exec_run *x, const struct joey_runtime *rt, int *ret_exit, struct joey_err *err)
{
	int r = prepare(x, rt, err);

	if (r < 0)
		return r;
	if (!x->o->detach && prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL) < 0)
		return joey_err_sys(err, errno, "become child subreaper");
	r = x->t.be->exec(x->t.c, &x->args, &x->pid, err);
	if (r < 0)
		return joey_err_wrap(err, "exec failed: unable to start container process");
	r = rt_pidfile_write(x->o->pid_file, x->pid, err);
	if (r < 0) {
		give_up(x);
		return r;
	}
	*ret_exit = 0;
	return x->o->detach ? 0 : wait_for(x, ret_exit, err);
}

int joey_rt_exec(const struct joey_runtime *rt, const struct joey_exec_opts *o, int *ret_exit, struct joey_err *err)
{
	struct exec_run x = {
		.t = RT_TARGET_INIT, .o = o, .console_sock = -EBADF, .pidfd_sock = -EBADF, .pty = -EBADF
	};
	int r = run(&x, rt, ret_exit, err);

	exec_run_done(&x);
	return r;
}
