/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restore: a create whose processes come from images.  Cgroup, limits, mount sources, namespaces to join and hooks are
 * the new config's; CRIU runs inside the container's cgroup, in a mount namespace of its own that ends with it, and
 * makes init as its sibling, so that init is joey's child like that of a run.
 *
 *   state names the cgroup -> cgroup, limits -> mount points -> CRIU: setup-namespaces (state knows init, hooks)
 *     -> post-restore (mounts are checked, limits again) -> the processes go on -> state
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "joey/syscalls.h"
#include "native/criu.h"

struct restore {
	struct native_plan p;
	const struct joey_restore *how;
	struct criu_stdio stdio;
	int fds[JOEY_NS_MAX + CRIU_N_STDIO];
	size_t n_fds;
	int sigfd;
	bool hooks_done, has_pty;
};

/* ---- the request ------------------------------------------------------------------------------------------------ */

static int read_stdio(struct restore *t, struct joey_err *err)
{
	autofree char *text = NULL;
	size_t len = 0;
	int r = joey_read_file_at(t->how->image->image_fd, "descriptors.json", O_NOFOLLOW | O_NONBLOCK,
				  CRIU_N_STDIO * CRIU_STDIO_MAX, &text, &len);

	if (r < 0)
		return joey_err_sys(err, r, "read descriptors.json of the image");
	r = criu_stdio_parse(text, len, &t->stdio, err);
	return r < 0 ? joey_err_wrap(err, "descriptors.json of the image") : 0;
}

/* Streams that led out of the container lead to joey's own now. */
static void give_stdio(struct restore *t, struct joey_str *opts)
{
	for (int n = 0; n < CRIU_N_STDIO; n++) {
		const char *name = t->stdio.v[n];

		if (!name || !(joey_startswith(name, "pipe:[") || joey_startswith(name, "file[")))
			continue;
		criu_add_fd(opts, CRIU_O_INHERIT_FD, name, CRIU_FIRST_FD + (int)t->n_fds);
		t->fds[t->n_fds++] = n;
	}
}

static int fill(struct restore *t, struct joey_str *opts, struct joey_err *err)
{
	struct native_plan *p = &t->p;
	int r = criu_add_image(opts, t->how->image, p->config, "restore.log", err);

	if (r < 0)
		return r;
	joey_pb_string(opts, CRIU_O_ROOT, p->args->rootfs);
	joey_pb_bool(opts, CRIU_O_SIBLING, true);
	joey_pb_bool(opts, CRIU_O_EVASIVE_DEVICES, true);
	if (p->container->state.cgroup.path)
		criu_add_pair(opts, CRIU_O_CGROUP_ROOT, "", p->container->state.cgroup.path);
	if (t->how->lsm_profile)
		joey_pb_string(opts, CRIU_O_LSM_PROFILE, t->how->lsm_profile);
	if (t->how->lsm_mount_context)
		joey_pb_string(opts, CRIU_O_LSM_MOUNT_CONTEXT, t->how->lsm_mount_context);
	r = criu_give_external(opts, p, t->fds, &t->n_fds, err);
	if (r == 0)
		give_stdio(t, opts);
	return r;
}

/* ---- while CRIU works ------------------------------------------------------------------------------------------- */

static int know_init(struct restore *t, pid_t pid, struct joey_err *err)
{
	struct joey_state *st = &t->p.container->state;
	uint64_t start;
	int r;

	if (pid <= 0)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "CRIU does not name the container's init");
	r = joey_proc_stat(pid, &start, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "read the start time of the container's init");
	st->pid = pid;
	st->pid_start = start;
	return 0;
}

static int on_setup_namespaces(struct restore *t, const struct criu_answer *a, int *fd, struct joey_err *err)
{
	const struct joey_create *args = t->p.args;
	int r = know_init(t, a->pid, err);

	(void)fd;
	if (r == 0 && args->runtime_hooks && !t->hooks_done)
		r = args->runtime_hooks(args->arg, err);
	t->hooks_done = true;
	return r;
}

static int on_post_restore(struct restore *t, const struct criu_answer *a, int *fd, struct joey_err *err)
{
	const struct joey_create *args = t->p.args;
	int r = know_init(t, a->pid, err);

	(void)fd;
	if (r == 0)
		r = criu_readonly_root(&t->p, a->pid, err);
	if (r == 0)
		r = criu_check_mounts(&t->p, a->pid, err);
	/* The images' own limits, which some cgroup modes bring along, do not count. */
	if (r == 0)
		r = native_apply_limits(&t->p, err);
	if (r == 0)
		r = native_join_intel_rdt(&t->p, a->pid, err);
	return r < 0 ? r : args->save(args->arg, err);
}

