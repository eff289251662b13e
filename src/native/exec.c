/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec: one more process in a container.
 *
 * One clone, no re-exec.  The parent itself enters the container's pid namespace for its children (setns(2) with
 * CLONE_NEWPID does not move the caller), then clones into the container's cgroup; the child joins the other
 * namespaces by init's pidfd in a single setns(2), which the kernel checks as a whole.
 *
 * The window between joining and execve(2) is closed to the container: the parent is non-dumpable before the clone, so
 * the child is from birth: no ptrace, no /proc/PID/{exe,fd,mem,root} for whoever lacks CAP_SYS_PTRACE over
 * joey's own user namespace (security.md C4, C6).  Credentials are the container's before anything of it is opened for
 * execution.
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "native/native-internal.h"

struct exec_job {
	struct joey_container *c;
	const struct joey_exec *args;
	struct joey_setup setup;
	int init_pidfd, host_proc_fd;
	int join_flags; /* CLONE_NEW* to join by the child */
	bool join_userns;
	struct joey_cgroup *cgroup;
	int cgroup_fd;
	int pty_pair[2];
	struct native_child ch;
};

static void job_done(struct exec_job *j)
{
	joey_close(j->init_pidfd);
	joey_close(j->host_proc_fd);
	joey_close(j->cgroup_fd);
	joey_close(j->pty_pair[0]);
	joey_close(j->pty_pair[1]);
	joey_close(j->ch.sync.fd);
	joey_close(j->ch.pidfd);
	joey_cgroup_free(j->cgroup);
	joey_seccomp_prog_free(j->setup.seccomp);
	joey_setup_done(&j->setup);
}

/* ---- where to ---------------------------------------------------------------------------------------------- */

static bool same_namespace(int proc_fd, const char *a, const char *b)
{
	struct stat sa, sb;

	return fstatat(proc_fd, a, &sa, 0) == 0 && fstatat(proc_fd, b, &sb, 0) == 0 && sa.st_ino == sb.st_ino &&
	       sa.st_dev == sb.st_dev;
}

/* Init's namespaces that are not ours already; joining one's own user namespace would be refused. */
static int find_namespaces(struct exec_job *j, struct joey_err *err)
{
	for (unsigned i = 0; i < JOEY_NS_MAX; i++) {
		char theirs[48], own[32];

		snprintf(theirs, sizeof(theirs), "%d/ns/%s", (int)j->c->state.pid, joey_ns_table[i].proc_name);
		snprintf(own, sizeof(own), "self/ns/%s", joey_ns_table[i].proc_name);
		if (!same_namespace(j->host_proc_fd, theirs, own))
			j->join_flags |= (int)joey_ns_table[i].clone_flag;
	}
	j->join_userns = j->join_flags & CLONE_NEWUSER;
	j->setup.in_userns = j->join_userns;
	if (!joey_init_is_alive(&j->c->state))
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	return 0;
}

/* The container's cgroup, one below it, or, when the kernel will not have processes there any more, where init is. */
static int find_cgroup(struct exec_job *j, struct joey_err *err)
{
	int r;

	if (!j->c->state.cgroup.path) {
		if (j->args->cgroup)
			return joey_err_set(err, JOEY_EK_USAGE, EINVAL,
					    "bad sub cgroup path: the container has no cgroup");
		return 0;
	}
	r = joey_cgroup_open(&j->c->state.cgroup, &j->cgroup, err);
	if (r == 0)
		r = joey_cgroup_open_for_exec(j->cgroup, j->args->cgroup, j->c->state.pid, &j->cgroup_fd, err);
	return r;
}

static int prepare(struct exec_job *j, struct joey_err *err)
{
	const struct joey_exec *a = j->args;
	int r;

	joey_setup_init(&j->setup);
	j->setup.config = a->config;
	j->setup.process = a->process;
	j->setup.id = j->c->id;
	j->setup.exec_only = true;
	j->setup.rootless = a->rootless;
	j->setup.preserve_fds = a->preserve_fds;
	j->setup.console_sock = a->console_sock;
	j->host_proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (j->host_proc_fd < 0)
		return joey_err_sys(err, errno, "open the host's procfs");
	j->init_pidfd = joey_sys_pidfd_open(j->c->state.pid, 0);
	if (j->init_pidfd < 0)
		return joey_err_set(err, JOEY_EK_STATE, ESRCH, "container not running");
	r = find_namespaces(j, err);
	if (r == 0)
		r = find_cgroup(j, err);
	if (r == 0)
		r = native_compile_seccomp(&j->setup, err);
	if (r < 0)
		return r;
	if (a->ret_pty) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, j->pty_pair) < 0)
			return joey_err_sys(err, errno, "make the terminal channel");
		j->setup.pty_to_parent = j->pty_pair[1];
	}
	return 0;
}

/* ---- the child ------------------------------------------------------------------------------------------------ */

static int join(struct exec_job *j, struct joey_err *err)
{
	int flags = j->join_flags & ~CLONE_NEWPID; /* we were born there */

	if (flags && setns(j->init_pidfd, flags) < 0)
		return joey_err_sys(err, errno, "join the container's namespaces");
	return j->join_userns ? child_become_root(err) : 0;
}

