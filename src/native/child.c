/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in the container's first process between clone and execve: enter the namespaces that clone3(2) did not
 * make, run the set-up steps phase by phase, speak with joey in between, wait to be started, execute.
 *
 * No stdio, no exit(3): the memory is a copy of joey's.  Every failure is sent to whoever listens: joey's create by
 * the set-up channel, joey's start by the report FIFO.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "native/native-internal.h"

void child_tie_to_parent(void)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The payload gets the defaults, whatever joey or its caller had blocked or ignored. */
int child_close_others(unsigned preserve_fds, int *keep, size_t n, struct joey_err *err)
{
	int r = joey_close_all_but(3 + preserve_fds, keep, n);

	return r < 0 ? joey_err_sys(err, r, "close inherited descriptors") : 0;
}

/*
 * What joey or its caller had open and init has no use for: a created container may wait for a long time, and
 * nothing of the host may be reachable through it meanwhile.
 */
static int close_others(const struct native_plan *p, const struct sync *sync, struct joey_err *err)
{
	const struct joey_setup *s = &p->setup;
	int keep[] = { sync->fd,
		       p->gate.start,
		       p->gate.report,
		       s->bundle_fd,
		       s->host_root_fd,
		       s->rootfs_fd,
		       s->devnull_fd,
		       s->cgroup_fd,
		       s->console_sock,
		       s->pty_to_parent,
		       s->notify_dir_fd,
		       p->ns_fds[JOEY_NS_NET],
		       p->ns_fds[JOEY_NS_MNT],
		       p->ns_fds[JOEY_NS_IPC],
		       p->ns_fds[JOEY_NS_UTS],
		       p->ns_fds[JOEY_NS_CGROUP],
		       p->ns_fds[JOEY_NS_TIME] };

	return child_close_others(s->preserve_fds, keep, JOEY_ARRAY_SIZE(keep), err);
}

static void log_to_parent(void *arg, enum joey_log_level level, const char *text)
{
	(void)sync_send(arg, SYNC_LOG, (uint32_t)level, text, -EBADF, NULL);
}

void child_begin(struct sync *sync)
{
	joey_signals_default();
	child_tie_to_parent();
	joey_log_set_sink(log_to_parent, sync, JOEY_LOG_WARNING);
}

int child_become_root(struct joey_err *err)
{
	if (setresgid(0, 0, 0) < 0)
		return joey_err_sys(err, errno, "become gid 0 of the user namespace (is it mapped?)");
	if (setresuid(0, 0, 0) < 0)
		return joey_err_sys(err, errno, "become uid 0 of the user namespace (is it mapped?)");
	/* an id change clears the death signal (prctl(2)) */
	child_tie_to_parent();
	return 0;
}

int child_join_namespaces(struct native_plan *p, bool may_fail, struct joey_err *err)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		struct joey_err join_err = JOEY_ERR_INIT;
		int r;

		if (i == JOEY_NS_USER || p->ns_fds[i] < 0)
			continue;
		r = joey_ns_join(p->ns_fds[i], (enum joey_ns)i, p->config->ns[i].path, &join_err);
		if (r == 0) {
			p->ns_fds[i] = joey_close(p->ns_fds[i]);
			continue;
		}
		if (may_fail && p->setup.in_userns && r == -EPERM) {
			joey_err_clear(&join_err);
			continue;
		}
		*err = join_err;
		return r;
	}
	return 0;
}

static int get_maps(struct native_plan *p, struct sync *sync, struct joey_err *err)
{
	struct sync_frame f;
	int r;

	if (!p->userns_new)
		return 0;
	r = sync_send(sync, SYNC_NEED_MAPS, 0, NULL, -EBADF, err);
	if (r == 0)
		r = sync_expect(sync, SYNC_MAPPED, &f, err);
	return r < 0 ? r : child_become_root(err);
}

