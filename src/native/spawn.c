/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parent's side of making a container's first process.
 *
 * joey has one thread from start to end, so after clone3(2) without CLONE_VM the child may allocate memory and use
 * stdio-free libc as usual.  The child is born inside its cgroup (CLONE_INTO_CGROUP): no limit is ever late, and the
 * kernel takes no write lock on cgroup_threadgroup_rwsem, which a write to cgroup.procs would wait milliseconds for.
 * While the child mounts, the parent applies limits and writes the state: two CPUs work at once.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "joey/log.h"
#include "joey/syscalls.h"
#include "native/native-internal.h"

static uint64_t clone_flags(const struct native_plan *p)
{
	/* cgroup: unshared by init once it is in its cgroup, or the namespace's root would be joey's. */
	return p->staged ? 0 : p->new_ns & ~(uint64_t)CLONE_NEWCGROUP;
}

static _Noreturn void run_child(struct native_plan *p, struct sync *sync)
{
	if (p->staged)
		stage_main(p, sync);
	child_main(p, sync, false);
}

int spawn_child(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	int cgroup_fd = joey_cgroup_fd(p->cgroup), socks[2], r;
	bool moved;
	pid_t pid;

	r = sync_pair(socks, err);
	if (r < 0)
		return r;
	ch->sync.fd = socks[0];
	pid = joey_clone_into(clone_flags(p), cgroup_fd, &ch->pidfd, &moved);
	if (pid == 0) {
		struct sync sync = { .fd = socks[1], .sigfd = -EBADF, .child = true };

		joey_close(socks[0]);
		run_child(p, &sync);
	}
	joey_close(socks[1]);
	if (pid < 0)
		return joey_err_sys(err, pid, "clone the container's first process");
	if (p->staged)
		ch->stage = pid;
	else
		ch->pid = pid;
	return cgroup_fd >= 0 && !moved ? joey_cgroup_add(p->cgroup, pid, err) : 0;
}

static int give_maps(struct native_plan *p, struct native_child *ch, pid_t pid, struct joey_err *err)
{
	struct sync_frame f;
	int r = sync_expect(&ch->sync, SYNC_NEED_MAPS, &f, err);

	if (r == 0)
		r = joey_idmap_write(p->host_proc_fd, pid, &p->config->uid_mappings, &p->config->gid_mappings,
				     !p->args->rootless, err);
	return r < 0 ? r : sync_send(&ch->sync, SYNC_MAPPED, 0, NULL, -EBADF, err);
}

/* The stage's last word is init's pid; init has been waiting for ours since. */
static int meet_init(struct native_child *ch, struct joey_err *err)
{
	struct sync_frame f;
	int status, r = sync_expect(&ch->sync, SYNC_INIT, &f, err);

	if (r < 0)
		return r;
	ch->pid = (pid_t)f.arg;
	joey_close(ch->pidfd);
	ch->pidfd = joey_sys_pidfd_open(ch->pid, 0);
	if (ch->pidfd < 0)
		return joey_err_sys(err, ch->pidfd, "open a pidfd of the container's init");
	(void)joey_wait_pid(ch->stage, &status);
	ch->stage = 0;
	return sync_send(&ch->sync, SYNC_PROCEED, 0, NULL, -EBADF, err);
}

int spawn_introduce(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	const struct joey_opt_i64 *score = &p->config->process->oom_score_adj;
	pid_t first = ch->stage ? ch->stage : ch->pid;
	int r = 0;

	/* Before the process gives up its dumpable attribute: an unprivileged joey may not write it afterwards. */
	if (score->set)
		r = joey_oom_score_adj_apply(p->host_proc_fd, first, score->v, err);
	if (r == 0 && p->userns_new)
		r = give_maps(p, ch, first, err);
	if (r == 0 && p->staged)
		r = meet_init(ch, err);
	return r;
}

/* ---- serving ----------------------------------------------------------------------------------------------- */