static int exec_child_run(struct exec_job *j, struct sync *sync, struct joey_err *err)
{
	const struct joey_process *p = j->args->process;
	int keep[] = { sync->fd, j->init_pidfd, j->setup.console_sock, j->setup.pty_to_parent };
	struct sync_frame f;
	int r = child_close_others(j->setup.preserve_fds, keep, JOEY_ARRAY_SIZE(keep), err);

	/* Without a wish the mask is the cpuset's; one of the caller's must not be inherited. */
	if (r == 0 && (p->cpu_affinity_final || !p->cpu_affinity_initial))
		r = joey_cpu_affinity_apply(0, p->cpu_affinity_final, err);
	if (r == 0)
		r = join(j, err);
	if (r < 0)
		return r;
	j->init_pidfd = joey_close(j->init_pidfd);
	r = sync_send(sync, SYNC_READY, 0, NULL, -EBADF, err);
	if (r == 0)
		r = sync_expect(sync, SYNC_GO, &f, err);
	if (r < 0)
		return r;
	/* Not after the EXEC phase: its profile may forbid prctl(2). */
	if (prctl(PR_SET_PDEATHSIG, 0) < 0)
		return joey_err_sys(err, errno, "clear the parent-death signal");
	r = joey_setup_run(&j->setup, JOEY_PHASE_EXEC, err);
	return r < 0 ? r : joey_setup_exec(&j->setup, err);
}

static _Noreturn void exec_child(struct exec_job *j, struct sync *sync)
{
	struct joey_err err = JOEY_ERR_INIT;

	child_begin(sync);
	j->setup.parent = (struct joey_setup_parent){ sync, NULL, child_give_listener };
	exec_child_run(j, sync, &err);
	sync_send_failed(sync, &err);
	_exit(1);
}

/* ---- the parent -------------------------------------------------------------------------------------------------- */

static int spawn(struct exec_job *j, struct joey_err *err)
{
	const struct joey_process *p = j->args->process;
	int socks[2], r = sync_pair(socks, err);
	bool moved = false;
	pid_t pid;

	if (r < 0)
		return r;
	j->ch.sync.fd = socks[0];
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		r = joey_err_sys(err, errno, "become non-dumpable");
	/* Inherited by the child, which thus has it before it is in the cgroup. */
	if (r == 0 && p->cpu_affinity_initial)
		r = joey_cpu_affinity_apply(0, p->cpu_affinity_initial, err);
	if (r == 0 && (j->join_flags & CLONE_NEWPID) && setns(j->init_pidfd, CLONE_NEWPID) < 0)
		r = joey_err_sys(err, errno, "enter the container's pid namespace");
	if (r == 0) {
		pid = joey_clone_into(0, j->cgroup_fd, &j->ch.pidfd, &moved);
		if (pid == 0) {
			struct sync sync = { .fd = socks[1], .sigfd = -EBADF, .child = true };

			exec_child(j, &sync);
		}
		if (pid < 0)
			r = joey_err_sys(err, pid, "clone a process for the container");
		else
			j->ch.pid = pid;
	}
	joey_close(socks[1]);
	if (r == 0 && j->cgroup_fd >= 0 && !moved)
		r = joey_cgroup_add(j->cgroup, j->ch.pid, err);
	return r;
}

static int serve_ready(struct exec_job *j, struct joey_err *err)
{
	const struct joey_process *p = j->args->process;
	int r = 0;

	if (p->oom_score_adj.set)
		r = joey_oom_score_adj_apply(j->host_proc_fd, j->ch.pid, p->oom_score_adj.v, err);
	if (r == 0 && j->args->config->intel_rdt)
		r = joey_intel_rdt_join(j->args->config->intel_rdt, j->c->id, j->ch.pid, err);
	if (r == 0)
		r = joey_rlimits_apply(j->ch.pid, p, err);
	if (r == 0 && j->args->pidfd_sock >= 0)
		r = joey_send_one_fd(j->args->pidfd_sock, "setns", j->ch.pidfd, err);
	return r < 0 ? r : sync_send(&j->ch.sync, SYNC_GO, 0, NULL, -EBADF, err);
}

static int serve(struct exec_job *j, struct joey_err *err)
{
	for (;;) {
		struct sync_frame f;
		int r = sync_recv(&j->ch.sync, &f, err);

		if (r < 0)
			return r;
		if (r == 0) {
			if (j->ch.sync.phase == SYNC_P_ARMED)
				return 0;
			return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "the new process died before it was ready");
		}
		if (f.type == SYNC_READY)
			r = serve_ready(j, err);
		else if (f.type == SYNC_LISTENER)
			r = native_send_listener(j->c, j->args->config, JOEY_ST_RUNNING, j->ch.pid, &f, err);
		else if (f.type == SYNC_LOG)
			sync_log(&f);
		else {
			joey_close(f.fd);
			r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "unexpected message %u from the new process",
					 f.type);
		}
		if (r < 0)
			return r;
	}
}

int native_exec(struct joey_container *c, const struct joey_exec *args, pid_t *ret_pid, struct joey_err *err)
{
	struct exec_job j = { .c = c,
			      .args = args,
			      .init_pidfd = -EBADF,
			      .host_proc_fd = -EBADF,
			      .cgroup_fd = -EBADF,
			      .pty_pair = { -EBADF, -EBADF },
			      .ch = { .pidfd = -EBADF, .sync = { .fd = -EBADF, .sigfd = -EBADF } } };
	int r = prepare(&j, err);

	if (r == 0)
		r = spawn(&j, err);
	if (r == 0)
		r = serve(&j, err);
	if (r == 0)
		r = native_receive_pty(j.pty_pair[0], args->ret_pty, err);
	if (r == 0) {
		*ret_pid = j.ch.pid;
	} else {
		spawn_abort(&j.ch);
		if (err && (err->errnum == EPIPE || err->errnum == ESRCH || err->errnum == ECONNRESET))
			sync_take_failed(&j.ch.sync, err);
	}
	job_done(&j);
	return r;
}