static int enter_namespaces(struct native_plan *p, struct sync *sync, bool joined, struct joey_err *err)
{
	int r = 0;

	if (!joined) {
		r = get_maps(p, sync, err);
		if (r == 0)
			r = child_join_namespaces(p, false, err);
	}
	if (r < 0)
		return r;
	/* Holds host descriptors from here to execve(2): nobody may ptrace it or open its /proc files. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return joey_err_sys(err, errno, "make init non-dumpable");
	if ((p->new_ns & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return joey_err_sys(err, errno, "make a cgroup namespace");
	return 0;
}

/* ---- what steps ask of joey ------------------------------------------------------------------------------- */

static int ask_mount_source(void *arg, size_t index, int *ret_fd, struct joey_err *err)
{
	struct sync *sync = arg;
	struct sync_frame f;
	int r = sync_send(sync, SYNC_SOURCE, (uint32_t)index, NULL, -EBADF, err);

	if (r == 0)
		r = sync_expect(sync, SYNC_SOURCE_FD, &f, err);
	if (r == 0)
		*ret_fd = f.fd;
	return r;
}

int child_give_listener(void *arg, int fd, struct joey_err *err)
{
	return sync_send(arg, SYNC_LISTENER, 0, NULL, fd, err);
}

/* ---- hooks in the container ---------------------------------------------------------------------------------- */

static int run_hooks(struct native_plan *p, enum joey_hook_kind kind, enum joey_status status, char *const *env,
		     int dir_fd, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = NULL;
	autofree char *json = NULL;
	int r;

	if (p->config->hooks[kind].n == 0)
		return 0;
	o = joey_json_out_new(0);
	joey_json_out_object(o, NULL);
	joey_state_write_oci(o, &p->container->state, status, getpid());
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &json, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "make the state for %s hooks", joey_hook_kind_to_string(kind));
	return joey_hooks_run(p->config, kind, json, env, dir_fd, err);
}

static int hooks_before_pivot(struct native_plan *p, struct sync *sync, struct joey_err *err)
{
	static char *const no_env[] = { NULL };
	struct sync_frame f;
	int r;

	if (p->args->runtime_hooks) {
		r = sync_send(sync, SYNC_HOOKS, 0, NULL, -EBADF, err);
		if (r == 0)
			r = sync_expect(sync, SYNC_HOOKS_DONE, &f, err);
		if (r < 0)
			return r;
	}
	return run_hooks(p, JOEY_HOOK_CREATE_CONTAINER, JOEY_ST_CREATING, no_env, p->setup.root_fd, err);
}

/* ---- the way to execve ------------------------------------------------------------------------------------------ */

static int set_up(struct native_plan *p, struct sync *sync, bool joined, struct joey_err *err)
{
	struct sync_frame f;
	int r = close_others(p, sync, err);

	if (r == 0)
		r = enter_namespaces(p, sync, joined, err);
	/* The caller may be tied to few CPUs; the container's are its cpuset's, to which the kernel cuts this. */
	if (r == 0)
		r = joey_cpu_affinity_apply(0, NULL, err);
	if (r == 0)
		r = joey_setup_run(&p->setup, JOEY_PHASE_MOUNTS, err);
	if (r == 0)
		r = hooks_before_pivot(p, sync, err);
	if (r == 0)
		r = joey_setup_run(&p->setup, JOEY_PHASE_PIVOT, err);
	if (r == 0)
		r = sync_send(sync, SYNC_READY, 0, NULL, -EBADF, err);
	if (r == 0)
		r = sync_expect(sync, SYNC_GO, &f, err);
	if (r < 0)
		return r;
	/* Init is about to outlive joey, and the payload must not inherit a death signal.  Not later: the profile of
	 * the EXEC phase may forbid prctl(2).  If joey dies meanwhile, the channel tells. */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return joey_err_sys(err, errno, "clear the parent-death signal");
	return joey_setup_run(&p->setup, JOEY_PHASE_EXEC, err);
}

static int wait_for_start(struct native_plan *p, struct joey_err *err)
{
	char byte;
	ssize_t n;

	do
		n = read(p->gate.start, &byte, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : joey_err_sys(err, n < 0 ? errno : EPIPE, "wait for start");
}

static int start_payload(struct native_plan *p, struct joey_err *err)
{
	int r = run_hooks(p, JOEY_HOOK_START_CONTAINER, JOEY_ST_CREATED, p->setup.envp, -EBADF, err);

	return r < 0 ? r : joey_setup_exec(&p->setup, err);
}

void child_main(struct native_plan *p, struct sync *sync, bool joined)
{
	struct joey_err err = JOEY_ERR_INIT;

	child_begin(sync);
	p->setup.parent = (struct joey_setup_parent){ sync, ask_mount_source, child_give_listener };

	if (set_up(p, sync, joined, &err) < 0)
		goto fail;
	joey_log_set_sink(NULL, NULL, JOEY_LOG_ERROR);
	if (p->args->run) {
		start_payload(p, &err);
		goto fail;
	}
	if (sync_send(sync, SYNC_DONE, 0, NULL, -EBADF, &err) < 0)
		_exit(1);
	joey_close(sync->fd);
	joey_setup_close(&p->setup);
	p->setup.cgroup_fd = joey_close(p->setup.cgroup_fd);
	if (wait_for_start(p, &err) == 0)
		start_payload(p, &err);
	(void)joey_gate_report(&p->gate, &err);
	_exit(1);
fail:
	sync_send_failed(sync, &err);
	_exit(1);
}