static int on_pty(struct restore *t, const struct criu_answer *a, int *fd, struct joey_err *err)
{
	const struct joey_create *args = t->p.args;

	(void)a;
	/* Any process may have had an orphaned terminal; the container's own is the first one. */
	if (*fd < 0 || t->has_pty)
		return 0;
	t->has_pty = true;
	if (args->console_sock >= 0)
		return joey_send_one_fd(args->console_sock, "/dev/ptmx", *fd, err);
	if (args->ret_pty)
		*args->ret_pty = joey_take_fd(fd);
	return 0;
}

static int on_notify(void *arg, const struct criu_answer *a, int *fd, struct joey_err *err)
{
	static const struct {
		const char *script;
		int (*run)(struct restore *t, const struct criu_answer *a, int *fd, struct joey_err *err);
	} steps[] = {
		{ "setup-namespaces", on_setup_namespaces },
		{ "post-restore", on_post_restore },
		{ "orphan-pts-master", on_pty },
	};

	for (size_t i = 0; i < JOEY_ARRAY_SIZE(steps); i++)
		if (joey_streq(a->script, steps[i].script))
			return steps[i].run(arg, a, fd, err);
	return 0;
}

static int prepare_process(void *arg, struct joey_err *err)
{
	const struct restore *t = arg;

	return criu_own_mounts(&t->p, err);
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

static int call_criu(struct restore *t, struct joey_err *err)
{
	autostr struct joey_str opts = JOEY_STR_INIT, request = JOEY_STR_INIT;
	const struct criu_call call = {
		.request = &request,
		.log = "restore.log",
		.image = t->how->image,
		.cgroup = t->p.cgroup,
		.keep_stdio = t->how->image->shell_job,
		.endless = t->how->image->lazy_pages,
		.fds = t->fds,
		.prepare = prepare_process,
		.notify = on_notify,
		.arg = t,
	};
	const struct joey_config *c = t->p.config;
	autoclose int userns_fd = -EBADF;
	struct criu_call ready = call;
	struct criu_answer answer;
	int r = fill(t, &opts, err);

	if (r == 0 && joey_config_new_ns(c, JOEY_NS_USER))
		r = joey_idmap_userns_fd(&c->uid_mappings, &c->gid_mappings, &userns_fd, err);
	if (r < 0)
		return r;
	ready.userns_fd = userns_fd;
	ready.sigfd = t->sigfd;
	criu_request(&request, CRIU_RESTORE, &opts);
	ready.n_fds = t->n_fds;
	r = criu_call(&ready, &answer, err);
	/* Where there is no namespace to set up, no notification has named it. */
	if (r == 0 && t->p.container->state.pid != answer.pid)
		r = know_init(t, answer.pid, err);
	return r;
}

static int tell_pidfd(const struct restore *t, struct joey_err *err)
{
	autoclose int pidfd = -EBADF;

	if (t->p.args->pidfd_sock < 0)
		return 0;
	pidfd = joey_sys_pidfd_open(t->p.container->state.pid, 0);
	if (pidfd < 0)
		return joey_err_sys(err, pidfd, "open a pidfd of the container's init");
	return joey_send_one_fd(t->p.args->pidfd_sock, "standard", pidfd, err);
}

static int restore(struct restore *t, struct joey_container *c, const struct joey_create *args, struct joey_err *err)
{
	int r = plan_init(&t->p, c, args, err);

	if (r == 0)
		r = criu_check_version(err);
	if (r == 0 && t->how->image->lazy_pages)
		r = criu_check_features(false, true, err);
	if (r == 0)
		r = read_stdio(t, err);
	if (r == 0)
		r = native_save_data(c, &t->p, false, err);
	if (r == 0)
		r = native_make_cgroup(&t->p, err);
	if (r == 0)
		r = native_apply_limits(&t->p, err);
	if (r == 0)
		r = criu_make_mount_points(&t->p, err);
	if (r == 0)
		r = call_criu(t, err);
	return r < 0 ? r : tell_pidfd(t, err);
}

int native_restore(struct joey_container *c, const struct joey_create *args, const struct joey_restore *how,
		   struct joey_err *err)
{
	struct restore t = { .how = how };
	sigset_t old;
	int r;

	t.sigfd = native_block_signals(&old);
	r = restore(&t, c, args, err);
	if (r < 0) {
		autoerr struct joey_err undo = JOEY_ERR_INIT;

		if (native_destroy(c, &undo) < 0)
			joey_err_set(err, err->kind, err->errnum, "%s (and: %s)", joey_err_text(err),
				     joey_err_text(&undo));
		c->state.pid = 0;
	}
	joey_close(t.sigfd);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	criu_stdio_done(&t.stdio);
	joey_cgroup_free(t.p.cgroup);
	plan_done(&t.p);
	return r;
}
