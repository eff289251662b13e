/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a container: what create and run share.
 *
 * When is state.json written?  joey may be SIGKILLed at any point (engines set a parent death signal on it), and what
 * exists then must be findable by `delete --force`:
 *
 *   made so far                        what a SIGKILL leaves               found by
 *   ----------------------------------------------------------------------------------------------------------
 *   state directory, config.json       these files                         the directory's name
 *   [save 1: cgroup path, creator]     the same
 *   cgroup, init being set up          the cgroup; init dies with joey     the cgroup's path in save 1
 *   hooks run, init is ready           the same
 *   [save 2: pid, inode, !creating]    the same, status "stopped"
 *   init is let go, outlives joey      a container in order                pid and cgroup in save 2
 *
 * So two writes are enough, for create as well as for run: before save 2 init cannot outlive joey, and save 2 is
 * already final, because between it and the end of create nothing that is stored changes any more. A third write
 * follows only when the backend did change something (or saved its pid before the hooks had run).
 * Neither is synced: /run does not survive what a sync protects from.
 */
#include "runtime/runtime-internal.h"

void rt_launch_init(struct rt_launch *l, const struct joey_runtime *rt, const struct joey_create_opts *o, bool run)
{
	*l = (struct rt_launch){
		.rt = rt,
		.o = o,
		.run = run,
		.root_fd = -EBADF,
		.bundle_fd = -EBADF,
		.console_sock = -EBADF,
		.pidfd_sock = -EBADF,
		.be = joey_backend_by_name(NULL),
		.notify = RT_NOTIFY_INIT,
		.pty = -EBADF,
	};
}

void rt_launch_done(struct rt_launch *l)
{
	rt_notify_done(&l->notify);
	if (l->c)
		joey_container_free(l->c);
	else
		joey_config_free(l->config);
	joey_close(l->pty);
	joey_close(l->pidfd_sock);
	joey_close(l->console_sock);
	joey_close(l->bundle_fd);
	joey_close(l->root_fd);
	free(l->bundle);
	free(l->rootfs);
}

static bool has_create_hooks(const struct joey_config *config)
{
	return config->hooks[JOEY_HOOK_PRESTART].n + config->hooks[JOEY_HOOK_CREATE_RUNTIME].n > 0;
}

static bool is_saved(const struct joey_state *a, const struct joey_state *b)
{
	return a->backend && a->creating == b->creating && a->pid == b->pid && a->pid_start == b->pid_start &&
	       a->cgroup.driver == b->cgroup.driver && a->cgroup.created == b->cgroup.created &&
	       a->cgroup.inode == b->cgroup.inode && joey_streq(a->cgroup.path, b->cgroup.path) &&
	       a->backend_data == b->backend_data;
}

static int save(struct rt_launch *l, struct joey_err *err)
{
	int r;

	if (is_saved(&l->saved, &l->c->state))
		return 0;
	r = joey_container_save(l->c, err);
	if (r == 0)
		l->saved = l->c->state;
	return r;
}

static int on_save(void *arg, struct joey_err *err)
{
	struct rt_launch *l = arg;
	int r = rt_interrupt_check(err);

	if (r < 0)
		return r;
	if (l->c->state.pid > 0 && (l->hooks_done || !has_create_hooks(l->config)))
		l->c->state.creating = false;
	return save(l, err);
}

static int on_runtime_hooks(void *arg, struct joey_err *err)
{
	static const enum joey_hook_kind order[] = { JOEY_HOOK_PRESTART, JOEY_HOOK_CREATE_RUNTIME };
	struct rt_launch *l = arg;
	sigset_t old;
	int r = 0;

	rt_interrupt_allow(&old);
	for (size_t i = 0; i < JOEY_ARRAY_SIZE(order) && r == 0; i++) {
		r = rt_hooks_run(l->c, order[i], JOEY_ST_CREATING, l->c->state.pid, err);
		if (r == 0)
			r = rt_interrupt_check(err);
	}
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	l->hooks_done = r == 0;
	return r;
}

static int backend_create(struct rt_launch *l, struct joey_err *err)
{
	struct joey_create args = {
		.config = l->config,
		.bundle = l->bundle,
		.rootfs = l->rootfs,
		.run = l->run,
		.no_pivot = l->o->no_pivot,
		.no_new_keyring = l->o->no_new_keyring,
		.console_sock = l->console_sock,
		.ret_pty = rt_launch_foreground(l) && l->config->process->terminal ? &l->pty : NULL,
		.pidfd_sock = l->pidfd_sock,
		.notify_dir_fd = l->notify.dir_fd,
		.preserve_fds = l->preserve_fds,
		.cgroup_driver = l->rt->cgroup_driver,
		.rootless = l->rt->rootless,
		.vm = l->vm,
		.arg = l,
		.save = on_save,
		.runtime_hooks = has_create_hooks(l->config) ? on_runtime_hooks : NULL,
	};
	int r;

	l->backend_called = true;
	if (l->restore)
		r = l->be->restore ? l->be->restore(l->c, &args, l->restore, err)
				   : joey_err_set(err, JOEY_EK_UNSUPPORTED, ENOTSUP,
						  "restore is not supported by backend %s", l->be->name);
	else
		r = l->be->create(l->c, &args, err);
	return r < 0 ? joey_err_wrap(err, "unable to start container process") : 0;
}

int rt_launch(struct rt_launch *l, struct joey_err *err)
{
	int r = rt_launch_prepare(l, err);

	if (r < 0)
		return r;
	r = rt_interrupt_check(err);
	if (r == 0)
		r = backend_create(l, err);
	/* A payload that runs already is told about a late signal instead (foreground.c). */
	if (r == 0 && !rt_launch_foreground(l))
		r = rt_interrupt_check(err);
	if (r == 0) {
		l->c->state.creating = false;
		r = save(l, err);
	}
	if (r < 0)
		rt_launch_undo(l, err);
	return r;
}

/*
 * As if never tried (oci-checklist 1.9), then the poststop hooks (11.7), for those may have to take back what the
 * first hooks did.  The state directory is kept when the backend could not undo its part: delete --force needs it.
 */
void rt_launch_undo(struct rt_launch *l, struct joey_err *err)
{
	struct rt_target t = { l->root_fd, l->c, l->be };
	autoerr struct joey_err sub = JOEY_ERR_INIT;

	if (!l->c)
		return;
	if (!l->backend_called) {
		(void)joey_container_remove_dir(l->c, NULL);
		return;
	}
	if (rt_remove(&t, &sub) < 0)
		joey_err_set(err, err->kind, err->errnum, "%s (and cleaning up failed: %s; try delete --force)",
			     joey_err_text(err), joey_err_text(&sub));
}