static int userns_of(struct native_plan *p, pid_t pid, const struct joey_mount *m, int *ret_fd, struct joey_err *err)
{
	char name[48];
	int fd;

	if (!m->opts->idmap && !m->opts->ridmap && m->uid_mappings.n == 0)
		return 0;
	if (m->uid_mappings.n > 0)
		return joey_idmap_userns_fd(&m->uid_mappings, &m->gid_mappings, ret_fd, err);
	snprintf(name, sizeof(name), "%d/ns/user", (int)pid);
	fd = openat(p->host_proc_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return joey_err_sys(err, errno, "open the container's user namespace");
	*ret_fd = fd;
	return 0;
}

static int serve_source(struct native_plan *p, struct native_child *ch, uint32_t index, struct joey_err *err)
{
	autoclose int userns = -EBADF, fd = -EBADF;
	const struct joey_mount *m;
	int r;

	if (index >= p->config->n_mounts)
		return joey_err_set(err, JOEY_EK_OTHER, EPROTO, "request for a mount that does not exist");
	m = &p->config->mounts[index];
	r = userns_of(p, ch->pid, m, &userns, err);
	if (r == 0)
		r = joey_mount_source_open(m, p->setup.host_root_fd, p->setup.bundle_fd, userns, &fd, err);
	return r < 0 ? r : sync_send(&ch->sync, SYNC_SOURCE_FD, 0, NULL, fd, err);
}

int native_send_listener(struct joey_container *c, const struct joey_config *config, enum joey_status status, pid_t pid,
			 struct sync_frame *f, struct joey_err *err)
{
	autojsonout struct joey_json_out *o = joey_json_out_new(0);
	autoclose int fd = joey_take_fd(&f->fd);
	autofree char *json = NULL;
	int r;

	joey_json_out_object(o, NULL);
	/* state.pid is init's, also when pid is an exec'd process (checklist 9.9) */
	joey_state_write_oci(o, &c->state, status, c->state.pid);
	joey_json_out_end(o);
	r = joey_json_out_finish(o, &json, NULL);
	if (r < 0)
		return joey_err_sys(err, r, "make the state for the seccomp agent");
	return joey_seccomp_send_listener(config->seccomp->listener_path, config->seccomp->listener_metadata, json, pid,
					  fd, err);
}

static int serve_ready(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	uint32_t uid = 0;
	int r = joey_rlimits_apply(ch->pid, p->config->process, err);

	(void)joey_idmap_to_host(&p->config->uid_mappings, p->config->process->user.uid, &uid);
	if (r == 0)
		r = joey_cgroup_enter_payload(p->cgroup, ch->pid, uid, err);
	return r < 0 ? r : sync_send(&ch->sync, SYNC_GO, 0, NULL, -EBADF, err);
}

static int serve_hooks(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	int r = p->args->runtime_hooks ? p->args->runtime_hooks(p->args->arg, err) : 0;

	return r < 0 ? r : sync_send(&ch->sync, SYNC_HOOKS_DONE, 0, NULL, -EBADF, err);
}

/* Init went away without a word: say what the kernel knows. */
static int died(struct native_child *ch, struct joey_err *err)
{
	int status;

	if (joey_wait_pid(ch->pid, &status) < 0)
		return joey_err_set(err, JOEY_EK_OTHER, ECHILD, "container init is gone");
	ch->pid = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE,
				    "container init was killed (OOM-killed? memory limit too low?)");
	if (WIFSIGNALED(status))
		return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "container init died of signal %d", WTERMSIG(status));
	return joey_err_set(err, JOEY_EK_OTHER, EPIPE, "container init exited with status %d before it was ready",
			    WEXITSTATUS(status));
}

int spawn_serve(struct native_plan *p, struct native_child *ch, struct joey_err *err)
{
	struct sync_frame f;
	int r;

	for (;;) {
		r = sync_recv(&ch->sync, &f, err);
		if (r < 0)
			return r;
		if (r == 0)
			/* armed, and for run the payload was executed: its channel is close-on-exec */
			return p->args->run && ch->sync.phase == SYNC_P_ARMED ? 0 : died(ch, err);
		switch ((enum sync_msg)f.type) {
		case SYNC_SOURCE:
			r = serve_source(p, ch, f.arg, err);
			break;
		case SYNC_HOOKS:
			r = serve_hooks(p, ch, err);
			break;
		case SYNC_READY:
			r = serve_ready(p, ch, err);
			break;
		case SYNC_LISTENER:
			r = native_send_listener(p->container, p->config, JOEY_ST_CREATING, ch->pid, &f, err);
			break;
		case SYNC_LOG:
			joey_log(f.arg <= JOEY_LOG_DEBUG ? (enum joey_log_level)f.arg : JOEY_LOG_WARNING, "%s", f.text);
			break;
		case SYNC_DONE:
			return 0;
		case SYNC_NEED_MAPS:
		case SYNC_MAPPED:
		case SYNC_INIT:
		case SYNC_PROCEED:
		case SYNC_SOURCE_FD:
		case SYNC_HOOKS_DONE:
		case SYNC_GO:
		case SYNC_FAILED:
		case SYNC_MAX:
			r = joey_err_set(err, JOEY_EK_OTHER, EPROTO, "unexpected message %u from init", f.type);
			break;
		}
		if (r < 0)
			return r;
	}
}

void spawn_abort(struct native_child *ch)
{
	int status;

	if (ch->pidfd >= 0 && (ch->pid || ch->stage))
		(void)joey_sys_pidfd_send_signal(ch->pidfd, SIGKILL, NULL, 0);
	if (ch->stage)
		(void)joey_wait_pid(ch->stage, &status);
	if (ch->pid)
		(void)joey_wait_pid(ch->pid, &status);
	ch->pid = ch->stage = 0;
}
